//! A record judged again in another mode, without asking any service again.

use touchstone_model::{CaseResult, Mode, RunRecord, Verdict};

use super::record::statistics;

/// Judges every result by its findings as a run in that mode would have. What was skipped or undecided stays so, unless
/// it fails by what was found before.
pub fn judge_again(record: &mut RunRecord, mode: Mode) {
    for result in &mut record.results {
        result.verdict = verdict(result, mode);
    }
    record.run.strict = mode == Mode::Strict;
    record.run.lenient = mode == Mode::Lenient;
    record.statistics = statistics(&record.endpoints, &record.results);
}

fn verdict(result: &CaseResult, mode: Mode) -> Verdict {
    let decided = match result.findings.is_empty() {
        true => return result.verdict,
        false => mode.verdict(&result.findings),
    };
    match (result.verdict, &result.reason) {
        (Verdict::Pass | Verdict::Warn, _) | (Verdict::Fail, None) => decided,
        _ if decided == Verdict::Fail => Verdict::Fail,
        // Something later could not be decided, and what was found before it is no failure now.
        (Verdict::Fail, Some(_)) => Verdict::Error,
        (undecided, _) => undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use touchstone_model::Basis;

    fn verdicts(record: &RunRecord) -> Vec<Verdict> {
        record.results.iter().map(|result| result.verdict).collect()
    }

    fn failed(record: &RunRecord) -> usize {
        let rows = record.statistics.iter().take(2);
        rows.map(|row| row.fail).sum()
    }

    #[test]
    fn the_mode_of_a_record_can_be_changed_afterwards() {
        let normal = sample::record();
        let mut strict = normal.clone();
        judge_again(&mut strict, Mode::Strict);
        // A warning of se-alpha is a failure now.
        assert_eq!(failed(&strict), failed(&normal) + 1);
        assert_eq!(strict.run.mode(), Mode::Strict);
        let mut again = strict.clone();
        judge_again(&mut again, Mode::Normal);
        assert_eq!(verdicts(&again), verdicts(&normal));
        assert_eq!(again.statistics, normal.statistics);
        // Its failures are of a stated clause.
        judge_again(&mut again, Mode::Lenient);
        assert_eq!(failed(&again), failed(&normal));
        assert_eq!(again.run.mode(), Mode::Lenient);
    }

    #[test]
    fn readings_of_ours_warn_where_that_is_asked_for() {
        let mut record = sample::record();
        for result in &mut record.results {
            for finding in &mut result.findings {
                finding.basis = Basis::Derived;
            }
        }
        let before = failed(&record);
        let undecided = record.results.iter_mut().find(|result| result.red());
        undecided.unwrap().reason = Some("the control failed: 500".into());
        judge_again(&mut record, Mode::Lenient);
        assert_eq!((before, failed(&record)), (2, 0));
        let of = |verdict| verdicts(&record).iter().filter(|v| **v == verdict).count();
        let sample = verdicts(&sample::record());
        let then = |verdict| sample.iter().filter(|v| **v == verdict).count();
        assert_eq!(of(Verdict::Warn), then(Verdict::Warn) + 1);
        assert_eq!(of(Verdict::Error), then(Verdict::Error) + 1);
    }
}
