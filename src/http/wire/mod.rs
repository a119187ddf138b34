//! Requests that go out byte for byte as they were written.
//!
//! An ordinary client tidies up before it sends: dot segments vanish, header names change their
//! case, duplicates move together, the body goes along before a `100 Continue` was seen. Cases
//! about these things would test nothing. Here the request is written by hand, and hyper only
//! listens: it reads the answer, and knows when a connection has ended.

mod door;
mod link;
mod message;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;
use tracing::Instrument as _;
use url::Url;

use crate::model::{Answer, Endpoint, Exchange, Hop, Limits, Method, Purpose, Shape};
use crate::redact::Redactor;
use crate::token::Token;

use super::client::{Caller, Failure};
use super::guard::{Guard, Kept};
use super::redirect::{HOPS, LONGEST, Step, endless};
use super::{Manners, TlsError, answer, exchange};

use door::Door;
use link::{Link, Said};
use message::Message;

/// A request exactly as it goes onto the wire. It has no `Debug`: it may hold secrets anywhere.
#[derive(Clone, Copy)]
pub struct RawRequest<'a> {
    /// What it is recorded as.
    pub method: Method,
    /// What stands in the request line: `GET`, `put`, `FOO`.
    pub verb: &'a str,
    /// The request target in origin form (RFC 9112 section 3.2.1), sent byte for byte. In the
    /// record it stands behind the endpoint's origin.
    pub target: &'a str,
    /// In this order, names as written, duplicates kept. `Host`, `User-Agent`, `Content-Length` and
    /// `Transfer-Encoding` are added unless they are here.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: Option<&'a [u8]>,
    /// The credentials that are somewhere in it; the first one is shown in the record.
    pub tokens: &'a [&'a Token],
    /// Sends `Expect: 100-continue` (RFC 9110 section 10.1.1): the body follows the server's 100,
    /// or one second of its silence.
    pub expect_continue: bool,
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
    /// The answer, whatever its status: redirects are not followed. A cut upload may have one, or
    /// fails for having been cut.
    pub answer: Result<Answer, Failure>,
    /// What reports may show.
    pub exchange: Exchange,
    /// Whether a `100 Continue` came.
    pub continued: bool,
    /// Whether there was a body and all of it went out.
    pub body_sent: bool,
    /// Whether it went over a connection that had carried another request.
    pub reused: bool,
}

/// Exchanges with one endpoint in which every byte of the request is the caller's.
#[derive(Clone)]
pub struct Wire(Arc<Door>);

/// A connection that is kept, for requests one after another.
pub struct Connection {
    door: Arc<Door>,
    link: Option<Link>,
}

impl Wire {
    /// A client for `endpoint`, which keeps to the manners that it has in common with others, and writes what `guard` lets
    /// pass.
    ///
    /// # Errors
    /// Whom to trust cannot be read, or the endpoint's host is no name for TLS.
    pub fn new(
        endpoint: &Endpoint,
        manners: &Arc<Manners>,
        redactor: &Redactor,
        guard: Guard,
    ) -> Result<Self, TlsError> {
        let door = Door::new(endpoint, manners, redactor, guard)?;
        Ok(Self(Arc::new(door)))
    }

    /// Sends a request over a connection of its own.
    pub async fn send(
        &self,
        purpose: Purpose,
        caller: Caller<'_>,
        raw: RawRequest<'_>,
    ) -> WireOutcome {
        let mut connection = Connection {
            door: Arc::clone(&self.0),
            link: None,
        };
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
        let limits = Limits {
            first_byte: usual.transfer,
            idle: usual.transfer,
            ..usual.clone()
        };
        let mut door = Arc::clone(&self.0);
        let mut target = raw.target.to_owned();
        let mut hops = Vec::new();
        let mut url = None;
        let first = format!("{}{target}", self.0.origin);
        let (kept, mut judged) = match self.0.guard.begin(shape(&raw), &first, true) {
            Ok(kept) => (kept, Ok(())),
            Err(reason) => (None, Err(reason)),
        };
        loop {
            let mut connection = Connection {
                door: Arc::clone(&door),
                link: None,
            };
            let raw = RawRequest {
                target: &target,
                ..raw
            };
            // Where a redirect leads is judged when it comes.
            let now = std::mem::replace(&mut judged, Ok(()));
            let stretch = exchange::stretch(purpose, raw.method, raw.target);
            let sent = async {
                self.0.manners.long(raw.deadline).await;
                connection
                    .send_within(purpose, caller, raw, &limits, hang_up, now)
                    .await
            };
            let mut outcome = sent.instrument(stretch.clone()).await;
            exchange::ended(&stretch, &outcome.exchange);
            connection.close().await;
            let first = url.get_or_insert_with(|| outcome.exchange.url.clone());
            outcome.exchange.url.clone_from(first);
            let next = match &outcome.answer {
                Ok(answer) => self.next(&door, &target, answer, kept.as_ref(), &mut hops),
                Err(_) => None,
            };
            match next {
                Some(Ok((there, path))) => {
                    door = Arc::new(there);
                    target = path;
                }
                Some(Err(failure)) => {
                    outcome.exchange.error = Some(failure.reason.clone());
                    outcome.answer = Err(failure);
                    outcome.exchange.hops = hops;
                    return outcome;
                }
                None => {
                    outcome.exchange.hops = hops;
                    return outcome;
                }
            }
        }
    }

    /// Where a redirect leads, if `answer` is one.
    fn next(
        &self,
        door: &Door,
        target: &str,
        answer: &Answer,
        kept: Option<&Kept>,
        hops: &mut Vec<Hop>,
    ) -> Option<Result<(Door, String), Failure>> {
        // After 303 there would be something to look at (RFC 9110 section 15.4.4), and nothing to copy.
        if !matches!(answer.status, 301 | 302 | 307 | 308) {
            return None;
        }
        let location = answer.header("location")?;
        let refused = |reason: String| Some(Err(self.0.failure(reason, false)));
        let from = match Url::parse(&format!("{}{target}", door.origin)) {
            Ok(from) => from,
            Err(error) => return refused(error.to_string()),
        };
        if hops.len() == HOPS {
            return refused(endless(&from));
        }
        let step = match self.0.redirects.step(&from, location) {
            Step::Follow { to, .. } if kept.is_some_and(|kept| !kept.in_place(&to)) => {
                Step::Refuse(elsewhere(&to))
            }
            step => step,
        };
        hops.push(Hop {
            url: self.0.redactor.text(from.as_str()),
            status: answer.status,
            location: exchange::excerpt(&self.0.redactor.text(location), LONGEST),
            token_forwarded: matches!(step, Step::Follow { token: true, .. }),
        });
        match step {
            Step::Refuse(reason) => refused(reason),
            // Some carry the token in the new place's query; the other side's would be missing there.
            Step::Follow { to, token } if token || self.0.redirects.trusts(&to) => {
                let path = match to.query() {
                    Some(query) => format!("{}?{query}", to.path()),
                    None => to.path().to_owned(),
                };
                let there = door.elsewhere(&to);
                let there = there.map_err(|error| self.0.failure(error.to_string(), false));
                Some(there.map(|there| (there, path)))
            }
            Step::Follow { to, .. } => refused(format!(
                "it redirects to {}, to which the credentials may not go (`redirect-hosts`)",
                to.host_str().unwrap_or_default()
            )),
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
    pub async fn connection(&self) -> Result<Connection, Failure> {
        Ok(Connection {
            door: Arc::clone(&self.0),
            link: Some(self.0.open(self.0.limits.connect).await?),
        })
    }
}

impl Connection {
    /// Sends a request over this connection; over a new one, which is then kept, if it has ended. As
    /// with [`super::Client`], what failed before any answer is tried once more where that
    /// cannot change anything.
    pub async fn send(
        &mut self,
        purpose: Purpose,
        caller: Caller<'_>,
        raw: RawRequest<'_>,
    ) -> WireOutcome {
        let stretch = exchange::stretch(purpose, raw.method, raw.target);
        let sent = async {
            let manners = Arc::clone(&self.door.manners);
            let _turn = manners.turn(raw.deadline).await;
            let limits = self.door.limits.clone();
            let url = format!("{}{}", self.door.origin, raw.target);
            let judged = self.door.guard.begin(shape(&raw), &url, true).map(drop);
            self.send_within(purpose, caller, raw, &limits, None, judged)
                .await
        };
        let outcome = sent.instrument(stretch.clone()).await;
        exchange::ended(&stretch, &outcome.exchange);
        outcome
    }

    async fn send_within(
        &mut self,
        purpose: Purpose,
        caller: Caller<'_>,
        raw: RawRequest<'_>,
        limits: &Limits,
        hang_up: Option<&Notify>,
        judged: Result<(), String>,
    ) -> WireOutcome {
        let begun = Instant::now();
        let url = format!("{}{}", self.door.origin, raw.target);
        let sent = exchange::Sent {
            method: raw.method,
            verb: Some(raw.verb),
            url: &url,
            headers: message::recorded(&raw),
            body: raw.body,
            token: raw.tokens.first().map(|token| token.shown.clone()),
        };
        let mut record = exchange::begin(purpose, &self.door.redactor, sent);
        let mut said = Said::default();
        let answer = match judged {
            Ok(()) => {
                let attempts = &mut record.attempts;
                let delivering = self.deliver(caller, &raw, limits, attempts, &mut said);
                match hang_up {
                    None => delivering.await,
                    Some(told) => {
                        let ended = tokio::select! {
                            answer = delivering => Some(answer),
                            () = told.notified() => None,
                        };
                        ended.unwrap_or_else(|| {
                            self.link = None;
                            let reason = "the client hung up, as the case asks";
                            Err(self.door.failure(reason.into(), false))
                        })
                    }
                }
            }
            Err(reason) => Err(self.door.failure(reason, false)),
        };
        exchange::end(&mut record, &self.door.redactor, &answer, begun.elapsed());
        exchange::log(&self.door.endpoint, caller, &record);
        WireOutcome {
            answer,
            exchange: record,
            continued: said.continued,
            body_sent: said.body,
            reused: said.reused,
        }
    }

    /// Whether it is open, as far as is known: a server's end may still be on its way.
    pub fn open(&self) -> bool {
        self.link.as_ref().is_some_and(Link::open)
    }

    async fn deliver(
        &mut self,
        caller: Caller<'_>,
        raw: &RawRequest<'_>,
        limits: &Limits,
        attempts: &mut u32,
        said: &mut Said,
    ) -> Result<Answer, Failure> {
        let agent = caller.user_agent();
        let message = Message::new(raw, &self.door.host, &agent, self.door.patience)
            .map_err(|reason| self.door.failure(reason, false))?;
        // What the server takes the verb for is its own affair.
        let harmless = !raw.method.writes() && raw.verb == raw.method.as_str();
        loop {
            *attempts += 1;
            *said = Said::default();
            let kept = match self.link.take() {
                Some(mut link) => link.ready().await.then_some(link),
                None => None,
            };
            let mut link = match kept {
                Some(link) => link,
                None => match self.door.open(answer::left(raw.deadline)).await {
                    Err(failure) if failure.again && *attempts == 1 => continue,
                    opened => opened?,
                },
            };
            let ended = link.exchange(&message, limits, raw.deadline, said).await;
            if link.open() {
                self.link = Some(link);
            }
            match ended {
                Err(broken) if broken.again && harmless && *attempts == 1 => {}
                ended => {
                    return ended.map_err(|broken| self.door.failure(broken.reason, false));
                }
            }
        }
    }

    /// Takes leave of the server.
    async fn close(self) {
        if let Some(link) = self.link {
            link.close().await;
        }
    }
}

/// What it is like to a guard.
fn shape<'a>(raw: &RawRequest<'a>) -> Shape<'a> {
    Shape {
        verb: raw.verb,
        headers: raw.headers,
        target: raw.target,
        body: raw.body.is_some() || raw.chunked || raw.expect_continue,
    }
}

/// Why a COPY is not sent on.
fn elsewhere(to: &Url) -> String {
    let (host, path) = (to.host_str().unwrap_or_default(), to.path());
    let path = exchange::excerpt(path, 200);
    format!("it redirects to another object, {host}{path}: it was not sent there")
}
