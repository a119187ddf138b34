//! One endpoint: is it there, who observes, what has it, the cases side by side, teardown.

mod covers;
mod declared;
mod preflight;
mod ready;
pub(super) mod terms;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinSet};
use tracing::Instrument as _;

use crate::http::{Caller, Client, RawClient, remedy};
use crate::token::Token;
use crate::trace::span;
use touchstone_model::{
    Ability, Action, CasePlan, CaseResult, EndpointPlan, Exchange, Finding, Leftover, Level,
    Purpose, Script, Verdict, millis,
};
use touchstone_protocol::{Judge, StepRole};

use super::Shared;
use super::case::{self, Outcome, Site, TapeDiscovery};
use super::made::{Made, MadeObject};
use super::observer::Observer;
use super::teardown::{Cleaner, Patience};
use covers::Heard;
use preflight::Absent;
use terms::Terms;
use touchstone_model::Event;

/// What servers usually grant when they compare times, and more than an answer takes.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);

/// Runs everything that the plan has for the endpoint with that index.
pub(super) async fn run(shared: &Arc<Shared>, index: usize) {
    let begun = Instant::now();
    let visit = Visit {
        shared: Arc::clone(shared),
        index,
        heard: Arc::default(),
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
    heard: Arc<Heard>,
}

/// The endpoint when it is ready to be judged.
struct Ready {
    /// What is done there, with what was found out of the endpoint; the cases are in the plan.
    plan: EndpointPlan,
    /// In what tokens have to differ for it.
    terms: Terms,
    /// What it does not have, though it is not declared so.
    absent: Vec<Absent>,
    /// What the answer to OPTIONS offers.
    offered: Vec<String>,
    client: Client,
    wire: RawClient,
    observer: Token,
    second: Option<Token>,
    existing: Option<(String, Vec<u8>)>,
    tape: TapeDiscovery,
    deadline: Instant,
    /// That its clock and ours differ, in words.
    clocks: Option<String>,
}

/// Why nothing can be judged.
struct NotReady {
    verdict: Verdict,
    reason: String,
    exchanges: Vec<Exchange>,
    /// The clause that is broken, where the service itself names what it does not take.
    broken: Option<&'static str>,
}

impl NotReady {
    fn error(reason: String, exchanges: Vec<Exchange>) -> Self {
        Self {
            verdict: Verdict::Error,
            reason,
            exchanges,
            broken: None,
        }
    }
}

impl Visit {
    fn plan(&self) -> &EndpointPlan {
        &self.shared.plan.endpoints[self.index]
    }

    async fn visit(&self) -> Vec<Leftover> {
        let mut scripts = Vec::new();
        let mut skipped = Vec::new();
        for (index, case) in self.plan().cases.iter().enumerate() {
            match &case.action {
                Action::Run(script) => scripts.push((index, script)),
                Action::Skip(reason) => skipped.push((index, reason)),
            }
        }
        if scripts.is_empty() {
            self.skip(&skipped);
            return Vec::new();
        }
        let made = Made::default();
        let ready = match self.prepare(&made, &scripts).await {
            Ok(ready) => {
                self.skip(&skipped);
                let ready = Arc::new(ready);
                self.put_down(&mut scripts, &ready);
                // Those that take longest begin first, or the run waits for them at its end.
                if !self.shared.plan.ordered {
                    scripts.sort_by_key(|(_, script)| Reverse(length(script)));
                }
                self.all(scripts, &ready).await;
                ready
            }
            Err((problem, ready)) => {
                let clocks = ready.as_ref().and_then(|ready| ready.clocks.as_deref());
                let judged = self.unjudged(problem, clocks, &scripts).await;
                skipped.retain(|(index, _)| Some(*index) != judged);
                self.skip(&skipped);
                match ready {
                    Some(ready) => Arc::new(ready),
                    None => return Vec::new(),
                }
            }
        };
        self.remove(&ready, &made, None, "teardown").await
    }

    fn skip(&self, skipped: &[(usize, &String)]) {
        for (index, reason) in skipped {
            self.finish(*index, Outcome::undecided(Verdict::Skip, (*reason).clone()));
        }
    }

    /// Tells of every case why it could not be judged, all with the same reason. Returns the case that tells it as a
    /// finding, which the plan may have left out.
    async fn unjudged(
        &self,
        problem: NotReady,
        clocks: Option<&str>,
        scripts: &[(usize, &Script)],
    ) -> Option<usize> {
        let doubt = self.doubt(&problem.exchanges).await;
        // What nobody can verify is refused with good reason.
        let broken = problem.broken.filter(|_| doubt.is_none());
        let reason = with(Some(problem.reason), doubt.as_deref());
        let reason = with(reason, clocks).unwrap_or_default();
        let mut reason = self.shared.redactor.text(&reason);
        let about = broken.and_then(|clause| self.about(clause));
        if let Some(index) = about {
            let finding = self.finding(index, broken?, &reason, &problem.exchanges);
            let mode = self.shared.plan.mode;
            let findings = vec![finding];
            self.finish(
                index,
                Outcome {
                    verdict: touchstone_protocol::verdict(&findings, mode),
                    reason: None,
                    findings,
                    exchanges: problem.exchanges.clone(),
                    stayed: Vec::new(),
                },
            );
            let case = &self.plan().cases[index].case.id;
            reason = format!("put down to {case}: {reason}");
        }
        for (index, _) in scripts.iter().filter(|(index, _)| Some(*index) != about) {
            self.finish(
                *index,
                Outcome {
                    exchanges: problem.exchanges.clone(),
                    ..Outcome::undecided(problem.verdict, reason.clone())
                },
            );
        }
        about
    }

    /// The case that judges that clause before all.
    fn about(&self, clause: &str) -> Option<usize> {
        let mut cases = self.plan().cases.iter();
        cases.position(|planned| {
            let first = planned.case.clauses.first();
            first.is_some_and(|first| first.as_str() == clause)
        })
    }

    /// That the service does not take what that clause has it take.
    fn finding(&self, index: usize, clause: &str, actual: &str, exchanges: &[Exchange]) -> Finding {
        let case = &self.plan().cases[index].case;
        let judge = Judge {
            case,
            clauses: &self.shared.plan.clauses,
            clause: None,
            at: &case.at,
            role: StepRole::Permitted,
            exchange: exchanges.len().saturating_sub(1),
        };
        let expected = "the observer's token, which conforms to the profile, is taken";
        judge.broken(clause, expected, actual)
    }

    /// Finishes what needs what the service does not have, but for one case each that tells so.
    fn put_down(&self, scripts: &mut Vec<(usize, &Script)>, ready: &Ready) {
        if ready.absent.is_empty() {
            return;
        }
        let plan = self.plan();
        let witnesses = Vec::from_iter(ready.absent.iter().map(|absent| {
            let witness = witness(absent, ready, scripts, plan);
            (absent, witness)
        }));
        scripts.retain(|(index, _)| {
            let needs = &plan.cases[*index].needs;
            let mut lacking = witnesses
                .iter()
                .filter(|(absent, _)| needs.contains(&absent.ability));
            if witnesses
                .iter()
                .any(|(_, witness)| *witness == Some(*index))
            {
                return true;
            }
            let Some((absent, witness)) = lacking.next() else {
                return true;
            };
            let id = witness.map(|index| plan.cases[index].case.id.as_str());
            let reason = absent.put_down(id.unwrap_or("the preflight"));
            self.finish(*index, Outcome::undecided(Verdict::Skip, reason));
            false
        });
        for (absent, _) in witnesses.iter().filter(|(_, witness)| witness.is_none()) {
            self.note(format!("{}: {}", absent.shown, absent.remedy()));
        }
    }

    /// Has something told of the endpoint as a whole.
    fn note(&self, note: String) {
        self.shared.note(&self.plan().endpoint, &note);
    }

    /// The observer before the first case.
    fn looking<'r>(&'r self, ready: &'r Ready) -> Observer<'r> {
        self.with_token(ready, &ready.observer)
    }

    fn with_token<'r>(&'r self, ready: &'r Ready, token: &'r Token) -> Observer<'r> {
        Observer {
            client: &ready.client,
            endpoint: &ready.plan.endpoint,
            caller: self.caller("arrangement"),
            token,
            deadline: ready.deadline,
        }
    }

    /// The cases of the lists, then the covers: what those find too is told once.
    async fn all(&self, scripts: Vec<(usize, &Script)>, ready: &Arc<Ready>) {
        let limits = &self.plan().endpoint.limits;
        // More of them than requests in a second would only wait for each other, while their time runs.
        let jobs = limits.jobs.min(limits.rate as usize).max(1);
        let case = |index: usize| &self.plan().cases[index].case;
        let (cells, lists): (Vec<_>, Vec<_>) = scripts
            .into_iter()
            .partition(|(index, _)| case(*index).cover.is_some());
        let (shared, alone): (Vec<_>, Vec<_>) = cells
            .into_iter()
            .partition(|(index, _)| covers::shares(case(*index)));
        self.cases(&lists, jobs, ready).await;
        self.cases(&self.untold(alone), jobs, ready).await;
        self.covers(&shared, jobs, ready).await;
    }

    /// Cases, at most `jobs` at the same time, each torn down as soon as it is judged.
    async fn cases(&self, scripts: &[(usize, &Script)], jobs: usize, ready: &Arc<Ready>) {
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
                let span = span!(
                    "case",
                    name = %self.plan().cases[*index].case.id,
                    waited_ms = start.at.duration_since(ready_at).as_millis()
                );
                let task = self
                    .clone()
                    .case(start.clone(), (*script).clone(), Arc::clone(ready));
                begun.insert(running.spawn(task.instrument(span)).id(), start);
            }
            let Some(ended) = running.join_next_with_id().await else {
                return;
            };
            // A panic in a case is that case's error: what it made is torn down all the same.
            if let Err(error) = ended
                && let Some(start) = begun.get(&error.id()).cloned()
            {
                tracing::error!(case = %self.plan().cases[start.index].case.id, "panicked");
                let outcome = Outcome::undecided(Verdict::Error, PANICKED.into());
                self.tear_down(&start, outcome, start.at.elapsed(), ready)
                    .await;
            }
        }
    }

    async fn case(self, start: Begun, script: Script, ready: Arc<Ready>) {
        let plan = self.plan();
        let case = &plan.cases[start.index];
        self.begins(case);
        let outcome = case::run(&self.site(&ready), case, &script, &start.made).await;
        let elapsed = start.at.elapsed();
        self.tear_down(&start, outcome, elapsed, &ready).await;
    }

    fn begins(&self, plan: &CasePlan) {
        self.shared.tell(Event::CaseStarted {
            endpoint: self.plan().endpoint.name.clone(),
            case: plan.case.id.clone(),
            partner: plan.partner.clone(),
        });
    }

    fn site<'r>(&'r self, ready: &'r Ready) -> Site<'r> {
        Site {
            shared: &self.shared,
            plan: &ready.plan,
            terms: &ready.terms,
            client: &ready.client,
            wire: &ready.wire,
            observer: &ready.observer,
            second: ready.second.as_ref(),
            existing: ready.existing.as_ref(),
            tape: &ready.tape,
            deadline: ready.deadline,
        }
    }

    async fn tear_down(&self, start: &Begun, outcome: Outcome, elapsed: Duration, ready: &Ready) {
        let name = self.plan().cases[start.index].case.id.as_str().to_owned();
        let root = Some(self.plan().directory.as_str());
        let stayed = self.remove(ready, &start.made, root, &name).await;
        self.conclude(start.index, outcome, elapsed, stayed, ready)
            .await;
    }

    /// Tells how a case ended, once everything is removed but for what `stayed`.
    async fn conclude(
        &self,
        index: usize,
        outcome: Outcome,
        elapsed: Duration,
        mut stayed: Vec<Leftover>,
        ready: &Ready,
    ) {
        let case = &self.plan().cases[index].case;
        let outcome = self.same_error(case, outcome);
        self.heard.take(case, &outcome);
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
        let mut result = self.result(index, outcome);
        self.remedy(&mut result, index, ready);
        if let Some(doubt) = doubt {
            result.reason = with(result.reason.take(), Some(&doubt));
            result.verdict = Verdict::Error;
            result.findings.clear();
        }
        if matches!(result.verdict, Verdict::Fail | Verdict::Error) {
            result.reason = with(result.reason.take(), ready.clocks.as_deref());
        }
        stayed.append(&mut result.cleanup);
        result.cleanup = stayed;
        result.duration_ms = millis(elapsed);
        self.shared.judged(result);
    }

    /// Adds to the finding of a case that tells what the service does not have how that is declared. That checksums are not
    /// told, which is a matter of configuration, is a warning.
    fn remedy(&self, result: &mut CaseResult, index: usize, ready: &Ready) {
        let needs = &self.plan().cases[index].needs;
        let mut absent = ready.absent.iter();
        let Some(absent) = absent.find(|absent| needs.contains(&absent.ability)) else {
            return;
        };
        if absent.ability == Ability::Digests && result.verdict == Verdict::Fail {
            for finding in &mut result.findings {
                finding.level = Level::Should;
            }
            result.verdict = touchstone_protocol::verdict(&result.findings, self.shared.plan.mode);
        }
        let remedy = absent.remedy();
        match result.findings.first_mut() {
            Some(finding) => finding.actual = format!("{}; {remedy}", finding.actual),
            None => result.reason = with(result.reason.take(), Some(&remedy)),
        }
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
        match &self.shared.ledger {
            Some(_) => self.clear(ready, made, root, case).await,
            None => Vec::new(),
        }
    }

    /// The same also where nothing is written down because nobody needs what is left.
    async fn clear(
        &self,
        ready: &Ready,
        made: &Made,
        root: Option<&str>,
        case: &str,
    ) -> Vec<Leftover> {
        let endpoint = &ready.plan.endpoint;
        let cleaner = Cleaner {
            client: &ready.client,
            endpoint,
            caller: self.caller(case),
            token: &ready.observer,
            second: ready.second.as_ref(),
            patience: &Patience::of_teardown(),
        };
        let made = made.take();
        let objects: Vec<_> = made.iter().map(MadeObject::from).collect();
        let removed = cleaner
            .remove(&objects, root, self.shared.ledger.as_ref())
            .instrument(span!("teardown"))
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
            row: case.row(),
            partner: planned.partner.clone(),
            title: case.title.clone(),
            clauses: case.clauses.clone(),
            severity: case.severity,
            verdict: outcome.verdict,
            known: planned.known.clone(),
            expired: planned.expired.clone(),
            reason: outcome.reason.map(|reason| {
                let reason = with_remedy(&reason);
                crowded(reason, &outcome.exchanges, plan.endpoint.limits.jobs)
            }),
            past: None,
            findings: outcome.findings,
            exchanges: outcome.exchanges.into(),
            flaky,
            cleanup: outcome.stayed,
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

const PANICKED: &str = "touchstone itself failed in this case; please report it with the log";

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
    // Where TLS breaks, or a connection is reset, it does so at any step: what was asked would only keep apart what is one trouble.
    let reason = match broken.contains("TLS") || broken.contains("reset by peer") {
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
fn with_remedy(reason: &str) -> String {
    let help = remedy(reason);
    match reason.contains(help) {
        true => reason.to_owned(),
        false => format!("{reason}{help}"),
    }
}

fn interrupted() -> Outcome {
    Outcome::undecided(Verdict::Error, INTERRUPTED.into())
}

/// The case that tells that something is missing: the one that is there for it, or else the first that needs it and nothing
/// else that is missing.
fn witness(
    absent: &Absent,
    ready: &Ready,
    scripts: &[(usize, &Script)],
    plan: &EndpointPlan,
) -> Option<usize> {
    let needs = |index: usize| &plan.cases[index].needs;
    let others = || {
        let others = ready.absent.iter().map(|other| other.ability);
        others.filter(|other| *other != absent.ability)
    };
    // MKCOL is what its own witness sends first; whatever else that lacks comes later.
    let first = absent.ability == Ability::Directories;
    let named = |index: &usize| {
        let named = plan.cases[*index].case.id.as_str() == absent.ability.witness();
        named && (first || others().all(|other| !needs(*index).contains(&other)))
    };
    let alone = |index: &usize| {
        let needs = needs(*index);
        needs.contains(&absent.ability) && others().all(|other| !needs.contains(&other))
    };
    let indices = || scripts.iter().map(|(index, _)| *index);
    indices().find(named).or_else(|| indices().find(alone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_that_breaks_in_a_crowd_is_one_trouble() {
        let broken = |error: &str| Exchange {
            error: Some(error.to_owned()),
            ..touchstone_model::sample::exchange("se", touchstone_model::Method::Get, 200)
        };
        let told =
            |step: &str, error: &str| crowded(format!("{step}: {error}"), &[broken(error)], 48);
        for error in [
            "no connection: the server hung up in the TLS handshake: its log may say why",
            "no connection: Connection reset by peer (os error 104)",
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
