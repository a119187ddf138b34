//! Reports as they are chosen with `--format`, and made again with `report`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::common::lab::{Ended, read_record};
use touchstone::report::{FORMATS, json};

fn touchstone(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_touchstone"));
    Ended::of(command.args(arguments).current_dir(folder))
}

/// A run in which something fails.
const DEMO: [&str; 5] = [
    "demo",
    "--fault",
    "scope-prefix-match",
    "--case",
    "path.sibling-prefix.*",
];

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let inner = files(&path).into_iter();
            found.extend(inner.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if !name.starts_with("ledger-") {
            found.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
    found
}

#[test]
fn every_format_is_made_again_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<_> = FORMATS
        .iter()
        // Without a path it goes to stdout.
        .map(|format| match format.name {
            "nagios" => "nagios=a/nagios.txt",
            name => name,
        })
        .collect();
    let all = names.join(",");
    let mut arguments = DEMO.to_vec();
    arguments.extend(["--report-dir", "a", "--format", &all]);
    let ended = touchstone(folder.path(), &arguments).expect(1);
    assert!(ended.stdout.contains("Statistics by Tag"));
    let first = files(&folder.path().join("a"));
    for format in FORMATS {
        let made = first.keys().any(|name| name.starts_with(format.file));
        assert!(made, "{} is not among {:?}", format.name, first.keys());
    }
    assert!(
        first.contains_key("badges/faulty.svg"),
        "{:?}",
        first.keys()
    );

    let again = all.replace("a/nagios.txt", "b/nagios.txt");
    let arguments = [
        "report",
        "--from",
        "a",
        "--report-dir",
        "b",
        "--format",
        &again,
    ];
    let ended = touchstone(folder.path(), &arguments).expect(0);
    assert_eq!(ended.stdout, "");
    let second = files(&folder.path().join("b"));
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        second.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{name} is not what the run wrote");
    }

    // Each alone, to stdout.
    for format in FORMATS.iter().filter(|format| format.name != "nagios") {
        let Some(expected) = first.get(format.file) else {
            continue;
        };
        let arguments = ["report", "--from", "a/run.json", "--format", format.name];
        let ended = touchstone(folder.path(), &arguments).expect(0);
        assert!(ended.stdout.as_bytes() == expected, "{}", format.name);
    }
    let printed = touchstone(folder.path(), &["report", "--from", "a"]).expect(0);
    let table = String::from_utf8(first["table.txt"].clone()).expect("text");
    assert!(printed.stdout.ends_with(&table));
    assert!(printed.stdout.contains("path.sibling-prefix."));

    let record = read_record(&folder.path().join("a/run.json"));
    let schema = serde_json::from_str(&json::schema()).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<_> = schema.iter_errors(&record).map(|e| e.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn a_plugin_speaks_on_stdout_and_ends_as_nagios_expects() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let mut arguments = DEMO.to_vec();
    arguments.extend(["--format", "nagios,prometheus=out/touchstone.prom"]);
    let ended = touchstone(here, &arguments).expect(2);
    assert!(ended.stdout.starts_with("CRITICAL - "), "{}", ended.stdout);
    assert_eq!(ended.stdout.matches('|').count(), 1);
    let latest = files(&here.join("reports/latest"));
    assert_eq!(latest.keys().collect::<Vec<_>>(), ["run.json"]);
    assert!(here.join("out/touchstone.prom").is_file());

    let ended = touchstone(here, &["report", "--format", "nagios"]).expect(2);
    assert!(ended.stdout.starts_with("CRITICAL - "), "{}", ended.stdout);
    let good = [
        "demo",
        "--case",
        "path.sibling-prefix.*",
        "--format",
        "nagios",
    ];
    let ended = touchstone(here, &good).expect(0);
    assert!(ended.stdout.starts_with("OK - "), "{}", ended.stdout);

    // What cannot be done is UNKNOWN.
    std::fs::write(here.join("taken"), "").expect("a file");
    let mut unwritten = good.to_vec();
    unwritten.extend(["--format", "csv=taken/results.csv"]);
    for (arguments, part) in [
        (&unwritten[..], "a report could not be written"),
        (
            &["run", "--format", "nagios", "--frobnicate"],
            "--frobnicate",
        ),
        (&["run", "--format", "nagios"], "endpoints.yaml"),
        (
            &["demo", "--case", "x.y", "--format=nagios"],
            "no case matches",
        ),
        (
            &["report", "--from", "no", "--format", "nagios"],
            "cannot read no",
        ),
        (&["demo", "--format", "nagios,csv=-"], "only one format"),
    ] {
        let ended = touchstone(here, arguments).expect(3);
        let first = ended.stdout.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("UNKNOWN - ") && first.contains(part),
            "{arguments:?}: {first}"
        );
    }
}

#[test]
fn a_report_that_cannot_be_written_keeps_no_other_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    std::fs::write(here.join("taken"), "").expect("a file");
    let arguments = [
        "demo",
        "--case",
        "path.sibling-prefix.*",
        "--format",
        "csv=taken/results.csv,junit=good/junit.xml,monit=-",
    ];
    let ended = touchstone(here, &arguments).expect(4);
    assert!(ended.stderr.contains("taken"), "{}", ended.stderr);
    assert!(here.join("good/junit.xml").is_file());
    assert!(here.join("reports/latest/run.json").is_file());
    let monit: serde_json::Value = serde_json::from_str(&ended.stdout).expect("only JSON");
    assert!(monit.is_array());
    let arguments = ["report", "--format", "csv=taken/x.csv,junit=again.xml"];
    touchstone(here, &arguments).expect(4);
    assert!(here.join("again.xml").is_file());
}

#[test]
fn wrong_choices_and_records_end_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    std::fs::write(here.join("foreign.json"), "{}").expect("a file");
    let newer = "{\"schema\": \"touchstone/run/9\"}";
    std::fs::write(here.join("newer.json"), newer).expect("a file");
    for (arguments, part) in [
        (&["demo", "--format", "jnit"][..], "did you mean `junit`?"),
        (&["demo", "--format", "csv=-,junit=-"], "only one format"),
        (&["report"], "cannot read reports/latest"),
        (&["report", "--from", "foreign.json"], "no run record"),
        (&["report", "--from", "newer.json"], "touchstone/run/9"),
        (&["report", "--format", "csv,junit"], "--report-dir"),
        (&["report", "--format", "badge"], "badge=PATH"),
    ] {
        let ended = touchstone(here, arguments).expect(2);
        let stderr = ended.stderr;
        assert!(stderr.contains(part), "{arguments:?}\n{stderr}");
        assert_eq!(ended.stdout, "");
    }
    assert!(!here.join("reports").exists(), "nothing ran");
    let listed = touchstone(here, &["list", "formats"]).expect(0).stdout;
    for format in FORMATS {
        assert!(listed.contains(format.name) && listed.contains(format.file));
    }
}

#[test]
fn a_command_file_is_written_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    touchstone(here, &DEMO).expect(1);
    let made = std::process::Command::new("mkfifo")
        .arg(here.join("nagios.cmd"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    let arguments = ["report", "--format", "nagios-passive=nagios.cmd"];
    let ended = touchstone(here, &arguments).expect(4);
    assert!(
        ended.stderr.contains("is its reader running?"),
        "{}",
        ended.stderr
    );

    let path = here.join("nagios.cmd");
    // Both ways, so that opening it waits for nobody.
    let mut reader = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("the pipe");
    touchstone(here, &arguments).expect(0);
    let expected = touchstone(here, &["report", "--format", "nagios-passive"]).expect(0);
    let mut read = vec![0; expected.stdout.len()];
    reader.read_exact(&mut read).expect("the lines");
    assert_eq!(String::from_utf8_lossy(&read), expected.stdout);
    let kind = std::fs::metadata(&path).expect("the pipe").file_type();
    assert!(!kind.is_file(), "it is still a pipe");
}
