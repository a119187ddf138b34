//! JSON as CERN's MONIT takes it: an array of flat objects. How they get there is left to the site.

use serde::Serialize;

use touchstone_model::{CaseResult, Portion, RecordKind, RunRecord, Verdict};

use super::FormatError;
use super::health::{Health, HealthRow, rows, short};
use super::text::{LINE, line};

/// Fields by which one selects and groups.
const TAGS: [&str; 7] = [
    "hostName",
    "serviceFlavour",
    "metricName",
    "metricStatus",
    "endpoint",
    "software",
    "severity",
];

/// The state of an endpoint (`type` is `endpoint`) or of a case there (`case`), with the names of fields that ETF has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    producer: &'static str,
    r#type: &'static str,
    /// Milliseconds since 1970.
    timestamp: i64,
    #[serde(rename = "idb_tags")]
    tags: Vec<&'static str>,
    run: &'a str,
    /// Why the run says nothing of some cases or endpoints; empty where it is whole.
    partial: String,
    endpoint: String,
    host_name: String,
    service_flavour: &'static str,
    metric_name: String,
    metric_status: &'static str,
    summary_data: String,
    details_data: String,
    software: String,
    profile: &'static str,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers {
    #[serde(rename_all = "camelCase")]
    Endpoint {
        pass: usize,
        warn: usize,
        fail: usize,
        known: usize,
        stated: usize,
        rfc: usize,
        derived: usize,
        error: usize,
        skip: usize,
        duration_ms: u64,
    },
    #[serde(rename_all = "camelCase")]
    Case {
        severity: &'static str,
        verdict: &'static str,
        known: bool,
        clauses: String,
        duration_ms: u64,
    },
}

/// The record as an array: each endpoint, behind it its cases, those aside that were skipped.
pub fn write(record: &RunRecord) -> Result<String, FormatError> {
    let rows = rows(record);
    let documents: Vec<_> = rows.iter().flat_map(|row| documents(record, row)).collect();
    serde_json::to_string_pretty(&documents)
        .map(|json| super::text::json(json) + "\n")
        .map_err(|error| FormatError::new("JSON for MONIT", error))
}

fn documents<'a>(record: &'a RunRecord, row: &'a HealthRow<'a>) -> Vec<Document<'a>> {
    let totals = &row.totals;
    let whole = Document {
        r#type: "endpoint",
        metric_name: "touchstone".to_owned(),
        metric_status: row.health().as_str(),
        summary_data: row.why(),
        numbers: Numbers::Endpoint {
            pass: totals.pass,
            warn: totals.warn,
            fail: totals.fail.saturating_sub(totals.known),
            known: totals.known,
            stated: totals.bases.stated,
            rfc: totals.bases.rfc,
            derived: totals.bases.derived,
            error: totals.error,
            skip: totals.skip,
            duration_ms: row.endpoint.duration_ms,
        },
        ..blank(record, row)
    };
    let judged = row
        .results
        .iter()
        .filter(|result| result.verdict != Verdict::Skip);
    let cases = judged.map(|result| case(record, row, result));
    std::iter::once(whole).chain(cases).collect()
}

fn case<'a>(record: &'a RunRecord, row: &HealthRow<'a>, result: &CaseResult) -> Document<'a> {
    let known = result.verdict == Verdict::Fail && !result.red();
    let reason = result.reason.as_deref().map(short);
    let clauses: Vec<_> = result.clauses.iter().map(|id| line(id.as_str())).collect();
    Document {
        r#type: "case",
        metric_name: format!("touchstone.{}", line(&result.name())),
        metric_status: Health::of(result).as_str(),
        summary_data: reason.unwrap_or_else(|| line(&result.title)),
        details_data: details(result),
        numbers: Numbers::Case {
            severity: result.severity.as_str(),
            verdict: result.verdict.as_str(),
            known,
            clauses: clauses.join(" "),
            duration_ms: result.duration_ms,
        },
        ..blank(record, row)
    }
}

/// What all documents of an endpoint have in common.
fn blank<'a>(record: &'a RunRecord, row: &HealthRow<'a>) -> Document<'a> {
    let url = url::Url::parse(&row.endpoint.url).ok();
    let host = url.as_ref().and_then(url::Url::host_str);
    Document {
        producer: "touchstone",
        r#type: "",
        timestamp: record.run.started.as_millisecond(),
        tags: TAGS.into(),
        run: record.run.id.as_str(),
        partial: Portion::listed(&record.run.partial),
        endpoint: line(&row.endpoint.name),
        host_name: line(host.unwrap_or_default()),
        service_flavour: match row.endpoint.kind {
            RecordKind::Storage => "webdav",
            RecordKind::Issuer => "token-issuer",
        },
        metric_name: String::new(),
        metric_status: "",
        summary_data: String::new(),
        details_data: String::new(),
        software: line(row.endpoint.software.as_deref().unwrap_or_default()),
        profile: row.endpoint.profile.as_str(),
        numbers: Numbers::Endpoint {
            pass: 0,
            warn: 0,
            fail: 0,
            known: 0,
            stated: 0,
            rfc: 0,
            derived: 0,
            error: 0,
            skip: 0,
            duration_ms: 0,
        },
    }
}

fn details(result: &CaseResult) -> String {
    let findings = result.findings.iter().map(|finding| {
        let clause = line(finding.clause.as_str());
        let (expected, actual) = (short(&finding.expected), short(&finding.actual));
        format!(
            "{clause} {}: expected {expected}; actual {actual}",
            finding.level
        )
    });
    let left = result.cleanup.iter();
    let left = left.map(|left| format!("could not be removed: {}", short(&left.url)));
    let lines: Vec<_> = findings.chain(left).collect();
    super::text::cap(&lines.join("\n"), 4 * LINE).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn an_endpoint_and_its_cases() {
        let text = write(&sample::record()).unwrap();
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(all.len(), 3 + 6 * 3);
        for document in &all {
            let nested = document.as_object().unwrap().iter();
            let nested: Vec<_> = nested.filter(|(_, value)| value.is_object()).collect();
            assert!(nested.is_empty(), "{nested:?}");
        }
        let pick = [&all[0], &all[3]].map(|value| format!("{value:#}"));
        insta::assert_snapshot!(pick.join("\n"), @r#"
        {
          "derived": 0,
          "detailsData": "",
          "durationMs": 3725000,
          "endpoint": "se-alpha",
          "error": 1,
          "fail": 1,
          "hostName": "se-alpha.example.org",
          "idb_tags": [
            "hostName",
            "serviceFlavour",
            "metricName",
            "metricStatus",
            "endpoint",
            "software",
            "severity"
          ],
          "known": 0,
          "metricName": "touchstone",
          "metricStatus": "CRITICAL",
          "partial": "",
          "pass": 3,
          "producer": "touchstone",
          "profile": "1.3",
          "rfc": 0,
          "run": "20261122t072848z-4f2a9c",
          "serviceFlavour": "webdav",
          "skip": 2,
          "software": "ExampleStore/1.2",
          "stated": 1,
          "summaryData": "1 failed (capability.create.no-overwrite), 1 undecided (audience.foreign.read), 1 with warnings (audience.any), 1 with objects left behind (capability.create.no-overwrite), 3 of 8 passed, 2 skipped",
          "timestamp": 1795332528000,
          "type": "endpoint",
          "warn": 1
        }
        {
          "clauses": "JWT-2.2.1-04",
          "detailsData": "JWT-2.2.1-04 MUST NOT: expected 401 or 403, and nothing changed; actual 201\nJWT-2.2.1-04 SHOULD: expected the file as it was; actual the file has the new content\ncould not be removed: https://se-beta.example.org:8443/wlcg/touchstone-20261122t072848z-4f2a9c/c/f",
          "durationMs": 120,
          "endpoint": "se-alpha",
          "hostName": "se-alpha.example.org",
          "idb_tags": [
            "hostName",
            "serviceFlavour",
            "metricName",
            "metricStatus",
            "endpoint",
            "software",
            "severity"
          ],
          "known": false,
          "metricName": "touchstone.capability.create.no-overwrite",
          "metricStatus": "CRITICAL",
          "partial": "",
          "producer": "touchstone",
          "profile": "1.3",
          "run": "20261122t072848z-4f2a9c",
          "serviceFlavour": "webdav",
          "severity": "critical",
          "software": "ExampleStore/1.2",
          "summaryData": "storage.create never replaces a file",
          "timestamp": 1795332528000,
          "type": "case",
          "verdict": "fail"
        }
        "#);
    }
}
