use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::AUTHORIZATION;
use tokio::time::timeout;
use tracing::Instrument as _;
use url::Url;

use touchstone_model::redact::Redactor;
use touchstone_model::{
    Answer, BearerToken, BrokeOff, Endpoint, Exchange, Hop, Limits, Method, Purpose, RequestShape,
    excerpt,
};

use super::guard::{Guard, Kept};
use super::redirect::{
    HOPS, LONGEST, RedirectPolicy, RedirectStep, allowing, ambiguous, away, endless, holds,
    without_token,
};
use super::secret::secret_value;
use super::{HostLimiter, TlsError, answer, builder, client_config, exchange, explain};

/// Exchanges with one endpoint.
#[derive(Clone)]
pub struct Client {
    pooled: reqwest::Client,
    /// A server may close a connection after it refused a write without saying so: each write that
    /// is judged has its own.
    fresh: reqwest::Client,
    endpoint: String,
    redirects: RedirectPolicy,
    limits: Limits,
    limiter: Arc<HostLimiter>,
    guard: Guard,
    redactor: Redactor,
}

/// On whose behalf a request is sent; it stands in the User-Agent, so that logs can be joined.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The run.
    pub run: &'a str,
    /// The case, or what else is going on.
    pub case: &'a str,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Method.
    pub method: Method,
    /// What stands on the wire instead of the method.
    pub verb: Option<&'a str>,
    /// The whole URL, escaped.
    pub url: &'a str,
    /// Further headers.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: Option<&'a [u8]>,
    /// Credential.
    pub token: Option<&'a BearerToken>,
    /// No waiting beyond this.
    pub deadline: Instant,
}

/// How a request ended, and the record of it.
#[derive(Debug)]
pub struct Outcome {
    /// The last answer.
    pub answer: Result<Answer, Failure>,
    /// What reports may show.
    pub exchange: Exchange,
    /// Whether a redirect had the token in its Location, which did not stand in the URL that was asked.
    pub carried: bool,
}

/// Why there is no answer to judge. A matter of the environment, never a finding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// In words, redacted.
    pub reason: String,
    /// Whether it may be sent again without changing what is judged.
    pub(super) again: bool,
    /// What somebody said who was not given the token: it may be about that.
    pub(super) untold: Option<Box<Answer>>,
    /// What had come of an answer that the server did not bring to its end.
    pub broke_off: Option<BrokeOff>,
    /// Whether there was a connection, so that it may be this request that nobody answers.
    pub connected: bool,
}

impl Failure {
    /// One for which there is no answer at all.
    pub(super) fn new(reason: String) -> Self {
        Self {
            reason,
            again: false,
            untold: None,
            broke_off: None,
            connected: false,
        }
    }

    /// What was answered after all by somebody to whom the token may not go: whether it is about the token or about its
    /// absence, the same request with another token tells.
    ///
    /// # Errors
    /// There is no such answer.
    pub fn answer_without_token(self) -> Result<(Answer, String), Self> {
        match self.untold {
            Some(answer) => Ok((*answer, self.reason)),
            None => Err(self),
        }
    }
}

/// Whether nothing is judged by it: what is arranged or removed twice is as it was after the first time.
fn ours(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Arrange | Purpose::Teardown)
}

impl<'a> Outgoing<'a> {
    /// One with nothing but its method and URL, as anybody may send it.
    pub fn bare(method: Method, url: &'a str, deadline: Instant) -> Self {
        Self {
            method,
            verb: None,
            url,
            headers: &[],
            body: None,
            token: None,
            deadline,
        }
    }

    /// The method on the wire.
    fn verb(&self) -> &str {
        self.verb.unwrap_or(self.method.as_str())
    }

    /// Whether it is a question, which is asked again wherever it is redirected.
    fn reads(&self) -> bool {
        let safe = [Method::Get, Method::Head, Method::Propfind, Method::Options];
        safe.contains(&self.method) && self.verb.is_none()
    }

    /// Whether something may be otherwise after it.
    fn changes(&self) -> bool {
        self.method.writes() || self.method == Method::Post
    }

    /// What is asked after 303 (RFC 9110 section 15.4.4): the other place is only looked at.
    fn see_other(self) -> Self {
        Self {
            method: Method::Get,
            verb: None,
            headers: &[],
            body: None,
            ..self
        }
    }
}

impl<'a> Caller<'a> {
    /// Who sent a request with that `User-Agent`, if it is one of ours.
    pub fn read(agent: &'a str) -> Option<Self> {
        let (name, rest) = agent.split_once(" (run ")?;
        let (run, case) = rest.strip_suffix(')')?.split_once("; case ")?;
        name.starts_with("touchstone/")
            .then_some(Self { run, case })
    }

    /// The `User-Agent`.
    pub fn user_agent(&self) -> String {
        format!(
            "touchstone/{} (run {}; case {})",
            env!("CARGO_PKG_VERSION"),
            self.run,
            self.case
        )
    }
}

impl Client {
    /// A client for `endpoint`, which shares its limits with the others of that endpoint, and writes what `guard` lets pass.
    ///
    /// # Errors
    /// Whom to trust cannot be read.
    pub fn new(
        endpoint: &Endpoint,
        limiter: &Arc<HostLimiter>,
        redactor: &Redactor,
        guard: Guard,
    ) -> Result<Self, TlsError> {
        let tls = client_config(&endpoint.ca)?;
        let client = |idle| {
            let builder =
                builder(tls.clone(), endpoint.limits.connect).pool_max_idle_per_host(idle);
            match (endpoint.address, endpoint.url.host_str()) {
                // With port 0 the one of the URL counts.
                (Some(address), Some(host)) => builder.resolve(host, SocketAddr::new(address, 0)),
                _ => builder,
            }
            .build()
            .map_err(|error| TlsError::Client(explain(&error)))
        };
        Ok(Self {
            pooled: client(endpoint.limits.jobs)?,
            fresh: client(0)?,
            endpoint: endpoint.name.clone(),
            redirects: RedirectPolicy::new(&endpoint.url, &endpoint.redirect_hosts),
            limits: endpoint.limits.clone(),
            limiter: Arc::clone(limiter),
            guard,
            redactor: redactor.clone(),
        })
    }

    /// The same client, for what `guard` lets pass.
    pub fn guarded(&self, guard: Guard) -> Self {
        Self {
            guard,
            ..self.clone()
        }
    }

    /// What it may write.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Whether the token may go to the host of `url`: the endpoint's own, and those that it names.
    pub fn trusts(&self, url: &Url) -> bool {
        self.redirects.trusts(url)
    }

    /// Asks `endpoint` once, without a token, whether it is there: any answer says so. Bounded as a
    /// whole by the endpoint's `preflight` limit.
    pub async fn preflight(&self, endpoint: &Endpoint, caller: Caller<'_>) -> Outcome {
        self.knock(endpoint, caller, Method::Options).await
    }

    /// The same with another method that anybody may ask with.
    pub async fn knock(&self, endpoint: &Endpoint, caller: Caller<'_>, method: Method) -> Outcome {
        let url = format!("{}/", endpoint.area_url());
        let outgoing = Outgoing::bare(method, &url, Instant::now() + endpoint.limits.preflight);
        self.send(Purpose::Preflight, caller, outgoing).await
    }

    /// Leaves the endpoint alone for so long: no request of anybody begins.
    pub fn rest(&self, pause: Duration) {
        self.limiter.pause(pause);
    }

    /// Sends a request and follows its redirects. A transport error before any answer is tried once
    /// more and counted; an answer is never asked for again.
    pub async fn send(
        &self,
        purpose: Purpose,
        caller: Caller<'_>,
        outgoing: Outgoing<'_>,
    ) -> Outcome {
        let span = exchange::span(purpose, outgoing.method, outgoing.url);
        let outcome = self.sent(purpose, caller, outgoing);
        let outcome = outcome.instrument(span.clone()).await;
        exchange::ended(&span, &outcome.exchange);
        outcome
    }

    async fn sent(&self, purpose: Purpose, caller: Caller<'_>, outgoing: Outgoing<'_>) -> Outcome {
        let _turn = self.limiter.acquire(outgoing.deadline).await;
        let begun = Instant::now();
        let sent = exchange::Sent {
            verb: outgoing.verb(),
            url: outgoing.url,
            headers: outgoing.headers.to_vec(),
            body: outgoing.body,
            token: outgoing.token.map(|token| token.shown.clone()),
        };
        let mut record = exchange::begin(purpose, &self.redactor, sent);
        let shape = RequestShape {
            verb: outgoing.verb(),
            headers: outgoing.headers,
            target: outgoing.url,
            body: outgoing.body.is_some(),
        };
        let kept = match self.guard.begin(shape, outgoing.url, false) {
            // Whether something is gone is not told by another object.
            Ok(None) if purpose == Purpose::Teardown => Ok(self.guard.looking(outgoing.url)),
            judged => judged,
        };
        let mut carried = false;
        let answer = match kept {
            Ok(kept) => {
                self.follow(purpose, caller, outgoing, kept, &mut record, &mut carried)
                    .await
            }
            Err(reason) => Err(Failure::new(self.redactor.text(&reason))),
        };
        exchange::end(&mut record, &self.redactor, &answer, begun.elapsed());
        exchange::log(&self.endpoint, caller, &record);
        Outcome {
            answer,
            exchange: record,
            carried,
        }
    }

    async fn follow(
        &self,
        purpose: Purpose,
        caller: Caller<'_>,
        mut outgoing: Outgoing<'_>,
        mut kept: Option<Kept>,
        record: &mut Exchange,
        carried: &mut bool,
    ) -> Result<Answer, Failure> {
        let mut url = Url::parse(outgoing.url)
            .map_err(|error| Failure::new(format!("`{}` is no URL: {error}", outgoing.url)))?;
        let mut token = outgoing.token;
        // Suites may have a step go where the service has redirected before.
        if token.is_some() && !self.redirects.trusts(&url) {
            let host = url.host_str().unwrap_or_default();
            return Err(Failure::new(format!(
                "not sent: the token may not go to {host} (`redirect-hosts`)"
            )));
        }
        // Where the token did not go along although there was one.
        let mut withheld: Option<String> = None;
        loop {
            record.attempts = record.attempts.max(1);
            let first = self.first(purpose, &outgoing);
            let mut answer = self
                .once(purpose, caller, first, &outgoing, &url, token)
                .await;
            if answer.as_ref().is_err_and(|failure| failure.again) {
                record.attempts = 2;
                // A server may close a kept connection at any time, and the next one that is kept as well.
                answer = self
                    .once(purpose, caller, &self.fresh, &outgoing, &url, token)
                    .await;
            }
            let answer = answer?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return match withheld {
                    // Whether it says no to the token or to its absence, nobody knows.
                    Some(host) if answer.status >= 400 => Err(Failure {
                        reason: without_token(&host),
                        again: false,
                        untold: Some(Box::new(answer)),
                        broke_off: None,
                        connected: true,
                    }),
                    _ => Ok(answer),
                };
            }
            let Some(location) = answer.header("location") else {
                return Ok(answer);
            };
            let refused = |reason: String| Failure::new(self.redactor.text(&reason));
            if record.hops.len() == HOPS {
                return Err(refused(endless(&url)));
            }
            let step = match ambiguous(&answer) {
                true => {
                    RedirectStep::Refuse("it redirects to two places at once (Location)".into())
                }
                false => self.redirects.step(&url, location),
            };
            let see_other = answer.status == 303 && !outgoing.reads();
            let step = match (step, &kept) {
                (RedirectStep::Follow { to, token }, Some(kept)) if !see_other => {
                    self.onward(&outgoing, kept, to, token)
                }
                (step, _) => step,
            };
            record.hops.push(Hop {
                url: self.redactor.text(url.as_str()),
                status: answer.status,
                location: excerpt(&self.redactor.text(location), LONGEST),
                token_forwarded: matches!(step, RedirectStep::Follow { token: true, .. })
                    && token.is_some(),
            });
            match step {
                RedirectStep::Refuse(reason) => return Err(refused(reason)),
                RedirectStep::Follow { to, token: forward } => {
                    *carried |= outgoing
                        .token
                        .is_some_and(|token| holds(&to, token) && !holds(&url, token));
                    if let Some(token) = outgoing.token
                        && !self.redirects.trusts(&to)
                    {
                        let host = to.host_str().unwrap_or_default();
                        if holds(&to, token) {
                            return Err(refused(format!(
                                "it redirects to {host} with the token in the URL, and the token may not go there (`redirect-hosts`); {}",
                                allowing(host)
                            )));
                        }
                        withheld.get_or_insert_with(|| host.to_owned());
                    }
                    url = to;
                    token = token.filter(|_| forward);
                    if see_other {
                        outgoing = outgoing.see_other();
                        kept = None;
                    }
                }
            }
        }
    }

    /// Whether a request that has to keep to `kept` is sent on to `to`.
    fn onward(&self, outgoing: &Outgoing<'_>, kept: &Kept, to: Url, token: bool) -> RedirectStep {
        let verb = outgoing.verb();
        let host = to.host_str().unwrap_or_default();
        // Where dCache and others send uploads nobody needs a token.
        let anywhere = outgoing.reads() || verb == Method::Put.as_str();
        if !anywhere && !self.redirects.trusts(&to) {
            return RedirectStep::Refuse(away(verb, host));
        }
        match kept.in_place(&to) {
            true => RedirectStep::Follow { to, token },
            false => RedirectStep::Refuse(format!(
                "it redirects {verb} to another object, {}{}: it was not sent there",
                host,
                excerpt(to.path(), 200)
            )),
        }
    }

    /// Who sends it first.
    fn first(&self, purpose: Purpose, outgoing: &Outgoing<'_>) -> &reqwest::Client {
        match outgoing.changes() && !ours(purpose) {
            true => &self.fresh,
            false => &self.pooled,
        }
    }

    async fn once(
        &self,
        purpose: Purpose,
        caller: Caller<'_>,
        http: &reqwest::Client,
        outgoing: &Outgoing<'_>,
        url: &Url,
        token: Option<&BearerToken>,
    ) -> Result<Answer, Failure> {
        let broken = |reason: String| Failure::new(self.redactor.text(&reason));
        let request = self.request(caller, outgoing, url, token).map_err(broken)?;
        let wait = self.limits.first_byte.min(answer::left(outgoing.deadline));
        if wait.is_zero() {
            return Err(broken("the time for it is over".into()));
        }
        let response = match timeout(wait, http.execute(request)).await {
            Err(_) => {
                return Err(broken(format!(
                    "no answer within {}",
                    answer::seconds(wait)
                )));
            }
            Ok(Err(error)) => {
                return Err(Failure {
                    reason: self.redactor.text(&explain(&error)),
                    // A write that was sent may have had its effect although no answer came.
                    again: !error.is_timeout()
                        && (error.is_connect() || !outgoing.changes() || ours(purpose)),
                    untold: None,
                    broke_off: None,
                    connected: !error.is_connect() && !error.is_timeout(),
                });
            }
            Ok(Ok(response)) => response,
        };
        let head = answer::head(response.status().as_u16(), response.headers());
        let body = response.bytes_stream();
        answer::read(head, body, &self.limits, outgoing.deadline, explain)
            .await
            .map_err(|unread| Failure {
                broke_off: unread.broke_off,
                connected: true,
                ..broken(unread.reason)
            })
    }

    fn request(
        &self,
        caller: Caller<'_>,
        outgoing: &Outgoing<'_>,
        url: &Url,
        token: Option<&BearerToken>,
    ) -> Result<reqwest::Request, String> {
        let method = reqwest::Method::from_bytes(outgoing.verb().as_bytes())
            .map_err(|error| error.to_string())?;
        let mut request = self
            .pooled
            .request(method, url.clone())
            .header(reqwest::header::USER_AGENT, caller.user_agent());
        for (name, value) in outgoing.headers {
            request = request.header(name, value);
        }
        if let Some(token) = token {
            let value = secret_value("Bearer ", &token.secret)
                .ok_or("the token has characters that no header can carry")?;
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(body) = outgoing.body {
            request = request.body(body.to_vec());
        }
        request.build().map_err(|error| explain(&error))
    }
}
