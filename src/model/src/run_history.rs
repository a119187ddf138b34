use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaseId, RunId, RunRecord, Verdict};

/// What earlier runs found, as far as reports show it. The command line adds it from the history, so that
/// reports remain functions of the record alone.
///
/// Only runs count that began before this one. One of a part (some of the cases or endpoints, or interrupted) is never
/// `previous` and no point of a trend, unless there are no others; what it decided counts for its cases, what an
/// interrupted one left undecided does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// The last run before this one that had one of its endpoints. [`CasePast::before`] is mostly of this run, and of
    /// an older one for cases that it did not have.
    pub previous: RunId,
    /// When that began.
    pub started: Timestamp,
    /// For endpoints of this run, their last runs; an endpoint without any is missing.
    pub trends: Vec<Trend>,
}

/// An endpoint's last runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// Its name.
    pub endpoint: String,
    /// Oldest first, this run not among them; at most [`Trend::SHOWN`].
    pub runs: Vec<TrendPoint>,
}

impl Trend {
    /// How many runs a trend has at most.
    pub const SHOWN: usize = 30;
}

/// What one run found at one endpoint, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrendPoint {
    /// The run.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// The software that the endpoint had then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Cases with [`Verdict::Pass`].
    pub pass: usize,
    /// With [`Verdict::Warn`].
    pub warn: usize,
    /// With [`Verdict::Fail`], known ones included.
    pub fail: usize,
    /// Of `fail`, those that were known.
    pub known: usize,
    /// With [`Verdict::Error`].
    pub error: usize,
    /// With [`Verdict::Skip`].
    pub skip: usize,
}

/// A run in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLine {
    /// Which, when, and what it found at all endpoints together; without software.
    pub totals: TrendPoint,
    /// How long it took.
    pub duration_ms: u64,
    /// Version of the tool.
    pub version: String,
    /// Whether somebody stopped it.
    pub interrupted: bool,
    /// Whether it had some of the cases or endpoints alone.
    pub partial: bool,
    /// How many endpoints and issuers it judged.
    pub endpoints: usize,
}

/// What earlier runs found for one case at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CasePast {
    /// What the last run before this one said that had the case; it may be an error or a skip in the midst of a
    /// series of failures. Whether a failure is new is told by `since`.
    pub before: Verdict,
    /// Whether that was a known failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// When the first run began of the unbroken series that has the present verdict: this run's own start if the
    /// verdict is new.
    ///
    /// Errors and skips do not break a series of passes, warnings or failures, for an endpoint that was down or in
    /// downtime was not judged. Skips do not break a series of errors. A known failure and another one are of the
    /// same series. Runs without the case are stepped over.
    pub since: Timestamp,
    /// When the last run before this one began in which it passed, with or without warnings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Timestamp>,
}

/// A run in brief: all that later runs are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// The run.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// Whether it says nothing of some of the cases or endpoints.
    pub partial: bool,
    /// Its endpoints and issuers, in the order of its record.
    pub endpoints: Vec<EndpointOutcome>,
}

/// What a run said of one endpoint or issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOutcome {
    /// Its name.
    pub name: String,
    /// Its software, cut to [`EndpointOutcome::SOFTWARE`] bytes: it is what a server says of itself.
    pub software: Option<String>,
    /// One for each case. In the order of the record if taken from one; from the history, those with each partner
    /// follow one another.
    pub cases: Vec<CaseOutcome>,
}

impl EndpointOutcome {
    /// How many bytes of a software's name are kept.
    pub const SOFTWARE: usize = 200;
}

/// What a run said of one case at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseOutcome {
    /// The case.
    pub case: CaseId,
    /// The endpoint from or to which it copied, where that was prescribed.
    pub partner: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it is a failure that does not turn the run red, since it is known.
    pub known: bool,
}

impl CaseOutcome {
    /// Whether it turns a run red.
    pub fn red(&self) -> bool {
        self.verdict == Verdict::Fail && !self.known
    }
}

impl From<&RunRecord> for RunOutcome {
    fn from(record: &RunRecord) -> Self {
        let endpoints = record.endpoints.iter().map(|endpoint| EndpointOutcome {
            name: endpoint.name.clone(),
            software: endpoint.software.as_deref().map(|software| {
                let end = software.floor_char_boundary(EndpointOutcome::SOFTWARE);
                software[..end].to_owned()
            }),
            cases: Vec::new(),
        });
        let mut outcome = Self {
            run: record.run.id.clone(),
            started: record.run.started,
            partial: record.run.is_partial(),
            endpoints: endpoints.collect(),
        };
        let places: std::collections::HashMap<&str, usize> = record
            .endpoints
            .iter()
            .enumerate()
            .map(|(place, endpoint)| (endpoint.name.as_str(), place))
            .collect();
        for result in &record.results {
            let place = places.get(result.endpoint.as_str());
            if let Some(endpoint) = place.and_then(|place| outcome.endpoints.get_mut(*place)) {
                endpoint.cases.push(CaseOutcome {
                    case: result.case.clone(),
                    partner: result.partner.clone(),
                    verdict: result.verdict,
                    known: result.verdict == Verdict::Fail && !result.red(),
                });
            }
        }
        outcome
    }
}
