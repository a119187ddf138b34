//! Storage elements side by side in one run, each with a trouble of its own.

use std::time::{Duration, Instant};

use touchstone::reference::Storage;

use crate::common::lab::{Ended, Lab};

/// A case that writes, looks, and cleans up.
pub const CASE: &str = "capability.create.no-overwrite";

/// An endpoint, and the good storage that stands behind whatever is between.
pub struct Row<F> {
    pub name: String,
    pub url: String,
    /// Further lines of its entry, indented by four.
    pub more: String,
    pub storage: Storage,
    pub front: F,
}

/// What came of a run.
pub struct Came {
    pub ended: Ended,
    pub took: Duration,
    /// One for each row.
    pub results: Vec<Outcome>,
}

pub struct Outcome {
    /// Verdict, reason, and what was found.
    pub text: String,
    /// What stayed on the storage, and what the record says of it.
    pub left: Vec<String>,
    pub told: String,
}

impl Outcome {
    /// Fails unless the storage is as it was before.
    pub fn expect_nothing_left(&self, name: &str) {
        assert_eq!(self.left, [""; 0], "{name}: {}", self.text);
        assert_eq!(self.told, "[]", "{name}: {}", self.text);
    }
}

/// Runs a case at all rows.
pub fn run<F>(lab: &Lab, rows: &[Row<F>], arguments: &[&str]) -> Came {
    let lines = rows.iter().map(|row| {
        format!(
            "    audience: {}\n    limits: {{preflight: 5s, connect: 2s, first-byte: 3s, idle: 3s, case: 20s}}\n{}",
            row.storage.url(),
            row.more
        )
    });
    let lines: Vec<_> = lines.collect();
    let entries = rows.iter().zip(&lines);
    let entries = entries.map(|(row, lines)| (row.name.as_str(), row.url.as_str(), lines.as_str()));
    lab.each_endpoint(&entries.collect::<Vec<_>>());
    let before: Vec<_> = rows.iter().map(|row| row.storage.paths()).collect();
    let begun = Instant::now();
    let ended = lab.run(&[&["run"], arguments].concat());
    let took = begun.elapsed();
    let record = lab.record();
    let results = record["results"].as_array().expect("results");
    let outcome = |(row, before): (&Row<F>, &Vec<String>)| {
        let mut results = results.iter();
        let result = results.find(|one| one["endpoint"] == row.name.as_str());
        let result = result.expect("a result");
        let mut parts = vec![result["verdict"].as_str().unwrap_or_default().to_owned()];
        parts.extend(result["reason"].as_str().map(str::to_owned));
        for finding in result["findings"].as_array().expect("findings") {
            parts.push(finding["actual"].as_str().unwrap_or_default().to_owned());
        }
        let mut left = row.storage.paths();
        left.retain(|path| !before.contains(path));
        Outcome {
            text: parts.join(" "),
            left,
            told: result["cleanup"].to_string(),
        }
    };
    Came {
        results: rows.iter().zip(&before).map(outcome).collect(),
        ended,
        took,
    }
}
