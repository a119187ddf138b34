use std::collections::BTreeMap;

use serde_json::Value;

use super::super::Judge;
use super::{FINDINGS, json, plain, shown, value};
use touchstone_model::{Answer, Finding, TapeCall};

/// Where a file can be.
const WORDS: [&str; 6] = [
    "DISK",
    "TAPE",
    "DISK_AND_TAPE",
    "LOST",
    "NONE",
    "UNAVAILABLE",
];

/// What is said of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locality {
    /// Where it is.
    pub locality: Option<String>,
    /// Why that is not said.
    pub error: Option<String>,
}

/// Where files are, by their cleaned paths, as far as the answer to `archiveinfo` makes sense.
///
/// # Errors
/// What it is instead, in words.
pub fn localities(answer: &Answer) -> Result<BTreeMap<String, Locality>, String> {
    let Value::Array(entries) = json(answer)? else {
        return Err("JSON that is no list".into());
    };
    let text = |entry: &Value, name: &str| {
        let text = entry.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(ToOwned::to_owned)
    };
    let entry = |entry: &Value| {
        let path = plain(entry.get("path")?.as_str()?);
        let told = Locality {
            locality: text(entry, "locality"),
            error: text(entry, "error"),
        };
        Some((path, told))
    };
    Ok(entries.iter().filter_map(entry).collect())
}

/// Whether a file that was on tape alone is on disk now.
pub fn came_to_disk(before: Option<&Locality>, after: Option<&Locality>) -> bool {
    let is = |one: Option<&Locality>, words: &[&str]| {
        let word = one.and_then(|one| one.locality.as_deref());
        word.is_some_and(|word| words.contains(&word))
    };
    is(before, &["TAPE"]) && is(after, &["DISK", "DISK_AND_TAPE"])
}

/// Whether a file that was on disk is on tape alone now.
pub fn left_disk(before: Option<&Locality>, after: Option<&Locality>) -> bool {
    came_to_disk(after, before)
}

/// Whether the answer tells where the files are that were asked for, and nothing of those in `except`.
pub fn archiveinfo(
    judge: Judge<'_>,
    call: &TapeCall,
    alike: bool,
    answer: &Answer,
) -> Vec<Finding> {
    // What is sent in place of the usual body may be about other files.
    if call.further > 0 && answer.truncated {
        return Vec::new();
    }
    let entries = match json(answer) {
        Ok(Value::Array(entries)) => entries,
        Ok(_) => return vec![judge.own("a list of files", "JSON that is no list")],
        Err(reason) => return vec![judge.own("a list of files in JSON", reason)],
    };
    let mut findings = Vec::new();
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &entries {
        let path = entry.get("path").and_then(Value::as_str).map(plain);
        match path {
            Some(path) => *told.entry(path).or_default() += 1,
            None => findings.push(judge.own("a path in each entry", value(entry.get("path")))),
        }
        findings.extend(locality(judge, entry).filter(|_| judge.cites("TAPE-14")));
    }
    let files = localities(answer).unwrap_or_default();
    for file in &call.files {
        let path = plain(file);
        let entry = files.get(&path);
        let known = entry.and_then(|entry| entry.locality.as_deref());
        if told.get(&path).is_some_and(|count| *count > 1) {
            findings.push(judge.own(format!("one entry for {path}"), "several"));
        }
        if call.except.contains(file) {
            if let Some(known) = known {
                findings.push(judge.own(format!("no locality for {path}"), shown(known)));
            }
        } else if known.is_none() && call.further == 0 {
            let actual = match entry.and_then(|entry| entry.error.as_deref()) {
                Some(error) => format!("the error {}", shown(error)),
                None => "none".into(),
            };
            findings.push(judge.own(format!("a locality for {path}"), actual));
        }
    }
    findings.truncate(FINDINGS);
    if alike {
        findings.extend(tells_apart(judge, call, &files));
    }
    findings
}

/// The rules for one entry. An error beside a locality is lawful: it says that the file is unlikely to get to tape.
fn locality(judge: Judge<'_>, entry: &Value) -> Option<Finding> {
    let word = entry.get("locality").filter(|value| !value.is_null());
    let known = word.is_none_or(|word| word.as_str().is_some_and(|word| WORDS.contains(&word)));
    (!known).then(|| {
        let expected = format!("a locality of {}", WORDS.join(", "));
        judge.of("TAPE-14", expected, value(word))
    })
}

/// Whether the errors of what is refused tell what is there from what is not.
fn tells_apart(
    judge: Judge<'_>,
    call: &TapeCall,
    files: &BTreeMap<String, Locality>,
) -> Option<Finding> {
    let mut kinds = call.except.iter().map(|file| {
        let path = plain(file);
        let error = files.get(&path).and_then(|entry| entry.error.clone());
        // The path itself may well be part of the text.
        error.map(|error| error.replace(&path, "").replace(file.as_str(), ""))
    });
    let first = kinds.next()?;
    let other = kinds.find(|kind| *kind != first)?;
    let text = |kind: &Option<String>| kind.as_deref().map_or("none".to_owned(), shown);
    let actual = format!("{} and {}", text(&first), text(&other));
    Some(judge.own("the same error for what is there and what is not", actual))
}
