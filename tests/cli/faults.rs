//! A storage element that is right is all green, and one that is broken as a whole never. That each case
//! fails on the faults that claim it shows `touchstone prove`, which CI runs.

use crate::common::test_bed::{TestBed, denials, slow, verdicts};
use serde_json::Value;

#[test]
fn the_faultless_storage_element_is_all_green() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let before = storage.paths();
    bed.endpoints(&[("reference", storage.url())], "");
    bed.run(&["run", "--strict", "--intrusive"]).expect(0);
    let slow = slow();
    for ((_, case), verdict) in verdicts(&bed.record()) {
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
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("reference", storage.url())], "");
    let run = |more: &[&str]| {
        bed.run(&[&["run", "--intrusive", "--quick"], more].concat())
            .expect(0);
        verdicts(&bed.record())
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

/// Runs everything against a storage element that is broken as a whole; the exit code.
fn never_green(fault: &str) -> i32 {
    never_green_record(fault).0
}

/// The same, with the record.
fn never_green_record(fault: &str) -> (i32, Value) {
    let bed = TestBed::new();
    let storage = bed.storage(&[fault]);
    bed.endpoints(&[("broken", storage.url())], "");
    let ended = bed.run(&["run"]);
    let denials = denials();
    assert!(denials.len() > 20, "the suites hold denials");
    let passed: Vec<_> = verdicts(&bed.record())
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
    (code, bed.record())
}

/// Fails unless the preflight has found the storage out, and no case has asked it anything.
fn expect_found_out_once(fault: &str) {
    let (code, record) = never_green_record(fault);
    assert_eq!(code, 3);
    let results = record["results"].as_array().expect("results").iter();
    let undecided = results.filter(|result| result["verdict"] == "error");
    let undecided: Vec<_> = undecided.collect();
    assert!(undecided.len() > 100, "{}", undecided.len());
    let mut exchanges = Vec::new();
    for result in undecided {
        let reason = result["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("unreachable: "), "{result}");
        exchanges.extend(result["exchanges"].as_array().expect("a list"));
    }
    // Each shows the one exchange that was.
    exchanges.dedup();
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    assert_eq!(exchanges[0]["purpose"], "preflight");
}

#[test]
fn deny_all_is_never_green() {
    assert_eq!(never_green("deny-all"), 3);
}

#[test]
fn not_found_all_is_never_green() {
    assert_eq!(never_green("not-found-all"), 3);
}

#[test]
fn allow_all_is_never_green() {
    assert_eq!(never_green("allow-all"), 1);
}

#[test]
fn error_all_is_never_green() {
    assert_eq!(never_green("error-all"), 3);
}

#[test]
fn empty_ok_all_is_never_green() {
    assert_eq!(never_green("empty-ok-all"), 3);
}

#[test]
fn a_storage_element_that_hangs_is_found_out_once() {
    // Cases that waited for it one after another would hang.
    expect_found_out_once("hang-all");
}

#[test]
fn a_storage_element_that_is_down_is_found_out_once() {
    expect_found_out_once("down");
}
