//! `clauses.yaml`: the register of clauses.

use std::collections::BTreeMap;
use std::sync::Arc;

use touchstone_model::{
    Basis, Clause, ClauseId, Document, Level, Place, Profile, Quotation, Severity,
};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::Entry;
use touchstone_yaml::suggestions::suggestion;
use touchstone_yaml::tree::Kind;

pub(super) const FILE_KEYS: [&str; 2] = ["documents", "clauses"];
pub(super) const DOCUMENT_KEYS: [&str; 4] = ["title", "file", "commit", "url"];
pub(super) const TEXT_KEYS: [&str; 3] = ["document", "place", "quote"];
pub(super) const KEYS: [&str; 9] = [
    "id",
    "source",
    "since",
    "basis",
    "level",
    "severity",
    "requirement",
    "untestable",
    "text",
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

/// What the registers so far hold.
#[derive(Default)]
pub(super) struct Registers {
    /// The ids of their clauses.
    ids: BTreeMap<ClauseId, Place>,
    /// What they quote from.
    pub documents: Vec<Document>,
}

/// Reads a register; its documents join those of the registers before.
pub(super) fn read(d: &mut Diagnostics<'_>, root: Entry<'_>, seen: &mut Registers) -> Vec<Clause> {
    let Some(fields) = root.fields(d, "a register of clauses", &FILE_KEYS) else {
        return Vec::new();
    };
    let documents = fields
        .get("documents")
        .and_then(|entry| entry.named(d))
        .unwrap_or_default();
    for entry in documents {
        if let Some(document) = document(d, entry, &seen.documents) {
            seen.documents.push(document);
        }
    }
    let clauses = fields
        .require(d, "clauses")
        .and_then(|list| list.items(d))
        .unwrap_or_default();
    clauses
        .into_iter()
        .filter_map(|entry| clause(d, entry, seen))
        .collect()
}

fn document(d: &mut Diagnostics<'_>, entry: Entry<'_>, seen: &[Document]) -> Option<Document> {
    let name = entry.name;
    let fields = entry.fields(d, "a document", &DOCUMENT_KEYS)?;
    if seen.iter().any(|document| document.name == name) {
        d.error(entry.key, format!("the document `{name}` is there twice"))
            .help("a register may quote what the registers before it name");
        return None;
    }
    let title = fields.require(d, "title").and_then(|entry| entry.text(d));
    let url = fields.require(d, "url").and_then(|entry| entry.text(d));
    let file = optional(d, fields.get("file"));
    let commit = optional(d, fields.get("commit"));
    Some(Document {
        name: name.to_owned(),
        title: title?.to_owned(),
        file: file?,
        commit: commit?,
        url: url?.to_owned(),
    })
}

/// The quotations of a clause.
fn quotations(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    documents: &[Document],
) -> Option<Vec<Quotation>> {
    let entries = entry.items(d)?;
    let quotations: Vec<_> = entries
        .into_iter()
        .map(|entry| quotation(d, entry, documents))
        .collect();
    quotations.into_iter().collect()
}

fn quotation(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    documents: &[Document],
) -> Option<Quotation> {
    let fields = entry.fields(d, "a quotation", &TEXT_KEYS)?;
    let document = fields.require(d, "document").and_then(|entry| {
        let name = entry.text(d)?;
        let found = documents.iter().find(|document| document.name == name);
        if found.is_none() {
            let draft = d.error(entry.mark(), format!("there is no document `{name}`"));
            let names = documents.iter().map(|document| document.name.as_str());
            if let Some(help) = suggestion(name, names) {
                draft.help(help);
            }
        }
        found
    });
    let place = fields.require(d, "place").and_then(|entry| entry.text(d));
    let quote = fields.require(d, "quote").and_then(|entry| entry.text(d));
    let document = document?;
    Some(Quotation {
        document: document.name.clone(),
        title: document.title.clone(),
        place: place?.to_owned(),
        quote: quote?.to_owned(),
    })
}

/// A text that may be missing: `None` only where what is there is none.
fn optional(d: &mut Diagnostics<'_>, entry: Option<Entry<'_>>) -> Option<Option<String>> {
    match entry {
        Some(entry) => entry.text(d).map(|text| Some(text.to_owned())),
        None => Some(None),
    }
}

fn clause(d: &mut Diagnostics<'_>, entry: Entry<'_>, seen: &mut Registers) -> Option<Clause> {
    let fields = entry.fields(d, "a clause", &KEYS)?;
    let id = fields.require(d, "id").and_then(|entry| {
        let id = clause_id(d, entry)?;
        let at = Place {
            file: Arc::clone(&d.source.name),
            line: entry.value.at.line,
        };
        if let Some(first) = seen.ids.get(&id) {
            d.error(
                entry.mark(),
                format!("the clause `{id}` is there twice, first in {first}"),
            );
            return None;
        }
        seen.ids.insert(id.clone(), at);
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
    let untestable = optional(d, fields.get("untestable"));
    let text = match fields.get("text") {
        Some(entry) => quotations(d, entry, &seen.documents),
        None => Some(Vec::new()),
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
        text: text?,
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
