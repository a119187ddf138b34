//! Files that were made to hurt.

use proptest::prelude::*;

use crate::config::{EMBEDDED, builtin_suites, load_catalogue, load_inventory};
use touchstone_yaml::SourceFile;

fn source(text: &str) -> SourceFile {
    SourceFile {
        name: "x.yaml".into(),
        text: text.into(),
    }
}

/// Reads `text` as both kinds of file and renders what is said of it.
fn read(text: &str) -> String {
    let source = source(text);
    let mut told = String::new();
    if let Err(problems) = crate::config::catalogue::load(std::slice::from_ref(&source)) {
        told += &problems.to_string();
        for problem in problems.iter().take(20) {
            miette::GraphicalReportHandler::new()
                .render_report(&mut told, &problem.report())
                .unwrap();
        }
    }
    let catalogue = crate::config::Catalogue {
        documents: Vec::new(),
        clauses: Vec::new(),
        suites: Vec::new(),
    };
    match load_inventory(&source, &catalogue) {
        Ok(loaded) => told += &format!("{loaded:?}"),
        Err(problems) => told += &problems.to_string(),
    }
    told
}

/// Each but the long name is refused by a limit that is a number: what is beyond it is not even looked at, however fast
/// the machine is.
#[test]
fn bombs_are_refused_by_the_limit_that_they_break() {
    const DEEP: &str = "the nesting is too deep";
    const MANY: &str = "there are too many values in the file";
    const LARGE: &str = "it holds more than 1024 KiB";
    let wide = |item: &str, count: usize| format!("a: [{}]\n", vec![item; count].join(","));
    let mut laughs = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (one, two) in ('a'..'n').zip('b'..) {
        laughs += &format!("{two}: &{two} [{}]\n", vec![format!("*{one}"); 9].join(","));
    }
    let key = "k".repeat(900);
    let aliases = format!(
        "a: &a [{}]\nb: [{}]\n",
        vec!["1"; 1000].join(","),
        vec!["*a"; 5000].join(",")
    );
    let long_keys = format!(
        "{key}: {{{key}: {{{key}: [{}]}}}}\n",
        vec!["1"; 100_000].join(",")
    );
    let many_keys = (0..50_000).map(|n| format!("key{n}: 1\n")).collect();
    let pairs = format!("endpoints: {{se: {{{}}}}}", "? a : b, ".repeat(50_000));
    for (text, why) in [
        ("[".repeat(1 << 19), DEEP),
        ("{a: ".repeat(1 << 17), DEEP),
        ("- ".repeat(1 << 18), DEEP),
        (wide("1", 110_000), MANY),
        (laughs, MANY),
        ("a: &a [*a]\n".into(), DEEP),
        (aliases, MANY),
        (long_keys, "a key has at most 200 bytes"),
        (many_keys, MANY),
        ("x: 1\n".repeat(100_000), MANY),
        (
            format!("suite: {}\n", "x".repeat(1_000_000)),
            "a suite needs the key",
        ),
        (
            "\u{0}".repeat(1_000_000),
            "the character U+0000 cannot stand in YAML",
        ),
        ("x".repeat(2 << 20), LARGE),
        (pairs, MANY),
    ] {
        let told = read(&text);
        let head: String = text.chars().take(30).collect();
        assert!(
            told.contains(why),
            "{head}: {}",
            touchstone_model::excerpt(&told, 400)
        );
        assert!(told.len() < 300_000, "{head}: {}", told.len());
    }
}

#[test]
fn many_notes_neither_refuse_a_file_nor_hide_a_problem() {
    let file = |hosts: usize, jobs: &str| {
        let hosts = vec!["'*'"; hosts].join(", ");
        source(&format!(
            "endpoints: {{se: {{endpoint: 'https://se.example.org', paths: {{wlcg: /}}, limits: {{jobs: {jobs}}}, redirect-hosts: [{hosts}]}}}}"
        ))
    };
    let catalogue = &*EMBEDDED;
    assert!(load_inventory(&file(300, "1"), catalogue).is_ok());
    for hosts in [0, 1, 200, 201, 300] {
        assert!(
            load_inventory(&file(hosts, "0"), catalogue).is_err(),
            "{hosts}"
        );
    }
}

#[test]
fn ten_times_the_suites_load_at_once() {
    let sources: Vec<SourceFile> = (0..10)
        .flat_map(|number| {
            builtin_suites().into_iter().map(move |suite| {
                let name = suite
                    .name
                    .trim_start_matches("suites/")
                    .trim_end_matches(".yaml");
                let other = format!("{name}{number}");
                let other = other.replace(
                    |c: char| c.is_ascii_digit(),
                    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"][number],
                );
                let text = suite
                    .text
                    .replace(&format!("suite: {name}"), &format!("suite: {other}"))
                    .replace(&format!("id: {name}."), &format!("id: {other}."));
                SourceFile {
                    name: format!("{other}.yaml").into(),
                    text: text.into(),
                }
            })
        })
        .collect();
    let catalogue = load_catalogue(&sources).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(catalogue.cases().count(), EMBEDDED.cases().count() * 11);
}

const GOOD: &str = include_str!("../../../../../endpoints.yaml");

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        read(&text);
    }

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in "([-?:,{}\\[\\]&*!|>'\"%@`#~ \n\ta1é]|suite|cases|endpoints|steps|token|<<){0,60}") {
        read(&text);
    }

    #[test]
    fn mutated_files_are_read_or_refused(
        which in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, "[-?:,{}\\[\\]&*!|>'\"%@`#~ \n\ta1é.]{0,4}"), 1..6),
    ) {
        let suites = builtin_suites();
        let text = suites.get(which).map_or(GOOD, |suite| &suite.text);
        let mut chars: Vec<char> = text.chars().take(4000).collect();
        for (at, removed, inserted) in changes {
            let at = at.index(chars.len());
            let end = (at + removed).min(chars.len());
            chars.splice(at..end, inserted.chars());
            if chars.is_empty() {
                break;
            }
        }
        read(&chars.into_iter().collect::<String>());
    }
}
