//! What the cases about issuers say of Keycloak.

use super::tokens::got;
use super::{KeycloakSetup, NOBODY, narrow, person, service};
use crate::common::test_bed::{outcomes, with};

/// A snapshot of each case: those that differ from `pass` have been looked at one by one.
#[test]
fn every_case_about_issuers_has_its_verdict() {
    let everybody = [service(), narrow(), person()].concat();
    let setup = KeycloakSetup::new(&everybody, NOBODY);
    setup.log_in(&[]);
    let ended = setup.run(&["run", "--case", "issuer.*", "--no-history"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    // Each realm has its own id for the service.
    setup.write(&service(), NOBODY);
    let service = got(&setup)["sub"].clone();
    let service = service.as_str().expect("a subject");
    let mut found = outcomes(&setup.bed.record());
    for outcome in found.values_mut() {
        *outcome = outcome.replace(service, "(id of the service)");
    }
    assert_eq!(with(&found, "error"), [""; 0], "{found:#?}");
    setup.expect_no_secret(ended);
    insta::assert_yaml_snapshot!(found);
}
