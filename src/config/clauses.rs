//! `clauses.yaml`: the register of clauses.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnostics::Diagnostics;
use super::fields::Entry;
use super::tree::Kind;
use crate::model::{Basis, Clause, ClauseId, Level, Place, Profile, Severity};

pub(super) const FILE_KEYS: [&str; 1] = ["clauses"];
pub(super) const KEYS: [&str; 8] = [
    "id",
    "source",
    "since",
    "basis",
    "level",
    "severity",
    "requirement",
    "untestable",
];

pub(super) const BASES: [(&str, Basis); 3] = [
    ("stated", Basis::Stated),
    ("rfc", Basis::Rfc),
    ("derived", Basis::Derived),
];

pub(super) const LEVELS: [(&str, Level); 5] = [
    ("MUST", Level::Must),
    ("MUST NOT", Level::MustNot),
    ("SHOULD", Level::Should),
    ("SHOULD NOT", Level::ShouldNot),
    ("MAY", Level::May),
];

pub(super) const SEVERITIES: [(&str, Severity); 2] = [
    ("critical", Severity::Critical),
    ("not-critical", Severity::NotCritical),
];

/// Reads a register; `seen` holds the ids of all registers so far.
pub(super) fn read(
    d: &mut Diagnostics<'_>,
    root: Entry<'_>,
    seen: &mut BTreeMap<ClauseId, Place>,
) -> Vec<Clause> {
    let clauses = root
        .fields(d, "a register of clauses", &FILE_KEYS)
        .and_then(|fields| fields.require(d, "clauses"))
        .and_then(|list| list.items(d));
    clauses
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| clause(d, entry, seen))
        .collect()
}

fn clause(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    seen: &mut BTreeMap<ClauseId, Place>,
) -> Option<Clause> {
    let fields = entry.fields(d, "a clause", &KEYS)?;
    let id = fields.require(d, "id").and_then(|entry| {
        let id = clause_id(d, entry)?;
        let at = Place {
            file: Arc::clone(&d.source.name),
            line: entry.value.at.line,
        };
        if let Some(first) = seen.get(&id) {
            d.error(
                entry.mark(),
                format!("the clause `{id}` is there twice, first in {first}"),
            );
            return None;
        }
        seen.insert(id.clone(), at);
        Some(id)
    });
    let source = fields.require(d, "source").and_then(|entry| entry.text(d));
    let since = match fields.get("since") {
        Some(entry) => profile(d, entry).map(Some),
        None => Some(None),
    };
    let basis = fields
        .require(d, "basis")
        .and_then(|entry| entry.word(d, &BASES));
    let level = fields
        .require(d, "level")
        .and_then(|entry| entry.word(d, &LEVELS));
    let severity = fields
        .require(d, "severity")
        .and_then(|entry| entry.word(d, &SEVERITIES));
    let requirement = fields
        .require(d, "requirement")
        .and_then(|entry| entry.text(d));
    let untestable = match fields.get("untestable") {
        Some(entry) => entry.text(d).map(|reason| Some(reason.to_owned())),
        None => Some(None),
    };
    Some(Clause {
        id: id?,
        source: source?.to_owned(),
        since: since?,
        basis: basis?,
        level: level?,
        severity: severity?,
        requirement: requirement?.to_owned(),
        untestable: untestable?,
    })
}

/// The id of a clause, whether there is one or not.
pub(super) fn clause_id(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<ClauseId> {
    let text = entry.text(d)?;
    text.parse()
        .map_err(|reason: &str| {
            d.error(entry.mark(), format!("`{text}` is no id of a clause"))
                .help(reason);
        })
        .ok()
}

/// A version of the profile, with or without quotes.
pub(super) fn profile(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Profile> {
    let text = match &entry.value.kind {
        Kind::Float(number) => format!("{number:?}"),
        Kind::Integer(number) => number.to_string(),
        _ => entry.text(d)?.to_owned(),
    };
    text.parse()
        .map_err(|reason: &str| {
            d.error(
                entry.mark(),
                format!("`{text}` is no version of the profile"),
            )
            .help(reason);
        })
        .ok()
}
