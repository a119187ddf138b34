//! What a run says of an endpoint or a case, in the four words of monitoring systems.

use std::collections::HashMap;

use touchstone_model::{CaseResult, EndpointRecord, Portion, RunRecord, TagRow, Verdict};

use super::text::{cap, count, line};

/// How many cases a sentence names.
const NAMED: usize = 3;
/// How many bytes of a reason a sentence has.
const REASON: usize = 200;

/// A state as Nagios has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Everything as required; failures that are known are not counted.
    Ok,
    /// Recommendations were missed, a request had to be sent again, or something was left behind.
    Warning,
    /// Something could not be decided. Graver than a warning, which may be there for good and would hide it.
    Unknown,
    /// A requirement was missed that nobody has announced.
    Critical,
}

impl Health {
    /// The exit code of a plugin.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The word at the start of a plugin's line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// That of one case.
    pub fn of(result: &CaseResult) -> Self {
        let judged = match result.verdict {
            Verdict::Fail if result.red() => Self::Critical,
            Verdict::Error => Self::Unknown,
            Verdict::Warn => Self::Warning,
            Verdict::Pass | Verdict::Fail | Verdict::Skip => Self::Ok,
        };
        if result.flaky || !result.cleanup.is_empty() {
            judged.max(Self::Warning)
        } else {
            judged
        }
    }
}

/// An endpoint with everything that the run says of it.
#[derive(Debug)]
pub struct HealthRow<'a> {
    /// The endpoint or issuer.
    pub endpoint: &'a EndpointRecord,
    /// Its cases, in the order of the record.
    pub results: Vec<&'a CaseResult>,
    /// Its row of the record's statistics.
    pub totals: TagRow,
}

/// Every endpoint, in the order of the record.
pub fn rows(record: &RunRecord) -> Vec<HealthRow<'_>> {
    let mut results: HashMap<&str, Vec<&CaseResult>> = HashMap::new();
    for result in &record.results {
        results.entry(&result.endpoint).or_default().push(result);
    }
    // The first two rows are the severities, and an endpoint may be called like one.
    let totals = record.statistics.iter().skip(2);
    let mut totals: HashMap<&str, &TagRow> = totals.map(|row| (row.tag.as_str(), row)).collect();
    let endpoints = record.endpoints.iter();
    endpoints
        .map(|endpoint| HealthRow {
            endpoint,
            results: results.remove(endpoint.name.as_str()).unwrap_or_default(),
            totals: totals
                .remove(endpoint.name.as_str())
                .cloned()
                .unwrap_or_default(),
        })
        .collect()
}

/// The state of all endpoints together. One of which nothing was judged, for instance because it is down for
/// maintenance, does not matter beside others.
pub fn overall(rows: &[HealthRow<'_>]) -> Health {
    let judged = rows.iter().filter(|row| !row.idle()).map(HealthRow::health);
    judged.max().unwrap_or(Health::Unknown)
}

/// Why the run does not speak for all cases of its endpoints; empty where it does. Who asks about an endpoint need not
/// know that there are others.
pub fn part_of_cases(record: &RunRecord) -> String {
    let mut partial = record.run.partial.clone();
    partial.retain(|portion| *portion != Portion::Endpoints);
    Portion::listed(&partial)
}

impl HealthRow<'_> {
    /// Whether every case was skipped.
    pub fn idle(&self) -> bool {
        let skipped = |result: &&CaseResult| result.verdict == Verdict::Skip;
        self.endpoint.unreachable.is_none() && self.results.iter().all(skipped)
    }

    /// The state of the endpoint.
    pub fn health(&self) -> Health {
        if self.idle() {
            return Health::Unknown;
        }
        let mut health = Health::Ok;
        if !self.endpoint.leftovers.is_empty() {
            health = Health::Warning;
        }
        if self.endpoint.unreachable.is_some() {
            health = health.max(Health::Unknown);
        }
        let cases = self.results.iter().map(|result| Health::of(result));
        cases.fold(health, Health::max)
    }

    /// The reasons for the state, the gravest first, on one line.
    pub fn why(&self) -> String {
        if self.idle() {
            let reason = self
                .results
                .iter()
                .find_map(|result| result.reason.as_deref());
            return match reason {
                Some(reason) => format!("nothing was judged: {}", short(reason)),
                None => "nothing was judged".to_owned(),
            };
        }
        let mut parts = Vec::new();
        if let Some(reason) = &self.endpoint.unreachable {
            parts.push(format!("unreachable: {}", short(reason)));
        }
        self.add(&mut parts, "failed", true, CaseResult::red);
        let undecided = |result: &CaseResult| result.verdict == Verdict::Error;
        // Why it is unreachable has been said.
        let named = self.endpoint.unreachable.is_none();
        self.add(&mut parts, "undecided", named, undecided);
        self.add(&mut parts, "with warnings", true, |result| {
            result.verdict == Verdict::Warn
        });
        self.add(&mut parts, "with objects left behind", true, |result| {
            !result.cleanup.is_empty()
        });
        let left = self.endpoint.leftovers.len();
        if left > 0 {
            parts.push(count(left, "more object") + " left behind");
        }
        self.add(
            &mut parts,
            "repeated after a transport error",
            true,
            |result| result.flaky,
        );
        self.add(&mut parts, "failed as known", true, |result| {
            result.verdict == Verdict::Fail && !result.red()
        });
        self.add(
            &mut parts,
            "passed though known to fail",
            true,
            CaseResult::unexpected_pass,
        );
        parts.push(format!(
            "{} of {} passed, {} skipped",
            self.totals.pass, self.totals.total, self.totals.skip
        ));
        parts.join(", ")
    }

    fn add(
        &self,
        parts: &mut Vec<String>,
        what: &str,
        named: bool,
        wanted: impl Fn(&CaseResult) -> bool,
    ) {
        let found = self.results.iter().filter(|result| wanted(result));
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            return;
        }
        let mut part = format!("{} {what}", found.len());
        if named {
            let names = found.iter().take(NAMED);
            let names: Vec<_> = names.map(|result| line(&result.name())).collect();
            let more = if found.len() > NAMED { " …" } else { "" };
            part += &format!(" ({}{more})", names.join(" "));
        }
        parts.push(part);
    }
}

/// A reason on one line, and not all of a long one.
pub fn short(reason: &str) -> String {
    line(&cap(reason, REASON))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn each_endpoint_has_its_state_and_the_reasons() {
        let record = sample::record();
        let rows = rows(&record);
        let told: Vec<_> = rows
            .iter()
            .map(|row| {
                format!(
                    "{} {}: {}",
                    row.endpoint.name,
                    row.health().as_str(),
                    row.why()
                )
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        se-alpha CRITICAL: 1 failed (capability.create.no-overwrite), 1 undecided (audience.foreign.read), 1 with warnings (audience.any), 1 with objects left behind (capability.create.no-overwrite), 3 of 8 passed, 2 skipped
        se-beta WARNING: 1 with objects left behind (capability.create.no-overwrite), 1 more object left behind, 1 failed as known (capability.create.no-overwrite), 1 passed though known to fail (path.sibling-prefix.read), 5 of 8 passed, 2 skipped
        se-gamma UNKNOWN: unreachable: connection refused, 6 undecided, 0 of 8 passed, 2 skipped
        ");
        assert_eq!(overall(&rows), Health::Critical);
        assert_eq!(overall(&rows[1..]), Health::Unknown);
        assert_eq!(overall(&rows[1..2]), Health::Warning);
        assert_eq!(overall(&[]), Health::Unknown);
    }

    #[test]
    fn known_failures_are_ok_and_maintenance_does_not_matter_beside_others() {
        let mut record = sample::record();
        record.endpoints[1].leftovers.clear();
        for result in &mut record.results {
            result.cleanup.clear();
            if result.endpoint == "se-gamma" {
                result.verdict = Verdict::Skip;
                result.reason = Some("in downtime until noon".into());
            }
        }
        record.endpoints[2].unreachable = None;
        let rows = rows(&record);
        assert_eq!(rows[1].health(), Health::Ok);
        assert_eq!(rows[2].health(), Health::Unknown);
        assert_eq!(rows[2].why(), "nothing was judged: in downtime until noon");
        assert_eq!(overall(&rows[1..]), Health::Ok);
        assert_eq!(overall(&rows[2..]), Health::Unknown);
    }

    #[test]
    fn a_flaky_pass_is_a_warning() {
        let mut record = sample::record();
        let mut result = record.results.remove(3);
        assert_eq!(Health::of(&result), Health::Ok);
        result.flaky = true;
        assert_eq!(Health::of(&result), Health::Warning);
    }
}
