//! Storage that repeats every credential that it is given, in every place and in many forms.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::ext::ReasonPhrase;

use crate::common::middle::Middle;
use crate::common::test_bed::{Ended, TestBed};

/// Characters of a piece that gives a credential away.
const PIECE: usize = 16;
/// `{"alg":"ES256"` in base64, which is the same for many.
const ALGORITHM: usize = 19;

/// What a request carries that is nobody else's business.
fn credentials(head: &Parts) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["authorization", "transferheaderauthorization"] {
        for value in head.headers.get_all(name) {
            let value = value.to_str().unwrap_or_default();
            found.extend(value.split_whitespace().last().map(str::to_owned));
        }
    }
    let query = head.uri.query().unwrap_or_default();
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    found.extend(pairs.map(|(_, value)| value.trim_start_matches("Bearer ").to_owned()));
    // Cases present words that are no tokens as well, and redirects what was made of some.
    let token = |text: &String| ["eyJ", "MDA"].iter().any(|begin| text.starts_with(begin));
    found.retain(|text| text.len() >= 60 && token(text));
    found
}

/// The ways in which it is repeated.
fn forms(credential: &str) -> [String; 7] {
    [
        credential.to_owned(),
        credential.to_uppercase(),
        credential.chars().rev().collect(),
        credential
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        STANDARD.encode(credential),
        credential
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect(),
        credential
            .bytes()
            .map(|byte| format!("&#{byte};"))
            .collect(),
    ]
}

fn repeated(credential: &str, number: usize, answer: Response<Vec<u8>>) -> Response<Vec<u8>> {
    let form = forms(credential)[number % 7].clone();
    let (mut head, body) = answer.into_parts();
    let mut text = String::from_utf8_lossy(&body).into_owned();
    let name: String = credential
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = HeaderName::try_from(format!("x-{}", name.to_lowercase())).expect("a name");
    head.headers.insert(name, HeaderValue::from_static("1"));
    let value = HeaderValue::try_from(&form).expect("a value");
    head.headers.insert("x-echo", value.clone());
    if head.status.is_client_error() {
        head.headers.append(
            "www-authenticate",
            HeaderValue::try_from(format!("Bearer error_description=\"{form}\"")).expect("a value"),
        );
        head.extensions
            .insert(ReasonPhrase::try_from(format!("No {form}").into_bytes()).expect("a phrase"));
        text = match number % 3 {
            0 => format!("<html>the token <b>{form}</b> is no good</html>"),
            1 => format!("{{\"error\":\"invalid_token\",\"seen\":\"{form}\"}}"),
            _ => {
                // To a place where nothing is, which says it again.
                head.status = StatusCode::TEMPORARY_REDIRECT;
                let place = format!("/nowhere/{credential}?authz={form}#{form}");
                let place = HeaderValue::try_from(place.replace(['<', ' '], "")).expect("a place");
                head.headers.insert("location", place);
                format!("see {form}")
            }
        };
    } else if head.status == StatusCode::MULTI_STATUS {
        text = text
            .replacen("?>", &format!("?><!-- {form} -->"), 1)
            .replacen("</D:prop>", &format!("<D:seen>{form}</D:seen></D:prop>"), 1);
    }
    Response::from_parts(head, text.into_bytes())
}

/// The pieces of which none may stand anywhere, by their length.
fn pieces(credentials: &HashSet<String>) -> HashMap<usize, HashSet<Vec<u8>>> {
    const STEP: usize = 4;
    let mut pieces: HashMap<_, HashSet<_>> = HashMap::new();
    for credential in credentials.iter().flat_map(|all| all.split(',')) {
        if credential.is_empty() {
            continue;
        }
        let own = match credential.starts_with("eyJ") {
            true => &credential[ALGORITHM..],
            false => credential,
        };
        // With escapes each character stands alone.
        for form in &forms(own)[..5] {
            let form = form.to_lowercase().into_bytes();
            // So much of it stands for a piece of the credential.
            let length = (PIECE * form.len()).div_ceil(own.len());
            let all = form.windows(length).step_by(STEP).map(<[u8]>::to_vec);
            pieces.entry(length).or_default().extend(all);
        }
    }
    // A header that names its algorithm later may hold what others begin with.
    let tokens = credentials.iter().filter(|text| text.starts_with("eyJ"));
    for begin in tokens.filter_map(|token| token.get(..ALGORITHM)) {
        for form in &forms(begin)[..5] {
            let form = form.to_lowercase().into_bytes();
            for (length, pieces) in &mut pieces {
                form.windows(*length).for_each(|piece| {
                    pieces.remove(piece);
                });
            }
        }
    }
    pieces
}

#[test]
fn what_storage_repeats_stands_in_no_output() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let seen = Arc::new(Mutex::new((0, HashSet::new())));
    let heard = Arc::clone(&seen);
    let middle = Middle::rewriting(&bed, &storage, move |head, answer| {
        let mut heard = heard.lock().expect("a lock");
        credentials(head)
            .into_iter()
            .fold(answer, |answer, credential| {
                heard.0 += 1;
                let answer = repeated(&credential, heard.0, answer);
                heard.1.insert(credential);
                answer
            })
    });
    let more = format!("    audience: {}\n", storage.url());
    bed.endpoints(&[("se", middle.url())], &more);
    // The covers present the same in more ways, and make a large record.
    let mut command = bed.touchstone(&["run", "--intrusive", "--quick"]);
    let ended = Ended::of(command.env("RUST_LOG", "trace"));
    assert!(matches!(ended.code, Some(1 | 3)), "{:?}", ended.code);
    assert!(ended.stderr.contains("TRACE"), "the log is loud");
    let seen = seen.lock().expect("a lock");
    assert!(seen.1.len() > 300, "{} credentials", seen.1.len());
    let pieces = pieces(&seen.1);
    let redacted = std::fs::read_to_string(bed.path("reports/latest/run.json")).expect("a record");
    assert!(redacted.matches("[redacted]").count() > 1000);
    for (name, text) in bed.texts(ended) {
        let text = text.to_lowercase().into_bytes();
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+/=".contains(byte);
        for run in text.split(|byte| !legal(byte)) {
            for (length, pieces) in &pieces {
                let leaked = run.windows(*length).find(|piece| pieces.contains(*piece));
                let shown = String::from_utf8_lossy(run);
                assert_eq!(leaked, None, "{name}: {shown}");
            }
        }
    }
}
