//! Tape: every request is taken back, and without tape or an API nothing is judged.

use crate::common::lab::{Lab, TAPE, named, nearline, verdicts};
use touchstone::reference::{Storage, StorageOptions};

fn storage(lab: &Lab, faults: &[&str]) -> Storage {
    lab.start(StorageOptions {
        tape: Some(nearline()),
        faults: named(faults),
        recorded: true,
        ..lab.trusting(lab.issuer.url())
    })
}

#[test]
fn every_request_is_taken_back() {
    let lab = Lab::new();
    let storage = storage(&lab, &[]);
    let before = storage.paths();
    lab.endpoints(&[("se", storage.url())], TAPE);
    let cases = ["run", "--case", "tape.stage.*", "--case", "tape.cancel.*"];
    lab.run(&cases).expect(0);
    assert!(
        verdicts(&lab.record())
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
    let lab = Lab::new();
    let storage = storage(&lab, &["tape-discovery-missing"]);
    lab.endpoints(&[("se", storage.url())], TAPE);
    lab.run(&["run", "--case", "tape.archiveinfo.poll"])
        .expect(3);
    let record = lab.record();
    let reason = record["results"][0]["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("the tape REST API was not found"),
        "{reason}"
    );
    lab.endpoints(&[("se", storage.url())], "");
    lab.run(&["run", "--case", "tape.archiveinfo.poll"])
        .expect(3);
    let record = lab.record();
    let reason = record["results"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("declares no tape"), "{reason}");
}
