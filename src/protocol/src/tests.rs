pub(crate) mod register;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;
use register::CLAUSES;
use touchstone_model::{
    Alternative, Answer, Basis, CaseId, Contact, Credential, Expect, Hop, Lapse, Method, Mode,
    Severity, State, StepPlan, Tells, Touch,
};

const WORDS: [&str; 9] = [
    "RFC6750-05",
    "RFC6750-06",
    "RFC6750-18",
    "DAV-01",
    "DAV-06",
    "DAV-10",
    "DAV-12",
    "DAV-19",
    "DAV-17",
];

/// A case about a MUST, and a register in which the clauses of the words are SHOULDs.
pub(super) struct Bench {
    pub(super) case: Case,
    clauses: Vec<Clause>,
    at: Place,
}

impl Bench {
    fn new() -> Self {
        let clause = |id: &str, level| Clause {
            id: id.parse().unwrap(),
            source: "a source".into(),
            since: None,
            basis: Basis::Stated,
            level,
            severity: Severity::Critical,
            requirement: format!("the sentence of {id}"),
            untestable: None,
            text: Vec::new(),
        };
        let at = Place {
            file: Arc::from("suites/x.yaml"),
            line: 7,
        };
        let must = |id: &&str| ["RFC6750-18", "DAV-19", "DAV-17"].contains(id);
        let mut clauses = vec![clause("OWN-1", Level::Must)];
        clauses.extend(
            WORDS
                .iter()
                .map(|id| clause(id, if must(id) { Level::Must } else { Level::Should })),
        );
        Self {
            case: Case {
                id: "x.case".parse::<CaseId>().unwrap(),
                suite: "x".into(),
                title: "title".into(),
                risk: "risk".into(),
                clauses: vec!["OWN-1".parse().unwrap()],
                severity: Severity::Critical,
                profiles: (None, None),
                intrusive: false,
                issuer_path: false,
                slow: false,
                given: Vec::new(),
                steps: Vec::new(),
                asks: Vec::new(),
                cover: None,
                at: at.clone(),
            },
            clauses,
            at,
        }
    }

    /// The same with the register of the binary.
    pub(super) fn builtin() -> Self {
        let mut bench = Self::new();
        let own = bench.clauses.remove(0);
        bench.clauses.clone_from(&CLAUSES);
        bench.clauses.push(own);
        bench
    }

    pub(super) fn judge(&self) -> Judge<'_> {
        Judge {
            case: &self.case,
            clauses: &self.clauses,
            clause: None,
            at: &self.at,
            role: StepRole::Permitted,
            exchange: 3,
        }
    }

    fn status(&self, expect: Expect, method: Method, status: u16) -> Ruling {
        super::status(self.judge(), expect, method, &answer(status, b""))
    }
}

/// The same bench, where the case is about a clause of another level, and its step has another role.
pub(super) fn leaning(level: Level) -> Bench {
    let mut bench = Bench::builtin();
    let own = bench.clauses.last_mut().expect("the case's own");
    own.level = level;
    bench
}

#[test]
fn what_is_to_be_allowed_breaks_no_prohibition() {
    let bench = leaning(Level::MustNot);
    let ruled = |role, expect, code| {
        let judge = Judge {
            role,
            ..bench.judge()
        };
        super::status(judge, expect, Method::Get, &answer(code, b""))
    };
    for code in [400, 401, 403, 404, 500] {
        let Ruling::Unfit(reason) = ruled(StepRole::Control("a.case"), Expect::Ok, code) else {
            panic!("{code} proves nothing");
        };
        assert!(
            reason.ends_with("where 200 OK was expected (see a.case)"),
            "{reason}"
        );
    }
    // What is gone was destroyed by what had been tried.
    let witness = |code| ruled(StepRole::Witness("a.case"), Expect::Ok, code);
    assert!(matches!(witness(404), Ruling::Broken(_)));
    assert!(matches!(witness(403), Ruling::Unfit(_)));
    assert!(matches!(witness(200), Ruling::Holds(None)));
    // What must not happen has happened.
    assert!(matches!(
        ruled(StepRole::Forbidden, Expect::Denied, 200),
        Ruling::Broken(_)
    ));
}

#[test]
fn a_server_error_is_put_down_to_what_is_odd_about_the_request() {
    let told = |level, blame| {
        let bench = leaning(level);
        let judge = Judge {
            role: StepRole::Open(blame),
            ..bench.judge()
        };
        match super::status(judge, Expect::Any, Method::Get, &answer(500, b"")) {
            Ruling::Broken(finding) => finding.clause.to_string(),
            Ruling::Holds(Some(finding)) if finding.observation() => "observed".into(),
            Ruling::Holds(Some(finding)) => format!("warned {}", finding.clause),
            Ruling::Unfit(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(Level::Must, Blame::Credential), "RFC6750-18");
    assert_eq!(told(Level::Must, Blame::Case), "OWN-1");
    assert_eq!(told(Level::MustNot, Blame::Case), "observed");
    assert_eq!(told(Level::May, Blame::Case), "warned OWN-1");
    assert_eq!(told(Level::Must, Blame::Nobody), "observed");
    assert!(told(Level::MustNot, Blame::Control("a.case")).contains("(see a.case)"));
}

#[test]
fn a_status_that_differs_is_a_warning_where_the_case_is_about_it() {
    let mut bench = Bench::builtin();
    let level = |bench: &Bench| match bench.status(Expect::Unauthenticated, Method::Get, 403) {
        Ruling::Holds(Some(finding)) => (finding.clause.to_string(), finding.level),
        other => panic!("{other:?}"),
    };
    assert_eq!(level(&bench), ("RFC6750-05".into(), Level::May));
    bench.case.clauses.push("RFC6750-05".parse().unwrap());
    assert_eq!(level(&bench), ("RFC6750-05".into(), Level::Should));
}

#[test]
fn harm_is_harm_whatever_the_case_is_about() {
    let step = |edit: &dyn Fn(&mut StepPlan)| {
        let mut step = plain(Method::Put, Bench::new().judge().at);
        step.body = Some(b"part".to_vec());
        edit(&mut step);
        step
    };
    let whole = State::File(b"the whole".to_vec());
    let found = |level, role, expect, answered, step: &StepPlan, seen: &[u8]| {
        let bench = leaning(level);
        let judge = Judge {
            role,
            ..bench.judge()
        };
        let tried = Tried {
            step,
            expect,
            answered,
        };
        let seen = Observed::Present(seen.to_vec());
        let finding = effect(judge, tried, "/f", &whole, &seen).expect("a finding");
        (finding.clause.to_string(), finding.level.binding())
    };
    let put = step(&|_| {});
    let failed = |clause: &str| (clause.to_owned(), true);
    // Refused, and yet it is there.
    let refused = |level| {
        found(
            level,
            StepRole::Forbidden,
            Expect::Refused,
            403,
            &put,
            b"part",
        )
    };
    assert_eq!(refused(Level::May), failed("DAV-30"));
    assert_eq!(refused(Level::Should), failed("DAV-30"));
    assert_eq!(refused(Level::MustNot), failed("OWN-1"));
    // Taken against a recommendation, which is all there is to say.
    let taken = found(
        Level::May,
        StepRole::Forbidden,
        Expect::Refused,
        201,
        &put,
        b"part",
    );
    assert_eq!(taken, ("OWN-1".into(), false));
    // A part in the place of the whole.
    let part = step(&|step| {
        step.headers
            .push(("Content-Range".into(), "bytes 0-3/9".into()))
    });
    let replaced = found(
        Level::Should,
        StepRole::Forbidden,
        Expect::Refused,
        204,
        &part,
        b"part",
    );
    assert_eq!(replaced, failed("DAV-23"));
    // A success that did not happen.
    for (method, clause) in [
        (Method::Put, "DAV-23"),
        (Method::Mkcol, "DAV-06"),
        (Method::Delete, "DAV-10"),
        (Method::Move, "DAV-12"),
    ] {
        let lie = step(&|step| step.method = method);
        let control = StepRole::Control("a.case");
        let (found, _) = found(Level::MustNot, control, Expect::Replaced, 204, &lie, b"");
        assert_eq!(found, clause);
    }
    let permitted = found(
        Level::Must,
        StepRole::Permitted,
        Expect::Replaced,
        204,
        &put,
        b"",
    );
    assert_eq!(permitted, failed("OWN-1"));
}

#[test]
fn an_arrangement_that_was_confirmed_has_to_be_there() {
    let bench = leaning(Level::MustNot);
    let told = |expected: &State, seen: Observed| {
        unconfirmed(bench.judge(), "/f", expected, &seen)
            .map(|finding| (finding.clause.to_string(), finding.actual))
    };
    let file = State::File(b"x".to_vec());
    assert_eq!(told(&file, Observed::Present(b"x".to_vec())), None);
    let lost = "PUT was answered with a success, and there is nothing";
    assert_eq!(
        told(&file, Observed::Absent),
        Some(("DAV-23".into(), lost.into()))
    );
    let (clause, _) = told(&State::Directory, Observed::Absent).unwrap();
    assert_eq!(clause, "DAV-06");
}

#[test]
fn a_token_in_a_denial_is_graver_than_one_in_an_answer() {
    let token = "header-that-is-long.payload-that-is-at-least-32-letters.signature";
    let told = |cited: &[&str], status, body: &str| {
        let mut bench = Bench::builtin();
        bench.case.clauses = cited.iter().map(|id| id.parse().unwrap()).collect();
        let answer = answer(status, body.as_bytes());
        let finding = echo(bench.judge(), &[token], &answer)?;
        Some((finding.clause.to_string(), finding.level))
    };
    let about = &["RFC6750-14", "RFC6750-21"];
    let whole = format!("no such thing: {token}");
    let payload = "for payload-that-is-at-least-32-letters";
    for status in [400, 401, 403, 500] {
        let found = told(about, status, &whole);
        assert_eq!(found, Some(("RFC6750-21".into(), Level::MustNot)));
    }
    let milder = Some(("RFC6750-14".into(), Level::ShouldNot));
    assert_eq!(told(about, 200, &whole), milder);
    assert_eq!(told(about, 307, &whole), milder);
    assert_eq!(told(about, 403, payload), milder);
    assert_eq!(told(about, 403, "no"), None);
    let elsewhere = told(&["OWN-1"], 403, &whole);
    assert_eq!(elsewhere, Some(("RFC6750-21".into(), Level::May)));
}

/// What is found in a good answer to a plain request.
fn read_ok(judge: Judge<'_>, method: Method, known: &State, answer: &Answer) -> Option<Finding> {
    let step = plain(method, judge.at);
    read(judge, &step, Expect::Ok, known, answer)
        .into_iter()
        .next()
}

pub(super) fn plain(method: Method, at: &Place) -> StepPlan {
    StepPlan {
        interface: touchstone_model::Interface::Webdav,
        method,
        path: "/f".into(),
        destination: None,
        verb: None,
        body: None,
        headers: Vec::new(),
        wire: None,
        wait: 0,
        optional: false,
        redirected: false,
        token: Credential::None,
        expect: Expect::Ok,
        tells: Tells::default(),
        terms: touchstone_model::StepTerms::default(),
        control: None,
        at: at.clone(),
    }
}

pub(super) fn answer(status: u16, body: &[u8]) -> Answer {
    Answer {
        status,
        body: body.to_vec(),
        ..Answer::default()
    }
}

#[test]
fn each_word_knows_right_tolerated_and_wrong() {
    let bench = Bench::new();
    let clause = |ruling: Ruling| match ruling {
        Ruling::Holds(None) => "right".to_owned(),
        Ruling::Holds(Some(finding)) if finding.observation() => {
            format!("observed {}", finding.clause)
        }
        Ruling::Holds(Some(finding)) => format!("warn {}", finding.clause),
        Ruling::Broken(finding) => format!("broken {}", finding.clause),
        Ruling::Undecided(_) | Ruling::Unfit(_) => "undecided".to_owned(),
    };
    use Expect::*;
    for (expect, method, status, expected) in [
        (Denied, Method::Get, 403, "right"),
        (Denied, Method::Get, 401, "observed RFC6750-06"),
        (Denied, Method::Put, 409, "observed RFC6750-06"),
        (Denied, Method::Get, 200, "broken OWN-1"),
        (Denied, Method::Delete, 204, "broken OWN-1"),
        (Denied, Method::Get, 500, "broken RFC6750-18"),
        (Denied, Method::Get, 302, "undecided"),
        (Denied, Method::Get, 429, "undecided"),
        (Unauthenticated, Method::Get, 401, "right"),
        (Unauthenticated, Method::Get, 403, "observed RFC6750-05"),
        (Unauthenticated, Method::Get, 200, "broken OWN-1"),
        (Ok, Method::Get, 200, "right"),
        (Ok, Method::Get, 403, "broken OWN-1"),
        (Ok, Method::Get, 500, "broken OWN-1"),
        (Ok, Method::Propfind, 207, "right"),
        (Ok, Method::Propfind, 200, "broken OWN-1"),
        (NotFound, Method::Get, 404, "right"),
        (NotFound, Method::Get, 403, "observed DAV-19"),
        (NotFound, Method::Delete, 500, "observed DAV-19"),
        (NotFound, Method::Delete, 204, "broken OWN-1"),
        (NotFound, Method::Get, 200, "broken OWN-1"),
        (Created, Method::Put, 201, "right"),
        (Created, Method::Put, 200, "observed DAV-01"),
        (Created, Method::Mkcol, 200, "observed DAV-06"),
        (Created, Method::Move, 204, "observed DAV-12"),
        (Replaced, Method::Put, 204, "right"),
        (Replaced, Method::Put, 201, "observed DAV-01"),
        (Deleted, Method::Delete, 204, "right"),
        (Deleted, Method::Delete, 202, "observed DAV-10"),
        (Deleted, Method::Delete, 404, "broken OWN-1"),
    ] {
        let got = clause(bench.status(expect, method, status));
        assert_eq!(got, expected, "{expect} {method} {status}");
    }
}

/// A step that expects `expect` and may have this other outcome.
fn either(bench: &Bench, expect: Expect, or: Expect, clause: Option<&str>) -> StepPlan {
    let mut step = plain(Method::Move, &bench.at);
    step.expect = expect;
    step.terms.or = Some(Alternative {
        expect: or,
        clause: clause.map(|id| id.parse().unwrap()),
    });
    step
}

#[test]
fn another_outcome_is_lawful_or_breaks_a_clause_of_its_own() {
    let bench = Bench::new();
    let came = |clause, status| {
        let step = either(&bench, Expect::Conflict, Expect::Refused, clause);
        alternative(bench.judge(), &step, &answer(status, b""))
            .map(|(expect, finding)| (expect, finding.map(|one| one.clause.to_string())))
    };
    assert_eq!(came(None, 409), None, "the right one has come");
    assert_eq!(came(None, 201), None, "neither has come");
    assert_eq!(came(None, 403), Some((Expect::Refused, None)));
    let broken = came(Some("DAV-01"), 403);
    assert_eq!(broken, Some((Expect::Refused, Some("DAV-01".to_owned()))));
    let plain = plain(Method::Move, &bench.at);
    assert_eq!(alternative(bench.judge(), &plain, &answer(403, b"")), None);
}

#[test]
fn a_step_can_be_about_another_clause_than_its_case() {
    let bench = Bench::new();
    let other = "DAV-01".parse().unwrap();
    let judge = Judge {
        clause: Some(&other),
        ..bench.judge()
    };
    assert_eq!(judge.own("one", "other").clause.as_str(), "DAV-01");
    assert_eq!(bench.judge().own("one", "other").clause.as_str(), "OWN-1");
}

#[test]
fn the_end_of_a_token_may_be_noticed_a_little_late() {
    let bench = Bench::new();
    let level = |seconds, noticed| {
        let after = Duration::from_secs(seconds);
        lapsed(bench.judge(), after, noticed, &Lapse::default()).map(|finding| finding.level)
    };
    for (seconds, noticed, wanted) in [
        (0, true, None),
        (90, true, None),
        (91, true, Some(Level::Should)),
        (300, true, Some(Level::Should)),
        (301, true, Some(Level::Must)),
        (310, false, Some(Level::Must)),
    ] {
        assert_eq!(level(seconds, noticed), wanted, "{seconds} {noticed}");
    }
}

#[test]
fn a_405_names_what_is_allowed_where_that_is_asked() {
    let bench = Bench::new();
    let found = |wanted, status, headers: &[&str]| {
        let mut step = plain(Method::Get, &bench.at);
        step.tells.allow = wanted;
        let mut answer = answer(status, b"");
        let named = |name: &&str| ((*name).to_owned(), "GET".to_owned());
        answer.headers = headers.iter().map(named).collect();
        allow(bench.judge(), &step, &answer).is_some()
    };
    assert!(found(true, 405, &[]));
    assert!(!found(true, 405, &["allow"]));
    assert!(!found(true, 501, &[]) && !found(false, 405, &[]));
}

#[test]
fn a_challenge_without_bearer_breaks_another_clause_than_one_with_an_error() {
    let bench = Bench::builtin();
    let told = |value: &str| {
        let mut answer = answer(401, b"");
        answer.headers = vec![("www-authenticate".into(), value.into())];
        challenge(bench.judge(), "bearer", &answer)
            .map(|finding| (finding.clause.to_string(), finding.level))
    };
    assert_eq!(told("Bearer realm=\"storage\""), None);
    let error = told("Bearer error=\"invalid_token\"");
    assert_eq!(error, Some(("RFC6750-22".into(), Level::ShouldNot)));
    assert_eq!(told("Basic"), Some(("RFC6750-04".into(), Level::Must)));
}

#[test]
fn come_back_later_decides_nothing() {
    let bench = Bench::new();
    let mut busy = answer(503, b"");
    busy.headers.push(("retry-after".into(), "5".into()));
    for expect in Expect::ALL {
        let ruling = status(bench.judge(), expect, Method::Get, &busy);
        assert!(matches!(ruling, Ruling::Undecided(_)), "{expect}");
    }
}

#[test]
fn a_server_error_is_never_right() {
    let bench = Bench::new();
    for expect in Expect::ALL {
        for code in [500, 501, 505, 599] {
            // Who does not know a method does not look at credentials.
            let unknown = expect.refusal() && code == 501;
            let tolerated = unknown || expect.harmless() && !expect.refusal();
            match bench.status(expect, Method::Put, code) {
                Ruling::Broken(_) => assert!(!tolerated, "{expect} {code}"),
                // Nothing was done, which is what matters; it is a warning.
                Ruling::Holds(Some(finding)) => assert!(tolerated && !finding.level.binding()),
                Ruling::Holds(None) => assert_eq!(code, 501, "{expect}"),
                Ruling::Undecided(reason) | Ruling::Unfit(reason) => {
                    panic!("{expect} {code}: {reason}")
                }
            }
        }
    }
}

#[test]
fn every_clause_of_a_word_is_in_the_builtin_register() {
    for expect in Expect::ALL {
        for method in [
            Method::Get,
            Method::Head,
            Method::Put,
            Method::Delete,
            Method::Mkcol,
            Method::Propfind,
            Method::Move,
        ] {
            if let Some(id) = expected_status(expect, method).clause {
                assert!(
                    CLAUSES.iter().any(|clause| clause.id.as_str() == id),
                    "{id}"
                );
            }
        }
    }
    for id in ["RFC6750-18", "DAV-15", "DAV-17", "DAV-19"] {
        assert!(
            CLAUSES.iter().any(|clause| clause.id.as_str() == id),
            "{id}"
        );
    }
}

#[test]
fn a_read_is_proven_by_bytes() {
    let bench = Bench::new();
    let file = State::File(b"line\nsecret-digest\n".to_vec());
    let get = |body: &[u8]| read_ok(bench.judge(), Method::Get, &file, &answer(200, body));
    assert_eq!(get(b"line\nsecret-digest\n"), None);
    assert_eq!(get(b"").unwrap().actual, "200 OK with an empty file");
    assert_eq!(
        get(b"line\nsecret-digest").unwrap().clause.as_str(),
        "OWN-1"
    );
    let mut longer = answer(200, b"line\nsecret-digest\n");
    longer.truncated = true;
    assert!(read_ok(bench.judge(), Method::Get, &file, &longer).is_some());
}

fn multistatus(inner: &str) -> String {
    format!(
        "<D:multistatus xmlns:D='DAV:'><D:response><D:href>/a/f</D:href>{inner}</D:response></D:multistatus>"
    )
}

#[test]
fn a_look_is_proven_by_the_size() {
    let bench = Bench::new();
    let file = State::File(vec![b'x'; 7]);
    let head = |length: Option<&str>| {
        let mut answer = answer(200, b"");
        answer
            .headers
            .extend(length.map(|text| ("content-length".to_owned(), text.to_owned())));
        read_ok(bench.judge(), Method::Head, &file, &answer)
    };
    assert_eq!(head(Some("7")), None);
    assert_eq!(head(Some("8")).unwrap().clause.as_str(), "DAV-17");
    assert!(head(Some("8")).unwrap().level.binding());
    let untold = head(None).unwrap();
    assert_eq!(
        (untold.actual.as_str(), untold.level),
        ("no Content-Length", Level::May)
    );
    let propfind = |body: &str| {
        read_ok(
            bench.judge(),
            Method::Propfind,
            &file,
            &answer(207, body.as_bytes()),
        )
        .map(|f| f.actual)
    };
    assert_eq!(
        propfind(&multistatus("<D:getcontentlength>7</D:getcontentlength>")),
        None
    );
    assert_eq!(
        propfind(&multistatus("<D:getcontentlength>8</D:getcontentlength>")).unwrap(),
        "getcontentlength of 8"
    );
    assert_eq!(propfind(&multistatus("")).unwrap(), "no getcontentlength");
    assert!(
        propfind("<x")
            .unwrap()
            .starts_with("a body that is not well-formed XML")
    );
    assert_eq!(propfind("<x/>").unwrap(), "XML without a DAV: multistatus");
}

#[test]
fn a_refusal_that_holds_a_listing_is_a_leak() {
    let bench = Bench::new();
    let leaks = |status, body: &str| {
        let refusal = answer(status, body.as_bytes());
        leak(bench.judge(), Method::Propfind, &State::Directory, &refusal)
    };
    let file = multistatus("<D:getcontentlength>87</D:getcontentlength>");
    for status in [403, 500] {
        let finding = leaks(status, &file).expect("a leak");
        assert!(finding.actual.contains(&status.to_string()), "{finding:?}");
    }
    // What it was asked for may be repeated, and so may an error.
    assert!(leaks(403, &multistatus("")).is_none());
    let error = r#"<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>"#;
    assert!(leaks(403, error).is_none());
    assert!(leaks(207, &file).is_none());
}

#[test]
fn a_refusal_that_holds_the_content_is_a_leak() {
    let bench = Bench::new();
    let file = State::File(b"common secret-digest-of-it".to_vec());
    let leaks = |body: &[u8]| leak(bench.judge(), Method::Get, &file, &answer(403, body)).is_some();
    assert!(leaks(b"<html>denied: secret-digest-of-it</html>"));
    assert!(!leaks(b"denied"));
    assert!(!leaks(b""));
    let content = b"common secret-digest-of-it";
    // Whatever stands before it, and however it is padded.
    for before in 0..3 {
        let text = [&b"no:"[..before], content].concat();
        for base64 in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            assert!(leaks(base64.as_bytes()), "{base64}");
        }
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(content).unwrap();
    let gzip = gzip.finish().unwrap();
    assert!(leaks(&gzip));
    assert!(leaks(&gzip[..gzip.len() - 8]), "without its end");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(content).unwrap();
    assert!(leaks(&zlib.finish().unwrap()));
    let two = [
        &[
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ][..],
        &gzip,
    ]
    .concat();
    assert!(leaks(&two), "behind another one");
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(content).unwrap();
    assert!(leaks(&raw.finish().unwrap()));
    assert!(!leaks(b"\x1f\x8bnonsense") && !leaks(b"x nonsense"));
    for (name, value) in [
        ("x-content", "common secret-digest-of-it".to_owned()),
        ("x-secret-digest-of-it", "1".to_owned()),
        ("x-content", STANDARD.encode(content)),
        ("location", "/f?secret%2Ddigest-of-it".to_owned()),
    ] {
        let mut refusal = answer(401, b"");
        refusal.headers.push((name.into(), value));
        let finding = leak(bench.judge(), Method::Get, &file, &refusal).unwrap();
        assert!(
            finding.actual.ends_with(&format!("in `{name}`")),
            "{finding:?}"
        );
    }
}

#[test]
fn a_page_to_log_in_is_no_access() {
    let bench = Bench::new();
    let file = State::File(b"common secret-digest-of-it".to_vec());
    let page = b"<html>please log in</html>";
    let listing = b"<D:multistatus xmlns:D=\"DAV:\"/>";
    let length = |mut answer: Answer, length: &str| {
        answer
            .headers
            .push(("content-length".into(), length.into()));
        answer
    };
    for (method, answer, no_access) in [
        (Method::Get, answer(200, page), true),
        (Method::Get, answer(200, b""), true),
        (
            Method::Get,
            answer(200, b"common secret-digest-of-it"),
            false,
        ),
        (Method::Get, answer(206, b"common"), false),
        (Method::Get, answer(401, page), false),
        (Method::Head, length(answer(200, b""), "5000"), true),
        (Method::Head, length(answer(200, b""), "26"), false),
        (Method::Propfind, answer(200, page), true),
        (Method::Propfind, answer(207, listing), false),
        // A list is one, whatever its status.
        (Method::Propfind, answer(200, listing), false),
        (Method::Head, answer(200, b""), false),
        (Method::Put, answer(200, page), false),
    ] {
        let ruling = sent_on(
            bench.judge(),
            Expect::Unauthenticated,
            method,
            &file,
            &answer,
        );
        let told = matches!(&ruling, Some(Ruling::Holds(Some(finding))) if finding.observation());
        assert_eq!(told, no_access, "{method} {answer:?}");
        assert_eq!(ruling.is_some(), no_access, "{method} {answer:?}");
    }
    let granted = sent_on(
        bench.judge(),
        Expect::Ok,
        Method::Get,
        &file,
        &answer(200, page),
    );
    assert_eq!(granted, None);
}

#[test]
fn what_somebody_on_the_way_says_decides_nothing() {
    let bench = Bench::new();
    for expect in [
        Expect::Unauthenticated,
        Expect::Denied,
        Expect::Refused,
        Expect::Ok,
        Expect::Any,
    ] {
        for said in [407, 408, 421, 425, 429, 502, 503, 504, 507, 511] {
            let ruling = status(bench.judge(), expect, Method::Get, &answer(said, b""));
            assert!(
                matches!(ruling, Ruling::Undecided(_)),
                "{expect:?} {said}: {ruling:?}"
            );
        }
        let ruling = status(bench.judge(), expect, Method::Get, &answer(500, b""));
        assert!(
            !matches!(ruling, Ruling::Undecided(_)),
            "{expect:?}: {ruling:?}"
        );
    }
    // There 502 is said of the other server.
    for method in [Method::Move, Method::Copy] {
        let ruling = status(bench.judge(), Expect::Refused, method, &answer(502, b""));
        assert_eq!(ruling, Ruling::Holds(None));
        for expect in [Expect::Denied, Expect::Unauthenticated, Expect::Any] {
            let ruling = status(bench.judge(), expect, method, &answer(502, b""));
            assert!(
                matches!(&ruling, Ruling::Holds(Some(finding)) if finding.observation()),
                "{expect}: {ruling:?}"
            );
        }
        let ruling = status(bench.judge(), Expect::Created, method, &answer(502, b""));
        assert!(matches!(ruling, Ruling::Broken(_)), "{ruling:?}");
    }
}

#[test]
fn a_method_that_is_not_there_is_told_by_the_case_about_it() {
    let told = |cited: &str, method, code| {
        let mut bench = Bench::builtin();
        bench.case.clauses = vec![cited.parse().expect("a clause")];
        match status(bench.judge(), Expect::Created, method, &answer(code, b"")) {
            Ruling::Broken(finding) => format!("broken {}", finding.clause),
            Ruling::Unfit(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    for code in [405, 501] {
        let reason = told("JWT-2.2.1-15", Method::Move, code);
        assert!(reason.ends_with("(see webdav.move.statuses)"), "{reason}");
        let reason = told("DAV-08", Method::Mkcol, code);
        assert!(reason.ends_with("(see webdav.mkcol.shows)"), "{reason}");
        assert_eq!(told("DAV-12", Method::Move, code), "broken DAV-12");
        let put = told("JWT-2.2.1-15", Method::Put, code);
        assert_eq!(put, "broken JWT-2.2.1-15");
    }
    let denied = told("JWT-2.2.1-15", Method::Move, 403);
    assert_eq!(denied, "broken JWT-2.2.1-15");
}

#[test]
fn that_something_was_made_in_other_words_is_told_by_the_case_about_that() {
    let bench = Bench::builtin();
    for (method, code, clause) in [
        (Method::Put, 204, "DAV-01"),
        (Method::Put, 200, "DAV-01"),
        (Method::Mkcol, 200, "DAV-06"),
    ] {
        let ruling = bench.status(Expect::CreatedOrConflict, method, code);
        let Ruling::Holds(Some(finding)) = ruling else {
            panic!("{method} {code}: {ruling:?}");
        };
        assert!(finding.observation(), "{finding:?}");
        assert_eq!(finding.clause.as_str(), clause);
    }
    let hidden = bench.status(Expect::CreatedOrConflict, Method::Put, 404);
    assert!(matches!(&hidden, Ruling::Holds(Some(finding)) if !finding.observation()));
}

#[test]
fn a_file_that_was_there_before_is_recognised_by_its_end() {
    let bench = Bench::new();
    let leaks = |bytes: &[u8], body: &[u8]| {
        let file = State::File(bytes.to_vec());
        leak(bench.judge(), Method::Get, &file, &answer(403, body)).is_some()
    };
    let text = b"some lines of text that end in a short \n";
    assert!(leaks(text, text));
    assert!(!leaks(text, b"<html>\n</html>\n"));
    let zeros = [0; 200];
    assert!(!leaks(&zeros, &zeros), "nothing tells it from padding");
    // Pages of one server end alike.
    let page = |text: &str| format!("<html>\n<body>{text} </body>\n</html>\n").into_bytes();
    assert!(!leaks(
        &page(&"a notice for users ".repeat(20)),
        &page("401 Unauthorized")
    ));
}

#[test]
fn effects_are_compared_with_what_is_there() {
    let bench = Bench::new();
    let file = State::File(b"old".to_vec());
    let judged = |expected: &State, observed: Observed| {
        let step = plain(Method::Put, &bench.at);
        let tried = Tried {
            step: &step,
            expect: Expect::Denied,
            answered: 403,
        };
        effect(bench.judge(), tried, "/d/f", expected, &observed).map(|finding| finding.actual)
    };
    assert_eq!(judged(&file, Observed::Present(b"old".to_vec())), None);
    assert_eq!(judged(&State::Absent, Observed::Absent), None);
    assert_eq!(judged(&State::Directory, Observed::Directory), None);
    assert_eq!(
        judged(&file, Observed::Present(b"new!".to_vec())).unwrap(),
        "the answer was 403, and there is 4 other bytes"
    );
    assert_eq!(
        judged(&file, Observed::Absent).unwrap(),
        "the answer was 403, and there is nothing"
    );
    assert_eq!(
        judged(&State::Absent, Observed::Sized(Some(9))).unwrap(),
        "the answer was 403, and there is a file of 9 bytes"
    );
    assert!(judged(&State::Directory, Observed::Sized(None)).is_some());
}

#[test]
fn properties_come_from_hostile_xml() {
    let body = b"<?xml version='1.0'?><multistatus xmlns='DAV:'>
        <response><href>https://h/wlcg/d/</href><propstat><prop><resourcetype><collection/></resourcetype></prop></propstat></response>
        <response><href>/wlcg/d/a%20b%2F..</href><propstat><prop><getcontentlength>12</getcontentlength></prop></propstat></response>
        <response/></multistatus>";
    let members = properties(body).unwrap();
    assert_eq!(members.len(), 3);
    assert_eq!(
        (members[0].name.as_str(), members[0].collection),
        ("d", true)
    );
    assert_eq!(
        (members[1].name.as_str(), members[1].length),
        ("a b/..", Some(12))
    );
    assert_eq!(members[2].name, "");
    assert!(properties(b"\xff").is_err());
    let bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><multistatus xmlns='DAV:'>&a;</multistatus>";
    assert!(properties(bomb).is_err(), "no entities of the server's own");
    let many = format!(
        "<multistatus xmlns='DAV:'>{}</multistatus>",
        "<response/>".repeat(10_001)
    );
    assert!(properties(many.as_bytes()).is_err());
}

#[test]
fn the_gravest_finding_makes_the_verdict() {
    let bench = Bench::new();
    let must = bench.judge().own("a", "b");
    let should = bench.judge().of("DAV-01", "a", "b");
    assert_eq!(verdict(&[], Mode::Strict), Verdict::Pass);
    assert_eq!(
        verdict(std::slice::from_ref(&should), Mode::Normal),
        Verdict::Warn
    );
    assert_eq!(
        verdict(std::slice::from_ref(&should), Mode::Strict),
        Verdict::Fail
    );
    assert_eq!(verdict(&[should, must], Mode::Normal), Verdict::Fail);
}

proptest::proptest! {
    #[test]
    fn no_body_breaks_the_propfind_reader(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = properties(&body);
    }
}

#[test]
fn parts_listings_and_digests_are_compared() {
    let bench = Bench::new();
    let file = State::File(b"0123456789".to_vec());
    let judged = |edit: &dyn Fn(&mut StepPlan), expect, answer: &Answer| {
        let mut step = plain(Method::Get, &bench.at);
        edit(&mut step);
        let found = read(bench.judge(), &step, expect, &file, answer);
        found.into_iter().next().map(|finding| finding.actual)
    };
    let ranged = |range: &str, body: &[u8], told: &str| {
        let mut part = answer(206, body);
        part.headers.push(("content-range".into(), told.into()));
        let edit = |step: &mut StepPlan| step.headers.push(("Range".into(), range.into()));
        judged(&edit, Expect::Partial, &part)
    };
    assert_eq!(ranged("bytes=0-3", b"0123", "bytes 0-3/10"), None);
    assert_eq!(ranged("bytes=8-", b"89", "bytes 8-9/10"), None);
    assert_eq!(ranged("bytes=-2", b"89", "bytes 8-9/10"), None);
    assert_eq!(
        ranged("bytes=0-3", b"1234", "bytes 0-3/10").unwrap(),
        "4 other bytes, called bytes 0-3/10"
    );
    assert_eq!(
        ranged("bytes=-4", b"0123", "bytes 0-3/10").unwrap(),
        "another part, called bytes 0-3/10"
    );
    assert_eq!(
        ranged("bytes=0-3", b"0123", "bytes 0-3/9").unwrap(),
        "Content-Range: bytes 0-3/9"
    );

    let digest = |algorithm: &str, told: Option<&str>| {
        let mut good = answer(200, b"0123456789");
        good.headers
            .extend(told.map(|told| ("digest".to_owned(), told.to_owned())));
        let edit = |step: &mut StepPlan| step.tells.digest = Some(algorithm.to_owned());
        judged(&edit, Expect::Ok, &good)
    };
    assert_eq!(digest("adler32", Some("adler32=0aff020e")), None);
    assert_eq!(digest("adler32", Some("md5=x, ADLER32=0AFF020E")), None);
    assert!(
        digest("adler32", Some("adler32=aff020e")).is_some(),
        "the leading zero counts"
    );
    assert_eq!(digest("adler32", None).unwrap(), "no Digest");
    let sha = "sha-256=hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=";
    assert_eq!(
        digest("sha-256", Some(sha)),
        None,
        "{}",
        digest("sha-256", Some("x")).unwrap()
    );
}

#[test]
fn information_is_no_warning() {
    let bench = Bench::new();
    let Ruling::Holds(Some(note)) = bench.status(Expect::Any, Method::Get, 200) else {
        panic!("it is told");
    };
    assert_eq!(
        verdict(std::slice::from_ref(&note), Mode::Strict),
        Verdict::Pass
    );
    assert!(matches!(
        bench.status(Expect::Any, Method::Get, 500),
        Ruling::Broken(_)
    ));
}

#[test]
fn a_redirect_of_a_token_to_plain_http_is_found_followed_or_not() {
    let bench = Bench::new();
    let told = |location: &str, followed: bool, status: u16| {
        let mut exchange = touchstone_model::sample::exchange("se", Method::Get, status);
        if followed {
            exchange.hops.push(Hop {
                url: exchange.url.clone(),
                status: 307,
                location: location.into(),
                token_forwarded: false,
            });
        } else {
            let header = ("location".to_owned(), location.to_owned());
            exchange.response_headers.push(header);
        }
        cleartext(bench.judge(), &exchange).map(|finding| finding.actual)
    };
    for followed in [true, false] {
        for location in ["http://se/f", "HTTP://se/f", " http:/f"] {
            let finding = told(location, followed, 307).unwrap();
            assert_eq!(finding, format!("a redirect to {location}"));
        }
        for location in ["https://se/f", "/http:", "httpx://se", "", "ä"] {
            assert_eq!(told(location, followed, 307), None, "{location}");
        }
    }
    assert_eq!(told("http://se/f", false, 201), None, "where a new file is");
    let mut bare = touchstone_model::sample::exchange("se", Method::Get, 307);
    bare.token = None;
    bare.response_headers = vec![("location".into(), "http://se/f".into())];
    assert!(
        cleartext(bench.judge(), &bare).is_none(),
        "there was no token"
    );
}

#[test]
fn who_asks_for_what_a_token_names_is_told_from_noise() {
    let bench = Bench::new();
    let contact = |from: &str, what: Touch| Contact {
        from: from.parse().unwrap(),
        what,
    };
    let (own, other) = ("192.0.2.1", "198.51.100.7");
    let asked = || Touch::Asked("GET /a1b2/jwks".into());
    let strange = || Touch::Strange("GET /".into());
    for (heard, level, told) in [
        (vec![], None, ""),
        (
            vec![contact(own, Touch::Connected)],
            Some(Level::May),
            "last from 192.0.2.1",
        ),
        (
            vec![contact(other, Touch::Connected)],
            Some(Level::May),
            "last from 198.51.100.7",
        ),
        (
            vec![contact(other, Touch::Handshake)],
            Some(Level::May),
            "asked for nothing",
        ),
        (
            vec![contact(own, strange())],
            Some(Level::May),
            "asked for nothing",
        ),
        (
            vec![
                contact(own, Touch::Connected),
                contact(own, Touch::Handshake),
            ],
            Some(Level::Must),
            "once, from 192.0.2.1 with the beginning of a TLS handshake",
        ),
        // A server of the same storage, perhaps, or of whoever has read the token: it knows the name.
        (
            vec![contact(other, Touch::Handshake), contact(other, asked())],
            Some(Level::Must),
            "once, from 198.51.100.7 for GET /a1b2/jwks",
        ),
        (
            vec![
                contact(own, asked()),
                contact(own, asked()),
                contact(other, strange()),
            ],
            Some(Level::Must),
            "2 times, last from 192.0.2.1 for GET /a1b2/jwks",
        ),
    ] {
        let finding = fetched(bench.judge(), &heard, &[own.parse().unwrap()]);
        assert_eq!(
            finding.as_ref().map(|finding| finding.level),
            level,
            "{heard:?}"
        );
        let actual = finding.map(|finding| finding.actual).unwrap_or_default();
        assert!(actual.contains(told), "{heard:?}: {actual}");
    }
}
