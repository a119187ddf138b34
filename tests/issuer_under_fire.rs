//! Issuers in trouble in the middle of a run, and before a whole run, seen through the real binary.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::issuer::{Asked, Reply, ScriptedIssuer};
use common::lab::{Ended, Lab, SECRET, expect_no_secret};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use touchstone::reference::Storage;

/// Cases with a few distinct tokens, which make objects.
const FEW: [&str; 2] = ["capability.read.*", "capability.create.*"];
/// So many answers are good before the trouble begins.
const GOOD: usize = 2;

/// A way for a token endpoint to go wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Refusing(u16),
    Forbidden,
    Slow,
    Html,
    Truncated,
    Endless,
    Huge,
    Redirect(&'static str),
    RateLimit,
    Broken,
    Expired,
    Misaddressed,
    Stranger,
}

/// An issuer whose tokens are signed, with its keys, and the storage element that trusts it.
struct Site {
    lab: Lab,
    server: ScriptedIssuer,
    storage: Storage,
}

/// What a good token says; `change` spoils it.
fn token(key: &EncodingKey, url: &str, asked: &Asked, change: impl FnOnce(&mut Value)) -> String {
    let form = asked.form();
    let said = |name: &str| form.get(name).cloned().unwrap_or_default();
    let now = jiff::Timestamp::now().as_second();
    let mut claims = json!({
        "wlcg.ver": "1.0", "iss": url, "sub": "somebody", "aud": said("audience"), "scope": said("scope"),
        "jti": uuid::Uuid::new_v4().to_string(), "iat": now, "nbf": now, "exp": now + 1200,
    });
    change(&mut claims);
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k".into());
    encode(&header, &claims, key).expect("a token")
}

fn granted(token: &str) -> Reply {
    Reply::json(
        200,
        &json!({"access_token": token, "token_type": "Bearer", "expires_in": 1200}),
    )
}

/// What comes of the trouble instead of a good answer.
fn spoilt(trouble: Trouble, key: &EncodingKey, url: &str, asked: &Asked) -> Reply {
    let with = |change: fn(&mut Value)| granted(&token(key, url, asked, change));
    let text = |body: &str| Reply {
        body: body.as_bytes().to_vec(),
        ..Reply::json(200, &Value::Null)
    };
    match trouble {
        Trouble::Refusing(status) => Reply::json(
            status,
            &json!({"error": "invalid_client", "error_description": "who are you?"}),
        ),
        Trouble::Forbidden => Reply::html(403, "<h1>Forbidden</h1>"),
        Trouble::Slow => with(|_| {}).after(Duration::from_secs(30)),
        Trouble::Html => Reply::html(200, "<html>Log in</html>"),
        Trouble::Truncated => text("{\"access_token\": \"eyJ"),
        Trouble::Endless => text(&format!("{{\"pad\": \"{}", "x".repeat(1 << 20))),
        Trouble::Huge => granted(&"x".repeat(100_000)),
        Trouble::Redirect(to) => Reply::html(307, "").header("location", to),
        Trouble::RateLimit => Reply::json(429, &json!({})).header("retry-after", "3600"),
        Trouble::Broken => Reply::html(500, "<h1>Oops</h1>"),
        Trouble::Expired => {
            with(|claims| claims["exp"] = json!(claims["iat"].as_i64().map(|t| t - 60)))
        }
        Trouble::Misaddressed => with(|claims| claims["aud"] = json!("https://elsewhere.example")),
        Trouble::Stranger => with(|claims| claims["iss"] = json!("https://elsewhere.example/")),
    }
}

impl Site {
    /// The script gets the number of the token request, and the key.
    fn new(
        script: impl Fn(usize, &EncodingKey, &str, &Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let lab = Lab::new();
        let pair = rcgen::KeyPair::generate().expect("a key");
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a key");
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a JWK");
        jwk.common.key_id = Some("k".into());
        let keys = json!({"keys": [jwk]});
        let server = ScriptedIssuer::start(&lab.runtime, &lab.authority, |_| None);
        let url = server.url();
        let count = AtomicUsize::new(0);
        server.script(move |asked| match asked.path.as_str() {
            "/jwks" => Some(Reply::json(200, &keys)),
            "/token" => Some(script(
                count.fetch_add(1, Ordering::SeqCst),
                &key,
                &url,
                asked,
            )),
            _ => None,
        });
        let storage = lab.start(lab.trusting(&server.url()));
        Self {
            lab,
            server,
            storage,
        }
    }

    fn run(&self, cases: &[&str]) -> (Ended, Duration) {
        self.lab.write(
            "endpoints.yaml",
            &format!(
                "issuers:\n  testing:\n    url: {}\n    ca: ca.pem\n    limits: {{answer: 1s, patience: 2s, rate: 1000}}\n    client-credentials: {{id: me, secret-env: {SECRET}}}\nendpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: testing\n    ca: ca.pem\n",
                self.server.url(),
                self.storage.url(),
            ),
        );
        let begun = Instant::now();
        let arguments: Vec<_> = ["run"].into_iter().chain(cases.iter().copied()).collect();
        let ended = self.lab.run(&arguments);
        (ended, begun.elapsed())
    }

    fn asked(&self) -> usize {
        let asked = self.server.asked();
        asked.iter().filter(|asked| asked.path == "/token").count()
    }

    /// The verdicts but skip and error, and the reasons of those.
    fn outcome(&self) -> (Vec<String>, Vec<String>) {
        let record = self.lab.record();
        let (mut verdicts, mut reasons) = (Vec::new(), Vec::new());
        for result in record["results"].as_array().expect("results") {
            match result["verdict"].as_str().expect("a verdict") {
                "skip" | "error" => {
                    reasons.push(result["reason"].as_str().unwrap_or("").to_owned())
                }
                other => verdicts.push(other.to_owned()),
            }
        }
        (verdicts, reasons)
    }

    fn leftovers(&self) -> Vec<Value> {
        let record = self.lab.record();
        record["endpoints"][0]["leftovers"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }
}

fn few() -> Vec<&'static str> {
    ["--case"].into_iter().chain(FEW).collect()
}

#[test]
fn trouble_in_the_middle_is_told_and_what_was_made_goes_away() {
    let rows: Vec<(Trouble, &str)> = vec![
        (Trouble::Refusing(400), "invalid_client"),
        (Trouble::Refusing(401), "who are you?"),
        (Trouble::Forbidden, "answered 403"),
        (Trouble::Slow, "no answer within 1s"),
        (Trouble::Html, "text/html"),
        (Trouble::Truncated, "no access_token in JSON"),
        (Trouble::Endless, "larger than"),
        (Trouble::Huge, "which no server takes"),
        (
            Trouble::Redirect("http://elsewhere.example/token"),
            "a redirect to \\\"http://elsewhere",
        ),
        (Trouble::Redirect("https://127.0.0.1:1/token"), "a redirect"),
        (Trouble::RateLimit, "asks to wait 1h"),
        (Trouble::Broken, "answered 500"),
        (Trouble::Expired, "the token has expired"),
        (Trouble::Misaddressed, "elsewhere.example"),
        (Trouble::Stranger, "character by character"),
    ];
    std::thread::scope(|scope| {
        for part in rows.chunks(4) {
            scope.spawn(move || {
                part.iter()
                    .for_each(|(trouble, part)| in_the_middle(*trouble, part))
            });
        }
    });
}

fn in_the_middle(trouble: Trouble, part: &str) {
    let site = Site::new(move |number, key, url, asked| match number {
        0..GOOD => granted(&token(key, url, asked, |_| {})),
        _ => spoilt(trouble, key, url, asked),
    });
    let (ended, elapsed) = site.run(&few());
    let what = format!("{trouble:?}: {ended:?}");
    // A token that is not what was asked for is a no: its cases are skipped.
    let no = matches!(trouble, Trouble::Misaddressed | Trouble::Stranger);
    assert_eq!(ended.code, Some(if no { 0 } else { 3 }), "{what}");
    let (verdicts, reasons) = site.outcome();
    assert!(
        verdicts.iter().all(|verdict| verdict == "pass"),
        "{verdicts:?} {what}"
    );
    assert!(!reasons.is_empty(), "{what}");
    let part = part.replace('\\', "");
    assert!(
        reasons.iter().any(|reason| reason.contains(&part)),
        "{part}: {reasons:#?}"
    );
    assert!(
        reasons.iter().all(|reason| reason.contains("`testing`")),
        "{reasons:#?}"
    );
    // The observer's token is one of the first: teardown goes on.
    assert_eq!(site.leftovers(), [Value::Null; 0], "{what}");
    assert!(elapsed < Duration::from_secs(30), "{elapsed:?} {what}");
    assert!(site.asked() < 30, "{} requests, {what}", site.asked());
    expect_no_secret(&site.lab, &site.lab.texts(ended));
}

#[test]
fn a_dead_issuer_ends_a_run_of_all_cases_soon() {
    let site = Site::new(|number, key, url, asked| match number {
        0..GOOD => granted(&token(key, url, asked, |_| {})),
        _ => spoilt(Trouble::Slow, key, url, asked),
    });
    let (ended, elapsed) = site.run(&[]);
    let (verdicts, reasons) = site.outcome();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        !verdicts.iter().any(|verdict| verdict == "fail"),
        "{verdicts:?}"
    );
    let alone = reasons
        .iter()
        .filter(|reason| reason.contains("it is left alone"))
        .count();
    assert!(alone > 20, "{alone} of {}", reasons.len());
    // One after the other, each distinct token would cost a second.
    assert!(
        site.asked() < 40,
        "{} requests in {elapsed:?}",
        site.asked()
    );
    assert!(elapsed < Duration::from_secs(40), "{elapsed:?}");
    assert_eq!(site.leftovers(), [Value::Null; 0]);
}

#[test]
fn tokens_of_a_short_life_are_not_asked_for_at_each_use() {
    let site = Site::new(|_, key, url, asked| {
        granted(&token(key, url, asked, |claims| {
            claims["exp"] = json!(claims["iat"].as_i64().map(|now| now + 120));
        }))
    });
    let (ended, _) = site.run(&few());
    ended.expect(0);
    let mut distinct: Vec<_> = site
        .server
        .asked()
        .into_iter()
        .filter(|asked| asked.path == "/token")
        .map(|asked| asked.body)
        .collect();
    let all = distinct.len();
    distinct.sort();
    distinct.dedup();
    assert_eq!(all, distinct.len(), "each token is asked for once");
}

#[test]
fn an_issuer_that_is_back_is_asked_again() {
    let site = Site::new(|number, key, url, asked| match number {
        GOOD => spoilt(Trouble::Slow, key, url, asked),
        _ => granted(&token(key, url, asked, |_| {})),
    });
    let (ended, _) = site.run(&few());
    ended.expect(0);
    let (_, reasons) = site.outcome();
    assert!(
        !reasons.iter().any(|reason| reason.contains("no answer")),
        "{reasons:#?}"
    );
}

#[test]
fn tokens_that_are_over_at_once_blame_nobody() {
    let site = Site::new(|number, key, url, asked| {
        let life = if number < GOOD { 1200 } else { 3 };
        granted(&token(key, url, asked, |claims| {
            claims["exp"] = json!(claims["iat"].as_i64().map(|now| now + life));
        }))
    });
    let (ended, _) = site.run(&["--case", "{capability,path,webdav,digest}.*"]);
    let (verdicts, reasons) = site.outcome();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        verdicts.iter().all(|verdict| verdict == "pass"),
        "{verdicts:?}"
    );
    let told = |reason: &String| reason.contains("of life left") || reason.contains("has expired");
    assert!(reasons.iter().any(told), "{reasons:#?}");
    assert_eq!(site.leftovers(), [Value::Null; 0]);
}
