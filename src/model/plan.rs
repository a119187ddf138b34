use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Case, Clause, Endpoint, Expect, KnownFailure, Method, Place, Profile, RunId, TokenRequest,
};

/// Everything that a run will do, decided before it starts. Nothing in it changes afterwards.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run's name.
    pub run: RunId,
    /// When it was planned.
    pub started: Timestamp,
    /// Whether recommendations count as requirements.
    pub strict: bool,
    /// The register of clauses that findings cite.
    pub clauses: Arc<[Clause]>,
    /// One for each endpoint, in the order of the inventory.
    pub endpoints: Vec<EndpointPlan>,
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
    /// The run's directory below the area: `/touchstone-…`.
    pub directory: String,
    /// In the order of the suites.
    pub cases: Vec<CasePlan>,
}

/// What happens for one case at one endpoint.
#[derive(Clone, Debug)]
pub struct CasePlan {
    /// The case.
    pub case: Arc<Case>,
    /// The entry that says that its failure is known and not yet expired.
    pub known: Option<KnownFailure>,
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

/// A case with every variable filled in. Paths are absolute below the area and URL-escaped.
#[derive(Clone, Debug)]
pub struct Script {
    /// Directories of the case itself, outermost first; they are made before `given`.
    pub directories: Vec<String>,
    /// Objects to arrange, parents first.
    pub given: Vec<Object>,
    /// What to send and to expect.
    pub steps: Vec<StepPlan>,
}

/// An object that is there, or ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Absolute below the area.
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
    /// Method.
    pub method: Method,
    /// Absolute below the area.
    pub path: String,
    /// Where a MOVE goes, absolute below the area.
    pub destination: Option<String>,
    /// What a PUT writes.
    pub body: Option<Vec<u8>>,
    /// The credential; `None` sends no `Authorization`.
    pub token: Option<TokenRequest>,
    /// The word for what is right.
    pub expect: Expect,
    /// The token with which the same request has to succeed, when a denial is expected.
    pub control: Option<TokenRequest>,
    /// Its line in the suite file.
    pub at: Place,
}
