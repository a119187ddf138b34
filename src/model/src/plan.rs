use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Ability, Audience, Case, Clause, Credential, Endpoint, Expect, Interface, Issuer, IssuerStep,
    KnownFailure, Method, Mode, PairCounts, Place, Portion, Profile, RawOptions, RecordKind, RunId,
    Shard, StepTerms, Tells, TokenRequest,
};

/// Everything that a run will do, decided before it starts. Nothing in it changes afterwards.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run's name.
    pub run: RunId,
    /// When it was planned.
    pub started: Timestamp,
    /// How missed clauses count.
    pub mode: Mode,
    /// Whether the cases begin in the order in which they stand, instead of the longest first.
    pub ordered: bool,
    /// The register of clauses that findings cite.
    pub clauses: Arc<[Clause]>,
    /// One for each endpoint, in the order of the inventory.
    pub endpoints: Vec<EndpointPlan>,
    /// One for each issuer that is judged, in the order of the inventory.
    pub issuers: Vec<IssuerPlan>,
    /// From and to whom can be copied, in the order of the inventory.
    pub partners: Vec<Arc<PartnerPlan>>,
    /// In a run of all with all, how many of the ordered pairs are tried.
    pub pairs: Option<PairCounts>,
    /// What of all cases and endpoints was left out because somebody chose others.
    pub chosen: Vec<Portion>,
    /// Where this is what one of several machines does, which part that is.
    pub shard: Option<Shard>,
    /// What whoever reads the reports has to know of the run as a whole.
    pub notes: Vec<String>,
}

/// An endpoint as the other side of a COPY.
#[derive(Clone, Debug)]
pub struct PartnerPlan {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// The all-powerful token there.
    pub observer: TokenRequest,
    /// Whom ordinary tokens for it are for.
    pub audience: Audience<String>,
}

/// What happens at one endpoint.
#[derive(Clone, Debug)]
pub struct EndpointPlan {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// The profile version by which it is judged.
    pub profile: Profile,
    /// The all-powerful token with which objects are arranged and effects are seen.
    pub observer: Option<TokenRequest>,
    /// The same for the second area.
    pub second: Option<TokenRequest>,
    /// With which requests to the tape REST API are looked at and taken back.
    pub tape: Option<TokenRequest>,
    /// Why nothing is sent to it, if somebody has declared a downtime.
    pub downtime: Option<String>,
    /// The run's directory: the area and `/touchstone-…`.
    pub directory: String,
    /// In the order of the suites.
    pub cases: Vec<CasePlan>,
}

/// What the names of issuers begin with in reports. No endpoint is called so: names have no colon.
pub const ISSUER: &str = "issuer:";

/// What happens at one issuer.
#[derive(Clone, Debug)]
pub struct IssuerPlan {
    /// The issuer.
    pub issuer: Arc<Issuer>,
    /// The profile version by which it is judged.
    pub profile: Profile,
    /// In the order of the suites.
    pub cases: Vec<CasePlan>,
}

impl IssuerPlan {
    /// Its name in reports.
    pub fn name(&self) -> String {
        format!("{ISSUER}{}", self.issuer.name)
    }
}

/// An endpoint or issuer, as reports show it.
#[derive(Clone, Debug)]
pub struct PlanRow<'a> {
    /// Which of the two.
    pub kind: RecordKind,
    /// Its name in reports and events.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The profile version by which it is judged.
    pub profile: Profile,
    /// The software that the file names.
    pub software: Option<String>,
    /// Why nothing is sent to it, if somebody has declared a downtime.
    pub downtime: Option<String>,
    /// Its cases.
    pub cases: &'a [CasePlan],
}

impl Plan {
    /// Everything that is judged, in the order of reports: endpoints, then issuers.
    pub fn rows(&self) -> impl Iterator<Item = PlanRow<'_>> {
        let endpoints = self.endpoints.iter().map(|planned| PlanRow {
            kind: RecordKind::Storage,
            name: planned.endpoint.name.clone(),
            url: planned.endpoint.area_url(),
            profile: planned.profile,
            software: planned.endpoint.software.clone(),
            downtime: planned.downtime.clone(),
            cases: &planned.cases,
        });
        let issuers = self.issuers.iter().map(|planned| PlanRow {
            kind: RecordKind::Issuer,
            name: planned.name(),
            url: planned.issuer.url.clone(),
            profile: planned.profile,
            software: None,
            downtime: None,
            cases: &planned.cases,
        });
        endpoints.chain(issuers)
    }
}

/// What happens for one case at one endpoint.
#[derive(Clone, Debug)]
pub struct CasePlan {
    /// The case.
    pub case: Arc<Case>,
    /// The endpoint from or to which it copies, where that is prescribed.
    pub partner: Option<String>,
    /// The entry that says that its failure is known and not yet expired.
    pub known: Option<KnownFailure>,
    /// The entry that said so until its last day was over.
    pub expired: Option<KnownFailure>,
    /// What of a service it needs beyond reading and writing.
    pub needs: Vec<Ability>,
    /// Run it, or the reason why not.
    pub action: Action,
}

/// Whether a case applies.
#[derive(Clone, Debug)]
pub enum Action {
    /// It does.
    Run(Script),
    /// It does not, for this reason.
    Skip(String),
}

/// A case with every variable filled in. Paths are absolute on the service, the area included, and
/// URL-escaped.
#[derive(Clone, Debug)]
pub struct Script {
    /// Directories of the case itself, outermost first; they are made before `given`.
    pub directories: Vec<String>,
    /// Objects to arrange, parents first.
    pub given: Vec<PlannedObject>,
    /// What to send and to expect.
    pub steps: Vec<StepPlan>,
    /// What to ask an issuer, instead.
    pub asks: Vec<IssuerStep>,
}

/// An object that is there, or ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedObject {
    /// Absolute on the service.
    pub path: String,
    /// What it is.
    pub state: State,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Absent,
    /// A directory.
    Directory,
    /// A file with these bytes.
    File(Vec<u8>),
}

/// One request with its expectation, filled in.
#[derive(Clone, Debug)]
pub struct StepPlan {
    /// Whom it speaks to.
    pub interface: Interface,
    /// Method.
    pub method: Method,
    /// Absolute on the service.
    pub path: String,
    /// Where a MOVE or COPY goes, absolute on the service.
    pub destination: Option<String>,
    /// What stands on the wire instead of the method.
    pub verb: Option<String>,
    /// What is sent; for a PUT the file's content.
    pub body: Option<Vec<u8>>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// What only the byte-exact client can send; the target is complete.
    pub wire: Option<RawOptions<Credential<TokenRequest>>>,
    /// Seconds to wait before it.
    pub wait: u64,
    /// Whether the case is skipped where the service does not offer it.
    pub optional: bool,
    /// Whether it goes to where the step before was redirected to, without the query.
    pub redirected: bool,
    /// The credential.
    pub token: Credential<TokenRequest>,
    /// The word for what is right.
    pub expect: Expect,
    /// What an `ok` answer tells beside.
    pub tells: Tells,
    /// By what it is judged, where that is not the case's first clause and the word alone.
    pub terms: StepTerms,
    /// The token with which the same request has to succeed, when a denial is expected.
    pub control: Option<TokenRequest>,
    /// Its line in the suite file.
    pub at: Place,
}
