//! The binary against a real XRootD: what it finds there, and that it leaves nothing behind.

use std::collections::BTreeMap;

use crate::common::test_bed::{Ended, TestBed, outcomes, verdicts};
use crate::common::waiting::wait_until;
use crate::common::xrootd::{PATIENT, Xrootd, XrootdOptions};
use secrecy::ExposeSecret;

fn start(bed: &TestBed) -> Xrootd {
    let certificate = bed.authority.certificate().expect("a certificate");
    let server = Xrootd::start(XrootdOptions {
        issuer: bed.issuer.url(),
        second_issuer: bed.neighbour.url(),
        ca_pem: bed.authority.ca_pem(),
        certificate_pem: &certificate.certificate_pem,
        key_pem: certificate.key_pem.expose_secret(),
    });
    bed.endpoints(&[("se-xrootd", &server.url())], PATIENT);
    server
}

#[test]
fn every_case_has_its_verdict_and_the_tree_is_as_before() {
    let bed = TestBed::new();
    let mut server = start(&bed);
    let before = server.snapshot();
    let ended = bed.run(&["run"]);
    let story = format!("{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(1), "{story}\n{}", server.log_tail());
    assert_eq!(server.snapshot(), before, "{story}");
    assert_eq!(server.deaths(), 0, "{story}\n{}", server.log_tail());
    let mut found = outcomes(&bed.record());

    // One by one, because some of them end the server; none that sends it to hosts beyond this machine.
    let intrusive: Vec<_> = found
        .iter()
        .filter(|(case, outcome)| outcome.contains("--intrusive") && *case != "tpc.private")
        .map(|(case, _)| case.clone())
        .collect();
    assert!(!intrusive.is_empty());
    for case in intrusive {
        let deaths = server.deaths();
        let ended = bed.run(&["run", "--intrusive", "--case", &case]);
        server.survive();
        let died = server.deaths() > deaths;
        let outcome = outcomes(&bed.record_of(&ended)).remove(&case);
        let outcome = outcome.expect("its outcome");
        // A scope that climbs spoils the server's memory: what comes of it, and when, is chance.
        let outcome = if case.contains(".climb.") && (died || outcome.starts_with("fail")) {
            server.restart();
            bed.run(&["clean"]).expect(0);
            "fail, or the server dies".into()
        } else if died {
            "error the server died".into()
        } else {
            outcome
        };
        found.insert(case, outcome);
    }
    assert_eq!(server.snapshot(), before);
    assert!(server.alive(), "{}", server.log_tail());
    // Of the covers what is told: the rest are refusals that nobody could tell apart.
    let (cells, lists): (BTreeMap<_, _>, BTreeMap<_, _>) =
        found.into_iter().partition(|(case, _)| cell(case));
    let refused = cells.values().filter(|told| told.starts_with("pass"));
    assert!(refused.count() > 900, "{cells:?}");
    let told = cells
        .into_iter()
        .filter(|(_, told)| !told.starts_with("pass") && !told.starts_with("skip"));
    insta::assert_yaml_snapshot!(lists.into_iter().chain(told).collect::<BTreeMap<_, _>>());
}

/// Whether the case is one of a cover.
fn cell(case: &str) -> bool {
    let cover = ["cover.", "form."]
        .iter()
        .any(|suite| case.starts_with(suite));
    cover && case.matches('.').count() == 2
}

/// As many runs as `TOUCHSTONE_RUNS` says, at one server, have the same verdicts:
/// `TOUCHSTONE_RUNS=50 cargo test --test real -- --ignored same_verdicts`.
#[test]
#[ignore = "takes minutes; a verdict that comes now and then is seen by running it often"]
fn same_verdicts() {
    let runs = std::env::var("TOUCHSTONE_RUNS").map_or(Ok(5), |text| text.parse());
    let runs: usize = runs.expect("TOUCHSTONE_RUNS is a number");
    let bed = TestBed::new();
    let server = start(&bed);
    let before = server.snapshot();
    let run = || {
        let ended = bed.run(&["run"]);
        let story = format!("{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(server.snapshot(), before, "{story}");
        let record = bed.record();
        (verdicts(&record), outcomes(&record))
    };
    let (first, told) = run();
    let mut other = Vec::new();
    for number in 2..=runs {
        let (again, outcomes) = run();
        assert_eq!(again.len(), first.len());
        for (key, verdict) in again {
            if first[&key] != verdict {
                let (_, case) = &key;
                let (was, is) = (&told[case], &outcomes[case]);
                other.push(format!("run {number}: {case}: {is}; it was {was}"));
            }
        }
    }
    assert!(
        other.is_empty(),
        "{}\n{}",
        other.join("\n"),
        server.log_tail()
    );
}

/// Waits until the server holds objects of a run: it is in the middle.
fn wait_for_objects(server: &Xrootd, before: usize) {
    wait_until("the run never made an object", || {
        server.snapshot().len() >= before + 6
    });
}

fn signal(process: &std::process::Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([name, &process.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(status.success());
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let bed = TestBed::new();
    let server = start(&bed);
    let before = server.snapshot();
    let mut command = bed.touchstone(&["run", "--jobs", "4"]);
    let process = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    wait_for_objects(&server, before.len());
    signal(&process, "-INT");
    let output = process.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert_eq!(server.snapshot(), before, "{stderr}");
    let record = bed.record();
    assert_eq!(record["run"]["interrupted"], true);
    assert!(
        verdicts(&record).values().any(|verdict| verdict == "error"),
        "it was in the middle"
    );
}

#[test]
fn clean_finishes_what_a_killed_run_left() {
    let bed = TestBed::new();
    let server = start(&bed);
    let before = server.snapshot();
    let mut command = bed.touchstone(&["run", "--jobs", "4"]);
    let mut process = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary runs");
    wait_for_objects(&server, before.len());
    signal(&process, "-KILL");
    process.wait().expect("it ends");
    assert_ne!(server.snapshot(), before, "it was in the middle");
    let ended: Ended = bed.run(&["clean"]).expect(0);
    assert_eq!(
        server.snapshot(),
        before,
        "{}\n{}",
        ended.stdout,
        ended.stderr
    );
    bed.run(&["clean"]).expect(0);
}

#[test]
fn clean_finds_old_leftovers_without_a_ledger() {
    let bed = TestBed::new();
    let server = start(&bed);
    let before = server.snapshot();
    let old = server
        .area_root()
        .join("touchstone-20250101t000000z-0000aa");
    let new = server
        .area_root()
        .join("touchstone-20990101t000000z-0000aa");
    let foreign = server.area_root().join("touchstone-notes");
    for folder in [&old, &new, &foreign] {
        std::fs::create_dir(folder).expect("a folder");
        std::fs::write(folder.join("f"), "x").expect("a file");
    }
    for path in [&old, &old.join("f")] {
        // The server's user has to be able to remove it.
        let status = std::process::Command::new("chown")
            .args(["--reference", &server.area_root().display().to_string()])
            .arg(path)
            .status()
            .expect("chown runs");
        assert!(status.success());
    }
    let ended = bed.run(&["clean", "--older-than", "1d"]).expect(0);
    assert!(!old.exists(), "{}\n{}", ended.stdout, ended.stderr);
    assert!(new.join("f").exists() && foreign.join("f").exists());
    for folder in [&new, &foreign] {
        std::fs::remove_dir_all(folder).expect("removed");
    }
    assert_eq!(server.snapshot(), before);
}
