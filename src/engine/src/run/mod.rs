//! Carries a plan out: tokens, exchanges, effects, teardown. Everything it finds leaves it as an
//! [`Event`]; nothing is printed or written here but the ledger.

mod callback;
mod cancel;
mod case;
mod endpoint;
mod existing;
mod issuer;
mod ledger;
mod limiter_pool;
mod made;
mod observer;
mod partner;
mod present;
mod teardown;
mod transfer_peer;
mod unanswered;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::http::Guard;
use crate::token::{Broker, Fit, Token, TokenError};
use crate::trace::span;
use touchstone_model::redact::Redactor;
use touchstone_model::{CaseResult, Endpoint, Plan, TokenRequest, millis};

pub use callback::{CallbackServer, CallbackServers};
pub use cancel::{Cancel, Canceller};
pub use ledger::{BEGUN, Ledger, LedgerError, LedgerSummary, Remaining};
pub use made::MadeObject;
pub use teardown::{Cleaner, Marked, Patience, Removed};
pub use transfer_peer::{PeerOptions, PeerSession, TransferPeer};

use limiter_pool::LimiterPool;
use partner::Partners;
use touchstone_model::{Event, RunStarted};

/// Endpoints at the same time, so that a large fleet does not run out of sockets.
const ENDPOINTS: usize = 32;
/// What a trace calls waiting for that.
const ENTRY: &str = "for other endpoints";

/// Everything that a run needs beside its plan.
pub struct Resources {
    /// Obtains tokens.
    pub broker: Broker,
    /// Knows what must not be shown.
    pub redactor: Redactor,
    /// Remembers what is to be removed. `None` for storage that is thrown away afterwards: nothing is
    /// remembered then, and nothing removed.
    pub ledger: Option<Ledger>,
    /// Opens servers to which tokens point. `None` where no case needs one.
    pub listener: Option<Arc<dyn CallbackServers>>,
    /// Plays the other side of transfers. `None` where no case needs one.
    pub side: Option<Arc<dyn TransferPeer>>,
    /// Stops the run early.
    pub cancel: Cancel,
    /// For the whole run; teardown comes after it.
    pub deadline: Duration,
}

/// Runs `plan` and sends what happens to `events`. Returns when everything is torn down; the ledger
/// comes back, so that the caller can say what is left.
pub async fn run(
    plan: Arc<Plan>,
    resources: Resources,
    events: mpsc::UnboundedSender<Event>,
) -> Option<Ledger> {
    let begun = Instant::now();
    let Resources {
        broker,
        redactor,
        ledger,
        listener,
        side,
        cancel,
        deadline,
    } = resources;
    let made_up = Token::made_up();
    redactor.add(&made_up.secret);
    let shared = Arc::new(Shared {
        plan: Arc::clone(&plan),
        broker,
        redactor,
        ledger,
        listener,
        side,
        partners: Partners::default(),
        limiter: LimiterPool::default(),
        elsewhere: Mutex::default(),
        made_up,
        cancel: cancel.clone(),
        deadline: begun + deadline,
        events: events.clone(),
    });
    shared.tell(Event::RunStarted(RunStarted {
        plan: Arc::clone(&plan),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }));
    let announcer = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move {
            shared.cancel.cancelled().await;
            shared.tell(Event::RunInterrupted);
        }
    });
    let room = Arc::new(Semaphore::new(ENDPOINTS));
    let mut endpoints = JoinSet::new();
    let mut turns = HashMap::new();
    for (index, planned) in plan.endpoints.iter().enumerate() {
        let (shared, room) = (Arc::clone(&shared), Arc::clone(&room));
        let name = planned.endpoint.listed_name();
        let turn = Arc::clone(
            turns
                .entry(name)
                .or_insert_with(|| Arc::new(Semaphore::new(1))),
        );
        let span = span!("endpoint", name = %planned.endpoint.name);
        let work = async move {
            // The addresses of an endpoint take turns: its limits are for all of them together. No semaphore is
            // ever closed.
            let entry = async { (turn.acquire_owned().await, room.acquire_owned().await) };
            let _entry = entry.instrument(span!("queue", name = ENTRY)).await;
            endpoint::run(&shared, index).await;
        };
        endpoints.spawn(work.instrument(span));
    }
    for index in 0..plan.issuers.len() {
        let (shared, room) = (Arc::clone(&shared), Arc::clone(&room));
        let span = span!("issuer", name = %plan.issuers[index].issuer.name);
        let work = async move {
            // The semaphore is never closed.
            let entry = room.acquire_owned();
            let _entry = entry.instrument(span!("queue", name = ENTRY)).await;
            issuer::run(&shared, index).await;
        };
        endpoints.spawn(work.instrument(span));
    }
    while let Some(ended) = endpoints.join_next().await {
        if let Err(error) = ended {
            tracing::error!("an endpoint's task ended early: {error}");
        }
    }
    announcer.abort();
    if announcer.await.is_err() && shared.cancel.is_cancelled() {
        shared.tell(Event::RunInterrupted);
    }
    let elsewhere = std::mem::take(
        &mut *shared
            .elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    for (endpoint, places) in elsewhere {
        let places: Vec<_> = places.into_iter().collect();
        if !places.is_empty() {
            tracing::warn!(
                "{endpoint}: what was removed was removed at {}, to which it redirects",
                places.join(", ")
            );
        }
    }
    shared.tell(Event::TokensAsked(shared.broker.usage()));
    shared.tell(Event::RunFinished {
        duration_ms: millis(begun.elapsed()),
    });
    match Arc::try_unwrap(shared) {
        Ok(shared) => shared.ledger,
        Err(shared) => shared.ledger.clone(),
    }
}

#[cfg(test)]
mod tests;

/// What all endpoints and cases of a run share.
struct Shared {
    plan: Arc<Plan>,
    broker: Broker,
    redactor: Redactor,
    ledger: Option<Ledger>,
    listener: Option<Arc<dyn CallbackServers>>,
    side: Option<Arc<dyn TransferPeer>>,
    partners: Partners,
    limiter: LimiterPool,
    /// By endpoint, the servers at which objects were removed because it redirects there.
    elsewhere: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// The credential for our own other side.
    made_up: Token,
    cancel: Cancel,
    deadline: Instant,
    events: mpsc::UnboundedSender<Event>,
}

impl Shared {
    /// A token for `endpoint`; a new one each time where that refuses one that it has seen.
    async fn token(
        &self,
        endpoint: &Endpoint,
        request: &TokenRequest,
        fit: Fit,
    ) -> Result<Token, TokenError> {
        match (endpoint.fresh_tokens, fit) {
            (_, Fit::AtLeast) => self.broker.observers(endpoint, request).await,
            (true, Fit::Exact) => self.broker.fresh(request, fit).await,
            (false, Fit::Exact) => self.broker.token(request, fit).await,
        }
    }

    /// Has it written down that `object` is about to be created. Only then may it be.
    fn will_create(&self, object: &Remaining) -> Result<(), String> {
        match &self.ledger {
            Some(ledger) => ledger
                .will_create(object)
                .map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Writes down that what was to be created is not there, or is none of ours.
    fn gone(&self, endpoint: &Endpoint, path: &str) {
        if let Some(ledger) = &self.ledger {
            ledger.gone(endpoint.listed_name(), path);
        }
    }

    /// What may be written at `endpoint`.
    fn guard(&self, endpoint: &Endpoint) -> Guard {
        let partners = self.plan.partners.iter();
        let partners = partners.map(|partner| &*partner.endpoint);
        Guard::of_run(endpoint, &self.plan.run, partners)
    }

    /// Remembers where an endpoint has sent what removes objects.
    fn removed_elsewhere(&self, endpoint: &Endpoint, places: BTreeSet<String>) {
        let own = endpoint.origin();
        let mut all = self
            .elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(endpoint.name.clone()).or_default();
        known.extend(places.into_iter().filter(|place| *place != own));
    }

    /// Tells how a case ended. What servers have said stands in it in many places: none of them shows a secret.
    fn judged(&self, mut result: CaseResult) {
        let redacted = |text: &mut String| *text = self.redactor.text(text);
        for finding in &mut result.findings {
            redacted(&mut finding.expected);
            redacted(&mut finding.actual);
        }
        for left in &mut result.cleanup {
            redacted(&mut left.url);
            redacted(&mut left.reason);
        }
        result.reason.iter_mut().for_each(redacted);
        self.tell(Event::CaseFinished(Box::new(result)));
    }

    /// Tells something of an endpoint as a whole, once.
    fn note(&self, endpoint: &Endpoint, note: &str) {
        self.tell(Event::EndpointNoted {
            endpoint: endpoint.name.clone(),
            note: self.redactor.text(note),
        });
    }

    /// Nobody listening is no reason to stop: teardown matters more.
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}
