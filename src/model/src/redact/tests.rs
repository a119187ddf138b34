use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use secrecy::SecretString;

use super::steps::taken;
use super::*;

fn knowing(secrets: &[&str]) -> Redactor {
    let redactor = Redactor::default();
    for secret in secrets {
        redactor.add(&SecretString::from(*secret));
    }
    redactor
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn encoded_in_lower_case(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

proptest! {
    #[test]
    fn a_known_secret_survives_in_no_form(
        secret in "[ -~äß€]{6,60}",
        before in "(?s).{0,40}",
        after in "(?s).{0,40}",
    ) {
        let secret = secret.trim();
        prop_assume!(secret.len() >= 6 && !REDACTED.contains(secret));
        let redactor = knowing(&[secret]);
        for form in [
            secret.to_owned(),
            encoded(secret),
            encoded_in_lower_case(secret),
            encoded(&encoded(secret)),
            form_encoded(secret),
            serde_json::to_string(secret).unwrap(),
            format!("{secret:?}"),
            STANDARD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            STANDARD.encode(format!("id:{secret}")),
            STANDARD.encode(format!("an-id:{secret}")),
            encoded(&STANDARD.encode(format!("x:{secret}"))),
        ] {
            let clean = redactor.text(&format!("{before}\n{form}\n{after}"));
            prop_assert!(clean.contains(REDACTED), "{form:?} in {clean:?}");
            prop_assert!(!clean.contains(secret), "{secret:?} in {clean:?}");
            prop_assert!(!clean.contains(&form), "{form:?} in {clean:?}");
        }
    }

    #[test]
    fn the_beginning_of_a_secret_at_a_cut_is_taken_out(
        secret in "[A-Za-z0-9]{12}[A-Za-z0-9+/~!$]{8,68}",
        before in "(?s).{0,40}",
        kept in 12_usize..20,
    ) {
        prop_assume!(secret.bytes().filter(u8::is_ascii_alphanumeric).count() >= 16);
        let redactor = knowing(&[&secret]);
        let piece = &secret[..kept];
        for end in ["", "…", "..."] {
            let clean = redactor.text(&format!("{before} {piece}{end}"));
            prop_assert!(!clean.contains(piece), "{piece:?} in {clean:?}");
        }
        let base64 = STANDARD.encode(format!("id:{secret}"));
        let clean = redactor.text(&format!("{before} {}", &base64[..kept + 8]));
        prop_assert!(!clean.contains(&base64[4..kept + 8]), "{clean:?}");
    }

    #[test]
    fn to_redact_twice_changes_nothing(text in "(?s)(.|eyJ|\\.|authz=|Bearer |\"access_token\": ?\"|%41|[a-zA-Z0-9]{8}){0,30}") {
        let redactor = knowing(&["hunter2-hunter2"]);
        let once = redactor.text(&text);
        prop_assert_eq!(redactor.text(&once), once);
    }
}

#[test]
fn what_looks_like_a_credential_is_taken_out() {
    let redactor = Redactor::default();
    let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln_-x";
    for (text, clean) in [
        (format!("got {jwt}, sorry"), "got [redacted], sorry"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.".into(), "[redacted]"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJzd".into(), "[redacted]"),
        (
            "eyJhbGciOiJFUzI1NiJ9 alone".into(),
            "eyJhbGciOiJFUzI1NiJ9 alone",
        ),
        (
            "authorization: Bearer MDAxY2xvY2F0aW9uIA==".into(),
            "authorization: Bearer [redacted]",
        ),
        ("BEARER abcd-1234/x".into(), "BEARER [redacted]"),
        ("Basic aWQ6c2VjcmV0".into(), "Basic [redacted]"),
        (
            "to https://me:secret@se:443/f?x=a@b".into(),
            "to https://me:[redacted]@se:443/f?x=a@b",
        ),
        (
            "https://se/f?authz=Bearer%20abc.def&x=1".into(),
            "https://se/f?authz=[redacted]&x=1",
        ),
        (
            "https://se/f?next=%2Fg%3Fauthz%3Dabcdef&x=1".into(),
            "https://se/f?next=%2Fg%3Fauthz%3D[redacted]&x=1",
        ),
        (
            "client_id=me&client_secret=s3cr&a=b".into(),
            "client_id=me&client_secret=[redacted]&a=b",
        ),
        (
            "client_secret=$ABC1&subject_token=$abc&id_token=$".into(),
            "client_secret=[redacted]&subject_token=[redacted]&id_token=[redacted]",
        ),
        (
            r#"{"access_token": "ab\"cd", "n": 1}"#.into(),
            r#"{"access_token": "[redacted]", "n": 1}"#,
        ),
        (
            r#""{\"refresh_token\":\"abcd\",\"n\":1}""#.into(),
            r#""{\"refresh_token\":\"[redacted]\",\"n\":1}""#,
        ),
        (
            r#"{"access_token":"cut off he"#.into(),
            r#"{"access_token":"[redacted]"#,
        ),
    ] {
        assert_eq!(redactor.text(&text), clean, "{text}");
    }
}

#[test]
fn what_only_reads_like_one_stays() {
    let redactor = Redactor::default();
    for text in [
        r#"Bearer realm="storage", error="invalid_token", scope="storage.read:/""#,
        "Bearer error=invalid_token",
        "Bearer token required",
        "Bearer authentication.",
        "curl -H \"Authorization: Bearer $TOKEN\" https://se.example.org/f",
        "authz: permission denied",
        "grant_type=refresh_token&refresh_token=$REFRESH_TOKEN&scope=a",
        r#"{"token_type": "Bearer", "expires_in": 3600}"#,
        "100% of 3%zz",
        "https://se:443/f@1 https://me@se:443/ https://me:$PASSWORD@se/",
    ] {
        assert_eq!(redactor.text(text), text);
    }
}

#[test]
fn credentials_in_headers_keep_only_their_names() {
    let redactor = knowing(&["canary-canary"]);
    let headers: Vec<_> = [
        ("Authorization", "Bearer x"),
        ("set-cookie", "a=b"),
        ("X-Vault-Token", "hvs.abc"),
        ("location", "https://se/canary-canary"),
        ("etag", "\"1\""),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let values: Vec<_> = redactor
        .headers(&headers)
        .into_iter()
        .map(|(_, value)| value)
        .collect();
    assert_eq!(
        values,
        [
            REDACTED,
            REDACTED,
            REDACTED,
            "https://se/[redacted]",
            "\"1\""
        ]
    );
}

#[test]
fn pairs_are_known_as_basic_authentication_sends_them() {
    let redactor = Redactor::default();
    redactor.add_pair("a b", &SecretString::from("c&d"));
    for pair in ["a b:c&d", "a+b:c%26d"] {
        let text = format!("Basic: {}.", STANDARD.encode(pair));
        assert_eq!(redactor.text(&text), "Basic: [redacted].", "{pair}");
    }
}

#[test]
fn each_line_of_a_key_is_secret() {
    let redactor = knowing(&[
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----\n",
    ]);
    assert_eq!(
        redactor.text("line MIGHAgEAMBMGByqGSM49"),
        "line [redacted]"
    );
    assert_eq!(
        redactor.text("-----BEGIN PRIVATE KEY-----"),
        "-----BEGIN PRIVATE KEY-----"
    );
}

#[test]
fn many_secrets_from_many_threads_are_found_in_steps_that_grow_with_the_text() {
    const THREADS: usize = 4;
    const EACH: usize = 100;
    let redactor = Redactor::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let redactor = redactor.clone();
            scope.spawn(move || {
                for n in 0..EACH {
                    redactor.add(&SecretString::from(format!(
                        "eyJhbGciOiJFUzI1NiJ9.{thread:03}{n:03}{}",
                        "x".repeat(600)
                    )));
                }
            });
        }
    });
    let secret = format!("eyJhbGciOiJFUzI1NiJ9.003099{}", "x".repeat(600));
    let body = |alike: usize| {
        format!(
            "{}{secret} {}",
            "lorem eyJhbx ".repeat(alike),
            "ipsum ".repeat(2 * alike)
        )
    };
    let search = |alike: usize| {
        let text = body(alike);
        taken(|| assert!(!redactor.text(&text).contains("003099")))
    };
    let (once, twice) = (search(200), search(400));
    assert!(twice < 2 * once, "{once} steps, {twice} in twice the text");
    // What begins alike is compared with each secret up to the first difference, and nothing else is with any.
    let alike = "eyJhb".len() + 3;
    let compared = 200 * THREADS * EACH * alike + 2 * THREADS * EACH * secret.len();
    let read = 10 * body(200).len();
    assert!(once < (compared + read) as u64, "{once} steps");
    assert_eq!(format!("{redactor:?}"), "Redactor { .. }");
}

#[test]
fn the_steps_in_hostile_text_grow_with_its_length_alone() {
    let redactor = knowing(&["a-canary-of-some-length"]);
    let base64 = STANDARD.encode("a-canary-of-some-length");
    for piece in [
        "eyJ",
        "eyJ.",
        "authz=",
        "://a:@",
        "authz=\"",
        "bearer+",
        "bearer ",
        "password:\\\"",
        "%25",
        "=",
        " =",
        "a-canary-of-s",
        &base64,
    ] {
        let repeated = |length: usize| piece.repeat(length / piece.len());
        let tailed = |length: usize| repeated(length) + &"=".repeat(length);
        let texts: [&dyn Fn(usize) -> String; 2] = [&repeated, &tailed];
        for text in texts {
            let search = |length: usize| {
                let text = text(length);
                taken(|| _ = redactor.text(&text))
            };
            let (once, twice) = (search(1 << 14), search(1 << 15));
            // The square would be four times as many.
            let linear = twice <= 2 * once + once / 8;
            assert!(linear, "{piece:?}: {once} steps, {twice} in twice the text");
            let most = 200 * (2 << 14);
            assert!(once < most, "{piece:?}: {once} steps");
        }
    }
}

/// What SECURITY.md promises of pieces, also of those that were turned round or by 13 letters before they were cut.
#[test]
fn no_piece_of_sixteen_of_an_altered_secret_is_left() {
    const SECRET: &str = "q7Zk2mW9xT4bN8rL5vC1hJ6gF3dS0pYaUeIoMtKwQzXcVbBnGfHjDlPrOsAiEuYt";
    let redactor = Redactor::default();
    redactor.add(&SECRET.into());
    let turned = |letter: char| match letter {
        'a'..='m' | 'A'..='M' => char::from(letter as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(letter as u8 - 13),
        other => other,
    };
    for altered in [
        SECRET.to_owned(),
        SECRET.chars().rev().collect::<String>(),
        SECRET.chars().map(turned).collect(),
    ] {
        for at in 0..=altered.len() - 16 {
            let piece = &altered[at..at + 16];
            let told = redactor.text(&format!("it was {piece} then"));
            assert!(!told.contains(piece), "{at}: {told}");
        }
    }
}

/// What servers and programs make of a text, and what of it they may leave.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let chars = |between: &str| -> String {
        let all: Vec<_> = secret.chars().map(String::from).collect();
        all.join(between)
    };
    let wrapped = |width: usize, between: &str| -> String {
        let all: Vec<_> = secret.as_bytes().chunks(width).collect();
        let all: Vec<_> = all.into_iter().map(String::from_utf8_lossy).collect();
        all.join(between)
    };
    let each = |form: &dyn Fn(u8) -> String| -> String { secret.bytes().map(form).collect() };
    let turned = |byte: u8| match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        other => other,
    };
    let hex = each(&|byte| format!("{byte:02x}"));
    let base64 = STANDARD.encode(secret);
    vec![
        ("a wrap", wrapped(64, "\n")),
        ("a wrap of mail", wrapped(70, "=\r\n")),
        ("spaces", wrapped(40, " ")),
        ("soft hyphens", wrapped(60, "\u{ad}")),
        ("zero width", chars("\u{200b}")),
        ("NUL", chars("\0")),
        ("upper case", secret.to_uppercase()),
        ("lower case", secret.to_lowercase()),
        ("reversed", secret.chars().rev().collect()),
        (
            "rot13",
            secret.bytes().map(turned).map(char::from).collect(),
        ),
        ("hex", hex.clone()),
        ("hex dump", each(&|byte| format!("{byte:02x} "))),
        (
            "four times percent",
            each(&|byte| format!("%252525{byte:02X}")),
        ),
        ("decimal entities", each(&|byte| format!("&#{byte};"))),
        ("entities twice", each(&|byte| format!("&amp;#x{byte:x};"))),
        ("JSON escapes", each(&|byte| format!("\\u{byte:04x}"))),
        ("JSON in JSON", each(&|byte| format!("\\\\u{byte:04x}"))),
        ("C escapes", each(&|byte| format!("\\x{byte:02x}"))),
        ("octal", each(&|byte| format!("\\{byte:03o}"))),
        ("Rust escapes", each(&|byte| format!("\\u{{{byte:x}}}"))),
        (
            "hexadecimal numbers",
            each(&|byte| format!("0x{byte:02x}, ")),
        ),
        ("code points", each(&|byte| format!("U+{byte:04X} "))),
        ("long entities", each(&|byte| format!("&#x{byte:08x};"))),
        (
            "a list of characters",
            serde_json::to_string(&secret.chars().collect::<Vec<_>>()).unwrap(),
        ),
        (
            "a list of bytes",
            serde_json::to_string(secret.as_bytes()).unwrap(),
        ),
        (
            "base64 in lines",
            base64
                .as_bytes()
                .chunks(76)
                .map(|line| String::from_utf8_lossy(line) + "\n")
                .collect(),
        ),
        ("base64 twice", STANDARD.encode(STANDARD.encode(secret))),
        (
            "base64 of a piece",
            STANDARD.encode(&secret[secret.len() / 8..secret.len() - 3]),
        ),
        ("a mask", format!("{}****", &secret[..secret.len() - 4])),
        ("the end", secret[secret.len() / 4..].to_owned()),
        ("a cut", format!("{}…", &secret[..secret.len() - 1])),
    ]
}

#[test]
fn a_piece_of_a_secret_is_found_in_whatever_was_made_of_it() {
    let payload = URL_SAFE_NO_PAD.encode(
        "{\"iss\":\"https://iam.example.org/\",\"sub\":\"me\",\"scope\":\"storage.read:/\"}",
    );
    let signature =
        URL_SAFE_NO_PAD.encode((0..64_u8).map(|n| n.wrapping_mul(37)).collect::<Vec<_>>());
    let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\",\"kid\":\"key\"}");
    let token = format!("{header}.{payload}.{signature}");
    for secret in [
        token.as_str(),
        "7d3c1f6e-52a8-4b0e-9c44-1e0f6a2b8d95",
        "Qm9yZWQ/Zm9vL2Jhcitxc==x=",
    ] {
        let redactor = knowing(&[secret]);
        let own = match secret.starts_with("eyJ") {
            true => &secret[header.len() + 1..],
            false => secret,
        };
        for (name, form) in forms(own) {
            // What a form adds may stay.
            let own = form.trim_end_matches(['*', '…', '"', ']', ' ', '\n', '=']);
            let from = own.char_indices().rev().nth(23).map_or(0, |(at, _)| at);
            for text in [form.clone(), format!("the token is {form}, sorry")] {
                let clean = redactor.text(&text);
                assert!(clean.contains(REDACTED), "{name}: {clean}");
                assert!(!clean.contains(&own[from..]), "{name}: {clean}");
            }
        }
    }
    let redactor = knowing(&[&token]);
    let parts =
        serde_json::json!({"protected": header, "payload": payload, "signature": signature});
    let clean = redactor.text(&parts.to_string());
    // The algorithm is no secret.
    assert!(clean.contains(&header[..19]), "{clean}");
    for part in token.as_bytes()[19..].windows(16) {
        let part = str::from_utf8(part).unwrap();
        assert!(!clean.contains(part), "{part} in {clean}");
    }
    let name = format!("X-{}", signature.replace('_', "-").to_lowercase());
    let fields = [(name.clone(), "1".to_owned())];
    let clean = redactor.headers(&fields).remove(0).0;
    // At its ends a letter or two may stay.
    assert!(clean.contains(REDACTED), "{clean}");
    assert!(clean.len() < REDACTED.len() + 8, "{clean}");
}

#[test]
fn what_is_no_piece_of_a_secret_stays() {
    let redactor = knowing(&[
        "7d3c1f6e-52a8-4b0e-9c44-1e0f6a2b8d95",
        "hunter2-hunter2",
        "483920174628",
        "password123",
        "touchstone-0001",
    ]);
    for text in [
        "/wlcg/touchstone-20261122t072848z-4f2a9c-1b2c3d4e/capability.create.no-overwrite/f",
        "hunter2 and hunter3",
        "the password of touchstone",
        "7d3c1f6e-52a is a part of something",
        "PUT was answered 201 Created, expected 403 Forbidden (JWT-2.2.1-04)",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]",
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=",
        "&lt;d:href&gt;/wlcg/&lt;/d:href&gt; 100% \\n &",
    ] {
        assert_eq!(redactor.text(text), text);
    }
}
