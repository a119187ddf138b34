//! System clocks that jump or are hours off, by libfaketime: only the time of day, as it is when somebody sets a clock.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::fire::{BUSY, Fire, reasons, record};

/// Cases whose tokens the issuer gives, and cases whose tokens we make.
const MADE: [&str; 3] = ["capability.create.*", "authentication.*", "audience.*"];

/// Debian's library.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .expect("Debian's libfaketime")
}

/// Gives `command` the clock that the file `clock` sets.
fn clocked(fire: &Fire, command: &mut Command, clock: &str) {
    set(fire, clock);
    command
        .env("LD_PRELOAD", library())
        .env("FAKETIME_TIMESTAMP_FILE", fire.bed.path("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
}

/// Sets the clock, all at once.
fn set(fire: &Fire, clock: &str) {
    fire.bed.write("clock.new", clock);
    fs::rename(fire.bed.path("clock.new"), fire.bed.path("clock")).expect("a file");
}

#[test]
fn a_clock_that_jumps_moves_no_deadline_and_leaves_nothing() {
    let fire = Fire::new();
    for (name, jump) in [("ahead", "+1000d"), ("back", "-1000d")] {
        let begun = Instant::now();
        let mut command = fire.run(&BUSY, &["--report-dir", name, "--jobs", "1"]);
        clocked(&fire, &mut command, "+0");
        let process = fire.busy(&mut command, name);
        set(&fire, jump);
        let ended = process.wait();
        let reports = fire.bed.path(name);
        fire.expect_nothing_left(&reports, &format!("{name}: {ended}"));
        assert!(matches!(ended.code, Some(0 | 3)), "{name}: {ended}");
        let record = record(&reports);
        let most = u64::try_from(begun.elapsed().as_millis()).expect("it is small");
        assert!(
            record["run"]["duration_ms"].as_u64().expect("a number") <= most,
            "{name}"
        );
        for result in record["results"].as_array().expect("results") {
            assert!(
                result["duration_ms"].as_u64().expect("a number") <= most,
                "{name}"
            );
        }
        let reasons = reasons(&record);
        assert!(
            reasons.iter().all(|reason| reason.starts_with("error")),
            "{name}: {reasons:#?}"
        );
    }
}

#[test]
fn a_clock_that_is_hours_off_is_told_with_everything_that_it_may_have_spoilt() {
    let fire = Fire::new();
    for (name, clock, code) in [("ahead", "+5h", 3), ("behind", "-5h", 3)] {
        let mut command = fire.run(&MADE, &["--report-dir", name]);
        clocked(&fire, &mut command, clock);
        let ended = fire.ended(&mut command, name);
        let reasons = reasons(&record(&fire.bed.path(name)));
        assert_eq!(ended.code, Some(code), "{name}: {ended} {reasons:#?}");
        for reason in &reasons {
            let told = reason.contains("clock");
            assert!(
                told || !reason.starts_with("fail") && !reason.starts_with("error"),
                "{name}: {reason}"
            );
        }
        assert_eq!(fire.left(), [""; 0], "{ended}");
    }
}
