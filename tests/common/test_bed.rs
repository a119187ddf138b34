//! An issuer and storage elements for tests, and the real binary run against them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use touchstone_model::{Case, Groups, Tape};
use touchstone_reference::{
    Area, Authority, Fault, IssuerOptions, ReferenceIssuer, Storage, StorageOptions, fault,
};

use super::waiting::{HANGS, NEVER};

/// The environment variable in which the binary finds the client's secret.
pub const SECRET: &str = "TOUCHSTONE_TEST_SECRET";

/// An issuer of its own and that of a second area, a folder for files and reports, and a runtime for the embedded servers.
pub struct TestBed {
    pub runtime: Runtime,
    pub authority: Authority,
    pub issuer: ReferenceIssuer,
    pub neighbour: ReferenceIssuer,
    pub folder: TempDir,
}

impl TestBed {
    pub fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let authority = Authority::new().expect("a certificate authority");
        let issuer = runtime
            .block_on(ReferenceIssuer::start(&authority, IssuerOptions::default()))
            .expect("an issuer");
        let neighbour = IssuerOptions {
            path: "/neighbour".into(),
            ..IssuerOptions::default()
        };
        let neighbour = runtime
            .block_on(ReferenceIssuer::start(&authority, neighbour))
            .expect("a second issuer");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bed = Self {
            runtime,
            authority,
            issuer,
            neighbour,
            folder,
        };
        bed.write("ca.pem", bed.authority.ca_pem());
        bed.write("key.pem", bed.issuer.test_key_pem().expose_secret());
        bed.write("rsa.pem", bed.issuer.rsa_key_pem().expose_secret());
        let key = bed.neighbour.test_key_pem().expose_secret();
        bed.write("neighbour.pem", key);
        bed
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file in the folder");
        // Some are secrets.
        let own = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, own).expect("its mode");
    }

    pub fn storage(&self, faults: &[&str]) -> Storage {
        self.start(StorageOptions {
            faults: named(faults),
            ..self.two_areas()
        })
    }

    /// The same with a tape behind it, as [`TAPE`] declares it.
    pub fn nearline(&self, faults: &[&str]) -> Storage {
        self.start(StorageOptions {
            faults: named(faults),
            tape: Some(nearline()),
            ..self.two_areas()
        })
    }

    /// The options of a storage element whose two areas trust the lab's issuers.
    pub fn two_areas(&self) -> StorageOptions {
        two_areas(&self.authority, &self.issuer, &self.neighbour)
    }

    /// The options of a storage element that trusts one issuer.
    pub fn trusting(&self, issuer: &str) -> StorageOptions {
        trusting(&self.authority, issuer)
    }

    pub fn start(&self, options: StorageOptions) -> Storage {
        self.runtime
            .block_on(Storage::start(&self.authority, options))
            .expect("a storage element")
    }

    /// Writes endpoints.yaml; `more` is added to each endpoint, indented by four. Without traits of its
    /// own an endpoint issues macaroons.
    pub fn endpoints(&self, endpoints: &[(&str, &str)], more: &str) {
        let each = endpoints.iter().map(|(name, url)| (*name, *url, more));
        self.each_endpoint(&each.collect::<Vec<_>>());
    }

    /// The same with lines for each endpoint alone: name, URL, and those. Whom to trust may be among them.
    pub fn each_endpoint(&self, endpoints: &[(&str, &str, &str)]) {
        let mut text = format!(
            "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n    limits: {{rate: 10000, answer: {NEVER}}}\n    client-credentials:\n      id: {}\n      secret-env: {SECRET}\n    test-key:\n      - {{file: key.pem, kid: {}}}\n      - {{file: rsa.pem, kid: {}}}\n  neighbour:\n    url: {}\n    ca: ca.pem\n    test-key:\n      file: neighbour.pem\nendpoints:\n",
            self.issuer.url(),
            self.issuer.client_id(),
            self.issuer.test_key_id(),
            self.issuer.rsa_key_id(),
            self.neighbour.url(),
        );
        for (name, url, more) in endpoints {
            let traits = match more.contains("traits:") {
                true => "",
                false => "    traits: {macaroons: true}\n",
            };
            let ca = match more.contains("    ca: ") {
                true => "",
                false => "    ca: ca.pem\n",
            };
            text.push_str(&format!(
                "  {name}:\n    endpoint: {url}\n    paths: {{wlcg: /wlcg}}\n    issuer: lab\n    second: {{path: /wlcg2, issuer: neighbour}}\n{ca}{traits}{more}"
            ));
        }
        self.write("endpoints.yaml", &text);
    }

    /// The binary, in the lab's folder, with nothing of the tester's environment that could matter.
    pub fn touchstone(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env(SECRET, self.issuer.client_secret().expose_secret())
            .env_remove("RUST_LOG")
            .env_remove("NO_COLOR");
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.touchstone(arguments))
    }

    /// Runs these cases, or all if none is named, at the endpoint `se`, to whose entry `more` is added, with these further
    /// arguments. Verdict and why of each case, and what was printed.
    pub fn judge(
        &self,
        url: &str,
        more: &str,
        cases: &[&str],
        arguments: &[&str],
    ) -> (BTreeMap<String, String>, String) {
        self.endpoints(&[("se", url)], more);
        let mut all = vec!["run"];
        all.extend(arguments);
        all.extend(cases.iter().flat_map(|case| ["--case", *case]));
        let ended = self.run(&all);
        assert!(matches!(ended.code, Some(0 | 1 | 3)), "{}", ended.stderr);
        (outcomes(&self.record_of(&ended)), ended.stdout)
    }

    /// The arguments of a run that listens as `localhost`, with a certificate that everybody in the lab trusts.
    pub fn listening(&self) -> [&'static str; 6] {
        let own = self.authority.certificate_for(&["localhost"]);
        let own = own.expect("a certificate");
        self.write("own.pem", &own.certificate_pem);
        self.write("own-key.pem", own.key_pem.expose_secret());
        [
            "--listen",
            "localhost",
            "--listen-certificate",
            "own.pem",
            "--listen-key",
            "own-key.pem",
        ]
    }

    /// What a run has said and left: both streams, and every file of the reports, the history among them.
    pub fn texts(&self, ended: Ended) -> Vec<(String, String)> {
        let mut texts = vec![
            ("stdout".to_owned(), ended.stdout),
            ("stderr".to_owned(), ended.stderr),
        ];
        let mut folders = vec![self.path("reports")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("reports") {
                let entry = entry.expect("an entry");
                let (path, kind) = (entry.path(), entry.file_type().expect("its kind"));
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let bytes = std::fs::read(&path).expect("a report");
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    texts.push((path.display().to_string(), text));
                }
            }
        }
        texts
    }

    /// The record of that run, which has a folder of its own; `latest` leaves parts of runs aside.
    pub fn record_of(&self, ended: &Ended) -> Value {
        let folder = ended
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("reports: "));
        let folder =
            folder.unwrap_or_else(|| panic!("no reports:\n{}\n{}", ended.stdout, ended.stderr));
        read_record(&self.path(folder).join("run.json"))
    }

    /// The newest run record, of all cases if there is one.
    pub fn record(&self) -> Value {
        read_record(&self.path("reports/latest/run.json"))
    }
}

fn trusting(authority: &Authority, issuer: &str) -> StorageOptions {
    StorageOptions {
        issuer: issuer.to_owned(),
        issuer_ca_pem: authority.ca_pem().to_owned(),
        ..StorageOptions::default()
    }
}

/// The options of a storage element for /wlcg of one issuer and /wlcg2 of another.
pub fn two_areas(
    authority: &Authority,
    issuer: &ReferenceIssuer,
    neighbour: &ReferenceIssuer,
) -> StorageOptions {
    StorageOptions {
        others: vec![Area {
            path: "/wlcg2".into(),
            issuer: neighbour.url().to_owned(),
            issuer_ca_pem: authority.ca_pem().to_owned(),
            groups: Groups::default(),
        }],
        ..trusting(authority, issuer.url())
    }
}

pub fn read_record(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a run record");
    serde_json::from_str(&text).expect("a run record in JSON")
}

/// A process that came to its end.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs it to its end without input. One that hangs is ended, and that is a failure.
    pub fn of(command: &mut Command) -> Self {
        let streams = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = streams.stdin(Stdio::null()).spawn();
        let child = child.expect("the binary runs");
        let process = Pid::from_child(&child);
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(child.wait_with_output()));
        let output = told.recv_timeout(HANGS).unwrap_or_else(|_| {
            kill_process(process, Signal::KILL).expect("a signal");
            panic!("it hangs: {command:?}")
        });
        let output = output.expect("its end");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails with both streams unless it ended with `code`.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// `(endpoint, case) -> verdict` of a record.
pub fn verdicts(record: &Value) -> std::collections::BTreeMap<(String, String), String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    record["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| {
            (
                (text(&result["endpoint"]), text(&result["case"])),
                text(&result["verdict"]),
            )
        })
        .collect()
}

/// The cases that expect a refusal in one of their steps.
pub fn denials() -> BTreeSet<String> {
    cases(|case| case.steps.iter().any(|step| step.expect.refusal()))
}

/// A file as the loader of configuration takes it.
pub fn source_file(path: &Path) -> touchstone_yaml::SourceFile {
    touchstone_yaml::SourceFile {
        name: path.display().to_string().into(),
        text: std::fs::read_to_string(path).expect("a file").into(),
    }
}

/// The cases that run with `--slow` only.
pub fn slow() -> BTreeSet<String> {
    cases(|case| case.slow)
}

/// Globs for all cases of the lists, and of the covers for every operation with little that is wrong with it, and for everything
/// with reading and writing: enough to see what becomes of covers where something else is tried.
pub fn sampled() -> Vec<String> {
    let lists = cases(|case| case.cover.is_none());
    let suites = lists.iter().filter_map(|case| case.split_once('.'));
    let suites: BTreeSet<_> = suites
        .filter(|(suite, _)| *suite != "form")
        .map(|(suite, _)| format!("{suite}.*"))
        .collect();
    let rows = [
        "cover.{none,audience-foreign,path-prefix,group-child,spelled-dots}.*",
        "cover.{read,create,modify,stage,poll}-object.*",
        "cover.{modify-and-create,destination-prefix}.*",
        "form.{json-null,unsigned,quoted,space-behind,star-for-all}.*",
        "form.{white-space,far-times,fractions}",
    ];
    suites.into_iter().chain(rows.map(str::to_owned)).collect()
}

fn cases(wanted: impl Fn(&Case) -> bool) -> BTreeSet<String> {
    let catalogue = touchstone_suite::config::load_catalogue(&[]).expect("the embedded suites");
    let cases = catalogue.cases().filter(|case| wanted(case));
    cases.map(|case| case.id.to_string()).collect()
}

/// The faults of these names.
pub fn named(faults: &[&str]) -> Vec<&'static Fault> {
    let found = faults.iter().map(|name| fault(name));
    found
        .map(|fault| fault.expect("a fault of that name"))
        .collect()
}

/// What an inventory says of storage with a tape behind it.
pub const TAPE: &str = "    traits:\n      tape: {path: /nearline, file: /nearline/some-file}\n";

/// That tape.
pub fn nearline() -> Tape {
    Tape {
        path: "/nearline".into(),
        file: "/nearline/some-file".into(),
    }
}

/// The cases with that verdict, of [`outcomes`].
pub fn with<'a>(outcomes: &'a BTreeMap<String, String>, verdict: &str) -> Vec<&'a str> {
    let found = outcomes.iter().filter(|(_, why)| why.starts_with(verdict));
    found.map(|(case, _)| case.as_str()).collect()
}

/// `case -> verdict and why` of a record with one endpoint.
pub fn outcomes(record: &Value) -> BTreeMap<String, String> {
    let results = record["results"].as_array().expect("results").iter();
    results
        .map(|result| {
            let text = |key: &str| result[key].as_str().unwrap_or_default();
            let findings = result["findings"].as_array().expect("findings").iter();
            let findings = findings.map(|finding| {
                let text = |key: &str| finding[key].as_str().unwrap_or_default();
                format!("{}: {}", text("clause"), text("actual"))
            });
            let why = std::iter::once(text("reason").to_owned()).chain(findings);
            let why: Vec<_> = why.filter(|part| !part.is_empty()).collect();
            let outcome = format!("{:5} {}", text("verdict"), why.join("; "));
            (text("case").to_owned(), outcome.trim_end().to_owned())
        })
        .collect()
}

/// Texts that look like tokens and are none: cases send them as they are.
const SUITES: &str = include_str!("../../suites/authentication.yaml");

/// Fails if an object of any run is there.
pub fn expect_no_objects(storage: &Storage) {
    let left = storage.paths();
    let ours = left.iter().find(|path| path.contains("touchstone-"));
    assert_eq!(ours, None, "{left:?}");
}

/// Fails where a secret of the laboratory, a token, a macaroon or a made-up credential stands.
pub fn expect_no_secret(bed: &TestBed, texts: &[(String, String)]) {
    let secret = bed.issuer.client_secret().expose_secret();
    let key = bed.issuer.test_key_pem().expose_secret();
    let key_line = key.lines().nth(1).expect("a PEM");
    for (name, text) in texts {
        assert!(!text.contains(secret), "the client's secret is in {name}");
        assert!(!text.contains(key_line), "the test key is in {name}");
        // What every macaroon says near its start, in base64.
        assert!(!text.contains("Y2F0aW9u"), "a macaroon is in {name}");
        assert!(
            !text.contains("made-up-"),
            "the credential for our other side is in {name}"
        );
        // Every token of a run begins with the base64url of `{"`, and has two dots.
        for (at, _) in text.match_indices("eyJ") {
            let word: String = text[at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
                .collect();
            assert!(
                (word.matches('.').count() < 2 && word.len() < 40) || SUITES.contains(&word),
                "a token is in {name}"
            );
        }
    }
}
