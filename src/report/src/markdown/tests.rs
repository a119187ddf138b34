use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;
use crate::sample;

/// Whatever a page of Markdown may hold beyond text.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    tables: usize,
    /// Cells of each row, the heads included.
    rows: Vec<usize>,
    active: Vec<String>,
    words: String,
}

/// Reads it as GitHub does.
fn read(text: &str) -> Seen {
    let mut seen = Seen::default();
    for event in Parser::new_ext(
        text,
        Options::ENABLE_GFM
            | Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_TASKLISTS,
    ) {
        match event {
            Event::Start(Tag::Table(_)) => seen.tables += 1,
            Event::Start(Tag::TableHead | Tag::TableRow) => seen.rows.push(0),
            Event::Start(Tag::TableCell) => *seen.rows.last_mut().unwrap() += 1,
            Event::Start(
                tag @ (Tag::Link { .. }
                | Tag::Image { .. }
                | Tag::HtmlBlock
                | Tag::CodeBlock(_)
                | Tag::BlockQuote(_)
                | Tag::FootnoteDefinition(_)
                | Tag::Emphasis
                | Tag::Strikethrough),
            ) => seen.active.push(format!("{tag:?}")),
            Event::Html(html) | Event::InlineHtml(html) => seen.active.push(html.into_string()),
            Event::Text(text) => {
                // What GitHub makes more of than text, once it is read.
                if text.contains(['@', '#']) || text.contains("://") || text.contains("www.") {
                    seen.active.push(text.to_string());
                }
                seen.words += &text;
            }
            Event::Code(code) => seen.words += &code,
            _ => {}
        }
    }
    seen
}

/// What the sample's page has to be made of, whatever the texts in it.
fn check(record: &RunRecord) -> String {
    let text = write(record);
    let seen = read(&text);
    assert_eq!(seen.active, [""; 0], "{text}");
    assert_eq!(seen.tables, 3, "{text}");
    let tables = [11, 4, 5];
    let mut rows = seen.rows.clone();
    rows.dedup();
    assert_eq!(rows, tables, "{text}");
    text
}

/// The record with this text wherever one may come from a server or a file.
fn poisoned(hostile: &str) -> RunRecord {
    let mut record = sample::with_past();
    for endpoint in &mut record.endpoints {
        let name = endpoint.name.clone();
        endpoint.name = format!("{hostile}{name}");
        for result in &mut record.results {
            if result.endpoint == name {
                result.endpoint.clone_from(&endpoint.name);
            }
        }
        endpoint.software = Some(hostile.into());
        endpoint.unreachable = Some(hostile.into());
    }
    for trend in record.past.iter_mut().flat_map(|past| &mut past.trends) {
        trend.endpoint = format!("{hostile}{}", trend.endpoint);
    }
    for result in &mut record.results {
        result.partner = Some(hostile.into());
        result.reason = Some(hostile.into());
        for finding in &mut result.findings {
            finding.requirement = hostile.into();
        }
    }
    record
}

const HOSTILE: [&str; 18] = [
    "a | b | c",
    "a \\| b \\",
    "``` ` `` `x",
    "`",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[text](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "@everyone and @admin",
    "see #123 and GH-7",
    "https://example.org/ www.example.org",
    "line\n\n# heading\n| a |\n|---|",
    "- item\n> quote\n1. one",
    "*bold* _it_ ~~gone~~",
    "&#64;admin &lt;b&gt;",
    "</code><b>x",
    "\x1b[31m\u{202e}",
    "[^1]: note",
];

#[test]
fn it_reads_well() {
    insta::assert_snapshot!(check(&sample::with_past()), @r#"
    ### touchstone: 1 failure, 7 undecided

    Run `20261122t072848z-4f2a9c` of 2026-11-22 07:28 UTC, 01:02:06 long, 3 endpoints.

    | | Total | Pass | Warn | Fail | of these known | stated | rfc | derived | Error | Skip |
    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
    | critical | 18 | 5 | 0 | 2 | 1 | 1 | 0 | 0 | 5 | 6 |
    | not-critical | 6 | 3 | 1 | 0 | 0 | 0 | 0 | 0 | 2 | 0 |

    **Changed** since the run `20261121t050000z-000abc` of 2026-11-21 05:00 UTC

    - 1 new failure: `se-alpha` `capability.create.no-overwrite`
    - 7 new errors: `se-alpha` `audience.foreign.read`, `se-gamma` `audience.any`, `se-gamma` `audience.foreign.read` and 4 more
    - other software at 1 endpoint: `se-alpha` `ExampleStore/1.2` (was `ExampleStore/1.1`)

    | Endpoints | Most missed clauses | | |
    |--:|---|---|---|
    | 1 | `JWT-2.2.1-04` | storage.create never replaces a file. | `"This capability does not permit deleting, overwriting, or replacing stored data." (WLCG Common JWT Profiles 1.3, line 846)` |

    - **Everywhere**, so doubt the clause before the services: `capability.create.no-overwrite`

    | Software | Endpoints | Failures | Warnings | Errors |
    |---|--:|--:|--:|--:|
    | ExampleStore | 1 | 1 | 1 | 1 |
    | OtherStore | 1 | 0 | 0 | 6 |
    | not known | 1 | 0 | 0 | 0 |

    **Not reached**: `se-gamma` (`connection refused`)
    "#);
}

#[test]
fn a_run_without_a_past_is_summed_up_as_well() {
    let text = check(&sample::record());
    assert!(!text.contains("Changed"), "{text}");
}

#[test]
fn hostile_text_stays_text() {
    for hostile in HOSTILE {
        check(&poisoned(hostile));
    }
}

#[test]
fn code_says_what_it_was_given() {
    for text in [
        "a`b", "`", "``x", "x``", " a ", "a|b", "\\|", "<b>", "~~~", "a\\",
    ] {
        let page = format!("x {} y", code(text));
        let words = read(&page).words;
        assert_eq!(words, format!("x {} y", text.trim()), "{page}");
        let table = format!("| a | b |\n|---|---|\n| {} | c |\n", cell(text));
        let seen = read(&table);
        assert_eq!(seen.rows, [2, 2], "{table}");
        let kept = text.trim().replace("\\|", "\\ |");
        assert_eq!(seen.words, format!("ab{kept}c"), "{table}");
    }
    assert_eq!(code(" "), "(nothing)");
    assert_eq!(
        prose("A token_x reads *all*."),
        "A token\\_x reads \\*all\\*."
    );
}

#[test]
fn it_fits_a_screen() {
    let mut record = sample::with_past();
    let (endpoint, result) = (record.endpoints[2].clone(), record.results[2].clone());
    record.endpoints.clear();
    record.results.clear();
    for e in 0..200 {
        let mut endpoint = endpoint.clone();
        endpoint.name = format!("se-{e:03}");
        endpoint.software = Some(format!("Store{}/{e}", (b'a' + e % 20) as char));
        for c in 0..300 {
            let mut result = result.clone();
            result.endpoint.clone_from(&endpoint.name);
            result.case = format!("suite.case-x{c}").parse().unwrap();
            result.findings[0].clause = format!("JWT-{c}").parse().unwrap();
            result.verdict = Verdict::ALL[c % 4];
            record.results.push(result);
        }
        record.endpoints.push(endpoint);
    }
    let text = check(&record);
    assert!(text.lines().count() <= 40, "{}", text.lines().count());
    assert!(
        text.contains("and 196 more") && text.contains("and 14 more"),
        "{text}"
    );
    assert!(text.len() < 8000, "{}", text.len());
}

#[test]
fn software_is_grouped_without_its_version() {
    let mut endpoint = sample::record().endpoints[0].clone();
    for (software, family_name) in [
        (Some("XrootD/v5.7.1"), "XrootD"),
        (Some("StoRM WebDAV v1.4.2"), "StoRM WebDAV"),
        (Some("dCache 9.2 (patched)"), "dCache"),
        (Some("(odd)"), "not known"),
        (None, "not known"),
    ] {
        endpoint.software = software.map(Into::into);
        assert_eq!(family(&endpoint), family_name);
    }
    endpoint.kind = touchstone_model::RecordKind::Issuer;
    assert_eq!(family(&endpoint), "token issuers");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_survives(text in "(?s)(.|`|\\||\\\\|<b>|\\]\\(|@a|#1|\n|www\\.|://|_|\\*){0,30}") {
        check(&poisoned(&text));
    }
}
