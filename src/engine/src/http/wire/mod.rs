//! Requests that go out byte for byte as they were written.
//!
//! An ordinary client tidies up before it sends: dot segments vanish, header names change their
//! case, duplicates move together, the body goes along before a `100 Continue` was seen. Cases
//! about these things would test nothing. Here the request is written by hand, and hyper only
//! listens: it reads the answer, and knows when a connection has ended.

mod connection;
mod connector;
mod message;
mod redirected;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tracing::Instrument as _;
use url::Url;

use touchstone_model::redact::Redactor;
use touchstone_model::{
    Answer, BearerToken, Endpoint, Exchange, Limits, Method, Purpose, RequestShape,
};

use super::client::{Caller, Failure};
use super::guard::Guard;
use super::{HostLimiter, TlsError, answer, exchange};

use connection::{Connection, Progress};
use connector::Connector;
use message::Message;
use redirected::{Policy, Trail};

/// Servers beside the endpoint to which a connection is kept; those that it was sent on to first are left first.
const BEYOND: usize = 8;

/// A request exactly as it goes onto the wire. It has no `Debug`: it may hold secrets anywhere.
#[derive(Clone, Copy)]
pub struct RawRequest<'a> {
    /// What it is recorded as.
    pub method: Method,
    /// What stands in the request line: `GET`, `put`, `FOO`.
    pub verb: &'a str,
    /// The request target in origin form (RFC 9112 section 3.2.1), sent byte for byte, which in the
    /// record stands behind the endpoint's origin; or in absolute form (section 3.2.2).
    pub target: &'a str,
    /// In this order, names as written, duplicates kept. `Host`, `User-Agent`, `Content-Length` and
    /// `Transfer-Encoding` are added unless they are here.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: Option<&'a [u8]>,
    /// The credentials that are somewhere in it; the first one is shown in the record.
    pub tokens: &'a [&'a BearerToken],
    /// Sends `Expect: 100-continue` (RFC 9110 section 10.1.1): the body follows the server's 100,
    /// or one second of its silence.
    pub expect_continue: bool,
    /// Says HTTP/1.0 in the request line, which is all that tells the versions apart.
    pub http_1_0: bool,
    /// Sends the body as one chunk (RFC 9112 section 7.1) and without its length.
    pub chunked: bool,
    /// Closes the connection after so many bytes of the body, of which the whole was announced.
    pub cut_body_at: Option<usize>,
    /// No waiting beyond this.
    pub deadline: Instant,
}

/// How a request ended, and the record of it.
#[derive(Debug)]
pub struct WireOutcome {
    /// The last answer, whatever its status. A cut upload may have one, or fails for having been cut.
    pub answer: Result<Answer, Failure>,
    /// What reports may show.
    pub exchange: Exchange,
    /// Whether a `100 Continue` came.
    pub continued: bool,
    /// Whether there was a body and all of it went out.
    pub body_sent: bool,
    /// Whether it went over a connection that had carried another request.
    pub reused: bool,
    /// Whether such a connection has ended before anything of an answer came, so that nobody knows whether it counted.
    pub lost: bool,
    /// Whether a redirect had one of the credentials in its Location, which did not stand in the URL that was asked.
    pub carried: bool,
}

/// Exchanges with one endpoint in which every byte of the request is the caller's.
#[derive(Clone)]
pub struct RawClient(Arc<Connector>);

/// A connection that is kept, for requests one after another; and one to each server to which they were sent on.
pub struct KeptConnection {
    own: ServerConnection,
    beyond: Vec<ServerConnection>,
}

/// One server, and the connection to it while there is one.
struct ServerConnection {
    connector: Arc<Connector>,
    connection: Option<Connection>,
}

/// How a request is sent.
struct Manner<'a> {
    limits: Limits,
    /// Whether it is a COPY between servers.
    transfer: bool,
    /// Told when the client has to hang up.
    hang_up: Option<&'a Notify>,
}

impl RawClient {
    /// A client for `endpoint`, which shares its limits with the others of that endpoint, and writes what `guard` lets
    /// pass.
    ///
    /// # Errors
    /// Whom to trust cannot be read, or the endpoint's host is no name for TLS.
    pub fn new(
        endpoint: &Endpoint,
        limiter: &Arc<HostLimiter>,
        redactor: &Redactor,
        guard: Guard,
    ) -> Result<Self, TlsError> {
        let connector = Connector::new(endpoint, limiter, redactor, guard)?;
        Ok(Self(Arc::new(connector)))
    }

    /// Sends a request over a connection of its own, and on to where it is redirected.
    pub async fn send(
        &self,
        purpose: Purpose,
        caller: Caller<'_>,
        raw: RawRequest<'_>,
    ) -> WireOutcome {
        let mut connection = self.unconnected();
        let outcome = connection.send(purpose, caller, raw).await;
        connection.close().await;
        outcome
    }

    /// Sends a COPY between servers and follows its redirects, with all its headers wherever the token may
    /// go. Its answer may take as long as the data do; the client hangs up when `hang_up` is told.
    pub async fn copy(
        &self,
        purpose: Purpose,
        caller: Caller<'_>,
        raw: RawRequest<'_>,
        hang_up: Option<&Notify>,
    ) -> WireOutcome {
        let usual = &self.0.limits;
        let manner = Manner {
            limits: Limits {
                first_byte: usual.transfer,
                idle: usual.transfer,
                ..usual.clone()
            },
            transfer: true,
            hang_up,
        };
        let mut connection = self.unconnected();
        let outcome = connection.traced(purpose, caller, raw, manner).await;
        connection.close().await;
        outcome
    }

    fn unconnected(&self) -> KeptConnection {
        KeptConnection {
            own: ServerConnection {
                connector: Arc::clone(&self.0),
                connection: None,
            },
            beyond: Vec::new(),
        }
    }

    /// The same, but a body that waits for the server's word comes without it only after so long.
    #[cfg(test)]
    fn keeping_bodies_back(&self, patience: std::time::Duration) -> Self {
        Self(Arc::new(self.0.keeping_bodies_back(patience)))
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// TCP or TLS did not come about within the endpoint's limit.
    pub async fn connection(&self) -> Result<KeptConnection, Failure> {
        let mut connection = self.unconnected();
        connection.own.connection = Some(self.0.open(self.0.limits.connect).await?);
        Ok(connection)
    }
}

impl KeptConnection {
    /// Sends a request over this connection; over a new one, which is then kept, if it has ended. As
    /// with [`super::Client`], redirects are followed, and what failed before any answer is tried once more where that
    /// cannot change anything.
    pub async fn send(
        &mut self,
        purpose: Purpose,
        caller: Caller<'_>,
        raw: RawRequest<'_>,
    ) -> WireOutcome {
        let manner = Manner {
            limits: self.own.connector.limits.clone(),
            transfer: false,
            hang_up: None,
        };
        self.traced(purpose, caller, raw, manner).await
    }

    async fn traced(
        &mut self,
        purpose: Purpose,
        caller: Caller<'_>,
        raw: RawRequest<'_>,
        manner: Manner<'_>,
    ) -> WireOutcome {
        let span = exchange::span(purpose, raw.method, raw.target);
        let limiter = Arc::clone(&self.own.connector.limiter);
        let sent = async {
            // Where a COPY goes on to, it waits for its turn again.
            let _turn = match manner.transfer {
                true => None,
                false => limiter.acquire(raw.deadline).await,
            };
            self.recorded(purpose, caller, raw, &manner).await
        };
        let outcome = sent.instrument(span.clone()).await;
        exchange::ended(&span, &outcome.exchange);
        outcome
    }

    /// Sends it, and writes down what came of it.
    async fn recorded(
        &mut self,
        purpose: Purpose,
        caller: Caller<'_>,
        raw: RawRequest<'_>,
        manner: &Manner<'_>,
    ) -> WireOutcome {
        let begun = Instant::now();
        let connector = Arc::clone(&self.own.connector);
        let url = match raw.target.starts_with('/') {
            true => format!("{}{}", connector.origin, raw.target),
            false => raw.target.to_owned(),
        };
        let sent = exchange::Sent {
            verb: raw.verb,
            url: &url,
            headers: message::recorded(&raw),
            body: raw.body,
            token: raw.tokens.first().map(|token| token.shown.clone()),
        };
        let mut record = exchange::begin(purpose, &connector.redactor, sent);
        let mut said = Progress::default();
        let mut carried = false;
        let answer = match connector.guard.begin(shape(&raw), &url, true) {
            Err(reason) => Err(connector.failure(reason, false)),
            Ok(kept) => {
                let mut trail = Trail::new(raw, manner.transfer, kept);
                let following = self.follow(caller, manner, &mut trail, &mut record, &mut said);
                let ended = match manner.hang_up {
                    None => Some(following.await),
                    Some(told) => tokio::select! {
                        answer = following => Some(answer),
                        () = told.notified() => None,
                    },
                };
                carried = trail.carried;
                record.hops = trail.hops;
                ended.unwrap_or_else(|| {
                    self.own.connection = None;
                    self.beyond.clear();
                    Err(connector.failure("the client hung up, as the case asks".into(), false))
                })
            }
        };
        let lost = said.reused && answer.as_ref().is_err_and(|failure| failure.again);
        exchange::end(&mut record, &connector.redactor, &answer, begun.elapsed());
        exchange::log(&connector.endpoint, caller, &record);
        WireOutcome {
            answer,
            exchange: record,
            continued: said.continued,
            body_sent: said.body,
            reused: said.reused,
            lost,
            carried,
        }
    }

    /// Goes from server to server until one answers.
    async fn follow(
        &mut self,
        caller: Caller<'_>,
        manner: &Manner<'_>,
        trail: &mut Trail<'_>,
        record: &mut Exchange,
        said: &mut Progress,
    ) -> Result<Answer, Failure> {
        let mut to = None;
        loop {
            let own = Arc::clone(&self.own.connector);
            let spot = self.spot(to.as_ref())?;
            let raw = trail.request();
            if manner.transfer {
                own.limiter.acquire_unbounded(raw.deadline).await;
            }
            let attempts = &mut record.attempts;
            let answer = spot
                .deliver(caller, &raw, &manner.limits, attempts, said)
                .await?;
            let policy = Policy {
                origin: &spot.connector.origin,
                redirects: &own.redirects,
                redactor: &own.redactor,
            };
            match trail.next(&policy, &answer) {
                Ok(None) => {
                    return match trail.doubt(&answer) {
                        None => Ok(answer),
                        Some(reason) => Err(Failure {
                            untold: Some(Box::new(answer)),
                            ..own.failure(reason, false)
                        }),
                    };
                }
                Ok(Some(place)) => to = Some(place),
                Err(reason) => return Err(own.failure(reason, false)),
            }
        }
    }

    /// Whoever serves that URL; without one the endpoint itself.
    fn spot(&mut self, url: Option<&Url>) -> Result<&mut ServerConnection, Failure> {
        let Some(url) = url else {
            return Ok(&mut self.own);
        };
        let origin = url.origin().ascii_serialization();
        if self.own.connector.origin == origin {
            return Ok(&mut self.own);
        }
        let mut known = self.beyond.iter();
        let known = known.position(|spot| spot.connector.origin == origin);
        let spot = match known {
            Some(at) => self.beyond.remove(at),
            None => {
                let own = &self.own.connector;
                let connector = own.elsewhere(url);
                ServerConnection {
                    connector: Arc::new(
                        connector.map_err(|error| own.failure(error.to_string(), false))?,
                    ),
                    connection: None,
                }
            }
        };
        if self.beyond.len() == BEYOND {
            self.beyond.remove(0);
        }
        self.beyond.push(spot);
        let last = self.beyond.len() - 1;
        Ok(&mut self.beyond[last])
    }

    /// Whether it is open, as far as is known: a server's end may still be on its way.
    pub fn open(&self) -> bool {
        self.own.connection.as_ref().is_some_and(Connection::open)
    }

    /// Takes leave of the servers.
    async fn close(self) {
        let spots = std::iter::once(self.own).chain(self.beyond);
        let links = spots.filter_map(|spot| spot.connection);
        join_all(links.map(Connection::close)).await;
    }
}

impl ServerConnection {
    async fn deliver(
        &mut self,
        caller: Caller<'_>,
        raw: &RawRequest<'_>,
        limits: &Limits,
        attempts: &mut u32,
        said: &mut Progress,
    ) -> Result<Answer, Failure> {
        let agent = caller.user_agent();
        let message = Message::new(
            raw,
            &self.connector.host,
            &agent,
            self.connector.continue_timeout,
        )
        .map_err(|reason| self.connector.failure(reason, false))?;
        // What the server takes the verb for is its own affair.
        let harmless = !raw.method.writes() && raw.verb == raw.method.as_str();
        for attempt in 1_u32.. {
            *attempts = attempt.max(*attempts);
            *said = Progress::default();
            let kept = match self.connection.take() {
                // After one that has ended a new one is tried, and no other that may have ended as well.
                Some(mut connection) if attempt == 1 => {
                    connection.ready().await.then_some(connection)
                }
                _ => None,
            };
            let mut connection = match kept {
                Some(connection) => connection,
                None => match self.connector.open(answer::left(raw.deadline)).await {
                    Err(failure) if failure.again && attempt == 1 => continue,
                    opened => opened?,
                },
            };
            let ended = connection
                .exchange(&message, limits, raw.deadline, said)
                .await;
            if connection.open() {
                self.connection = Some(connection);
            }
            match ended {
                Err(broken) if broken.again && harmless && attempt == 1 => {}
                ended => {
                    return ended.map_err(|broken| Failure {
                        broke_off: broken.broke_off,
                        ..self.connector.failure(broken.reason, broken.again)
                    });
                }
            }
        }
        Err(self
            .connector
            .failure("it was tried too often".into(), false))
    }
}

/// What it is like to a guard.
fn shape<'a>(raw: &RawRequest<'a>) -> RequestShape<'a> {
    RequestShape {
        verb: raw.verb,
        headers: raw.headers,
        target: raw.target,
        body: raw.body.is_some() || raw.chunked || raw.expect_continue,
    }
}
