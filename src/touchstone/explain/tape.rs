//! A call of the tape REST API in words.
use touchstone_model::{Expect, Step, TapeCall, TapeOperation, TapeRequest};

/// What is particular about the call.
pub(super) fn shape(row: &mut impl FnMut(&str, &str), call: &TapeCall) {
    if !call.files.is_empty() {
        row("about", &call.files.join(", "));
    }
    if call.further > 0 {
        row(
            "and about",
            &format!("{} files that are not there", call.further),
        );
    }
    if let Some(json) = &call.json {
        row("sending", &json.to_string());
    }
    if call.operation.by_id() {
        row(
            "of",
            match call.request {
                TapeRequest::Last => "the request that was staged last",
                TapeRequest::Unknown => "a request that nobody has staged",
            },
        );
    }
    if call.settled {
        row(
            "repeated",
            "until nothing of the request is open; where that takes too long, the case is skipped",
        );
    }
}

/// What is right and what is tolerated.
pub(super) fn expected(step: &Step, call: &TapeCall) -> String {
    let word = touchstone_protocol::tape_expected_status(step.expect, call.operation);
    let statuses = |some: &[u16]| {
        let some: Vec<_> = some.iter().map(u16::to_string).collect();
        some.join(" or ")
    };
    let mut meant = match step.expect {
        Expect::Any => "whatever but a server error; it is told and not judged".to_owned(),
        Expect::Refused => "any refusal, 4xx or 501".to_owned(),
        Expect::Ok => match word.tolerated {
            [] => statuses(word.right),
            some => format!("{}; {} is a warning", statuses(word.right), statuses(some)),
        },
        Expect::NotFound => "404; 410 is a warning".to_owned(),
        _ => format!(
            "{}; another refusal (4xx) is a warning",
            statuses(word.right)
        ),
    };
    if call.whole {
        meant.push_str("; a refusal of the whole call is as good");
    }
    if call.problem {
        meant.push_str("; the body is an error by RFC 7807");
    }
    format!("{} ({meant})", step.expect)
}

/// How it is proven beyond its status.
pub(super) fn proof(step: &Step, call: &TapeCall) -> String {
    use TapeOperation::{Archiveinfo, Cancel, Delete, Discover, Poll, Release, Stage};
    let proof = match (step.expect, call.operation) {
        (Expect::Any, _) => "none is asked for",
        (expect, Stage | Cancel | Release | Delete) if expect.harmless() => {
            "neither the request nor the place of its files has changed, as the observer sees by poll and archiveinfo"
        }
        (expect, Archiveinfo) if expect.harmless() => "the answer holds no locality",
        (expect, _) if expect.harmless() => "the status",
        (_, Stage) => "the request can be polled by the observer and has the files",
        (_, Cancel) => "the observer sees the files cancelled, unless they were there before",
        (_, Delete) => "the observer does not see the request any more",
        (_, Release) => "the status",
        (_, Discover) => "the document is complete",
        (_, Poll) => "each file fares as it should",
        (_, Archiveinfo) => "each file has its locality",
    };
    let mut proof = proof.to_owned();
    if !call.except.is_empty() {
        proof.push_str("; these come to nothing: ");
        proof.push_str(&call.except.join(", "));
    }
    if step.tells.alike {
        proof.push_str("; their errors do not tell which of them are there");
    }
    proof
}
