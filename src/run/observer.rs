//! The all-powerful look at an endpoint: arranges objects and sees what is really there.

use std::time::{Duration, Instant};

use crate::check::{Observed, properties, said};
use crate::http::{self, Caller, Client, Outcome, Outgoing};
use crate::model::{Answer, Endpoint, Exchange, Method, Purpose, State};
use crate::token::Token;

/// For a service that is busy, all pauses of a request together.
const PATIENCE: Duration = Duration::from_secs(30);
/// Before it is asked again if it does not say when; also where it says at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Why an object was not made.
#[derive(Clone, Debug)]
pub(super) struct NotMade {
    /// In words.
    pub reason: String,
    /// What the service answered, if it did.
    pub status: Option<u16>,
    /// Whether something is there already that somebody else has made.
    pub taken: bool,
    /// The service's own words.
    pub said: Option<String>,
}

/// Acts on one endpoint with the observer's token.
pub(super) struct Observer<'a> {
    pub client: &'a Client,
    pub endpoint: &'a Endpoint,
    pub caller: Caller<'a>,
    pub token: &'a Token,
    pub deadline: Instant,
}

impl Observer<'_> {
    /// Makes an object; its parent is there.
    pub async fn make(
        &self,
        path: &str,
        state: &State,
        log: &mut Vec<Exchange>,
    ) -> Result<(), NotMade> {
        let (method, body) = match state {
            State::Absent => return Ok(()),
            State::Directory => (Method::Mkcol, None),
            State::File(bytes) => (Method::Put, Some(bytes.as_slice())),
        };
        let before = log.len();
        let sent = self.send(Purpose::Arrange, method, path, &[], body, log);
        let answer = sent.await.map_err(|reason| NotMade {
            reason,
            status: None,
            taken: false,
            said: None,
        })?;
        // MKCOL is refused where something is (RFC 4918 section 9.3.1). The name is ours alone: if it was sent twice, for
        // its connection ended without an answer, it is what the first one has made.
        let exists = method == Method::Mkcol && answer.status == 405;
        let twice = log[before..].iter().any(|exchange| exchange.attempts > 1);
        if answer.success() || exists && twice {
            return Ok(());
        }
        Err(NotMade {
            reason: format!("{method} {path} was answered {}", answer.status),
            status: Some(answer.status),
            taken: exists,
            said: said(&answer),
        })
    }

    /// Looks at what is really at `path`, where `expected` ought to be.
    pub async fn look(
        &self,
        purpose: Purpose,
        path: &str,
        expected: &State,
        log: &mut Vec<Exchange>,
    ) -> Result<Observed, String> {
        let (method, headers): (_, &[_]) = match expected {
            State::File(_) => (Method::Get, &[]),
            State::Absent | State::Directory => {
                (Method::Propfind, &[("depth".to_owned(), "0".to_owned())])
            }
        };
        if method == Method::Propfind && !self.endpoint.traits.propfind {
            return self.glance(purpose, path, expected, log).await;
        }
        let answer = self.send(purpose, method, path, headers, None, log).await?;
        match (method, answer.status) {
            (_, 404 | 410) => Ok(Observed::Absent),
            (Method::Get, 200) => Ok(Observed::Present(answer.body)),
            (Method::Propfind, 207) => match shown(&answer) {
                Some(observed) => Ok(observed),
                // What is wrong with it is for the cases about PROPFIND to say.
                None => self.glance(purpose, path, expected, log).await,
            },
            (Method::Propfind, 405 | 501) => self.glance(purpose, path, expected, log).await,
            (_, status) => Err(format!("{method} {path} was answered {status}")),
        }
    }

    /// Looks without PROPFIND, which the service does not have, or which it answers with what nobody can read: whether
    /// something is there, and where a directory is expected, that it is one, for nothing tells it from a file.
    async fn glance(
        &self,
        purpose: Purpose,
        path: &str,
        expected: &State,
        log: &mut Vec<Exchange>,
    ) -> Result<Observed, String> {
        let method = Method::Head;
        let answer = self.send(purpose, method, path, &[], None, log).await?;
        let length = || answer.header("content-length")?.trim().parse().ok();
        match (answer.status, expected) {
            (404 | 410, _) => Ok(Observed::Absent),
            // A service may have no page to show for a directory.
            (200 | 204 | 405, State::Directory) => Ok(Observed::Directory),
            (200 | 204, _) => Ok(Observed::Sized(length())),
            (status, _) => Err(format!("{method} {path} was answered {status}")),
        }
    }

    /// One exchange with the observer's token.
    pub async fn send(
        &self,
        purpose: Purpose,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Option<&[u8]>,
        log: &mut Vec<Exchange>,
    ) -> Result<Answer, String> {
        let url = self.endpoint.url_of(path);
        let token = self.token.of(method);
        let (token, old) = token.current().await.map_err(|e| e.to_string())?;
        let begun = Instant::now();
        let outgoing = Outgoing {
            method,
            verb: None,
            url: &url,
            headers,
            body,
            token: Some(&token),
            deadline: self.deadline,
        };
        loop {
            let sent = self.client.send(purpose, self.caller, outgoing);
            let Outcome {
                answer, exchange, ..
            } = sent.await;
            log.push(exchange);
            let answer = answer.map_err(|failure| format!("{method} {path}: {failure}"))?;
            if let (Some(error), 401 | 403) = (&old, answer.status) {
                return Err(format!(
                    "{method} was answered {} to a token whose time is over, and there is no new one: {error}",
                    answer.status
                ));
            }
            // Nothing is judged by this answer: whoever is asked to come later does.
            let Some(pause) = later(&answer) else {
                return Ok(answer);
            };
            let left = self.deadline.saturating_duration_since(Instant::now());
            if pause > PATIENCE.saturating_sub(begun.elapsed()).min(left) {
                return Ok(answer);
            }
            self.client.rest(pause);
        }
    }
}

/// What an answer to PROPFIND shows, if it can be read and is about something.
fn shown(answer: &Answer) -> Option<Observed> {
    let members = properties(&answer.body).ok()?;
    let member = members.first()?;
    Some(match member.collection {
        true => Observed::Directory,
        false => Observed::Sized(member.length),
    })
}

/// How long the service asks to be left alone (RFC 6585 section 4, RFC 9110 section 15.6.4).
fn later(answer: &Answer) -> Option<Duration> {
    let told = answer.header("retry-after").and_then(http::pause);
    match answer.status {
        429 => Some(told.unwrap_or(PAUSE).max(PAUSE)),
        // Without a time it is no more than another error.
        503 => told.map(|told| told.max(PAUSE)),
        _ => None,
    }
}
