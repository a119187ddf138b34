use super::inventory::{ENDPOINT, load, told};

#[test]
fn issuers_have_known_failures_too() {
    let text = format!(
        "issuers:
  wlcg:
    url: https://wlcg.example.org/
    known-failures:
      - {{case: CASE, reason: being repaired, ticket: 4711, expires: 2027-06-30}}
{ENDPOINT}"
    )
    .replace("CASE", ABOUT_ISSUERS);
    let inventory = load(&text).unwrap().inventory;
    let [entry] = inventory.issuers[0].known_failures.as_slice() else {
        panic!("{:?}", inventory.issuers)
    };
    assert_eq!(entry.ticket.as_deref(), Some("4711"));
    assert_eq!(entry.at.to_string(), "site/endpoints.yaml:5");
}

/// A case of the embedded suites.
const ABOUT_ISSUERS: &str = "issuer.metadata.published";

#[test]
fn cases_are_known_to_fail_where_they_run() {
    let text = format!(
        "issuers:
  wlcg:
    url: https://wlcg.example.org/
    known-failures:
      - {{case: capability.read.get, reason: being repaired}}
{ENDPOINT}    known-failures:
      - {{case: CASE, reason: being repaired}}
"
    )
    .replace("CASE", ABOUT_ISSUERS);
    insta::assert_snapshot!(told(&text), @"
    site/endpoints.yaml:5:16: `capability.read.get` is about storage
        5 |       - {case: capability.read.get, reason: being repaired}
          |                ^^^^^^^^^^^^^^^^^^^
      help: it is known to fail in an endpoint's entry below `endpoints`

    site/endpoints.yaml:11:16: `issuer.metadata.published` is about issuers
       11 |       - {case: issuer.metadata.published, reason: being repaired}
          |                ^^^^^^^^^^^^^^^^^^^^^^^^^
      help: it is known to fail in an issuer's entry below `issuers`
    ");
}
