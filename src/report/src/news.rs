//! What is new in a run, by the past that is in its record.

use touchstone_model::{CasePast, CaseResult, RunRecord, Verdict};

/// Whether it is red, and was not so before: undecided runs in between do not count. Where nothing is known of earlier
/// runs, nothing is new.
pub fn new_failure(record: &RunRecord, result: &CaseResult) -> bool {
    let red_before = |past: &CasePast| past.since < record.run.started && !past.known;
    record.past.is_some() && result.red() && !result.past.as_ref().is_some_and(red_before)
}

/// Whether it is undecided, and was not so in the last run that had the case.
pub fn new_error(record: &RunRecord, result: &CaseResult) -> bool {
    let before = result.past.as_ref().map(|past| past.before);
    record.past.is_some() && result.verdict == Verdict::Error && before != Some(Verdict::Error)
}

/// Whether it passes, and failed in the last run that had the case.
pub fn fixed(result: &CaseResult) -> bool {
    let before = result.past.as_ref().map(|past| past.before);
    matches!(result.verdict, Verdict::Pass | Verdict::Warn) && before == Some(Verdict::Fail)
}

/// The endpoints with other software than in their last run: name, software then, and now.
pub fn new_software(record: &RunRecord) -> impl Iterator<Item = (&str, &str, &str)> {
    let trends = record.past.iter().flat_map(|past| &past.trends);
    trends.filter_map(|trend| {
        let before = trend.runs.last()?.software.as_deref()?;
        let endpoint = record.endpoints.iter().find(|e| e.name == trend.endpoint)?;
        let now = endpoint.software.as_deref()?;
        (now != before).then_some((endpoint.name.as_str(), before, now))
    })
}
