//! Third-party copies: COPY with a `Source` (pull) or with a `Destination` on another service (push), carried
//! out over HTTPS with a client of its own, and told in a stream of performance markers
//! (draft-http-tpc-01; the twiki page LCG HttpTpcTechnical).
//!
//! Decisions: one stream of data whatever `X-Number-Of-Streams` says; never a delegation; a push with
//! `Overwrite: F` looks at the destination first and sends `If-None-Match: *` as well, inside the stream, so
//! that the 202 never waits for the other side; what a failed push leaves is the passive side's affair. A COPY of
//! what is in the pool is redirected to this service once more, as redirects have to be seen as well.

pub(super) mod client;
mod local;
pub(super) mod order;
mod progress;
mod pull;
mod push;
pub(super) mod rules;
pub(super) mod stream;

pub(super) use order::Order;
pub(super) use rules::{Scrutiny, TransferRules};

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::client::Client;
use self::progress::Progress;
use super::ReferenceError;
use super::answers::Outcome;
use super::element::{Element, Visit};
use super::namespace::Change;
use super::probe::{Caller, Ruled};
use super::rules::{ElementHooks, Rules};

/// How a storage element carries out third-party copies.
#[derive(Clone, Debug)]
pub struct TransferOptions {
    /// Whom to trust as the other side, PEM; empty for the authority of the service's own certificate.
    pub ca_pem: String,
    /// How long the other side may be silent.
    pub idle: Duration,
    /// How long a transfer may take.
    pub total: Duration,
    /// The time between two performance markers.
    pub interval: Duration,
    /// How many transfers may run at the same time.
    pub at_once: usize,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            ca_pem: String::new(),
            idle: Duration::from_secs(10),
            total: Duration::from_secs(60),
            interval: Duration::from_secs(1),
            at_once: 64,
        }
    }
}

/// What the transfers of a storage element share.
pub(super) struct Transfers {
    client: Client,
    options: TransferOptions,
    places: Arc<Semaphore>,
}

/// Which way the data goes, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To here.
    Pull,
    /// From here.
    Push,
}

/// What came of a transfer.
type Ended = Result<Change, Failure>;

/// Why a transfer failed, in the service's own words: nothing of the other side's, and on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure(Cow<'static, str>);

impl Transfers {
    /// `own_ca_pem` is trusted where the options name nobody.
    pub(super) fn new(
        options: &TransferOptions,
        own_ca_pem: &str,
        rules: &Arc<Ruled<Rules>>,
    ) -> Result<Self, ReferenceError> {
        let trusted = match options.ca_pem.trim() {
            "" => own_ca_pem,
            named => named,
        };
        Ok(Self {
            client: Client::new(trusted, rules)?,
            options: options.clone(),
            places: Arc::new(Semaphore::new(options.at_once)),
        })
    }
}

/// Looks at the other side of a COPY before anybody asks whether it is allowed, where the service does so; what it
/// answers if that settles it.
pub(super) async fn peek(element: &Element, parts: &Parts) -> Option<Outcome> {
    let rules = element.rules.transfer();
    let url = rules.peeks(parts)?;
    let Transfers {
        client, options, ..
    } = &element.transfers;
    let looking = client.peek(rules, url, rules.forwards(parts));
    let seen = tokio::time::timeout(options.idle, looking).await;
    rules.seen(parts, seen.ok().flatten().as_ref())
}

/// Checks a transfer against what is here and starts it; the answer comes while it runs.
pub(super) async fn start(element: &Arc<Element>, visit: &Visit, order: Order) -> Outcome {
    let rules = element.rules.transfer();
    let order = Arc::new(order);
    let (scrutiny, content) = match checked(element, visit, &order) {
        Ok(checked) => checked,
        Err(outcome) => return outcome,
    };
    let Ok(place) = Arc::clone(&element.transfers.places).try_acquire_owned() else {
        return too_many();
    };
    let progress = Arc::new(Progress::default());
    let task = Task {
        element: Arc::clone(element),
        visit: visit.clone(),
        order: Arc::clone(&order),
        progress: Arc::clone(&progress),
        scrutiny,
        _place: place,
    };
    let running = stream::Running::new(
        tokio::spawn(Caller::current().serve(task.run(content))),
        rules.abandons(order.direction),
    );
    let telling = stream::Telling::new(element, order.direction, running, progress);
    let telling = if rules.early() {
        telling
    } else {
        telling.after_the_end().await
    };
    let mut response = Response::new(telling.into_body());
    *response.status_mut() = StatusCode::ACCEPTED;
    let media_type = HeaderValue::from_static(rules.media_type());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    Outcome::Made(Box::new(response))
}

/// When the right is asked for, and what a push sends, as far as that was looked at already.
fn checked(
    element: &Element,
    visit: &Visit,
    order: &Order,
) -> Result<(Scrutiny, Option<Bytes>), Outcome> {
    let namespace = element.namespace();
    let local = local::Local::new(element, &namespace, visit, order);
    let scrutiny = local.scrutiny();
    if scrutiny == Scrutiny::First {
        local.right()?;
    }
    let content = match scrutiny {
        Scrutiny::InStream => None,
        _ => local.content()?,
    };
    Ok((scrutiny, content))
}

fn too_many() -> Outcome {
    let mut response = Response::new(Body::from("too many transfers\n"));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    Outcome::Made(Box::new(response))
}

/// A transfer under way.
struct Task {
    element: Arc<Element>,
    visit: Visit,
    order: Arc<Order>,
    progress: Arc<Progress>,
    scrutiny: Scrutiny,
    /// One of those at the same time.
    _place: OwnedSemaphorePermit,
}

impl Task {
    async fn run(self, content: Option<Bytes>) -> Ended {
        let transfer = async {
            let content = match self.scrutiny {
                Scrutiny::InStream => self.local(|local| {
                    local.right()?;
                    local.content()
                })?,
                _ => content,
            };
            match self.order.direction {
                Direction::Pull => pull::pull(&self).await,
                Direction::Push => push::push(&self, content.unwrap_or_default()).await,
            }
        };
        tokio::time::timeout(self.options().total, transfer)
            .await
            .unwrap_or_else(|_| Err("the transfer takes too long".into()))
            .map_err(|failure| match self.rules().blames(&self.order.headers) {
                Some(more) => failure.with(&more),
                None => failure,
            })
    }

    fn rules(&self) -> ElementHooks<'_, TransferRules> {
        self.element.rules.transfer()
    }

    fn options(&self) -> &TransferOptions {
        &self.element.transfers.options
    }

    /// What a look at the local side says, as a reason for failure if it is one.
    fn local<T>(
        &self,
        look: impl FnOnce(local::Local) -> Result<T, Outcome>,
    ) -> Result<T, Failure> {
        let namespace = self.element.namespace();
        let local = local::Local::new(&self.element, &namespace, &self.visit, &self.order);
        look(local).map_err(Failure::from)
    }
}

impl From<&'static str> for Failure {
    fn from(reason: &'static str) -> Self {
        Self(reason.into())
    }
}

/// What would have been the status of the COPY had it been known in time.
impl From<Outcome> for Failure {
    fn from(outcome: Outcome) -> Self {
        Self(format!("refused here: {}", outcome.status()).into())
    }
}

impl Failure {
    /// In the service's own words.
    pub(super) fn reason(&self) -> &str {
        &self.0
    }

    /// The same with something behind it.
    fn with(&self, more: &str) -> Self {
        Self(format!("{} {more}", self.0).into())
    }

    /// The other side answered something else than success.
    fn status(status: StatusCode) -> Self {
        Self(format!("the other side answered with status {}", status.as_u16()).into())
    }
}
