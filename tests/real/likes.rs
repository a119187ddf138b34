//! Imitations beside the software itself: the same run judges both, and says the same of both.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use touchstone_reference::{StorageOptions, like};

use crate::common::test_bed::{TestBed, outcomes};
use crate::common::xrootd::{PREFIX, Xrootd, XrootdOptions};

/// Cases of which the imitations are known to differ, and why.
const KNOWN: &[(&str, &str)] = &[(
    "bearer.header.lower-case",
    "the embedded servers read the names of headers in any letters",
)];

/// More than one request at a time leaves the server no rest; the imitation needs none.
const MORE: &str = "    limits: {jobs: 8, case: 10m, endpoint: 1h}\n    tpc-partner: partner\n";

/// What a run with our own other side says of each case and why, at the real one and at the imitation.
fn both(bed: &TestBed, name: &str) -> [BTreeMap<String, String>; 2] {
    let certificate = bed.authority.certificate().expect("a certificate");
    let options = XrootdOptions {
        issuer: bed.issuer.url(),
        second_issuer: bed.neighbour.url(),
        ca_pem: bed.authority.ca_pem(),
        certificate_pem: &certificate.certificate_pem,
        key_pem: certificate.key_pem.expose_secret(),
    };
    let real = Xrootd::start(options);
    let imitation = bed.start(StorageOptions {
        faults: like(name).expect("that imitation").deviations(),
        ..bed.two_areas()
    });
    let partner = bed.storage(&[]);
    let real_url = real.url();
    let endpoints = [
        ("real", real_url.as_str(), MORE),
        ("imitation", imitation.url(), MORE),
        ("partner", partner.url(), ""),
    ];
    bed.each_endpoint(&endpoints);
    // The covers ask for what the cases of the lists ask for, in more ways.
    let run = ["run", "--quick", "--endpoint", "real", "imitation"];
    bed.run(&[&run[..], &bed.listening()].concat());
    assert_eq!(real.deaths(), 0, "{}", real.log_tail());
    ["real", "imitation"].map(|endpoint| {
        let mut record = bed.record();
        let results = record["results"].as_array_mut().expect("results");
        results.retain(|result| result["endpoint"] == endpoint);
        outcomes(&record)
    })
}

#[test]
fn the_imitation_of_xrootd_has_the_verdicts_of_the_real_one() {
    let bed = TestBed::new();
    let name = match std::env::var_os(PREFIX) {
        Some(_) => "xrootd-6.2",
        None => "xrootd-5.5",
    };
    let [real, imitation] = both(&bed, name);
    assert!(real.len() > 300, "{}", real.len());
    let known = |case: &str| KNOWN.iter().any(|(known, _)| *known == case);
    let verdict = |outcome: &String| outcome.split(' ').next().map(str::to_owned);
    let same = |case: &str, outcome| imitation.get(case).and_then(verdict) == verdict(outcome);
    let differ: Vec<_> = real
        .iter()
        .filter(|(case, outcome)| !known(case) && !same(case, outcome))
        .map(|(case, outcome)| {
            let other = imitation.get(case).map_or("nothing", String::as_str);
            format!("{case}\n  real:      {outcome}\n  imitation: {other}")
        })
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
