//! Answers that break off in the middle: once the network may have done it, each time it is a failure of the service, of the clause of
//! what was asked for, and of nothing else.

use serde_json::Value;

use crate::common::middle::{Asked, Middle, answer, breaking_off};
use crate::common::test_bed::{TestBed, outcomes};

fn judged(bed: &TestBed, middle: &Middle, cases: &[&str]) -> Value {
    bed.judge(middle.url(), "", cases, &[]);
    bed.record()
}

/// What breaks off whenever something is asked for that this says.
fn breaking(cases: &[&str], which: fn(&Asked) -> bool) -> Value {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::breaking(&bed, &storage, which);
    judged(&bed, &middle, cases)
}

/// The cases with that verdict, each with the clauses of its binding findings.
fn with(record: &Value, verdict: &str) -> Vec<String> {
    let results = record["results"].as_array().expect("results").iter();
    let results = results.filter(|result| result["verdict"] == verdict);
    let mut found: Vec<_> = results
        .map(|result| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let findings = result["findings"].as_array().expect("findings").iter();
            let binding = findings.filter(|finding| finding["level"] != "MAY");
            let clauses: Vec<_> = binding.map(|finding| text(&finding["clause"])).collect();
            format!("{} {}", text(&result["case"]), clauses.join(" "))
        })
        .collect();
    found.sort();
    found
}

const WRITES: [&str; 6] = [
    "capability.create.put",
    "capability.modify.delete",
    "capability.modify.mkcol",
    "capability.modify.move",
    "capability.read.get",
    "webdav.copy.statuses",
];

#[test]
fn an_answer_to_a_write_that_breaks_off_each_time_fails_the_clause_of_its_method() {
    for (which, failed) in [
        (
            (|asked| asked.method == "PUT") as fn(&Asked) -> bool,
            "capability.create.put DAV-23",
        ),
        (
            |asked| asked.method == "DELETE",
            "capability.modify.delete DAV-10",
        ),
        (
            |asked| asked.method == "MKCOL",
            "capability.modify.mkcol DAV-06",
        ),
        (
            |asked| asked.method == "MOVE",
            "capability.modify.move DAV-12",
        ),
        (
            |asked| asked.method == "COPY",
            "webdav.copy.statuses DAV-23",
        ),
    ] {
        let record = breaking(&WRITES, which);
        let found = outcomes(&record);
        let failures = with(&record, "fail");
        assert!(
            failures.contains(&failed.to_owned()),
            "{failed}: {found:#?}"
        );
        assert_eq!(with(&record, "error"), [""; 0], "{failed}: {found:#?}");
        // What is arranged is there, whatever the answer was like.
        let read = &found["capability.read.get"];
        assert_eq!(read, "pass", "{failed}: {found:#?}");
        let told = failed.split(' ').next().expect("a case");
        assert!(
            found[told].contains("broke off after 4 bytes, twice"),
            "{found:#?}"
        );
    }
}

#[test]
fn an_answer_to_a_write_that_breaks_off_once_decides_nothing() {
    let record = breaking(&["capability.create.put"], |asked| {
        asked.method == "PUT" && asked.before == 0
    });
    let found = outcomes(&record);
    assert_eq!(with(&record, "fail"), [""; 0], "{found:#?}");
    let told = &found["capability.create.put"];
    assert!(
        told.starts_with("error") && told.contains("broke off"),
        "{told}"
    );
    // What is only arranged is looked at, and counts if it is there.
    let record = breaking(&["capability.read.get"], |asked| {
        asked.method == "PUT" && asked.before == 0
    });
    assert_eq!(outcomes(&record)["capability.read.get"], "pass");
}

#[test]
fn a_write_that_is_confirmed_in_half_an_answer_and_did_not_happen_is_a_failure() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "PUT").then(|| breaking_off(answer(201, &[])))
    });
    let record = judged(&bed, &middle, &["capability.read.get"]);
    assert_eq!(with(&record, "fail"), ["capability.read.get DAV-23"]);
    // One that is refused in half an answer stays an error.
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "PUT").then(|| breaking_off(answer(403, &[])))
    });
    let record = judged(&bed, &middle, &["capability.read.get"]);
    let found = outcomes(&record);
    assert_eq!(
        with(&record, "error"),
        ["capability.read.get "],
        "{found:#?}"
    );
}

#[test]
fn a_refusal_that_breaks_off_hides_no_effect() {
    let bed = TestBed::new();
    let storage = bed.storage(&["expired-accepted-on-put"]);
    let middle = Middle::breaking(&bed, &storage, |asked| asked.method == "PUT");
    let record = judged(&bed, &middle, &["authentication.expired.write"]);
    let found = outcomes(&record);
    let failures = with(&record, "fail");
    let [failure] = failures.as_slice() else {
        panic!("{found:#?}");
    };
    assert!(failure.contains("DAV-23"), "{found:#?}");
    assert!(
        found["authentication.expired.write"].contains("there is"),
        "{found:#?}"
    );
}

#[test]
fn looks_that_break_off_each_time_are_failures_and_no_errors() {
    let looking = [
        "capability.create.put",
        "capability.modify.delete",
        "webdav.propfind.directory",
    ];
    // Whether something is there is seen without PROPFIND as well.
    let record = breaking(&looking, |asked| asked.method == "PROPFIND");
    let found = outcomes(&record);
    let wanted = ["webdav.propfind.directory DAV-15"];
    assert_eq!(with(&record, "fail"), wanted, "{found:#?}");
    assert_eq!(with(&record, "error"), [""; 0], "{found:#?}");
    // What bytes a file has is not.
    let record = breaking(&looking, |asked| asked.method == "GET");
    let found = outcomes(&record);
    assert_eq!(with(&record, "error"), [""; 0], "{found:#?}");
    let failures = with(&record, "fail");
    assert!(
        failures.contains(&"capability.create.put DAV-23".to_owned()),
        "{found:#?}"
    );
    // Once is nothing.
    let record = breaking(&looking, |asked| {
        matches!(asked.method.as_str(), "GET" | "PROPFIND") && asked.before == 0
    });
    assert_eq!(
        with(&record, "pass").len(),
        looking.len(),
        "{:#?}",
        outcomes(&record)
    );
}

#[test]
fn a_control_that_breaks_off_leaves_a_case_undecided() {
    // The refusal is asked first; what follows is the control and the look at what was arranged, which comes before both.
    let record = breaking(&["authentication.expired.read"], |asked| {
        asked.method == "GET" && asked.before > 1
    });
    let found = outcomes(&record);
    let told = &found["authentication.expired.read"];
    assert!(
        told.starts_with("error the control, the same GET") && told.contains("broke off"),
        "{told}"
    );
}
