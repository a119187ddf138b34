//! The clauses and the cases of the binary, as far as judging needs them: what loads them whole is above this crate.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use touchstone_model::{Basis, Clause, Expect, Level, Severity};
use touchstone_yaml::{RawNode, RawValue, SourceFile, load_raw};

const SUITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../suites");

/// The register in `suites/clauses.yaml`.
pub(crate) static CLAUSES: LazyLock<Vec<Clause>> = LazyLock::new(|| {
    let file = read("clauses.yaml");
    items(&file, "clauses").iter().map(clause).collect()
});

/// What the steps of each case of the lists expect, by the id of the case.
pub(crate) static CASES: LazyLock<BTreeMap<String, Vec<Expect>>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(SUITES).unwrap() {
        let file = read(entry.unwrap().file_name().to_str().unwrap());
        for case in items(&file, "cases") {
            let expected = items(case, "steps")
                .iter()
                .filter_map(|step| step.get("expect"));
            let expected = expected.map(|word| {
                let mut known = Expect::ALL.into_iter();
                let found = known.find(|known| word.text() == Some(known.as_str()));
                found.unwrap_or_else(|| panic!("{word:?}"))
            });
            all.insert(text(case, "id").to_owned(), expected.collect());
        }
    }
    all
});

fn read(name: &str) -> RawNode {
    let source = SourceFile {
        name: name.into(),
        text: std::fs::read_to_string(format!("{SUITES}/{name}"))
            .unwrap()
            .into(),
    };
    load_raw(&source).unwrap_or_else(|problems| panic!("{problems}"))
}

fn items<'a>(node: &'a RawNode, key: &str) -> &'a [RawNode] {
    match node.get(key).map(|node| &node.value) {
        Some(RawValue::List(items)) => items,
        _ => &[],
    }
}

fn text<'a>(node: &'a RawNode, key: &str) -> &'a str {
    let text = node.get(key).and_then(RawNode::text);
    text.unwrap_or_else(|| panic!("{key} of {node:?}"))
}

fn clause(node: &RawNode) -> Clause {
    let level = text(node, "level");
    let levels = [
        Level::Must,
        Level::MustNot,
        Level::Should,
        Level::ShouldNot,
        Level::May,
    ];
    let severities = [Severity::Critical, Severity::NotCritical];
    Clause {
        id: text(node, "id").parse().unwrap(),
        source: text(node, "source").to_owned(),
        since: node
            .get("since")
            .and_then(RawNode::text)
            .map(|since| since.parse().unwrap()),
        basis: match text(node, "basis") {
            "stated" => Basis::Stated,
            "rfc" => Basis::Rfc,
            "derived" => Basis::Derived,
            other => panic!("{other}"),
        },
        level: levels
            .into_iter()
            .find(|known| known.as_str() == level)
            .unwrap_or_else(|| panic!("{level}")),
        severity: severities
            .into_iter()
            .find(|severity| severity.as_str() == text(node, "severity"))
            .unwrap(),
        requirement: text(node, "requirement").to_owned(),
        untestable: None,
        text: Vec::new(),
    }
}
