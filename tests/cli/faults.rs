//! A storage element that is right is all green, and one that is broken as a whole never. That each case
//! fails on the faults that claim it shows `touchstone prove`, which CI runs.

use std::time::{Duration, Instant};

use crate::common::lab::{Lab, denials, slow, verdicts};

#[test]
fn the_faultless_storage_element_is_all_green() {
    let lab = Lab::new();
    let storage = lab.storage(&[]);
    let before = storage.paths();
    lab.endpoints(&[("reference", storage.url())], "");
    lab.run(&["run", "--strict", "--intrusive"]).expect(0);
    let slow = slow();
    for ((_, case), verdict) in verdicts(&lab.record()) {
        // There is neither a tape nor another side here; the demo has both.
        let lacking = ["tape.", "tpc."]
            .iter()
            .any(|suite| case.starts_with(suite));
        let expected = if slow.contains(&case) { "skip" } else { "pass" };
        assert!(
            verdict == expected || lacking && verdict == "skip",
            "{case}"
        );
    }
    assert_eq!(storage.paths(), before, "nothing is left behind");
}

#[test]
fn no_case_depends_on_another() {
    let lab = Lab::new();
    let storage = lab.storage(&[]);
    lab.endpoints(&[("reference", storage.url())], "");
    let run = |more: &[&str]| {
        lab.run(&[&["run", "--intrusive"], more].concat()).expect(0);
        verdicts(&lab.record())
    };
    let first = run(&[]);
    for more in [
        &["--jobs", "1"][..],
        &["--shuffle", "1"],
        &["--shuffle", "2", "--jobs", "32"],
        &["--shuffle", "3", "--jobs", "1"],
    ] {
        assert_eq!(run(more), first, "{more:?}");
    }
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
