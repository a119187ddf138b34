//! Every clause of the register is judged by a case, or says why none can judge it.

use touchstone::config::{Catalogue, load_catalogue};
use touchstone::model::{Basis, Clause};

/// The clauses whose cases are still to be written, in the order of the register. It only ever shrinks.
const TO_COME: &[&str] = &[
    "JWT-2.1.1-01",
    "JWT-2.1.1-02",
    "JWT-2.1.1-03",
    "JWT-2.1.1-04",
    "JWT-2.1.1-05",
    "JWT-2.1.1-06",
    "JWT-2.1.1-07",
    "JWT-2.1.1-08",
    "JWT-2.1.1-09",
    "JWT-2.1.1-10",
    "JWT-2.1.1-11",
    "JWT-2.1.1-18",
    "JWT-2.1.1-19",
    "JWT-2.1.1-20",
    "JWT-2.1.1-21",
    "JWT-2.1.1-22",
    "JWT-2.1.1-23",
    "JWT-2.1.1-24",
    "JWT-2.1.1-25",
    "JWT-2.1.1-26",
    "JWT-2.1.1-27",
    "JWT-2.1.1-28",
    "JWT-2.1.1-29",
    "JWT-2.1.3-01",
    "JWT-2.1.1-30",
    "JWT-2.2.1-07",
    "JWT-2.2.1-08",
    "JWT-2.2.1-16",
    "JWT-2.2.1-19",
    "JWT-2.2.1-20",
    "JWT-2.2.1-21",
    "JWT-2.2.1-22",
    "JWT-2.2.1-23",
    "JWT-2.2.1-24",
    "JWT-2.2.1-25",
    "JWT-2.2.1-26",
    "JWT-2.2.1-27",
    "JWT-2.2.1-29",
    "JWT-2.2.1-31",
    "JWT-2.2.1-32",
    "JWT-2.2.1-33",
    "JWT-2.2.1-34",
    "JWT-2.2.1-35",
    "JWT-2.2.1-36",
    "JWT-2.2.1-37",
    "JWT-2.2.1-39",
    "JWT-2.2.1-40",
    "JWT-2.2.1-41",
    "JWT-2.2.1-42",
    "JWT-2.2.1-43",
    "JWT-2.2.1-44",
    "JWT-2.2.1-45",
    "JWT-2.2.1-46",
    "JWT-2.2.1-47",
    "JWT-2.2.1-48",
    "JWT-2.2.1-49",
    "JWT-2.2.1-50",
    "JWT-2.2.1-51",
    "JWT-2.2.2-02",
    "JWT-2.2.2-04",
    "JWT-2.2.2-05",
    "JWT-2.2.2-06",
    "JWT-2.2.2-07",
    "JWT-2.2.2-08",
    "JWT-2.2.3-01",
    "JWT-2.2.3-02",
    "JWT-2.2.3-03",
    "JWT-2.2.3-04",
    "JWT-2.2.3-06",
    "JWT-2.2.3-07",
    "JWT-2.2.4-01",
    "JWT-4.2-01",
    "JWT-4.2-02",
    "JWT-4.2-03",
    "JWT-4.2-04",
    "JWT-4.2-05",
    "JWT-4.2-06",
    "JWT-4.2-07",
    "JWT-4.2-08",
    "JWT-4.2-09",
    "JWT-4.2-10",
    "JWT-4.2-11",
    "JWT-4.2-12",
    "JWT-4.2-13",
    "JWT-4.2-14",
    "JWT-4.2-15",
    "JWT-4.2-16",
    "JWT-4.2-17",
    "JWT-4.2-21",
    "JWT-4.2-22",
    "JWT-4.2-23",
    "JWT-4.2-24",
    "JWT-4.3.1-01",
    "JWT-4.3.1-02",
    "JWT-4.3.3-01",
    "JWT-4.3.3-02",
    "JWT-4.3.3-03",
    "JWT-4.3.3-04",
    "RFC6750-01",
    "RFC6750-02",
    "RFC6750-03",
    "RFC6750-04",
    "RFC6750-05",
    "RFC6750-06",
    "RFC6750-07",
    "RFC6750-08",
    "RFC6750-09",
    "RFC6750-10",
    "RFC6750-11",
    "RFC6750-12",
    "RFC6750-13",
    "RFC6750-14",
    "RFC6750-15",
    "RFC6750-16",
    "RFC6750-17",
    "RFC6750-18",
    "RFC6750-19",
    "DAV-01",
    "DAV-02",
    "DAV-03",
    "DAV-04",
    "DAV-05",
    "DAV-06",
    "DAV-07",
    "DAV-08",
    "DAV-09",
    "DAV-10",
    "DAV-11",
    "DAV-12",
    "DAV-13",
    "DAV-14",
    "DAV-16",
    "DAV-18",
    "DAV-20",
    "DAV-21",
    "DAV-22",
    "DAV-23",
    "DIG-01",
    "DIG-02",
    "DIG-03",
    "DIG-04",
    "DIG-05",
];

/// Of a hundred MUST and MUST NOT clauses at most so many may be untestable.
const UNTESTABLE_PERCENT: usize = 3;

fn catalogue() -> Catalogue {
    load_catalogue(&[]).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn each_clause_has_a_case_or_a_reason() {
    let catalogue = catalogue();
    let uncovered: Vec<&str> = catalogue
        .clauses
        .iter()
        .filter(|clause| clause.untestable.is_none() && catalogue.cases_of(&clause.id).is_empty())
        .map(|clause| clause.id.as_str())
        .collect();
    let missing = without(&uncovered, TO_COME);
    let superfluous = without(TO_COME, &uncovered);
    assert!(missing.is_empty(), "neither case nor reason: {missing:?}");
    assert!(
        superfluous.is_empty(),
        "take these out of TO_COME: {superfluous:?}"
    );
    assert_eq!(
        uncovered, TO_COME,
        "TO_COME is in the order of the register"
    );
}

fn without<'a>(all: &[&'a str], known: &[&str]) -> Vec<&'a str> {
    let unknown = all.iter().filter(|id| !known.contains(id));
    unknown.copied().collect()
}

#[test]
fn hardly_any_binding_clause_is_untestable() {
    let clauses = catalogue().clauses;
    let binding: Vec<&Clause> = clauses.iter().filter(|c| c.level.binding()).collect();
    let untestable: Vec<_> = binding
        .iter()
        .filter(|clause| clause.untestable.is_some())
        .map(|clause| &clause.id)
        .collect();
    assert!(
        untestable.len() * 100 <= binding.len() * UNTESTABLE_PERCENT,
        "{untestable:?} of {}",
        binding.len()
    );
}

#[test]
fn the_register_holds_the_four_families() {
    let clauses = catalogue().clauses;
    let count = |family: &str| {
        let members = clauses.iter().filter(|c| c.id.as_str().starts_with(family));
        members.count()
    };
    let families = ["JWT-", "RFC6750-", "DAV-", "DIG-"].map(count);
    assert_eq!(families, [129, 19, 23, 5]);
    assert_eq!(families.iter().sum::<usize>(), clauses.len());
}

#[test]
fn each_clause_is_one_sentence_with_its_source() {
    for clause in &catalogue().clauses {
        let id = &clause.id;
        for text in [Some(&clause.requirement), clause.untestable.as_ref()]
            .into_iter()
            .flatten()
        {
            assert!(text.ends_with('.') && !text.contains(". "), "{id}: {text}");
            assert!(!text.contains(['\n', '\u{2014}', '\u{a7}']), "{id}: {text}");
        }
        assert!(clause.requirement.len() <= 140, "{id} is long");
        assert!(!clause.source.contains('\u{a7}'), "{id}: {}", clause.source);
        let profile = clause.source.starts_with("WLCG Common JWT Profiles ");
        assert_eq!(clause.since.is_some(), profile, "{id}: {}", clause.source);
        match clause.basis {
            Basis::Stated => assert!(profile, "{id}: {}", clause.source),
            Basis::Rfc => assert!(clause.source.contains("RFC "), "{id}: {}", clause.source),
            Basis::Derived => {}
        }
    }
}
