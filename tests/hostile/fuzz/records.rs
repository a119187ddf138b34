//! Run records and ledgers: files of ours that may be old, cut, changed or somebody else's.

use std::collections::BTreeMap;

use touchstone_engine::http::Guard;
use touchstone_engine::run::Ledger;
use touchstone_model::{RunOutcome, RunRecord};
use touchstone_report::brief::{Brief, Details};
use touchstone_report::diff::{compare, json as comparison_json, markdown, text as words};
use touchstone_report::history::History;
use touchstone_report::merge::{ShardRecord, merge};
use touchstone_report::style::Style;
use touchstone_report::{FORMATS, Made, json};
use touchstone_suite::config::{load_catalogue, load_inventory};
use touchstone_yaml::SourceFile;

use super::engine::Target;

/// No report of a small record is larger, in bytes.
const LARGEST: usize = 4 << 20;

#[test]
fn records() {
    const WORDS: &[&str] = &[
        "\"schema\": \"touchstone/run/1\"",
        "\"verdict\": \"fail\"",
        "\"verdict\": \"error\"",
        "\"exchange\": 99999",
        "\"results\":",
        "\"endpoints\":",
        "\"statistics\":",
        "\"interrupted\": true",
        "null",
        "[]",
        "{}",
        "\\u0000",
        "\\u001b[31m",
        "\\u202e",
        "]]>",
        "<script>",
        "|",
        "`",
        "../../",
        "/dev/null",
        "\"duration_ms\": 18446744073709551615",
        "\"started\": \"9999-12-30T00:00:00Z\"",
        "\"started\": \"-009999-01-02T00:00:00Z\"",
    ];
    let target = Target {
        name: "record",
        seeds: Vec::new(),
        words: WORDS,
        grammar: "\\{\"schema\":\"touchstone/run/[0-9]{1,3}\"(,\"[a-z]{1,9}\":(\\[\\]|\\{\\}|null|[0-9]{1,20}|\"[a-z]{0,9}\")){0,9}\\}",
        inputs: 120,
        longest: 48 << 10,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut history = History::open(&folder.path().join("history.sqlite")).expect("a history");
    let first = json::read(include_str!("../../corpus/record/run.json")).expect("a record");
    let first = RunOutcome::from(&first);
    let mut counted = BTreeMap::<&str, usize>::new();
    let counted = std::cell::RefCell::new(&mut counted);
    let history = std::cell::RefCell::new(&mut history);
    target.fuzz(|input| {
        let text = String::from_utf8_lossy(input);
        let record = match json::read(&text) {
            Ok(record) => record,
            Err(error) => {
                let told = error.to_string();
                assert!(told.len() < 8 << 10, "{} bytes", told.len());
                assert!(!told.contains(['\x1b', '\0', '\n']), "{told:?}");
                let _ = Brief::read(input);
                return told;
            }
        };
        *counted.borrow_mut().entry("read").or_default() += 1;
        comes_back(&record);
        for format in FORMATS {
            let texts = match format.made {
                Made::One(_) | Made::Streamed(_) => vec![format.text(&record)],
                Made::Each(make) => {
                    let files = make(&record);
                    for file in &files {
                        let plain =
                            !file.name.contains(['/', '\\', '\0']) && !file.name.starts_with('.');
                        assert!(plain, "{}: {:?}", format.name, file.name);
                    }
                    files.into_iter().map(|file| file.content).collect()
                }
            };
            for text in texts {
                let text = text.unwrap_or_else(|error| panic!("{}: {error}", format.name));
                assert!(
                    text.len() < LARGEST,
                    "{}: {} bytes",
                    format.name,
                    text.len()
                );
                assert!(!text.contains(['\x1b', '\0']), "{}", format.name);
            }
        }
        let outcome = RunOutcome::from(&record);
        let (brief, _) = Brief::read(text.as_bytes())
            .expect("what is a record")
            .split();
        assert_eq!(brief, outcome);
        let details = Details::from(&record);
        for (old, new) in [(&first, &outcome), (&outcome, &first), (&outcome, &outcome)] {
            let comparison = compare(old, new, &details);
            let _ = (words(&comparison, Style::Plain), markdown(&comparison));
            comparison_json(&comparison).expect("JSON");
        }
        let part = |name: &str| ShardRecord {
            name: name.into(),
            record: record.clone(),
        };
        let merged = merge(vec![part("a")], true).is_ok();
        assert!(
            merge(vec![part("a"), part("b")], true).is_err(),
            "the same part twice"
        );
        let remembered = history.borrow_mut().record(&record, None).is_ok();
        if remembered {
            let mut again = record.clone();
            history
                .borrow()
                .recall(&mut again)
                .expect("it is remembered");
        }
        format!("{merged} {remembered}")
    });
}

fn comes_back(record: &RunRecord) {
    let once = json::write(record).expect("JSON");
    let back = json::read(&once).unwrap_or_else(|error| panic!("{error}: {once}"));
    assert_eq!(json::write(&back).expect("JSON"), once);
}

/// Whatever stands in a ledger: nothing outside a run's own directories is ever deleted, and what stands on a line of
/// its own is not lost because of others.
#[test]
fn ledgers() {
    const OURS: &str = "/touchstone-20261122t072848z-4f2a9c/kept";
    let target = Target {
        name: "ledger",
        seeds: Vec::new(),
        words: &[
            "{\"run\":\"20261122t072848z-4f2a9c\"}\n",
            "{\"create\":",
            "{\"gone\":",
            "\"path\":",
            "\"/\"",
            "..",
            "%2e%2e",
            "%2f",
            "touchstone-20261122t072848z-4f2a9c",
            "\n",
            "\0",
            "?",
            "#",
            "\\\\",
            "//",
            "null",
        ],
        grammar: "(\\{\"(create|gone|run)\":\\{?(\"(path|endpoint|area)\":\"[a-z/.%0-9-]{0,30}\",?){0,3}\\}?\\}\n){0,6}",
        inputs: 1_500,
        longest: 16 << 10,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.jsonl");
    let file = SourceFile {
        name: "endpoints.yaml".into(),
        text: "issuers: {i: {url: 'https://i.example.org/', token-file: t}}\nendpoints: {se-kept: {endpoint: 'https://se.example.org', paths: {a: /}, issuer: i}}\n".into(),
    };
    let catalogue = load_catalogue(&[]).expect("the suites");
    let loaded = load_inventory(&file, &catalogue).unwrap_or_else(|problems| panic!("{problems}"));
    let endpoint = &loaded.inventory.endpoints[0];
    let run = "20261122t072848z-4f2a9c".parse().expect("a run");
    let guard = Guard::of_run(endpoint, &run, std::iter::empty());
    target.fuzz(|input| {
        let mut bytes = input.to_vec();
        bytes.extend_from_slice(
            format!("\n{{\"create\":{{\"endpoint\":\"se-kept\",\"area\":\"https://se.example.org\",\"path\":\"{OURS}\"}}}}\n").as_bytes(),
        );
        std::fs::write(&path, bytes).expect("a ledger");
        match Ledger::read(&path) {
            Err(error) => error.to_string().replace(&path.display().to_string(), ""),
            Ok(account) => {
                let left = account.left;
                assert!(left.iter().any(|one| one.path == OURS), "{left:?}");
                for one in &left {
                    if guard.permits(&endpoint.url_of(&one.path)).is_ok() {
                        inside(&one.path);
                    }
                }
                format!("{} left", left.len().min(3))
            }
        }
    });
}

/// Below a directory of a run, however a server may read the path.
fn inside(path: &str) {
    let url = url::Url::parse("https://se.example.org/area").expect("a URL");
    let mut url = url;
    let mut depth = 0;
    url.set_path(&format!("/area{path}"));
    for part in url.path().split('/').skip(1) {
        depth += 1;
        assert!(!matches!(part, "" | "." | ".."), "{path}");
        let decoded = percent_encoding::percent_decode_str(part).decode_utf8_lossy();
        assert!(!decoded.contains(['/', '\\']) && decoded != "..", "{path}");
    }
    assert!(depth >= 2 && url.path().starts_with("/area/"), "{path}");
    assert!(url.query().is_none() && url.fragment().is_none(), "{path}");
}
