//! What a failure needs: each step is judged by its own role, and each answer by the clause that it belongs to.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::Value;

use crate::common::middle::{Middle, answer, breaking_off};
use crate::common::test_bed::{TestBed, outcomes};

/// What a run of these cases at `url` finds.
fn judged(bed: &TestBed, url: &str, cases: &[&str]) -> Value {
    bed.judge(url, "", cases, &bed.listening());
    bed.record()
}

fn with_fault(fault: &str, cases: &[&str]) -> Value {
    let bed = TestBed::new();
    let storage = bed.storage(&[fault]);
    judged(&bed, storage.url(), cases)
}

/// Verdict, and clause and level of each finding that is no observation.
fn told(record: &Value, case: &str) -> (String, Vec<String>) {
    let mut results = record["results"].as_array().expect("results").iter();
    let result = results.find(|result| result["case"] == case);
    let result = result.unwrap_or_else(|| panic!("{case} was not run"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = result["findings"].as_array().expect("findings").iter();
    let findings = findings
        .filter(|finding| finding["level"] != "MAY")
        .map(|finding| format!("{} {}", text(&finding["level"]), text(&finding["clause"])));
    (text(&result["verdict"]), findings.collect())
}

fn with_verdict(record: &Value, verdict: &str) -> BTreeSet<String> {
    let all = outcomes(record).into_iter();
    all.filter(|(_, outcome)| outcome.starts_with(verdict))
        .map(|(case, _)| case)
        .collect()
}

fn set(cases: &[&str]) -> BTreeSet<String> {
    cases.iter().map(|case| (*case).to_owned()).collect()
}

#[test]
fn an_upload_that_is_refused_and_stays_is_a_failure() {
    let record = with_fault("upload-digest-mismatch-stays", &["digest.upload.*"]);
    for case in ["digest.upload.wrong", "digest.upload.content-md5"] {
        let (verdict, findings) = told(&record, case);
        assert_eq!(verdict, "fail", "{case}");
        assert_eq!(findings, ["MUST DAV-30"], "{case}");
    }
    assert_eq!(told(&record, "digest.upload.right").0, "pass");
}

#[test]
fn wrong_bytes_are_a_failure_whatever_is_said_of_the_status() {
    for (fault, case) in [
        ("range-brings-others", "webdav.range.parts"),
        ("content-range-ignored", "webdav.put.content-range"),
    ] {
        let record = with_fault(fault, &[case]);
        let (verdict, findings) = told(&record, case);
        assert_eq!(verdict, "fail", "{fault}");
        assert!(findings.contains(&"MUST DAV-23".to_owned()), "{findings:?}");
    }
}

#[test]
fn a_token_that_a_denial_repeats_is_a_failure_in_one_case() {
    let record = with_fault("address-echoed", &["bearer.*"]);
    let (verdict, findings) = told(&record, "bearer.echo");
    assert_eq!(verdict, "fail");
    assert_eq!(findings, ["MUST NOT RFC6750-21"]);
    assert_eq!(with_verdict(&record, "fail"), set(&["bearer.echo"]));
    assert_eq!(with_verdict(&record, "warn"), set(&[]));
}

#[test]
fn a_status_that_differs_is_told_once() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::rewriting(&bed, &storage, |asked, mut response| {
        let other = match (asked.method.as_str(), response.status().as_u16()) {
            (_, 401) => 403,
            ("PUT", 204) => 201,
            (_, status) => status,
        };
        *response.status_mut() = StatusCode::from_u16(other).expect("a status");
        response
    });
    let cases = [
        "authentication.expired*",
        "authentication.issuer*",
        "bearer.challenge.expired",
        "bearer.challenge.invalid-token",
        "bearer.none.get",
        "webdav.put.*",
    ];
    let record = judged(&bed, middle.url(), &cases);
    let about = [
        "bearer.challenge.expired",
        "bearer.challenge.invalid-token",
        "webdav.put.statuses",
    ];
    assert_eq!(with_verdict(&record, "warn"), set(&about));
    assert_eq!(with_verdict(&record, "fail"), set(&[]));
    assert_eq!(with_verdict(&record, "error"), set(&[]));
    let seen = &outcomes(&record)["authentication.expired.read"];
    assert_eq!(seen, "pass  RFC6750-05: GET was answered 403 Forbidden");
}

#[test]
fn a_refusal_with_the_other_status_is_told_once() {
    let record = with_fault("denied-is-unauthenticated", &["*"]);
    let warned = with_verdict(&record, "warn");
    assert_eq!(warned, set(&["bearer.insufficient-scope"]));
    assert_eq!(with_verdict(&record, "fail"), set(&[]));
    let seen = &outcomes(&record)["capability.read.no-put"];
    assert_eq!(seen, "pass  RFC6750-06: PUT was answered 401 Unauthorized");
}

#[test]
fn without_a_macaroon_nothing_is_said_of_what_macaroons_allow() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "POST").then(|| answer(500, &[]))
    });
    let kinds = [
        "activity.no",
        "path.no",
        "holder",
        "caveat",
        "forged",
        "rights",
    ];
    let cases = kinds.map(|kind| format!("macaroon.{kind}*"));
    let cases = cases.iter().map(String::as_str).collect::<Vec<_>>();
    let record = judged(&bed, middle.url(), &cases);
    let outcomes = outcomes(&record);
    assert!(outcomes.len() > 25, "{outcomes:?}");
    for (case, outcome) in &outcomes {
        // That one asks for what has to be refused; the slow one does not run.
        let aside = case == "macaroon.caveat.name-asked" || outcome.starts_with("skip");
        let wanted = "error cannot be judged, because POST was answered 500 Internal Server Error";
        let shown = outcome.starts_with(wanted) && outcome.contains("(see macaroon.issue.granted)");
        assert!(aside || shown, "{case}: {outcome}");
    }
}

#[test]
fn a_copy_that_fails_says_nothing_of_what_becomes_of_its_token() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "COPY").then(|| answer(403, &[]))
    });
    let record = judged(&bed, middle.url(), &["tpc.own-token.*", "tpc.pull"]);
    let outcomes = outcomes(&record);
    for (case, see) in [
        ("tpc.own-token.pull", "tpc.pull"),
        ("tpc.own-token.push", "tpc.push"),
    ] {
        let outcome = &outcomes[case];
        assert!(
            outcome.starts_with("error cannot be judged, because COPY was answered 403")
                && outcome.ends_with(&format!("(see {see})")),
            "{outcome}"
        );
    }
    assert_eq!(told(&record, "tpc.pull").0, "fail");
}

#[test]
fn an_upload_whose_client_is_gone_may_end_in_a_server_error() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::start(&bed, &storage, |asked| {
        let cut = asked.method == "PUT" && asked.before > 0;
        cut.then(|| answer(500, &[]))
    });
    let record = judged(&bed, middle.url(), &["webdav.put.cut-replacing"]);
    let expected = ("pass".to_owned(), Vec::new());
    assert_eq!(told(&record, "webdav.put.cut-replacing"), expected);
}

#[test]
fn what_was_confirmed_and_cannot_be_found_is_a_failure() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let lost = ["GET", "HEAD"];
    let middle = Middle::start(&bed, &storage, move |asked| {
        let lost = lost.contains(&asked.method.as_str()) && asked.path.contains("%20");
        lost.then(|| answer(404, &[]))
    });
    let record = judged(
        &bed,
        middle.url(),
        &["path.escape.space", "path.escape.once"],
    );
    for case in ["path.escape.space", "path.escape.once"] {
        let expected = ("fail".to_owned(), vec!["MUST DAV-23".to_owned()]);
        assert_eq!(told(&record, case), expected, "{case}");
    }
    // What is refused is no lie.
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "PUT" && asked.path.contains("%20")).then(|| answer(403, &[]))
    });
    let record = judged(&bed, middle.url(), &["path.escape.space"]);
    assert_eq!(told(&record, "path.escape.space").0, "error");
}

#[test]
fn an_answer_that_breaks_off_twice_is_a_failure_of_the_service() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    // The first GET is the look at what was arranged.
    for (most, verdict) in [(1, "pass"), (9, "fail")] {
        let middle = Middle::start(&bed, &storage, move |asked| {
            let broken = asked.method == "GET" && (1..=most).contains(&asked.before);
            broken.then(|| breaking_off(answer(200, &[])))
        });
        let record = judged(&bed, middle.url(), &["capability.read.get"]);
        let (seen, findings) = told(&record, "capability.read.get");
        assert_eq!(seen, verdict, "{:?}", outcomes(&record));
        let expected: &[&str] = match verdict {
            "fail" => &["MUST DAV-23"],
            _ => &[],
        };
        assert_eq!(findings, expected);
    }
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "COPY").then(|| breaking_off(answer(200, &[])))
    });
    let record = judged(&bed, middle.url(), &["tpc.push"]);
    let (verdict, findings) = told(&record, "tpc.push");
    assert_eq!(
        (verdict.as_str(), findings.as_slice()),
        ("fail", &["MUST TPC-06".to_owned()][..])
    );
}

#[test]
fn arrays_of_audiences_are_not_to_blame_where_the_audience_alone_is_refused() {
    let arrays = ["audience.array.first", "audience.array.last"];
    let record = with_fault("audience-own-url-refused", &["audience.*"]);
    let found = outcomes(&record);
    for case in arrays {
        let outcome = &found[case];
        assert!(outcome.starts_with("error"), "{case}: {outcome}");
        assert!(outcome.contains("(see audience.own-url)"), "{outcome}");
    }
    assert_eq!(
        told(&record, "audience.own-url"),
        ("warn".into(), vec!["SHOULD JWT-2.1.1-15".into()])
    );
    let record = with_fault("audience-array-refused", &["audience.*"]);
    for case in arrays {
        let (verdict, findings) = told(&record, case);
        assert_eq!((verdict.as_str(), findings.len()), ("fail", 1), "{case}");
    }
}
