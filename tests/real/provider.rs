//! An OpenID provider that we did not write, npm's oidc-provider, as issuer of the tokens for a real XRootD
//! that we did not write either. `tests/run` puts the provider into place.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::common::test_bed::{Ended, SECRET, TestBed, expect_no_secret, outcomes};
use crate::common::xrootd::{Xrootd, XrootdOptions};
use secrecy::ExposeSecret;

const CLIENT: &str = "a-client";

/// The server beside its modules, which it looks up where it is.
static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let server = installed().join("server.mjs");
    std::fs::copy(source().join("server.mjs"), &server).expect("a copy of the server");
    server
});

/// A running provider; it ends with the value.
struct Provider {
    process: Child,
    url: String,
}

impl Provider {
    /// Below `path`, with a certificate of the laboratory.
    fn start(bed: &TestBed, path: &str) -> Self {
        let certificate = bed.authority.certificate().expect("a certificate");
        bed.write("provider.pem", &certificate.certificate_pem);
        bed.write("provider-key.pem", certificate.key_pem.expose_secret());
        let mut process = Command::new("node")
            .arg(&*SERVER)
            .args([bed.path("provider.pem"), bed.path("provider-key.pem")])
            .args([CLIENT, path])
            .env("CLIENT_SECRET", bed.issuer.client_secret().expose_secret())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node runs (Debian package nodejs)");
        let mut url = String::new();
        let stdout = process.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        let url = url.trim().to_owned();
        assert!(url.starts_with("https://"), "the provider did not start");
        Self { process, url }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provider")
}

/// Where `tests/run` has installed the packages.
fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("provider");
    let lock = |folder: &Path| std::fs::read(folder.join("package-lock.json")).unwrap_or_default();
    assert!(
        folder.join("node_modules").is_dir() && lock(&folder) == lock(&source()),
        "the provider is not installed in {}: run tests/run",
        folder.display()
    );
    folder
}

fn xrootd(bed: &TestBed, issuer: &str) -> Xrootd {
    let certificate = bed.authority.certificate().expect("a certificate");
    Xrootd::start(XrootdOptions {
        issuer,
        second_issuer: bed.neighbour.url(),
        ca_pem: bed.authority.ca_pem(),
        certificate_pem: &certificate.certificate_pem,
        key_pem: certificate.key_pem.expose_secret(),
    })
}

fn run(bed: &TestBed, provider: &Provider, server: &Xrootd, cases: &[&str]) -> Ended {
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  provider:\n    url: {}\n    ca: ca.pem\n    limits: {{rate: 50}}\n    client-credentials: {{id: {CLIENT}, secret-env: {SECRET}}}\nendpoints:\n  se-xrootd:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: provider\n    ca: ca.pem\n",
            provider.url,
            server.url(),
        ),
    );
    // Of the covers the snapshot has only what fails.
    let arguments: Vec<_> = ["run", "--quick", "--case"]
        .iter()
        .chain(cases)
        .copied()
        .collect();
    Ended::of(&mut bed.touchstone(&arguments))
}

/// What the same server is found to do with tokens of our own issuer.
const KNOWN: &str = include_str!(
    "snapshots/real__xrootd__every_case_has_its_verdict_and_the_tree_is_as_before.snap"
);

fn known() -> BTreeMap<String, String> {
    let document = KNOWN.splitn(3, "---\n").nth(2).expect("a snapshot");
    serde_yaml::from_str(document).expect("outcomes")
}

/// `pass` of `pass  …`.
fn verdict(outcome: &str) -> &str {
    outcome.split_ascii_whitespace().next().unwrap_or_default()
}

#[test]
fn storage_is_judged_the_same_by_tokens_of_a_provider_that_we_did_not_write() {
    let bed = TestBed::new();
    let provider = Provider::start(&bed, "/vo");
    let server = xrootd(&bed, &provider.url);
    let before = server.snapshot();
    let ended = run(&bed, &provider, &server, &["*"]);
    assert_eq!(ended.code, Some(1), "{ended:?}\n{}", server.log_tail());
    assert_eq!(server.snapshot(), before);
    let known = known();
    let found = outcomes(&bed.record());
    let judged = |outcome: &&String| !outcome.starts_with("skip");
    assert!(found.values().filter(judged).count() > 150, "{found:#?}");
    for (case, outcome) in &found {
        match verdict(outcome) {
            "skip" => assert!(outcome.len() > 20, "{case} says why: {outcome}"),
            verdict_here => assert_eq!(verdict_here, verdict(&known[case]), "{case}: {outcome}"),
        }
    }
    // What reads and writes is not skipped, and where it is, the provider is the reason.
    for (case, outcome) in found
        .iter()
        .filter(|(case, _)| case.starts_with("capability."))
    {
        let told = outcome.contains("`provider`");
        assert!(told || judged(&outcome), "{case}: {outcome}");
    }
    for case in [
        "capability.read.get",
        "capability.create.put",
        "capability.modify.put",
    ] {
        let outcome = &found[case];
        assert!(
            matches!(verdict(outcome), "pass" | "warn"),
            "{case}: {outcome}"
        );
    }
    // It gives a token one audience, and no groups on request.
    let one = &found["audience.array.first"];
    assert!(one.contains("invalid_target"), "{one}");
    let group = &found["group.protected.privileged"];
    assert!(group.contains("invalid_scope"), "{group}");
    expect_no_secret(&bed, &bed.texts(ended));
}

#[test]
fn an_identifier_without_a_path_is_taken_as_well() {
    let bed = TestBed::new();
    let provider = Provider::start(&bed, "");
    let server = xrootd(&bed, &provider.url);
    let ended = run(&bed, &provider, &server, &["capability.read.get"]).expect(0);
    assert_eq!(
        verdict(&outcomes(&bed.record())["capability.read.get"]),
        "pass"
    );
    expect_no_secret(&bed, &bed.texts(ended));
}
