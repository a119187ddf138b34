//! What the failure of a step means.
//!
//! That is decided here and nowhere else, by the step itself and by those around it, and not by the clause that its case cites: a
//! request that ought to be allowed and is not breaks no MUST NOT. Where it only shows that the refusal after it means something,
//! nothing is proven, and another case judges whether it had to be allowed.

use touchstone_model::{
    CopySide, Credential, Direction, Expect, Interface, Method, Presented, StepPlan, TapeOperation,
    There, TokenRequest,
};

/// The part that a step plays in its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepRole {
    /// It has to succeed, and that is what the case is about.
    Permitted,
    /// Nothing may come of it. What comes of it all the same breaks the case's clause.
    Forbidden,
    /// It has to succeed so that what the case is about can be judged; the case named judges whether it has to.
    Control(&'static str),
    /// It looks at what an attempt before it has left. What is missing then has been lost by that attempt; that the look is not
    /// allowed is the matter of the case named.
    Witness(&'static str),
    /// It may end in either way. This is who answers for a server error.
    Open(Blame),
}

/// Who answers for a server error (5xx) where every other answer is as good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// What is odd about the request is its credential: RFC6750-18.
    Credential,
    /// Whatever the case is about, where that is something that has to work.
    Case,
    /// Nobody: the client was gone (RFC 9110 section 15.6 has no client that waits).
    Nobody,
    /// The steps after it need what it did not bring; the case named judges whether it had to.
    Control(&'static str),
}

/// The role of `steps[at]`.
pub fn role(steps: &[StepPlan], at: usize) -> StepRole {
    let Some(step) = steps.get(at) else {
        return StepRole::Permitted;
    };
    let (before, after) = (&steps[..at], &steps[at + 1..]);
    if step.expect == Expect::Any {
        return StepRole::Open(blame(step, after));
    }
    if step.expect.harmless() {
        return StepRole::Forbidden;
    }
    let see = judged_by(step, step.token.token());
    let tried = |step: &StepPlan| step.expect == Expect::Any || forbidden(step.expect);
    if before.iter().any(tried) {
        return match () {
            // Whether one request on a connection is judged by itself is what such a step shows.
            () if kept(step) => StepRole::Permitted,
            () if looks(step) && before.iter().any(changes) => StepRole::Witness(see),
            () if again_without_fault(step, before) => StepRole::Control(see),
            () => StepRole::Permitted,
        };
    }
    let missing = |other: &StepPlan| looks(step) && other.expect == Expect::NotFound;
    let shown = after.iter().any(|step| tried(step) || missing(step));
    if shown || bare(step) || in_full(step, after) {
        return StepRole::Control(see);
    }
    StepRole::Permitted
}

/// Whether nothing may come of a request. That nothing is there is no refusal.
fn forbidden(expect: Expect) -> bool {
    expect.harmless() && expect != Expect::NotFound
}

/// Whether a request could have destroyed something, if it was taken for what it is not.
fn changes(step: &StepPlan) -> bool {
    matches!(&step.interface, Interface::Tape(call) if call.operation.changes())
        || step.method.writes()
        || step.verb.is_some()
        || !step.headers.is_empty()
        || step.wire.as_ref().is_some_and(|wire| wire.query.is_some())
}

/// Whether a step looks at an object.
fn looks(step: &StepPlan) -> bool {
    match &step.interface {
        Interface::Webdav => {
            matches!(step.method, Method::Get | Method::Head | Method::Propfind)
        }
        Interface::Tape(call) => matches!(
            call.operation,
            TapeOperation::Poll | TapeOperation::Archiveinfo
        ),
        Interface::Macaroons(_) | Interface::Transfer(_) => false,
    }
}

fn kept(step: &StepPlan) -> bool {
    step.wire.as_ref().is_some_and(|wire| wire.kept)
}

/// Whether it is what had to be refused before, without what was wrong with it. That what has failed can be done again is a
/// requirement of its own.
fn again_without_fault(step: &StepPlan, before: &[StepPlan]) -> bool {
    let wrong = |step: &&StepPlan| forbidden(step.expect) && step.expect != Expect::Failed;
    let mut refused = before.iter().filter(wrong);
    refused.any(|refused| refused.method == step.method && refused.path == step.path)
}

/// Whether it says in so many words that it replaces what is there, and the same request says less of it afterwards: what is judged
/// then is what a service makes of that, and not whether it moves or copies at all.
fn in_full(step: &StepPlan, after: &[StepPlan]) -> bool {
    let replaces = |step: &StepPlan| {
        let mut headers = step.headers.iter();
        headers.any(|(name, value)| name.eq_ignore_ascii_case("overwrite") && value == "T")
    };
    let less = |other: &StepPlan| {
        let same = other.method == step.method && other.destination == step.destination;
        same && other.expect == step.expect && !replaces(other)
    };
    step.expect == Expect::Replaced && replaces(step) && after.iter().any(less)
}

/// Whether it is a copy whose credential for the other side is left out: what that side hears is the matter then.
fn bare(step: &StepPlan) -> bool {
    let Interface::Transfer(transfer) = &step.interface else {
        return false;
    };
    let plain = step.headers.is_empty() && transfer.heard.is_empty() && transfer.unheard.is_empty();
    plain && transfer.there == There::Nothing && matches!(transfer.side, CopySide::Ours(_))
}

/// Who answers for a server error of a step that may end in either way.
fn blame(step: &StepPlan, after: &[StepPlan]) -> Blame {
    if step.wire.as_ref().is_some_and(|wire| wire.cut.is_some()) {
        return Blame::Nobody;
    }
    let presents = |step: &StepPlan| matches!(step.token, Credential::Macaroon(_));
    match &step.interface {
        Interface::Macaroons(_) if after.iter().any(presents) => {
            Blame::Control(judged_by(step, step.token.token()))
        }
        Interface::Webdav if plain(step) || oddly(step) || odd(&step.token) => Blame::Credential,
        Interface::Tape(_) | Interface::Macaroons(_) if odd(&step.token) => Blame::Credential,
        _ => Blame::Case,
    }
}

/// Whether there is nothing about a request that could be odd but its credential.
fn plain(step: &StepPlan) -> bool {
    let usual = step.wire.is_none() && step.verb.is_none() && step.headers.is_empty();
    usual && !step.redirected
}

/// Whether the credential stands where it does not usually.
fn oddly(step: &StepPlan) -> bool {
    let Some(wire) = &step.wire else {
        return false;
    };
    let query = wire.query.as_deref().unwrap_or_default();
    let mut lines = wire.present.iter().flatten();
    query.contains("{token}") || lines.any(|line| line != "Authorization: Bearer {token}")
}

/// Whether it is no good credential, whoever may do what.
fn odd(credential: &Credential<TokenRequest>) -> bool {
    match credential {
        Credential::None | Credential::Text(_) => true,
        Credential::Token(request) => *request != request.honest(),
        Credential::Macaroon(presented) => *presented != Presented::default(),
    }
}

/// Whether a token can make new objects and nothing else.
fn creates(token: Option<&TokenRequest>) -> bool {
    token.is_some_and(|token| token.has("storage.create") && !token.has("storage.modify"))
}

/// The role of a step's control: the same request with a token that allows it.
pub fn control(step: &StepPlan) -> StepRole {
    match step.expect {
        // What a permission has a control for is what its token says beside its capabilities.
        Expect::Ok => StepRole::Control("audience.own-url"),
        _ => StepRole::Control(judged_by(step, step.control.as_ref())),
    }
}

/// The case that judges whether a service allows `token` what the step does.
fn judged_by(step: &StepPlan, token: Option<&TokenRequest>) -> &'static str {
    match &step.interface {
        Interface::Macaroons(_) => "macaroon.issue.granted",
        Interface::Transfer(transfer) => match transfer.direction {
            Direction::Pull => "tpc.pull",
            Direction::Push => "tpc.push",
        },
        Interface::Tape(call) => match call.operation {
            TapeOperation::Discover => "tape.discovery.document",
            TapeOperation::Stage => "tape.stage.granted",
            TapeOperation::Poll => "tape.poll.progress",
            TapeOperation::Archiveinfo => "tape.archiveinfo.metadata",
            TapeOperation::Cancel | TapeOperation::Release | TapeOperation::Delete => {
                "tape.request.stage-alone"
            }
        },
        Interface::Webdav if matches!(step.token, Credential::Macaroon(_)) => {
            "macaroon.activity.granted"
        }
        Interface::Webdav => match step.method {
            Method::Get | Method::Post => "capability.read.get",
            Method::Head => "capability.read.head",
            Method::Propfind => "capability.read.propfind",
            Method::Options => "webdav.options",
            Method::Put if creates(token) => "capability.create.put",
            Method::Mkcol if creates(token) => "capability.create.mkcol",
            Method::Put if step.expect == Expect::Replaced => "capability.modify.overwrite",
            Method::Put => "capability.modify.put",
            Method::Mkcol => "capability.modify.mkcol",
            Method::Delete => "capability.modify.delete",
            Method::Move if step.expect == Expect::Replaced => "webdav.move.statuses",
            Method::Move => "capability.modify.move",
            Method::Copy => "webdav.copy.statuses",
        },
    }
}

/// The clause that a success breaks which did not happen.
pub(super) fn confirmed(interface: &Interface, method: Method) -> &'static str {
    match (interface, method) {
        (Interface::Transfer(_), _) => "TPC-06",
        (_, Method::Mkcol) => "DAV-06",
        (_, Method::Delete) => "DAV-10",
        (_, Method::Move) => "DAV-12",
        _ => "DAV-23",
    }
}

#[cfg(test)]
mod tests;
