use super::*;
use crate::tests::Bench;
use touchstone_model::{ReportDemand, There};

fn transfer(direction: Direction, part: PeerBehaviour) -> Transfer {
    Transfer {
        direction,
        side: CopySide::Ours(part),
        there: There::Read,
        heard: Vec::new(),
        unheard: Vec::new(),
        report: ReportDemand::default(),
        hang_up: false,
        redirecting: false,
    }
}

fn request(method: &str, headers: &[(&str, &str)], body: &str) -> PeerRequest {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    PeerRequest {
        method: method.into(),
        target: "/scene/object".into(),
        headers: headers.iter().map(owned).collect(),
        secure: true,
        body: body.into(),
        complete: true,
    }
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        body: body.into(),
        ..Answer::default()
    }
}

/// The clauses of what is found, and whether each is binding.
fn clauses(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| finding.clause.to_string())
        .collect()
}

const SECRETS: Secrets<'static> = Secrets {
    token: Some("the-token"),
    credential: Some("the-credential"),
};

#[test]
fn a_success_counts_only_where_one_is_expected() {
    let bench = Bench::builtin();
    let told =
        |expect, status, body: &str| match ended(bench.judge(), expect, &answer(status, body)) {
            Ruling::Holds(None) => "holds".to_owned(),
            Ruling::Holds(Some(finding)) => {
                assert!(finding.observation(), "the case is about something else");
                format!("observed {}", finding.clause)
            }
            Ruling::Broken(finding) => format!("broken {}", finding.clause),
            Ruling::Undecided(_) | Ruling::Unfit(_) => "undecided".to_owned(),
        };
    let own = bench.judge().case.clauses[0].to_string();
    for (expect, status, body, wanted) in [
        (Expect::Created, 202, "success: Created", "holds".to_owned()),
        (Expect::Created, 201, "failure: no", format!("broken {own}")),
        (Expect::Created, 202, "", "observed TPC-06".into()),
        (Expect::Failed, 202, "failure: no", "holds".into()),
        (Expect::Failed, 502, "", "holds".into()),
        (Expect::Failed, 202, "success", format!("broken {own}")),
        (
            Expect::Failed,
            202,
            "Perf Marker\nEnd\n",
            "observed TPC-06".into(),
        ),
        (Expect::Denied, 403, "", "holds".into()),
        (Expect::Denied, 202, "failure: no", "observed TPC-22".into()),
        (Expect::Denied, 202, "success", format!("broken {own}")),
        (Expect::Denied, 500, "", "broken RFC6750-18".into()),
        (Expect::PreconditionFailed, 412, "", "holds".into()),
        (
            Expect::PreconditionFailed,
            202,
            "failed: it is there",
            "holds".into(),
        ),
        (Expect::Replaced, 307, "", "undecided".into()),
    ] {
        assert_eq!(
            told(expect, status, body),
            wanted,
            "{expect} {status} {body:?}"
        );
    }
}

#[test]
fn a_report_that_tells_no_end_fails_where_reports_are_judged() {
    let mut bench = Bench::builtin();
    bench.case.clauses.push("TPC-06".parse().expect("a clause"));
    for expect in [Expect::Created, Expect::Failed, Expect::Denied] {
        let ruling = ended(bench.judge(), expect, &answer(202, "<html></html>"));
        let Ruling::Broken(finding) = ruling else {
            panic!("{expect}: {ruling:?}");
        };
        assert_eq!(finding.clause.as_str(), "TPC-06", "{expect}");
    }
}

#[test]
fn the_token_of_the_copy_is_found_wherever_it_went() {
    let bench = Bench::builtin();
    let pull = transfer(Direction::Pull, PeerBehaviour::Good);
    let judged = |heard: PeerRequest| {
        clauses(&super::heard(
            bench.judge(),
            &pull,
            Expect::Created,
            &[heard],
            &SECRETS,
            None,
        ))
    };
    assert_eq!(
        judged(request(
            "GET",
            &[("authorization", "Bearer the-credential")],
            ""
        )),
        [""; 0]
    );
    for leaky in [
        request("GET", &[("authorization", "Bearer the-token")], ""),
        request("GET", &[("cookie", "a=the-token")], ""),
        PeerRequest {
            target: "/scene/object?authz=Bearer%20the-token".into(),
            ..request("GET", &[], "")
        },
    ] {
        assert_eq!(judged(leaky), ["TPC-14"]);
    }
}

#[test]
fn nobody_is_asked_before_the_right_is_clear() {
    let bench = Bench::builtin();
    let own = bench.judge().case.clauses[0].to_string();
    let judged = |direction, expect, heard: &[PeerRequest]| {
        let transfer = transfer(direction, PeerBehaviour::Good);
        super::heard(bench.judge(), &transfer, expect, heard, &SECRETS, None)
    };
    let asked = [request("HEAD", &[], "")];
    let pulled = judged(Direction::Pull, Expect::Denied, &asked);
    assert_eq!(clauses(&pulled), ["TPC-08"]);
    assert!(
        !pulled[0].level.binding(),
        "the case is about something else"
    );
    let odd = judged(Direction::Pull, Expect::BadRequest, &asked);
    assert_eq!(clauses(&odd), [own.as_str()]);
    assert!(odd[0].level.binding());
    assert!(judged(Direction::Pull, Expect::PreconditionFailed, &asked).is_empty());
    let looked = judged(Direction::Push, Expect::Denied, &asked);
    assert_eq!(looked.len(), 1);
    assert!(
        !looked[0].level.binding(),
        "looking at the destination does no harm"
    );
    let sent = judged(
        Direction::Push,
        Expect::Denied,
        &[request("PUT", &[], "data")],
    );
    assert!(sent[0].level.binding() && sent[0].actual.contains("4 bytes"));
    assert!(judged(Direction::Pull, Expect::Failed, &asked).is_empty());
    assert!(judged(Direction::Pull, Expect::Denied, &[]).is_empty());
}

#[test]
fn what_has_to_arrive_is_looked_for_and_what_must_not_is_found() {
    let bench = Bench::builtin();
    let mut push = transfer(Direction::Push, PeerBehaviour::Good);
    push.heard = vec![
        ("authorization".into(), Hearing::Credential),
        ("digest|repr-digest".into(), Hearing::Present),
        ("x-one".into(), Hearing::Value("1".into())),
    ];
    push.unheard = vec![("host".into(), "evil.example.org".into())];
    let judged = |headers: &[(&str, &str)], body: &str| {
        let heard = [request("PUT", headers, body)];
        super::heard(
            bench.judge(),
            &push,
            Expect::Created,
            &heard,
            &SECRETS,
            Some(b"data"),
        )
        .len()
    };
    let right = [
        ("authorization", "Bearer the-credential"),
        ("repr-digest", "adler=:AAAAAA==:"),
        ("x-one", "1"),
    ];
    assert_eq!(judged(&right, "data"), 0);
    assert_eq!(judged(&right, "dat"), 1, "a part of the file");
    assert_eq!(judged(&right[1..], "data"), 1, "no credential");
    assert_eq!(judged(&right[..1], "data"), 2, "neither digest nor header");
    let evil = [&right[..], &[("host", "EVIL.example.org")]].concat();
    assert_eq!(judged(&evil, "data"), 1);
}

#[test]
fn whoever_is_not_trusted_is_sent_nothing() {
    let bench = Bench::builtin();
    for part in [
        PeerBehaviour::Untrusted,
        PeerBehaviour::Misnamed,
        PeerBehaviour::Expired,
    ] {
        let pull = transfer(Direction::Pull, part);
        let asked = [request("GET", &[], "")];
        let judged = super::heard(bench.judge(), &pull, Expect::Failed, &asked, &SECRETS, None);
        assert_eq!(judged.len(), 1, "{part}");
    }
    let mut plain = request("GET", &[("authorization", "Bearer the-credential")], "");
    plain.secure = false;
    let pull = transfer(Direction::Pull, PeerBehaviour::Cleartext);
    let judged = super::heard(bench.judge(), &pull, Expect::Any, &[plain], &SECRETS, None);
    assert_eq!(clauses(&judged), ["TPC-29"]);
}

#[test]
fn what_a_failed_transfer_leaves_is_a_matter_of_its_own() {
    let bench = Bench::builtin();
    let finding = bench.judge().own("nothing", "a file of 0 bytes");
    let mut step = crate::tests::plain(Method::Copy, bench.judge().at);
    step.interface = Interface::Transfer(transfer(Direction::Pull, PeerBehaviour::Missing));
    let remain = |expect, status, body: &str, before: &State, observed: &Observed| {
        let answer = answer(status, body);
        let tried = Tried {
            step: &step,
            expect,
            answered: status,
        };
        remains(bench.judge(), tried, &answer, (before, observed), &finding)
            .map(|finding| (finding.clause.to_string(), finding.level.binding()))
    };
    let leftover = Some(("TPC-20".to_owned(), false));
    let (empty, part) = (Observed::Sized(Some(0)), Observed::Sized(Some(7)));
    for (expect, status, body, observed) in [
        (Expect::Failed, 202, "failure: no", &empty),
        (Expect::Failed, 202, "failure: no", &part),
        (Expect::Failed, 502, "", &part),
        (Expect::Failed, 202, "", &part),
        (Expect::Denied, 202, "failure: no", &empty),
    ] {
        let told = remain(expect, status, body, &State::Absent, observed);
        assert_eq!(told, leftover, "{expect} {status} {body:?}");
    }
    // What came of a transfer that nobody might begin, or of one that is said to have succeeded, is no mere leftover.
    for (expect, status, body, observed) in [
        (Expect::Failed, 202, "success", &empty),
        (Expect::Denied, 202, "failure: no", &part),
        (Expect::Denied, 403, "", &empty),
        (Expect::PreconditionFailed, 202, "failure: no", &part),
        (Expect::Created, 202, "failure: no", &empty),
    ] {
        let told = remain(expect, status, body, &State::Absent, observed);
        assert_eq!(told, None, "{expect} {status} {body:?}");
    }
    // What was there before is lost.
    let before = State::File(b"what was there".to_vec());
    let told = remain(Expect::Failed, 202, "failure: no", &before, &empty);
    assert_eq!(told, None);
}

#[test]
fn a_connection_that_was_tried_is_told_and_breaks_nothing() {
    let bench = Bench::builtin();
    let told = |status, body: &str| tried(bench.judge(), &answer(status, body));
    for (status, body) in [
        (202, "failure: connection refused\n"),
        (
            202,
            "Perf Marker\nEnd\nfailure: Failed to connect to 127.0.0.1 port 8443\n",
        ),
        (202, "failure: SSL certificate problem: self-signed\n"),
        (202, "failure: alert of TLS\n"),
        (502, "The handshake failed\nand more was said"),
        (500, "Couldn't connect to server"),
    ] {
        let finding = told(status, body).unwrap_or_else(|| panic!("{status} {body:?}"));
        assert!(finding.observation(), "{body:?}");
        assert!(
            finding.actual.starts_with("it tried: `"),
            "{}",
            finding.actual
        );
    }
    for (status, body) in [
        (202, "success: Created\n"),
        (202, "Perf Marker\nEnd\n"),
        (202, "failure: no such file\n"),
        // Letters in the middle of a word are none of these.
        (202, "failure: settlse\n"),
        (403, "the token does not allow this\nconnection refused"),
        (403, ""),
    ] {
        assert_eq!(told(status, body), None, "{status} {body:?}");
    }
    let long = format!("failure: connection refused {}\n", "x".repeat(10 * TOLD));
    let finding = told(202, &long).expect("a finding");
    assert!(
        finding.actual.chars().count() < 2 * TOLD,
        "{}",
        finding.actual
    );
}
