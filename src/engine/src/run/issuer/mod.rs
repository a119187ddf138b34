//! One issuer as what is judged: is it there, what does it publish, the cases.

mod case;
mod http_client;
mod user;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::{Id, JoinSet};
use tracing::Instrument as _;

use crate::http::RedirectPolicy;
use crate::token::{RateLimiter, names_keys};
use crate::trace::span;
use touchstone_model::{
    Action, Answer, CaseResult, Exchange, IssuerPlan, Method, Purpose, Verdict, millis,
};

use super::Shared;
use super::case::Outcome;
use http_client::{Authorization, IssuerHttpClient, Outgoing};
use touchstone_model::Event;
use user::Users;

/// Cases at the same time: an issuer serves others as well.
const CASES: usize = 2;
/// For one case.
const CASE: Duration = Duration::from_secs(120);
/// For one that takes long.
const SLOW_CASE: Duration = Duration::from_secs(600);

/// Runs everything that the plan has for the issuer with that index.
pub(super) async fn run(shared: &Arc<Shared>, index: usize) {
    let begun = Instant::now();
    let visit = Visit {
        shared: Arc::clone(shared),
        index,
    };
    visit.visit().await;
    shared.tell(Event::EndpointFinished {
        endpoint: visit.plan().name(),
        leftovers: Vec::new(),
        duration_ms: millis(begun.elapsed()),
    });
}

/// A published document as it came.
struct Fetched {
    pub answer: Answer,
    pub exchange: Exchange,
    pub at: Timestamp,
}

impl Fetched {
    /// The document, where it is a JSON object.
    pub fn document(&self) -> Option<Value> {
        let whole = self.answer.status == 200 && !self.answer.truncated;
        let document: Value = serde_json::from_slice(&self.answer.body).ok()?;
        (whole && document.is_object()).then_some(document)
    }
}

/// What all cases at an issuer share.
struct Site {
    pub shared: Arc<Shared>,
    pub index: usize,
    pub http: IssuerHttpClient,
    pub users: Users,
    /// Where credentials may go.
    pub trusted: RedirectPolicy,
    pub metadata: Fetched,
    /// The metadata, where they are a JSON object.
    pub document: Option<Value>,
    /// The keys, or why there are none.
    pub keys: Result<Fetched, String>,
    /// The same, where they are a JSON object.
    pub key_set: Option<Value>,
    /// Of accounts whose client was answered 401: why the issuer does not take it, or `None` where it does.
    pub clients: Mutex<HashMap<String, Option<String>>>,
}

impl Site {
    pub fn plan(&self) -> &IssuerPlan {
        &self.shared.plan.issuers[self.index]
    }

    /// A URL that the metadata name.
    pub fn named(&self, member: &str) -> Option<&str> {
        self.document.as_ref()?.get(member)?.as_str()
    }
}

#[derive(Clone)]
struct Visit {
    shared: Arc<Shared>,
    index: usize,
}

impl Visit {
    fn plan(&self) -> &IssuerPlan {
        &self.shared.plan.issuers[self.index]
    }

    async fn visit(&self) {
        let mut running = Vec::new();
        for (index, case) in self.plan().cases.iter().enumerate() {
            match &case.action {
                Action::Run(_) => running.push(index),
                Action::Skip(reason) => {
                    self.finish(index, ended(Verdict::Skip, reason.clone()), Duration::ZERO);
                }
            }
        }
        if running.is_empty() {
            return;
        }
        match self.prepare().await {
            Ok(site) => self.cases(&running, &Arc::new(site)).await,
            Err((reason, exchanges)) => {
                let reason = self.shared.redactor.text(&reason);
                self.shared.tell(Event::EndpointUnreachable {
                    endpoint: self.plan().name(),
                    reason: reason.clone(),
                });
                for index in running {
                    let outcome = Outcome {
                        exchanges: exchanges.clone(),
                        ..ended(Verdict::Error, format!("unreachable: {reason}"))
                    };
                    self.finish(index, outcome, Duration::ZERO);
                }
            }
        }
    }

    /// Fetches what everybody looks at: an issuer that is down is found out once.
    async fn prepare(&self) -> Result<Site, (String, Vec<Exchange>)> {
        let issuer = &self.plan().issuer;
        let limiter = self.shared.broker.limiter(&issuer.name);
        let limiter = limiter.unwrap_or_else(|| Arc::new(RateLimiter::new(issuer.limits.rate)));
        let failed = |reason: String| (reason, Vec::new());
        let run = self.shared.plan.run.as_str();
        let http =
            IssuerHttpClient::new(issuer, limiter, &self.shared.redactor, run).map_err(failed)?;
        let users = Users::new(issuer, &self.shared.redactor);
        let url = well_known(&issuer.url);
        let metadata = self.fetch(&http, &url).await?;
        let server = metadata.answer.header("server").map(ToOwned::to_owned);
        let document = metadata.document();
        let named = document
            .as_ref()
            .and_then(|document| document.get("jwks_uri")?.as_str());
        let keys = match named {
            Some(url) if names_keys(url) => {
                let fetched = self.fetch(&http, url).await;
                fetched.map_err(|(reason, _)| format!("its keys could not be fetched: {reason}"))
            }
            _ => Err(
                "its metadata name no jwks_uri with https and without user and password".to_owned(),
            ),
        };
        self.shared.tell(Event::EndpointReached {
            endpoint: self.plan().name(),
            software: server.map(|text| self.shared.redactor.text(&text)),
        });
        Ok(Site {
            shared: Arc::clone(&self.shared),
            index: self.index,
            http,
            users,
            trusted: RedirectPolicy::of_issuer(issuer),
            metadata,
            document,
            key_set: keys.as_ref().ok().and_then(Fetched::document),
            keys,
            clients: Mutex::default(),
        })
    }

    async fn fetch(
        &self,
        http: &IssuerHttpClient,
        url: &str,
    ) -> Result<Fetched, (String, Vec<Exchange>)> {
        let outgoing = Outgoing {
            purpose: Purpose::Preflight,
            method: Method::Get,
            url,
            query: Vec::new(),
            form: Vec::new(),
            authorization: Authorization::None,
            case: "preflight",
            deadline: self.shared.deadline,
        };
        let outcome = http.send(&outgoing).await;
        match outcome.answer {
            Ok(answer) => Ok(Fetched {
                answer,
                exchange: outcome.exchange,
                at: outcome.at,
            }),
            Err(reason) => Err((reason, vec![outcome.exchange])),
        }
    }

    async fn cases(&self, indices: &[usize], site: &Arc<Site>) {
        let mut running = JoinSet::new();
        let mut begun: HashMap<Id, (usize, Instant)> = HashMap::new();
        let mut waiting = indices.iter();
        loop {
            while running.len() < CASES
                && let Some(index) = waiting.next()
            {
                if self.shared.cancel.is_cancelled() {
                    let reason = "interrupted before it began".to_owned();
                    self.finish(*index, ended(Verdict::Error, reason), Duration::ZERO);
                    continue;
                }
                let span = span!("case", name = %self.plan().cases[*index].case.id);
                let task = self.clone().case(*index, Arc::clone(site));
                let id = running.spawn(task.instrument(span)).id();
                begun.insert(id, (*index, Instant::now()));
            }
            let Some(ended_task) = running.join_next_with_id().await else {
                return;
            };
            if let Err(error) = ended_task
                && let Some((index, at)) = begun.get(&error.id())
            {
                tracing::error!(case = %self.plan().cases[*index].case.id, "panicked");
                let reason = "touchstone itself failed in this case; please report it with the log";
                let outcome = ended(Verdict::Error, reason.into());
                self.finish(*index, outcome, at.elapsed());
            }
        }
    }

    async fn case(self, index: usize, site: Arc<Site>) {
        let begun = Instant::now();
        let planned = &self.plan().cases[index];
        let Action::Run(script) = &planned.action else {
            return;
        };
        self.shared.tell(Event::CaseStarted {
            endpoint: self.plan().name(),
            case: planned.case.id.clone(),
            partner: None,
        });
        let limit = if planned.case.slow { SLOW_CASE } else { CASE };
        let deadline = (begun + limit).min(self.shared.deadline);
        let outcome = case::run(&site, planned, &script.asks, deadline).await;
        self.finish(index, outcome, begun.elapsed());
    }

    fn finish(&self, index: usize, outcome: Outcome, elapsed: Duration) {
        let planned = &self.plan().cases[index];
        let case = &planned.case;
        let result = CaseResult {
            endpoint: self.plan().name(),
            suite: case.suite.clone(),
            case: case.id.clone(),
            row: None,
            partner: None,
            title: case.title.clone(),
            clauses: case.clauses.clone(),
            severity: case.severity,
            verdict: outcome.verdict,
            known: planned.known.clone(),
            expired: planned.expired.clone(),
            reason: outcome.reason,
            past: None,
            findings: outcome.findings,
            exchanges: outcome.exchanges.into(),
            flaky: false,
            cleanup: Vec::new(),
            at: case.at.clone(),
            duration_ms: millis(elapsed),
        };
        self.shared.judged(result);
    }
}

/// Where the metadata are (OpenID Connect Discovery section 4.1).
fn well_known(issuer: &str) -> String {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    format!("{issuer}/.well-known/openid-configuration")
}

fn ended(verdict: Verdict, reason: String) -> Outcome {
    Outcome {
        verdict,
        reason: Some(reason),
        findings: Vec::new(),
        exchanges: Vec::new(),
        stayed: Vec::new(),
    }
}
