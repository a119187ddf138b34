//! Imitations beside the software itself: the same run judges both, and says the same of both.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use touchstone::reference::{StorageOptions, like};

use crate::common::lab::{Lab, outcomes};
use crate::common::xrootd::{PREFIX, Xrootd, XrootdOptions};

/// Cases of which the imitations are known to differ, and why.
const KNOWN: &[(&str, &str)] = &[(
    "bearer.header.lower-case",
    "the embedded servers read the names of headers in any letters",
)];

/// More than one request at a time leaves the server no rest; the imitation needs none.
const MORE: &str = "    limits: {jobs: 8, case: 10m, endpoint: 1h}\n    tpc-partner: partner\n";

/// What a run with our own other side says of each case and why, at the real one and at the imitation.
fn both(lab: &Lab, name: &str) -> [BTreeMap<String, String>; 2] {
    let certificate = lab.authority.certificate().expect("a certificate");
    let options = XrootdOptions {
        issuer: lab.issuer.url(),
        second_issuer: lab.neighbour.url(),
        ca_pem: lab.authority.ca_pem(),
        certificate_pem: &certificate.certificate_pem,
        key_pem: certificate.key_pem.expose_secret(),
    };
    let real = Xrootd::start(options);
    let imitation = lab.start(StorageOptions {
        faults: like(name).expect("that imitation").deviations(),
        ..lab.two_areas()
    });
    let partner = lab.storage(&[]);
    let real_url = real.url();
    let endpoints = [
        ("real", real_url.as_str(), MORE),
        ("imitation", imitation.url(), MORE),
        ("partner", partner.url(), ""),
    ];
    lab.each_endpoint(&endpoints);
    // The covers ask for what the cases of the lists ask for, in more ways.
    let run = ["run", "--quick", "--endpoint", "real", "imitation"];
    lab.run(&[&run[..], &lab.listening()].concat());
    assert_eq!(real.deaths(), 0, "{}", real.log_tail());
    ["real", "imitation"].map(|endpoint| {
        let mut record = lab.record();
        let results = record["results"].as_array_mut().expect("results");
        results.retain(|result| result["endpoint"] == endpoint);
        outcomes(&record)
    })
}

#[test]
fn the_imitation_of_xrootd_has_the_verdicts_of_the_real_one() {
    let lab = Lab::new();
    let name = match std::env::var_os(PREFIX) {
        Some(_) => "xrootd-6.2",
        None => "xrootd-5.5",
    };
    let [real, imitation] = both(&lab, name);
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
