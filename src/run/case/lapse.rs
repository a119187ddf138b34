//! How long a service takes a token after its end.

use std::time::Duration;

use crate::model::{
    Alteration, Answer, Credential, Limits, Purpose, Script, StepPlan, TokenRequest,
};
use crate::token::Token;

use super::super::unanswered::Unanswered;
use super::Running;

/// How long a case with this script may take.
pub(super) fn limit(script: &Script, limits: &Limits) -> Duration {
    let waits = script.steps.iter().any(|step| step.terms.lapse);
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
        let Some(life) = life(&step.token) else {
            return (ended, None);
        };
        let over = self.obtained + life;
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
