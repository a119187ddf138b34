//! Covers: tables of cases that share what is arranged.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use touchstone_reference::{Storage, StorageOptions};

use crate::common::middle::{Middle, answer};
use crate::common::test_bed::{TestBed, named, outcomes};

/// How many of the requests that a storage element was sent were of that method and ended so.
fn sent(requests: &[String], method: &str, end: &str) -> usize {
    let asked = |line: &&String| {
        let mut words = line.split(' ');
        words.next() == Some(method) && words.next().is_some_and(|path| path.ends_with(end))
    };
    requests.iter().filter(asked).count()
}

/// A storage element that keeps what it was sent.
fn recorded(bed: &TestBed, faults: &[&str]) -> Storage {
    bed.start(StorageOptions {
        recorded: true,
        faults: named(faults),
        ..bed.two_areas()
    })
}

fn with_verdict<'o>(outcomes: &'o BTreeMap<String, String>, verdict: &str) -> Vec<&'o str> {
    let of = outcomes
        .iter()
        .filter(|(_, told)| told.starts_with(verdict));
    of.map(|(case, _)| case.as_str()).collect()
}

#[test]
fn what_is_shared_is_made_once_asked_for_by_all_and_looked_at_once() {
    let bed = TestBed::new();
    let storage = recorded(&bed, &[]);
    let (told, _) = bed.judge(storage.url(), "", &["cover.*.delete"], &[]);
    assert!(told.len() > 30, "{told:?}");
    assert_eq!(with_verdict(&told, "pass").len(), told.len(), "{told:?}");
    let requests = storage.requests();
    let file = "cover.defects.delete/here/f";
    assert_eq!(sent(&requests, "PUT", file), 1);
    // Each cell, the control, and who clears up and finds nothing.
    let deleted = sent(&requests, "DELETE", file);
    assert!(deleted <= told.len() + 2, "{deleted}");
    // Once when it was made, once after all refusals, and once after the control.
    let looks = sent(&requests, "GET", file) + sent(&requests, "PROPFIND", file);
    assert!(looks <= 6, "{looks}");
}

#[test]
fn what_was_granted_is_told_and_the_rest_is_asked_anew() {
    let bed = TestBed::new();
    let storage = bed.storage(&["cover-audience-number-on-put"]);
    let (told, _) = bed.judge(
        storage.url(),
        "",
        &["cover.*.put", "cover.audience-number.*"],
        &[],
    );
    assert_eq!(with_verdict(&told, "fail"), ["cover.audience-number.put"]);
    assert_eq!(
        with_verdict(&told, "pass").len(),
        told.len() - 1,
        "{told:?}"
    );
    let record = bed.record();
    let results = record["results"].as_array().expect("results").iter();
    let left: Vec<_> = results
        .filter(|result| result["cleanup"].is_array())
        .collect();
    assert_eq!(left, Vec::<&Value>::new());
}

#[test]
fn who_has_done_what_all_were_refused_is_found_by_asking_each_alone() {
    let bed = TestBed::new();
    let storage = bed.storage(&["cover-audience-number-on-put"]);
    let middle = Middle::rewriting(&bed, &storage, |asked, mut response| {
        let token = asked.headers.get("authorization");
        let token = token
            .and_then(|token| token.to_str().ok())
            .unwrap_or_default();
        let claims = token.split('.').nth(1).unwrap_or_default();
        let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
        // It is done, and said to be refused.
        if String::from_utf8_lossy(&claims).contains("\"aud\":42") {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        response
    });
    let (told, _) = bed.judge(middle.url(), "", &["cover.*.put"], &[]);
    assert_eq!(with_verdict(&told, "fail"), ["cover.audience-number.put"]);
    assert_eq!(
        with_verdict(&told, "pass").len(),
        told.len() - 1,
        "{told:?}"
    );
}

#[test]
fn what_a_list_finds_by_the_same_method_is_told_once() {
    let bed = TestBed::new();
    let storage = bed.storage(&["audience-ignored"]);
    let cases = ["audience.foreign.*", "cover.audience-foreign.*"];
    let (told, stdout) = bed.judge(storage.url(), "", &cases, &[]);
    for (case, list) in [("get-range", "read"), ("put-over", "write")] {
        assert_eq!(
            told[&format!("cover.audience-foreign.{case}")],
            format!("skip  put down to audience.foreign.{list}, which fails by the same method")
        );
    }
    // No list asks by these, and they stand in one paragraph.
    assert!(
        told["cover.audience-foreign.head"].starts_with("fail"),
        "{told:?}"
    );
    assert!(
        told["cover.audience-foreign.mkcol"].starts_with("fail"),
        "{told:?}"
    );
    let paragraphs = stdout.matches("FAIL   cover.audience-foreign.").count();
    assert_eq!(paragraphs, 1, "{stdout}");
    assert!(stdout.contains("also: cover.audience-foreign."), "{stdout}");
}

#[test]
fn cells_of_one_row_that_judge_different_claims_are_told_apart() {
    let bed = TestBed::new();
    let storage = bed.storage(&["form-object-on-iss-get", "form-object-on-aud-put"]);
    let (told, stdout) = bed.judge(storage.url(), "", &["form.object.*"], &[]);
    let failed = ["form.object.aud-put", "form.object.iss-get"];
    assert_eq!(with_verdict(&told, "fail"), failed);
    assert_eq!(with_verdict(&told, "pass").len(), told.len() - 2);
    for case in failed {
        let paragraphs = stdout.matches(&format!("FAIL   {case}")).count();
        assert_eq!(paragraphs, 1, "{stdout}");
    }
    assert!(!stdout.contains("also: form."), "{stdout}");
}

#[test]
fn keys_of_both_kinds_are_asked_with_whichever_comes_first() {
    let bed = TestBed::new();
    let storage = bed.storage(&["der-signature-accepted"]);
    for swapped in [false, true] {
        bed.endpoints(&[("se", storage.url())], "");
        let file = bed.path("endpoints.yaml");
        let text = std::fs::read_to_string(&file).expect("the endpoints");
        let begin = text.find("      - {file: key.pem").expect("the EC key");
        let middle = text.find("      - {file: rsa.pem").expect("the RSA key");
        let end = text.find("  neighbour:").expect("the neighbour");
        let [ec, rsa] = [&text[begin..middle], &text[middle..end]];
        let keys = if swapped { [rsa, ec] } else { [ec, rsa] };
        let text = [&text[..begin], keys[0], keys[1], &text[end..]].concat();
        bed.write("endpoints.yaml", &text);
        let cases = ["authentication.es256.*", "form.der.*", "form.flipped.*"];
        let arguments = cases.iter().flat_map(|case| ["--case", *case]);
        let ended = bed.run(&["run"].into_iter().chain(arguments).collect::<Vec<_>>());
        let told = outcomes(&bed.record_of(&ended));
        let der = ["authentication.es256.der", "form.der.es256-put"];
        assert_eq!(with_verdict(&told, "fail"), der, "{told:?}");
        assert_eq!(
            with_verdict(&told, "pass").len(),
            told.len() - 2,
            "{told:?}"
        );
    }
}

#[test]
fn who_asks_to_come_back_later_is_left_in_peace() {
    let bed = TestBed::new();
    let storage = recorded(&bed, &[]);
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "HEAD").then(|| answer(429, &[("retry-after", "7200")]))
    });
    let more = "    limits: {jobs: 1}\n";
    let (told, _) = bed.judge(middle.url(), more, &["cover.*.head"], &[]);
    // One was told so, and nobody has asked after that.
    assert_eq!(with_verdict(&told, "error").len(), 1, "{told:?}");
    let spared = told
        .values()
        .filter(|told| told.starts_with("skip  the service has asked to come back later"));
    assert_eq!(spared.count(), told.len() - 1, "{told:?}");
    assert_eq!(sent(&storage.requests(), "HEAD", "/here/f"), 0);
}

#[test]
fn what_a_capability_allows_is_done_and_what_it_allows_to_see_is_asked_for_with_the_rest() {
    let bed = TestBed::new();
    let storage = recorded(&bed, &[]);
    let cases = [
        "cover.read-*.get",
        "cover.create-*.get",
        "cover.modify-*.get",
        "cover.modify-*.put-over",
        "cover.stage-object.propfind-0",
    ];
    let (told, _) = bed.judge(storage.url(), "", &cases, &[]);
    assert_eq!(with_verdict(&told, "pass").len(), told.len(), "{told:?}");
    assert!(told.contains_key("cover.read-ancestor.get"), "{told:?}");
    let requests = storage.requests();
    // Made once, although some may read it.
    assert_eq!(sent(&requests, "PUT", "cover.capabilities.get/here/f"), 1);
    // Whoever may replace it has one of its own.
    assert_eq!(
        sent(&requests, "PUT", "cover.modify-object.put-over/here/f"),
        2
    );
    // A look by PROPFIND is enough.
    let look = "cover.capabilities.propfind-0/here/f";
    assert_eq!(sent(&requests, "HEAD", look), 0);
}

#[test]
fn a_look_is_refused_only_where_both_forms_are() {
    let bed = TestBed::new();
    let case = "cover.create-object.propfind-0";
    for (fault, verdict) in [
        ("no-propfind", "pass"),
        ("cover-create-object-on-propfind-0", "fail  JWT-2.2.1-28"),
    ] {
        let storage = bed.storage(&[fault]);
        let (told, _) = bed.judge(storage.url(), "", &[case], &[]);
        assert!(told[case].starts_with(verdict), "{fault}: {}", told[case]);
    }
}

#[test]
fn the_refusal_of_a_spelling_means_something_only_where_the_plain_request_succeeds() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let cases = ["cover.spelled-*.head"];
    let (told, _) = bed.judge(storage.url(), "", &cases, &[]);
    assert_eq!(with_verdict(&told, "pass").len(), told.len(), "{told:?}");
    let middle = Middle::start(&bed, &storage, |asked| {
        let plain = asked.path.ends_with("cover.spellings.head/there/f");
        (asked.method == "HEAD" && plain).then(|| answer(403, &[]))
    });
    let (told, _) = bed.judge(middle.url(), "", &cases, &[]);
    let unproven = told
        .values()
        .filter(|told| told.starts_with("error") && told.contains("a refusal proves nothing"));
    assert_eq!(unproven.count(), told.len(), "{told:?}");
}

#[test]
fn what_a_spelling_has_done_is_found_although_it_is_said_to_be_refused() {
    let bed = TestBed::new();
    let storage = bed.storage(&["cover-spelled-semicolon-on-delete"]);
    let middle = Middle::rewriting(&bed, &storage, |asked, mut response| {
        if asked.uri.path().contains("..;") {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        response
    });
    let (told, _) = bed.judge(middle.url(), "", &["cover.spelled-*.delete"], &[]);
    assert_eq!(
        with_verdict(&told, "fail"),
        [
            "cover.spelled-parameter.delete",
            "cover.spelled-semicolon.delete"
        ]
    );
    assert_eq!(
        with_verdict(&told, "pass").len(),
        told.len() - 2,
        "{told:?}"
    );
}

#[test]
fn what_nobody_is_offered_is_asked_for_once() {
    let bed = TestBed::new();
    let storage = recorded(&bed, &["no-copy"]);
    let (told, _) = bed.judge(storage.url(), "", &["cover.*.copy"], &[]);
    assert!(told.len() > 60, "{told:?}");
    assert_eq!(with_verdict(&told, "skip").len(), told.len(), "{told:?}");
    let requests = storage.requests();
    assert_eq!(sent(&requests, "COPY", "cover.defects.copy/here/f"), 1);
}

#[test]
fn what_was_let_through_when_reading_is_asked_for_first_when_writing() {
    let bed = TestBed::new();
    let storage = recorded(&bed, &["scitokens-scopes"]);
    let cases = [
        "cover.scitokens.get",
        "cover.scitokens.put",
        "cover.signature-*.put",
        "cover.audience-*.put",
    ];
    let (told, _) = bed.judge(storage.url(), "", &cases, &[]);
    let failed = with_verdict(&told, "fail");
    assert_eq!(failed, ["cover.scitokens.get", "cover.scitokens.put"]);
    let puts = told.keys().filter(|case| case.ends_with(".put")).count();
    // Nobody who was refused is asked again because of what was let through behind them.
    let sent = sent(&storage.requests(), "PUT", "cover.defects.put/here/new");
    assert!(puts > 6 && sent <= puts + 2, "{sent} for {puts} cells");
}

#[test]
fn a_quick_run_has_no_covers() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let (told, _) = bed.judge(
        storage.url(),
        "",
        &["cover.*.get", "capability.read.get"],
        &["--quick"],
    );
    assert_eq!(told.keys().collect::<Vec<_>>(), ["capability.read.get"]);
}

#[test]
fn an_issuer_whose_key_we_lack_is_asked_for_nothing_more() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let asked = |arguments: &[&str]| {
        bed.endpoints(&[("se", storage.url())], "");
        let file = bed.path("endpoints.yaml");
        let text = std::fs::read_to_string(&file).expect("the endpoints");
        let begin = text.find("    test-key:\n      - ").expect("the keys");
        let end = text.find("  neighbour:").expect("the neighbour");
        bed.write(
            "endpoints.yaml",
            &format!("{}{}", &text[..begin], &text[end..]),
        );
        let cases = [
            "--case",
            "capability.*",
            "authentication.*",
            "cover.*.get",
            "cover.*.put",
        ];
        let ended = bed.run(&[&["run"], &cases[..], arguments].concat());
        let record = bed.record_of(&ended);
        (record["tokens"].clone(), outcomes(&record))
    };
    let (quick, _) = asked(&["--quick"]);
    let (whole, told) = asked(&[]);
    assert_eq!(whole, quick);
    // What needs no token, and what is made of one that others have too.
    for row in ["none", "garbage", "signature-flipped"] {
        let cell = format!("cover.{row}.get");
        assert!(told[&cell].starts_with("pass"), "{cell}: {}", told[&cell]);
    }
    let spared = &told["cover.path-outside.get"];
    assert!(
        spared.contains("asked for tokens that no other case needs"),
        "{spared}"
    );
}
