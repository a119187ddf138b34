//! The all-powerful look at an endpoint: arranges objects and sees what is really there.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::http::{self, Caller, Client, Outcome, Outgoing};
use crate::token::Token;
use touchstone_model::{Answer, BrokeOff, Endpoint, Exchange, Method, Purpose, State};
use touchstone_protocol::{Observed, properties, said};

use super::unanswered::Unanswered;

/// For a service that is busy, all pauses of a request together.
const PATIENCE: Duration = Duration::from_secs(30);
/// Before it is asked again if it does not say when; also where it says at once.
const PAUSE: Duration = Duration::from_secs(1);
/// For an object that is locked (RFC 4918 section 11.3), all pauses of a request together. Nobody else uses what is ours, so that
/// it is most likely held by a request of ours that the service has not done with.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
/// Before a locked object is asked for again.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

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
    /// What came of an answer that confirmed it and broke off each time, where nothing was made.
    pub broke_off: Option<(Method, BrokeOff)>,
}

/// Why nobody can say what is at a path.
#[derive(Clone, Debug)]
pub(super) struct Unseen {
    /// In words.
    pub reason: String,
    /// What the service answered, if it did.
    pub status: Option<u16>,
    /// Its own words.
    pub said: Option<String>,
    /// What came of an answer that broke off each time that it was asked.
    pub broke_off: Option<(Method, BrokeOff)>,
}

impl Unseen {
    fn refused(method: Method, path: &str, answer: &Answer) -> Self {
        Self {
            reason: format!("{method} {path} was answered {}", answer.status),
            status: Some(answer.status),
            said: said(answer),
            broke_off: None,
        }
    }
}

impl From<Unanswered> for Unseen {
    fn from(unanswered: Unanswered) -> Self {
        Self {
            reason: unanswered.reason,
            status: None,
            said: None,
            broke_off: unanswered.broke_off,
        }
    }
}

impl From<Unseen> for Unanswered {
    fn from(unseen: Unseen) -> Self {
        Self {
            reason: unseen.reason,
            broke_off: unseen.broke_off,
        }
    }
}

impl NotMade {
    /// Why it was not even sent.
    pub fn before(reason: String) -> Self {
        Self {
            reason,
            status: None,
            taken: false,
            said: None,
            broke_off: None,
        }
    }

    /// The reason with the service's own words.
    pub fn in_full(self) -> String {
        match self.said {
            Some(said) => format!("{}: {said}", self.reason),
            None => self.reason,
        }
    }

    /// Why nobody has said whether it was; what an answer that broke off began to say counts.
    fn unanswered(unanswered: Unanswered) -> Self {
        let broke = unanswered.broke_off;
        let confirms = |(_, broke): &(_, BrokeOff)| (200..300).contains(&broke.status);
        Self {
            reason: unanswered.reason,
            status: broke.map(|(_, broke)| broke.status),
            taken: false,
            said: None,
            broke_off: broke.filter(confirms),
        }
    }
}

impl From<NotMade> for Unanswered {
    fn from(why: NotMade) -> Self {
        Self {
            reason: why.reason,
            broke_off: why.broke_off,
        }
    }
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
        let mut broken: Option<NotMade> = None;
        loop {
            let sent = self.exchange(Purpose::Arrange, method, path, &[], body, log);
            let answer = match sent.await {
                Ok(answer) => answer,
                Err(unanswered) => {
                    let why = NotMade::unanswered(unanswered);
                    // What is wrong with the answer is for the cases about the method to say.
                    if why.broke_off.is_some() && self.is_there(path, state, log).await {
                        return Ok(());
                    }
                    // Where a connection breaks once, the network may have done it.
                    match why.broke_off {
                        Some(_) if broken.is_none() => broken = Some(why),
                        _ => return Err(why),
                    }
                    continue;
                }
            };
            // MKCOL is refused where something is (RFC 4918 section 9.3.1). The name is ours alone: if it was sent twice, for
            // its connection ended without an answer, it is what the first one has made.
            let exists = method == Method::Mkcol && answer.status == 405;
            let again = |exchange: &Exchange| exchange.attempts > 1;
            let twice = broken.is_some() || log[before..].iter().any(again);
            if answer.success() || exists && twice {
                return Ok(());
            }
            return Err(NotMade {
                reason: format!("{method} {path} was answered {}", answer.status),
                status: Some(answer.status),
                taken: exists,
                said: said(&answer),
                broke_off: None,
            });
        }
    }

    /// Whether what ought to be at `path` is there.
    async fn is_there(&self, path: &str, state: &State, log: &mut Vec<Exchange>) -> bool {
        let seen = self.look(Purpose::Arrange, path, state, log).await;
        seen.is_ok_and(|seen| seen.is(state))
    }

    /// Looks at what is really at `path`, where `expected` ought to be.
    pub async fn look(
        &self,
        purpose: Purpose,
        path: &str,
        expected: &State,
        log: &mut Vec<Exchange>,
    ) -> Result<Observed, Unseen> {
        let (method, headers): (_, &[_]) = match expected {
            State::File(_) => (Method::Get, &[]),
            State::Absent | State::Directory => {
                (Method::Propfind, &[("depth".to_owned(), "0".to_owned())])
            }
        };
        if method == Method::Propfind && !self.endpoint.traits.propfind {
            return self.glance(purpose, path, expected, log).await;
        }
        let answer = match self.ask(purpose, method, path, headers, log).await {
            Err(unseen) if method == Method::Propfind && unseen.broke_off.is_some() => {
                return self.glance(purpose, path, expected, log).await;
            }
            asked => asked?,
        };
        match (method, answer.status) {
            (_, 404 | 410) => Ok(Observed::Absent),
            (Method::Get, 200) => Ok(Observed::Present(answer.body)),
            (Method::Propfind, 207) => match shown(&answer) {
                Some(observed) => Ok(observed),
                // What is wrong with it is for the cases about PROPFIND to say.
                None => self.glance(purpose, path, expected, log).await,
            },
            // The same holds for an answer that is no multi-status, unless it is the token that was refused.
            (Method::Propfind, 200..=299 | 400 | 405 | 415 | 422 | 500 | 501) => {
                self.glance(purpose, path, expected, log).await
            }
            _ => Err(Unseen::refused(method, path, &answer)),
        }
    }

    /// Asks once more where the answer breaks off: if that happens once, the network may have done it.
    async fn ask(
        &self,
        purpose: Purpose,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        log: &mut Vec<Exchange>,
    ) -> Result<Answer, Unseen> {
        let mut asked = self
            .exchange(purpose, method, path, headers, None, log)
            .await;
        if asked.as_ref().is_err_and(Unanswered::again) {
            asked = self
                .exchange(purpose, method, path, headers, None, log)
                .await;
        }
        Ok(asked?)
    }

    /// Looks without PROPFIND, which the service does not have, or which it answers with what nobody can read: whether
    /// something is there, and where a directory is expected, that it is one, for nothing tells it from a file.
    async fn glance(
        &self,
        purpose: Purpose,
        path: &str,
        expected: &State,
        log: &mut Vec<Exchange>,
    ) -> Result<Observed, Unseen> {
        let method = Method::Head;
        let answer = self.ask(purpose, method, path, &[], log).await?;
        let length = || answer.header("content-length")?.trim().parse().ok();
        match (answer.status, expected) {
            (404 | 410, _) => Ok(Observed::Absent),
            // A service may have no page to show for a directory.
            (200 | 204 | 405, State::Directory) => Ok(Observed::Directory),
            (200 | 204, _) => Ok(Observed::Sized(length())),
            _ => Err(Unseen::refused(method, path, &answer)),
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
        let sent = self.exchange(purpose, method, path, headers, body, log);
        sent.await.map_err(|unanswered| unanswered.reason)
    }

    async fn exchange(
        &self,
        purpose: Purpose,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Option<&[u8]>,
        log: &mut Vec<Exchange>,
    ) -> Result<Answer, Unanswered> {
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
            let answer = answer.map_err(|failure| Unanswered {
                reason: format!("{method} {path}: {failure}"),
                broke_off: failure.broke_off.map(|broke| (method, broke)),
            })?;
            if let (Some(error), 401 | 403) = (&old, answer.status) {
                let reason = format!(
                    "{method} was answered {} to a token whose time is over, and there is no new one: {error}",
                    answer.status
                );
                return Err(reason.into());
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if answer.status == 423 && begun.elapsed() < LOCK_PATIENCE && LOCK_PAUSE < left {
                sleep(LOCK_PAUSE).await;
                continue;
            }
            // Nothing is judged by this answer: whoever is asked to come later does.
            let Some(pause) = later(&answer) else {
                return Ok(answer);
            };
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
    let told = answer.header("retry-after").and_then(http::retry_after);
    match answer.status {
        429 => Some(told.unwrap_or(PAUSE).max(PAUSE)),
        // Without a time it is no more than another error.
        503 => told.map(|told| told.max(PAUSE)),
        _ => None,
    }
}
