//! The text format of Prometheus, for the textfile collector of its node exporter.
//!
//! Gauges only, without time stamps, and without labels that change from run to run. Each case has one series, with the
//! verdict as value: 200 endpoints with 300 cases are 60 000 series at most. What was skipped has none, and software
//! stands in an `info` series of its own, so that no other series changes with it.

use std::collections::HashSet;

use touchstone_model::{CaseResult, RecordKind, RunRecord, Verdict};

use super::FormatError;
use super::health::{HealthRow, rows};
use super::text::line;

/// A name of a label and its value.
type Label<'a> = (&'static str, &'a str);

/// The record as metrics.
pub fn write(record: &RunRecord) -> Result<String, FormatError> {
    let rows = rows(record);
    let mut text = String::new();
    of_run(&mut text, record);
    of_endpoints(&mut text, &rows);
    let mut family = Family::new(
        &mut text,
        "case_result",
        "What the case says of the endpoint: 0 passed, 1 recommendation missed, 2 failed, 3 undecided, 4 failed as known.",
    );
    for result in &record.results {
        let Some(value) = value(result) else { continue };
        let case = result.case.as_str();
        let mut labels = vec![("endpoint", result.endpoint.as_str()), ("case", case)];
        if let Some(partner) = &result.partner {
            labels.push(("partner", partner));
        }
        labels.push(("severity", result.severity.as_str()));
        family.add(&labels, value);
    }
    Ok(text)
}

fn of_run(text: &mut String, record: &RunRecord) {
    let run = &record.run;
    Family::new(text, "info", "The tool that made the last run; always 1.")
        .add(&[("version", run.version.as_str())], 1);
    Family::new(
        text,
        "run_timestamp_seconds",
        "When the last run began, in seconds since 1970.",
    )
    .add(&[], run.started.as_second());
    Family::new(text, "run_duration_seconds", "How long the last run took.")
        .add(&[], seconds(run.duration_ms));
    Family::new(
        text,
        "run_interrupted",
        "Whether somebody stopped the last run: 1 if so.",
    )
    .add(&[], u8::from(run.interrupted));
    Family::new(
        text,
        "run_partial",
        "Whether the last run says nothing of some cases or endpoints, because they were left out or it was stopped: 1 if so.",
    )
    .add(&[], u8::from(run.is_partial()));
    let mut requests = Family::new(
        text,
        "issuer_requests",
        "How many tokens the last run asked the issuer for.",
    );
    for issuer in &run.issuers {
        requests.add(&[("issuer", issuer.issuer.as_str())], issuer.requests);
    }
}

fn of_endpoints(text: &mut String, rows: &[HealthRow<'_>]) {
    let mut info = Family::new(
        text,
        "endpoint_info",
        "What the endpoint is, as far as it is known; always 1.",
    );
    for row in rows {
        let endpoint = row.endpoint;
        let kind = match endpoint.kind {
            RecordKind::Storage => "storage",
            RecordKind::Issuer => "issuer",
        };
        let labels = [
            ("endpoint", endpoint.name.as_str()),
            ("kind", kind),
            ("url", endpoint.url.as_str()),
            ("software", endpoint.software.as_deref().unwrap_or_default()),
            ("profile", endpoint.profile.as_str()),
        ];
        info.add(&labels, 1);
    }
    each(
        text,
        rows,
        "up",
        "Whether the endpoint was reached: 1 if so.",
        |row| u8::from(row.endpoint.unreachable.is_none()).to_string(),
    );
    let mut cases = Family::new(
        text,
        "cases",
        "Cases by verdict; of those that fail, the known ones are counted as `known` alone.",
    );
    for row in rows {
        let totals = &row.totals;
        for (verdict, number) in [
            ("pass", totals.pass),
            ("warn", totals.warn),
            ("fail", totals.fail.saturating_sub(totals.known)),
            ("known", totals.known),
            ("error", totals.error),
            ("skip", totals.skip),
        ] {
            let labels = [
                ("endpoint", row.endpoint.name.as_str()),
                ("verdict", verdict),
            ];
            cases.add(&labels, number);
        }
    }
    let mut failures = Family::new(
        text,
        "failures",
        "Failures that are not known, by the basis of the clause: stated, rfc, or derived, which is our reading.",
    );
    for row in rows {
        for (basis, number) in row.totals.bases.all() {
            let labels = [("endpoint", row.endpoint.name.as_str()), ("basis", basis)];
            failures.add(&labels, number);
        }
    }
    let about = "Objects that could not be removed from the endpoint.";
    each(text, rows, "leftovers", about, |row| {
        let of_cases = row.results.iter().map(|result| result.cleanup.len());
        (of_cases.sum::<usize>() + row.endpoint.leftovers.len()).to_string()
    });
    let about = "Cases with a request that had to be sent again after a transport error.";
    each(text, rows, "flaky_cases", about, |row| {
        row.results
            .iter()
            .filter(|result| result.flaky)
            .count()
            .to_string()
    });
    let about = "How long the endpoint took.";
    each(text, rows, "endpoint_duration_seconds", about, |row| {
        seconds(row.endpoint.duration_ms)
    });
}

/// One gauge for each endpoint.
fn each(
    text: &mut String,
    rows: &[HealthRow<'_>],
    name: &'static str,
    help: &str,
    value: impl Fn(&HealthRow<'_>) -> String,
) {
    let mut family = Family::new(text, name, help);
    for row in rows {
        family.add(&[("endpoint", row.endpoint.name.as_str())], value(row));
    }
}

fn value(result: &CaseResult) -> Option<u8> {
    match result.verdict {
        Verdict::Pass => Some(0),
        Verdict::Warn => Some(1),
        Verdict::Fail if result.red() => Some(2),
        Verdict::Error => Some(3),
        Verdict::Fail => Some(4),
        Verdict::Skip => None,
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// The series of one name.
struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    head: Option<String>,
    /// A second series with the same labels would make the whole file unreadable.
    seen: HashSet<String>,
}

impl<'a> Family<'a> {
    fn new(text: &'a mut String, name: &'static str, help: &str) -> Self {
        let head = format!("# HELP touchstone_{name} {help}\n# TYPE touchstone_{name} gauge\n");
        Self {
            text,
            name,
            head: Some(head),
            seen: HashSet::new(),
        }
    }

    fn add(&mut self, labels: &[Label<'_>], value: impl std::fmt::Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", label(value)))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        if self.seen.contains(&labels) {
            return;
        }
        if let Some(head) = self.head.take() {
            *self.text += &head;
        }
        *self.text += &format!("touchstone_{}{labels} {value}\n", self.name);
        self.seen.insert(labels);
    }
}

/// The value of a label between its quotes.
fn label(text: &str) -> String {
    line(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_series_for_each_case_that_was_judged() {
        insta::assert_snapshot!(write(&sample::record()).unwrap(), @r#"
        # HELP touchstone_info The tool that made the last run; always 1.
        # TYPE touchstone_info gauge
        touchstone_info{version="0.1.0"} 1
        # HELP touchstone_run_timestamp_seconds When the last run began, in seconds since 1970.
        # TYPE touchstone_run_timestamp_seconds gauge
        touchstone_run_timestamp_seconds 1795332528
        # HELP touchstone_run_duration_seconds How long the last run took.
        # TYPE touchstone_run_duration_seconds gauge
        touchstone_run_duration_seconds 3726.000
        # HELP touchstone_run_interrupted Whether somebody stopped the last run: 1 if so.
        # TYPE touchstone_run_interrupted gauge
        touchstone_run_interrupted 0
        # HELP touchstone_run_partial Whether the last run says nothing of some cases or endpoints, because they were left out or it was stopped: 1 if so.
        # TYPE touchstone_run_partial gauge
        touchstone_run_partial 0
        # HELP touchstone_endpoint_info What the endpoint is, as far as it is known; always 1.
        # TYPE touchstone_endpoint_info gauge
        touchstone_endpoint_info{endpoint="se-alpha",kind="storage",url="https://se-alpha.example.org:8443/wlcg",software="ExampleStore/1.2",profile="1.3"} 1
        touchstone_endpoint_info{endpoint="se-beta",kind="storage",url="https://se-beta.example.org:8443/wlcg",software="",profile="1.3"} 1
        touchstone_endpoint_info{endpoint="se-gamma",kind="storage",url="https://se-gamma.example.org:8443/wlcg",software="OtherStore",profile="1.3"} 1
        # HELP touchstone_up Whether the endpoint was reached: 1 if so.
        # TYPE touchstone_up gauge
        touchstone_up{endpoint="se-alpha"} 1
        touchstone_up{endpoint="se-beta"} 1
        touchstone_up{endpoint="se-gamma"} 0
        # HELP touchstone_cases Cases by verdict; of those that fail, the known ones are counted as `known` alone.
        # TYPE touchstone_cases gauge
        touchstone_cases{endpoint="se-alpha",verdict="pass"} 3
        touchstone_cases{endpoint="se-alpha",verdict="warn"} 1
        touchstone_cases{endpoint="se-alpha",verdict="fail"} 1
        touchstone_cases{endpoint="se-alpha",verdict="known"} 0
        touchstone_cases{endpoint="se-alpha",verdict="error"} 1
        touchstone_cases{endpoint="se-alpha",verdict="skip"} 2
        touchstone_cases{endpoint="se-beta",verdict="pass"} 5
        touchstone_cases{endpoint="se-beta",verdict="warn"} 0
        touchstone_cases{endpoint="se-beta",verdict="fail"} 0
        touchstone_cases{endpoint="se-beta",verdict="known"} 1
        touchstone_cases{endpoint="se-beta",verdict="error"} 0
        touchstone_cases{endpoint="se-beta",verdict="skip"} 2
        touchstone_cases{endpoint="se-gamma",verdict="pass"} 0
        touchstone_cases{endpoint="se-gamma",verdict="warn"} 0
        touchstone_cases{endpoint="se-gamma",verdict="fail"} 0
        touchstone_cases{endpoint="se-gamma",verdict="known"} 0
        touchstone_cases{endpoint="se-gamma",verdict="error"} 6
        touchstone_cases{endpoint="se-gamma",verdict="skip"} 2
        # HELP touchstone_failures Failures that are not known, by the basis of the clause: stated, rfc, or derived, which is our reading.
        # TYPE touchstone_failures gauge
        touchstone_failures{endpoint="se-alpha",basis="stated"} 1
        touchstone_failures{endpoint="se-alpha",basis="rfc"} 0
        touchstone_failures{endpoint="se-alpha",basis="derived"} 0
        touchstone_failures{endpoint="se-beta",basis="stated"} 0
        touchstone_failures{endpoint="se-beta",basis="rfc"} 0
        touchstone_failures{endpoint="se-beta",basis="derived"} 0
        touchstone_failures{endpoint="se-gamma",basis="stated"} 0
        touchstone_failures{endpoint="se-gamma",basis="rfc"} 0
        touchstone_failures{endpoint="se-gamma",basis="derived"} 0
        # HELP touchstone_leftovers Objects that could not be removed from the endpoint.
        # TYPE touchstone_leftovers gauge
        touchstone_leftovers{endpoint="se-alpha"} 1
        touchstone_leftovers{endpoint="se-beta"} 2
        touchstone_leftovers{endpoint="se-gamma"} 0
        # HELP touchstone_flaky_cases Cases with a request that had to be sent again after a transport error.
        # TYPE touchstone_flaky_cases gauge
        touchstone_flaky_cases{endpoint="se-alpha"} 0
        touchstone_flaky_cases{endpoint="se-beta"} 0
        touchstone_flaky_cases{endpoint="se-gamma"} 0
        # HELP touchstone_endpoint_duration_seconds How long the endpoint took.
        # TYPE touchstone_endpoint_duration_seconds gauge
        touchstone_endpoint_duration_seconds{endpoint="se-alpha"} 3725.000
        touchstone_endpoint_duration_seconds{endpoint="se-beta"} 286.400
        touchstone_endpoint_duration_seconds{endpoint="se-gamma"} 10.020
        # HELP touchstone_case_result What the case says of the endpoint: 0 passed, 1 recommendation missed, 2 failed, 3 undecided, 4 failed as known.
        # TYPE touchstone_case_result gauge
        touchstone_case_result{endpoint="se-alpha",case="audience.any",severity="not-critical"} 1
        touchstone_case_result{endpoint="se-alpha",case="audience.foreign.read",severity="critical"} 3
        touchstone_case_result{endpoint="se-alpha",case="capability.create.no-overwrite",severity="critical"} 2
        touchstone_case_result{endpoint="se-alpha",case="capability.read.get",severity="critical"} 0
        touchstone_case_result{endpoint="se-alpha",case="capability.read.missing",severity="not-critical"} 0
        touchstone_case_result{endpoint="se-alpha",case="path.sibling-prefix.read",severity="critical"} 0
        touchstone_case_result{endpoint="se-beta",case="audience.any",severity="not-critical"} 0
        touchstone_case_result{endpoint="se-beta",case="audience.foreign.read",severity="critical"} 0
        touchstone_case_result{endpoint="se-beta",case="capability.create.no-overwrite",severity="critical"} 4
        touchstone_case_result{endpoint="se-beta",case="capability.read.get",severity="critical"} 0
        touchstone_case_result{endpoint="se-beta",case="capability.read.missing",severity="not-critical"} 0
        touchstone_case_result{endpoint="se-beta",case="path.sibling-prefix.read",severity="critical"} 0
        touchstone_case_result{endpoint="se-gamma",case="audience.any",severity="not-critical"} 3
        touchstone_case_result{endpoint="se-gamma",case="audience.foreign.read",severity="critical"} 3
        touchstone_case_result{endpoint="se-gamma",case="capability.create.no-overwrite",severity="critical"} 3
        touchstone_case_result{endpoint="se-gamma",case="capability.read.get",severity="critical"} 3
        touchstone_case_result{endpoint="se-gamma",case="capability.read.missing",severity="not-critical"} 3
        touchstone_case_result{endpoint="se-gamma",case="path.sibling-prefix.read",severity="critical"} 3
        "#);
    }

    #[test]
    fn a_part_of_a_run_is_told_from_a_whole_one() {
        let mut record = sample::record();
        record.run.partial = vec![touchstone_model::Portion::Cases];
        let text = write(&record).unwrap();
        assert!(text.contains("\ntouchstone_run_partial 1\n"), "{text}");
    }

    #[test]
    fn labels_stay_in_their_quotes() {
        assert_eq!(label("a\"} 1\nb\\"), "a\\\"} 1\\\\nb\\\\");
    }

    #[test]
    fn nothing_of_a_run_is_in_a_label() {
        let mut record = sample::record();
        let one = write(&record).unwrap();
        record.run.id = touchstone_model::RunId::new("2027-01-01T00:00:00Z".parse().unwrap(), 7);
        assert_eq!(write(&record).unwrap(), one);
    }

    #[test]
    fn a_large_run_stays_readable() {
        let mut record = sample::record();
        let (endpoint, result) = (record.endpoints[0].clone(), record.results[3].clone());
        record.endpoints.clear();
        record.results.clear();
        for n in 0..200 {
            let name = format!("se-of-some-site-{n}.example.org");
            record.endpoints.push(touchstone_model::EndpointRecord {
                name: name.clone(),
                ..endpoint.clone()
            });
            record.results.extend((0..300).map(|case| CaseResult {
                endpoint: name.clone(),
                case: format!("capability.read.case-{case}").parse().unwrap(),
                exchanges: touchstone_model::Exchanges::default(),
                ..result.clone()
            }));
        }
        let text = write(&record).unwrap();
        assert!(text.len() < 8 << 20, "{}", text.len());
        assert_eq!(text.matches("\ntouchstone_case_result{").count(), 60_000);
    }

    #[test]
    fn no_series_is_there_twice() {
        let mut record = sample::record();
        let one = write(&record).unwrap();
        record.results.extend(record.results.clone());
        record.endpoints.push(record.endpoints[0].clone());
        assert_eq!(write(&record).unwrap().lines().count(), one.lines().count());
    }
}
