use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{brief, json as as_json, text, unreadable, unreadable_json};
use touchstone_engine::token::SignatureCheck;
use touchstone_engine::token::judge::{Inspection, StatementWeight, decode, judge};
use touchstone_model::{ANY_AUDIENCE, Profile};
use touchstone_report::style::Style;

const NOW: i64 = 1_764_000_300;

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn good() -> Value {
    json!({
        "wlcg.ver": "1.0", "iss": "https://iam.example.org/", "sub": "e1eb758b",
        "aud": ANY_AUDIENCE, "iat": NOW - 300, "nbf": NOW - 360, "exp": NOW + 3300,
        "jti": "0f3d4a55-5d5c-4b6c-a2a8", "scope": "storage.read:/a",
    })
}

fn token(header: &Value, payload: &Value) -> SecretString {
    format!("{}.{}.c2lnbmF0dXJl", encode(header), encode(payload)).into()
}

fn judged_by(profile: Profile, header: &Value, payload: &Value) -> Inspection {
    let token = decode(&token(header, payload)).expect("a JWT");
    let now = Timestamp::from_second(NOW).unwrap();
    judge(&token, SignatureCheck::unknown("not tried"), now, profile)
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k", "typ": "JWT"})
}

/// A good token with these members changed; null takes one away.
fn with(changes: Value) -> Inspection {
    judged_by(Profile::default(), &header(), &changed(good(), &changes))
}

fn changed(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

#[test]
fn large_tokens_are_told_and_their_reports_are_bounded() {
    let scopes: Vec<_> = (0..1500).map(|n| format!("storage.read:x{n}")).collect();
    let inspection = with(json!({"scope": scopes.join(" ")}));
    assert_eq!(inspection.count(StatementWeight::Must), 1500);
    let shown = text(&inspection, Style::Plain);
    assert!(
        shown.contains("and 1442 more") || shown.contains("more\n"),
        "{}",
        shown.len()
    );
    assert!(shown.len() < 40_000, "{}", shown.len());
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    let text = format!(
        "{}.{}.c2ln",
        encode(&header()),
        URL_SAFE_NO_PAD.encode(format!("{{\"a\":{deep}}}"))
    );
    assert!(decode(&SecretString::from(text)).is_err());
}

#[test]
fn nothing_in_a_token_steers_a_terminal() {
    let evil = "\x1b[31m\u{202e}\u{7}\r\n# forged\u{9b}";
    let inspection = with(json!({
        evil: evil, "sub": evil, "iss": evil, "aud": [evil], "jti": evil, "wlcg.ver": evil,
        "scope": format!("storage.read:/{evil} {evil}"), "wlcg.groups": [evil], "exp": evil,
    }));
    let steering = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    for shown in [
        text(&inspection, Style::Plain),
        brief(&inspection),
        as_json(&inspection),
    ] {
        assert!(!shown.contains(steering), "{shown:?}");
        assert!(
            !shown.lines().any(|line| line.starts_with("# forged")),
            "{shown}"
        );
    }
    let back: Value = serde_json::from_str(&as_json(&inspection)).unwrap();
    assert_eq!(back["claims"]["sub"], evil);
    assert!(as_json(&inspection).is_ascii());
}

#[test]
fn the_signature_is_in_no_report() {
    let inspection = with(json!({}));
    for shown in [
        text(&inspection, Style::Plain),
        as_json(&inspection),
        brief(&inspection),
    ] {
        assert!(
            !shown.contains("c2lnbmF0dXJl") && !shown.contains("eyJ"),
            "{shown}"
        );
    }
    let token = decode(&token(&header(), &good())).unwrap();
    assert_eq!(format!("{token:?}"), "Decoded { .. }");
}

#[test]
fn what_cannot_be_read_is_not_repeated() {
    let huge = "A".repeat(3 << 20);
    let jwe = format!(
        "{}.a.b.c.d",
        encode(&json!({"alg": "RSA-OAEP", "enc": "A256GCM"}))
    );
    for text in [
        jwe.as_str(),
        "Bearer eyJ.a.b",
        "two words and more",
        "hvs.CAESIJ",
        huge.as_str(),
    ] {
        let found = decode(&SecretString::from(text)).unwrap_err();
        let shown = unreadable(&found) + &unreadable_json(&found);
        assert!(shown.len() < 1000, "{shown}");
        assert!(!shown.contains(text), "{shown}");
    }
}

/// Any JSON, with what tokens like to hold in it.
fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let text = prop_oneof![
        "[ -~]{0,30}",
        "(storage|compute|wlcg)[.:](read|create|groups)?(:/[a%./*2eEfF]{0,8})?( .{0,10})?",
        "\\PC{0,20}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z.]{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn any_token_is_judged(
        claims in proptest::collection::hash_map(
            "(iss|sub|aud|exp|nbf|iat|jti|scope|ver|wlcg\\.ver|wlcg\\.groups|acr|typ|nonce|groups)",
            any_json(), 0..12),
        members in proptest::collection::hash_map("(alg|kid|typ|crit|jku)", any_json(), 0..5),
        year in 0..4_u8,
    ) {
        let profile = Profile::ALL[usize::from(year)];
        let object = |members: std::collections::HashMap<String, Value>| {
            Value::Object(members.into_iter().collect())
        };
        let inspection = judged_by(profile, &object(members), &object(claims));
        proptest::prop_assert!(!inspection.allows.is_empty());
        let shown = text(&inspection, Style::Plain);
        proptest::prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
        let back: Value = serde_json::from_str(&as_json(&inspection)).unwrap();
        proptest::prop_assert_eq!(back["right"].as_bool(), Some(inspection.right()));
    }

    #[test]
    fn any_text_is_looked_at(
        text in "\\PC{0,80}",
        parts in "[A-Za-z0-9_.=+/-]{0,60}",
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
    ) {
        let bytes = URL_SAFE_NO_PAD.encode(bytes);
        for text in [text, parts, format!("{bytes}.{bytes}.{bytes}"), bytes] {
            if let Err(found) = decode(&SecretString::from(text)) {
                proptest::prop_assert!(!unreadable(&found).is_empty());
            }
        }
    }
}
