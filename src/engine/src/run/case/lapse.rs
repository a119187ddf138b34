//! How long a service takes a token after its end.

use std::time::{Duration, Instant};

use crate::token::Token;
use touchstone_model::{
    Alteration, Answer, Credential, Lapsing, Limits, Purpose, Script, StepPlan, TokenRequest,
};

use super::super::unanswered::Unanswered;
use super::Running;

/// Why nothing is said of what a service keeps.
pub(super) const LEEWAY: &str = "the service takes each token for some time after its end, so that it is not seen whether it takes those longer that were used before; --slow runs what asks for long enough";

/// How long a case with this script may take.
pub(super) fn limit(script: &Script, limits: &Limits) -> Duration {
    let mut steps = script.steps.iter();
    let waits = steps.any(|step| step.terms.lapse == Some(Lapsing::Polled));
    match waits {
        true => limits.case + limits.lapse.poll,
        false => limits.case,
    }
}

impl Running<'_> {
    /// Repeats a request that was granted until the service has noticed that its token is over, or it is late. Of what was
    /// exchanged the last is recorded. Also returns how long after the token's end that was.
    pub(super) async fn until_noticed(
        &mut self,
        step: &StepPlan,
        token: &Option<Token>,
        other: &Option<Token>,
        mut ended: Result<Answer, Unanswered>,
    ) -> (Result<Answer, Unanswered>, Option<Duration>) {
        let Some(over) = self.end(step) else {
            return (ended, None);
        };
        let lapse = self.site.plan.endpoint.limits.lapse;
        while let Ok(answer) = &ended
            && answer.success()
            && over.elapsed() < lapse.poll
        {
            if let Err(reason) = self.wait(lapse.pause).await {
                ended = Err(reason.into());
                break;
            }
            self.exchanges.pop();
            let repeated = StepPlan {
                wait: 0,
                ..step.clone()
            };
            ended = self.exchange(Purpose::Step, &repeated, token, other).await;
        }
        (ended, Some(over.elapsed()))
    }

    /// For how long the token of a step has been over.
    pub(super) fn over_since(&self, step: &StepPlan) -> Option<Duration> {
        Some(self.end(step)?.elapsed())
    }

    fn end(&self, step: &StepPlan) -> Option<Instant> {
        Some(self.obtained + life(&step.token)?)
    }
}

/// How long the token lives.
fn life(token: &Credential<TokenRequest>) -> Option<Duration> {
    match token.token()?.claims.get("exp")? {
        Alteration::FromNow(thousandths) => {
            u64::try_from(*thousandths).ok().map(Duration::from_millis)
        }
        Alteration::Remove | Alteration::Value(_) | Alteration::Raw(_) | Alteration::Edited(_) => {
            None
        }
    }
}
