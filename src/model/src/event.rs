//! What a run says while it goes on. The live progress and the run record are both made from it.

use super::{CaseId, CaseResult, IssuerUse, Leftover, Plan};

/// One thing that happened. Sinks match it without a wildcard arm, so that a new kind of event does
/// not build until each of them has decided what to do with it.
#[derive(Clone, Debug)]
pub enum Event {
    /// The first event.
    RunStarted(RunStarted),
    /// An endpoint answered its preflight.
    EndpointReached {
        /// Which.
        endpoint: String,
        /// The `Server` header.
        software: Option<String>,
    },
    /// An endpoint cannot be judged.
    EndpointUnreachable {
        /// Which.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// Something has to be known of an endpoint as a whole, such as that everybody may read there.
    EndpointNoted {
        /// Which.
        endpoint: String,
        /// What.
        note: String,
    },
    /// A case begins.
    CaseStarted {
        /// Where.
        endpoint: String,
        /// Which.
        case: CaseId,
        /// With which partner, where that is prescribed.
        partner: Option<String>,
    },
    /// A case has its verdict and its objects are removed, as far as they could be.
    CaseFinished(Box<CaseResult>),
    /// An endpoint is done, its directory removed.
    EndpointFinished {
        /// Which.
        endpoint: String,
        /// What stayed behind beyond what the cases told.
        leftovers: Vec<Leftover>,
        /// How long it took.
        duration_ms: u64,
    },
    /// How often the issuers were asked for tokens; close to the end.
    TokensAsked(Vec<IssuerUse>),
    /// Somebody stopped the run; teardown goes on.
    RunInterrupted,
    /// The last event.
    RunFinished {
        /// How long it took.
        duration_ms: u64,
    },
}

/// What a run sets out to do.
#[derive(Clone, Debug)]
pub struct RunStarted {
    /// The plan, for ids, order and totals.
    pub plan: std::sync::Arc<Plan>,
    /// Version of the tool.
    pub version: String,
}
