//! Tokens, macaroons, and what issuers answer.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use touchstone::token_text as token;
use touchstone_engine::token::judge::{decode, judge};
use touchstone_engine::token::{Macaroon, SignatureCheck, claims, foreign, tampered, unknown_key};
use touchstone_model::redact::Redactor;
use touchstone_model::{Answer, Profile};
use touchstone_protocol::issuer::{Jwt, grant, refusal};
use touchstone_report::style::Style;

use super::engine::Target;

/// What stands for a secret in an input: no word of ours, and no two of them overlap.
const CANARY: &str = "Q7zX9kVt3pLmW8aB";

const WORDS: &[&str] = &[
    "eyJ",
    ".",
    "..",
    "=",
    "==",
    "e30",
    "W10",
    "bnVsbA",
    "eyJhbGciOiJub25lIn0",
    "{\"protected\":\"e30\",\"payload\":\"e30\"}",
    "{\"signatures\":[]}",
    "Bearer ",
    "-----BEGIN PRIVATE KEY-----",
    "MDAxY2xvY2F0aW9u",
    "AgE",
    CANARY,
];
const TOKEN: &str = "(eyJ)?[A-Za-z0-9_=+/-]{0,60}(\\.[A-Za-z0-9_=+/-]{0,60}){0,4}";

/// No stretch of a text that has a canary is in what is said of it.
fn quiet(input: &str, said: &str) {
    if input.contains(CANARY) {
        assert!(!said.contains(CANARY), "{said}");
    }
}

#[test]
fn inspect() {
    let target = Target {
        name: "inspect",
        seeds: Vec::new(),
        words: WORDS,
        grammar: TOKEN,
        inputs: 1_200,
        longest: 70 << 10,
    };
    target.fuzz(|input| {
        let Ok(text) = std::str::from_utf8(input) else {
            return "no text".into();
        };
        let secret = SecretString::from(text);
        for made in [tampered(&secret), unknown_key(&secret), foreign(&secret)] {
            match made {
                Ok(made) => assert_ne!(made.expose_secret(), text),
                Err(reason) => quiet(text, &reason),
            }
        }
        if let Err(reason) = claims(&secret) {
            quiet(text, &reason);
        }
        let decoded = match decode(&secret) {
            Ok(decoded) => decoded,
            Err(found) => {
                let json = token::unreadable_json(&found);
                assert!(json.len() < 64 << 10, "{} bytes", json.len());
                serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
                let told = token::unreadable(&found);
                if !told.contains("caveat") {
                    quiet(text, &told);
                    quiet(text, &json);
                }
                return found.what;
            }
        };
        assert_eq!(format!("{decoded:?}"), "Decoded { .. }");
        let redactor = Redactor::default();
        redactor.add(&secret);
        let signature = decoded.signature().expose_secret();
        if signature.len() >= 20 {
            redactor.add(decoded.signature());
        }
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let mut kinds = String::new();
        for profile in [Profile::V1_0, Profile::V1_3] {
            let mut inspection =
                judge(&decoded, SignatureCheck::unknown("not tried"), now, profile);
            inspection.pass(&|text| redactor.text(text));
            let json = token::json(&inspection);
            serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
            let told = token::text(&inspection, Style::Plain);
            assert!(!told.contains(['\x1b', '\0', '\u{202e}']), "{told:?}");
            let brief = token::brief(&inspection);
            if signature.len() >= 20 {
                for said in [&told, &json, &brief] {
                    assert!(!said.contains(signature), "{said}");
                }
            }
            let about = inspection.statements.iter().map(|one| one.clause);
            kinds = format!("{:?} {:?}", inspection.kind, about.collect::<Vec<_>>());
        }
        kinds
    });
}

#[test]
fn macaroons() {
    let target = Target {
        name: "macaroon",
        seeds: Vec::new(),
        words: WORDS,
        grammar: "(MDAx[A-Za-z0-9_-]{0,80}|AgE[A-Za-z0-9+/]{0,40}|\\{\"v\":2,\"i\":\"[a-z]{0,9}\"\\})={0,2}",
        inputs: 2_000,
        longest: 40 << 10,
    };
    target.fuzz(|input| {
        let text = String::from_utf8_lossy(input);
        // The packets themselves, as they are before they become text.
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, input);
        let mut said = String::new();
        for text in [text.as_ref(), encoded.as_str()] {
            match Macaroon::parse(text) {
                Err(error) => {
                    quiet(text, &error.to_string());
                    said.push_str(&error.to_string());
                }
                Ok(macaroon) => {
                    let again = Macaroon::parse(&macaroon.text()).expect("it comes back");
                    assert!(again == macaroon);
                    assert!(!again.verify(b"not its key"));
                    let mut narrower = macaroon.clone();
                    if narrower.add("before:2030-01-01T00:00:00Z").is_ok() {
                        let back = Macaroon::parse(&narrower.text()).expect("it comes back");
                        assert_eq!(back.caveats().len(), macaroon.caveats().len() + 1);
                    }
                    assert!(!format!("{macaroon:?}").contains(&macaroon.text()));
                    said.push_str("a macaroon");
                }
            }
            let _ = decode(&SecretString::from(text));
        }
        said
    });
}

#[test]
fn issuers() {
    let target = Target {
        name: "issuer",
        seeds: Vec::new(),
        words: &[
            "\"access_token\":",
            "\"token_type\":\"Bearer\"",
            "\"expires_in\":",
            "\"refresh_token\":",
            "\"id_token\":",
            "\"error\":",
            "\"error_description\":",
            "\"issuer\":",
            "\"jwks_uri\":",
            "\"token_endpoint\":",
            "\"keys\":[",
            "\"kty\":\"EC\"",
            "\"kty\":\"RSA\"",
            "\"n\":\"AQ\"",
            "\"e\":\"AQAB\"",
            "\"crv\":\"P-256\"",
            "\"x\":\"\"",
            "\"kid\":",
            "null",
            "{}",
            "[]",
            "\\u0000",
            "\\ud800",
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AA",
            CANARY,
        ],
        grammar: "\\{(\"(access_token|keys|kid|x|y|n|e|alg|error)\":(\"[A-Za-z0-9_.-]{0,30}\"|[0-9]{1,9}|\\[\\]|null),?){0,6}\\}",
        inputs: 3_000,
        longest: 32 << 10,
    };
    target.fuzz(|input| {
        let mut said = String::new();
        for status in [200, 400, 503] {
            let answer = Answer {
                status,
                headers: vec![("content-type".into(), "application/json".into())],
                body: input.to_vec(),
                ..Answer::default()
            };
            if let Some(refused) = refusal(&answer) {
                said.push_str("refused");
                said.push_str(&refused.error);
            }
            let Some(granted) = grant(&answer) else {
                continue;
            };
            said.push_str("granted");
            let secrets = [Some(&granted.access), granted.refresh.as_ref()];
            let shown = format!("{granted:?}");
            for secret in secrets.into_iter().flatten() {
                let secret = secret.expose_secret();
                // What is short, or in another member as well, tells nothing.
                if secret.len() >= 16 && secret.matches(CANARY).count() > 0 {
                    let members = serde_json::to_string(&granted.members).expect("JSON");
                    assert!(
                        members.contains(CANARY) || !shown.contains(secret),
                        "{shown}"
                    );
                }
            }
            for name in ["access_token", "refresh_token", "id_token"] {
                assert!(granted.members.get(name).is_none(), "{name} is taken out");
            }
        }
        // The input as key set, for a token that names one of its keys.
        if let Ok(keys) = serde_json::from_slice(input) {
            for algorithm in ["RS256", "ES256", "HS256", "none", "EdDSA"] {
                let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"a\"}}");
                let header =
                    base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, header);
                let jwt = Jwt::of(&format!("{header}.e30.{}", "A".repeat(86))).expect("a JWT");
                let reason = jwt.verify(&keys).expect_err("nobody signed it");
                assert!(reason.len() < 4 << 10, "{} bytes", reason.len());
                said.push_str(&reason);
            }
        }
        if let Ok(text) = std::str::from_utf8(input)
            && let Err(reason) = Jwt::of(text)
        {
            quiet(text, &reason);
        }
        said
    });
}

/// A secret is never in what the redactor lets through, whatever stands around it.
#[test]
fn redaction() {
    let target = Target {
        name: "redaction",
        seeds: Vec::new(),
        words: &[
            CANARY,
            "Bearer ",
            "Basic ",
            "authz=",
            "token=",
            "%20",
            "access_token",
            "\"",
            "\\\"",
            "\x1b[0m",
            "=",
            "&",
            "%41",
            "%",
            "eyJhbGciOiJub25lIn0.e30.",
            "-----BEGIN RSA PRIVATE KEY-----\n",
            "password: ",
        ],
        grammar: "([a-z]{0,8}[ =:&?%\"'\\\\][A-Za-z0-9%]{0,12}){0,12}",
        inputs: 2_000,
        longest: 8 << 10,
    };
    let redactor = Redactor::default();
    redactor.add(&SecretString::from(CANARY));
    target.fuzz(|input| {
        let text = String::from_utf8_lossy(input);
        let passed = redactor.text(&text);
        assert!(!passed.contains(CANARY), "{passed}");
        assert!(
            passed.len() <= text.len() * 4 + 64,
            "{} bytes of {}",
            passed.len(),
            text.len()
        );
        format!("{}", passed.len() == text.len())
    });
}
