//! What changed between two runs: for the mail of a daily job, and for machines.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use touchstone_model::{CaseId, CaseOutcome, EndpointOutcome, RunId, RunOutcome, Verdict};

use super::FormatError;
use super::brief::{CaseDetail, Details, EndpointDetail};

mod prose;

pub use prose::{markdown, text};

/// The version of [`Comparison`]'s JSON.
pub const DIFF_SCHEMA: &str = "touchstone/diff/1";

/// What changed from one run to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// [`DIFF_SCHEMA`].
    pub schema: &'static str,
    /// The run before.
    pub old: ComparedRun,
    /// The run that is told about.
    pub new: ComparedRun,
    /// Whether it is one and the same run.
    pub same: bool,
    /// How many of each kind.
    pub totals: Totals,
    /// Only endpoints of which there is something to tell; those with new failures first.
    pub endpoints: Vec<EndpointChanges>,
}

/// One of the two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComparedRun {
    /// Its name.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// Whether it had some of the cases or endpoints alone, so that nothing is said of the others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// How many cases changed, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// [`ChangeKind::NewFailure`].
    pub new_failures: usize,
    /// [`ChangeKind::Worsened`].
    pub worsened: usize,
    /// [`ChangeKind::Fixed`].
    pub fixed: usize,
    /// [`ChangeKind::StillFailing`].
    pub still_failing: usize,
    /// [`ChangeKind::NowKnown`].
    pub now_known: usize,
    /// [`ChangeKind::NewError`].
    pub new_errors: usize,
    /// [`ChangeKind::StillUndecided`].
    pub still_undecided: usize,
    /// [`ChangeKind::NotJudged`].
    pub not_judged: usize,
    /// Endpoints that the run before did not have.
    pub new_endpoints: usize,
    /// Endpoints that only the run before had.
    pub gone_endpoints: usize,
    /// Endpoints with other software than before.
    pub new_software: usize,
}

/// What changed at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointChanges {
    /// Its name.
    pub name: String,
    /// Which of the runs have it.
    pub presence: Presence,
    /// Its software, in the newer of the runs that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// The software that it had before, where that was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_before: Option<String>,
    /// What else is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<EndpointDetail>,
    /// Its cases, by kind and then in the order of the record.
    pub cases: Vec<CaseChange>,
}

/// Which of the two runs have an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Both.
    Both,
    /// Only the new one.
    New,
    /// Only the old one.
    Gone,
}

/// What changed of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseChange {
    /// What it means.
    pub kind: ChangeKind,
    /// The case.
    pub case: CaseId,
    /// With whom it copied, where that was prescribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// The verdict before, if there was one.
    pub before: Option<Verdict>,
    /// Whether that was a known failure.
    pub known_before: bool,
    /// The verdict now, if there is one.
    pub after: Option<Verdict>,
    /// Whether that is a known failure.
    pub known_after: bool,
    /// What else is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<CaseDetail>,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Red now and not red before, whatever it was then.
    NewFailure,
    /// A recommendation is missed that was followed before.
    Worsened,
    /// A failure, known or not, that passes now, with or without warnings.
    Fixed,
    /// Red in both.
    StillFailing,
    /// A known failure, and no known one before.
    NowKnown,
    /// Undecided now and not before.
    NewError,
    /// Undecided in both.
    StillUndecided,
    /// It was judged before, and now is skipped or missing.
    NotJudged,
}

impl CaseChange {
    /// The case's id, and with whom.
    pub fn name(&self) -> String {
        match &self.partner {
            Some(partner) => format!("{} with {partner}", self.case),
            None => self.case.to_string(),
        }
    }
}

impl Comparison {
    /// Whether anything turned red.
    pub fn new_failures(&self) -> bool {
        self.totals.new_failures > 0
    }
}

/// Compares two runs. `details` are those of the new one, as far as they are known.
pub fn compare(old: &RunOutcome, new: &RunOutcome, details: &Details) -> Comparison {
    let before: HashMap<&str, &EndpointOutcome> = by_name(old);
    let now: HashMap<&str, &EndpointOutcome> = by_name(new);
    let mut totals = Totals::default();
    let mut endpoints = Vec::new();
    for endpoint in &new.endpoints {
        let was = before.get(endpoint.name.as_str()).copied();
        let changes = of_endpoint(was, endpoint, details, (old, new));
        totals.new_endpoints += usize::from(changes.presence == Presence::New);
        totals.new_software += usize::from(changes.software_before.is_some());
        endpoints.push(changes);
    }
    // Who had a part alone says nothing of the others.
    let others = old.endpoints.iter().filter(|_| !new.partial);
    for endpoint in others {
        if !now.contains_key(endpoint.name.as_str()) {
            totals.gone_endpoints += 1;
            endpoints.push(gone(endpoint));
        }
    }
    for change in endpoints.iter().flat_map(|endpoint| &endpoint.cases) {
        *totals.of(change.kind) += 1;
    }
    endpoints.retain(EndpointChanges::telling);
    // The sort is stable: otherwise the order of the record stays.
    endpoints.sort_by_key(|endpoint| endpoint.cases.first().map_or(2, EndpointChanges::rank));
    Comparison {
        schema: DIFF_SCHEMA,
        old: side(old),
        new: side(new),
        same: old.run == new.run,
        totals,
        endpoints,
    }
}

/// For machines.
pub fn json(comparison: &Comparison) -> Result<String, FormatError> {
    serde_json::to_string_pretty(comparison)
        .map(|json| super::text::json(json) + "\n")
        .map_err(|error| FormatError::new("JSON", error))
}

impl Totals {
    fn of(&mut self, kind: ChangeKind) -> &mut usize {
        match kind {
            ChangeKind::NewFailure => &mut self.new_failures,
            ChangeKind::Worsened => &mut self.worsened,
            ChangeKind::Fixed => &mut self.fixed,
            ChangeKind::StillFailing => &mut self.still_failing,
            ChangeKind::NowKnown => &mut self.now_known,
            ChangeKind::NewError => &mut self.new_errors,
            ChangeKind::StillUndecided => &mut self.still_undecided,
            ChangeKind::NotJudged => &mut self.not_judged,
        }
    }
}

impl EndpointChanges {
    fn telling(&self) -> bool {
        !self.cases.is_empty() || self.presence != Presence::Both || self.software_before.is_some()
    }

    fn rank(first: &CaseChange) -> usize {
        usize::from(first.kind != ChangeKind::NewFailure)
    }
}

fn by_name(run: &RunOutcome) -> HashMap<&str, &EndpointOutcome> {
    let named = run.endpoints.iter();
    named.map(|one| (one.name.as_str(), one)).collect()
}

fn side(run: &RunOutcome) -> ComparedRun {
    ComparedRun {
        run: run.run.clone(),
        started: run.started,
        partial: run.partial,
    }
}

/// A case's identity at one endpoint.
type Key<'a> = (&'a CaseId, Option<&'a str>);

fn key(outcome: &CaseOutcome) -> Key<'_> {
    (&outcome.case, outcome.partner.as_deref())
}

fn of_endpoint(
    was: Option<&EndpointOutcome>,
    endpoint: &EndpointOutcome,
    details: &Details,
    (old, new): (&RunOutcome, &RunOutcome),
) -> EndpointChanges {
    let before: HashMap<Key<'_>, &CaseOutcome> = was
        .iter()
        .flat_map(|was| was.cases.iter().map(|case| (key(case), case)))
        .collect();
    let mut seen = HashSet::with_capacity(endpoint.cases.len());
    let mut cases = Vec::new();
    for after in &endpoint.cases {
        seen.insert(key(after));
        let before = before.get(&key(after)).copied();
        let kind = match kind(before, Some(after)) {
            // The old run did not have the case; where it began is told by what was known of it.
            Some(ChangeKind::NewFailure) if before.is_none() && old.partial => {
                let since = details
                    .case(&endpoint.name, after)
                    .and_then(|one| one.since);
                match since.is_some_and(|since| since < new.started) {
                    true => Some(ChangeKind::StillFailing),
                    false => Some(ChangeKind::NewFailure),
                }
            }
            kind => kind,
        };
        if let Some(kind) = kind {
            let detail = details.case(&endpoint.name, after).cloned();
            cases.push(change(kind, after, before, Some(after), detail));
        }
    }
    let before = was.iter().flat_map(|was| &was.cases);
    for before in before.filter(|_| !new.partial) {
        // Of all pairs of endpoints, each run may try others.
        if before.partner.is_none()
            && !seen.contains(&key(before))
            && let Some(kind) = kind(Some(before), None)
        {
            cases.push(change(kind, before, Some(before), None, None));
        }
    }
    cases.sort_by_key(|change| change.kind);
    let software_before = was.and_then(|was| was.software.clone());
    EndpointChanges {
        name: endpoint.name.clone(),
        presence: match was {
            Some(_) => Presence::Both,
            None => Presence::New,
        },
        // A dead endpoint names no software, and that is no change of it.
        software_before: software_before
            .filter(|before| endpoint.software.as_ref().is_some_and(|now| now != before)),
        software: endpoint.software.clone(),
        detail: details.endpoint(&endpoint.name).cloned(),
        cases,
    }
}

fn gone(endpoint: &EndpointOutcome) -> EndpointChanges {
    let cases = endpoint.cases.iter().filter_map(|before| {
        let kind = kind(Some(before), None)?;
        Some(change(kind, before, Some(before), None, None))
    });
    EndpointChanges {
        name: endpoint.name.clone(),
        presence: Presence::Gone,
        software: endpoint.software.clone(),
        software_before: None,
        detail: None,
        cases: cases.collect(),
    }
}

fn change(
    kind: ChangeKind,
    either: &CaseOutcome,
    before: Option<&CaseOutcome>,
    after: Option<&CaseOutcome>,
    detail: Option<CaseDetail>,
) -> CaseChange {
    CaseChange {
        kind,
        case: either.case.clone(),
        partner: either.partner.clone(),
        before: before.map(|one| one.verdict),
        known_before: before.is_some_and(|one| one.known),
        after: after.map(|one| one.verdict),
        known_after: after.is_some_and(|one| one.known),
        detail,
    }
}

/// `None` where there is nothing to tell.
fn kind(before: Option<&CaseOutcome>, after: Option<&CaseOutcome>) -> Option<ChangeKind> {
    use State::{Absent, Error, Good, Known, Red, Skip, Warned};
    match (State::of(before), State::of(after)) {
        (Red, Red) => Some(ChangeKind::StillFailing),
        (_, Red) => Some(ChangeKind::NewFailure),
        (Red | Known, Good | Warned) => Some(ChangeKind::Fixed),
        (Good, Warned) => Some(ChangeKind::Worsened),
        (Known, Known) => None,
        (_, Known) => Some(ChangeKind::NowKnown),
        (Error, Error) => Some(ChangeKind::StillUndecided),
        (_, Error) => Some(ChangeKind::NewError),
        (Skip | Absent, Skip | Absent) => None,
        (_, Skip | Absent) => Some(ChangeKind::NotJudged),
        (_, Good | Warned) => None,
    }
}

/// A verdict, as far as comparing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    Warned,
    Red,
    Known,
    Error,
    Skip,
    Absent,
}

impl State {
    fn of(outcome: Option<&CaseOutcome>) -> Self {
        let Some(outcome) = outcome else {
            return Self::Absent;
        };
        match outcome.verdict {
            Verdict::Pass => Self::Good,
            Verdict::Warn => Self::Warned,
            Verdict::Fail if outcome.known => Self::Known,
            Verdict::Fail => Self::Red,
            Verdict::Error => Self::Error,
            Verdict::Skip => Self::Skip,
        }
    }
}

#[cfg(test)]
mod tests;
