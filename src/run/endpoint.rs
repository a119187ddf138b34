//! One endpoint: is it there, who observes, the cases side by side, teardown.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinSet};
use tracing::Instrument as _;

use crate::check::Observed;
use crate::http::{Caller, Client, Wire, remedy, software};
use crate::model::{
    Action, CaseResult, EndpointPlan, Exchange, Leftover, Purpose, Script, State, Verdict, millis,
};
use crate::token::{Fit, Token};
use crate::trace::stretch;

use super::Shared;
use super::case::{self, Outcome, Site, TapeDoor};
use super::event::Event;
use super::existing;
use super::ledger::Remaining;
use super::made::{Made, Object};
use super::observer::Observer;
use super::teardown::{Cleaner, Patience};

/// What servers usually grant when they compare times, and more than an answer takes.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);

/// Runs everything that the plan has for the endpoint with that index.
pub(super) async fn run(shared: &Arc<Shared>, index: usize) {
    let begun = Instant::now();
    let visit = Visit {
        shared: Arc::clone(shared),
        index,
    };
    let leftovers = visit.visit().await;
    shared.tell(Event::EndpointFinished {
        endpoint: visit.plan().endpoint.name.clone(),
        leftovers,
        duration_ms: millis(begun.elapsed()),
    });
}

#[derive(Clone)]
struct Visit {
    shared: Arc<Shared>,
    index: usize,
}

/// The endpoint when it is ready to be judged.
struct Ready {
    client: Client,
    wire: Wire,
    observer: Token,
    second: Option<Token>,
    existing: Option<(String, Vec<u8>)>,
    tape: TapeDoor,
    deadline: Instant,
    /// That its clock and ours differ, in words.
    clocks: Option<String>,
}

/// Why nothing can be judged.
struct NotReady {
    verdict: Verdict,
    reason: String,
    exchanges: Vec<Exchange>,
}

impl NotReady {
    fn error(reason: String, exchanges: Vec<Exchange>) -> Self {
        Self {
            verdict: Verdict::Error,
            reason,
            exchanges,
        }
    }
}

impl Visit {
    fn plan(&self) -> &EndpointPlan {
        &self.shared.plan.endpoints[self.index]
    }

    async fn visit(&self) -> Vec<Leftover> {
        let mut scripts = Vec::new();
        for (index, case) in self.plan().cases.iter().enumerate() {
            match &case.action {
                Action::Run(script) => scripts.push((index, script)),
                Action::Skip(reason) => self.finish(
                    index,
                    Outcome {
                        verdict: Verdict::Skip,
                        reason: Some(reason.clone()),
                        findings: Vec::new(),
                        exchanges: Vec::new(),
                        stayed: Vec::new(),
                    },
                ),
            }
        }
        if scripts.is_empty() {
            return Vec::new();
        }
        // Those that take longest begin first, or the run waits for them at its end.
        if !self.shared.plan.ordered {
            scripts.sort_by_key(|(_, script)| Reverse(length(script)));
        }
        let made = Made::default();
        let ready = match self.prepare(&made).await {
            Ok(ready) => {
                let ready = Arc::new(ready);
                self.cases(&scripts, &ready).await;
                ready
            }
            Err((problem, ready)) => {
                let clocks = ready.as_ref().and_then(|ready| ready.clocks.as_deref());
                let doubt = self.doubt(&problem.exchanges).await;
                let reason = with(Some(problem.reason), doubt.as_deref());
                let reason = with(reason, clocks).unwrap_or_default();
                let reason = self.shared.redactor.text(&reason);
                for (index, _) in &scripts {
                    self.finish(
                        *index,
                        Outcome {
                            verdict: problem.verdict,
                            reason: Some(reason.clone()),
                            findings: Vec::new(),
                            exchanges: problem.exchanges.clone(),
                            stayed: Vec::new(),
                        },
                    );
                }
                match ready {
                    Some(ready) => Arc::new(ready),
                    None => return Vec::new(),
                }
            }
        };
        self.remove(&ready, &made, None, "teardown").await
    }

    /// Preflight, the observer's token, the run's directory.
    async fn prepare(&self, made: &Made) -> Result<Ready, (NotReady, Option<Ready>)> {
        let plan = self.plan();
        let first = async {
            let reached = self.preflight().instrument(stretch!("preflight")).await?;
            let observer = self.observer().instrument(stretch!("tokens")).await?;
            Ok((reached, observer))
        };
        let ((client, clocks), observer) = tokio::select! {
            ready = first => ready,
            // Nothing is there yet, and nobody waits for silent storage or a silent issuer.
            () = self.shared.cancel.cancelled() => {
                Err(NotReady::error(INTERRUPTED.into(), Vec::new()))
            }
        }
        .map_err(|problem| (problem, None))?;
        let manners = self.shared.manners.at(&plan.endpoint);
        let guard = self.shared.guard(&plan.endpoint);
        let wire = Wire::new(&plan.endpoint, &manners, &self.shared.redactor, guard)
            .map_err(|error| (NotReady::error(error.to_string(), Vec::new()), None))?;
        let second = match &plan.second {
            // Cases that need it find out themselves that it is not to be had.
            Some(request) => {
                let token = self
                    .shared
                    .token(&plan.endpoint, request, Fit::AtLeast)
                    .instrument(stretch!("tokens"));
                token.await.ok()
            }
            None => None,
        };
        let limit = Instant::now() + plan.endpoint.limits.endpoint;
        let mut ready = Ready {
            client,
            wire,
            observer,
            second,
            existing: None,
            tape: TapeDoor::default(),
            deadline: limit.min(self.shared.deadline),
            clocks,
        };
        if let Some(existing) = &plan.endpoint.traits.read_only {
            let looking = self.looking(&ready);
            let found = existing::read(&looking, existing).instrument(stretch!("arrange"));
            return match found.await {
                Ok(found) => {
                    ready.existing = Some(found);
                    Ok(ready)
                }
                Err((reason, log)) => Err((NotReady::error(reason, log), None)),
            };
        }
        if plan.endpoint.traits.directories
            && let Err(problem) = self
                .root(&ready, made)
                .instrument(stretch!("arrange"))
                .await
        {
            return Err((problem, Some(ready)));
        }
        Ok(ready)
    }

    /// Finds out once whether the endpoint is there, so that it is not found out by every case, and whether its clock
    /// is ours.
    async fn preflight(&self) -> Result<(Client, Option<String>), NotReady> {
        let endpoint = &self.plan().endpoint;
        let unreachable = |reason: String, exchanges: Vec<Exchange>| {
            let reason = told(&self.shared.redactor.text(&reason));
            self.shared.tell(Event::EndpointUnreachable {
                endpoint: endpoint.name.clone(),
                reason: reason.clone(),
            });
            NotReady::error(format!("{UNREACHABLE}{reason}"), exchanges)
        };
        let manners = self.shared.manners.at(endpoint);
        let guard = self.shared.guard(endpoint);
        let client = Client::new(endpoint, &manners, &self.shared.redactor, guard)
            .map_err(|error| unreachable(error.to_string(), Vec::new()))?;
        let outcome = client.preflight(endpoint, self.caller("preflight")).await;
        if let Err(failure) = outcome.answer {
            return Err(unreachable(failure.reason, vec![outcome.exchange]));
        }
        let headers = &outcome.exchange.response_headers;
        self.shared.tell(Event::EndpointReached {
            endpoint: endpoint.name.clone(),
            software: software(headers),
        });
        let date = headers.iter().find(|(name, _)| name == "date");
        let clocks = date.and_then(|(_, date)| disagreement(date, outcome.exchange.started));
        Ok((client, clocks))
    }

    async fn observer(&self) -> Result<Token, NotReady> {
        let Some(request) = &self.plan().observer else {
            return Err(NotReady::error(
                "no issuer gives the observer a token".into(),
                Vec::new(),
            ));
        };
        self.shared
            .token(&self.plan().endpoint, request, Fit::AtLeast)
            .await
            .map_err(|error| NotReady {
                verdict: if error.refused() {
                    Verdict::Skip
                } else {
                    Verdict::Error
                },
                reason: format!(
                    "the observer, who arranges objects and sees effects, has no token: {error}"
                ),
                exchanges: Vec::new(),
            })
    }

    /// Makes the run's directory and looks whether it is there: an endpoint that says yes to
    /// everything is found out here.
    async fn root(&self, ready: &Ready, made: &Made) -> Result<(), NotReady> {
        let plan = self.plan();
        let mut log = Vec::new();
        let observer = self.looking(ready);
        let result = async {
            let object = Remaining {
                endpoint: plan.endpoint.listed_name().to_owned(),
                area: plan.endpoint.area_url(),
                path: plan.directory.clone(),
            };
            let url = plan.endpoint.url_of(&object.path);
            ready.client.guard().permits(&url)?;
            self.shared.will_create(&object)?;
            made.sending(&object.path);
            let result = observer
                .make(&plan.directory, &State::Directory, &mut log)
                .await;
            if let Err(why) = result {
                if made.not_made(&object.path, &why) {
                    self.shared.gone(&plan.endpoint, &object.path);
                }
                return Err(why.reason);
            }
            match observer
                .look(
                    Purpose::Arrange,
                    &plan.directory,
                    &State::Directory,
                    &mut log,
                )
                .await?
            {
                Observed::Directory => Ok(()),
                other => Err(format!(
                    "after MKCOL {} succeeded, there is {}",
                    plan.directory,
                    other.describe(&State::Directory)
                )),
            }
        }
        .await;
        result.map_err(|reason: String| {
            NotReady::error(
                format!("the run's directory could not be made: {reason}"),
                log,
            )
        })
    }

    /// The observer before the first case.
    fn looking<'r>(&'r self, ready: &'r Ready) -> Observer<'r> {
        Observer {
            client: &ready.client,
            endpoint: &self.plan().endpoint,
            caller: self.caller("arrangement"),
            token: &ready.observer,
            deadline: ready.deadline,
        }
    }

    /// All cases, at most `jobs` at the same time, each torn down as soon as it is judged.
    async fn cases(&self, scripts: &[(usize, &Script)], ready: &Arc<Ready>) {
        let limits = &self.plan().endpoint.limits;
        // More of them than requests in a second would only wait for each other, while their time runs.
        let jobs = limits.jobs.min(limits.rate as usize).max(1);
        let ready_at = Instant::now();
        let mut running = JoinSet::new();
        let mut begun: HashMap<Id, Begun> = HashMap::new();
        let mut waiting = scripts.iter();
        loop {
            while running.len() < jobs
                && let Some((index, script)) = waiting.next()
            {
                if self.shared.cancel.is_cancelled() {
                    self.finish(*index, interrupted());
                    continue;
                }
                let start = Begun {
                    index: *index,
                    at: Instant::now(),
                    made: Arc::default(),
                };
                let stretch = stretch!(
                    "case",
                    name = %self.plan().cases[*index].case.id,
                    waited_ms = start.at.duration_since(ready_at).as_millis()
                );
                let task = self
                    .clone()
                    .case(start.clone(), (*script).clone(), Arc::clone(ready));
                begun.insert(running.spawn(task.instrument(stretch)).id(), start);
            }
            let Some(ended) = running.join_next_with_id().await else {
                return;
            };
            // A panic in a case is that case's error: what it made is torn down all the same.
            if let Err(error) = ended
                && let Some(start) = begun.get(&error.id()).cloned()
            {
                tracing::error!(case = %self.plan().cases[start.index].case.id, "panicked");
                let outcome = Outcome {
                    verdict: Verdict::Error,
                    reason: Some(
                        "touchstone itself failed in this case; please report it with the log"
                            .into(),
                    ),
                    findings: Vec::new(),
                    exchanges: Vec::new(),
                    stayed: Vec::new(),
                };
                self.tear_down(&start, outcome, start.at.elapsed(), ready)
                    .await;
            }
        }
    }

    async fn case(self, start: Begun, script: Script, ready: Arc<Ready>) {
        let plan = self.plan();
        let case = &plan.cases[start.index];
        self.shared.tell(Event::CaseStarted {
            endpoint: plan.endpoint.name.clone(),
            case: case.case.id.clone(),
            partner: case.partner.clone(),
        });
        let site = Site {
            shared: &self.shared,
            plan,
            client: &ready.client,
            wire: &ready.wire,
            observer: &ready.observer,
            second: ready.second.as_ref(),
            existing: ready.existing.as_ref(),
            tape: &ready.tape,
            deadline: ready.deadline,
        };
        let outcome = case::run(&site, case, &script, &start.made).await;
        let elapsed = start.at.elapsed();
        self.tear_down(&start, outcome, elapsed, &ready).await;
    }

    async fn tear_down(&self, start: &Begun, outcome: Outcome, elapsed: Duration, ready: &Ready) {
        let name = self.plan().cases[start.index].case.id.as_str().to_owned();
        let root = Some(self.plan().directory.as_str());
        let mut stayed = self.remove(ready, &start.made, root, &name).await;
        stayed.extend(outcome.stayed.iter().cloned());
        // What was granted stays proven, whoever refused what else.
        let refusals = outcome.findings.iter().all(|finding| {
            let about = finding
                .exchange
                .and_then(|index| outcome.exchanges.get(index));
            about.is_some_and(refused)
        });
        let doubt = match outcome.verdict {
            Verdict::Pass | Verdict::Skip => None,
            _ if !refusals => None,
            _ => self.doubt(&outcome.exchanges).await,
        };
        let mut result = self.result(start.index, outcome);
        if let Some(doubt) = doubt {
            result.reason = with(result.reason.take(), Some(&doubt));
            result.verdict = Verdict::Error;
            result.findings.clear();
        }
        if matches!(result.verdict, Verdict::Fail | Verdict::Error) {
            result.reason = with(result.reason.take(), ready.clocks.as_deref());
        }
        result.cleanup = stayed;
        result.duration_ms = millis(elapsed);
        self.shared.judged(result);
    }

    /// Whether something was refused because its issuer does not publish the key of a token.
    async fn doubt(&self, exchanges: &[Exchange]) -> Option<String> {
        for exchange in exchanges.iter().filter(|exchange| refused(exchange)) {
            for token in exchange.token.iter().chain(&exchange.other) {
                if let Some(doubt) = self.shared.broker.doubt(token).await {
                    return Some(doubt);
                }
            }
        }
        None
    }

    /// Removes what was made; what lies below `root` is looked at when that is removed.
    async fn remove(
        &self,
        ready: &Ready,
        made: &Made,
        root: Option<&str>,
        case: &str,
    ) -> Vec<Leftover> {
        let Some(ledger) = &self.shared.ledger else {
            return Vec::new();
        };
        let endpoint = &self.plan().endpoint;
        let cleaner = Cleaner {
            client: &ready.client,
            endpoint,
            caller: self.caller(case),
            token: &ready.observer,
            second: ready.second.as_ref(),
            patience: &Patience::of_teardown(),
        };
        let made = made.take();
        let objects: Vec<_> = made.iter().map(Object::from).collect();
        let removed = cleaner
            .remove(&objects, root, Some(ledger))
            .instrument(stretch!("teardown"))
            .await;
        self.shared.removed_elsewhere(endpoint, removed.elsewhere);
        removed.stayed
    }

    fn finish(&self, index: usize, outcome: Outcome) {
        let result = self.result(index, outcome);
        self.shared.judged(result);
    }

    fn result(&self, index: usize, outcome: Outcome) -> CaseResult {
        let plan = self.plan();
        let planned = &plan.cases[index];
        let case = &planned.case;
        let flaky = outcome
            .exchanges
            .iter()
            .any(|exchange| exchange.attempts > 1 && exchange.purpose != Purpose::Preflight);
        CaseResult {
            endpoint: plan.endpoint.name.clone(),
            suite: case.suite.clone(),
            case: case.id.clone(),
            partner: planned.partner.clone(),
            title: case.title.clone(),
            clauses: case.clauses.clone(),
            severity: case.severity,
            verdict: outcome.verdict,
            known: planned.known.clone(),
            expired: planned.expired.clone(),
            reason: outcome.reason.map(|reason| {
                let reason = told(&reason);
                crowded(reason, &outcome.exchanges, plan.endpoint.limits.jobs)
            }),
            past: None,
            findings: outcome.findings,
            exchanges: outcome.exchanges.into(),
            flaky,
            cleanup: Vec::new(),
            at: case.at.clone(),
            duration_ms: 0,
        }
    }

    fn caller<'a>(&'a self, case: &'a str) -> Caller<'a> {
        Caller {
            run: self.shared.plan.run.as_str(),
            case,
        }
    }
}

/// How long a case takes in comparison with others: the seconds that it lets pass, then the requests that go out one
/// after another.
fn length(script: &Script) -> (u64, usize) {
    let waits = script.steps.iter().map(|step| step.wait);
    let requests = script.steps.iter().map(|step| {
        let effects = usize::from(step.method.writes());
        let control = if step.control.is_some() {
            1 + effects
        } else {
            0
        };
        1 + effects + control
    });
    (waits.sum(), requests.sum())
}

/// A case that was begun, and what it may have made.
#[derive(Clone)]
struct Begun {
    index: usize,
    at: Instant,
    made: Arc<Made>,
}

/// What is wrong with a clock that says `date` at `now`, where it is so wrong that tokens are not understood.
fn disagreement(date: &str, now: Timestamp) -> Option<String> {
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let apart = date.duration_since(now).abs();
    (apart > CLOCKS).then(|| {
        format!(
            "the clocks of the endpoint and of this machine are {} s apart, so that they do not agree when a token is valid; see which of them is wrong",
            apart.as_secs()
        )
    })
}

/// Whether a service may have answered so because it could not verify a token: without keys some say that they cannot
/// serve.
fn refused(exchange: &Exchange) -> bool {
    matches!(exchange.status, Some(401 | 403 | 500 | 503))
}

/// The reason together with what else may have to do with it.
fn with(reason: Option<String>, more: Option<&str>) -> Option<String> {
    match (reason, more) {
        (Some(reason), Some(more)) => Some(format!("{reason}; {more}")),
        (None, Some(more)) => Some(more.to_owned()),
        (reason, None) => reason,
    }
}

const UNREACHABLE: &str = "unreachable: ";

const INTERRUPTED: &str = "interrupted before it began";

/// What is said where a connection does not come about, or its TLS breaks.
const BROKEN: [&str; 4] = [
    "no connection",
    "the server broke off TLS",
    "what came is no proper TLS",
    "what came over TLS cannot be decrypted",
];

/// With what may be the matter where connections come about, and then do not.
fn crowded(reason: String, exchanges: &[Exchange], jobs: usize) -> String {
    let ours = !remedy(&reason).is_empty();
    let mut errors = exchanges.iter().filter_map(|one| one.error.as_deref());
    let broken = errors.find(|error| BROKEN.iter().any(|sign| error.contains(sign)));
    let (false, false, Some(broken)) = (ours, reason.starts_with(UNREACHABLE), broken) else {
        return reason;
    };
    // Where TLS breaks, it does so at any step: what was asked would only keep apart what is one trouble.
    let reason = match broken.contains("TLS") {
        true => broken.to_owned(),
        false => reason,
    };
    let help = match jobs {
        1 => "takes only one connection at a time, it cannot be judged: two are needed",
        _ => "takes only a few connections at a time, lower `jobs` in its `limits`",
    };
    format!("{reason}; it was there before: if it {help}")
}

/// With what helps, once.
fn told(reason: &str) -> String {
    let help = remedy(reason);
    match reason.contains(help) {
        true => reason.to_owned(),
        false => format!("{reason}{help}"),
    }
}

fn interrupted() -> Outcome {
    Outcome {
        verdict: Verdict::Error,
        reason: Some(INTERRUPTED.into()),
        findings: Vec::new(),
        exchanges: Vec::new(),
        stayed: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn tls_that_breaks_in_a_crowd_is_one_trouble() {
        let record = sample::record();
        let any = record.results.iter().flat_map(|one| &one.exchanges).next();
        let broken = |error: &str| Exchange {
            error: Some(error.to_owned()),
            ..any.clone().unwrap()
        };
        let told =
            |step: &str, error: &str| crowded(format!("{step}: {error}"), &[broken(error)], 48);
        for error in [
            "no connection: the server hung up in the TLS handshake: its log may say why",
            "the exchange broke: the server broke off TLS (InternalError): its log may say why",
            "the exchange broke: what came over TLS cannot be decrypted: the server, or something before it, mixes up connections",
        ] {
            let (one, other) = (told("PUT /a", error), told("GET /b", error));
            assert_eq!(one, other);
            assert!(one.contains("lower `jobs`") && !one.contains("/a"), "{one}");
        }
        let refused = "no connection: Connection refused (os error 111)";
        assert_ne!(told("PUT /a", refused), told("GET /b", refused));
        assert!(told("PUT /a", refused).contains("lower `jobs`"));
        let other = told("PUT /a", "no answer in time");
        assert_eq!(other, "PUT /a: no answer in time");
    }
}
