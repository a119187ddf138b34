use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Judge, Ruling, StepRole};
use touchstone_model::{
    Basis, Case, CaseId, Clause, Expect, Level, Place, Severity, TapeCall, TapeOperation,
    TapeRequest,
};

struct Bench {
    case: Case,
    clauses: Vec<Clause>,
    at: Place,
}

impl Bench {
    /// A case that judges these clauses.
    fn of(ids: &[&str]) -> Self {
        let all = [
            "TAPE-01", "TAPE-02", "TAPE-03", "TAPE-06", "TAPE-07", "TAPE-13", "TAPE-14", "TAPE-23",
        ];
        let clause = |id: &&str| Clause {
            id: id.parse().unwrap(),
            source: "a source".into(),
            since: None,
            basis: Basis::Stated,
            level: Level::Must,
            severity: Severity::Critical,
            requirement: format!("the sentence of {id}"),
            untestable: None,
            text: Vec::new(),
        };
        let at = Place {
            file: Arc::from("suites/x.yaml"),
            line: 7,
        };
        Self {
            case: Case {
                id: "x.case".parse::<CaseId>().unwrap(),
                suite: "x".into(),
                title: "title".into(),
                risk: "risk".into(),
                clauses: ids.iter().map(|id| id.parse().unwrap()).collect(),
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
            clauses: all.iter().map(clause).collect(),
            at,
        }
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            case: &self.case,
            clauses: &self.clauses,
            clause: None,
            at: &self.at,
            role: StepRole::Permitted,
            exchange: 0,
        }
    }
}

fn answer(status: u16, body: impl ToString) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        truncated: false,
        ..Answer::default()
    }
}

fn call(operation: TapeOperation, files: &[&str], except: &[&str]) -> TapeCall {
    let owned = |some: &[&str]| some.iter().map(|&path| path.to_owned()).collect();
    TapeCall {
        operation,
        files: owned(files),
        except: owned(except),
        whole: false,
        further: 0,
        json: None,
        request: TapeRequest::Last,
        settled: false,
        problem: false,
    }
}

/// Clause and what was found, of each.
fn told(findings: &[touchstone_model::Finding]) -> Vec<String> {
    let line =
        |finding: &touchstone_model::Finding| format!("{} {}", finding.clause, finding.actual);
    findings.iter().map(line).collect()
}

#[test]
fn discovery_documents_are_complete() {
    let bench = Bench::of(&["TAPE-01", "TAPE-02"]);
    let uri = "https://se.example.org:8444/api/v1/";
    let good = json!({"sitename": "x", "endpoints": [{"uri": uri, "version": "v1"}]});
    assert_eq!(discovery(bench.judge(), &answer(200, &good)), []);
    let api = tape_api(&answer(200, &good)).unwrap();
    assert_eq!(api.uri.as_str(), "https://se.example.org:8444/api/v1");
    for (change, clause) in [
        (json!([]), "TAPE-01"),
        (json!("text"), "TAPE-01"),
        (
            json!({"sitename": "", "endpoints": [{"uri": uri, "version": "v1"}]}),
            "TAPE-02",
        ),
        (
            json!({"endpoints": [{"uri": uri, "version": "v1"}]}),
            "TAPE-02",
        ),
        (json!({"sitename": "x"}), "TAPE-02"),
        (json!({"sitename": "x", "endpoints": []}), "TAPE-02"),
        (
            json!({"sitename": "x", "endpoints": [{"uri": uri, "version": "v0"}]}),
            "TAPE-02",
        ),
        (
            json!({"sitename": "x", "endpoints": [{"uri": "http://a/", "version": "v1"}]}),
            "TAPE-02",
        ),
        (
            json!({"sitename": "x", "endpoints": [{"uri": "/api", "version": "v1"}]}),
            "TAPE-02",
        ),
        (
            json!({"sitename": "x", "endpoints": [{"uri": uri, "version": "v1"}, {"uri": uri, "version": "v1"}]}),
            "TAPE-02",
        ),
    ] {
        let found = discovery(bench.judge(), &answer(200, &change));
        assert_eq!(found.len(), 1, "{change}: {:?}", told(&found));
        assert_eq!(found[0].clause.as_str(), clause, "{change}");
    }
    for uri in [
        "http://a/",
        "https://u:p@a/",
        "https://a/?x",
        "a",
        "file:///x",
    ] {
        let document = json!({"endpoints": [{"uri": uri, "version": "v1"}]});
        assert!(tape_api(&answer(200, &document)).is_err(), "{uri}");
    }
    assert!(tape_api(&answer(401, &good)).is_err());
}

#[test]
fn staged_requests_are_named_twice() {
    let bench = Bench::of(&["TAPE-03"]);
    let at = |location: &str, body: &str| Answer {
        headers: vec![("location".into(), location.into())],
        ..answer(201, body)
    };
    let good = at("https://a/api/v1/stage/7f", r#"{"requestId": "7f"}"#);
    assert_eq!(staged(bench.judge(), &good), (Some("7f".into()), vec![]));
    for wrong in [
        at("https://a/stage/8", r#"{"requestId": "7f"}"#),
        answer(201, r#"{"requestId": "7f"}"#),
    ] {
        let (id, found) = staged(bench.judge(), &wrong);
        assert_eq!((id.as_deref(), found.len()), (Some("7f"), 1));
        let (_, elsewhere) = staged(Bench::of(&["TAPE-05"]).judge(), &wrong);
        assert_eq!(elsewhere, [], "for the cases about that");
    }
    let (id, found) = staged(bench.judge(), &at("/stage/9?x", "<html>"));
    assert_eq!((id.as_deref(), found.len()), (Some("9"), 1));
    assert_eq!(staged(bench.judge(), &answer(201, "{}")).0, None);
}

fn polled(files: serde_json::Value) -> serde_json::Value {
    json!({"id": "7", "createdAt": 1, "startedAt": 2, "files": files})
}

fn progress_of(body: &serde_json::Value, asked: &[&str]) -> Vec<String> {
    let bench = Bench::of(&["TAPE-06", "TAPE-07"]);
    let asked: Vec<String> = asked.iter().map(|&path| path.to_owned()).collect();
    let call = call(TapeOperation::Poll, &[], &[]);
    let mut seen = Transitions::new();
    told(&progress(
        bench.judge(),
        &call,
        ("7", &asked),
        &answer(200, body),
        &mut seen,
    ))
}

#[test]
fn polls_are_complete_and_each_file_follows_the_rules() {
    let good = polled(json!([
        {"path": "/a", "onDisk": true},
        {"path": "//b", "state": "COMPLETED", "startedAt": 1, "finishedAt": 2},
    ]));
    assert_eq!(progress_of(&good, &["/a", "/b"]), Vec::<String>::new());
    for (change, files, expected) in [
        (
            json!({"id": "8"}),
            json!([{"path": "/a", "onDisk": true}]),
            "TAPE-06",
        ),
        (
            json!({"createdAt": "now"}),
            json!([{"path": "/a", "onDisk": true}]),
            "TAPE-06",
        ),
        (
            json!({"startedAt": null}),
            json!([{"path": "/a", "onDisk": true}]),
            "TAPE-06",
        ),
        (json!({}), json!([]), "TAPE-06"),
        (
            json!({}),
            json!([{"path": "/a", "onDisk": true}, {"path": "/a", "onDisk": true}]),
            "TAPE-06",
        ),
        (
            json!({}),
            json!([{"path": "/a", "onDisk": true}, {"path": "/z", "onDisk": true}]),
            "TAPE-06",
        ),
        (
            json!({}),
            json!([{"path": "/a", "onDisk": true, "state": "COMPLETED"}]),
            "TAPE-07",
        ),
        (json!({}), json!([{"path": "/a"}]), "TAPE-07"),
        (
            json!({}),
            json!([{"path": "/a", "state": "DONE"}]),
            "TAPE-07",
        ),
        (
            json!({}),
            json!([{"path": "/a", "onDisk": "yes"}]),
            "TAPE-07",
        ),
        (
            json!({}),
            json!([{"path": "/a", "onDisk": true, "startedAt": 1}]),
            "TAPE-07",
        ),
        (
            json!({}),
            json!([{"path": "/a", "state": "STARTED", "startedAt": "now"}]),
            "TAPE-07",
        ),
    ] {
        let mut body = polled(files);
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let found = progress_of(&body, &["/a"]);
        assert_eq!(found.len(), 1, "{body}: {found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
}

#[test]
fn a_file_goes_forward_only() {
    let bench = Bench::of(&["TAPE-07"]);
    let call = call(TapeOperation::Poll, &[], &[]);
    let asked = ["/a".to_owned()];
    let mut seen = Transitions::new();
    let mut next = |state: &str| {
        let body = polled(json!([{"path": "/a", "state": state}]));
        progress(
            bench.judge(),
            &call,
            ("7", &asked),
            &answer(200, body),
            &mut seen,
        )
        .len()
    };
    for (state, wrong) in [
        ("SUBMITTED", 0),
        ("STARTED", 0),
        ("SUBMITTED", 1),
        ("COMPLETED", 0),
        ("COMPLETED", 0),
        ("STARTED", 1),
    ] {
        assert_eq!(next(state), wrong, "{state}");
    }
}

#[test]
fn what_must_fail_fails_and_nothing_else() {
    let bench = Bench::of(&["TAPE-05"]);
    let asked = ["/a".to_owned(), "/b".to_owned()];
    let found = |state: &str, settled: bool| {
        let call = TapeCall {
            settled,
            ..call(TapeOperation::Poll, &[], &["/b"])
        };
        let error =
            json!({"path": "/b", "state": state, "error": (state == "FAILED").then_some("no")});
        let body = polled(json!([{"path": "/a", "onDisk": true}, error]));
        let answer = answer(200, body);
        progress(
            bench.judge(),
            &call,
            ("7", &asked),
            &answer,
            &mut Transitions::new(),
        )
        .len()
    };
    assert_eq!((found("FAILED", true), found("STARTED", false)), (0, 0));
    assert_eq!((found("STARTED", true), found("COMPLETED", false)), (1, 1));
}

#[test]
fn localities_are_told_of_what_may_be_known() {
    let bench = Bench::of(&["TAPE-14"]);
    let asked = call(
        TapeOperation::Archiveinfo,
        &["/a", "/b", "/c"],
        &["/b", "/c"],
    );
    let find = |b: serde_json::Value, c: serde_json::Value, alike: bool| {
        let body = json!([{"path": "/a", "locality": "TAPE"}, b, c]);
        told(&archiveinfo(
            bench.judge(),
            &asked,
            alike,
            &answer(200, body),
        ))
    };
    let no = |path: &str| json!({"path": path, "error": format!("{path} is not for you")});
    assert_eq!(find(no("/b"), no("/c"), true), Vec::<String>::new());
    let missing = json!({"path": "/c", "error": "no such file"});
    assert_eq!(find(no("/b"), missing.clone(), false), Vec::<String>::new());
    assert_eq!(find(no("/b"), missing, true).len(), 1);
    for wrong in [
        json!({"path": "/b", "locality": "NONE"}),
        json!({"path": "/b", "locality": "NEARLINE", "error": "no"}),
    ] {
        assert!(!find(wrong.clone(), no("/c"), false).is_empty(), "{wrong}");
    }
    for lawful in [
        json!({"path": "/b", "locality": null}),
        json!({"path": "/b", "error": ""}),
        json!({"path": "/b"}),
    ] {
        assert!(find(lawful.clone(), no("/c"), false).is_empty(), "{lawful}");
    }
    let stuck = json!([{"path": "/a", "locality": "DISK", "error": "no tape"}, no("/b"), no("/c")]);
    assert!(archiveinfo(bench.judge(), &asked, false, &answer(200, stuck)).is_empty());
    let body = json!([{"path": "/a", "error": "no"}, no("/b"), no("/c")]);
    assert_eq!(
        archiveinfo(bench.judge(), &asked, false, &answer(200, body)).len(),
        1
    );
    let twice = json!([{"path": "/a", "locality": "TAPE"}, {"path": "/a", "locality": "TAPE"}, no("/b"), no("/c")]);
    assert_eq!(
        archiveinfo(bench.judge(), &asked, false, &answer(200, twice)).len(),
        1
    );
}

#[test]
fn moves_are_seen() {
    let at = |word: &str| Locality {
        locality: Some(word.into()),
        error: None,
    };
    let (tape, both, disk) = (at("TAPE"), at("DISK_AND_TAPE"), at("DISK"));
    assert!(came_to_disk(Some(&tape), Some(&both)));
    assert!(!came_to_disk(Some(&disk), Some(&both)), "it went to tape");
    assert!(!came_to_disk(None, Some(&both)));
    assert!(left_disk(Some(&both), Some(&tape)) && !left_disk(Some(&both), Some(&both)));
}

#[test]
fn errors_are_objects_with_status_and_title() {
    let bench = Bench::of(&["TAPE-23"]);
    let good = json!({"status": 404, "title": "no"});
    assert_eq!(problem(bench.judge(), &answer(404, good)), None);
    for (status, body, level) in [
        (404, json!({"status": 400, "title": "no"}), Level::Must),
        (404, json!({"status": "404", "title": "no"}), Level::Must),
        (400, json!({"status": 400}), Level::Must),
        (400, json!("<html>"), Level::Must),
        (403, json!({}), Level::Should),
    ] {
        let found = problem(bench.judge(), &answer(status, body.clone())).unwrap();
        assert_eq!(found.level, level, "{body}");
    }
}

#[test]
fn a_whole_refusal_counts_only_where_the_case_says_so() {
    let bench = Bench::of(&["TAPE-05"]);
    let plain = call(TapeOperation::Stage, &["/a"], &["/a"]);
    let whole = TapeCall {
        whole: true,
        ..plain.clone()
    };
    let rule =
        |call: &TapeCall, status| tape_status(bench.judge(), Expect::Ok, call, &answer(status, ""));
    assert!(matches!(rule(&plain, 403), Ruling::Broken(_)));
    assert_eq!(rule(&whole, 403), Ruling::Holds(None));
    assert!(matches!(rule(&whole, 500), Ruling::Broken(_)));
    assert_eq!(rule(&plain, 201), Ruling::Holds(None));
    assert_eq!(
        rule(&plain, 200),
        Ruling::Holds(None),
        "for the cases about that"
    );
}

#[test]
fn an_answer_without_end_is_no_answer() {
    let bench = Bench::of(&["TAPE-14"]);
    let endless = Answer {
        truncated: true,
        ..answer(200, "[")
    };
    let mut asked = call(TapeOperation::Archiveinfo, &["/a"], &[]);
    assert_eq!(archiveinfo(bench.judge(), &asked, false, &endless).len(), 1);
    asked.further = 5000;
    assert_eq!(archiveinfo(bench.judge(), &asked, false, &endless), []);
    let deep = "[".repeat(100_000);
    assert_eq!(discovery(bench.judge(), &answer(200, deep)).len(), 1);
    let many = json!(vec![json!({"path": 1}); 5000]);
    let found = archiveinfo(bench.judge(), &asked, false, &answer(200, many));
    assert_eq!(found.len(), FINDINGS);
    let long = json!({"sitename": "x".repeat(9000), "endpoints": "y".repeat(9000)});
    let found = discovery(bench.judge(), &answer(200, long));
    assert!(found.iter().all(|finding| finding.actual.len() < 400));
}

proptest! {
    #[test]
    fn any_body_is_judged(text in "[\\[\\]{}\":,a-z0-9/ ]{0,60}") {
        let bench = Bench::of(&["TAPE-06", "TAPE-07"]);
        let answer = answer(200, &text);
        let asked = call(TapeOperation::Archiveinfo, &["/a"], &["/a"]);
        let _ = discovery(bench.judge(), &answer);
        let _ = tape_api(&answer);
        let _ = staged(bench.judge(), &answer);
        let _ = problem(bench.judge(), &answer);
        let _ = archiveinfo(bench.judge(), &asked, true, &answer);
        let files = ["/a".to_owned()];
        let _ = progress(bench.judge(), &asked, ("7", &files), &answer, &mut Transitions::new());
    }

    #[test]
    fn paths_are_cleaned_once_and_for_all(text in "[a/.]{0,20}") {
        let once = plain(&text);
        prop_assert!(!once.contains("//") && !once.contains("/../"));
        prop_assert_eq!(plain(&once), once);
    }
}
