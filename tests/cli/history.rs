//! What runs leave to later ones, as people and scripts meet it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::test_bed::{Ended, SECRET, TestBed, read_record};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use touchstone_model::{CaseResult, EndpointRecord, RunId, RunRecord, Verdict};
use touchstone_report::history::History;

const CASE: &str = "capability.create.no-overwrite";
/// Few cases, for a run that takes no time.
const FEW: [&str; 3] = ["run", "--case", "capability.create.*"];

fn runs(bed: &TestBed) -> Vec<Value> {
    let ended = bed.run(&["history", "--format", "json"]).expect(0);
    serde_json::from_str(&ended.stdout).expect("a JSON array")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("a name")
    };
    entries.map(name).collect()
}

#[test]
fn a_run_is_told_what_the_one_before_found() {
    let bed = TestBed::new();
    let (good, bad) = (bed.storage(&[]), bed.storage(&["create-overwrites"]));
    bed.endpoints(&[("se", good.url())], "");
    bed.run(&FEW).expect(0);
    let first = bed.record();
    assert!(first.get("past").is_none());
    bed.endpoints(&[("se", bad.url())], "");
    bed.run(&FEW).expect(1);
    let second = bed.record();
    let (of_first, of_second) = (&first["run"], &second["run"]);
    assert_eq!(second["past"]["previous"], of_first["id"]);
    let trend = &second["past"]["trends"][0];
    assert_eq!(trend["endpoint"], "se");
    assert_eq!(trend["runs"].as_array().expect("points").len(), 1);
    let results = second["results"].as_array().expect("results");
    let failed = results.iter().find(|result| result["case"] == CASE);
    let past = &failed.expect("the case")["past"];
    assert_eq!(past["before"], "pass");
    assert_eq!(past["since"], of_second["started"]);
    assert_eq!(past["last_good"], of_first["started"]);

    let listed = runs(&bed);
    let ids: Vec<_> = listed.iter().map(|run| &run["totals"]["run"]).collect();
    assert_eq!(ids, [&of_second["id"], &of_first["id"]]);
    let table = bed.run(&["history"]).expect(0).stdout;
    assert!(
        table.starts_with("RUN ") && table.lines().count() == 3,
        "{table}"
    );
    let ended = bed
        .run(&[
            "history",
            "--endpoint",
            "s*",
            "--case",
            CASE,
            "--format",
            "json",
        ])
        .expect(0);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(told.as_array().expect("an array").len(), 1);
    assert_eq!(
        (&told[0]["runs"], &told[0]["changes"]),
        (&"PF".into(), &1.into())
    );
    assert_eq!(told[0]["since"], of_second["started"]);
    assert_eq!(told[0]["last_good"], of_first["started"]);
    let table = bed.run(&["history", "--case", CASE]).expect(0).stdout;
    assert!(
        table.contains("PF\n") && table.contains("K known failure"),
        "{table}"
    );

    let index = fs::read_to_string(bed.path("reports/index.html")).expect("the index");
    for id in [of_first, of_second] {
        let link = format!("href=\"{}/run.json\"", id["id"].as_str().expect("an id"));
        assert!(index.contains(&link), "{link}");
    }
    let ended = bed.run(&["history", "--prune", "1000d"]).expect(0);
    assert_eq!(ended.stdout, "0 runs forgotten\n");
    bed.run(&["history", "--prune", "1ns"]).expect(0);
    assert_eq!(runs(&bed), Vec::<Value>::new());
}

#[test]
fn the_daily_mail_tells_what_changed_since_yesterday() {
    let bed = TestBed::new();
    let (good, bad) = (bed.storage(&[]), bed.storage(&["create-overwrites"]));
    let sendmail = bed.path("sendmail");
    bed.write("sendmail", "#!/bin/sh\ncat >mail\n");
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755)).expect("permissions");
    let path = std::env::var("PATH").unwrap_or_default();
    let daily = |storage: &str, code: i32| {
        bed.endpoints(&[("se", storage)], "");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/touchstone-daily");
        let output = Command::new(script)
            .current_dir(bed.folder.path())
            .env("PATH", format!("{}:{path}", bed.folder.path().display()))
            .env("TOUCHSTONE", env!("CARGO_BIN_EXE_touchstone"))
            .env("TOUCHSTONE_ARGUMENTS", FEW[1..].join(" "))
            .env("TOUCHSTONE_MAIL_TO", "operations@example.org")
            .env(SECRET, bed.issuer.client_secret().expose_secret())
            .output()
            .expect("the script starts");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        fs::read_to_string(bed.path("mail")).expect("a mail")
    };
    let first = daily(good.url(), 0);
    assert!(first.contains("Subject: [touchstone] first run"), "{first}");
    assert!(first.contains("Statistics by Tag"), "{first}");
    let second = daily(bad.url(), 1);
    assert!(
        second.contains("Subject: [touchstone] 6 new failures, 0 fixed, 0 still failing\n"),
        "{second}"
    );
    // The clause comes from the record of the run, the comparison from the history.
    for text in [CASE, "JWT-2.2.1-04", "touchstone explain"] {
        assert!(second.contains(text), "{text}: {second}");
    }
    let third = daily(bad.url(), 1);
    assert!(
        third.contains("Subject: [touchstone] 0 new failures, 0 fixed, 6 still failing\n"),
        "{third}"
    );
    let fourth = daily(good.url(), 0);
    assert!(fourth.contains("0 new failures, 6 fixed"), "{fourth}");
}

#[test]
fn a_part_never_takes_the_place_of_the_whole() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    // Where each run had a part, the last one is the latest.
    bed.run(&FEW).expect(0);
    let mut whole = bed.record();
    assert_eq!(whole["run"]["partial"], serde_json::json!(["cases"]));
    let name = "20260101t050000z-000001";
    for (key, value) in [("id", name), ("started", "2026-01-01T05:00:00Z")] {
        whole["run"][key] = value.into();
    }
    whole["run"]
        .as_object_mut()
        .expect("the run")
        .remove("partial");
    fs::create_dir(bed.path(&format!("reports/{name}"))).expect("a folder");
    bed.write(&format!("reports/{name}/run.json"), &whole.to_string());
    let record: RunRecord = serde_json::from_value(whole).expect("a record");
    let mut history = History::open(&bed.path("reports/history.sqlite")).expect("a history");
    history.record(&record, None).expect("it is recorded");
    drop(history);
    fs::remove_file(bed.path("reports/latest")).expect("the link");
    std::os::unix::fs::symlink(name, bed.path("reports/latest")).expect("the link");
    let ended = bed
        .run(&["run", "--case", CASE, "--format", "nagios"])
        .expect(0);
    assert_eq!(bed.record()["run"]["id"], name);
    let text = ended.stdout;
    assert!(
        text.starts_with("OK - part of a run (chosen cases), se: "),
        "{text}"
    );
    let parts: Vec<_> = runs(&bed)
        .iter()
        .map(|run| run["partial"].clone())
        .collect();
    assert_eq!(parts, [true, true, false]);
    assert!(bed.run(&["history"]).expect(0).stdout.contains(" part"));
    let index = fs::read_to_string(bed.path("reports/index.html")).expect("the index");
    assert_eq!(index.matches("</time> (part)</td>").count(), 2, "{index}");
    let ended = bed.run(&["diff", "latest", "latest"]).expect(0);
    assert!(ended.stdout.contains(name), "{}", ended.stdout);
}

#[test]
fn who_wants_no_history_gets_none() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let with = |more: &[&str]| {
        let mut arguments = FEW.to_vec();
        arguments.extend(more);
        bed.run(&arguments).expect(0)
    };
    with(&["--no-history"]);
    with(&["--no-history", "--history", "kept/here.sqlite"]);
    bed.run(&["demo", "--case", "capability.read.*"]).expect(0);
    with(&["--report-dir", "chosen/place"]);
    let left = names(&bed.path("reports"));
    assert!(
        !left.contains("history.sqlite") && !left.contains("index.html"),
        "{left:?}"
    );
    assert_eq!(
        names(&bed.path("chosen")),
        BTreeSet::from(["place".to_owned()])
    );
    assert!(!bed.path("kept").exists());

    // Who names a file gets that file and no page in folders that are not ours.
    with(&[
        "--report-dir",
        "chosen/place",
        "--history",
        "kept/here.sqlite",
    ]);
    assert_eq!(
        names(&bed.path("kept")),
        BTreeSet::from(["here.sqlite".to_owned()])
    );
    let ended = bed
        .run(&["history", "--history", "kept/here.sqlite"])
        .expect(0);
    assert_eq!(ended.stdout.lines().count(), 2, "{}", ended.stdout);
    assert_eq!(
        names(&bed.path("chosen")),
        BTreeSet::from(["place".to_owned()])
    );
}

#[test]
fn two_runs_at_once_are_both_in_history_and_index() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let start = |_| {
        let mut command = bed.touchstone(&FEW);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the binary runs")
    };
    let processes: Vec<_> = (0..3).map(start).collect();
    for mut process in processes {
        assert!(process.wait().expect("it ends").success());
    }
    let listed = runs(&bed);
    assert_eq!(listed.len(), 3);
    let index = fs::read_to_string(bed.path("reports/index.html")).expect("the index");
    for run in listed {
        let id = run["totals"]["run"].as_str().expect("an id");
        assert!(index.contains(&format!(">{id}</th>")), "{id}");
    }
}

#[test]
fn a_history_that_is_of_no_use_costs_no_reports() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    bed.run(&FEW).expect(0);
    let whole = fs::read(bed.path("reports/history.sqlite")).expect("the history");
    // Where SQLite says which version of a layout a file has: bytes 60 to 63 of its header.
    let mut newer = whole.clone();
    newer[63] = 9;
    fs::write(bed.path("garbage"), "garbage ".repeat(999)).expect("a file");
    fs::write(bed.path("truncated"), &whole[..whole.len() / 2]).expect("a file");
    fs::write(bed.path("newer"), newer).expect("a file");
    fs::create_dir(bed.path("folder")).expect("a folder");
    // Nobody can write a database whose journal cannot be made, not even root.
    fs::write(bed.path("unwritable"), &whole).expect("a file");
    fs::create_dir_all(bed.path("unwritable-journal/full")).expect("a folder");
    for (history, expected) in [
        (
            "garbage",
            "the history garbage is damaged, or no history at all",
        ),
        ("truncated", "the history truncated is damaged"),
        ("newer", "its layout is 9"),
        ("folder", "cannot use the history folder"),
        ("unwritable", "cannot use the history unwritable"),
        ("ca.pem/history.sqlite", "cannot make the folder ca.pem"),
    ] {
        let before = fs::read(bed.path(history)).ok();
        let mut arguments = FEW.to_vec();
        arguments.extend(["--history", history]);
        let ended = bed.run(&arguments).expect(0);
        assert!(
            ended.stderr.contains(expected),
            "{history}\n{}",
            ended.stderr
        );
        assert!(
            ended
                .stderr
                .contains("Later runs will not know of this one")
        );
        assert!(
            ended.stderr.contains("reports: reports/"),
            "{}",
            ended.stderr
        );
        let latest = names(&bed.path("reports/latest"));
        for report in ["run.json", "junit.xml", "table.txt"] {
            assert!(latest.contains(report), "{history}: {latest:?}");
        }
        assert!(
            read_record(&bed.path("reports/latest/run.json"))
                .get("past")
                .is_none()
        );
        assert_eq!(
            fs::read(bed.path(history)).ok(),
            before,
            "{history} is kept"
        );
    }
    assert_eq!(
        runs(&bed).len(),
        1,
        "only the first one is in the right one"
    );
}

#[test]
fn wrong_questions_are_answered_with_what_to_do() {
    let bed = TestBed::new();
    let ended = bed.run(&["history"]).expect(2);
    assert!(
        ended
            .stderr
            .contains("there is no history at reports/history.sqlite; `touchstone run` begins one"),
        "{}",
        ended.stderr
    );
    bed.run(&["history", "--prune", "1d"]).expect(2);
    assert!(!bed.path("reports").exists(), "asking makes nothing");

    let down = bed.storage(&["down"]);
    let hostile = "    type: \"<script>alert(1)</script>\"\n";
    bed.endpoints(&[("se-alpha", down.url())], hostile);
    bed.run(&FEW).expect(3);
    let index = fs::read_to_string(bed.path("reports/index.html")).expect("the index");
    assert!(
        index.contains("alert(1)") && !index.contains("<script"),
        "it is escaped"
    );
    for (arguments, expected) in [
        (
            &["--endpoint", "se-alpa"][..],
            "no endpoint matches `se-alpa` in the history reports/history.sqlite; did you mean `se-alpha`?",
        ),
        (
            &["--case", "capabilty.*"],
            "no case matches `capabilty.*` in the history",
        ),
        (&["--case", "a[b"], "`a[b` is no pattern"),
        (&["--last", "0"], "0 is not in 1..=100000"),
        (&["--prune", "1d", "--case", "x"], "cannot be used with"),
        (&["--history", "endpoints.yaml"], "no history at all"),
    ] {
        let mut all = vec!["history"];
        all.extend(arguments);
        let ended: Ended = bed.run(&all);
        assert!(matches!(ended.code, Some(2 | 3)), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

/// Where [`fill`] leaves its history.
const FILLED: &str = "TOUCHSTONE_FILLED_HISTORY";

#[test]
#[ignore = "fills the history that benches/history measures"]
fn fill() {
    let path = std::env::var_os(FILLED).expect("the path of the file to fill");
    let mut history = History::open(Path::new(&path)).expect("a history");
    let mut record = large();
    let now = record.run.started;
    for day in 0..365 {
        record.run.started = now - SignedDuration::from_hours(24 * (364 - day));
        record.run.id = RunId::new(record.run.started, u32::try_from(day).expect("a day"));
        for (place, result) in record.results.iter_mut().enumerate() {
            let place = i64::try_from(place).expect("a place");
            // Each hundredth case fails for good one day, and others come and go.
            result.verdict = match (place % 100, (place * 7919 + day * 104_729) % 211) {
                (0, _) if place % 365 < day => Verdict::Fail,
                (_, 0) => Verdict::Error,
                (1..20, _) => Verdict::Skip,
                _ => Verdict::Pass,
            };
        }
        let begun = std::time::Instant::now();
        if day == 364 {
            history.recall(&mut record).expect("the past");
        }
        let recalled = begun.elapsed();
        history.record(&record, None).expect("it is written");
        let times = format!(
            "recalled in {recalled:?}, recorded in {:?}\n",
            begun.elapsed() - recalled
        );
        fs::write(Path::new(&path).with_extension("txt"), times).expect("a file");
    }
}

/// A run of 300 cases at 200 endpoints, made of a small real one.
fn large() -> RunRecord {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    bed.run(&["run", "--no-history", "--case", CASE]).expect(0);
    let text = fs::read_to_string(bed.path("reports/latest/run.json")).expect("the record");
    let small = touchstone_report::json::read(&text).expect("a record");
    let catalogue = touchstone_suite::config::load_catalogue(&[]).expect("the embedded suites");
    let cases: Vec<_> = catalogue.cases().take(300).collect();
    assert_eq!(cases.len(), 300);
    let names: Vec<_> = (0..200)
        .map(|number| format!("se-{number:03}.example.org"))
        .collect();
    let endpoint = |name: &String| EndpointRecord {
        name: name.clone(),
        ..small.endpoints[0].clone()
    };
    let result = |name: &String, case: &touchstone_model::Case| CaseResult {
        endpoint: name.clone(),
        case: case.id.clone(),
        exchanges: Vec::new().into(),
        ..small.results[0].clone()
    };
    let results = names
        .iter()
        .flat_map(|name| cases.iter().map(move |case| result(name, case)));
    RunRecord {
        endpoints: names.iter().map(endpoint).collect(),
        results: results.collect(),
        ..small.clone()
    }
}
