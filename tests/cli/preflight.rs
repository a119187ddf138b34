//! What a service lacks, and which tokens it does not take, is found out before its cases run, and told once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use touchstone_model::ANY_AUDIENCE;
use touchstone_reference::StorageOptions;

use crate::common::middle::{Middle, answer};
use crate::common::signed::without_not_before;
use crate::common::test_bed::{
    TestBed, expect_no_objects, expect_no_secret, outcomes, sampled, with,
};
use crate::common::wild::{Act, End, Wild};

/// Verdict and why of each case of the lists and some of the covers, of a storage element with these faults; and what was printed.
fn judged(bed: &TestBed, faults: &[&str], more: &str) -> (BTreeMap<String, String>, String) {
    let storage = bed.storage(faults);
    let cases = sampled();
    let cases: Vec<_> = cases.iter().map(String::as_str).collect();
    let told = bed.judge(storage.url(), more, &cases, &[]);
    expect_no_objects(&storage);
    told
}

/// The reasons for which cases were skipped that have to do with another one.
fn put_down(outcomes: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let why = outcomes
        .values()
        .filter_map(|why| why.strip_prefix("skip  put down to "));
    why.collect()
}

#[test]
fn what_is_missing_is_one_finding_and_the_rest_is_put_down_to_it() {
    let bed = TestBed::new();
    for (name, fails, warns, line) in [
        (
            "no-mkcol",
            &["webdav.mkcol.shows"][..],
            &[][..],
            "directories: false",
        ),
        ("no-move", &["webdav.move.statuses"], &[], "move: false"),
        (
            "no-propfind",
            &["webdav.propfind.directory"],
            &[],
            "propfind: false",
        ),
        (
            "groups-ignored",
            &["group.member.read"],
            &[],
            "groups: false",
        ),
        (
            "no-digests",
            &[],
            &["digest.adler32.head"],
            "digests: false",
        ),
    ] {
        let (outcomes, printed) = judged(&bed, &[name], "");
        assert_eq!(with(&outcomes, "error"), [""; 0], "{name}\n{printed}");
        assert_eq!(with(&outcomes, "fail"), fails, "{name}\n{printed}");
        assert_eq!(with(&outcomes, "warn"), warns, "{name}\n{printed}");
        let reasons = put_down(&outcomes);
        assert_eq!(reasons.len(), 1, "{name}: {reasons:?}");
        let line = format!("`traits: {{{line}}}`");
        let reason = reasons.first().expect("a reason");
        let witness = fails
            .iter()
            .chain(warns)
            .find(|case| reason.starts_with(*case));
        let told = &outcomes[*witness.unwrap_or_else(|| panic!("{name}: {reason}"))];
        assert!(
            reason.contains(&line) && told.contains(&line),
            "{told}\n{reason}"
        );
    }
}

#[test]
fn what_is_wrong_with_one_method_is_told_of_that_method() {
    let bed = TestBed::new();
    let say = |head: &'static str| Act::Say(head.into(), End::Close);
    const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<p>x";
    const REFUSED: &str =
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (broken, said, verdict, told) in [
        // Nobody has said anything there.
        ("OPTIONS", "", "error", "webdav.options"),
        ("PROPFIND", PAGE, "fail", "webdav.propfind.directory"),
        ("MKCOL", REFUSED, "fail", "webdav.mkcol.shows"),
    ] {
        // This one makes what is missing above a file.
        let storage = bed.storage(&["no-mkcol"]);
        let usual = bed.storage(&[]);
        let behind = match broken {
            "MKCOL" => &storage,
            _ => &usual,
        };
        let front = Wild::start(&bed, behind.port(), move |method, _| {
            match method == broken {
                true => say(said),
                false => Act::Pass,
            }
        });
        let cases = [
            "webdav.options",
            "webdav.propfind.directory",
            "webdav.mkcol.shows",
            "capability.read.get",
            "webdav.put.empty",
        ];
        let (outcomes, printed) = bed.judge(front.url(), "", &cases, &[]);
        assert!(outcomes[told].starts_with(verdict), "{broken}\n{printed}");
        let errors = with(&outcomes, "error");
        assert!(
            errors.iter().all(|case| *case == told),
            "{broken}\n{printed}"
        );
        for case in ["capability.read.get", "webdav.put.empty"] {
            assert!(outcomes[case].starts_with("pass"), "{broken}\n{printed}");
        }
        expect_no_objects(behind);
    }
}

#[test]
fn what_a_service_does_to_every_request_is_one_reason() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    for (answer, only, told) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "",
            "a name that nobody has made shows as well",
        ),
        (
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://localhost:1/there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "MKCOL",
            "the door redirects to http, where neither tokens nor data are sent",
        ),
    ] {
        let front = Wild::start(&bed, storage.port(), move |method, _| {
            match only.is_empty() || method == only {
                true => Act::Say(answer.into(), End::Close),
                false => Act::Pass,
            }
        });
        let cases = ["webdav.put.empty", "capability.read.get"];
        let (outcomes, printed) = bed.judge(front.url(), "", &cases, &[]);
        for case in cases {
            let why = &outcomes[case];
            assert!(why.starts_with("error"), "{why}\n{printed}");
            assert!(why.contains(told), "{why}\n{printed}");
        }
    }
    expect_no_objects(&storage);
}

#[test]
fn a_method_that_options_offer_and_nobody_knows_is_missing() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "MOVE").then(|| answer(405, &[("allow", "GET, PUT")]))
    });
    let cases = ["capability.modify.move", "webdav.move.*"];
    let (outcomes, printed) = bed.judge(middle.url(), "", &cases, &[]);
    assert_eq!(
        with(&outcomes, "fail"),
        ["webdav.move.statuses"],
        "{printed}"
    );
    assert_eq!(with(&outcomes, "error"), [""; 0], "{printed}");
    let reasons = put_down(&outcomes);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let reason = reasons.first().expect("a reason");
    assert!(
        reason.contains("though OPTIONS offers it") && reason.contains("`traits: {move: false}`"),
        "{reason}"
    );
}

#[test]
fn who_issues_no_macaroons_is_found_out_once() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::start(&bed, &storage, |asked| {
        (asked.method == "POST").then(|| answer(405, &[("allow", "GET, PUT")]))
    });
    let (outcomes, printed) = bed.judge(middle.url(), "", &["macaroon.*"], &[]);
    let failed = with(&outcomes, "fail");
    assert_eq!(failed, ["macaroon.issue.granted"], "{printed}");
    assert_eq!(with(&outcomes, "error"), [""; 0], "{printed}");
    let reasons = put_down(&outcomes);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let line = "`traits: {macaroons: false}`";
    let told = &outcomes["macaroon.issue.granted"];
    assert!(told.contains(line), "{told}");
}

#[test]
fn what_is_declared_missing_is_not_asked_for() {
    let bed = TestBed::new();
    for (fault, line) in [
        ("no-mkcol", "directories: false"),
        ("no-move", "move: false"),
        ("no-propfind", "propfind: false"),
        ("no-digests", "digests: false"),
        ("groups-ignored", "groups: false"),
        ("everybody-reads", "public-read: true"),
    ] {
        let (outcomes, printed) = judged(&bed, &[fault], &format!("    traits: {{{line}}}\n"));
        assert_eq!(with(&outcomes, "fail"), [""; 0], "{fault}\n{printed}");
        assert_eq!(with(&outcomes, "error"), [""; 0], "{fault}\n{printed}");
        assert_eq!(with(&outcomes, "warn"), [""; 0], "{fault}\n{printed}");
        assert_eq!(put_down(&outcomes), BTreeSet::new(), "{fault}\n{printed}");
        let told = outcomes
            .values()
            .filter(|why| why.contains("declares"))
            .count();
        assert!(told > 0, "{fault}\n{printed}");
    }
}

#[test]
fn what_is_declared_missing_and_is_there_is_a_note() {
    let bed = TestBed::new();
    for (line, method) in [("move: false", "MOVE"), ("propfind: false", "PROPFIND")] {
        let (outcomes, printed) = judged(&bed, &[], &format!("    traits: {{{line}}}\n"));
        assert_eq!(with(&outcomes, "fail"), [""; 0], "{printed}");
        let note =
            format!("{{{line}}}` is declared, and yet its answer to OPTIONS offers {method}");
        assert!(printed.contains(&note), "{printed}");
        assert!(bed.record()["endpoints"][0]["notes"][0].is_string());
    }
    let line = "any-audience: false";
    let (_, printed) = judged(&bed, &[], &format!("    traits: {{{line}}}\n"));
    let note = format!("{{{line}}}` is declared, and yet a token for {ANY_AUDIENCE} is taken");
    assert!(printed.contains(&note), "{printed}");
    let (_, printed) = judged(&bed, &[], "");
    assert!(!printed.contains("is declared, and yet"), "{printed}");
    assert_eq!(bed.record()["endpoints"][0]["notes"], Value::Null);
}

#[test]
fn a_run_works_with_the_tokens_that_a_service_takes() {
    let bed = TestBed::new();
    for (faults, told, found) in [
        (
            &["takes-rs256-only"][..],
            &["tokens that are signed with ES256"][..],
            &[
                "authentication.algorithm.both",
                "authentication.algorithm.es256",
            ][..],
        ),
        (
            &["takes-own-audience-only"],
            &["the audience that means every service"],
            &["audience.any", "audience.any.in-array"],
        ),
        (
            &["modify-makes-nothing"],
            &["storage.modify for what is new"],
            &["capability.modify.create-superset", "capability.modify.put"],
        ),
        (
            &["takes-own-audience-only", "takes-rs256-only"],
            &[
                "tokens that are signed with ES256",
                "the audience that means every service",
            ],
            &["audience.any", "authentication.algorithm.es256"],
        ),
        (
            &["takes-first-scope-only"],
            &["more than one scope of a token"],
            &["capability.several.add-up"],
        ),
    ] {
        let (outcomes, printed) = judged(&bed, faults, "");
        for words in told {
            let note = format!("it does not take {words}");
            assert!(printed.contains(&note), "{faults:?}\n{printed}");
        }
        // A finding at the level of its clause: for the audience that is a recommendation.
        let broken = [with(&outcomes, "fail"), with(&outcomes, "warn")].concat();
        for case in found {
            assert!(broken.contains(case), "{faults:?}: {case}\n{printed}");
        }
        // What is missing of capabilities is told where they are judged, and by nothing that only needs some.
        let of_scopes = |words: &&str| words.contains("scope") || words.contains("storage.");
        if told.iter().any(of_scopes) {
            // A copy within the service, a rename that scopes allow together, and a macaroon for everything need several.
            let needs = ["capability.", "webdav.copy.", "macaroon."];
            let needs = |case: &&str| {
                let both = ["copy", ".move-there"]
                    .iter()
                    .any(|word| case.contains(word));
                both || needs.iter().any(|suite| case.starts_with(suite))
            };
            assert!(broken.iter().all(needs), "{faults:?}\n{printed}");
        }
        // What hides behind the refusal is judged as everywhere else.
        let passed = with(&outcomes, "pass").len();
        assert!(passed > 150, "{faults:?}: {passed}\n{printed}");
        // The second issuer has no other key, and what a step needs may be what the service lacks.
        let expected = outcomes
            .iter()
            .filter(|(_, why)| why.starts_with("error"))
            .all(|(case, why)| case.starts_with("isolation.second.") || why.contains("(see "));
        assert!(expected, "{faults:?}\n{printed}");
    }
}

#[test]
fn what_is_forged_allows_what_the_service_wants_of_good_tokens() {
    let bed = TestBed::new();
    let storage = bed.storage(&["modify-makes-nothing", "form-kid-number-on-es256-put"]);
    let case = "form.kid-number.es256-put";
    let (told, printed) = bed.judge(storage.url(), "", &[case], &[]);
    assert!(told[case].starts_with("fail"), "{told:?}\n{printed}");
}

#[test]
fn each_request_has_a_new_token_where_one_is_good_once() {
    let bed = TestBed::new();
    let storage = bed.start(StorageOptions {
        single_use: true,
        ..bed.two_areas()
    });
    bed.endpoints(&[("once", storage.url())], "");
    let printed = bed
        .run(&["run", "--case", "authentication.reuse", "capability.*"])
        .expect(1)
        .stdout;
    let outcomes = outcomes(&bed.record());
    assert_eq!(
        with(&outcomes, "fail"),
        ["authentication.reuse"],
        "{printed}"
    );
    assert_eq!(with(&outcomes, "error"), [""; 0], "{printed}");
    let told = "JWT-2.1.1-11 MUST, see authentication.reuse";
    assert!(printed.contains(told), "{printed}");
}

#[test]
fn where_nothing_helps_one_finding_has_the_services_words_and_the_cause() {
    let bed = TestBed::new();
    let storage = bed.storage(&["not-before-required"]);
    without_not_before(&bed, storage.url(), "");
    let printed = bed.run(&["run", "--quick"]).expect(1).stdout;
    let outcomes = outcomes(&bed.record());
    let failed = with(&outcomes, "fail");
    assert_eq!(failed, ["authentication.not-before.absent"], "{printed}");
    let told = &outcomes["authentication.not-before.absent"];
    for part in [
        "JWT-2.1.1-05: ",
        "MKCOL /wlcg/touchstone-",
        "was answered 401: \"it is not valid yet, or nbf is no number\"",
        "the token has no nbf, which the profile allows: JWT-2.1.1-05",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let errors: BTreeSet<_> = outcomes
        .values()
        .filter(|why| why.starts_with("error"))
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let one = errors.first().expect("an error");
    assert!(
        one.starts_with("error put down to authentication.not-before.absent: "),
        "{one}"
    );
    assert_eq!(printed.matches("  ERROR  ").count(), 1, "{printed}");
}

#[test]
fn check_uses_the_token_and_says_what_was_answered() {
    let bed = TestBed::new();
    let (good, picky) = (bed.storage(&[]), bed.storage(&["takes-own-audience-only"]));
    bed.endpoints(&[("good", good.url()), ("picky", picky.url())], "");
    let told = bed.run(&["check", "--connect"]).expect(3).stdout;
    for part in [
        "endpoint good: PROPFIND of its area with a token of lab was answered 207 Multi-Status\n",
        "endpoint picky: PROPFIND of its area with a token of lab was answered 401 Unauthorized: \"it is meant for another service\"; what may be the cause: ",
        "the audience of the token is the one that means every service: JWT-2.1.1-17",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let strict = bed.storage(&["not-before-required"]);
    without_not_before(&bed, strict.url(), "");
    let told = bed.run(&["check", "--connect"]).expect(3).stdout;
    let cause =
        "what may be the cause: the token has no nbf, which the profile allows: JWT-2.1.1-05";
    assert!(told.contains(cause), "{told}");
    assert_eq!(
        strict.paths(),
        ["/wlcg/", "/wlcg/protected/", "/wlcg2/", "/wlcg2/protected/"]
    );
}

#[test]
fn a_propfind_that_nobody_can_read_fails_where_it_is_judged() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let body = b"<multistatus";
    let front = Wild::start(&bed, storage.port(), move |method, _| match method {
        "PROPFIND" => {
            let head = format!(
                "HTTP/1.1 207 Multi-Status\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            Act::Say([head.as_bytes(), body].concat(), End::Close)
        }
        _ => Act::Pass,
    });
    bed.endpoints(&[("garbled", front.url())], "");
    let printed = bed.run(&["run", "--case", "webdav.*"]).stdout;
    let outcomes = outcomes(&bed.record());
    // Whoever stands between has another name than the server, to which a Destination does not lead.
    let errors = with(&outcomes, "error");
    let led_away = |case: &&&str| {
        [".move", ".copy", "onto"]
            .iter()
            .any(|part| case.contains(part))
    };
    assert!(errors.iter().all(|case| led_away(&case)), "{printed}");
    let failed = with(&outcomes, "fail");
    assert!(failed.contains(&"webdav.propfind.directory"), "{printed}");
    let others = failed.iter().filter(|case| {
        !["propfind", ".move.", ".copy."]
            .iter()
            .any(|part| case.contains(part))
    });
    // The only other ones that look with PROPFIND themselves.
    assert_eq!(
        others.collect::<Vec<_>>(),
        [&"webdav.mkcol.shows", &"webdav.put.onto-empty-directory"],
        "{printed}"
    );
    expect_no_objects(&storage);
}

#[test]
fn where_everybody_reads_that_is_said_once_and_writes_are_judged() {
    let bed = TestBed::new();
    let (outcomes, printed) = judged(&bed, &["everybody-reads"], "");
    let told = ["bearer.none.get", "bearer.none.propfind"];
    assert_eq!(with(&outcomes, "fail"), told, "{printed}");
    assert_eq!(with(&outcomes, "error"), [""; 0], "{printed}");
    let (note, finding) = (
        "everybody may read here without a token",
        "bearer.none.get  critical",
    );
    let place = |text: &str| {
        printed
            .find(text)
            .unwrap_or_else(|| panic!("{text}\n{printed}"))
    };
    assert!(place(note) < place(finding), "{printed}");
    let mut reasons = put_down(&outcomes);
    // Cells of covers are put down to what the lists have found.
    reasons.retain(|reason| !reason.contains("which fails by the same method"));
    // Each is put down to one that has failed.
    for (reason, told) in reasons.iter().zip(told) {
        assert!(reason.starts_with(told), "{reason}");
        assert!(reason.contains("`traits: {public-read: true}`"), "{reason}");
    }
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    for (case, verdict) in [
        ("audience.foreign.read", "skip"),
        ("audience.foreign.write", "pass"),
        ("bearer.none.put", "pass"),
    ] {
        assert!(
            outcomes[case].starts_with(verdict),
            "{case}: {}",
            outcomes[case]
        );
    }
    // One who writes without a right is still found.
    let (outcomes, printed) = judged(&bed, &["everybody-reads", "expired-accepted-on-put"], "");
    let failed = with(&outcomes, "fail");
    assert!(
        failed
            .iter()
            .any(|case| case.starts_with("authentication.expired")),
        "{printed}"
    );
}

#[test]
fn a_secret_is_in_no_note() {
    let bed = TestBed::new();
    let storage = bed.storage(&["takes-own-audience-only"]);
    bed.endpoints(&[("se", storage.url())], "");
    let ended = bed.run(&["run", "--case", "audience.*"]);
    let texts = bed.texts(ended);
    expect_no_secret(&bed, &texts);
}
