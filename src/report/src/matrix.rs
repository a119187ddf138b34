//! The proof that the suite sees: faults times cases, and what keeps it from being a proof.
//!
//! Every storage element on trial is an endpoint of one run, which was judged strictly. What the
//! matrix has to show stands in lists, each of which has to be empty.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use touchstone_model::{
    Case, CaseId, CasePlan, CaseResult, Cell, ClauseId, ISSUER, Plan, Profile, RunRecord, Verdict,
};

use super::FormatError;

mod pairs;
mod table;

pub use pairs::{Both, Fared, Judged, PairsProof, Shadow};
pub use table::table;

/// The version of [`ProofMatrix`]'s JSON.
pub const PROOF_SCHEMA: &str = "touchstone/proof/1";

/// A storage element or an issuer on trial.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its endpoint or issuer in the run; for faults also their name.
    pub name: String,
    /// What it does, in a sentence.
    pub about: String,
    /// What is to be shown with it.
    pub subject: ProofSubject,
    /// What was not run with it because it cannot end otherwise.
    pub settled: Option<Settled>,
}

/// Cases that end as they do with somebody else on trial.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The other one's name.
    pub like: String,
    /// The cases.
    pub cases: HashSet<CaseId>,
}

/// How much was run.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Cases that were run, each as often as there was somebody to run it with.
    pub run: usize,
    /// The same together with those that cannot end otherwise than without the fault.
    pub verdicts: usize,
}

/// What is to be shown with a storage element.
#[derive(Clone, Debug)]
pub enum ProofSubject {
    /// It does everything right: every case passes.
    Faultless,
    /// It misbehaves in one thing.
    Fault {
        /// The clauses that it violates: their cases may fail.
        clauses: Vec<ClauseId>,
        /// The cases that have to fail.
        cases: Vec<CaseId>,
        /// Whether it spoils what most cases build on, so that any other may fail as well.
        wide: bool,
    },
    /// It is out of order as a whole: no refusal may count as one there.
    Service {
        /// What a run against it alone, not strict, would end with.
        exit: u8,
    },
}

/// The matrix and its lists.
#[derive(Debug, Serialize)]
pub struct ProofMatrix {
    /// [`PROOF_SCHEMA`].
    pub schema: &'static str,
    /// Whether every list is empty.
    pub proven: bool,
    /// Whether only a selection of faults or cases was on trial.
    pub partial: bool,
    /// How many cases there are.
    pub cases: usize,
    /// How long it took.
    pub duration_ms: u64,
    /// Cases that were run, each as often as there was somebody to run it with.
    pub run: usize,
    /// The same together with those that cannot end otherwise than without the fault.
    pub verdicts: usize,
    /// One row for each fault.
    pub faults: Vec<FaultRow>,
    /// One row for each version of the profile.
    pub faultless: Vec<FaultlessRow>,
    /// One row for each fault of the whole service.
    pub services: Vec<ServiceRow>,
    /// Faults that none of the cases that they name caught.
    pub uncaught: Vec<String>,
    /// Cases that a fault names and that did not fail on it.
    pub missed: Vec<MisplacedVerdict>,
    /// Cases that fail on no fault; of a selection of faults, those that one of them names.
    pub idle: Vec<CaseId>,
    /// Cases that do not pass on the faultless storage element.
    pub not_green: Vec<MisplacedVerdict>,
    /// Faults of the whole service that look good: a denial passes, or the run ends with 0.
    pub green: Vec<String>,
    /// Cases that fail on a fault though neither they nor their clauses are named by it.
    pub collateral: Vec<MisplacedVerdict>,
    /// Undecided cases on faults that do not name them: consequences, told as a number.
    pub undecided: usize,
}

/// How a fault fared.
#[derive(Debug, Serialize)]
pub struct FaultRow {
    /// Its name.
    pub fault: String,
    /// What the storage element does.
    pub about: String,
    /// The clauses that it violates.
    pub clauses: Vec<ClauseId>,
    /// Whether it spoils what most cases build on.
    pub wide: bool,
    /// The cases on trial that have to fail.
    pub expected: Vec<CaseId>,
    /// The cases that failed.
    pub failed: Vec<CaseId>,
    /// The cases that could not be decided.
    pub errors: Vec<CaseId>,
}

/// How the faultless storage element fared.
#[derive(Debug, Serialize)]
pub struct FaultlessRow {
    /// Its endpoint.
    pub name: String,
    /// The version of the profile by which it was judged.
    pub profile: Profile,
    /// Cases that passed.
    pub pass: usize,
    /// Cases that were skipped.
    pub skip: usize,
}

/// How a service that is out of order as a whole fared.
#[derive(Debug, Serialize)]
pub struct ServiceRow {
    /// Its name.
    pub fault: String,
    /// What it does.
    pub about: String,
    /// What a run against it alone would end with.
    pub exit: u8,
    /// Denials that passed.
    pub passed: Vec<CaseId>,
}

/// A verdict that is out of place.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct MisplacedVerdict {
    /// The storage element: a fault's name, or the faultless one of some profile version.
    pub name: String,
    /// The case.
    pub case: CaseId,
    /// Its verdict; `None` if there is no such case.
    pub verdict: Option<Verdict>,
    /// Why it is so, as far as the run tells.
    pub why: String,
}

impl ProofMatrix {
    /// What the run of `plan` shows, in which every trial was an endpoint. `partial` tells that faults
    /// or cases were selected.
    pub fn new(
        plan: &Plan,
        record: &RunRecord,
        trials: &[Trial],
        partial: bool,
        effort: Effort,
    ) -> Self {
        let of_storage = plan.endpoints.first().map(|endpoint| &endpoint.cases);
        let of_issuers = plan.issuers.first().map(|issuer| &issuer.cases);
        let planned = of_storage.into_iter().chain(of_issuers).flatten();
        let cases: Vec<&Case> = planned.map(case).collect();
        let evidence = Evidence {
            plan,
            record,
            cases: &cases,
            partial,
            results: record
                .results
                .iter()
                .map(|result| ((subject(&result.endpoint), &result.case), result))
                .collect(),
        };
        let mut proof = Self {
            schema: PROOF_SCHEMA,
            proven: false,
            partial,
            cases: cases.len(),
            duration_ms: record.run.duration_ms,
            run: effort.run,
            verdicts: effort.verdicts,
            faults: Vec::new(),
            faultless: Vec::new(),
            services: Vec::new(),
            uncaught: Vec::new(),
            missed: Vec::new(),
            idle: Vec::new(),
            not_green: Vec::new(),
            green: Vec::new(),
            collateral: Vec::new(),
            undecided: 0,
        };
        for trial in trials {
            match &trial.subject {
                ProofSubject::Faultless => proof.faultless(&evidence, trial),
                ProofSubject::Fault {
                    clauses,
                    cases,
                    wide,
                } => proof.fault(&evidence, trial, clauses, cases, *wide),
                ProofSubject::Service { exit } => proof.service(&evidence, trial, *exit),
            }
        }
        proof.idle = idle(&evidence, &proof.faults);
        proof.proven = proof.uncaught.is_empty()
            && proof.missed.is_empty()
            && proof.idle.is_empty()
            && proof.not_green.is_empty()
            && proof.green.is_empty()
            && proof.collateral.is_empty();
        proof
    }

    /// The proof as pretty JSON.
    ///
    /// # Errors
    /// None that is known; serde may have one.
    pub fn json(&self) -> Result<String, FormatError> {
        serde_json::to_string_pretty(self)
            .map(|json| super::text::json(json) + "\n")
            .map_err(|error| FormatError::new("JSON", error))
    }

    fn fault(
        &mut self,
        evidence: &Evidence<'_>,
        trial: &Trial,
        clauses: &[ClauseId],
        named: &[CaseId],
        wide: bool,
    ) {
        // A name that is no case is a mistake, unless it was not selected.
        let expected: Vec<CaseId> = named
            .iter()
            .filter(|id| !evidence.partial || evidence.cases.iter().any(|case| case.id == **id))
            .cloned()
            .collect();
        let missed = expected
            .iter()
            .map(|id| evidence.entry(trial, id))
            .filter(|entry| entry.verdict != Some(Verdict::Fail));
        let before = self.missed.len();
        self.missed.extend(missed);
        // A fault whose cases were not selected is not judged.
        let judged = !expected.is_empty() || !evidence.partial;
        if judged && self.missed.len() - before == expected.len() {
            self.uncaught.push(trial.name.clone());
        }
        let with = |verdict| evidence.with(trial, verdict);
        let (failed, errors) = (with(Verdict::Fail), with(Verdict::Error));
        let concerned = |case: &Case| {
            wide || expected.contains(&case.id)
                || case.clauses.iter().any(|id| clauses.contains(id))
        };
        for case in failed.iter().filter(|case| !concerned(case)) {
            let entry = evidence.entry(trial, &case.id);
            self.collateral.push(entry);
        }
        let named = |case: &&&Case| expected.contains(&case.id);
        self.undecided += errors.iter().filter(|case| !named(case)).count();
        self.faults.push(FaultRow {
            fault: trial.name.clone(),
            about: trial.about.clone(),
            clauses: clauses.to_vec(),
            wide,
            failed: ids(&failed),
            errors: ids(&errors),
            expected,
        });
    }

    fn faultless(&mut self, evidence: &Evidence<'_>, trial: &Trial) {
        let endpoints = &evidence.record.endpoints;
        let profile = endpoints
            .iter()
            .find(|row| subject(&row.name) == trial.name)
            .map(|row| row.profile)
            .unwrap_or_default();
        let mut row = FaultlessRow {
            name: trial.name.clone(),
            profile,
            pass: 0,
            skip: 0,
        };
        for case in evidence.cases {
            let entry = evidence.entry(trial, &case.id);
            match entry.verdict {
                Some(Verdict::Pass) => row.pass += 1,
                Some(Verdict::Skip) if evidence.newer(case, profile) => row.skip += 1,
                _ => self.not_green.push(entry),
            }
        }
        self.faultless.push(row);
    }

    fn service(&mut self, evidence: &Evidence<'_>, trial: &Trial, exit: u8) {
        let denial = |case: &&Case| case.steps.iter().any(|step| step.expect.refusal());
        let mut passed = evidence.with(trial, Verdict::Pass);
        passed.retain(denial);
        // A selection in which nothing had to be denied there may pass.
        let denies = [Verdict::Fail, Verdict::Error].map(|verdict| evidence.with(trial, verdict));
        let judged = !evidence.partial || denies.iter().flatten().any(denial);
        if judged && exit == 0 || !passed.is_empty() {
            self.green.push(trial.name.clone());
        }
        self.services.push(ServiceRow {
            fault: trial.name.clone(),
            about: trial.about.clone(),
            exit,
            passed: ids(&passed),
        });
    }
}

/// Everything that the lists are made from.
struct Evidence<'a> {
    plan: &'a Plan,
    record: &'a RunRecord,
    /// The cases on trial, in the order of the suites.
    cases: &'a [&'a Case],
    partial: bool,
    results: HashMap<(&'a str, &'a CaseId), &'a CaseResult>,
}

impl<'a> Evidence<'a> {
    fn result(&self, trial: &Trial, case: &CaseId) -> Option<&'a CaseResult> {
        let own = self.results.get(&(trial.name.as_str(), case));
        let like = || {
            let settled = trial.settled.as_ref()?;
            let settled = settled.cases.contains(case).then_some(&settled.like)?;
            self.results.get(&(settled.as_str(), case))
        };
        own.or_else(like).copied()
    }

    /// The cases with that verdict.
    fn with(&self, trial: &Trial, verdict: Verdict) -> Vec<&'a Case> {
        let has = |case: &&Case| {
            self.result(trial, &case.id)
                .is_some_and(|result| result.verdict == verdict)
        };
        self.cases.iter().copied().filter(has).collect()
    }

    fn entry(&self, trial: &Trial, case: &CaseId) -> MisplacedVerdict {
        let result = self.result(trial, case);
        let settled = trial.settled.as_ref();
        let why = match result {
            Some(_) if settled.is_some_and(|settled| settled.cases.contains(case)) => {
                "not run: whatever the fault replaces answers there as it does without it".into()
            }
            Some(result) => why(result),
            None => "there is no such case".into(),
        };
        MisplacedVerdict {
            name: trial.name.clone(),
            case: case.clone(),
            verdict: result.map(|result| result.verdict),
            why,
        }
    }

    /// Whether the case judges a rule that this version does not have yet.
    fn newer(&self, case: &Case, profile: Profile) -> bool {
        let clauses = self.plan.clauses.iter();
        clauses
            .filter(|clause| case.clauses.contains(&clause.id))
            .any(|clause| clause.since.is_some_and(|since| since > profile))
    }
}

fn idle(evidence: &Evidence<'_>, faults: &[FaultRow]) -> Vec<CaseId> {
    let failed: BTreeSet<_> = faults.iter().flat_map(|row| &row.failed).collect();
    let named: BTreeSet<_> = faults.iter().flat_map(|row| &row.expected).collect();
    // Of a cover each row and each column is shown to see something.
    let cells = evidence
        .cases
        .iter()
        .filter(|case| failed.contains(&case.id));
    let cells: Vec<_> = cells.filter_map(|case| case.cover.as_ref()).collect();
    let sees = |cell: &Cell| {
        cells.iter().any(|other| other.row == cell.row)
            && cells.iter().any(|other| other.column == cell.column)
    };
    evidence
        .cases
        .iter()
        .filter(|case| !failed.contains(&case.id) && !case.cover.as_ref().is_some_and(sees))
        .map(|case| &case.id)
        .filter(|id| !evidence.partial || named.contains(id))
        .cloned()
        .collect()
}

fn why(result: &CaseResult) -> String {
    match (&result.reason, result.findings.first()) {
        (Some(reason), _) => reason.clone(),
        (None, Some(finding)) => format!(
            "{}: expected {}, but {}",
            finding.clause, finding.expected, finding.actual
        ),
        (None, None) => String::new(),
    }
}

/// The name of a storage element or an issuer on trial. Two may share one: their cases are different.
fn subject(row: &str) -> &str {
    row.strip_prefix(ISSUER).unwrap_or(row)
}

fn case(planned: &CasePlan) -> &Case {
    &planned.case
}

fn ids(cases: &[&Case]) -> Vec<CaseId> {
    cases.iter().map(|case| case.id.clone()).collect()
}

#[cfg(test)]
mod tests;
