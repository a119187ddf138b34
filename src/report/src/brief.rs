//! A run record without its exchanges, as far as a comparison wants it: of a large file, little is kept.

use std::collections::HashMap;
use std::io::Read;

use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use touchstone_model::{
    Basis, CaseId, CaseOutcome, EndpointOutcome, KnownFailure, Level, Portion, RECORD_SCHEMA,
    RunId, RunOutcome, RunRecord, Severity, Verdict,
};

use super::json::ReadError;

/// A run record in brief.
#[derive(Debug, Deserialize)]
pub struct Brief {
    #[serde(deserialize_with = "this_schema", rename = "schema")]
    _schema: (),
    run: BriefRun,
    endpoints: Vec<BriefEndpoint>,
    results: Vec<BriefResult>,
}

#[derive(Debug, Deserialize)]
struct BriefRun {
    id: RunId,
    started: Timestamp,
    #[serde(default)]
    interrupted: bool,
    #[serde(default)]
    partial: Vec<Portion>,
    #[serde(default)]
    shard: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct BriefEndpoint {
    name: String,
    url: String,
    #[serde(default)]
    software: Option<String>,
    #[serde(default)]
    unreachable: Option<String>,
}

#[derive(Debug, Deserialize)]
struct BriefResult {
    endpoint: String,
    case: CaseId,
    #[serde(default)]
    partner: Option<String>,
    severity: Severity,
    verdict: Verdict,
    #[serde(default)]
    known: Option<KnownFailure>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    past: Option<BriefPast>,
    #[serde(default)]
    findings: Vec<BriefFinding>,
}

#[derive(Debug, Deserialize)]
struct BriefPast {
    since: Timestamp,
}

#[derive(Debug, Deserialize)]
struct BriefFinding {
    clause: String,
    level: Level,
    basis: Basis,
    requirement: String,
    expected: String,
    actual: String,
}

/// What a comparison shows of a run beside its verdicts, where that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    endpoints: HashMap<String, EndpointDetail>,
    cases: HashMap<Key, CaseDetail>,
}

/// Endpoint, case and partner.
type Key = (String, CaseId, Option<String>);

/// An endpoint, as a comparison shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointDetail {
    /// Its URL.
    pub url: String,
    /// Why nothing could be judged, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
}

/// What did not simply pass, as a comparison shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseDetail {
    /// What a failure costs.
    pub severity: Severity,
    /// The run in which it began, where a history is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Why it was skipped or could not be decided, or why a failure is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The gravest finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<FindingDetail>,
}

/// A finding, as a comparison shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingDetail {
    /// The clause that was missed.
    pub clause: String,
    /// Its level.
    pub level: Level,
    /// Where its authority comes from.
    pub basis: Basis,
    /// Its sentence.
    pub requirement: String,
    /// What would have been right.
    pub expected: String,
    /// What came instead.
    pub actual: String,
}

impl Details {
    /// What is known of an endpoint.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointDetail> {
        self.endpoints.get(name)
    }

    /// What is known of a case.
    pub fn case(&self, endpoint: &str, outcome: &CaseOutcome) -> Option<&CaseDetail> {
        let key = (
            endpoint.to_owned(),
            outcome.case.clone(),
            outcome.partner.clone(),
        );
        self.cases.get(&key)
    }
}

impl From<&RunRecord> for Details {
    fn from(record: &RunRecord) -> Self {
        let endpoints = record.endpoints.iter().map(|endpoint| {
            let detail = EndpointDetail {
                url: endpoint.url.clone(),
                unreachable: endpoint.unreachable.clone(),
            };
            (endpoint.name.clone(), detail)
        });
        let cases = record.results.iter().filter(|r| r.verdict != Verdict::Pass);
        let cases = cases.map(|result| {
            let finding = result.findings.first().map(|finding| FindingDetail {
                clause: finding.clause.to_string(),
                level: finding.level,
                basis: finding.basis,
                requirement: finding.requirement.clone(),
                expected: finding.expected.clone(),
                actual: finding.actual.clone(),
            });
            let detail = CaseDetail {
                severity: result.severity,
                since: result.past.as_ref().map(|past| past.since),
                reason: reason(result.reason.as_ref(), result.known.as_ref()),
                finding,
            };
            let key = (
                result.endpoint.clone(),
                result.case.clone(),
                result.partner.clone(),
            );
            (key, detail)
        });
        Self {
            endpoints: endpoints.collect(),
            cases: cases.collect(),
        }
    }
}

impl Brief {
    /// Reads the beginning, the endpoints and the results of a record, and passes over the exchanges.
    ///
    /// # Errors
    /// If it is not JSON or no record; [`read_error`] finds the best words for that.
    pub fn read(json: impl Read) -> Result<Self, serde_json::Error> {
        serde_json::from_reader(json)
    }

    /// Whether its run says nothing of some of the cases or endpoints.
    pub fn is_partial(&self) -> bool {
        self.run.interrupted || !self.run.partial.is_empty() || self.run.shard.is_some()
    }

    /// What is compared, and what is shown beside it.
    pub fn split(self) -> (RunOutcome, Details) {
        let partial = self.is_partial();
        let mut endpoints: Vec<EndpointOutcome> = Vec::with_capacity(self.endpoints.len());
        let mut details = Details::default();
        let mut places = HashMap::new();
        for endpoint in self.endpoints {
            places.insert(endpoint.name.clone(), endpoints.len());
            let detail = EndpointDetail {
                url: endpoint.url,
                unreachable: endpoint.unreachable,
            };
            details.endpoints.insert(endpoint.name.clone(), detail);
            endpoints.push(EndpointOutcome {
                name: endpoint.name,
                software: endpoint.software,
                cases: Vec::new(),
            });
        }
        for result in self.results {
            let place = places.get(&result.endpoint);
            let Some(endpoint) = place.and_then(|place| endpoints.get_mut(*place)) else {
                continue;
            };
            endpoint.cases.push(CaseOutcome {
                case: result.case.clone(),
                partner: result.partner.clone(),
                verdict: result.verdict,
                known: result.verdict == Verdict::Fail && result.known.is_some(),
            });
            if result.verdict != Verdict::Pass {
                let (key, detail) = result.detail();
                details.cases.insert(key, detail);
            }
        }
        let outcome = RunOutcome {
            run: self.run.id,
            started: self.run.started,
            partial,
            endpoints,
        };
        (outcome, details)
    }
}

impl BriefResult {
    fn detail(self) -> (Key, CaseDetail) {
        let finding = self.findings.into_iter().next();
        let detail = CaseDetail {
            severity: self.severity,
            since: self.past.map(|past| past.since),
            reason: reason(self.reason.as_ref(), self.known.as_ref()),
            finding: finding.map(|finding| FindingDetail {
                clause: finding.clause,
                level: finding.level,
                basis: finding.basis,
                requirement: finding.requirement,
                expected: finding.expected,
                actual: finding.actual,
            }),
        };
        ((self.endpoint, self.case, self.partner), detail)
    }
}

/// Why a text is no run record that [`Brief::read`] takes, from what that said and the text once more.
pub fn read_error(error: serde_json::Error, again: impl Read) -> ReadError {
    #[derive(Deserialize)]
    struct Head {
        schema: Option<String>,
    }
    if !error.is_data() {
        return ReadError::Json(error);
    }
    match serde_json::from_reader(again) {
        Ok(Head {
            schema: Some(schema),
        }) if schema == RECORD_SCHEMA => ReadError::Record(error),
        Ok(Head {
            schema: Some(schema),
        }) => ReadError::Version(schema),
        _ => ReadError::Foreign,
    }
}

fn reason(reason: Option<&String>, known: Option<&KnownFailure>) -> Option<String> {
    reason.or(known.map(|known| &known.reason)).cloned()
}

/// Ends the reading at once where it is a record of another version.
fn this_schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match String::deserialize(deserializer)? {
        schema if schema == RECORD_SCHEMA => Ok(()),
        _ => Err(D::Error::custom("another schema")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json, sample};

    #[test]
    fn the_short_reading_says_the_same_as_the_long_one() {
        for record in [sample::record(), sample::with_past()] {
            let text = json::write(&record).unwrap();
            let (outcome, details) = Brief::read(text.as_bytes()).unwrap().split();
            assert_eq!(outcome, RunOutcome::from(&record));
            assert_eq!(details, Details::from(&record));
            assert!(!details.cases.is_empty());
        }
    }

    #[test]
    fn other_files_are_refused_in_the_same_words() {
        let text = json::write(&sample::record()).unwrap();
        let newer = text.replace("touchstone/run/1", "touchstone/run/2");
        let broken = text.replace("\"pass\"", "\"perhaps\"");
        for wrong in [
            "",
            &text[..100],
            "[]",
            "{}",
            "{\"schema\": 1}",
            &newer,
            &broken,
        ] {
            let error = Brief::read(wrong.as_bytes()).unwrap_err();
            let short = read_error(error, wrong.as_bytes()).to_string();
            assert_eq!(
                short,
                json::read(wrong).unwrap_err().to_string(),
                "{wrong:.60}"
            );
        }
    }
}
