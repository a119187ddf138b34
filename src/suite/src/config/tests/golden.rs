//! What is said of the mistakes that a line of a file may have: each key misspelt, and each value a number, a list, a
//! mapping, or not there. The snapshots hold all of it, so that nothing is said less well after a change inside.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::config::catalogue::load;
use crate::config::{Catalogue, builtin_clauses};
use touchstone_yaml::SourceFile;

use super::inventory;

/// What becomes of a line of the form `before: value`.
type Damage = fn(&str, &str) -> String;

const DAMAGES: [(&str, Damage); 5] = [
    ("misspelt", |before, value| format!("{before}x:{value}")),
    ("a number", |before, _| format!("{before}: 7")),
    ("a list", |before, _| format!("{before}: [[]]")),
    ("a mapping", |before, _| format!("{before}: {{zzz: 1}}")),
    ("without value", |before, _| format!("{before}:")),
];

/// The column at which a line begins to say something, list items aside.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}

/// Each key below another one damaged in each way, where they are first met, with what `read` says of it. `seen` are the
/// keys that were met before.
fn said(
    text: &str,
    seen: &mut BTreeSet<String>,
    read: impl Fn(&str) -> Result<(), String>,
) -> String {
    read(text).unwrap_or_else(|problems| panic!("{problems}"));
    let lines: Vec<&str> = text.lines().collect();
    let mut all = String::new();
    for (place, line) in lines.iter().enumerate() {
        let Some((before, value)) = line.split_once(':') else {
            continue;
        };
        if before.contains('#') {
            continue;
        }
        let key = before[indent(line)..].to_owned();
        let above = lines[..place].iter().rev();
        let parent = above
            .copied()
            .find(|above| !above.trim().is_empty() && indent(above) < indent(line))
            .unwrap_or_default();
        let parent = parent.trim_start_matches([' ', '-']).split(':').next();
        let name = format!("{} / {key}", parent.unwrap_or_default());
        if !seen.insert(name.clone()) {
            continue;
        }
        for (what, damage) in DAMAGES {
            let mut file = lines.clone();
            let damaged = damage(before, value);
            file[place] = &damaged;
            let _ = match read(&(file.join("\n") + "\n")) {
                Ok(()) => writeln!(all, "# {name}: {what}: good"),
                Err(problems) => writeln!(all, "# {name}: {what}\n{}", problems.trim_end()),
            };
        }
    }
    all
}

/// The catalogue that `text` is, after the clauses of the binary.
fn catalogue(text: &str) -> Result<Catalogue, String> {
    let source = SourceFile {
        name: "own.yaml".into(),
        text: text.into(),
    };
    load(&[builtin_clauses(), source]).map_err(|problems| problems.to_string())
}

#[test]
fn every_key_of_a_suite() {
    let suite = include_str!("../../../../../tests/corpus/suites/golden.yaml");
    let (head, cases) = suite.split_once("cases:\n- id: ").unwrap();
    let cases: Vec<&str> = cases.split("\n- id: ").collect();
    assert!(cases.len() > 50);
    let (mut all, mut seen) = (String::new(), BTreeSet::new());
    // Each case is a file of its own: what is said of a damaged one does not depend on those before it.
    for case in cases {
        let text = format!("{head}cases:\n- id: {case}\n");
        all += &said(&text, &mut seen, |text| catalogue(text).map(drop));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn every_key_of_an_inventory() {
    let text = include_str!("../../../../../endpoints.yaml");
    let said = said(text, &mut BTreeSet::new(), |text| {
        let loaded = inventory::load(text).map(drop);
        loaded.map_err(|problems| problems.to_string())
    });
    insta::assert_snapshot!(said);
}
