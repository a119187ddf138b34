//! JUnit XML for GitLab, Jenkins and the like.
//!
//! One `testsuite` for each endpoint. GitLab tells cases apart by `classname` and `name`, and Jenkins
//! keeps the trend by them: `endpoint.suite` and the id of the case, which never change. Jenkins' schema knows no
//! `file` of a case; the place in the suite stands in the text of a failure.

use junit_report::{
    Duration, OffsetDateTime, Report, TestCase, TestCaseBuilder, TestSuite, TestSuiteBuilder,
};
use url::Url;

use touchstone_model::{CaseResult, EndpointRecord, Leftover, RunRecord, Verdict};

use super::FormatError;
use super::basis;
use super::detail;
use super::style::Style;
use super::text::{cap, cdata, count, line, xml};

/// How much of a case's exchanges is kept: some readers refuse large reports.
const EXCHANGES: usize = 16 * 1024;
/// The crate adds durations up and panics when that overflows.
const LONGEST_MS: u64 = 1 << 40;
/// The last second that RFC 3339 can express; the crate panics on a later one.
const LAST_SECOND: i64 = 253_402_300_799;

/// The record as JUnit XML.
pub fn write(record: &RunRecord) -> Result<String, FormatError> {
    let mut report = Report::new();
    report.add_testsuites(
        record
            .endpoints
            .iter()
            .map(|endpoint| suite(record, endpoint)),
    );
    let mut bytes = Vec::new();
    report
        .write_xml(&mut bytes)
        .map_err(|error| FormatError::new("JUnit XML", error))?;
    String::from_utf8(bytes)
        .map(|text| text + "\n")
        .map_err(|error| FormatError::new("JUnit XML", error))
}

fn suite(record: &RunRecord, endpoint: &EndpointRecord) -> TestSuite {
    let mut builder = TestSuiteBuilder::new(&attribute(&endpoint.name));
    let second = record.run.started.as_second().clamp(0, LAST_SECOND);
    builder.set_timestamp(
        OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH),
    );
    builder.add_testcases(
        record
            .results
            .iter()
            .filter(|result| result.endpoint == endpoint.name)
            .map(case),
    );
    if let Some(out) = about(record, endpoint) {
        builder.set_system_out(&cdata(&out));
    }
    let mut suite = builder.build();
    let host = Url::parse(&endpoint.url).ok();
    suite.hostname = attribute(host.as_ref().and_then(Url::host_str).unwrap_or("unknown"));
    suite.package = format!("touchstone {}", attribute(&record.run.version));
    suite
}

/// What there is to say of an endpoint beyond its cases.
fn about(record: &RunRecord, endpoint: &EndpointRecord) -> Option<String> {
    let mut text = leftovers(&endpoint.leftovers);
    let results = record.results.iter();
    let red = results.filter(|result| result.red() && result.endpoint == endpoint.name);
    let bases = basis::among(red);
    if !bases.is_empty() {
        text += &format!("failures by basis: {}\n", basis::words(bases));
    }
    if let Some(mode) = record.run.mode().description() {
        text += &format!("judged {mode}\n");
    }
    if let Some(reason) = &endpoint.downtime {
        text += &format!("not judged: {}\n", line(reason));
    }
    if let Some(reason) = &endpoint.unreachable {
        text += &format!("unreachable: {}\n", line(reason));
    }
    for note in &endpoint.notes {
        text += &format!("note: {}\n", line(note));
    }
    (!text.is_empty()).then_some(text)
}

fn case(result: &CaseResult) -> TestCase {
    let name = attribute(&result.name());
    let time = Duration::milliseconds(
        i64::try_from(result.duration_ms.min(LONGEST_MS)).unwrap_or_default(),
    );
    let reason = result.reason.as_deref().unwrap_or("no reason was given");
    let found = detail::findings(result, "", Style::Plain);
    let mut builder = match (result.verdict, &result.known) {
        (Verdict::Pass | Verdict::Warn, _) => TestCaseBuilder::success(&name, time),
        (Verdict::Skip, _) => {
            TestCaseBuilder::skipped_with_cause(&name, "skip", &attribute(reason))
        }
        (Verdict::Error, _) => TestCaseBuilder::error(&name, time, "error", &attribute(reason)),
        (Verdict::Fail, Some(known)) => TestCaseBuilder::skipped_with_cause(
            &name,
            "known-failure",
            &attribute(&format!("known failure: {}", detail::known(known))),
        ),
        (Verdict::Fail, None) => {
            let (kind, mut message) = summary(result);
            if let Some(expired) = detail::expired(result) {
                message += &format!("; {expired}");
            }
            TestCaseBuilder::failure(&name, time, &attribute(&kind), &attribute(&message))
        }
    };
    if result.verdict == Verdict::Fail {
        let expired = detail::expired(result).map(|expired| expired + "\n\n");
        builder.set_trace(&cdata(&(expired.unwrap_or_default() + &found)));
    }
    if let Some(out) = system_out(result, found) {
        builder.set_system_out(&cdata(&out));
    }
    builder.set_classname(&attribute(&format!("{}.{}", result.endpoint, result.suite)));
    let mut case = builder.build();
    case.time = time;
    case
}

/// Type and message of a failure: the gravest finding.
fn summary(result: &CaseResult) -> (String, String) {
    match result.findings.first() {
        None => ("fail".to_owned(), result.title.clone()),
        Some(first) => {
            let more = match result.findings.len() - 1 {
                0 => String::new(),
                more => format!(" (and {})", count(more, "more finding")),
            };
            (
                format!("{} {}{}", first.clause, first.level, first.basis.mark()),
                format!(
                    "{}: expected {}; actual {}{more}",
                    line(&result.title),
                    line(&first.expected),
                    line(&first.actual)
                ),
            )
        }
    }
}

/// Everything that helps to understand the verdict; nothing where there is nothing to explain.
fn system_out(result: &CaseResult, found: String) -> Option<String> {
    let mut text = found;
    if let (true, Some(known)) = (result.unexpected_pass(), &result.known) {
        text += &format!(
            "passed, though listed as a known failure: {}\n",
            detail::known(known)
        );
    }
    if result.flaky {
        text += "a request was sent again after a transport error\n";
    }
    text += &leftovers(&result.cleanup);
    if !matches!(result.verdict, Verdict::Pass | Verdict::Skip) {
        text += &cap(&detail::exchanges(result), EXCHANGES);
    }
    (!text.is_empty()).then_some(text)
}

fn leftovers(left: &[Leftover]) -> String {
    left.iter()
        .map(|left| {
            format!(
                "could not be removed: {}: {}\n",
                line(&left.url),
                line(&left.reason)
            )
        })
        .collect()
}

/// One line that an attribute may hold.
fn attribute(text: &str) -> String {
    xml(&line(text))
}

#[cfg(test)]
mod tests;
