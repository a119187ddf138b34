//! Production storage where nothing may be written: the reading half of the suites runs, and nothing that
//! could write ever leaves.

use std::collections::BTreeMap;

use crate::common::test_bed::{TestBed, verdicts};
use touchstone_model::Tape;
use touchstone_reference::{Storage, StorageOptions, fault};

const FILE: &str = "/wlcg/production/run7/raw.dat";
const CONTENT: &[u8] = b"An existing file of a few dozen bytes, with spaces and a line end.\n";

/// `more` goes into the traits.
fn endpoints(bed: &TestBed, storage: &Storage, checksum: u32, more: &str) {
    bed.endpoints(
        &[("production", storage.url())],
        &format!(
            "    traits:\n      read-only: {{file: /production/run7/raw.dat, checksum: \"adler32:{checksum:08x}\"}}\n{more}"
        ),
    );
}

fn storage(bed: &TestBed, faults: &[&str]) -> Storage {
    bed.start(StorageOptions {
        faults: faults.iter().filter_map(|name| fault(name)).collect(),
        files: vec![(FILE.into(), CONTENT.to_vec())],
        tape: Some(Tape {
            path: "/nearline".into(),
            file: "/nearline/some-file".into(),
        }),
        recorded: true,
        ..bed.two_areas()
    })
}

#[test]
fn the_reading_half_runs_and_nothing_that_could_write_is_sent() {
    let bed = TestBed::new();
    let storage = storage(&bed, &[]);
    let before = storage.paths();
    let tape = "      tape: {path: /nearline, file: /nearline/some-file}\n      macaroons: true\n";
    endpoints(&bed, &storage, adler2::adler32_slice(CONTENT), tape);
    bed.run(&["run", "--intrusive", "--slow", "--strict"])
        .expect(0);
    let record = bed.record();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for verdict in verdicts(&record).into_values() {
        *counts.entry(verdict).or_default() += 1;
    }
    assert_eq!(
        counts.keys().collect::<Vec<_>>(),
        ["pass", "skip"],
        "{counts:?}"
    );
    assert!(counts["pass"] > 120, "{counts:?}");
    for result in record["results"].as_array().expect("results") {
        let reason = result["reason"].as_str().unwrap_or("read-only");
        assert!(
            ["read-only", "no second area", "redirected nothing"]
                .iter()
                .any(|text| reason.contains(text)),
            "{}: {reason}",
            result["case"]
        );
    }

    let requests = storage.requests();
    assert!(requests.len() > 300, "{}", requests.len());
    for request in &requests {
        let (method, rest) = request.split_once(' ').expect("a method");
        assert!(
            ["GET", "HEAD", "PROPFIND", "OPTIONS"].contains(&method),
            "{request}"
        );
        assert!(!rest.contains("method"), "{request}");
        let alone = rest.contains("/production/")
            || rest.starts_with("/.well-known/wlcg-tape-rest-api ")
            || method == "OPTIONS";
        assert!(alone, "nothing is asked but the existing file: {request}");
    }
    let discovered = requests.iter().filter(|line| line.contains("tape"));
    assert_eq!(discovered.count(), 2, "by both cases of tape.discovery");
    assert_eq!(storage.paths(), before);
    bed.run(&["clean", "--older-than", "1s"]).expect(0);
    assert_eq!(
        storage.requests().len(),
        requests.len(),
        "there is nothing to clean"
    );
}

#[test]
fn faults_of_reading_are_found_without_writing() {
    let bed = TestBed::new();
    for (name, case) in [
        ("audience-ignored", "audience.foreign.read"),
        ("scope-prefix-match", "path.sibling-prefix.read"),
        ("deny-all", ""),
    ] {
        let storage = storage(&bed, &[name]);
        endpoints(&bed, &storage, adler2::adler32_slice(CONTENT), "");
        let ended = bed.run(&["run", "--quick"]);
        let failed = |verdict: &String| verdict == "fail";
        let verdicts = verdicts(&bed.record());
        if case.is_empty() {
            ended.expect(3);
            assert!(
                !verdicts.values().any(|verdict| verdict == "pass"),
                "{verdicts:?}"
            );
        } else {
            ended.expect(1);
            assert!(failed(
                &verdicts[&("production".to_owned(), case.to_owned())]
            ));
        }
        let writes = |request: &String| request.starts_with("PUT") || request.starts_with("DELETE");
        assert!(!storage.requests().iter().any(writes));
    }
}

#[test]
fn a_file_that_is_not_the_one_that_was_meant_is_undecided() {
    let bed = TestBed::new();
    let storage = storage(&bed, &[]);
    endpoints(&bed, &storage, 1, "");
    bed.run(&["run", "--quick"]).expect(3);
    let record = bed.record();
    let results = record["results"].as_array().expect("results");
    let reasons: Vec<_> = results
        .iter()
        .filter(|result| result["verdict"] == "error")
        .filter_map(|result| result["reason"].as_str())
        .collect();
    assert!(reasons.len() > 100);
    for reason in reasons {
        assert!(reason.contains("adler32:00000001 was declared"), "{reason}");
    }
}
