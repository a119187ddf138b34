//! Failures counted by what stands behind the clause: what the profile states, what an RFC states, and what is our
//! reading of both.

use touchstone_model::{Bases, CaseResult, RunRecord};

/// What has to be known of failures of derived clauses.
pub const DERIVED: &str =
    "Derived clauses are our reading of the sources; --lenient counts their failures as warnings";

/// The failures of the record that nobody has announced.
pub fn total(record: &RunRecord) -> Bases {
    let severities = record.statistics.iter().take(2);
    severities.fold(Bases::default(), |sum, row| sum.and(row.bases))
}

/// The failures among some results.
pub fn among<'a>(results: impl IntoIterator<Item = &'a CaseResult>) -> Bases {
    let mut bases = Bases::default();
    for basis in results.into_iter().filter_map(CaseResult::basis) {
        bases.count(basis);
    }
    bases
}

/// `2 stated, 1 rfc, 4 derived`; nothing where nothing failed.
pub fn words(bases: Bases) -> String {
    let some = bases.all().into_iter().filter(|(_, number)| *number > 0);
    let words: Vec<String> = some
        .map(|(name, number)| format!("{number} {name}"))
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::statistics;
    use crate::sample;
    use touchstone_model::{Basis, Level};

    /// The sample, in which each failure has findings of these levels and bases.
    fn with(findings: &[(Level, Basis)]) -> RunRecord {
        let mut record = sample::record();
        for result in record.results.iter_mut().filter(|r| !r.findings.is_empty()) {
            let first = result.findings[0].clone();
            let found = findings
                .iter()
                .map(|(level, basis)| touchstone_model::Finding {
                    level: *level,
                    basis: *basis,
                    ..first.clone()
                });
            result.findings = found.collect();
        }
        record.statistics = statistics(&record.endpoints, &record.results);
        record
    }

    #[test]
    fn a_failure_counts_once_by_the_firmest_of_its_clauses() {
        let one = |stated, rfc, derived| Bases {
            stated,
            rfc,
            derived,
        };
        for (findings, expected) in [
            (&[(Level::Must, Basis::Stated)][..], one(1, 0, 0)),
            (
                &[(Level::Must, Basis::Derived), (Level::MustNot, Basis::Rfc)],
                one(0, 1, 0),
            ),
            // A recommendation is no ground for a failure beside a requirement.
            (
                &[
                    (Level::Must, Basis::Derived),
                    (Level::Should, Basis::Stated),
                ],
                one(0, 0, 1),
            ),
            // Alone it fails where the run is strict.
            (
                &[(Level::May, Basis::Stated), (Level::Should, Basis::Rfc)],
                one(0, 1, 0),
            ),
        ] {
            let record = with(findings);
            // The other failure of the sample is known.
            assert_eq!(total(&record), expected, "{findings:?}");
            let red = record.results.iter().filter(|result| result.red());
            assert_eq!(among(red), expected);
        }
        assert_eq!(words(one(2, 0, 3)), "2 stated, 3 derived");
        assert_eq!(words(Bases::default()), "");
    }
}
