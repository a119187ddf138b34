//! Steps that ask for macaroons and steps that present them.

use crate::config::catalogue::load;
use crate::config::{Catalogue, builtin_clauses};
use touchstone_model::{Credential, Flavour, Interface, Method, Presented, Tampering};
use touchstone_yaml::SourceFile;

fn suite(steps: &str) -> Result<Catalogue, String> {
    let text = format!(
        "suite: own\nabout: x\ncases:\n- id: own.one\n  title: t\n  risk: r\n  clauses: [MAC-01]\n  severity: critical\n  given: [{{file: f}}]\n  steps:\n{steps}"
    );
    let source = SourceFile {
        name: "own.yaml".into(),
        text: text.into(),
    };
    load(&[builtin_clauses(), source]).map_err(|problems| problems.to_string())
}

#[test]
fn requests_and_macaroons_are_read() {
    let catalogue = suite(
        r#"  - {macaroon: f, token: "storage.read:/", expect: ok}
  - macaroon: f
    activities: [DOWNLOAD, READ_METADATA]
    validity: forever
    caveats: ["path:{area}{dir}/x", "a\nb"]
    headers: {Content-Type: ""}
    content: "{"
    token: none
    expect: unauthenticated
    control: storage.read:/
  - {macaroon: f, flavour: oauth, activities: [LIST], token: "storage.read:/", expect: any}
  - {get: f, token: {macaroon: last}, expect: ok}
  - {get: f, token: {macaroon: last, add: ["colour:blue"], tamper: drop-caveat}, expect: denied, control: "storage.read:/"}
"#,
    )
    .unwrap();
    let steps = &catalogue.cases().next().unwrap().steps;
    let requests: Vec<_> = steps
        .iter()
        .filter_map(|step| match &step.interface {
            Interface::Macaroons(request) => Some(request),
            _ => None,
        })
        .collect();
    assert_eq!(requests.len(), 3);
    assert_eq!(steps[0].method, Method::Post);
    assert_eq!(requests[0].validity, "PT10M");
    assert_eq!(requests[1].activities, ["DOWNLOAD", "READ_METADATA"]);
    assert_eq!(requests[1].caveats, ["path:{area}{dir}/x", "a\nb"]);
    assert_eq!(requests[2].flavour, Flavour::Oauth);
    assert_eq!(steps[3].token, Credential::Macaroon(Presented::default()));
    let forged = Presented {
        add: vec!["colour:blue".into()],
        tamper: Some(Tampering::DropCaveat),
    };
    assert_eq!(steps[4].token, Credential::Macaroon(forged));
}

#[test]
fn what_makes_no_sense_is_told() {
    let told = suite(
        r#"  - {get: f, token: {macaroon: last}, expect: ok}
  - {macaroon: f, activities: [download], validity: 5, flavour: oath, token: a, expect: ok}
  - {macaroon: f, flavour: oauth, caveats: ["path:{second}"], token: a, expect: ok}
  - {macaroon: f, kept: true, verb: PUT, token: a, expect: created}
  - {put: g, activities: [LIST], token: a, expect: created}
  - {get: f, token: {macaroon: first, tamper: magic, scope: a}, expect: ok}
  - {get: f, token: a, expect: denied, control: {macaroon: last}}
  - {get: f, token: a, other: {macaroon: last}, expect: ok}
"#,
    )
    .unwrap_err();
    for (line, message) in [
        (12, "`download` is no activity"),
        (12, "`validity`: expected text, found a number"),
        (12, "`flavour` cannot be `oath`"),
        (13, "`flavour: oauth` has no `caveats`"),
        (13, "`flavour: oauth` needs the key `activities`"),
        (13, "this variable cannot stand in a caveat"),
        (14, "`macaroon` has no `kept`"),
        (14, "`macaroon` has no `verb`"),
        (14, "`post` cannot be `created`"),
        (15, "only `macaroon` has `activities`"),
        (16, "`macaroon` cannot be `first`"),
        (16, "`tamper` cannot be `magic`"),
        (16, "a macaroon has no key `scope`"),
        (17, "`control` has to be a token"),
        (18, "`other` cannot be a macaroon"),
    ] {
        let found = told
            .lines()
            .any(|text| text.contains(&format!("own.yaml:{line}:")) && text.contains(message));
        assert!(found, "{line}: {message}\n{told}");
    }
    let early = suite("  - {get: f, token: {macaroon: last}, expect: ok}\n").unwrap_err();
    assert!(
        early.contains("no earlier step asks for a macaroon"),
        "{early}"
    );
}
