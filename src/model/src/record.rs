use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Basis, CaseId, CasePast, ClauseId, Exchanges, Finding, KnownFailure, Level, Mode, Past, Place,
    Profile, RunId, Severity, Verdict,
};

/// The version of [`RunRecord`]'s JSON.
pub const RECORD_SCHEMA: &str = "touchstone/run/1";

/// Everything that a run found. Every report is a function of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// [`RECORD_SCHEMA`].
    #[schemars(extend("const" = RECORD_SCHEMA))]
    pub schema: String,
    /// What ran, when and how.
    pub run: RunInfo,
    /// The endpoints in the order of the plan.
    pub endpoints: Vec<EndpointRecord>,
    /// Every case of every endpoint, in the order of the plan.
    pub results: Vec<CaseResult>,
    /// Totals by tag: the severities, then the endpoints.
    pub statistics: Vec<TagRow>,
    /// What earlier runs found, where a history is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
}

/// What ran, when and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunInfo {
    /// The run's name.
    pub id: RunId,
    /// Version of the tool.
    pub version: String,
    /// Whether recommendations counted as requirements.
    pub strict: bool,
    /// Whether requirements that are our reading of the sources counted as recommendations.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lenient: bool,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// Whether somebody stopped it.
    pub interrupted: bool,
    /// Why it does not speak for all cases at all endpoints, if it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<Portion>,
    /// How often each issuer was asked for tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<IssuerUse>,
    /// Present where every endpoint copied from and to every other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairCounts>,
    /// Present where this is a part of a run that others join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// What has to be known of the run as a whole, such as lists that could not be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Why a run is a part of what it could be.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Portion {
    /// Somebody chose cases.
    Cases,
    /// Somebody chose endpoints.
    Endpoints,
    /// Somebody stopped it.
    Interrupted,
    /// It is one of several parts that are joined later.
    Shard,
}

impl Portion {
    /// What of the whole it has, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Cases => "chosen cases",
            Self::Endpoints => "chosen endpoints",
            Self::Interrupted => "interrupted",
            Self::Shard => "one shard",
        }
    }

    /// All of them, for people; empty where the run is whole.
    pub fn listed(portions: &[Self]) -> String {
        let words: Vec<_> = portions.iter().map(|portion| portion.words()).collect();
        words.join(", ")
    }
}

impl RunInfo {
    /// Whether it says nothing of some of the cases or endpoints, which older records tell by other members.
    pub fn is_partial(&self) -> bool {
        !self.partial.is_empty() || self.interrupted || self.shard.is_some()
    }

    /// How missed clauses counted.
    pub fn mode(&self) -> Mode {
        match (self.strict, self.lenient) {
            (true, _) => Mode::Strict,
            (false, true) => Mode::Lenient,
            (false, false) => Mode::Normal,
        }
    }
}

/// More than anybody has machines.
pub const MAX_SHARDS: usize = 10_000;

/// Which part of a run a record holds. Rows are endpoints and issuers; they and their cases count from 0 in
/// the order of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which of the parts, from 1.
    pub index: usize,
    /// How many parts there are.
    pub of: usize,
    /// A digest of the whole plan: shards of different plans are never joined.
    pub plan: String,
    /// Rows of the whole plan. Of at least `of`, row k belongs to the shard k mod `of` + 1.
    pub rows: usize,
    /// Cases of the whole plan, those of all rows together. Where there are fewer rows than shards, case k
    /// belongs to the shard k mod `of` + 1, and every shard has all rows.
    pub cases: usize,
}

impl Shard {
    /// Whether single cases were dealt, since there are fewer rows than shards.
    pub fn by_case(&self) -> bool {
        self.rows < self.of
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// How often an issuer was asked for tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuerUse {
    /// Its name.
    pub issuer: String,
    /// Token requests, those included that were repeated because it was busy or a token came to its end.
    pub requests: usize,
    /// Distinct combinations of scopes, audience and groups among them.
    pub distinct: usize,
}

/// How many of the ordered pairs of endpoints copied from and to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
// As that of `RecordKind`.
#[schemars(rename = "Pairs")]
pub struct PairCounts {
    /// These were tried.
    pub tried: usize,
    /// So many there are.
    pub of: usize,
}

/// What is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
// The name in the schema of the record, which stays.
#[schemars(rename = "Kind")]
pub enum RecordKind {
    /// A storage element.
    #[default]
    Storage,
    /// An issuer of tokens.
    Issuer,
}

impl RecordKind {
    /// Whether it is a storage element, as most are.
    pub fn is_storage(&self) -> bool {
        *self == Self::Storage
    }
}

/// What was found out about an endpoint or issuer as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointRecord {
    /// Its name; `issuer:NAME` for an issuer.
    pub name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "RecordKind::is_storage")]
    pub kind: RecordKind,
    /// Its area's URL, or the issuer's.
    pub url: String,
    /// The profile version by which it was judged.
    pub profile: Profile,
    /// The software, as the endpoint's `Server` header or the file names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Why nothing was sent to it, if somebody has declared a downtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<String>,
    /// Why nothing could be judged, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
    /// What has to be known of it as a whole, such as that everybody may read there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What stayed behind, with the reason, beyond what single cases left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<Leftover>,
    /// Other hosts that answered for it after redirects, the busiest first; at most [`HostSeen::MOST`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostSeen>,
    /// How long it took.
    pub duration_ms: u64,
}

/// A host to which an endpoint has redirected, and which answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostSeen {
    /// Host and port.
    pub host: String,
    /// How many exchanges it took part in.
    pub exchanges: usize,
}

impl HostSeen {
    /// How many hosts of an endpoint are told: a hostile one could make up a new one each time.
    pub const MOST: usize = 256;
}

/// An object that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leftover {
    /// Its URL.
    pub url: String,
    /// Why it is still there.
    pub reason: String,
}

/// What one case found at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseResult {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Name of the suite.
    pub suite: String,
    /// Id of the case.
    pub case: CaseId,
    /// The row of the cover that it was made from, where it was made from one: what of its id others have too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// The endpoint from or to which it copied, where that was prescribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// What a conforming server does.
    pub title: String,
    /// What it judges.
    pub clauses: Vec<ClauseId>,
    /// What a failure costs.
    pub severity: Severity,
    /// The verdict.
    pub verdict: Verdict,
    /// The entry that says that this failure is known.
    #[serde(default)]
    pub known: Option<KnownFailure>,
    /// The entry that said so until its last day was over: it protects no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<KnownFailure>,
    /// Why it was skipped or could not be decided.
    #[serde(default)]
    pub reason: Option<String>,
    /// What earlier runs found, where a history is kept and has the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<CasePast>,
    /// Deviations, the gravest first.
    pub findings: Vec<Finding>,
    /// What was sent and what came, in order.
    pub exchanges: Exchanges,
    /// Whether a request was sent again after a transport error.
    #[serde(default)]
    pub flaky: bool,
    /// What of the case's objects could not be removed. Apart from the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleanup: Vec<Leftover>,
    /// Where the case stands.
    pub at: Place,
    /// How long it took, teardown not included.
    pub duration_ms: u64,
}

impl CaseResult {
    /// The case's id, and with whom.
    pub fn name(&self) -> String {
        match &self.partner {
            Some(partner) => format!("{} with {partner}", self.case),
            None => self.case.to_string(),
        }
    }

    /// Whether it turns the run red: a failure that nobody has announced.
    pub fn red(&self) -> bool {
        self.verdict == Verdict::Fail && self.known.is_none()
    }

    /// Of the clauses for which it failed, the firmest basis; nothing where it did not fail. A clause that a source
    /// states outweighs our readings.
    pub fn basis(&self) -> Option<Basis> {
        let among = |counts: fn(&Finding) -> bool| {
            let findings = self.findings.iter().filter(|finding| counts(finding));
            findings.map(|finding| finding.basis).min()
        };
        // Where only recommendations were missed, the run was strict.
        let firmest = among(|finding| finding.level.binding())
            .or_else(|| among(|finding| finding.level != Level::May));
        firmest.filter(|_| self.verdict == Verdict::Fail)
    }

    /// Whether it is a success that somebody announced as a failure.
    pub fn unexpected_pass(&self) -> bool {
        self.known.is_some() && matches!(self.verdict, Verdict::Pass | Verdict::Warn)
    }
}

/// Failures by what stands behind the clause: our reading of the sources is not the letter of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bases {
    /// Of clauses that the profile or another WLCG specification states.
    pub stated: usize,
    /// Of clauses that an RFC states.
    pub rfc: usize,
    /// Of clauses that are our reading alone.
    pub derived: usize,
}

impl Bases {
    /// Counts a failure in.
    pub fn count(&mut self, basis: Basis) {
        let number = match basis {
            Basis::Stated => &mut self.stated,
            Basis::Rfc => &mut self.rfc,
            Basis::Derived => &mut self.derived,
        };
        *number = number.saturating_add(1);
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            stated: self.stated.saturating_add(other.stated),
            rfc: self.rfc.saturating_add(other.rfc),
            derived: self.derived.saturating_add(other.derived),
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The numbers with their names, the firmest first.
    pub fn all(&self) -> [(&'static str, usize); 3] {
        [
            ("stated", self.stated),
            ("rfc", self.rfc),
            ("derived", self.derived),
        ]
    }
}

/// A row of the "Statistics by Tag" table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagRow {
    /// `critical`, `not-critical` or the name of an endpoint.
    pub tag: String,
    /// All cases.
    pub total: usize,
    /// Of these, [`Verdict::Pass`].
    pub pass: usize,
    /// Of these, [`Verdict::Warn`].
    pub warn: usize,
    /// Of these, [`Verdict::Fail`], known ones included.
    pub fail: usize,
    /// Of `fail`, those that are known.
    pub known: usize,
    /// Of `fail`, those that are not known, by the firmest basis of the clauses that were missed.
    #[serde(default, skip_serializing_if = "Bases::is_empty")]
    pub bases: Bases,
    /// Of these, [`Verdict::Error`].
    pub error: usize,
    /// Of these, [`Verdict::Skip`].
    pub skip: usize,
    /// Severities: the sum over cases. Endpoints: wall time.
    pub elapsed_ms: u64,
}

impl TagRow {
    /// Counts one result in.
    pub fn count(&mut self, result: &CaseResult) {
        self.total += 1;
        match result.verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Warn => self.warn += 1,
            Verdict::Fail => {
                self.fail += 1;
                self.known += usize::from(result.known.is_some());
                if let Some(basis) = result.basis().filter(|_| result.red()) {
                    self.bases.count(basis);
                }
            }
            Verdict::Error => self.error += 1,
            Verdict::Skip => self.skip += 1,
        }
    }
}

/// Whole milliseconds, saturating.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
