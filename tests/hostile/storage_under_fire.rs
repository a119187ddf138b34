//! Storage that misbehaves, seen through the real binary.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::middle::{Asked, Middle, answer};
use crate::common::test_bed::{Ended, TestBed, outcomes};
use crate::common::waiting::NEVER;
use crate::common::wild::{Act, End, Wild, troubles};
use axum::body::Body;
use axum::http::Response;
use touchstone_reference::Storage;

/// What came of a run, with how long it took.
struct Came {
    ended: Ended,
    took: Duration,
    bed: TestBed,
    storage: Storage,
    before: Vec<String>,
    middle: Middle,
}

impl Came {
    /// How the case ended, and why.
    fn outcome(&self, case: &str) -> String {
        let outcomes = outcomes(&self.bed.record());
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
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::start(&bed, &storage, answer);
    let more = format!(
        "    audience: {}\n    limits: {{preflight: {NEVER}, connect: {NEVER}, first-byte: {NEVER}, idle: {NEVER}, case: {NEVER}}}\n",
        storage.url()
    );
    bed.endpoints(&[("se", middle.url())], &more);
    let mut arguments = vec!["run", "--case"];
    arguments.extend(cases);
    let before = storage.paths();
    let begun = Instant::now();
    let ended = bed.run(&arguments);
    Came {
        took: begun.elapsed(),
        ended,
        bed,
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
    let busy: [(u16, &'static [(&'static str, &'static str)]); 6] = [
        (423, &[]),
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
                // Each pause is at least a second, and there were several one after another; a lock is soon gone.
                assert!(
                    status == 423 || came.took >= Duration::from_secs(3),
                    "{:?}",
                    came.took
                );
            });
        }
    });
}

#[test]
fn storage_that_wants_to_be_left_alone_for_long_is_undecided_and_not_waited_for() {
    // Whoever waited for it would hang.
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
    let again: Arc<AtomicUsize> = Arc::default();
    let asked_again = Arc::clone(&again);
    let came = run(&["capability.*", "path.*"], move |asked| {
        asked_again.fetch_add(asked.before, Ordering::SeqCst);
        (asked.method != "OPTIONS").then(|| answer(429, &[("retry-after", "40")]))
    });
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
    let outcomes = outcomes(&came.bed.record());
    assert!(outcomes.len() > 50, "{}", outcomes.len());
    for (case, outcome) in &outcomes {
        let decided = ["pass", "warn", "fail"]
            .iter()
            .any(|v| outcome.starts_with(v));
        assert!(!decided, "{case}: {outcome}");
    }
    let again = again.load(Ordering::SeqCst);
    // The run's directories are asked for from several sides; whoever came back would ask in each case.
    assert!(again < outcomes.len() / 4, "{again} requests came again");
    came.expect_nothing_left();
}

/// A row: what is broken how at which exchange, and the storage behind it.
struct Row {
    name: String,
    /// Its limits of time, after a comma.
    limits: String,
    storage: Storage,
    before: Vec<String>,
    wild: Wild,
}

/// Those that are an answer, if an odd one: its status and the beginning of its body count.
const ANSWERS: [&str; 2] = ["an endless body", "a bomb"];

/// Those that begin with a success and break off, each time: what was asked for did not happen, or is not to be had.
const BROKEN_OFF: [&str; 2] = ["truncated body", "chunks without end"];

/// That one is among these or not, as chance has it: a reset may take along what came before it.
const EITHER: &str = "reset in the body";

/// Whether it is none of them.
fn no_answer(name: &str) -> bool {
    !ANSWERS.contains(&name) && !BROKEN_OFF.contains(&name) && name != EITHER
}

/// Whether it is an answer, or half of one.
fn some_answer(name: &str) -> bool {
    ANSWERS.contains(&name) || BROKEN_OFF.contains(&name)
}

/// What never ends is waited for as long as the limits say; elsewhere they do not matter.
fn limits(method: &str, act: &Act) -> String {
    let endless = matches!(act, Act::Say(_, End::Hang | End::Again(..)));
    let (preflight, others) = match (endless, method) {
        (false, _) => (NEVER, [NEVER; 3]),
        (true, "OPTIONS") => ("3s", [NEVER; 3]),
        (true, _) => (NEVER, ["5s", "5s", "10s"]),
    };
    let [first_byte, idle, case] = others;
    format!(", preflight: {preflight}, first-byte: {first_byte}, idle: {idle}, case: {case}")
}

/// Breaks every exchange of that method about the case's file but the first `spared`, in each of these ways. No directory goes
/// while something is in it, as at XRootD.
fn broken(
    bed: &TestBed,
    method: &'static str,
    spared: usize,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Row> {
    const FULL: &[u8] = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let keeps = method == "DELETE";
    breaking(bed, method, spared, wanted, keeps.then_some(FULL))
}

/// The same, where everything else of that method is given one answer, if there is one.
fn breaking(
    bed: &TestBed,
    method: &'static str,
    spared: usize,
    wanted: impl Fn(&str) -> bool,
    others: Option<&'static [u8]>,
) -> Vec<Row> {
    let rows = troubles().into_iter().filter(|(name, _)| wanted(name));
    rows.map(|(name, act)| {
        let storage = bed.storage(&[]);
        let trouble = act.clone();
        let seen = AtomicUsize::new(0);
        let wild = Wild::start(bed, storage.port(), move |asked, path| {
            let hit = asked == method && (method == "OPTIONS" || path.ends_with("/f"));
            if hit && seen.fetch_add(1, Ordering::SeqCst) >= spared {
                return trouble.clone();
            }
            match others.filter(|_| asked == method && !hit) {
                Some(answer) => Act::Say(answer.to_vec(), End::Close),
                None => Act::Pass,
            }
        });
        Row {
            limits: limits(method, &act),
            name: name.replace([' ', '/'], "-").to_lowercase(),
            before: storage.paths(),
            storage,
            wild,
        }
    })
    .collect()
}

/// Runs the case at all rows in one run; each outcome with its trouble.
fn outcomes_of(bed: &TestBed, rows: &[Row], more: &[&str]) -> (Ended, Vec<(String, String)>) {
    let lines = rows.iter().map(|row| {
        format!(
            "    audience: {}\n    limits: {{connect: {NEVER}{}, body: 65536}}\n",
            row.storage.url(),
            row.limits,
        )
    });
    let lines: Vec<_> = lines.collect();
    let rows_with_lines = rows.iter().zip(&lines);
    let endpoints =
        rows_with_lines.map(|(row, lines)| (row.name.as_str(), row.wild.url(), lines.as_str()));
    bed.each_endpoint(&endpoints.collect::<Vec<_>>());
    let ended = bed.run(&[&["run", "--case", CASE], more].concat());
    let record = bed.record();
    let found = rows.iter().map(|row| {
        let mut results = record["results"].as_array().expect("results").iter();
        let result = results.find(|result| result["endpoint"] == row.name.as_str());
        let result = result.expect("a result");
        let part = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
        let outcome = format!("{} {}", part("verdict"), part("reason"));
        (
            format!("{} ({} times)", row.name, row.wild.broken()),
            outcome,
        )
    });
    let found = found.collect();
    (ended, found)
}

/// Whatever breaks for good, the case is undecided in time, says why, and leaves nothing.
fn undecided(method: &'static str, spared: usize, part: &str, wanted: impl Fn(&str) -> bool) {
    const OVER: &str = "the time for this case is over";
    let bed = TestBed::new();
    let rows = broken(&bed, method, spared, wanted);
    let (ended, found) = outcomes_of(&bed, &rows, &[]);
    for ((trouble, outcome), row) in found.iter().zip(&rows) {
        assert!(row.wild.broken() > 0, "{trouble}: {outcome}");
        assert!(outcome.starts_with("error "), "{trouble}: {outcome}");
        let told = outcome.contains(part) || outcome.contains(OVER);
        assert!(told, "{trouble}: {outcome}");
        assert!(outcome.len() < 600, "{trouble}: {outcome}");
        assert_eq!(row.storage.paths(), row.before, "{trouble}: {outcome}");
    }
    assert_eq!(ended.code, Some(3), "{ended:?}");
}

#[test]
fn a_broken_preflight_is_an_endpoint_that_is_not_there() {
    let bed = TestBed::new();
    let rows = broken(&bed, "OPTIONS", 0, |_| true);
    let (ended, found) = outcomes_of(&bed, &rows, &[]);
    for ((trouble, outcome), row) in found.iter().zip(&rows) {
        // Whatever can be read as an answer says that somebody is there.
        let fine = outcome.starts_with("error unreachable: ") || outcome.starts_with("pass");
        assert!(fine, "{trouble}: {outcome}");
        assert_eq!(row.storage.paths(), row.before, "{trouble}: {outcome}");
    }
    assert_eq!(ended.code, Some(3), "{ended:?}");
}

#[test]
fn a_broken_arrangement_decides_nothing() {
    undecided("PUT", 0, "could not be arranged", no_answer);
}

#[test]
fn an_arrangement_that_was_confirmed_and_is_not_there_is_a_failure() {
    let bed = TestBed::new();
    let rows = broken(&bed, "PUT", 0, some_answer);
    let (ended, found) = outcomes_of(&bed, &rows, &[]);
    assert_eq!(found.len(), ANSWERS.len() + BROKEN_OFF.len(), "{found:?}");
    for ((trouble, outcome), row) in found.iter().zip(&rows) {
        assert!(outcome.starts_with("fail"), "{trouble}: {outcome}");
        assert_eq!(row.storage.paths(), row.before, "{trouble}: {outcome}");
    }
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn a_broken_step_decides_nothing() {
    undecided("PUT", 1, "PUT ", no_answer);
}

#[test]
fn a_broken_control_decides_nothing() {
    undecided("PUT", 2, "the control", |_| true);
}

#[test]
fn a_broken_look_at_the_effect_decides_nothing() {
    undecided("GET", 1, "the effect cannot be seen", no_answer);
}

#[test]
fn a_look_that_breaks_off_each_time_is_a_failure() {
    let bed = TestBed::new();
    let rows = broken(&bed, "GET", 1, |name| BROKEN_OFF.contains(&name));
    let (ended, found) = outcomes_of(&bed, &rows, &[]);
    assert_eq!(found.len(), BROKEN_OFF.len(), "{found:?}");
    for ((trouble, outcome), row) in found.iter().zip(&rows) {
        assert!(outcome.starts_with("fail"), "{trouble}: {outcome}");
        assert_eq!(row.storage.paths(), row.before, "{trouble}: {outcome}");
    }
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn a_broken_teardown_changes_no_verdict_and_is_told() {
    let bed = TestBed::new();
    let few = ["reset before the answer", "silence", "garbage", "a bomb"];
    let rows = broken(&bed, "DELETE", 0, |name| few.contains(&name));
    let (ended, found) = outcomes_of(&bed, &rows, &[]);
    let record = bed.record();
    let results = record["results"].as_array().expect("results");
    for ((trouble, outcome), row) in found.iter().zip(&rows) {
        assert!(outcome.starts_with("pass"), "{trouble}: {outcome}");
        let result = results.iter().find(|r| r["endpoint"] == row.name.as_str());
        let told = result.expect("a result")["cleanup"].to_string();
        let stayed = row.storage.paths() != row.before;
        // A success that was made up is believed by nobody: the directory does not go, and that is told.
        assert_eq!(stayed, told.contains(CASE), "{trouble}: {told}");
    }
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("`touchstone clean`"), "{ended:?}");
    let names = std::fs::read_dir(bed.path("reports/latest")).expect("reports");
    let mut names = names.map(|entry| entry.expect("an entry").file_name());
    assert!(names.any(|name| name.to_string_lossy().starts_with("ledger-")));
}

#[test]
fn what_has_gone_with_its_directory_is_no_leftover() {
    let bed = TestBed::new();
    let reset = |name: &str| name == "reset before the answer";
    let rows = breaking(&bed, "DELETE", 0, reset, None);
    let (ended, found) = outcomes_of(&bed, &rows, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(rows[0].wild.broken() > 0, "{ended:?}");
    assert_eq!(rows[0].storage.paths(), rows[0].before, "{ended:?}");
    let ended = ended.expect(0);
    assert!(!ended.stderr.contains("`touchstone clean`"), "{ended:?}");
    let record = bed.record();
    for left in [
        &record["endpoints"][0]["leftovers"],
        &record["results"][0]["cleanup"],
    ] {
        assert!(left.as_array().is_none_or(Vec::is_empty), "{left}");
    }
}

#[test]
fn an_odd_answer_to_a_step_counts_as_what_it_says() {
    let bed = TestBed::new();
    let rows = broken(&bed, "PUT", 1, some_answer);
    let (ended, found) = outcomes_of(&bed, &rows, &[]);
    for ((trouble, outcome), row) in found.iter().zip(&rows) {
        // 200 to a write that has to be refused.
        assert!(outcome.starts_with("fail"), "{trouble}: {outcome}");
        assert_eq!(row.storage.paths(), row.before, "{trouble}: {outcome}");
    }
    assert_eq!(ended.code, Some(1), "{ended:?}");
}
