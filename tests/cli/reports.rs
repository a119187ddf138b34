//! Reports as they are chosen with `--format`, and made again with `report`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::common::test_bed::{Ended, TestBed, read_record};
use touchstone_report::{FORMATS, json};

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

/// A run with a failure that is our reading alone: `storage.modify` reads.
const DERIVED: [&str; 5] = [
    "demo",
    "--fault",
    "modify-reads",
    "--case",
    "capability.modify.no-get",
];

#[test]
fn derived_failures_are_counted_apart_and_warn_where_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |code, more: &[&str]| {
        let ended = touchstone(folder.path(), &[&DERIVED[..], more].concat()).expect(code);
        let record = read_record(&folder.path().join("reports/latest/run.json"));
        (ended, record)
    };
    let (ended, record) = run(1, &["--report-dir", "reports/latest"]);
    let told = "Failures by basis: 1 derived\n";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    assert_eq!(record["statistics"][0]["bases"]["derived"], 1);
    let summary = folder.path().join("reports/latest/summary.md");
    let summary = std::fs::read_to_string(summary).expect("a summary");
    assert!(summary.contains("| of these known | stated | rfc | derived |"));
    assert!(
        summary.contains("--lenient counts their failures"),
        "{summary}"
    );

    // The same record, judged again: nothing fails, and the reports say why.
    let arguments = ["report", "--lenient", "--format", "table"];
    let lenient = touchstone(folder.path(), &arguments).expect(0).stdout;
    assert!(lenient.contains("\nJudged lenient: "), "{lenient}");
    let failed = |table: &str| -> Vec<String> {
        let rows = table.lines().filter(|line| line.starts_with("faulty "));
        rows.filter_map(|row| row.split_whitespace().nth(4).map(str::to_owned))
            .collect()
    };
    assert_eq!(failed(&lenient), ["0"], "{lenient}");
    let table = touchstone(folder.path(), &["report", "--format", "table"]).expect(0);
    assert_eq!(failed(&table.stdout), ["1"]);

    let (ended, record) = run(0, &["--lenient", "--report-dir", "reports/latest"]);
    assert_eq!(
        (&record["run"]["lenient"], &record["run"]["strict"]),
        (&true.into(), &false.into())
    );
    assert!(
        ended.stdout.contains("WARN   capability.modify.no-get"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .contains("--case capability.modify.no-get --lenient")
    );
    // What a record was told stands, and strictness makes failures of its warnings.
    let table = touchstone(folder.path(), &["report", "--format", "table"]).expect(0);
    assert_eq!(table.stdout, lenient_of(&table.stdout));
    let arguments = ["report", "--strict", "--format", "table"];
    let strict = touchstone(folder.path(), &arguments).expect(0).stdout;
    assert_eq!(failed(&strict), ["1"], "{strict}");
    for command in [&DERIVED[..], &["report"], &["run"]] {
        let both = [command, &["--lenient", "--strict"]].concat();
        let ended = touchstone(folder.path(), &both).expect(2);
        assert!(
            ended.stderr.contains("cannot be used with"),
            "{}",
            ended.stderr
        );
    }
}

/// A table, which has to say that it was judged leniently.
fn lenient_of(table: &str) -> &str {
    assert!(table.contains("\nJudged lenient: "), "{table}");
    table
}

#[test]
fn what_fails_at_every_endpoint_is_marked() {
    let bed = TestBed::new();
    let (one, two) = (
        bed.storage(&["scope-prefix-match"]),
        bed.storage(&["scope-prefix-match", "modify-reads"]),
    );
    bed.endpoints(&[("one", one.url()), ("two", two.url())], "");
    let cases = ["path.sibling-prefix.read", "capability.modify.no-get"];
    let arguments = [
        &["run", "--format", "csv,markdown,html,tickets-all", "--case"][..],
        &cases[..],
    ];
    let ended = bed.run(&arguments.concat()).expect(1);
    let marked = "everywhere: fails at every endpoint that was judged: doubt the clause first";
    assert_eq!(ended.stdout.matches(marked).count(), 2, "{}", ended.stdout);
    let file = |name: &str| {
        let path = bed.path("reports/latest").join(name);
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let summary = file("summary.md");
    assert!(
        summary.contains(
            "**Everywhere**, so doubt the clause before the services: `path.sibling-prefix.read`\n"
        ),
        "{summary}"
    );
    let rows = file("results.csv");
    let spread = |case: &str| -> Vec<String> {
        let rows = rows
            .lines()
            .filter(|row| row.contains(&format!(",{case},")));
        rows.map(|row| row.rsplit(',').next().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(spread(cases[0]), ["everywhere", "everywhere"]);
    // Both have the same software.
    assert_eq!(spread(cases[1]), ["", ""]);
    assert_eq!(file("report.html").matches(">everywhere</span>").count(), 1);
    assert!(file("tickets-all/one.txt").contains("   Spread    fails at every endpoint"));
}

#[test]
fn reports_have_the_words_of_the_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [&DEMO[..], &["--format", "csv,junit,html,markdown,ticket"]].concat();
    let ended = touchstone(folder.path(), &arguments).expect(1);
    let words = "$PATH MUST be treated as an exact match for a directory or a file";
    assert!(ended.stdout.contains(words), "{}", ended.stdout);
    let reports = files(&folder.path().join("reports/latest"));
    for name in [
        "results.csv",
        "junit.xml",
        "report.html",
        "summary.md",
        "tickets/faulty.txt",
        "run.json",
    ] {
        let text = String::from_utf8_lossy(&reports[name]);
        // Lines of tickets are broken.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{name}");
    }
    let ended = touchstone(folder.path(), &["explain", "JWT-2.2.1-09"]).expect(0);
    assert!(ended.stdout.contains(words), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("(WLCG Common JWT Profiles 1.3, line ")
    );
}
