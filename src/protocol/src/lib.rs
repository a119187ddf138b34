//! An expectation and an answer go in, findings come out. Nothing is sent from here.
//!
//! | module | what it judges |
//! |---|---|
//! | `expectation` | the status of an answer, by the word that a step expects |
//! | `role` | what the failure of a step means: of a control, of an attempt, of a look |
//! | `effect`, `read`, `propfind` | what is there afterwards, and what came back of it |
//! | `bearer`, `server_message` | challenges, what an answer gives away, and what a server says of itself |
//! | `terms`, `offer` | other outcomes that are allowed, and what need not be offered |
//! | `transfer`, `report` | third-party copies, and the report of one |
//! | `tape` | the tape REST API |
//! | `macaroon` | what a service answers to a request for a macaroon |
//! | [`issuer`] | metadata, keys, tokens and errors of issuers |

mod bearer;
mod effect;
mod expectation;
pub mod issuer;
mod macaroon;
mod offer;
mod propfind;
mod read;
mod report;
mod role;
mod server_message;
mod tape;
mod terms;
mod transfer;

use touchstone_model::{Basis, Case, Clause, ClauseId, Finding, Level, Mode, Place, Verdict};

pub use bearer::{
    Outline, alike, cacheable, carried, challenge, cleartext, echo, fetched, repeated,
};
pub use effect::{Observed, Tried, early_body, effect, unconfirmed};
pub use expectation::{ExpectedStatus, Ruling, expected_status, reason, sent_status, status};
pub use macaroon::{macaroon, macaroon_in, macaroon_lacks, no_macaroon};
pub use offer::unoffered;
pub use propfind::{Properties, properties};
pub use read::{broke_off, condition_told, is_condition, leak, read, sent_on, shown};
pub use report::{Ending, Markers, afterwards, ending, markers};
pub use role::{Blame, StepRole, control, role};
pub use server_message::said;
pub use tape::*;
pub use terms::{allow, alternative, lapsed, outlived};
pub use transfer::{
    Secrets, asked_for_digest, ended, goes_on, heard, redirected_copy, remains, reported, tried,
    untold,
};

/// Makes findings for one step of one case.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// The case that is judged.
    pub case: &'a Case,
    /// The register of clauses.
    pub clauses: &'a [Clause],
    /// The clause that the step is about, where that is not the case's first.
    pub clause: Option<&'a ClauseId>,
    /// The step's line.
    pub at: &'a Place,
    /// What its failure means.
    pub role: StepRole,
    /// Index of the exchange that is judged.
    pub exchange: usize,
}

impl Judge<'_> {
    /// Whether the case judges the clause named `id`.
    fn cites(&self, id: &str) -> bool {
        let mut clauses = self.case.clauses.iter();
        clauses.any(|clause| clause.as_str() == id)
    }

    /// A deviation from the clause that the step is about: its own, or what the case is about.
    pub fn own(&self, expected: impl Into<String>, actual: impl Into<String>) -> Finding {
        let clause = self.clause.or(self.case.clauses.first());
        let clause = clause.map_or("", ClauseId::as_str);
        self.of(clause, expected, actual)
    }

    /// A deviation from the clause named `id`, which the case judges.
    pub fn broken(
        &self,
        id: &str,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Finding {
        self.of(id, expected, actual)
    }

    /// A deviation from the clause named `id`.
    fn of(&self, id: &str, expected: impl Into<String>, actual: impl Into<String>) -> Finding {
        let clause = self.clauses.iter().find(|clause| clause.id.as_str() == id);
        let (id, level, basis, requirement, text) = match clause {
            Some(clause) => (
                clause.id.clone(),
                clause.level,
                clause.basis,
                clause.requirement.clone(),
                clause.text.clone(),
            ),
            // The loader lets no case cite what the register lacks; a word may not either (tested).
            None => (
                self.case.clauses[0].clone(),
                Level::Must,
                Basis::Derived,
                self.case.title.clone(),
                Vec::new(),
            ),
        };
        Finding {
            clause: id,
            level,
            basis,
            requirement,
            text,
            expected: expected.into(),
            actual: actual.into(),
            at: self.at.clone(),
            exchange: Some(self.exchange),
        }
    }
}

impl Judge<'_> {
    /// A status that is not the best one and does no harm. It is told once: a warning in the cases about it, whatever the clause's
    /// level, and an observation elsewhere.
    fn status(&self, clause: Option<&str>, expected: String, actual: String) -> Finding {
        match clause {
            Some(clause) if !self.cites(clause) => observed(self.of(clause, expected, actual)),
            Some(clause) => warning(self.of(clause, expected, actual)),
            None => warning(self.own(expected, actual)),
        }
    }

    /// What was seen, for information.
    fn note(&self, actual: String) -> Finding {
        observed(self.own("no server error", actual))
    }

    /// Harm that breaks the clause named `id` whatever the case is about. It is put down to the case's own clause where that is
    /// binding and the step is what the case judges.
    fn harm(&self, id: &str, expected: impl Into<String>, actual: impl Into<String>) -> Finding {
        let own = self.own(expected, actual);
        if own.level.binding() && !matches!(self.role, StepRole::Control(_)) {
            return own;
        }
        self.of(id, own.expected, own.actual)
    }
}

/// A finding that is told and changes no verdict.
fn observed(finding: Finding) -> Finding {
    Finding {
        level: Level::May,
        ..finding
    }
}

/// A finding that is no failure, whatever its clause's level.
fn warning(finding: Finding) -> Finding {
    Finding {
        level: Level::Should,
        ..finding
    }
}

/// The verdict of a case that was decided.
pub fn verdict(findings: &[Finding], mode: Mode) -> Verdict {
    mode.verdict(findings)
}

#[cfg(test)]
mod tests;
