use super::catalogue::suite;
use crate::config::Catalogue;
use touchstone_model::{Alteration, Expect, Method};

const COVER: &str = "suite: own
about: x
covers:
- cover: c
  about: x
  new-connections: 2
  cell:
    title: <<column>> with <<row>> is refused
    risk: r
    severity: critical
    with: {path: /}
    step:
      token: {scope: 'storage.read:<<path>>'}
      control: 'storage.read:/'
      expect: denied
  columns:
  - {column: get, says: GET, given: [{file: f}], step: {get: f}}
  - {column: post, says: POST, given: [{file: f}], step: {put: f, verb: POST, expect: refused, control: null}}
  rows:
  - {row: other, says: another path, clauses: [JWT-2.2.1-01], with: {path: /x}, like: [capability.read.get]}
  - {row: bare, says: no path, clauses: [JWT-2.2.1-02], only: [get], step: {token: {claims: {exp: null}}}}
";

fn read(text: &str) -> Catalogue {
    suite(text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is said of the cover with one text in another's place.
fn told(old: &str, new: &str) -> String {
    assert!(COVER.contains(old), "{old}");
    suite(&COVER.replace(old, new)).unwrap_err()
}

#[test]
fn each_row_with_each_column_is_a_case() {
    let catalogue = read(COVER);
    let ids: Vec<_> = catalogue.cases().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["own.other.get", "own.other.post", "own.bare.get"]);
    let case = |id: &str| catalogue.case(&id.parse().unwrap()).unwrap();
    let other = case("own.other.get");
    assert_eq!(other.title, "GET with another path is refused");
    assert_eq!(other.row().as_deref(), Some("own.other"));
    let step = &other.steps[0];
    let scope = |id: &str| case(id).steps[0].token.token().unwrap().scope.to_string();
    assert_eq!(scope("own.other.get"), "storage.read:/x");
    assert_eq!(scope("own.bare.get"), "storage.read:/");
    assert_eq!(
        (step.expect, step.control.is_some()),
        (Expect::Denied, true)
    );
    let cell = other.cover.as_ref().unwrap();
    assert_eq!(cell.group.as_deref(), Some("own.c.get"));
    assert_eq!(cell.like[0].as_str(), "capability.read.get");
    // A column says what it wants otherwise, and a row adds to the token.
    let post = &case("own.other.post").steps[0];
    assert_eq!(
        (post.expect, post.control.is_some()),
        (Expect::Refused, false)
    );
    let bare = case("own.bare.get").steps[0].token.token().unwrap();
    assert_eq!(bare.claims.get("exp"), Some(&Alteration::Remove));
    // Every second one has a connection of its own.
    let own: Vec<_> = catalogue
        .cases()
        .map(|case| case.steps[0].wire.is_some())
        .collect();
    assert_eq!(own, [true, false, false]);
}

#[test]
fn a_case_that_changes_what_is_there_shares_nothing() {
    let text = COVER.replace("{get: f}", "{put: f, expect: replaced, control: null}");
    let catalogue = read(&text);
    let case = catalogue.cases().next().unwrap();
    assert_eq!(case.cover.as_ref().unwrap().group, None);
}

/// What a row grants, in two columns.
const GRANTS: &str = "suite: own
about: x
covers:
- cover: c
  about: x
  cell:
    title: <<column>> with <<row>> is refused
    risk: r
    severity: critical
    clauses: [<<clause>>]
    step: {token: 'storage.read:<<path>>', control: 'storage.modify:/', expect: denied}
    granted: {title: <<column>> with <<row>> is allowed}
  columns:
  - column: look
    says: a look
    given: [{file: f}]
    with: {object: f, clause: JWT-2.2.1-14}
    step: {propfind: f, headers: {Depth: '0'}}
    granted:
      clauses: [JWT-2.2.1-28]
      step: {expect: ok, or: refused}
      otherwise: {propfind: null, head: f, headers: null}
  - column: put
    says: PUT
    with: {object: new, clause: JWT-2.2.1-02}
    step: {put: new}
    granted: {step: {expect: created, control: null}}
  rows:
  - {row: own, says: its path, with: {path: '{dir}/<<object>>'}, grants: [look, put], grants-like: [capability.read.propfind]}
  - {row: longer, says: a longer path, with: {path: '{dir}/<<object>>x'}, like: [capability.read.get]}
";

#[test]
fn what_a_row_grants_lies_over_the_rest() {
    let catalogue = read(GRANTS);
    let case = |id: &str| catalogue.case(&id.parse().unwrap()).unwrap();
    let told = |id: &str| {
        let case = case(id);
        let cell = case.cover.as_ref().unwrap();
        (
            case.title.as_str(),
            case.clauses[0].as_str(),
            cell.group.is_some(),
            cell.like.len(),
        )
    };
    assert_eq!(
        told("own.own.look"),
        ("a look with its path is allowed", "JWT-2.2.1-28", true, 1)
    );
    // What was given up is sent in its other form.
    let steps = &case("own.own.look").steps;
    let sent: Vec<_> = steps
        .iter()
        .map(|step| (step.method, step.expect, step.headers.len()))
        .collect();
    let ok = Expect::Ok;
    assert_eq!(sent, [(Method::Propfind, ok, 1), (Method::Head, ok, 0)]);
    assert!(steps[0].terms.or.is_some() && steps[1].terms.otherwise);
    // What changes something shares nothing.
    assert_eq!(
        told("own.own.put"),
        ("PUT with its path is allowed", "JWT-2.2.1-02", false, 1)
    );
    assert!(case("own.own.put").steps[0].control.is_none());
    // A name stands in what another one stands for.
    assert_eq!(
        told("own.longer.put"),
        ("PUT with a longer path is refused", "JWT-2.2.1-02", true, 1)
    );
    let scope = |id: &str| case(id).steps[0].token.token().unwrap().scope.to_string();
    assert_eq!(scope("own.longer.look"), "storage.read:{dir}/fx");
    assert_eq!(scope("own.own.put"), "storage.read:{dir}/new");
}

#[test]
fn what_is_wrong_with_what_is_granted_is_told() {
    for (old, new, message) in [
        (
            "grants: [look, put]",
            "grants: [looks]",
            "there is no column `looks`",
        ),
        (
            "granted: {step: {expect: created",
            "granted: {steps: {expect: created",
            "what is granted has no key `steps`",
        ),
        (
            "path: '{dir}/<<object>>x'",
            "path: '{dir}/<<path>>'",
            "what `<<path>>` stands for names itself",
        ),
    ] {
        assert!(GRANTS.contains(old), "{old}");
        let told = suite(&GRANTS.replace(old, new)).unwrap_err();
        assert_eq!(told.matches(message).count(), 1, "{message}\n{told}");
    }
    let silent = "    granted: {title: <<column>> with <<row>> is allowed}\n";
    let text = GRANTS.replace(silent, "");
    let text = text.replace(
        "    granted: {step: {expect: created, control: null}}\n",
        "",
    );
    let told = suite(&text).unwrap_err();
    assert!(
        told.contains("nothing says what it is that `put` is granted"),
        "{told}"
    );
}

#[test]
fn what_is_wrong_with_a_table_is_told_once() {
    for (old, new, message) in [
        ("only: [get]", "only: [gets]", "there is no column `gets`"),
        (
            "<<row>> is",
            "<<rows>> is",
            "nothing says what `<<rows>>` stands for",
        ),
        ("says: POST", "say: POST", "a column has no key `say`"),
        (
            "{get: f}",
            "{get: f, colour: red}",
            "a step has no key `colour`",
        ),
        ("row: bare", "row: other", "the row `other` is there twice"),
        (
            "[capability.read.get]",
            "[Read]",
            "`Read` is no id of a case",
        ),
        (
            "clauses: [JWT-2.2.1-02]",
            "clauses: [JWT-2.2.1-02], given: [{file: f}]",
            "a row has no key `given`",
        ),
    ] {
        let told = told(old, new);
        assert_eq!(told.matches(message).count(), 1, "{message}\n{told}");
    }
}
