//! Reports before those who read them: promtool, Python and an XML reader; from a good record, and from one in which
//! every text is hostile.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::test_bed::{Ended, read_record};
use serde_json::Value;
use tempfile::TempDir;

/// Stands before every text of the hostile record.
const HOSTILE: &str = "=1+1,\"a\",'b'|<script>alert(1)</script>&;\r\n[0] PROCESS_SERVICE_CHECK_RESULT;h;s;0;OK\n\
# TYPE touchstone_up counter\ntouchstone_up{endpoint=\"x\\\"} 9\n\u{1b}[31m\u{0}\u{202e}]]>\\../../";
/// Members whose texts are words of the record's own.
const WORDS: [&str; 20] = [
    "partial",
    "schema",
    "case",
    "clause",
    "clauses",
    "id",
    "started",
    "profile",
    "kind",
    "severity",
    "verdict",
    "before",
    "since",
    "last_good",
    "level",
    "basis",
    "purpose",
    "method",
    "expires",
    "previous",
];

fn touchstone(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
    Ended::of(command.args(arguments).current_dir(folder))
}

/// Folders `good` and `hostile`, each with a record.
fn records() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "demo",
        "--fault",
        "scope-prefix-match",
        "--case",
        "path.sibling-prefix.*",
        "tpc.pull.*",
        "--report-dir",
        "good",
    ];
    touchstone(folder.path(), &arguments).expect(1);
    let mut record = read_record(&folder.path().join("good/run.json"));
    let first = &mut record["results"][0];
    first["partner"] = "other".into();
    first["cleanup"] = serde_json::json!([{"url": "https://h/f", "reason": "403"}]);
    first["known"] = serde_json::json!({
        "case": "a.b", "reason": "old", "ticket": "T", "expires": null, "at": {"file": "f", "line": 1},
    });
    record["endpoints"][0]["unreachable"] = "refused".into();
    record["endpoints"][0]["software"] = "Software/1".into();
    spoil(&mut record, "");
    let text = record.to_string();
    std::fs::create_dir(folder.path().join("hostile")).expect("a folder");
    std::fs::write(folder.path().join("hostile/run.json"), text).expect("a record");
    folder
}

/// Makes every free text hostile, alike where it was alike.
fn spoil(value: &mut Value, name: &str) {
    match value {
        Value::String(text) if name == "url" => text.push_str(HOSTILE),
        Value::String(text) if !WORDS.contains(&name) => text.insert_str(0, HOSTILE),
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, name)),
        Value::Object(members) => members
            .iter_mut()
            .for_each(|(name, value)| spoil(value, name)),
        _ => {}
    }
}

/// The two records, and what a format makes of each.
fn made(format: &str) -> [(Value, String); 2] {
    let folder = records();
    ["good", "hostile"].map(|name| {
        let record = read_record(&folder.path().join(name).join("run.json"));
        let arguments = ["report", "--from", name, "--format", format];
        (record, touchstone(folder.path(), &arguments).stdout)
    })
}

/// What a program says of the text on its stdin.
fn read_by(program: &str, arguments: &[&str], package: &str, text: &str) -> std::process::Output {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child =
        child.unwrap_or_else(|error| panic!("{program} (Debian package {package}): {error}"));
    let mut stdin = child.stdin.take().expect("its input");
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("its end");
    writer
        .join()
        .expect("a thread")
        .expect("it reads everything");
    output
}

fn results(record: &Value) -> &[Value] {
    record["results"].as_array().expect("results")
}

#[test]
fn python_reads_the_csv() {
    let script = "import csv, io, json, sys
text = io.TextIOWrapper(sys.stdin.buffer, encoding='utf-8', newline='')
json.dump(list(csv.reader(text, strict=True)), sys.stdout)";
    for (record, text) in made("csv") {
        let read = read_by("python3", &["-c", script], "python3", &text);
        assert!(
            read.status.success(),
            "{}",
            String::from_utf8_lossy(&read.stderr)
        );
        let rows: Vec<Vec<String>> = serde_json::from_slice(&read.stdout).expect("rows");
        assert_eq!(rows.len(), results(&record).len() + 1);
        let column = |name: &str| {
            rows[0]
                .iter()
                .position(|title| title == name)
                .expect("a column")
        };
        for (row, result) in rows[1..].iter().zip(results(&record)) {
            assert_eq!(row.len(), rows[0].len());
            assert_eq!(
                row[column("verdict")],
                result["verdict"].as_str().expect("a verdict")
            );
            let formula = row
                .iter()
                .find(|cell| cell.trim_start().starts_with(['=', '+', '-', '@']));
            assert_eq!(formula, None);
            let steering = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!row.iter().any(|cell| cell.contains(steering)));
        }
    }
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    for (record, text) in made("prometheus") {
        let read = read_by("promtool", &["check", "metrics"], "prometheus", &text);
        let said = String::from_utf8_lossy(&read.stderr) + String::from_utf8_lossy(&read.stdout);
        assert!(read.status.success() && said.is_empty(), "{said}\n{text}");
        let judged = results(&record)
            .iter()
            .filter(|result| result["verdict"] != "skip");
        let series = text
            .lines()
            .filter(|line| line.starts_with("touchstone_case_result{"));
        assert_eq!(series.count(), judged.count());
        let types = text.lines().filter(|line| line.starts_with("# TYPE"));
        assert!(
            types.clone().count() >= 10 && types.into_iter().all(|line| line.ends_with(" gauge"))
        );
        let up = text
            .lines()
            .filter(|line| line.starts_with("touchstone_up{"));
        assert_eq!(
            up.count(),
            record["endpoints"].as_array().expect("endpoints").len()
        );
    }
}

#[test]
fn nagios_sees_one_state_and_one_row_of_numbers() {
    for (_, text) in made("nagios") {
        assert!(
            text.starts_with("CRITICAL - ") && text.len() <= 4096,
            "{text}"
        );
        assert!(!text.contains(['<', '>', '\r', '\u{1b}', '\0']), "{text}");
        let (status, rest) = text.split_once('|').expect("performance data");
        assert!(!status.contains('\n') && !rest.contains('|'));
        let numbers = rest.lines().next().expect("numbers");
        let words: Vec<_> = numbers.split(' ').collect();
        // Six of verdicts, three of bases, and three of the run.
        assert_eq!(words.len(), 12);
        for word in words {
            let (label, value) = word.split_once('=').expect("a number");
            assert!(label.starts_with('\'') && label.ends_with('\''), "{word}");
            let value = value
                .strip_suffix(";;;0")
                .expect("a minimum")
                .trim_end_matches('s');
            assert!(value.parse::<f64>().is_ok(), "{word}");
        }
    }
    for (record, text) in made("nagios-passive") {
        let endpoints = record["endpoints"].as_array().expect("endpoints");
        assert_eq!(text.lines().count(), endpoints.len());
        let mut services = BTreeSet::new();
        for line in text.lines() {
            let parts: Vec<_> = line.split(';').collect();
            let [command, host, service, code, output] = parts[..] else {
                panic!("{line}");
            };
            let time = command
                .strip_prefix('[')
                .and_then(|rest| rest.split_once("] "));
            let (time, command) = time.expect("a time");
            assert!(time.parse::<i64>().is_ok_and(|time| time > 1_700_000_000));
            assert_eq!(command, "PROCESS_SERVICE_CHECK_RESULT");
            assert!(
                !host.is_empty() && !host.contains(['\'', '"', '&', '|', ' ']),
                "{host}"
            );
            assert!(services.insert(service.to_owned()));
            let states = ["OK - ", "WARNING - ", "CRITICAL - ", "UNKNOWN - "];
            let state = states.iter().position(|state| output.starts_with(state));
            assert_eq!(state.map(|state| state.to_string()).as_deref(), Some(code));
            assert_eq!(output.matches('|').count(), 1, "{output}");
        }
    }
}

#[test]
fn monit_gets_flat_objects() {
    let script = "import json, sys; print(len(json.load(sys.stdin)))";
    for (record, text) in made("monit") {
        let read = read_by("python3", &["-c", script], "python3", &text);
        let read = String::from_utf8_lossy(&read.stdout).trim().to_owned();
        let all: Vec<Value> = serde_json::from_str(&text).expect("an array");
        assert_eq!(read, all.len().to_string());
        let judged = results(&record)
            .iter()
            .filter(|result| result["verdict"] != "skip");
        let endpoints = record["endpoints"].as_array().expect("endpoints");
        assert_eq!(all.len(), endpoints.len() + judged.count());
        for document in &all {
            for (name, value) in document.as_object().expect("an object") {
                let tags = name == "idb_tags" && value.is_array();
                assert!(tags || !value.is_array() && !value.is_object(), "{name}");
                let steering = |c: char| c.is_control() && c != '\n';
                assert!(!value.as_str().is_some_and(|text| text.contains(steering)));
            }
            assert!(
                document["timestamp"]
                    .as_i64()
                    .is_some_and(|at| at > 1_700_000_000_000)
            );
        }
    }
}

#[test]
fn badges_are_pictures_with_a_text_and_stay_in_their_folder() {
    let folder = records();
    for name in ["good", "hostile"] {
        let record = read_record(&folder.path().join(name).join("run.json"));
        let arguments = [
            "report",
            "--from",
            name,
            "--format",
            &format!("badge={name}/badges"),
        ];
        touchstone(folder.path(), &arguments).expect(0);
        let badges = std::fs::read_dir(folder.path().join(name).join("badges")).expect("badges");
        let badges: Vec<_> = badges
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(
            badges.len(),
            record["endpoints"].as_array().expect("endpoints").len()
        );
        for path in badges {
            let file = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let harmless = |b: u8| b.is_ascii_alphanumeric() || b"._-~".contains(&b);
            assert!(
                file.ends_with(".svg") && file.bytes().all(harmless),
                "{file}"
            );
            let svg = std::fs::read_to_string(&path).expect("text");
            let document = roxmltree::Document::parse(&svg).expect("XML");
            let elements: Vec<_> = document
                .descendants()
                .filter(|node| node.is_element())
                .collect();
            let names: Vec<_> = elements.iter().map(|node| node.tag_name().name()).collect();
            assert_eq!(names, ["svg", "title", "rect", "rect", "g", "text", "text"]);
            let mut attributes = elements.iter().flat_map(|node| node.attributes());
            assert!(!attributes.any(|attribute| attribute.name().starts_with("on")));
            assert!(
                elements[1]
                    .text()
                    .is_some_and(|title| title.starts_with("Tokens at "))
            );
            assert_eq!(elements[0].attribute("role"), Some("img"));
        }
    }
    let mut entries: Vec<_> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    entries.sort();
    assert_eq!(entries, ["good", "hostile"]);
}

#[test]
fn a_hostile_record_is_one_and_stays_as_it_is() {
    let [_, (record, text)] = made("json");
    let back: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(back["results"], record["results"]);
    let schema = serde_json::from_str(&touchstone_report::json::schema()).expect("JSON");
    assert!(jsonschema::is_valid(&schema, &record));
}
