//! Storage that misbehaves, seen through the real binary.

mod common;

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Response;
use common::lab::{Ended, Lab, outcomes};
use common::middle::{Asked, Middle, answer};
use touchstone::reference::Storage;

/// What came of a run, with how long it took.
struct Came {
    ended: Ended,
    took: Duration,
    lab: Lab,
    storage: Storage,
    before: Vec<String>,
    middle: Middle,
}

impl Came {
    /// How the case ended, and why.
    fn outcome(&self, case: &str) -> String {
        let outcomes = outcomes(&self.lab.record());
        outcomes.get(case).expect("the case").clone()
    }

    /// Fails unless the storage is as it was before the run.
    fn expect_nothing_left(&self) {
        assert_eq!(self.storage.paths(), self.before, "{:?}", self.ended);
    }
}

/// Runs cases at good storage behind somebody who answers instead of it as `answer` says.
fn run(
    cases: &[&str],
    answer: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static,
) -> Came {
    let lab = Lab::new();
    let storage = lab.storage(&[]);
    let middle = Middle::start(&lab, &storage, answer);
    let more = format!(
        "    audience: {}\n    limits: {{preflight: 5s, connect: 2s, first-byte: 3s, idle: 3s, case: 20s}}\n",
        storage.url()
    );
    lab.endpoints(&[("se", middle.url())], &more);
    let mut arguments = vec!["run", "--case"];
    arguments.extend(cases);
    let before = storage.paths();
    let begun = Instant::now();
    let ended = lab.run(&arguments);
    Came {
        took: begun.elapsed(),
        ended,
        lab,
        storage,
        before,
        middle,
    }
}

const CASE: &str = "capability.create.no-overwrite";

/// Whether it is about an object of the case, not about the case's directory.
fn object(asked: &Asked) -> bool {
    asked.path.ends_with("/f")
}

#[test]
fn busy_storage_is_asked_again_where_nothing_is_judged() {
    let busy: [(u16, &'static [(&'static str, &'static str)]); 5] = [
        (429, &[]),
        (429, &[("retry-after", "1")]),
        (429, &[("retry-after", "-7")]),
        (503, &[("retry-after", "0")]),
        (503, &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")]),
    ];
    std::thread::scope(|scope| {
        for (status, headers) in busy {
            scope.spawn(move || {
                // The directories, the arranged file, every look, and the teardown.
                let came = run(&[CASE], move |asked| {
                    let observers = match asked.method.as_str() {
                        "MKCOL" | "DELETE" | "GET" | "PROPFIND" => true,
                        _ => asked.before == 0,
                    };
                    (observers && asked.before == 0 && asked.method != "OPTIONS")
                        .then(|| answer(status, headers))
                });
                let outcome = came.outcome(CASE);
                assert_eq!(came.ended.code, Some(0), "{outcome} {:?}", came.ended);
                assert_eq!(outcome, "pass", "{headers:?}");
                came.expect_nothing_left();
                // Each pause is at least a second, and there were several one after another.
                assert!(came.took >= Duration::from_secs(3), "{:?}", came.took);
            });
        }
    });
}

#[test]
fn storage_that_wants_to_be_left_alone_for_long_is_undecided_soon() {
    for (status, wait) in [(429, "3600"), (503, "99999999999999999999"), (503, "86400")] {
        let came = run(&[CASE], move |asked| {
            (asked.method == "PUT" && object(asked) && asked.before == 0)
                .then(|| answer(status, &[("retry-after", wait)]))
        });
        let outcome = came.outcome(CASE);
        assert_eq!(came.ended.code, Some(3), "{outcome} {:?}", came.ended);
        assert!(outcome.starts_with("error"), "{outcome}");
        assert!(outcome.contains(&format!("answered {status}")), "{outcome}");
        came.expect_nothing_left();
        assert!(came.took < Duration::from_secs(20), "{:?}", came.took);
    }
}

#[test]
fn a_judged_request_that_is_put_off_is_undecided_and_not_repeated() {
    let came = run(&[CASE], |asked| {
        (asked.method == "PUT" && object(asked) && asked.before == 1)
            .then(|| answer(429, &[("retry-after", "1")]))
    });
    let outcome = came.outcome(CASE);
    assert_eq!(came.ended.code, Some(3), "{outcome} {:?}", came.ended);
    assert!(outcome.contains("asked to come back later"), "{outcome}");
    assert_eq!(came.middle.count("PUT"), 2, "the arrangement and the step");
    came.expect_nothing_left();
}

#[test]
fn storage_that_is_always_busy_is_undecided_and_not_waited_for() {
    let came = run(&["capability.*", "path.*"], |asked| {
        (asked.method != "OPTIONS").then(|| answer(429, &[("retry-after", "40")]))
    });
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
    let outcomes = outcomes(&came.lab.record());
    assert!(outcomes.len() > 50, "{}", outcomes.len());
    for (case, outcome) in &outcomes {
        let decided = ["pass", "warn", "fail"]
            .iter()
            .any(|v| outcome.starts_with(v));
        assert!(!decided, "{case}: {outcome}");
    }
    assert!(came.took < Duration::from_secs(30), "{:?}", came.took);
    came.expect_nothing_left();
}
