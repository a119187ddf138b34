//! How much of the register the cases cover.

use std::fmt;

use serde_json::{Value, json};

use touchstone_model::Clause;
use touchstone_suite::config::Catalogue;

/// The clauses of a register, counted by what judges them.
pub struct Coverage {
    all: Counts,
    binding: Counts,
}

impl Coverage {
    /// Counts the clauses of `catalogue`.
    pub fn of(catalogue: &Catalogue) -> Self {
        let mut coverage = Self {
            all: Counts::default(),
            binding: Counts::default(),
        };
        for clause in &catalogue.clauses {
            let covered = !catalogue.cases_of(&clause.id).is_empty();
            coverage.all.add(clause, covered);
            if clause.level.binding() {
                coverage.binding.add(clause, covered);
            }
        }
        coverage
    }

    /// The counts of all clauses, and below `binding` those of MUST and MUST NOT.
    pub fn json(&self) -> Value {
        let mut all = self.all.json();
        all["binding"] = self.binding.json();
        all["binding"]["covered-percent"] = json!(self.binding.percent());
        all
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, binding) = (&self.all, &self.binding);
        write!(
            f,
            "{} clauses: {} with cases, {} untestable, {} uncovered; of {} MUST and MUST NOT {} with cases ({:.1} %)",
            all.clauses,
            all.with_cases,
            all.untestable,
            all.uncovered,
            binding.clauses,
            binding.with_cases,
            binding.percent()
        )
    }
}

#[derive(Default)]
struct Counts {
    clauses: u32,
    with_cases: u32,
    untestable: u32,
    uncovered: u32,
}

impl Counts {
    fn add(&mut self, clause: &Clause, covered: bool) {
        self.clauses += 1;
        match (covered, &clause.untestable) {
            (true, _) => self.with_cases += 1,
            (false, Some(_)) => self.untestable += 1,
            (false, None) => self.uncovered += 1,
        }
    }

    /// How many of a hundred have a case, rounded down, so that nothing is called whole that is not.
    fn percent(&self) -> f64 {
        f64::from(self.with_cases * 1000 / self.clauses.max(1)) / 10.0
    }

    fn json(&self) -> Value {
        json!({
            "clauses": self.clauses,
            "with-cases": self.with_cases,
            "untestable": self.untestable,
            "uncovered": self.uncovered,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_suite::config::load_catalogue;
    use touchstone_yaml::SourceFile;

    #[test]
    fn clauses_are_counted_by_what_judges_them() {
        let before = Coverage::of(&load_catalogue(&[]).unwrap());
        let source = |name: &str, text: &str| SourceFile {
            name: name.into(),
            text: text.into(),
        };
        let clause = |id: &str, level: &str, more: &str| {
            format!(
                "- {{id: {id}, source: house, basis: derived, level: {level}, severity: critical, requirement: r{more}}}\n"
            )
        };
        let register = format!(
            "clauses:\n{}{}{}{}",
            clause("SITE-01", "MUST", ""),
            clause("SITE-02", "MUST NOT", ""),
            clause("SITE-03", "MUST", ", untestable: too far away"),
            clause("SITE-04", "MAY", ""),
        );
        let suite = "suite: own\nabout: x\ncases:\n- id: own.one\n  title: t\n  risk: r\n  clauses: [SITE-01]\n  severity: critical\n  given: [{file: f}]\n  steps: [{get: f, token: 'storage.read:/', expect: ok}]\n";
        let catalogue = load_catalogue(&[
            source("register.yaml", &register),
            source("own.yaml", suite),
        ])
        .unwrap_or_else(|problems| panic!("{problems}"));
        let after = Coverage::of(&catalogue);
        let grown = |of: fn(&Coverage) -> &Counts| {
            let (before, after) = (of(&before), of(&after));
            [
                after.clauses - before.clauses,
                after.with_cases - before.with_cases,
                after.untestable - before.untestable,
                after.uncovered - before.uncovered,
            ]
        };
        assert_eq!(grown(|coverage| &coverage.all), [4, 1, 1, 2]);
        assert_eq!(grown(|coverage| &coverage.binding), [3, 1, 1, 1]);
    }

    #[test]
    fn a_percentage_is_never_rounded_up() {
        let counts = |with_cases, clauses| Counts {
            clauses,
            with_cases,
            ..Counts::default()
        };
        for (counts, percent) in [
            (counts(0, 0), 0.0),
            (counts(2, 3), 66.6),
            (counts(1999, 2000), 99.9),
            (counts(5, 5), 100.0),
        ] {
            assert!((counts.percent() - percent).abs() < 1e-9, "{percent}");
        }
    }
}
