use super::*;
use crate::tests::register::{CASES, CLAUSES};
use crate::tests::{Bench, plain};
use touchstone_model::{
    Audience, Flavour, MacaroonRequest, PeerBehaviour, RawOptions, ReportDemand, Transfer,
};

fn step(method: Method, expect: Expect) -> StepPlan {
    let mut step = plain(method, Bench::builtin().judge().at);
    step.expect = expect;
    let audience = Audience::One("https://se.example.org".into());
    let scopes = vec!["storage.read:/".to_owned()];
    step.token = Credential::Token(TokenRequest::good("issuer".into(), scopes, audience));
    step
}

fn edited(mut step: StepPlan, edit: impl FnOnce(&mut StepPlan)) -> StepPlan {
    edit(&mut step);
    step
}

fn roles(steps: &[StepPlan]) -> Vec<StepRole> {
    (0..steps.len()).map(|at| role(steps, at)).collect()
}

fn wire() -> RawOptions<Credential<TokenRequest>> {
    RawOptions {
        target: None,
        present: None,
        query: None,
        other: Credential::None,
        expect_continue: false,
        http_1_0: false,
        kept: false,
        cut: None,
        chunked: false,
    }
}

const GET: StepRole = StepRole::Control("capability.read.get");

#[test]
fn what_is_allowed_before_something_forbidden_is_a_control() {
    let get = || step(Method::Get, Expect::Ok);
    for forbidden in [Expect::Denied, Expect::Refused, Expect::PreconditionFailed] {
        let steps = [get(), step(Method::Put, forbidden)];
        assert_eq!(roles(&steps), [GET, StepRole::Forbidden], "{forbidden}");
    }
    assert_eq!(roles(&[get(), get()]), [StepRole::Permitted; 2]);
    // That nothing is there is no refusal, though a look shows that such a look is allowed.
    let missing = step(Method::Get, Expect::NotFound);
    assert_eq!(roles(&[get(), missing.clone()])[0], GET);
    let delete = step(Method::Delete, Expect::Deleted);
    assert_eq!(roles(&[delete, missing])[0], StepRole::Permitted);
}

#[test]
fn what_is_looked_at_after_an_attempt_shows_what_the_attempt_did() {
    let steps = [
        step(Method::Put, Expect::Refused),
        step(Method::Get, Expect::Ok),
    ];
    assert_eq!(roles(&steps)[1], StepRole::Witness("capability.read.get"));
    let steps = [
        edited(step(Method::Get, Expect::Any), |step| {
            let header = ("X-HTTP-Method-Override".into(), "DELETE".into());
            step.headers.push(header);
        }),
        step(Method::Get, Expect::Ok),
        step(Method::Put, Expect::Refused),
    ];
    assert_eq!(roles(&steps)[1], StepRole::Witness("capability.read.get"));
    // The same with a credential that is enough: without it the refusals say nothing.
    let steps = [
        step(Method::Get, Expect::Unauthenticated),
        step(Method::Get, Expect::Ok),
    ];
    assert_eq!(roles(&steps)[1], GET);
    // Unless it is the connection that counts.
    let kept = |step: StepPlan| {
        edited(step, |step| {
            step.wire = Some(RawOptions {
                kept: true,
                ..wire()
            });
        })
    };
    assert_eq!(roles(&steps.map(kept))[1], StepRole::Permitted);
    // Whatever it was refused for.
    let replacing = [
        step(Method::Move, Expect::BadRequest),
        step(Method::Move, Expect::Replaced),
    ];
    assert_eq!(
        roles(&replacing)[1],
        StepRole::Control("webdav.move.statuses")
    );
    // A transfer that can be made again after one that failed.
    let again = [
        step(Method::Copy, Expect::Failed),
        step(Method::Copy, Expect::Created),
    ];
    assert_eq!(roles(&again)[1], StepRole::Permitted);
}

#[test]
fn a_request_without_what_was_wrong_with_it_is_a_control() {
    let moves = |expect, overwrite: &[&str]| {
        edited(step(Method::Move, expect), |step| {
            step.destination = Some("/wlcg/target".into());
            let headers = overwrite.iter();
            step.headers
                .extend(headers.map(|value| ("Overwrite".into(), (*value).to_owned())));
        })
    };
    let control = StepRole::Control("webdav.move.statuses");
    let odd = [
        moves(Expect::BadRequest, &["X"]),
        moves(Expect::Replaced, &["T"]),
    ];
    assert_eq!(roles(&odd), [StepRole::Forbidden, control]);
    // What says in full what is to happen, before what leaves it to the default.
    let default = [
        moves(Expect::Replaced, &["T"]),
        moves(Expect::Replaced, &[]),
        moves(Expect::Replaced, &["t"]),
    ];
    assert_eq!(
        roles(&default),
        [control, StepRole::Permitted, StepRole::Permitted]
    );
    let alone = [moves(Expect::Created, &[]), moves(Expect::Replaced, &["T"])];
    assert_eq!(roles(&alone), [StepRole::Permitted; 2]);
}

fn pull(there: There) -> StepPlan {
    edited(step(Method::Copy, Expect::Created), |step| {
        step.interface = Interface::Transfer(Transfer {
            direction: Direction::Pull,
            side: CopySide::Ours(PeerBehaviour::Good),
            there,
            heard: Vec::new(),
            unheard: Vec::new(),
            report: ReportDemand::default(),
            hang_up: false,
            redirecting: false,
        });
    })
}

#[test]
fn a_copy_without_a_credential_for_the_other_side_is_a_control() {
    assert_eq!(
        roles(&[pull(There::Nothing)]),
        [StepRole::Control("tpc.pull")]
    );
    assert_eq!(roles(&[pull(There::Read)]), [StepRole::Permitted]);
}

fn macaroon(expect: Expect) -> StepPlan {
    edited(step(Method::Post, expect), |step| {
        step.interface = Interface::Macaroons(MacaroonRequest {
            activities: vec!["DOWNLOAD".into()],
            validity: "PT5M".into(),
            caveats: Vec::new(),
            flavour: Flavour::Native,
        });
    })
}

#[test]
fn without_a_macaroon_nothing_is_shown_about_macaroons() {
    let presented = |expect| {
        edited(step(Method::Put, expect), |step| {
            step.token = Credential::Macaroon(Presented::default());
        })
    };
    let steps = [macaroon(Expect::Ok), presented(Expect::Denied)];
    let issue = "macaroon.issue.granted";
    assert_eq!(
        roles(&steps),
        [StepRole::Control(issue), StepRole::Forbidden]
    );
    let steps = [macaroon(Expect::Any), presented(Expect::Denied)];
    assert_eq!(roles(&steps)[0], StepRole::Open(Blame::Control(issue)));
    let steps = [macaroon(Expect::Ok), presented(Expect::Created)];
    assert_eq!(roles(&steps), [StepRole::Permitted; 2]);
}

#[test]
fn a_server_error_has_somebody_who_answers_for_it() {
    let any = || step(Method::Get, Expect::Any);
    let blamed = |step: StepPlan| match role(&[step], 0) {
        StepRole::Open(blame) => blame,
        other => panic!("{other:?}"),
    };
    assert_eq!(blamed(any()), Blame::Credential);
    let with = |edit: fn(&mut RawOptions<Credential<TokenRequest>>)| {
        let mut wire = wire();
        edit(&mut wire);
        edited(any(), |step| step.wire = Some(wire))
    };
    assert_eq!(blamed(with(|wire| wire.cut = Some(20))), Blame::Nobody);
    let query = with(|wire| wire.query = Some("authz={token}".into()));
    assert_eq!(blamed(query), Blame::Credential);
    let method = with(|wire| wire.query = Some("_method=DELETE".into()));
    assert_eq!(blamed(method), Blame::Case);
    let depth = edited(any(), |step| {
        step.headers.push(("Depth".into(), "infinity".into()));
    });
    assert_eq!(blamed(depth.clone()), Blame::Case);
    let bare = edited(depth, |step| step.token = Credential::None);
    assert_eq!(blamed(bare), Blame::Credential);
}

#[test]
fn whoever_is_referred_to_is_there() {
    let methods = [
        Method::Get,
        Method::Head,
        Method::Put,
        Method::Delete,
        Method::Mkcol,
        Method::Propfind,
        Method::Move,
        Method::Copy,
        Method::Options,
        Method::Post,
    ];
    let plain = methods.into_iter().flat_map(|method| {
        let create = edited(step(method, Expect::Created), |step| {
            let request = TokenRequest {
                scopes: vec!["storage.create:/".into()],
                ..step.token.token().expect("a token").clone()
            };
            step.token = Credential::Token(request);
        });
        [create, step(method, Expect::Replaced)]
    });
    let macaroons = edited(step(Method::Get, Expect::Ok), |step| {
        step.token = Credential::Macaroon(Presented::default());
    });
    let others = [macaroon(Expect::Ok), pull(There::Read), macaroons];
    for step in plain.chain(others) {
        let id = judged_by(&step, step.token.token());
        let expected = CASES.get(id).unwrap_or_else(|| panic!("no case {id}"));
        assert!(expected.iter().all(|word| !forbidden(*word)), "{id}");
    }
    for id in [
        "tape.discovery.document",
        "tape.stage.granted",
        "tape.poll.progress",
        "tape.archiveinfo.metadata",
        "tape.request.stage-alone",
    ] {
        assert!(CASES.contains_key(id), "{id}");
    }
    let clauses = [
        confirmed(&pull(There::Read).interface, Method::Copy),
        confirmed(&Interface::Webdav, Method::Mkcol),
        confirmed(&Interface::Webdav, Method::Delete),
        confirmed(&Interface::Webdav, Method::Move),
        confirmed(&Interface::Webdav, Method::Put),
    ];
    for id in clauses.into_iter().chain(["DAV-30", "RFC6750-21"]) {
        let mut clauses = CLAUSES.iter();
        assert!(clauses.any(|clause| clause.id.as_str() == id), "{id}");
    }
}
