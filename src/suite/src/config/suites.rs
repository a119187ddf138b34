//! `suites/*.yaml`: files of cases.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clauses::{SEVERITIES, clause_id};
use super::macaroons;
use super::{asks, clauses, covers, preconditions, steps, terms};
use touchstone_model::{
    Arrangement, Case, CaseId, Clause, ClauseId, CopySide, Interface, IssuerStep, Place, Step,
    Suite,
};
use touchstone_yaml::diagnostics::{Diagnostics, Mark};
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::suggestion;

pub(super) const KEYS: [&str; 4] = ["suite", "about", "cases", "covers"];
/// A suite has cases, or tables from which they are made, or both.
pub(super) const CONTENT_KEYS: [&str; 2] = ["cases", "covers"];
pub(super) const CASE_KEYS: [&str; 13] = [
    "id",
    "title",
    "risk",
    "clauses",
    "severity",
    "since",
    "until",
    "intrusive",
    "issuer-path",
    "slow",
    "given",
    "steps",
    "asks",
];

pub(super) const GIVEN_KEYS: [&str; 2] = ["file", "directory"];

/// What the files before have defined.
#[derive(Default)]
pub(super) struct Known {
    pub clauses: Vec<Clause>,
    pub suites: BTreeMap<String, Place>,
    pub cases: BTreeMap<CaseId, Place>,
}

/// Reads one file of cases.
pub(super) fn read(d: &mut Diagnostics<'_>, root: Entry<'_>, known: &mut Known) -> Option<Suite> {
    let fields = root.fields(d, "a suite", &KEYS)?;
    let name = fields.require(d, "suite").and_then(|entry| {
        let name = suite_name(d, entry)?;
        let at = place(d, entry.mark());
        match known.suites.get(name) {
            Some(first) => {
                d.error(
                    entry.mark(),
                    format!("the suite `{name}` is there twice, first in {first}"),
                )
                .help("give this one another name");
            }
            None => {
                known.suites.insert(name.to_owned(), at);
            }
        }
        Some(name)
    });
    let about = fields.require(d, "about").and_then(|entry| entry.text(d));
    let [listed, tables] = CONTENT_KEYS.map(|key| fields.get(key));
    if listed.or(tables).is_none() && !CONTENT_KEYS.iter().any(|key| fields.misspelt(key)) {
        d.error(fields.at, "a suite needs the key `cases` or `covers`");
    }
    let listed = listed.and_then(|entry| some_items(d, entry));
    let mut cases = Vec::new();
    for entry in listed.into_iter().flatten() {
        cases.extend(case(d, entry, name, known));
    }
    let tables = tables.and_then(|entry| some_items(d, entry));
    for entry in tables.into_iter().flatten() {
        cases.extend(covers::read(d, entry, name, known));
    }
    let cases = cases.into_iter().map(Arc::new).collect();
    Some(Suite {
        name: name?.to_owned(),
        about: about?.to_owned(),
        cases,
    })
}

/// The items of a list that has to have some.
pub(super) fn some_items<'n>(d: &mut Diagnostics<'_>, entry: Entry<'n>) -> Option<Vec<Entry<'n>>> {
    let items = entry.items(d)?;
    if items.is_empty() {
        d.error(entry.mark(), format!("`{}` is empty", entry.name));
        return None;
    }
    Some(items)
}

pub(super) fn place(d: &Diagnostics<'_>, mark: Mark) -> Place {
    Place {
        file: Arc::clone(&d.source.name),
        line: mark.at.line,
    }
}

fn suite_name<'n>(d: &mut Diagnostics<'_>, entry: Entry<'n>) -> Option<&'n str> {
    let name = entry.text(d)?;
    // The name is the first word of the ids of its cases.
    if name.contains('.') || format!("{name}.x").parse::<CaseId>().is_err() {
        d.error(entry.mark(), format!("`{name}` is no name of a suite"))
            .help("a suite is named by a lower-case word, such as `path`");
        return None;
    }
    Some(name)
}

pub(super) fn case(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    suite: Option<&str>,
    known: &mut Known,
) -> Option<Case> {
    let fields = entry.fields(d, "a case", &CASE_KEYS)?;
    let id = fields
        .require(d, "id")
        .and_then(|entry| case_id(d, entry, suite, known));
    let title = fields.require(d, "title").and_then(|entry| entry.text(d));
    let risk = fields.require(d, "risk").and_then(|entry| entry.text(d));
    let judged = judged(d, &fields, &known.clauses);
    let severity = fields
        .require(d, "severity")
        .and_then(|entry| entry.word(d, &SEVERITIES));
    let profiles = ["since", "until"].map(|name| {
        fields
            .get(name)
            .and_then(|entry| clauses::profile(d, entry))
    });
    let [intrusive, slow, issuer_path] = ["intrusive", "slow", "issuer-path"].map(|name| {
        let entry = fields.get(name);
        entry.and_then(|entry| entry.boolean(d)).unwrap_or_default()
    });
    let (given, steps, asks) = match fields.get("asks") {
        Some(entry) => (Some(Vec::new()), Some(Vec::new()), asks(d, &fields, entry)),
        None => (given(d, &fields), sent(d, &fields), Some(Vec::new())),
    };
    let (given, steps) = (given?, steps?);
    preconditions::check(d, &given, &steps);
    terms::check(d, judged.as_deref().unwrap_or_default(), &steps);
    for (mark, step) in &steps {
        if !intrusive
            && let Interface::Transfer(transfer) = &step.interface
            && matches!(transfer.side, CopySide::Url(_))
        {
            d.error(*mark, "a COPY from or to a `url` is `intrusive`")
                .help("add `intrusive: true` to the case, so that it runs only when asked for");
        }
    }
    macaroons::check_order(d, &steps);
    Some(Case {
        id: id?,
        suite: suite?.to_owned(),
        title: title?.to_owned(),
        risk: risk?.to_owned(),
        clauses: judged?,
        severity: severity?,
        profiles: (profiles[0], profiles[1]),
        intrusive,
        issuer_path,
        slow,
        given: given.into_iter().map(|(_, object)| object).collect(),
        steps: steps.into_iter().map(|(_, step)| step).collect(),
        asks: asks?,
        cover: None,
        at: place(d, entry.key),
    })
}

/// The steps, each with the place that says so.
fn sent(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Vec<(Mark, Step)>> {
    let entry = fields.require(d, "steps")?;
    let steps: Vec<Option<(Mark, Step)>> = some_items(d, entry)?
        .into_iter()
        .map(|item| Some((item.key, steps::read(d, item)?)))
        .collect();
    steps.into_iter().collect()
}

/// What is asked of an issuer; nothing is sent to storage then.
fn asks(d: &mut Diagnostics<'_>, fields: &Fields<'_>, entry: Entry<'_>) -> Option<Vec<IssuerStep>> {
    for other in ["given", "steps", "issuer-path"] {
        if let Some(other) = fields.get(other) {
            let message = format!("`asks` and `{}` exclude each other", other.name);
            d.error(other.key, message);
        }
    }
    let items = some_items(d, entry)?;
    asks::read(d, items)
}

fn case_id(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    suite: Option<&str>,
    known: &mut Known,
) -> Option<CaseId> {
    let text = entry.text(d)?;
    let id: CaseId = match text.parse() {
        Ok(id) => id,
        Err(reason) => {
            d.error(entry.mark(), format!("`{text}` is no id of a case"))
                .help(reason);
            return None;
        }
    };
    if let Some(suite) = suite
        && text.split('.').next() != Some(suite)
    {
        d.error(
            entry.mark(),
            format!("the ids of this suite start with `{suite}.`"),
        );
    }
    if let Some(first) = known.cases.get(&id) {
        d.error(
            entry.mark(),
            format!("the case `{id}` is there twice, first in {first}"),
        );
        return None;
    }
    known.cases.insert(id.clone(), place(d, entry.mark()));
    Some(id)
}

fn judged(d: &mut Diagnostics<'_>, fields: &Fields<'_>, known: &[Clause]) -> Option<Vec<ClauseId>> {
    let entry = fields.require(d, "clauses")?;
    let mut ids: Vec<ClauseId> = Vec::new();
    for item in some_items(d, entry)? {
        let Some(id) = clause_id(d, item) else {
            continue;
        };
        if ids.contains(&id) {
            d.error(item.mark(), format!("the clause `{id}` is there twice"));
        } else {
            citable(d, item, &id, known);
        }
        ids.push(id);
    }
    Some(ids)
}

/// Says so if a case may not cite the clause.
fn citable(d: &mut Diagnostics<'_>, item: Entry<'_>, id: &ClauseId, known: &[Clause]) {
    let Some(clause) = known.iter().find(|clause| clause.id == *id) else {
        let draft = d.error(item.mark(), format!("there is no clause `{id}`"));
        match suggestion(id.as_str(), known.iter().map(|clause| clause.id.as_str())) {
            Some(help) => draft.help(help),
            None => draft.help("`touchstone list clauses` shows them"),
        };
        return;
    };
    if let Some(reason) = &clause.untestable {
        d.error(
            item.mark(),
            format!("no case can judge the clause `{id}`, says the register: {reason}"),
        )
        .help("cite another clause");
    }
}

/// The objects that are there before the steps, each with the place that says so.
fn given(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Vec<(Mark, Arrangement)>> {
    let Some(entry) = fields.get("given") else {
        return Some(Vec::new());
    };
    let objects: Vec<Option<(Mark, Arrangement)>> = some_items(d, entry)?
        .into_iter()
        .map(|item| {
            let object = item.fields(d, "an object", &GIVEN_KEYS)?;
            let entry = object.one_of(d, &GIVEN_KEYS, true)?;
            let path = steps::path(d, entry)?;
            let arrangement = match entry.name {
                "file" => Arrangement::File(path),
                _ => Arrangement::Directory(path),
            };
            Some((entry.mark(), arrangement))
        })
        .collect();
    objects.into_iter().collect()
}
