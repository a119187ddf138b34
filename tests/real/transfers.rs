//! Copies between two real XRootD servers, and between one of them and our own other side.

use std::collections::BTreeMap;

use crate::common::test_bed::{Ended, TestBed, expect_no_secret, outcomes};
use crate::common::xrootd::{PATIENT, Xrootd, XrootdOptions};
use secrecy::ExposeSecret;

fn start(bed: &TestBed) -> Xrootd {
    let certificate = bed.authority.certificate().expect("a certificate");
    Xrootd::start(XrootdOptions {
        issuer: bed.issuer.url(),
        second_issuer: bed.neighbour.url(),
        ca_pem: bed.authority.ca_pem(),
        certificate_pem: &certificate.certificate_pem,
        key_pem: certificate.key_pem.expose_secret(),
    })
}

/// Two servers of one laboratory, each an endpoint.
fn pair(bed: &TestBed) -> [Xrootd; 2] {
    let servers = [start(bed), start(bed)];
    endpoints(bed, [&servers[0].url(), &servers[1].url()]);
    servers
}

/// Two endpoints.
fn endpoints(bed: &TestBed, [one, other]: [&str; 2]) {
    bed.endpoints(&[("se-one", one), ("se-two", other)], PATIENT);
}

/// The arguments of a run of all transfers of the first endpoint, with our own other side.
fn transfers(bed: &TestBed) -> Vec<&'static str> {
    let run = ["run", "--endpoint", "se-one", "--case", "tpc.*"];
    [&run[..], &["--intrusive"], &bed.listening()].concat()
}

#[test]
fn transfers_have_their_verdicts_and_leave_nothing() {
    let bed = TestBed::new();
    let servers = pair(&bed);
    let before = servers.each_ref().map(Xrootd::snapshot);
    let ended = bed.run(&transfers(&bed));
    let story = format!(
        "{}\n{}\n{}",
        ended.stdout,
        ended.stderr,
        servers[0].log_tail()
    );
    assert_eq!(servers.each_ref().map(Xrootd::snapshot), before, "{story}");
    assert_eq!(servers[0].deaths() + servers[1].deaths(), 0, "{story}");
    let found: BTreeMap<_, _> = outcomes(&bed.record());
    assert!(found.len() > 50, "{story}");
    insta::assert_yaml_snapshot!(found);
}

#[test]
fn every_pair_is_in_the_matrix_and_leaves_nothing() {
    let bed = TestBed::new();
    let servers = pair(&bed);
    let before = servers.each_ref().map(Xrootd::snapshot);
    let ended = bed.run(&["run", "--tpc-matrix", "--case", "tpc.pair.pu*"]);
    let story = format!("{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(servers.each_ref().map(Xrootd::snapshot), before, "{story}");
    assert_eq!(bed.record()["run"]["pairs"]["tried"], 2, "{story}");
    let matrix: Vec<_> = ended
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("Whether data arrived"))
        .take_while(|line| !line.is_empty())
        .collect();
    insta::assert_snapshot!(matrix.join("\n"));
}

#[test]
fn no_credential_of_a_transfer_is_anywhere() {
    let bed = TestBed::new();
    // Our side is sent tokens that it should never see.
    let [one, other] = [bed.storage(&["tpc-own-token-in-url"]), bed.storage(&[])];
    endpoints(&bed, [one.url(), other.url()]);
    let mut command = bed.touchstone(&transfers(&bed));
    let ended = Ended::of(command.env("RUST_LOG", "trace")).expect(1);
    assert!(ended.stderr.len() > 10_000, "the log was on");
    let texts = bed.texts(ended);
    expect_no_secret(&bed, &texts);
    let leaked = |(_, text): &(String, String)| text.contains("TPC-14");
    assert!(texts.iter().any(leaked), "there was something to hide");
}
