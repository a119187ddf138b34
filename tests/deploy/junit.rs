//! The JUnit report as others read it: Jenkins' own schema, and a parser from PyPI. `tests/run` puts both into place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::fleet::{HOSTILE, Plan, record, usual};
use touchstone_model::{CaseResult, EndpointRecord, RecordKind, RunRecord, Verdict};

fn plan(text: &'static str) -> Plan {
    Plan {
        endpoints: 9,
        cases: 40,
        text,
        verdict: usual,
        different: false,
        body: 300,
    }
}

/// A run of all with all, with an issuer beside the storage.
fn everything(text: &'static str) -> RunRecord {
    let mut record = record(&plan(text));
    let names: Vec<String> = record.endpoints.iter().map(|e| e.name.clone()).collect();
    let first = record.results.first().expect("a result").clone();
    for (own, partner) in names.iter().zip(names.iter().skip(1)) {
        for verdict in [Verdict::Pass, Verdict::Fail] {
            let case = match verdict {
                Verdict::Pass => "tpc.pair.pull",
                _ => "tpc.pair.push",
            };
            record.results.push(CaseResult {
                endpoint: own.clone(),
                suite: "tpc".into(),
                case: case.parse().expect("an id"),
                partner: Some(partner.clone()),
                verdict,
                known: None,
                ..first.clone()
            });
        }
    }
    let issuer = "issuer:wlcg".to_owned();
    record.endpoints.push(EndpointRecord {
        name: issuer.clone(),
        kind: RecordKind::Issuer,
        ..record.endpoints.first().expect("an endpoint").clone()
    });
    record.results.push(CaseResult {
        endpoint: issuer,
        ..first
    });
    record
}

fn written(name: &str, record: &RunRecord) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let text = touchstone_report::junit::write(record).expect("a report");
    std::fs::write(&file, text).expect("the report is written");
    file
}

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/junit")
        .join(name)
}

fn valid(file: &Path) {
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(beside("junit-10.xsd"))
        .arg(file)
        .output()
        .expect("xmllint runs (Debian package libxml2-utils)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Suite, class, name and verdict of each case, as the parser from PyPI understands them.
fn read(file: &Path) -> Vec<[String; 4]> {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("venv/bin/python");
    assert!(
        python.exists(),
        "{} is not there: run tests/run",
        python.display()
    );
    let output = Command::new(python)
        .arg(beside("read.py"))
        .arg(file)
        .output()
        .expect("python runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("what it found")
}

/// The same by the record.
fn told(record: &RunRecord) -> Vec<[String; 4]> {
    let verdict = |result: &CaseResult| match result.verdict {
        Verdict::Pass | Verdict::Warn => "pass",
        Verdict::Fail if result.red() => "fail",
        Verdict::Fail | Verdict::Skip => "skip",
        Verdict::Error => "error",
    };
    let of = |endpoint: &EndpointRecord| {
        let name = endpoint.name.clone();
        let results = record.results.iter().filter(move |r| r.endpoint == name);
        results.map(|r| {
            let class = format!("{}.{}", r.endpoint, r.suite);
            [r.endpoint.clone(), class, r.name(), verdict(r).to_owned()]
        })
    };
    record.endpoints.iter().flat_map(of).collect()
}

#[test]
fn jenkins_and_a_stranger_read_what_was_found() {
    for (name, text) in [
        ("usual", ""),
        ("hostile", HOSTILE),
        ("forged", "]]></system-out><failure type='x'/>"),
    ] {
        let record = everything(text);
        let file = written(&format!("junit-{name}.xml"), &record);
        valid(&file);
        let found = read(&file);
        assert_eq!(found, told(&record), "{name}");
        let kinds: BTreeSet<&str> = found.iter().map(|[.., kind]| kind.as_str()).collect();
        assert_eq!(kinds, BTreeSet::from(["error", "fail", "pass", "skip"]));
    }
}

#[test]
fn trends_have_one_case_each_and_lose_none() {
    let before = everything("");
    let mut after = everything("other words");
    after.run.id = "20270101t000000z-aaaaaa".parse().expect("an id");
    after.run.started = "2027-01-01T00:00:00Z".parse().expect("a time");
    let keys = |name: &str, record: &RunRecord| {
        let mut keys = BTreeMap::new();
        for [_, class, name, _] in read(&written(name, record)) {
            *keys.entry((class, name)).or_insert(0) += 1;
        }
        keys
    };
    let (one, other) = (
        keys("junit-before.xml", &before),
        keys("junit-after.xml", &after),
    );
    assert_eq!(one, other, "names do not depend on the run");
    assert_eq!(
        one.len(),
        before.results.len(),
        "GitLab drops one of two with the same name"
    );
    assert!(
        one.keys()
            .any(|(class, _)| class.starts_with("issuer:wlcg."))
    );
    assert!(
        one.keys()
            .any(|(_, name)| name == "tpc.pair.pull with se-001.example.org")
    );
}
