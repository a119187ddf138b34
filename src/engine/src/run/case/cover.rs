//! Cells of a cover that share what is arranged: it is made once, asked for with all that is wrong, looked at once, and
//! asked for once with a token that allows it.

use std::time::{Duration, Instant};

use crate::trace::span;
use touchstone_model::{
    CasePlan, Exchange, Expect, Method, Purpose, Script, State, StepPlan, Verdict,
};
use tracing::Instrument as _;

use super::credentials::queue_for_tokens;
use super::{Made, Outcome, Running, Site, Stop, binding, callback, uncontrolled};

/// A cell, and what is to be done for it.
#[derive(Clone, Copy)]
pub(in crate::run) struct Member<'p> {
    pub plan: &'p CasePlan,
    pub script: &'p Script,
}

/// What came of a cell.
pub(in crate::run) enum Told {
    /// It is judged; it took so long.
    Ended(Outcome, Duration),
    /// It can be judged only by itself.
    Alone,
    /// Another one has changed what it had left as it was: it is to be asked for anew.
    Again,
}

/// What is known of a cell before all of them have been asked.
enum Asked<'a> {
    /// It was refused, which proves something if the control succeeds and nothing has changed.
    Refused(Box<Running<'a>>, Duration),
    Told(Told),
}

/// Asks for the same with the credentials of each cell. What came of them, in their order; fewer than there are where
/// something was granted that may have changed what the rest needs.
pub(in crate::run) async fn run(site: &Site<'_>, members: &[Member<'_>], made: &Made) -> Vec<Told> {
    let Some(first) = members.first() else {
        return Vec::new();
    };
    let mut stage = Running::new(site, first.plan, first.script, made);
    let arranged = stage.arrange(first.script).instrument(span!("arrange"));
    if let Err(stop) = arranged.await {
        return not_arranged(stage, stop, members);
    }
    let before = std::mem::take(&mut stage.exchanges);
    let mut asked = Vec::new();
    let mut over = false;
    for member in members {
        if stage.go_on().is_err() && !asked.is_empty() {
            break;
        }
        // What many share takes longer than one of them may.
        stage.deadline = site.until(member.script);
        let told;
        (told, over) = ask(site, *member, made, &mut stage, &before).await;
        asked.push(told);
        if over {
            break;
        }
    }
    if over {
        // What came of the refusals before it cannot be seen any more.
        let told = asked.into_iter().map(|asked| match asked {
            Asked::Told(told) => told,
            Asked::Refused(..) => Told::Again,
        });
        return told.collect();
    }
    conclude(stage, &before, asked, members).await
}

/// Why a service need not do what a cell asks for, if it does not even with a token that allows it.
pub(in crate::run) async fn unoffered(
    site: &Site<'_>,
    member: Member<'_>,
    made: &Made,
) -> Option<String> {
    let Member { plan, script } = member;
    let step = script.steps.iter().find(|step| controllable(step))?;
    let mut stage = Running::new(site, plan, script, made);
    let arranged = stage.arrange(script).instrument(span!("arrange"));
    arranged.await.ok()?;
    stage.allowed(step).await.err()
}

/// One cell, up to its refusal; and whether nothing more can be asked, since it may have changed something.
async fn ask<'a>(
    site: &'a Site<'a>,
    member: Member<'a>,
    made: &'a Made,
    stage: &mut Running<'a>,
    before: &[Exchange],
) -> (Asked<'a>, bool) {
    let Member { plan, script } = member;
    if callback::needs_callback(script) {
        return (Asked::Told(Told::Alone), false);
    }
    queue_for_tokens(site, &plan.case, script).await;
    let begun = Instant::now();
    let mut cell = Running::new(site, plan, script, made);
    cell.world = stage.world.clone();
    cell.connection = stage.connection.take();
    cell.shares = true;
    let ended = cell.asked(script).await;
    stage.connection = cell.connection.take();
    // What was refused is seen by the look at the end. Who wants peace is not even looked at any more.
    let over =
        ended.is_err() && cell.has_written(script) || cell.exchanges.iter().any(asks_for_peace);
    if cell.withheld.is_some() {
        return (Asked::Told(Told::Alone), over);
    }
    let told = match ended {
        Ok(()) => Asked::Refused(Box::new(cell), begun.elapsed()),
        Err(stop) => Asked::Told(Told::Ended(
            cell.ended(script, Some(stop), before, &[]),
            begun.elapsed(),
        )),
    };
    (told, over)
}

/// Looks at what was arranged, asks for it with a token that allows it, and says of each refusal what it is worth.
async fn conclude(
    mut stage: Running<'_>,
    before: &[Exchange],
    asked: Vec<Asked<'_>>,
    members: &[Member<'_>],
) -> Vec<Told> {
    let refused = || {
        asked
            .iter()
            .zip(members)
            .filter(|(asked, _)| matches!(asked, Asked::Refused(..)))
    };
    let steps: Vec<_> = refused()
        .flat_map(|(_, member)| &member.script.steps)
        .collect();
    let untouched = stage.untouched_by(&steps).await;
    // Of those of a group all controls are the same. What was granted needs none.
    let controlled = match steps.iter().find(|step| controllable(step)) {
        Some(step) if untouched == Ok(true) => Some((*step, stage.allowed(step).await)),
        _ => None,
    };
    let after = std::mem::take(&mut stage.exchanges);
    let mut told = Vec::new();
    for (asked, member) in asked.into_iter().zip(members) {
        let (cell, elapsed) = match asked {
            Asked::Refused(cell, elapsed) => (cell, elapsed),
            Asked::Told(already) => {
                told.push(already);
                continue;
            }
        };
        let steps = &member.script.steps;
        let controlled = controlled
            .as_ref()
            .filter(|_| steps.iter().any(controllable));
        let stop = match (&untouched, controlled) {
            // One of them has done it: which one comes out when each is by itself.
            (Ok(false), _) => {
                told.push(Told::Alone);
                continue;
            }
            (Err(reason), _) => Some(Stop::Undecided(reason.clone())),
            (Ok(true), Some((step, Ok(Some(reason))))) => {
                Some(Stop::Undecided(uncontrolled(step, false, reason)))
            }
            (Ok(true), Some((_, Err(reason)))) => Some(Stop::Skip(reason.clone())),
            (Ok(true), Some((_, Ok(None))) | None) => None,
        };
        let outcome = cell.ended(member.script, stop, before, &after);
        told.push(Told::Ended(outcome, elapsed));
    }
    told
}

/// Whether a service has asked to come back later (RFC 6585 section 4, RFC 9110 section 15.6.4).
pub(in crate::run) fn asks_for_peace(exchange: &Exchange) -> bool {
    let mut headers = exchange.response_headers.iter();
    match exchange.status {
        Some(429) => true,
        Some(503) => headers.any(|(name, _)| name.eq_ignore_ascii_case("retry-after")),
        _ => false,
    }
}

/// Whether a token is known with which the service has to do what it is to refuse here.
fn controllable(step: &StepPlan) -> bool {
    step.expect.harmless() && step.control.is_some()
}

/// The same request where nothing depends on what is there, and with its Destination as it is usually written: it has to succeed.
fn plain(step: &StepPlan) -> StepPlan {
    let odd = |name: &str| {
        touchstone_protocol::is_condition(name) || name.eq_ignore_ascii_case("destination")
    };
    let mut plain = step.clone();
    plain.headers.retain(|(name, _)| !odd(name));
    plain
}

/// What comes of all where the first could not even be arranged.
fn not_arranged(stage: Running<'_>, stop: Stop, members: &[Member<'_>]) -> Vec<Told> {
    let elapsed = Duration::ZERO;
    let Some((first, others)) = members.split_first() else {
        return Vec::new();
    };
    let broken = matches!(stop, Stop::Broken);
    let outcome = stage.outcome(first.script, Some(stop), Vec::new());
    let reason = match &outcome.reason {
        Some(reason) if !broken => reason.clone(),
        _ => format!(
            "put down to {}: what it needs could not be arranged",
            first.plan.case.id
        ),
    };
    let verdict = match outcome.verdict {
        Verdict::Skip => Verdict::Skip,
        _ => Verdict::Error,
    };
    let mut told = vec![Told::Ended(outcome, elapsed)];
    told.extend(others.iter().map(|_| {
        let outcome = Outcome::undecided(verdict, reason.clone());
        Told::Ended(outcome, elapsed)
    }));
    told
}

impl Running<'_> {
    /// Sends the steps of a cell, which all want the same, without a look at what came of those that were refused.
    async fn asked(&mut self, script: &Script) -> Result<(), Stop> {
        let (credentials, _) = self.credentials(script).await?;
        self.obtained = Instant::now();
        for (at, (step, credentials)) in script.steps.iter().zip(&credentials).enumerate() {
            self.role = touchstone_protocol::role(&script.steps, at);
            let span = span!("step", name = %step.method, at = %step.at);
            if !step.expect.harmless() || step.control.is_none() {
                self.step(step, credentials).instrument(span).await?;
                continue;
            }
            let before = self.findings.len();
            let sent = self.perform(
                Purpose::Step,
                step,
                step.expect,
                &credentials.token,
                &credentials.other,
            );
            let opened = sent.instrument(span).await?;
            if opened || binding(&self.findings[before..]) {
                return Err(Stop::Broken);
            }
        }
        Ok(())
    }

    /// Whether a request was granted that may have changed what others need.
    fn has_written(&self, script: &Script) -> bool {
        let writes = script.steps.iter().any(|step| step.method.writes());
        let mut sent = self.exchanges.iter();
        writes
            && sent.any(|exchange| {
                // Whoever does not say no may have done it.
                let status = exchange.status.unwrap_or(200);
                exchange.purpose == Purpose::Step && !(400..500).contains(&status)
            })
    }

    /// Whether all that steps could have changed is as it was arranged.
    async fn untouched_by(&mut self, steps: &[&StepPlan]) -> Result<bool, String> {
        let mut expected: Vec<(String, State)> = Vec::new();
        for step in steps.iter().filter(|step| step.method.writes()) {
            for (path, state) in self.expected(step, Expect::Refused, 403) {
                if !expected.iter().any(|(known, _)| *known == path) {
                    expected.push((path, state));
                }
            }
        }
        if expected.is_empty() {
            return Ok(true);
        }
        let objects = expected.iter().map(|(path, state)| (path.as_str(), state));
        let seen = self.look(Purpose::Effect, objects).await;
        let seen = seen.map_err(|why| why.keeping("the effect cannot be seen").reason)?;
        Ok(seen
            .iter()
            .zip(&expected)
            .all(|(seen, (_, state))| seen.is(state)))
    }

    /// Sends the request with a token that allows it: what was wrong with what came of it, or why the service need not
    /// offer it.
    async fn allowed(&mut self, step: &StepPlan) -> Result<Option<String>, String> {
        let Some(request) = &step.control else {
            return Ok(None);
        };
        let token = match self.enough(request, step.method).await {
            Ok(token) => token,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let ended = self.controlled(&plain(step), &token).await;
        let mut sent = self.exchanges.iter();
        let control = sent.rfind(|exchange| exchange.purpose == Purpose::Control);
        let status = control.and_then(|exchange| exchange.status);
        if step.optional
            && step.method == Method::Delete
            && let Some(status) = status.filter(|status| *status >= 400)
        {
            let status = touchstone_protocol::reason(status);
            return Err(format!(
                "the service removes no directory that is not empty: it was answered {status}"
            ));
        }
        match ended {
            Ok(reason) => Ok(reason),
            Err(Stop::Skip(reason)) => Err(reason),
            Err(Stop::Undecided(reason)) => Ok(Some(reason)),
            Err(Stop::Broken) => Ok(Some("it was not answered as it had to be".to_owned())),
        }
    }

    /// The outcome of a cell. What all of them share is recorded where there is something to explain.
    fn ended(
        self,
        script: &Script,
        stop: Option<Stop>,
        before: &[Exchange],
        after: &[Exchange],
    ) -> Outcome {
        let mut outcome = self.outcome(script, stop, Vec::new());
        if matches!(outcome.verdict, Verdict::Pass | Verdict::Skip) {
            return outcome;
        }
        for finding in &mut outcome.findings {
            finding.exchange = finding.exchange.map(|at| at + before.len());
        }
        let own = std::mem::take(&mut outcome.exchanges);
        outcome.exchanges = before.iter().cloned().chain(own).collect();
        outcome.exchanges.extend_from_slice(after);
        outcome
    }
}
