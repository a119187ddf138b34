//! Storage elements side by side in one run, each with a trouble of its own.

use serde_json::Value;
use touchstone_reference::Storage;

use crate::common::test_bed::{Ended, TestBed};
use crate::common::waiting::NEVER;

/// A case that writes, looks, and cleans up.
pub const CASE: &str = "capability.create.no-overwrite";

/// An endpoint, and the good storage that stands behind whatever is between.
pub struct Row<F> {
    pub name: String,
    pub url: String,
    pub jobs: usize,
    /// Of its limits of time, those that are tried, after a comma; the others do not matter.
    pub limits: &'static str,
    /// Further lines of its entry, indented by four.
    pub more: String,
    pub storage: Storage,
    pub front: F,
}

impl<F> Row<F> {
    /// With nothing further in its entry.
    pub fn new(name: &str, url: String, storage: Storage, front: F) -> Self {
        Self {
            name: name.to_owned(),
            url,
            jobs: 8,
            limits: "",
            more: String::new(),
            storage,
            front,
        }
    }

    pub fn with(self, more: &str) -> Self {
        Self {
            more: more.to_owned(),
            ..self
        }
    }
}

/// What came of a run.
pub struct Came {
    pub ended: Ended,
    /// One for each row.
    pub results: Vec<Outcome>,
}

pub struct Outcome {
    /// Verdict, reason, and what was found, of the first case and of all.
    pub text: String,
    pub all: Vec<String>,
    /// What stayed on the storage, and what the record says of it.
    pub left: Vec<String>,
    pub told: String,
}

impl Outcome {
    /// Fails unless the storage is as it was before.
    pub fn expect_nothing_left(&self, name: &str) {
        assert_eq!(self.left, [""; 0], "{name}: {}", self.text);
        assert_eq!(self.told, "", "{name}: {}", self.text);
    }
}

fn said(result: &Value) -> String {
    let mut parts = vec![result["verdict"].as_str().unwrap_or_default().to_owned()];
    parts.extend(result["reason"].as_str().map(str::to_owned));
    for finding in result["findings"].as_array().expect("findings") {
        parts.push(finding["actual"].as_str().unwrap_or_default().to_owned());
    }
    parts.join(" ")
}

/// Runs a case at all rows.
pub fn run<F>(bed: &TestBed, rows: &[Row<F>], arguments: &[&str]) -> Came {
    let lines = rows.iter().map(|row| {
        let tried = |name: &str| row.limits.contains(&format!("{name}: "));
        let patient = ["preflight", "connect", "first-byte", "idle", "case"];
        let patient = patient.iter().filter(|name| !tried(name));
        let patient: Vec<_> = patient.map(|name| format!(", {name}: {NEVER}")).collect();
        format!(
            "    audience: {}\n    limits: {{jobs: {}{}{}}}\n{}",
            row.storage.url(),
            row.jobs,
            row.limits,
            patient.concat(),
            row.more
        )
    });
    let lines: Vec<_> = lines.collect();
    let entries = rows.iter().zip(&lines);
    let entries = entries.map(|(row, lines)| (row.name.as_str(), row.url.as_str(), lines.as_str()));
    bed.each_endpoint(&entries.collect::<Vec<_>>());
    let before: Vec<_> = rows.iter().map(|row| row.storage.paths()).collect();
    let ended = bed.run(&[&["run"], arguments].concat());
    assert!(bed.path("reports/latest").exists(), "{ended:?}");
    let record = bed.record();
    let results = record["results"].as_array().expect("results");
    let outcome = |(row, before): (&Row<F>, &Vec<String>)| {
        let own = results.iter();
        let own: Vec<_> = own
            .filter(|one| one["endpoint"] == row.name.as_str())
            .collect();
        let all: Vec<_> = own.iter().map(|result| said(result)).collect();
        let told = own.iter().filter_map(|result| result.get("cleanup"));
        let told: Vec<_> = told.map(Value::to_string).collect();
        let mut left = row.storage.paths();
        left.retain(|path| !before.contains(path));
        Outcome {
            text: all.first().expect("a result").clone(),
            all,
            left,
            told: told.concat(),
        }
    };
    Came {
        results: rows.iter().zip(&before).map(outcome).collect(),
        ended,
    }
}
