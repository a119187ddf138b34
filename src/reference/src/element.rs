//! One request through the storage element: token, place, right, body, deed, answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::middleware::Next;
use futures_util::StreamExt;

use super::answers::{METHODS, Outcome, Refusal};
use super::authorisation::Question;
use super::keys::KeyRing;
use super::macaroon::Macaroon;
use super::macaroons::{self, MacaroonStore};
use super::namespace::{Namespace, Node};
use super::operation;
use super::path::{End, ObjectPath, RequestPath};
use super::pool;
use super::probe::Ruled;
use super::rules::{Failed, Memory, RequestOutcome, Rules, Service, Verified};
use super::tape::{self, Nearline};
use super::token::{self, Bearer};
use super::transfer::{self, Order, Transfers};
use super::webdav;
use touchstone_model::{Groups, Method};

/// Of what is uploaded or pulled.
pub(super) const MAX_BODY: usize = 16 << 20;
/// What is still taken from the wire of a body that is too long, so that the client hears why.
const MAX_DRAINED: usize = 4 * MAX_BODY;
/// For a whole upload.
const BODY_DEADLINE: Duration = Duration::from_secs(60);

/// The storage element's state.
pub(super) struct Element {
    pub(super) rules: Arc<Ruled<Rules>>,
    pub(super) areas: Vec<ServedArea>,
    pub(super) issuers: Vec<KeyRing>,
    /// Scheme, host and port of each of its names.
    pub(super) origins: Vec<String>,
    pub(super) namespace: Mutex<Namespace>,
    pub(super) memory: Mutex<Memory>,
    /// The `jti` of every token so far, where each is good for one request.
    pub(super) spent: Option<Mutex<BTreeSet<String>>>,
    /// What was asked, where that is remembered.
    pub(super) requests: Mutex<Vec<String>>,
    pub(super) transfers: Transfers,
    /// What goes to tape, where anything does.
    pub(super) tape: Option<Nearline>,
    pub(super) macaroons: MacaroonStore,
}

/// The part of the namespace that belongs to one issuer.
pub(super) struct ServedArea {
    pub(super) path: ObjectPath,
    pub(super) issuer: String,
    pub(super) groups: Groups,
}

/// A place in the namespace that lies in an area.
#[derive(Clone)]
pub(super) struct Target {
    /// Which of the element's areas.
    area: usize,
    /// In the namespace, area included.
    pub(super) path: ObjectPath,
    /// Relative to the area.
    pub(super) below: ObjectPath,
    /// Whether the client wrote a trailing slash.
    pub(super) slash: bool,
}

/// A request whose token is good and whose path lies in an area.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) method: Method,
    pub(super) bearer: Bearer,
    pub(super) target: Target,
}

/// A path that could mean two things.
pub(super) struct Ambiguous;

/// Writes a request down before it is served.
pub(super) async fn remember(
    State(element): State<Arc<Element>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
    let line = format!(
        "{} {} {}",
        request.method(),
        request.uri().path(),
        names.join(",")
    );
    element.remembered().push(line);
    next.run(request).await
}

/// Serves one request.
pub(super) async fn answer(
    State(element): State<Arc<Element>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let operation = match element.rules.asks_operation() {
        true => operation::of(&element, &asked),
        false => None,
    };
    let answering = answered(&element, &asked, parts, body);
    element
        .rules
        .serve(&asked.headers, operation, answering)
        .await
}

async fn answered(
    element: &Arc<Element>,
    asked: &Parts,
    mut parts: Parts,
    body: Body,
) -> Response<Body> {
    let rules = element.rules.own();
    rules.on_request(&mut parts);
    let outcome = match rules.service() {
        Service::Attentive | Service::Open => element.outcome(parts, body).await,
        Service::Deaf(status) => Outcome::Plain(status, Bytes::new()),
        Service::Down | Service::Silent => std::future::pending().await,
    };
    rules.on_response(asked, outcome.into_response())
}

impl Element {
    pub(super) fn requests(&self) -> Vec<String> {
        self.remembered().clone()
    }

    pub(super) fn request_count(&self) -> usize {
        self.remembered().len()
    }

    fn remembered(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn outcome(self: &Arc<Self>, parts: Parts, body: Body) -> Outcome {
        if let Some(asked) = self.tape.as_ref().and_then(|_| tape::asked(&parts)) {
            return self.tape_answer(asked, parts, body).await;
        }
        if macaroons::asks_for_metadata(&parts) {
            return self.metadata();
        }
        let Some(method) = self.rules.own().method(parts.method.as_str()) else {
            return match parts.method == axum::http::Method::POST {
                true => self.issue(&parts, body).await,
                false => Outcome::NotAllowed(METHODS),
            };
        };
        if method == Method::Options && !self.rules.own().guards_options() {
            return Outcome::Options;
        }
        if let Some(path) = pool::asked(&parts) {
            return self.pool_answer(path, &parts).await;
        }
        if method == Method::Copy
            && let Some(outcome) = transfer::peek(self, &parts).await
        {
            self.drain(&parts.headers, body).await;
            return outcome;
        }
        match self.visit(method, &parts).await {
            Ok(visit) => {
                let before = self.namespace().get(&visit.target.path).cloned();
                let outcome = match Order::of(self, &visit, &parts) {
                    Some(order) => {
                        self.drain(&parts.headers, body).await;
                        match order {
                            Ok(order) => transfer::start(self, &visit, order).await,
                            Err(outcome) => outcome,
                        }
                    }
                    None => self.serve(&visit, &parts.headers, body).await,
                };
                let told = RequestOutcome {
                    method,
                    asked: &parts,
                    bearer: Some(&visit.bearer),
                    before: before.as_ref(),
                };
                let outcome = self.rules.own().on_outcome(&told, outcome);
                self.sent_on(&visit, &parts, outcome)
            }
            Err(outcome) => {
                self.drain(&parts.headers, body).await;
                let told = RequestOutcome {
                    method,
                    asked: &parts,
                    bearer: None,
                    before: None,
                };
                self.rules.own().on_outcome(&told, outcome)
            }
        }
    }

    /// Who comes, and to which place.
    async fn visit(&self, method: Method, parts: &Parts) -> Result<Visit, Outcome> {
        let open =
            self.rules.own().service() == Service::Open || self.rules.transfer().unasked(parts);
        let bearer = if open {
            Bearer::default()
        } else {
            let verified = self.verified(method, parts).await;
            let bearer = self
                .rules
                .own()
                .authenticate(&mut self.memory(), parts, verified)?;
            if !self
                .rules
                .own()
                .audience_accepted(&bearer, &self.origins, method)
                && !self.rules.transfer().any_audience(parts)
            {
                return Err(Refusal::InvalidToken("it is meant for another service").into());
            }
            if bearer.caveats.is_none() && self.seen(&bearer.token_id) {
                return Err(Refusal::InvalidToken("it was used before").into());
            }
            bearer
        };
        let target = self
            .locate(parts.uri.path(), End::Target(method))
            .map_err(|Ambiguous| {
                Outcome::text(StatusCode::BAD_REQUEST, "the path is ambiguous\n")
            })?;
        Ok(Visit {
            method,
            bearer,
            target: target.ok_or(Refusal::InsufficientScope)?,
        })
    }

    /// Whether a token was used before, where that matters.
    fn seen(&self, token_id: &str) -> bool {
        self.spent.as_ref().is_some_and(|spent| {
            let mut spent = spent.lock().unwrap_or_else(PoisonError::into_inner);
            !spent.insert(token_id.to_owned())
        })
    }

    /// Who the bearer of the request's token or macaroon is.
    pub(super) async fn verified(&self, method: Method, parts: &Parts) -> Verified {
        let token = token::presented(&parts.headers, &parts.uri)?;
        match Macaroon::parse(token) {
            Ok(macaroon) => self.holder(&macaroon, parts),
            Err(_) => token::verify(self.rules.token(), token, method, &self.issuers).await,
        }
    }

    /// Decides before the body is read, so that a refused upload is never asked for, and once more
    /// before the deed, because others may have been there meanwhile.
    pub(super) async fn serve(&self, visit: &Visit, headers: &HeaderMap, body: Body) -> Outcome {
        let decided = webdav::plan(self, &self.namespace(), visit, headers);
        if let Err(outcome) = decided {
            self.drain(headers, body).await;
            return self.failed(visit, headers, outcome);
        }
        let (body, answer) = match self.take(headers, body).await {
            Ok(Taken::Whole(body)) => (body, None),
            Ok(Taken::Cut(bytes)) => {
                let there = self.namespace().get(&visit.target.path).is_some();
                match self.rules.own().broke_off(bytes, there) {
                    (Some(kept), answer) => (kept.into(), answer),
                    (None, answer) => return answer.unwrap_or_else(broke_off),
                }
            }
            Err(outcome) => return outcome,
        };
        if visit.method == Method::Put
            && let Err(outcome) = webdav::matches_digests(headers, &body)
        {
            return outcome;
        }
        let mut namespace = self.namespace();
        let outcome = webdav::plan(self, &namespace, visit, headers)
            .and_then(|plan| webdav::carry_out(self, &mut namespace, visit, plan, body))
            .unwrap_or_else(|outcome| outcome);
        answer.unwrap_or(outcome)
    }

    /// What comes of a request that comes to nothing: what it is answered, and nothing else.
    fn failed(&self, visit: &Visit, headers: &HeaderMap, outcome: Outcome) -> Outcome {
        let status = outcome.status();
        if status.as_u16() < 400 {
            return outcome;
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let destination = text("destination").and_then(|to| {
            let path = self.own_path(to).unwrap_or(to);
            self.locate(path, End::Destination).ok()?
        });
        let failed = Failed {
            method: visit.method,
            bearer: &visit.bearer,
            path: &visit.target.path,
            destination: destination.as_ref().map(|target| &target.path),
            protects: text("overwrite") == Some("F"),
            status,
        };
        let told = self.rules.own().failed(&mut self.namespace(), &failed);
        match told {
            Some(status) => Outcome::Plain(status, Bytes::new()),
            None => outcome,
        }
    }

    /// Whether the bearer may, in the area of that target. An issuer speaks for its own area only.
    pub(super) fn allows(&self, bearer: &Bearer, target: &Target, asked: &Question) -> bool {
        let Some(area) = self.areas.get(target.area) else {
            return false;
        };
        let allowed = || {
            self.rules
                .own()
                .speaks_for(bearer, area, &self.areas, asked)
                && self.rules.own().allows(bearer, &area.groups, asked)
        };
        let rules = self.rules.macaroons();
        self.rules.own().service() == Service::Open
            || match &bearer.caveats {
                None => allowed(),
                Some(caveats) => {
                    macaroons::allow(rules, caveats, &area.path.join(&target.below), asked)
                        && rules.bounded(allowed(), bearer, asked)
                }
            }
    }

    /// The place that a URL-escaped path names; `None` if it lies in no area.
    pub(super) fn locate(&self, path: &str, end: End) -> Result<Option<Target>, Ambiguous> {
        let RequestPath {
            judged,
            meant,
            slash,
        } = self.rules.own().request_path(path, end).ok_or(Ambiguous)?;
        let within = |area: &ServedArea| self.rules.own().within(&judged, &area.path);
        // The deepest area counts, should one lie in another.
        let found = (0..self.areas.len())
            .filter_map(|area| Some((area, within(&self.areas[area])?)))
            .min_by_key(|(_, below)| below.depth());
        Ok(found.map(|(area, below)| Target {
            area,
            below,
            slash,
            path: meant,
        }))
    }

    /// The same for a path that is understood already.
    pub(super) fn place(&self, path: ObjectPath) -> Option<Target> {
        let below = |area: &ServedArea| self.rules.own().within(&path, &area.path);
        let found = (0..self.areas.len())
            .filter_map(|area| Some((area, below(&self.areas[area])?)))
            .min_by_key(|(_, below)| below.depth());
        found.map(|(area, below)| Target {
            area,
            below,
            slash: false,
            path,
        })
    }

    /// The path of a URI of this service.
    pub(super) fn own_path<'a>(&self, uri: &'a str) -> Option<&'a str> {
        self.origins.iter().find_map(|origin| {
            let (start, rest) = uri.split_at_checked(origin.len())?;
            let own = start.eq_ignore_ascii_case(origin) && rest.starts_with('/');
            own.then(|| rest.split(['?', '#']).next().unwrap_or(rest))
        })
    }

    /// Each object's path, directories with a trailing slash, in order.
    pub(super) fn paths(&self) -> Vec<String> {
        let path = |(path, node): (&ObjectPath, &Node)| {
            format!("{path}{}", if node.is_directory() { "/" } else { "" })
        };
        self.namespace()
            .tree(&ObjectPath::default())
            .map(path)
            .collect()
    }

    /// All of a body.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Outcome> {
        match self.take(headers, body).await? {
            Taken::Whole(bytes) => Ok(bytes),
            Taken::Cut(_) => Err(broke_off()),
        }
    }

    /// A body as far as it comes.
    async fn take(&self, headers: &HeaderMap, body: Body) -> Result<Taken, Outcome> {
        let too_long = || Outcome::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n");
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if waits(headers) && announced.is_some_and(|length| length > MAX_BODY) {
            return Err(too_long());
        }
        let reading = async {
            let (mut bytes, mut length) = (Vec::new(), 0_usize);
            let mut chunks = body.into_data_stream();
            while let Some(chunk) = chunks.next().await {
                let Ok(chunk) = chunk else {
                    return Ok(Taken::Cut(bytes));
                };
                length = length.saturating_add(chunk.len());
                if length <= MAX_BODY {
                    bytes.extend_from_slice(&chunk);
                } else if length > MAX_DRAINED {
                    break;
                }
            }
            if length > MAX_BODY {
                Err(too_long())
            } else {
                Ok(Taken::Whole(bytes.into()))
            }
        };
        tokio::time::timeout(BODY_DEADLINE, reading)
            .await
            .unwrap_or_else(|_| {
                Err(Outcome::text(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body does not come\n",
                ))
            })
    }

    /// Takes a body that nobody needs from the wire, so that the client is there to hear the answer;
    /// unless it waits for leave to send it.
    pub(super) async fn drain(&self, headers: &HeaderMap, body: Body) {
        if !waits(headers) {
            let _ = self.read(headers, body).await;
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn namespace(&self) -> MutexGuard<'_, Namespace> {
        self.namespace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of a body.
enum Taken {
    Whole(Bytes),
    /// What there was until the connection broke.
    Cut(Vec<u8>),
}

/// What is told of a body that broke off.
pub(super) fn broke_off() -> Outcome {
    Outcome::text(StatusCode::BAD_REQUEST, "the body broke off\n")
}

/// Whether the client waits for leave to send its body.
fn waits(headers: &HeaderMap) -> bool {
    headers.contains_key(header::EXPECT)
}
