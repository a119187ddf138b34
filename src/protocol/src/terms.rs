//! Outcomes beside the one that is right, the end of a token, and what a 405 has to name.

use std::time::Duration;

use touchstone_model::{Answer, Expect, Finding, Lapse, StepPlan};

use super::Judge;
use super::expectation::{describe, expected_status, reason};

/// The other outcome of `step`, if that is what came and not the right one, with what it breaks.
pub fn alternative(
    judge: Judge<'_>,
    step: &StepPlan,
    answer: &Answer,
) -> Option<(Expect, Option<Finding>)> {
    let or = step.terms.or.as_ref()?;
    let first = expected_status(step.expect, step.method);
    let came = |expect| {
        let word = expected_status(expect, step.method);
        word.right.contains(&answer.status)
    };
    if came(step.expect) || !came(or.expect) {
        return None;
    }
    let finding = or.clause.as_ref().map(|clause| {
        let actual = format!("{} was answered {}", step.method, reason(answer.status));
        judge.of(clause.as_str(), describe(&first), actual)
    });
    Some((or.expect, finding))
}

/// Judges how long after its end a token was still taken; `noticed` tells whether it was refused at last. RFC 7519 section
/// 4.1.4 allows "some small leeway, usually no more than a few minutes".
pub fn lapsed(judge: Judge<'_>, after: Duration, noticed: bool, lapse: &Lapse) -> Option<Finding> {
    if noticed && after <= lapse.pass {
        return None;
    }
    let seconds = |duration: Duration| duration.as_secs();
    let expected = format!("a refusal within {} s of its end", seconds(lapse.pass));
    let actual = match noticed {
        true => format!("the token was refused {} s after its end", seconds(after)),
        false => format!("the token was taken {} s after its end", seconds(after)),
    };
    Some(match noticed && after <= lapse.warn {
        true => judge.status(None, expected, actual),
        false => judge.own(expected, actual),
    })
}

/// What is wrong where a token that was used before is still taken so long after its end, though one of the same end that was
/// not has been refused: what was found out about it is kept.
pub fn outlived(judge: Judge<'_>, after: Duration, noticed: bool) -> Option<Finding> {
    (!noticed).then(|| {
        judge.own(
            "a refusal, as of a token of the same end that was not used before",
            format!("the token was taken {} s after its end", after.as_secs()),
        )
    })
}

/// Whether a 405 names the methods that are allowed (RFC 9110 section 15.5.6).
pub fn allow(judge: Judge<'_>, step: &StepPlan, answer: &Answer) -> Option<Finding> {
    let wanted = step.tells.allow && answer.status == 405;
    (wanted && answer.header("allow").is_none()).then(|| {
        judge.own(
            "an Allow header with the methods that are allowed",
            "405 Method Not Allowed without Allow",
        )
    })
}
