//! Tape: every request is taken back, and without tape or an API nothing is judged.

use crate::common::test_bed::{TAPE, TestBed, named, nearline, verdicts};
use touchstone_reference::{Storage, StorageOptions};

fn storage(bed: &TestBed, faults: &[&str]) -> Storage {
    bed.start(StorageOptions {
        tape: Some(nearline()),
        faults: named(faults),
        recorded: true,
        ..bed.trusting(bed.issuer.url())
    })
}

#[test]
fn every_request_is_taken_back() {
    let bed = TestBed::new();
    let storage = storage(&bed, &[]);
    let before = storage.paths();
    bed.endpoints(&[("se", storage.url())], TAPE);
    let cases = ["run", "--case", "tape.stage.*", "--case", "tape.cancel.*"];
    bed.run(&cases).expect(0);
    assert!(
        verdicts(&bed.record())
            .into_values()
            .all(|verdict| verdict == "pass")
    );
    let requests = storage.requests();
    let of = |method: &str, place: &str| {
        let start = format!("{method} /api/v1/stage{place}");
        let found = requests.iter().filter(|line| line.starts_with(&start));
        found.map(String::as_str).collect::<Vec<_>>()
    };
    let polled: std::collections::BTreeSet<&str> = of("GET", "/")
        .into_iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    let deleted: std::collections::BTreeSet<&str> = of("DELETE", "/")
        .into_iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert!(polled.len() > 10, "{polled:?}");
    // Some that are not judged are staged as well, and not looked at.
    assert!(
        polled.is_subset(&deleted),
        "{polled:?} were staged, {deleted:?} given up"
    );
    assert_eq!(storage.paths(), before);
}

#[test]
fn without_an_api_nothing_is_judged() {
    let bed = TestBed::new();
    let storage = storage(&bed, &["tape-discovery-missing"]);
    bed.endpoints(&[("se", storage.url())], TAPE);
    bed.run(&["run", "--case", "tape.archiveinfo.poll"])
        .expect(3);
    let record = bed.record();
    let reason = record["results"][0]["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("the tape REST API was not found"),
        "{reason}"
    );
    bed.endpoints(&[("se", storage.url())], "");
    bed.run(&["run", "--case", "tape.archiveinfo.poll"])
        .expect(3);
    let record = bed.record();
    let reason = record["results"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("declares no tape"), "{reason}");
}
