//! What `token inspect` makes of tokens as they are printed in the profile and met in the field.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::Value;
use touchstone::model::Profile;
use touchstone::report::style::Style;
use touchstone::report::token::text;
use touchstone::token::Proof;
use touchstone::token::judge::{Inspection, Weight, decode, judge};

/// Encodes the claims of a file in `tests/tokens`, and judges them at the moment that it names.
fn inspect(name: &str) -> Inspection {
    let path = format!("{}/tests/tokens/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(path).expect("a token");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    let part = |name: &str| URL_SAFE_NO_PAD.encode(file[name].to_string());
    let token = format!("{}.{}.c2lnbmF0dXJl", part("header"), part("payload"));
    let token = decode(&SecretString::from(token)).expect("a JWT");
    let now = file["at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    judge(&token, Proof::unknown("not tried"), now, Profile::V1_3)
}

fn wrong(inspection: &Inspection) -> Vec<(&str, Option<&str>)> {
    let statements = inspection.statements.iter();
    statements
        .filter(|statement| statement.weight == Weight::Must)
        .map(|statement| (statement.about.as_str(), statement.clause))
        .collect()
}

#[test]
fn the_tokens_of_the_profile_are_explained() {
    for name in [
        "profile-id",
        "profile-groups",
        "profile-scopes",
        "profile-verification",
    ] {
        insta::assert_snapshot!(name, text(&inspect(name), Style::Plain));
    }
    for name in ["profile-id", "profile-groups", "profile-scopes"] {
        assert_eq!(wrong(&inspect(name)), []);
    }
    // Printed without aud, which the same document requires.
    assert_eq!(
        wrong(&inspect("profile-verification")),
        [("aud", Some("JWT-2.1.1-12"))]
    );
}

#[test]
fn the_tokens_of_the_field_are_explained() {
    for name in [
        "scitoken-compute",
        "scitoken-storage",
        "cms-storage",
        "iam-groups",
        "iam-plain",
        "entitlements",
    ] {
        insta::assert_snapshot!(name, text(&inspect(name), Style::Plain));
    }
    for name in [
        "scitoken-compute",
        "scitoken-storage",
        "cms-storage",
        "iam-groups",
    ] {
        assert_eq!(wrong(&inspect(name)), [], "{name}");
    }
    assert!(!inspect("iam-plain").right() && !inspect("entitlements").right());
}
