//! Too few open files.

use std::thread;

use super::fire::{BUSY, FEW, Fire, ledgers, reasons, record};

#[test]
fn the_soft_limit_is_raised() {
    let fire = Fire::new();
    let few = ["prlimit", "--nofile=16:4096"];
    let mut command = fire.run_by(&few, &BUSY, &["--report-dir", "out", "--jobs", "32"]);
    fire.ended(&mut command, "raised").expect(0, &[]);
}

#[test]
fn without_open_files_cases_are_undecided_and_nothing_stays() {
    let told: Vec<_> = thread::scope(|scope| {
        let limits = [4, 8, 11, 14, 17, 20, 24, 32, 64];
        let runs = limits.map(|limit| scope.spawn(move || with_open_files(limit)));
        runs.map(|run| run.join().expect("a run")).into()
    });
    assert!(told.iter().any(|told| *told), "the limit was never met");
}

/// Whether the limit was told as the reason of a case.
fn with_open_files(limit: u32) -> bool {
    let fire = Fire::new();
    let few = format!("--nofile={limit}:{limit}");
    let more = ["--report-dir", "out", "--jobs", "16"];
    let mut command = fire.run_by(&["prlimit", &few], &FEW, &more);
    let ended = fire.ended(&mut command, "few");
    assert!(!ended.stderr.contains("panicked"), "{limit}: {ended}");
    assert!(matches!(ended.code, Some(0 | 3)), "{limit}: {ended}");
    let reports = fire.bed.path("out");
    if !ledgers(&reports).is_empty() {
        assert!(
            ended.stderr.contains("`touchstone clean`"),
            "{limit}: {ended}"
        );
        fire.bed.run(&["clean", "--report-dir", "out"]).expect(0);
    }
    fire.expect_nothing_left(&reports, &format!("{limit}: {ended}"));
    if !reports.join("run.json").exists() {
        assert!(ended.stderr.contains("ulimit -n"), "{limit}: {ended}");
        return false;
    }
    let reasons = reasons(&record(&reports));
    for reason in &reasons {
        assert!(reason.starts_with("error "), "{limit}: {reason}");
    }
    assert_eq!(
        ended.code == Some(0),
        reasons.is_empty(),
        "{limit}: {ended}"
    );
    let told = reasons
        .iter()
        .filter(|reason| reason.contains("ulimit -n"))
        .count();
    assert_eq!(told, reasons.len(), "{limit}: {reasons:#?}");
    told > 0
}
