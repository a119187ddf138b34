//! Requests of a step whose answer breaks off: once the network may have done it, each time it was the service.

use crate::token::Token;
use crate::trace::span;
use touchstone_model::{Answer, BrokeOff, Expect, Interface, Method, Purpose, StepPlan};
use touchstone_protocol::Judge;

use tracing::Instrument as _;

use super::super::unanswered::Unanswered;
use super::{Running, Stop};

impl Running<'_> {
    /// Sends a step's request, and once more where its answer breaks off.
    pub(super) async fn repeated(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        token: &Option<Token>,
        other: &Option<Token>,
    ) -> Result<Answer, Unanswered> {
        let first = match self.exchange(purpose, step, token, other).await {
            Err(broken) if broken.again() && repeatable(step) => broken,
            ended => return ended,
        };
        let second = self.exchange(purpose, step, token, other).await;
        match second {
            // How the first one of two writes was answered nobody knows by the second.
            Ok(_) if step.method.writes() => Err(first.reason.into()),
            second => second,
        }
    }

    /// What it means that the answer to a step broke off each time. What ought not to have happened is looked for all the same.
    pub(super) async fn broken_off(
        &mut self,
        judge: Judge<'_>,
        purpose: Purpose,
        step: &StepPlan,
        expect: Expect,
        broke: BrokeOff,
    ) -> Result<bool, Stop> {
        let finding = touchstone_protocol::broke_off(judge, step.method, broke);
        self.findings.push(finding);
        if purpose == Purpose::Step && step.method.writes() && expect.harmless() {
            let begun = Answer {
                status: broke.status,
                ..Answer::default()
            };
            let effects = self.effects(judge, step, expect, &begun);
            effects.instrument(span!("effects")).await?;
        }
        Err(Stop::Broken)
    }
}

/// Whether a step may be sent once more to see whether its answer breaks off again. Where the connection counts, or the client goes
/// in the middle, it may not.
pub(super) fn repeatable(step: &StepPlan) -> bool {
    let wire = step.wire.as_ref();
    let alone = wire.is_none_or(|wire| !wire.kept && wire.cut.is_none());
    let reads = matches!(
        step.method,
        Method::Get | Method::Head | Method::Propfind | Method::Options
    );
    let writes = step.method.writes() && step.interface == Interface::Webdav;
    step.verb.is_none() && alone && (reads || writes)
}
