//! Tokens of Keycloak at a real XRootD: two programs that nobody here wrote.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::server::{KEYCLOAK, WITH_NBF};
use super::{KeycloakSetup, SECRET, service};
use crate::common::test_bed::outcomes;
use crate::common::xrootd::{PATIENT, Xrootd, XrootdOptions};

/// What the same server is found to do with tokens of our own issuer.
const KNOWN: &str = include_str!(
    "../real/snapshots/real__xrootd__every_case_has_its_verdict_and_the_tree_is_as_before.snap"
);

fn known() -> BTreeMap<String, String> {
    let document = KNOWN.splitn(3, "---\n").nth(2).expect("a snapshot");
    serde_yaml::from_str(document).expect("outcomes")
}

/// `pass` of `pass  …`.
fn verdict(outcome: &str) -> &str {
    outcome.split_ascii_whitespace().next().unwrap_or_default()
}

/// A server that trusts the realm, and somebody with that account who knows it as `se-xrootd`.
fn start(account: &str) -> (KeycloakSetup, Xrootd) {
    let setup = KeycloakSetup::new(account, "");
    let certificate = KEYCLOAK.authority.certificate().expect("a certificate");
    let server = Xrootd::start(XrootdOptions {
        issuer: &KEYCLOAK.url(),
        second_issuer: setup.bed.neighbour.url(),
        ca_pem: KEYCLOAK.authority.ca_pem(),
        certificate_pem: &certificate.certificate_pem,
        key_pem: certificate.key_pem.expose_secret(),
    });
    let endpoint = format!(
        "  se-xrootd:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: keycloak\n    ca: keycloak.pem\n{PATIENT}",
        server.url()
    );
    setup.write(account, &endpoint);
    (setup, server)
}

#[test]
fn storage_is_judged_the_same_by_tokens_of_keycloak() {
    let account = format!(
        "      service:\n        client-credentials: {{id: {WITH_NBF}, secret-env: {SECRET}}}\n"
    );
    let (setup, server) = start(&account);
    let before = server.snapshot();
    let ended = setup.run(&["run"]);
    assert_eq!(ended.code, Some(1), "{ended:?}\n{}", server.log_tail());
    assert_eq!(server.snapshot(), before);
    let known = known();
    let found = outcomes(&setup.bed.record());
    let judged = |outcome: &&String| !outcome.starts_with("skip");
    for (case, outcome) in &found {
        match verdict(outcome) {
            "skip" => assert!(outcome.len() > 20, "{case} says why: {outcome}"),
            // Of the cells of covers those that pass are not in the list.
            here => {
                let known = known.get(case).map_or("pass", |known| verdict(known));
                assert_eq!(here, known, "{case}: {outcome}");
            }
        }
    }
    assert!(found.values().filter(judged).count() > 120, "{found:#?}");
    for case in [
        "capability.read.get",
        "capability.create.put",
        "capability.modify.put",
    ] {
        assert_eq!(verdict(&found[case]), "pass", "{case}: {}", found[case]);
    }
    // It knows scopes by name alone, and gives one audience.
    let below = &found["capability.several.add-up"];
    assert!(below.contains("invalid_scope"), "{below}");
    let audience = &found["bearer.query.wrong-authz"];
    assert!(
        audience.contains("the token is for https://wlcg.cern.ch/jwt/v1/any"),
        "{audience}"
    );
    setup.expect_no_secret(ended);
}

/// As it comes a token of Keycloak has no `nbf`; this version of XRootD wants one, and the profile does not.
#[test]
fn storage_that_wants_nbf_is_told_to_want_it() {
    let (setup, server) = start(&service());
    let before = server.snapshot();
    let told = "was answered 403: \"Unable to mkdir";
    let cause =
        "what may be the cause: the token has no nbf, which the profile allows: JWT-2.1.1-05";
    let ended = setup.run(&["run", "--case", "capability.read.get"]);
    assert_eq!(ended.code, Some(3), "{ended:?}\n{}", server.log_tail());
    let outcome = &outcomes(&setup.bed.record_of(&ended))["capability.read.get"];
    assert!(
        outcome.contains(told) && outcome.contains(cause),
        "{outcome}\n{}",
        server.log_tail()
    );
    let checked = setup.run(&["check", "--connect"]);
    assert!(checked.stdout.contains(cause), "{checked:?}");
    assert_eq!(server.snapshot(), before);
    setup.expect_no_secret(ended);
}
