//! One case at one endpoint: tokens, arrangement, steps, controls, effects.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::check::{self, Judge, Ruling};
use crate::http::{Caller, Client, Outgoing};
use crate::model::{
    Answer, CasePlan, EndpointPlan, Exchange, Expect, Finding, Method, Purpose, Script, State,
    StepPlan, TokenRequest, Verdict,
};
use crate::token::{Fit, Token, TokenError};

use super::Shared;
use super::ledger::Remaining;
use super::observer::Observer;

/// What is known about the site when its cases run.
pub(super) struct Site<'a> {
    pub shared: &'a Shared,
    pub plan: &'a EndpointPlan,
    pub client: &'a Client,
    pub observer: &'a Token,
    /// For all cases of the endpoint.
    pub deadline: Instant,
}

/// How a case ended.
pub(super) struct Outcome {
    pub verdict: Verdict,
    pub reason: Option<String>,
    pub findings: Vec<Finding>,
    pub exchanges: Vec<Exchange>,
}

/// Why a case stops before its last step.
enum Stop {
    /// It does not apply.
    Skip(String),
    /// It cannot be decided.
    Undecided(String),
    /// It is decided: something was wrong.
    Broken,
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Self {
        if error.refused() {
            Self::Skip(error.to_string())
        } else {
            Self::Undecided(error.to_string())
        }
    }
}

/// Runs a case. Whatever it may have created stands in `made` and in the ledger before it is sent.
pub(super) async fn run(
    site: &Site<'_>,
    case: &CasePlan,
    script: &Script,
    made: &Mutex<Vec<String>>,
) -> Outcome {
    let limit = Instant::now() + site.plan.endpoint.limits.case;
    let mut running = Running {
        site,
        case,
        deadline: limit.min(site.deadline),
        made,
        world: HashMap::new(),
        exchanges: Vec::new(),
        findings: Vec::new(),
    };
    let stop = running.script(script).await.err();
    running.outcome(stop)
}

struct Running<'a> {
    site: &'a Site<'a>,
    case: &'a CasePlan,
    deadline: Instant,
    made: &'a Mutex<Vec<String>>,
    /// What is where, as far as it was arranged or observed; all else is absent, for the directory is ours.
    world: HashMap<String, State>,
    exchanges: Vec<Exchange>,
    findings: Vec<Finding>,
}

/// A step's tokens, obtained before anything is sent.
struct Credentials {
    token: Option<Token>,
    control: Option<Token>,
}

impl Running<'_> {
    async fn script(&mut self, script: &Script) -> Result<(), Stop> {
        let mut credentials = Vec::new();
        for step in &script.steps {
            credentials.push(Credentials {
                token: self.token(step.token.as_ref(), Fit::Exact).await?,
                control: self.token(step.control.as_ref(), Fit::AtLeast).await?,
            });
        }
        self.arrange(script).await?;
        #[cfg(test)]
        assert_ne!(
            self.case.case.id.as_str(),
            super::tests::PANICS,
            "asked for"
        );
        for (step, credentials) in script.steps.iter().zip(&credentials) {
            self.step(step, credentials).await?;
        }
        Ok(())
    }

    fn outcome(mut self, stop: Option<Stop>) -> Outcome {
        let strict = self.site.shared.plan.strict;
        let decided = check::verdict(&self.findings, strict);
        // What was proven stays proven, even if something later could not be decided.
        let (verdict, reason) = match stop {
            Some(Stop::Undecided(reason)) if decided != Verdict::Fail => {
                (Verdict::Error, Some(reason))
            }
            Some(Stop::Undecided(reason)) => (Verdict::Fail, Some(reason)),
            Some(Stop::Skip(reason)) => (Verdict::Skip, Some(reason)),
            Some(Stop::Broken) | None => (decided, None),
        };
        self.findings
            .sort_by_key(|finding| !finding.level.binding());
        Outcome {
            verdict,
            reason: reason.map(|reason| self.site.shared.redactor.text(&reason)),
            findings: self.findings,
            exchanges: self.exchanges,
        }
    }

    async fn token(
        &self,
        request: Option<&TokenRequest>,
        fit: Fit,
    ) -> Result<Option<Token>, TokenError> {
        match request {
            None => Ok(None),
            Some(request) => self.site.shared.broker.token(request, fit).await.map(Some),
        }
    }

    async fn arrange(&mut self, script: &Script) -> Result<(), Stop> {
        let failed = |reason| {
            Stop::Undecided(format!(
                "what the case needs could not be arranged: {reason}"
            ))
        };
        for directory in &script.directories {
            self.make(directory, &State::Directory)
                .await
                .map_err(failed)?;
        }
        for object in &script.given {
            self.make(&object.path, &object.state)
                .await
                .map_err(failed)?;
        }
        for object in &script.given {
            let seen = self
                .look(Purpose::Arrange, &object.path, &object.state)
                .await
                .map_err(failed)?;
            if !seen.is(&object.state) {
                let found = seen.describe(&object.state);
                return Err(failed(format!(
                    "after it was stored, there is {found} at {}",
                    object.path
                )));
            }
            self.world.insert(object.path.clone(), object.state.clone());
        }
        Ok(())
    }

    async fn make(&mut self, path: &str, state: &State) -> Result<(), String> {
        self.go_on()?;
        self.will_create(path)?;
        let mut log = Vec::new();
        let result = self.observer().make(path, state, &mut log).await;
        self.exchanges.append(&mut log);
        result
    }

    async fn look(
        &mut self,
        purpose: Purpose,
        path: &str,
        expected: &State,
    ) -> Result<check::Observed, String> {
        self.go_on()?;
        let mut log = Vec::new();
        let result = self
            .observer()
            .look(purpose, path, expected, &mut log)
            .await;
        self.exchanges.append(&mut log);
        result
    }

    /// One step, its effects, and its control if a refusal was expected and came.
    async fn step(&mut self, step: &StepPlan, credentials: &Credentials) -> Result<(), Stop> {
        let before = self.findings.len();
        let opened = self
            .perform(Purpose::Step, step, step.expect, &credentials.token)
            .await?;
        if opened {
            return Err(Stop::Broken);
        }
        let Some(control) = &credentials.control else {
            // A granted step that was only refused or wrongly answered leaves nothing to build on.
            let binding = self.findings[before..]
                .iter()
                .any(|finding| finding.level.binding());
            return if binding { Err(Stop::Broken) } else { Ok(()) };
        };
        let proven = self.findings.len();
        let expect = self.granted(step);
        let reason = match self
            .perform(Purpose::Control, step, expect, &Some(control.clone()))
            .await
        {
            Ok(_) => self
                .findings
                .drain(proven..)
                .find(|finding| finding.level.binding())
                .map(|finding| format!("expected {}, but {}", finding.expected, finding.actual)),
            Err(Stop::Undecided(reason)) => Some(reason),
            Err(stop) => return Err(stop),
        };
        match reason {
            None => Ok(()),
            Some(reason) => {
                // Without a control that succeeds a refusal proves nothing, a wrong status neither.
                self.findings.truncate(before);
                Err(Stop::Undecided(format!(
                    "the control, the same {} with a token that allows it, did not succeed, so that a refusal proves nothing: {reason}",
                    step.method
                )))
            }
        }
    }

    /// The word for the same request when it is allowed.
    fn granted(&self, step: &StepPlan) -> Expect {
        let target = step.destination.as_ref().unwrap_or(&step.path);
        match step.method {
            Method::Put | Method::Move => match self.known(target) {
                State::Absent => Expect::Created,
                State::Directory | State::File(_) => Expect::Replaced,
            },
            Method::Mkcol => Expect::Created,
            Method::Delete => Expect::Deleted,
            Method::Get | Method::Head | Method::Propfind | Method::Options => Expect::Ok,
        }
    }

    /// Sends the step's request and judges status, content and effects. Returns whether it opened
    /// what it should not.
    async fn perform(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        expect: Expect,
        token: &Option<Token>,
    ) -> Result<bool, Stop> {
        let answer = self
            .exchange(purpose, step, token)
            .await
            .map_err(Stop::Undecided)?;
        // The judge borrows what findings are made from, not `self`, which the findings go into.
        let (case, clauses, exchange) = (
            self.case,
            &self.site.shared.plan.clauses,
            self.exchanges.len() - 1,
        );
        let judge = Judge {
            case: &case.case,
            clauses,
            at: &step.at,
            exchange,
        };
        let known = self.known(&step.path).clone();
        let granted = match check::status(judge, expect, step.method, &answer) {
            Ruling::Undecided(reason) => return Err(Stop::Undecided(reason)),
            Ruling::Holds(finding) => {
                self.findings.extend(finding);
                !expect.refusal()
            }
            Ruling::Broken(finding) => {
                self.findings.push(finding);
                expect.refusal() && answer.success()
            }
        };
        let mut opened = expect.refusal() && granted;
        if expect.refusal() {
            let leak = check::leak(judge, &known, &answer);
            opened |= leak.is_some();
            self.findings.extend(leak);
        } else if granted && expect == Expect::Ok {
            self.findings
                .extend(check::read(judge, step.method, &known, &answer));
        }
        if step.method.writes() && (granted || expect.refusal()) {
            opened |= self.effects(judge, step, expect, &answer).await?;
        }
        Ok(opened)
    }

    /// Looks at what really happened. Returns whether a refused write changed anything.
    async fn effects(
        &mut self,
        judge: Judge<'_>,
        step: &StepPlan,
        expect: Expect,
        answer: &Answer,
    ) -> Result<bool, Stop> {
        let mut changed = false;
        for (path, expected) in self.expected(step, expect) {
            let seen = self
                .look(Purpose::Effect, &path, &expected)
                .await
                .map_err(|reason| {
                    Stop::Undecided(format!("the effect cannot be seen: {reason}"))
                })?;
            let finding = check::effect(judge, &path, &expected, &seen, answer.status);
            changed |= expect.refusal() && finding.is_some();
            self.findings.extend(finding);
            self.world.insert(path, expected);
        }
        Ok(changed)
    }

    /// What ought to be where after the step.
    fn expected(&self, step: &StepPlan, expect: Expect) -> Vec<(String, State)> {
        let before = |path: &String| (path.clone(), self.known(path).clone());
        let paths = std::iter::once(&step.path).chain(&step.destination);
        if expect.refusal() {
            return paths.map(before).collect();
        }
        let source = step.path.clone();
        match (step.method, &step.destination, &step.body) {
            (Method::Put, _, Some(body)) => vec![(source, State::File(body.clone()))],
            (Method::Mkcol, ..) => vec![(source, State::Directory)],
            (Method::Delete, ..) => vec![(source, State::Absent)],
            (Method::Move, Some(destination), _) => {
                let moved = self.known(&source).clone();
                vec![(destination.clone(), moved), (source, State::Absent)]
            }
            _ => Vec::new(),
        }
    }

    fn known(&self, path: &str) -> &State {
        self.world.get(path).unwrap_or(&State::Absent)
    }

    async fn exchange(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        token: &Option<Token>,
    ) -> Result<Answer, String> {
        self.go_on()?;
        if matches!(step.method, Method::Put | Method::Mkcol | Method::Move) {
            self.will_create(step.destination.as_ref().unwrap_or(&step.path))?;
        }
        let endpoint = &self.site.plan.endpoint;
        let headers = match (step.method, &step.destination) {
            (Method::Move, Some(path)) => vec![("destination", endpoint.url_of(path))],
            (Method::Propfind, _) => vec![("depth", "0".to_owned())],
            _ => Vec::new(),
        };
        let url = endpoint.url_of(&step.path);
        let outgoing = Outgoing {
            method: step.method,
            url: &url,
            headers: &headers,
            body: step.body.as_deref(),
            token: token.as_ref(),
            deadline: self.deadline,
        };
        let outcome = self
            .site
            .client
            .send(purpose, self.caller(), outgoing)
            .await;
        self.exchanges.push(outcome.exchange);
        outcome
            .answer
            .map_err(|failure| format!("{} {}: {failure}", step.method, step.path))
    }

    fn will_create(&self, path: &str) -> Result<(), String> {
        let endpoint = &self.site.plan.endpoint;
        let object = Remaining {
            endpoint: endpoint.name.clone(),
            area: endpoint.url_of(""),
            path: path.to_owned(),
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.iter().any(|earlier| earlier == path) {
            return Ok(());
        }
        self.site.shared.will_create(&object)?;
        made.push(path.to_owned());
        Ok(())
    }

    /// Nothing new begins once the run is stopped or the time is over.
    fn go_on(&self) -> Result<(), String> {
        if self.site.shared.cancel.is_cancelled() {
            Err("interrupted".into())
        } else if Instant::now() >= self.deadline {
            Err("the time for this case is over (`limits: {case, endpoint}`)".into())
        } else {
            Ok(())
        }
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            run: self.site.shared.plan.run.as_str(),
            case: self.case.case.id.as_str(),
        }
    }

    fn observer(&self) -> Observer<'_> {
        Observer {
            client: self.site.client,
            endpoint: &self.site.plan.endpoint,
            caller: self.caller(),
            token: self.site.observer,
            deadline: self.deadline,
        }
    }
}
