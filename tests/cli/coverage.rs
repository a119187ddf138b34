//! Every clause of the register is judged by a case, or says why none can judge it.

use crate::common::test_bed::Ended;
use touchstone_model::{Basis, Clause};
use touchstone_suite::config::{Catalogue, load_catalogue};

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
    assert!(
        uncovered.is_empty(),
        "neither case nor reason: {uncovered:?}"
    );
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
fn the_register_holds_the_eight_families() {
    let clauses = catalogue().clauses;
    let count = |family: &str| {
        let members = clauses.iter().filter(|c| c.id.as_str().starts_with(family));
        members.count()
    };
    let families = [
        "JWT-", "RFC6750-", "DAV-", "DIG-", "TPC-", "TAPE-", "MAC-", "ISS-",
    ]
    .map(count);
    assert_eq!(families, [136, 23, 35, 5, 37, 27, 14, 62]);
    assert_eq!(families.iter().sum::<usize>(), clauses.len());
}

#[test]
fn what_a_source_says_is_quoted() {
    let catalogue = catalogue();
    let unquoted: Vec<_> = catalogue
        .clauses
        .iter()
        .filter(|clause| clause.basis != Basis::Derived && clause.text.is_empty())
        .map(|clause| clause.id.as_str())
        .collect();
    assert!(unquoted.is_empty(), "without their words: {unquoted:?}");
    for arguments in [
        &["list", "clauses", "--unquoted"][..],
        &["list", "cases", "--unquoted"],
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_touchstone"));
        let ended = Ended::of(command.args(arguments));
        match arguments[1] {
            "clauses" => assert_eq!(ended.expect(0).stdout, ""),
            _ => assert!(ended.expect(2).stderr.contains("list clauses --unquoted")),
        }
    }
    for clause in &catalogue.clauses {
        let id = &clause.id;
        for quotation in &clause.text {
            let quote = &quotation.quote;
            assert!((8..300).contains(&quote.len()), "{id}: {quote}");
            let single = quote.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(single, *quote, "{id}");
            let document = catalogue.documents.iter();
            let document = document.clone().find(|d| d.name == quotation.document);
            let document = document.expect("the loader has seen to it");
            // What the comparison reads is cited by line, all else by section.
            let by_line = document.commit.is_some() && document.name != "profile-1.0";
            let by_line = by_line && document.name != "tape";
            assert_eq!(quotation.place.starts_with("line "), by_line, "{id}");
            assert!(document.url.starts_with("https://"), "{}", document.url);
        }
    }
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
        let profile = clause.source.contains("WLCG Common JWT Profiles ");
        assert_eq!(clause.since.is_some(), profile, "{id}: {}", clause.source);
        match clause.basis {
            Basis::Stated => assert!(
                profile || clause.source.starts_with("WLCG "),
                "{id}: {}",
                clause.source
            ),
            Basis::Rfc => assert!(clause.source.contains("RFC "), "{id}: {}", clause.source),
            Basis::Derived => {}
        }
    }
}
