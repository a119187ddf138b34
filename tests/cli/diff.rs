//! `touchstone diff` over saved records, as a daily job calls it.

use std::path::Path;
use std::process::{Command, Output};

use jiff::Timestamp;
use touchstone_model::{
    CaseId, CaseResult, EndpointRecord, Exchange, Method, Place, Portion, Profile, Purpose,
    RECORD_SCHEMA, RecordKind, RunId, RunInfo, RunRecord, Severity, Verdict,
};
use touchstone_report::history::History;

fn record(day: &str, verdicts: &[(&str, Verdict)]) -> RunRecord {
    let started: Timestamp = day.parse().expect("a time");
    let results = verdicts.iter().map(|(case, verdict)| CaseResult {
        endpoint: "se-one".into(),
        suite: "path".into(),
        case: case.parse::<CaseId>().expect("a case"),
        row: None,
        partner: None,
        title: "A title".into(),
        clauses: Vec::new(),
        severity: Severity::Critical,
        verdict: *verdict,
        known: None,
        expired: None,
        reason: None,
        past: None,
        findings: Vec::new(),
        exchanges: Vec::new().into(),
        flaky: false,
        cleanup: Vec::new(),
        at: Place {
            file: "suites/path.yaml".into(),
            line: 1,
        },
        duration_ms: 1,
    });
    RunRecord {
        schema: RECORD_SCHEMA.into(),
        run: RunInfo {
            id: RunId::new(started, 7),
            version: "0.1.0".into(),
            strict: false,
            lenient: false,
            started,
            duration_ms: 1,
            interrupted: false,
            partial: Vec::new(),
            issuers: Vec::new(),
            pairs: None,
            shard: None,
            notes: Vec::new(),
        },
        endpoints: vec![EndpointRecord {
            name: "se-one".into(),
            kind: RecordKind::Storage,
            url: "https://se-one.example.org/wlcg".into(),
            profile: Profile::V1_3,
            software: None,
            downtime: None,
            unreachable: None,
            notes: Vec::new(),
            leftovers: Vec::new(),
            hosts: Vec::new(),
            duration_ms: 1,
        }],
        results: results.collect(),
        statistics: Vec::new(),
        past: None,
    }
}

fn save(folder: &Path, name: &str, record: &RunRecord) {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = touchstone_report::json::write(record).expect("JSON");
    std::fs::write(folder.join("run.json"), text).expect("a file");
}

fn diff(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
    let ended = command
        .arg("diff")
        .args(arguments)
        .current_dir(folder)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = ended.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Two runs: one case broke, one was repaired.
fn two_runs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let monday = [("path.a", Verdict::Pass), ("path.b", Verdict::Fail)];
    let tuesday = [("path.a", Verdict::Fail), ("path.b", Verdict::Pass)];
    save(
        folder.path(),
        "old",
        &record("2026-11-21T05:00:00Z", &monday),
    );
    save(
        folder.path(),
        "new",
        &record("2026-11-22T05:00:00Z", &tuesday),
    );
    folder
}

#[test]
fn new_failures_end_with_1_and_a_subject() {
    let folder = two_runs();
    let (code, stdout, stderr) = diff(folder.path(), &["old", "new/run.json"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(
        stdout.lines().next(),
        Some(
            "touchstone: 1 new failure, 1 fixed, 0 still failing (run 20261122t050000z-000007 vs 20261121t050000z-000007)"
        )
    );
    assert!(stdout.contains("touchstone explain path.a"), "{stdout}");
    assert!(stdout.contains("FIXED  1 case fixed: path.b"), "{stdout}");
    assert!(!stdout.contains('\x1b'));
}

#[test]
fn without_new_failures_it_ends_with_0() {
    let folder = two_runs();
    save(
        folder.path(),
        "later",
        &record("2026-11-23T05:00:00Z", &[("path.a", Verdict::Fail)]),
    );
    let (code, stdout, _) = diff(folder.path(), &["new", "later"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("1 case still failing: path.a"), "{stdout}");
    assert!(
        stdout.contains("1 case no longer judged: path.b"),
        "{stdout}"
    );
    let (code, stdout, _) = diff(folder.path(), &["new", "new"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("a run compared with itself"), "{stdout}");
}

#[test]
fn machines_and_minutes_have_their_formats() {
    let folder = two_runs();
    let (code, stdout, _) = diff(folder.path(), &["old", "new", "--format", "json"]);
    assert_eq!(code, Some(1));
    let value: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(value["totals"]["new_failures"], 1);
    assert_eq!(value["endpoints"][0]["cases"][0]["case"], "path.a");
    let (code, stdout, _) = diff(folder.path(), &["old", "new", "--format", "markdown"]);
    assert_eq!(code, Some(1));
    assert!(
        stdout.starts_with("### touchstone: 1 new failure"),
        "{stdout}"
    );
}

#[test]
fn what_cannot_be_read_ends_with_2_and_says_what_to_do() {
    let folder = two_runs();
    let path = folder.path();
    std::fs::write(path.join("foreign.json"), "{\"a\": 1}").expect("a file");
    std::fs::write(path.join("cut.json"), "{\"schema\": \"touch").expect("a file");
    std::fs::create_dir(path.join("empty")).expect("a folder");
    for (argument, said) in [
        ("nowhere", "as a run of the history: there is no history"),
        ("empty", "cannot read empty/run.json: No such file"),
        (
            "foreign.json",
            "foreign.json: no run record: it has no `schema`",
        ),
        ("cut.json", "cut.json: not JSON: EOF"),
    ] {
        for arguments in [["old", argument], [argument, "new"]] {
            let (code, stdout, stderr) = diff(path, &arguments);
            assert_eq!(code, Some(2), "{argument}: {stderr}");
            assert!(stderr.contains(said), "{argument}: {stderr}");
            assert!(stderr.contains("run.json"), "{argument}: {stderr}");
            assert_eq!(stdout, "");
        }
    }
}

#[test]
fn a_large_record_is_read_without_its_exchanges() {
    let folder = two_runs();
    let mut large = record("2026-11-23T05:00:00Z", &[("path.a", Verdict::Pass)]);
    let exchange = Exchange {
        purpose: Purpose::Step,
        method: Method::Get.into(),
        url: "https://se-one.example.org/wlcg/f".into(),
        request_headers: Vec::new(),
        request_body: None,
        token: None,
        other: None,
        presented: None,
        status: Some(200),
        response_headers: Vec::new(),
        response_body: "x".repeat(1 << 20),
        response_bytes: 1 << 20,
        hops: Vec::new(),
        error: None,
        attempts: 1,
        started: large.run.started,
        duration_ms: 1,
    };
    large.results[0].exchanges = vec![exchange; 20].into();
    save(folder.path(), "large", &large);
    let (code, stdout, stderr) = diff(folder.path(), &["new", "large"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("1 case fixed: path.a"), "{stdout}");
}

/// A run of a part, as an advised rerun of one case is.
fn part(day: &str, verdicts: &[(&str, Verdict)]) -> RunRecord {
    let mut record = record(day, verdicts);
    record.run.partial = vec![Portion::Cases];
    record
}

#[test]
fn a_rerun_of_one_case_makes_no_old_failure_new() {
    use Verdict::{Fail, Pass};
    let folder = tempfile::tempdir().expect("a folder");
    let all = [
        ("path.a", Fail),
        ("path.b", Fail),
        ("path.c", Fail),
        ("path.d", Pass),
    ];
    let runs = [
        record("2026-11-20T05:00:00Z", &all),
        record("2026-11-21T05:00:00Z", &all),
        part("2026-11-21T09:00:00Z", &[("path.a", Pass)]),
    ];
    let remember = |runs: &[RunRecord]| {
        let path = folder.path().join("reports/history.sqlite");
        std::fs::create_dir_all(folder.path().join("reports")).expect("a folder");
        let mut history = History::open(&path).expect("a history");
        for run in runs {
            history.record(run, None).expect("it is recorded");
        }
    };
    remember(&runs);
    // Right after the rerun the two last whole runs are compared.
    let (code, stdout, stderr) = diff(folder.path(), &["previous", "latest"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.starts_with(
            "touchstone: 0 new failures, 0 fixed, 3 still failing (run 20261121t050000z-000007 vs 20261120t050000z-000007)"
        ),
        "{stdout}"
    );
    // The day after, what was repaired and broke again is new, and nothing else.
    remember(&[record("2026-11-22T05:00:00Z", &all)]);
    let (code, stdout, stderr) = diff(folder.path(), &["previous", "latest"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stdout.starts_with("touchstone: 1 new failure, 0 fixed, 2 still failing"),
        "{stdout}"
    );
    // A rerun that is named says nothing of what it did not have.
    let (code, stdout, _) = diff(folder.path(), &["20261121t050000z", "20261121t090000z"]);
    assert_eq!(code, Some(0));
    for expected in [
        "0 new failures, 1 fixed, 0 still failing",
        "some of the cases or endpoints alone",
    ] {
        assert!(stdout.contains(expected), "{stdout}");
    }
    assert!(!stdout.contains("no longer judged"), "{stdout}");
    // In the other order, the cases that it did not have are as they were found before it.
    for old in ["20261121t090000z", "rerun"] {
        save(folder.path(), "rerun", &runs[2]);
        let (code, stdout, stderr) = diff(folder.path(), &[old, "latest"]);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stdout.starts_with("touchstone: 1 new failure, 0 fixed, 2 still failing"),
            "{old}: {stdout}"
        );
    }
}
