//! Expectation and answer in, findings out. Pure.

mod bearer;
mod effect;
pub mod issuer;
mod macaroon;
mod offer;
mod propfind;
mod read;
mod report;
mod tape;
mod transfer;
mod word;

use crate::model::{Basis, Case, Clause, ClauseId, Finding, Level, Mode, Place, Verdict};

pub use bearer::{alike, carried, challenge, cleartext, echo, fetched};
pub use effect::{Observed, early_body, effect};
pub use macaroon::{macaroon, macaroon_in, macaroon_lacks, no_macaroon};
pub use offer::unoffered;
pub use propfind::{Properties, properties};
pub use read::{leak, read, sent_on};
pub use report::{Ending, Markers, ending, markers};
pub use tape::*;
pub use transfer::{
    Secrets, asked_for_digest, ended, goes_on, heard, redirected_copy, remains, reported, tried,
};
pub use word::{Ruling, Word, status, word};

/// Makes findings for one step of one case.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// The case that is judged.
    pub case: &'a Case,
    /// The register of clauses.
    pub clauses: &'a [Clause],
    /// The step's line.
    pub at: &'a Place,
    /// Index of the exchange that is judged.
    pub exchange: usize,
}

impl Judge<'_> {
    /// Whether the case judges the clause named `id`.
    fn cites(&self, id: &str) -> bool {
        let mut clauses = self.case.clauses.iter();
        clauses.any(|clause| clause.as_str() == id)
    }

    /// A deviation from the case's own clause: what the case is about.
    pub(crate) fn own(&self, expected: impl Into<String>, actual: impl Into<String>) -> Finding {
        let clause = self.case.clauses.first().map_or("", ClauseId::as_str);
        self.of(clause, expected, actual)
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
    /// A status that is not the best one and does no harm: a warning, whatever the clause's level.
    fn status(&self, clause: Option<&str>, expected: String, actual: String) -> Finding {
        let finding = match clause {
            Some(clause) => self.of(clause, expected, actual),
            None => self.own(expected, actual),
        };
        Finding {
            level: Level::Should,
            ..finding
        }
    }

    /// What was seen, for information.
    fn note(&self, actual: String) -> Finding {
        Finding {
            level: Level::May,
            ..self.own("no server error", actual)
        }
    }
}

/// The verdict of a case that was decided.
pub fn verdict(findings: &[Finding], mode: Mode) -> Verdict {
    mode.verdict(findings)
}

#[cfg(test)]
mod tests;
