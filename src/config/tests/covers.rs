use super::catalogue::suite;
use crate::config::Catalogue;
use crate::model::{Alteration, Expect};

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
