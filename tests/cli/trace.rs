//! `run --trace`: what is drawn, what is told of it, and what it must not show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use crate::common::test_bed::{TestBed, expect_no_secret, verdicts};
use crate::common::waiting::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use touchstone_reference::Storage;

const CASES: [&str; 3] = ["run", "--case", "capability.*"];

fn bed() -> (TestBed, Storage) {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    (bed, storage)
}

/// A stretch as it is drawn; times in microseconds.
#[derive(Debug)]
struct Drawn {
    name: String,
    waits_on: String,
    begin: u64,
    end: u64,
    process: u64,
    thread: u64,
    fields: Value,
}

/// What is drawn, and the names of the processes.
fn drawn(bed: &TestBed, file: &str) -> (Vec<Drawn>, BTreeMap<u64, String>) {
    let text = fs::read_to_string(bed.path(file)).expect("a trace");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut processes = BTreeMap::new();
    let mut all = Vec::new();
    for event in document["traceEvents"].as_array().expect("events") {
        let number = |key: &str| {
            event[key]
                .as_u64()
                .unwrap_or_else(|| panic!("{key}: {event}"))
        };
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        match event["ph"].as_str() {
            Some("M") if event["name"] == "process_name" => {
                processes.insert(number("pid"), text(&event["args"]["name"]));
            }
            Some("M") => {}
            Some("X") => all.push(Drawn {
                name: text(&event["name"]),
                waits_on: text(&event["cat"]),
                begin: number("ts"),
                end: number("ts") + number("dur"),
                process: number("pid"),
                thread: number("tid"),
                fields: event["args"].clone(),
            }),
            other => panic!("{other:?}: {event}"),
        }
    }
    (all, processes)
}

/// The row of the critical path.
fn path(all: &[Drawn]) -> Vec<&Drawn> {
    let legs = all.iter().filter(|one| (one.process, one.thread) == (0, 0));
    legs.collect()
}

#[test]
fn a_trace_shows_every_case_its_exchanges_and_the_chain_that_was_waited_for() {
    let (bed, _storage) = bed();
    let mut command = bed.touchstone(&CASES);
    command
        .args(["--trace", "trace.json"])
        .env("RUST_LOG", "trace");
    let ended = crate::common::test_bed::Ended::of(&mut command).expect(0);
    let (all, processes) = drawn(&bed, "trace.json");
    let of = |name: &str| {
        processes
            .iter()
            .find(|(_, other)| *other == name)
            .map(|(pid, _)| *pid)
    };
    let endpoint = of("endpoint se").expect("its process");

    // Every case that ran, with its parts.
    let record = bed.record();
    let ran: BTreeSet<String> = verdicts(&record)
        .into_iter()
        .filter(|(_, verdict)| verdict != "skip")
        .map(|((_, case), _)| format!("case {case}"))
        .collect();
    let seen: BTreeSet<String> = all
        .iter()
        .filter(|one| one.process == endpoint && one.name.starts_with("case "))
        .map(|one| one.name.clone())
        .collect();
    assert_eq!(seen, ran);
    assert!(ran.len() > 10, "{ran:?}");
    for (kind, waits_on) in [
        ("preflight", "touchstone"),
        ("tokens", "issuer"),
        ("token lab", "issuer"),
        ("arrange", "touchstone"),
        ("step PUT", "touchstone"),
        ("effects", "touchstone"),
        ("teardown", "touchstone"),
        ("connect", "storage"),
        ("exchange OPTIONS /wlcg/", "storage"),
        ("queue for a request's turn", "queue"),
    ] {
        let found = all
            .iter()
            .find(|one| one.process == endpoint && one.name == kind);
        assert_eq!(
            found
                .unwrap_or_else(|| panic!("{kind} is missing"))
                .waits_on,
            waits_on,
            "{kind}"
        );
    }

    // As many exchanges as the record has, each with its status.
    let results = record["results"].as_array().expect("results").iter();
    let recorded = results.flat_map(|result| result["exchanges"].as_array().expect("exchanges"));
    let recorded = recorded
        .filter(|exchange| exchange["purpose"] == "step")
        .count();
    let steps: Vec<_> = all
        .iter()
        .filter(|one| one.process == endpoint && one.fields["purpose"] == "step")
        .collect();
    assert_eq!(steps.len(), recorded);
    for step in steps {
        let status: u16 = step.fields["status"]
            .as_str()
            .expect("a status")
            .parse()
            .expect("a number");
        assert!((200..500).contains(&status), "{step:?}");
    }

    // What is on one thread lies within or beside each other.
    for one in &all {
        for other in all
            .iter()
            .filter(|other| (other.process, other.thread) == (one.process, one.thread))
        {
            let apart = one.end <= other.begin || other.end <= one.begin;
            let within = (one.begin <= other.begin && other.end <= one.end)
                || (other.begin <= one.begin && one.end <= other.end);
            assert!(apart || within, "{one:?} {other:?}");
        }
    }

    // The path has no gap, from the beginning to the end.
    let path = path(&all);
    let run = all
        .iter()
        .find(|one| one.name == "run" && one.thread > 0)
        .expect("the run");
    assert_eq!(path.first().expect("a leg").begin, run.begin);
    assert_eq!(path.last().expect("a leg").end, run.end);
    for pair in path.windows(2) {
        assert!(pair[0].end == pair[1].begin, "{pair:?}");
    }
    for part in [
        "critical path, ",
        "of that: ",
        "the longest chain of one case: ",
        "trace: trace.json",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    // The log is as it would be without.
    assert!(
        ended.stderr.contains("exchange endpoint="),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("waited_ms"), "{}", ended.stderr);
    let trace = fs::read_to_string(bed.path("trace.json")).expect("a trace");
    expect_no_secret(
        &bed,
        &[("the trace".into(), trace), ("stderr".into(), ended.stderr)],
    );
}

#[test]
fn cases_that_wait_for_each_other_are_on_the_path_and_those_that_do_not_are_not() {
    let (bed, _storage) = bed();
    let told = |jobs: &str| {
        let mut arguments = CASES.to_vec();
        arguments.extend(["--jobs", jobs, "--trace", "trace.json"]);
        bed.run(&arguments).expect(0);
        let (all, _) = drawn(&bed, "trace.json");
        let cases: BTreeSet<_> = path(&all)
            .iter()
            .map(|leg| leg.fields["of"].as_str().expect("whose"))
            .filter(|of| of.starts_with("se: case "))
            .map(str::to_owned)
            .collect();
        cases.len()
    };
    let record = |bed: &TestBed| {
        let verdicts = verdicts(&bed.record());
        verdicts
            .values()
            .filter(|verdict| *verdict != "skip")
            .count()
    };
    // One after another: nearly all are waited for. A leg of nothing but another's end is left out.
    let one = told("1");
    let ran = record(&bed);
    assert!(one > ran * 3 / 4, "{one} of {ran}");
    // Side by side, most have ended when the last one does.
    let many = told("256");
    assert!(many < ran / 4, "{many} of {ran}");
}

#[test]
fn an_interrupted_run_leaves_a_whole_trace() {
    let (bed, storage) = bed();
    let before = storage.paths();
    let mut command = bed.touchstone(&["run", "--jobs", "2", "--trace", "trace.json"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    wait_until("nothing was made", || {
        let running = child.try_wait().expect("its state").is_none();
        assert!(running, "it has ended");
        storage.paths() != before
    });
    kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    let ended = child.wait_with_output().expect("its end");
    assert_eq!(
        (ended.status.code(), ended.status.signal()),
        (Some(130), None)
    );
    let (all, _) = drawn(&bed, "trace.json");
    assert!(
        all.iter().any(|one| one.name == "teardown"),
        "{}",
        all.len()
    );
    assert!(all.iter().any(|one| one.name == "reports"), "{}", all.len());
    assert_eq!(storage.paths(), before);
}

#[test]
fn a_trace_that_cannot_be_written_is_told() {
    let (bed, _storage) = bed();
    let ended = bed.run(&[
        "run",
        "--case",
        "capability.read.get",
        "--trace",
        "none/trace.json",
    ]);
    let ended = ended.expect(4);
    for part in [
        "cannot write the trace none/trace.json: No such file or directory",
        "another file with --trace",
        "critical path, ",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    let ended = bed
        .run(&["run", "--case", "no-such-case", "--trace", "trace.json"])
        .expect(2);
    assert!(ended.stderr.contains("no-such-case"), "{}", ended.stderr);
}
