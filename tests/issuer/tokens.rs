//! The ways to a token at Keycloak.

use serde_json::Value;

use super::server::{CLIENT, KEYCLOAK, NARROW};
use super::{KeycloakSetup, NOBODY, SECRET, narrow, person, service};
use crate::common::test_bed::Ended;

const READ: &[&str] = &[
    "token",
    "get",
    "--issuer",
    "keycloak",
    "--scope",
    "storage.read:/",
];

/// All that a login asks for.
const WHOLE: &str = "openid offline_access wlcg wlcg.groups storage.read:/ storage.modify:/";

/// The claims of a token.
fn claims(token: &str) -> Value {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = token.trim().split('.').nth(1).expect("a JWT");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("claims")
}

fn scopes(claims: &Value) -> Vec<&str> {
    let mut scopes: Vec<_> = claims["scope"]
        .as_str()
        .expect("a scope")
        .split(' ')
        .collect();
    scopes.sort_unstable();
    scopes
}

/// The claims of what `token get` prints.
pub fn got(setup: &KeycloakSetup) -> Value {
    let ended = setup.run(READ).expect(0);
    let claims = claims(&ended.stdout);
    assert_eq!(claims["iss"], KEYCLOAK.url(), "{claims}");
    assert_eq!(claims["aud"], "https://wlcg.cern.ch/jwt/v1/any", "{claims}");
    assert_eq!(claims["wlcg.ver"], "1.0", "{claims}");
    claims
}

#[test]
fn a_client_gets_tokens_by_its_credentials() {
    let setup = KeycloakSetup::new(&service(), NOBODY);
    let of_service = got(&setup);
    assert_eq!(scopes(&of_service), ["storage.read:/", "wlcg"]);
    assert_eq!(of_service["client_id"], CLIENT);
    assert_eq!(of_service["nbf"], Value::Null);
    // The realm knows the scope, and this client may not have it.
    setup.write(&narrow(), NOBODY);
    let ended = setup.run(READ);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("storage.read:/"), "{}", ended.stderr);
    let ended = setup.run(&[
        "token",
        "get",
        "--issuer",
        "keycloak",
        "--scope",
        "storage.read:/narrow",
    ]);
    assert_eq!(claims(&ended.expect(0).stdout)["client_id"], NARROW);
}

#[test]
fn a_token_is_verified_by_the_keys_of_the_realm() {
    let setup = KeycloakSetup::new(&service(), NOBODY);
    let ended = setup.run(READ).expect(0);
    setup.bed.write("token", ended.stdout.trim());
    const VERIFY: [&str; 6] = [
        "token",
        "inspect",
        "token",
        "--verify",
        "--ca",
        "keycloak.pem",
    ];
    let verified = "Signature: verified";
    let ended = setup.run(&VERIFY);
    assert!(ended.stdout.contains(verified), "{ended:?}");
    let token = std::fs::read_to_string(setup.bed.path("token")).expect("the token");
    let (signed, _) = token.rsplit_once('.').expect("a signature");
    setup
        .bed
        .write("token", &format!("{signed}.{}", "A".repeat(342)));
    let ended = setup.run(&VERIFY);
    assert!(!ended.stdout.contains(verified), "{ended:?}");
}

#[test]
fn a_person_logs_in_with_a_browser_and_the_refresh_token_works_again_and_again() {
    let setup = KeycloakSetup::new(&person(), NOBODY);
    let told = setup.log_in(&[]);
    for part in [
        "A refresh token is in person",
        "storage.modify:/",
        "offline_access",
    ] {
        assert!(told.stdout.contains(part), "{told:?}");
    }
    let refresh = std::fs::read_to_string(setup.bed.path("person")).expect("a refresh token");
    assert!(!told.stdout.contains(refresh.trim()) && !told.stderr.contains(refresh.trim()));
    assert_eq!(claims(&refresh)["typ"], "Offline");
    let whole = &["token", "get", "--issuer", "keycloak", "--scope", WHOLE];
    let again = || claims(&setup.run(whole).expect(0).stdout);
    let (first, second) = (again(), again());
    assert_eq!(first["sub"], second["sub"]);
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(first["wlcg.groups"], serde_json::json!(["/wlcg"]));
}

/// What is exchanged is the token of a person, which the client has from somebody else.
#[test]
fn a_token_is_exchanged() {
    let setup = KeycloakSetup::new(&person(), NOBODY);
    setup.log_in(&[]);
    // Keycloak finds no session of one that it gave by a login for later, and for less.
    let whole = setup.run(&["token", "get", "--issuer", "keycloak", "--scope", WHOLE]);
    let persons = whole.expect(0);
    setup.bed.write("subject", persons.stdout.trim());
    let exchange = format!(
        "      exchanged:\n        token-exchange: {{id: {CLIENT}, secret-env: {SECRET}, subject-file: subject}}\n"
    );
    setup.write(&exchange, NOBODY);
    let exchanged = got(&setup);
    assert_eq!(exchanged["sub"], claims(&persons.stdout)["sub"]);
    assert_eq!(scopes(&exchanged), ["storage.read:/", "wlcg"]);
    // An audience has to be a client of the realm: the words for it are about clients, and the client is not to blame.
    let ended = setup.run(&[READ, &["--audience", "https://se.example.org"]].concat());
    refused_for_the_audience(&ended);
}

fn refused_for_the_audience(ended: &Ended) {
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for part in [
        "did not give what is needed",
        "400 \"invalid_client\"",
        "Audience not found",
        "the audience may be unknown",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(
        !ended.stderr.contains("check client id"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_client_with_a_wrong_secret_is_told_so() {
    let setup = KeycloakSetup::new(&service(), NOBODY);
    let mut command = setup.command(READ);
    let ended = Ended::of(command.env(SECRET, "not-the-secret-77f1"));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.stderr.contains("401 \"unauthorized_client\""),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("check client id"), "{}", ended.stderr);
}
