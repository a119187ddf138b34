use super::super::expectation::{ExpectedStatus, REFUSALS, REFUSED, ruled};
use super::super::{Judge, Ruling};
use super::{object, shown};
use touchstone_model::{Answer, Expect, Finding, TapeCall, TapeOperation};

/// The definition of `expect` for a call.
pub fn tape_expected_status(expect: Expect, operation: TapeOperation) -> ExpectedStatus {
    use TapeOperation::{Delete, Stage};
    let (right, tolerated, clause): (&[u16], &[u16], _) = match (expect, operation) {
        (Expect::Any, _) => (&[], &[], None),
        (Expect::BadRequest, _) => (&[400], REFUSALS, None),
        (Expect::Denied, _) => (&[403], REFUSALS, Some("RFC6750-06")),
        (Expect::Unauthenticated, _) => (&[401], REFUSALS, Some("RFC6750-05")),
        (Expect::NotFound, _) => (&[404], &[410], None),
        (Expect::Ok, Stage) => (&[201], &[200, 202], Some("TAPE-03")),
        (Expect::Ok, Delete) => (&[200, 204], &[202], None),
        (Expect::Ok, operation) if operation.changes() => (&[200], &[202, 204], None),
        (Expect::Ok, _) => (&[200], &[], None),
        // The loader lets no call have another word than these and `refused`.
        _ => (REFUSED, &[], None),
    };
    ExpectedStatus {
        right,
        tolerated,
        clause,
    }
}

/// Judges the status of the answer to a call.
pub fn tape_status(judge: Judge<'_>, expect: Expect, call: &TapeCall, answer: &Answer) -> Ruling {
    if expect == Expect::Ok && call.whole && matches!(answer.status, 400 | 401 | 403 | 404) {
        return Ruling::Holds(None);
    }
    let asked = format!("{} {}", call.operation.method(), call.operation);
    // How a request is confirmed is for the cases about that.
    let confirmed = matches!(answer.status, 200 | 202) && call.operation == TapeOperation::Stage;
    if expect == Expect::Ok && confirmed && !judge.cites("TAPE-03") {
        return Ruling::Holds(None);
    }
    let word = tape_expected_status(expect, call.operation);
    ruled(judge, expect, &word, &asked, answer)
}

/// The id of the request that an answer to `stage` names, whatever its status; and what is wrong with
/// how it is named, where the case is about that.
pub fn staged(judge: Judge<'_>, answer: &Answer) -> (Option<String>, Vec<Finding>) {
    let body = object(answer);
    let named = body.as_ref().ok().and_then(|body| body.get("requestId"));
    let location = answer.header("location");
    let last = location.map(|location| {
        let path = location.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().to_owned()
    });
    let mut findings = Vec::new();
    let id = match named.and_then(|id| id.as_str()).filter(|id| !id.is_empty()) {
        Some(id) => Some(id.to_owned()),
        None => {
            let actual = match &body {
                Ok(_) => "none".to_owned(),
                Err(reason) => reason.clone(),
            };
            findings.push(judge.of("TAPE-03", "a requestId in the body", actual));
            None
        }
    };
    if let Some(id) = &id
        && last.as_deref() != Some(id.as_str())
    {
        let actual = match location {
            Some(location) => shown(location),
            None => "no Location".into(),
        };
        let expected = format!("a Location that ends in the request's id {}", shown(id));
        findings.push(judge.of("TAPE-03", expected, actual));
    }
    if !judge.cites("TAPE-03") {
        findings.clear();
    }
    let id = id.or(last.filter(|id| !id.is_empty()));
    (id, findings)
}
