//! The suite sees: each case fails on the faults that claim it, and a storage element that is broken as a
//! whole is never green.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use common::lab::{Lab, denials, verdicts};
use touchstone::reference::faults;

#[test]
fn each_fault_is_caught_by_the_cases_that_it_names() {
    let lab = Lab::new();
    let claimed: Vec<_> = faults()
        .iter()
        .filter(|fault| !fault.cases.is_empty())
        .collect();
    let storages: Vec<_> = claimed
        .iter()
        .map(|fault| (fault.name, lab.storage(&[fault.name])))
        .collect();
    let endpoints: Vec<_> = storages
        .iter()
        .map(|(name, storage)| (*name, storage.url()))
        .collect();
    lab.endpoints(&endpoints, "");
    let catalogue = touchstone::config::load_catalogue(&[]).expect("the embedded suites");
    let all: BTreeSet<String> = catalogue.cases().map(|case| case.id.to_string()).collect();
    let mut missed = Vec::new();
    let mut caught = BTreeSet::new();
    for fault in &claimed {
        // A violated recommendation is a warning; --strict makes it the failure that is looked for.
        let asked = ["run", "--strict", "--intrusive", "--slow"];
        let only = ["--endpoint", fault.name, "--case"];
        let arguments: Vec<&str> = [&asked[..], &only, fault.cases].concat();
        let ended = lab.run(&arguments);
        assert_eq!(ended.code, Some(1), "{}: {}", fault.name, ended.stdout);
        let verdicts = verdicts(&lab.record());
        for case in fault.cases {
            let verdict = &verdicts[&(fault.name.to_owned(), (*case).to_owned())];
            if verdict == "fail" {
                caught.insert(*case);
            } else {
                missed.push(format!("{} on {}: {verdict}", case, fault.name));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    let idle: Vec<_> = all
        .iter()
        .filter(|case| !caught.contains(case.as_str()))
        .collect();
    assert!(idle.is_empty(), "cases that catch nothing: {idle:?}");
}

#[test]
fn the_faultless_storage_element_is_all_green() {
    let lab = Lab::new();
    let storage = lab.storage(&[]);
    let before = storage.paths();
    lab.endpoints(&[("reference", storage.url())], "");
    lab.run(&["run", "--strict", "--intrusive", "--slow"])
        .expect(0);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for verdict in verdicts(&lab.record()).into_values() {
        *counts.entry(verdict).or_default() += 1;
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["pass"], "{counts:?}");
    assert_eq!(storage.paths(), before, "nothing is left behind");
}

/// Runs everything against a storage element that is broken as a whole.
fn never_green(fault: &str) -> (i32, Duration) {
    let lab = Lab::new();
    let storage = lab.storage(&[fault]);
    lab.endpoints(&[("broken", storage.url())], "");
    let begun = Instant::now();
    let ended = lab.run(&["run"]);
    let elapsed = begun.elapsed();
    let denials = denials();
    assert!(denials.len() > 20, "the suites hold denials");
    let passed: Vec<_> = verdicts(&lab.record())
        .into_iter()
        .filter(|((_, case), verdict)| denials.contains(case) && verdict == "pass")
        .collect();
    assert!(passed.is_empty(), "{fault}: {passed:?}");
    let code = ended.code.unwrap_or_default();
    assert!(
        code == 1 || code == 3,
        "{fault} ended with {code}\n{}\n{}",
        ended.stdout,
        ended.stderr
    );
    (code, elapsed)
}

#[test]
fn deny_all_is_never_green() {
    assert_eq!(never_green("deny-all").0, 3);
}

#[test]
fn not_found_all_is_never_green() {
    assert_eq!(never_green("not-found-all").0, 3);
}

#[test]
fn allow_all_is_never_green() {
    assert_eq!(never_green("allow-all").0, 1);
}

#[test]
fn error_all_is_never_green() {
    assert_eq!(never_green("error-all").0, 3);
}

#[test]
fn empty_ok_all_is_never_green() {
    assert_eq!(never_green("empty-ok-all").0, 3);
}

#[test]
fn a_storage_element_that_hangs_is_found_out_once() {
    let (code, elapsed) = never_green("hang-all");
    assert_eq!(code, 3);
    // The preflight's deadline is 10 s; the cases must not wait for it one after another.
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
}

#[test]
fn a_storage_element_that_is_down_is_found_out_once() {
    let (code, elapsed) = never_green("down");
    assert_eq!(code, 3);
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
}
