//! What the texts allow is no failure, and what they forbid is one: clauses of which more was held against services than they say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use touchstone_reference::Storage;

use crate::common::middle::Middle;
use crate::common::test_bed::{TAPE, TestBed};
use crate::common::wild::{Act, End, Wild};

/// Verdict and why of each case at `url`.
fn judged(bed: &TestBed, url: &str, more: &str, cases: &[&str]) -> BTreeMap<String, String> {
    bed.judge(url, more, cases, &bed.listening()).0
}

/// In front of storage that ends its reports so: `say` is given what it said itself.
fn reporting(bed: &TestBed, storage: &Storage, say: fn(&str) -> String) -> Middle {
    Middle::rewriting(bed, storage, move |asked, mut response| {
        if asked.method.as_str() == "COPY" && response.status().is_success() {
            let said = String::from_utf8_lossy(response.body()).into_owned();
            *response.body_mut() = say(&said).into_bytes();
        }
        response
    })
}

#[test]
fn the_first_line_that_tells_the_outcome_decides_and_what_follows_is_ignored() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let cases = ["tpc.pull", "tpc.push", "tpc.failure.refused"];
    let explained = |said: &str| format!("{said}\nchecksums: none\nand more of it\n");
    let middle = reporting(&bed, &storage, explained);
    let found = judged(&bed, middle.url(), "", &cases);
    for case in ["tpc.pull", "tpc.push"] {
        assert!(found[case].starts_with("pass"), "{found:#?}");
    }
    // A failure that is explained in several lines is one, and is told.
    let failed = &found["tpc.failure.refused"];
    assert!(failed.starts_with("pass"), "{failed}");
    assert!(failed.contains("TPC-06"), "{failed}");
    // Whatever the opposite stands after it.
    let contradicted = |said: &str| format!("{}\nfailure: never mind\n", said.trim_end());
    let middle = reporting(&bed, &storage, contradicted);
    let found = judged(&bed, middle.url(), "", &["tpc.pull"]);
    assert!(found["tpc.pull"].starts_with("pass"), "{found:#?}");
    let taken_back = |said: &str| said.replace("success:", "failure: no\nsuccess:");
    let middle = reporting(&bed, &storage, taken_back);
    let found = judged(&bed, middle.url(), "", &["tpc.pull"]);
    assert!(found["tpc.pull"].starts_with("fail"), "{found:#?}");
}

/// In front of storage whose answers to `archiveinfo` are rewritten, entry by entry.
fn locating(bed: &TestBed, storage: &Storage, entry: fn(&mut Value)) -> Middle {
    let origin = storage.url().to_owned();
    Middle::rewriting(bed, storage, move |asked, mut response| {
        let path = asked.uri.path();
        if path == "/.well-known/wlcg-tape-rest-api" {
            let host = asked.headers["host"].to_str().expect("a host");
            let document = String::from_utf8_lossy(response.body());
            let document = document.replace(&origin, &format!("https://{host}"));
            *response.body_mut() = document.into_bytes();
        }
        if path.ends_with("/archiveinfo")
            && let Ok(Value::Array(mut entries)) = serde_json::from_slice(response.body())
        {
            entries.iter_mut().for_each(entry);
            *response.body_mut() = Value::Array(entries).to_string().into_bytes();
        }
        response
    })
}

#[test]
fn an_error_beside_a_locality_is_lawful_and_a_locality_of_what_is_missing_is_not() {
    let bed = TestBed::new();
    let cases = ["tape.archiveinfo.poll", "tape.archiveinfo.missing"];
    let storage = bed.nearline(&[]);
    // A file that will not get to tape.
    let middle = locating(&bed, &storage, |entry| {
        if !entry["locality"].is_null() {
            entry["locality"] = json!("DISK");
            entry["error"] = json!("USER ERROR: no tape pool for it");
        }
    });
    let found = judged(&bed, middle.url(), TAPE, &cases);
    for case in cases {
        assert_eq!(found[case], "pass", "{found:#?}");
    }
    // Nothing has to be said of what is missing.
    let middle = locating(&bed, &storage, |entry| {
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("error");
        }
    });
    let found = judged(&bed, middle.url(), TAPE, &cases);
    for case in cases {
        assert_eq!(found[case], "pass", "{found:#?}");
    }
    for word in ["tape-missing-is-none", "tape-other-locality"] {
        let storage = bed.nearline(&[word]);
        let found = judged(&bed, storage.url(), TAPE, &["tape.archiveinfo.*"]);
        let failed = found
            .iter()
            .filter(|(_, why)| why.starts_with("fail TAPE-14") || why.starts_with("fail  TAPE-14"));
        assert!(failed.count() > 0, "{word}: {found:#?}");
    }
}

#[test]
fn a_length_that_head_leaves_out_is_a_warning_and_a_wrong_one_a_failure() {
    let bed = TestBed::new();
    let case = "webdav.head.missing";
    let storage = bed.storage(&[]);
    let silent = Wild::start(&bed, storage.port(), |method, path| {
        match method == "HEAD" && !path.ends_with("missing") {
            true => Act::Say(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(),
                End::Close,
            ),
            false => Act::Pass,
        }
    });
    let found = judged(&bed, silent.url(), "", &[case]);
    assert_eq!(found[case], "warn  DAV-17: no Content-Length");
    let wrong = bed.storage(&["head-wrong-length"]);
    let found = judged(&bed, wrong.url(), "", &[case]);
    let told = &found[case];
    assert!(told.starts_with("fail  DAV-17: Content-Length: "), "{told}");
}

/// What is said of a case at the one who has that fault.
fn at_fault(fault: &str, case: &str) -> String {
    let bed = TestBed::new();
    let ended = bed.run(&["demo", "--fault", fault, "--case", case]);
    assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.stderr);
    let record = bed.record();
    let results = record["results"].as_array().expect("results").iter();
    let odd = results.filter(|result| result["case"] == case && result["verdict"] != "pass");
    let told: Vec<_> = odd
        .map(|result| {
            let findings = result["findings"].as_array().expect("findings").iter();
            let binding = findings.filter(|finding| finding["level"] != "MAY");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let clauses = binding
                .map(|finding| format!("{} {}", text(&finding["level"]), text(&finding["clause"])));
            let clauses: Vec<_> = clauses.collect::<BTreeSet<_>>().into_iter().collect();
            format!("{} {}", text(&result["verdict"]), clauses.join(", "))
        })
        .collect();
    match told.as_slice() {
        [one] => one.clone(),
        several => panic!("{fault}: {several:?}\n{}", ended.stdout),
    }
}

#[test]
fn each_fault_weighs_what_its_clause_says() {
    for (fault, case, told) in [
        // Verification and removal are recommended, and that it can be done again is not.
        (
            "tpc-wrong-digest-accepted",
            "tpc.checksum.wrong",
            "warn SHOULD TPC-19",
        ),
        (
            "tpc-leaves-fragment",
            "tpc.failure.cut",
            "warn SHOULD TPC-20",
        ),
        (
            "tpc-leaves-empty",
            "tpc.failure.missing",
            "warn SHOULD TPC-20",
        ),
        (
            "tpc-no-second-try",
            "tpc.failure.missing",
            "fail MUST TPC-31, SHOULD TPC-20",
        ),
        (
            "tape-missing-is-none",
            "tape.archiveinfo.missing",
            "fail MUST NOT TAPE-14",
        ),
        (
            "head-wrong-length",
            "webdav.head.missing",
            "fail MUST DAV-17",
        ),
        // Two keys of different types can be told apart all the same.
        (
            "issuer-keys-of-one-name",
            "issuer.keys.ids",
            "warn SHOULD ISS-JWKS-07",
        ),
        (
            "issuer-keys-twice",
            "issuer.keys.ids",
            "fail MUST NOT ISS-JWKS-07",
        ),
        // The text contradicts itself.
        (
            "issuer-groups-unasked",
            "issuer.groups.unasked",
            "warn SHOULD ISS-GRP-04",
        ),
        (
            "issuer-exchange-keeps-audience",
            "issuer.exchange.audience",
            "warn SHOULD ISS-EX-01",
        ),
    ] {
        assert_eq!(at_fault(fault, case), told, "{fault}");
    }
}
