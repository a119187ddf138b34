//! What does not change when the house is rebuilt: what people and programs read of the binary. A snapshot that differs
//! is a decision about the interface: `cargo insta review` shows it, and the commit says why.
//!
//! Long listings are kept as a line for each entry, with a digest of it, so that a difference names the entry. The
//! explanations of all cases are beside their code, the matrix of faults and cases is looked at by `tests/matrix`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::common::test_bed::Ended;

/// A run of three endpoints with every verdict, and what the history knows of it.
const RECORD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/corpus/record/golden.json"
);
const BEFORE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/corpus/record/golden-before.json"
);

/// Runs the program as a terminal of 100 columns would.
fn touchstone(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
    let command = command.args(arguments).current_dir(folder);
    let command = command.env("COLUMNS", "100").env_remove("TOUCHSTONE_TOKEN");
    Ended::of(command)
}

/// The first 12 digits of the SHA-256 of `text`: enough to tell whether it is the same.
fn digest(text: &str) -> String {
    let sum = Sha256::digest(text.as_bytes());
    sum.iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The help of a command and of those below it, in the order in which they are listed.
fn help(path: &[&str], text: &mut String) {
    let arguments = [path, &["--help"]].concat();
    let shown = touchstone(Path::new("."), &arguments).expect(0).stdout;
    *text += &format!("$ touchstone {}\n{shown}\n", arguments.join(" "));
    let commands = shown.split("\nCommands:\n").nth(1).unwrap_or_default();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    for line in commands {
        // What continues the line above begins further to the right.
        let Some(name) = line
            .strip_prefix("  ")
            .filter(|line| !line.starts_with(' '))
        else {
            continue;
        };
        let name = name.split(' ').next().unwrap_or_default();
        if name != "help" {
            help(&[path, &[name]].concat(), text);
        }
    }
}

#[test]
fn help_of_every_command() {
    let mut text = String::new();
    help(&[], &mut text);
    let commands = text.matches("$ touchstone ").count();
    assert!(commands > 20, "{commands} commands");
    insta::assert_snapshot!(text);
}

/// A line for each entry of a listing: what identifies it, and its digest.
fn listed(what: &str, key: &str) -> String {
    let arguments = ["list", what, "--format", "json"];
    let shown = touchstone(Path::new("."), &arguments).expect(0).stdout;
    let value: Value = serde_json::from_str(&shown).expect("JSON");
    let entries = value.as_array().or_else(|| value[what].as_array());
    let mut lines = String::new();
    for entry in entries.expect("a list") {
        let name = entry[key].as_str().expect("a name");
        lines += &format!("{name} {}\n", digest(&entry.to_string()));
    }
    // The form of the whole, and what stands beside the entries.
    lines + &format!("all {}\n", digest(&shown))
}

#[test]
fn list_cases() {
    insta::assert_snapshot!(listed("cases", "case"));
}

#[test]
fn list_clauses() {
    insta::assert_snapshot!(listed("clauses", "id"));
}

#[test]
fn list_faults() {
    insta::assert_snapshot!(listed("faults", "fault"));
}

#[test]
fn list_formats() {
    let arguments = ["list", "formats", "--format", "json"];
    let shown = touchstone(Path::new("."), &arguments).expect(0).stdout;
    insta::assert_snapshot!(shown);
}

#[test]
fn every_report_of_a_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["list", "formats", "--format", "json"];
    let formats = touchstone(folder.path(), &arguments).expect(0).stdout;
    let formats: Value = serde_json::from_str(&formats).expect("JSON");
    let names = formats.as_array().expect("a list").iter();
    let names: Vec<_> = names
        .map(|format| format["format"].as_str().expect("a name"))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let to = folder.path().join(name);
        let to = to.to_str().expect("UTF-8");
        let list = format!("{name}={to}");
        touchstone(
            folder.path(),
            &["report", "--from", RECORD, "--format", &list],
        );
        insta::assert_snapshot!(format!("report-{name}"), read(Path::new(to)));
    }
}

/// A file, or every file of a folder below its name.
fn read(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).expect("a report");
    }
    let mut files: Vec<_> = fs::read_dir(path)
        .expect("a folder of reports")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", path.display());
    let mut text = String::new();
    for file in files {
        let name = file.file_name().expect("a name").display();
        text += &format!("== {name}\n{}\n", read(&file));
    }
    text
}

#[test]
fn what_report_and_diff_print() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("to");
    let to = to.to_str().expect("UTF-8");
    let printed = |arguments: &[&str]| {
        let ended = touchstone(folder.path(), arguments);
        format!(
            "exit {:?}\n{}{}",
            ended.code,
            ended.stdout,
            ended.stderr.replace(to, "TO")
        )
    };
    insta::assert_snapshot!(
        "report-stdout",
        printed(&["report", "--from", RECORD, "--report-dir", to])
    );
    insta::assert_snapshot!("diff-stdout", printed(&["diff", BEFORE, RECORD]));
}

/// What a command ends with. That of a run that is interrupted is in tests/cli/trace.rs.
#[test]
fn exit_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("to");
    let to = to.to_str().expect("UTF-8");
    let absent = "--url=https://localhost:1/data";
    let unknown = folder.path().join("unknown");
    let unknown = unknown.to_str().expect("UTF-8");
    for (code, arguments) in [
        (0, vec!["--version"]),
        (0, vec!["list", "likes"]),
        (0, vec!["report", "--from", RECORD, "--report-dir", to]),
        (0, vec!["diff", RECORD, RECORD]),
        (
            0,
            vec!["demo", "--case", "audience.any", "--report-dir", to],
        ),
        (1, vec!["diff", BEFORE, RECORD]),
        (
            1,
            vec![
                "demo",
                "--case",
                "audience.foreign.read",
                "--fault",
                "audience-ignored",
                "--report-dir",
                to,
            ],
        ),
        (2, vec!["runs"]),
        (2, vec!["run", "--no-such-flag"]),
        (2, vec!["demo", "--fault", "no-such-fault"]),
        (2, vec!["demo", "--case", "no-such-case"]),
        (2, vec!["explain", "no-such-case"]),
        (2, vec!["report", "--from", unknown]),
        (2, vec!["run", "--endpoints", unknown]),
        (
            3,
            vec![
                "run",
                absent,
                "--issuer",
                "https://localhost:1/",
                "--report-dir",
                to,
            ],
        ),
        (
            4,
            vec!["report", "--from", RECORD, "--report-dir", "/proc/none"],
        ),
        // Those of a plugin of Nagios: a MUST failed, and what is wrong with the arguments.
        (2, vec!["report", "--from", RECORD, "--format", "nagios"]),
        (3, vec!["report", "--from", unknown, "--format", "nagios"]),
    ] {
        let ended = touchstone(folder.path(), &arguments);
        assert_eq!(
            ended.code,
            Some(code),
            "{arguments:?}\n{}{}",
            ended.stdout,
            ended.stderr
        );
    }
}
