//! Which tokens a service takes is found out by what a run does there first: where there are no directories by its first file, and at
//! a partner by one that is removed at once.

use std::collections::BTreeMap;

use touchstone_reference::{Storage, StorageOptions, fault};

use crate::common::signed::without_not_before;
use crate::common::test_bed::{TestBed, expect_no_objects, outcomes, with};

/// What a fault of a service is told as, and the case that fails because of it.
const TERMS: [(&str, &str, &str); 4] = [
    (
        "takes-rs256-only",
        "tokens that are signed with ES256",
        "authentication.algorithm.es256",
    ),
    (
        "takes-own-audience-only",
        "the audience that means every service",
        "audience.any",
    ),
    (
        "takes-first-scope-only",
        "more than one scope of a token",
        "capability.several.add-up",
    ),
    (
        "modify-makes-nothing",
        "storage.modify for what is new",
        "capability.modify.put",
    ),
];

#[test]
fn without_directories_the_first_file_shows_which_tokens_are_taken() {
    let bed = TestBed::new();
    for (fault, told, case) in TERMS {
        // Declared, and found out.
        for more in ["    traits: {directories: false}\n", ""] {
            let storage = bed.storage(&["no-mkcol", fault]);
            bed.endpoints(&[("se", storage.url())], more);
            let printed = bed
                .run(&["run", "--case", case, "--case", "capability.create.put"])
                .stdout;
            let outcomes = outcomes(&bed.record());
            assert_eq!(with(&outcomes, "error"), [""; 0], "{fault}\n{printed}");
            let found = &outcomes[case];
            let broken = found.starts_with("fail") || found.starts_with("warn");
            // That one makes a directory.
            let skipped = found.starts_with("skip") && case == "capability.several.add-up";
            assert!(broken || skipped, "{fault}: {found}\n{printed}");
            let note = format!("it does not take {told}");
            assert!(printed.contains(&note), "{fault}\n{printed}");
            assert!(
                outcomes["capability.create.put"].starts_with("pass"),
                "{printed}"
            );
            expect_no_objects(&storage);
        }
    }
}

#[test]
fn without_directories_each_request_has_a_new_token_where_one_is_good_once() {
    let bed = TestBed::new();
    let storage = bed.start(StorageOptions {
        single_use: true,
        faults: fault("no-mkcol").into_iter().collect(),
        ..bed.two_areas()
    });
    let more = "    traits: {directories: false}\n";
    let cases = ["authentication.reuse", "capability.create.*"];
    let (outcomes, printed) = bed.judge(storage.url(), more, &cases, &[]);
    assert_eq!(
        with(&outcomes, "fail"),
        ["authentication.reuse"],
        "{printed}"
    );
    assert_eq!(with(&outcomes, "error"), [""; 0], "{printed}");
    let told = "JWT-2.1.1-11 MUST, see authentication.reuse";
    assert!(printed.contains(told), "{printed}");
    expect_no_objects(&storage);
}

#[test]
fn where_nothing_helps_the_services_words_are_told_whatever_was_asked_first() {
    let bed = TestBed::new();
    let content = b"An existing file of a few dozen bytes, which is there to be read.\n";
    let sum = adler2::adler32_slice(content);
    let existing = format!("read-only: {{file: /production/f, checksum: \"adler32:{sum:08x}\"}}");
    for (traits, asked) in [
        (existing.as_str(), "GET /wlcg/production/f was answered 401"),
        ("directories: false", "PUT /wlcg/touchstone-"),
    ] {
        let faults = ["not-before-required", "no-mkcol"];
        let storage = bed.start(StorageOptions {
            faults: faults.iter().filter_map(|name| fault(name)).collect(),
            files: vec![("/wlcg/production/f".into(), content.to_vec())],
            ..bed.two_areas()
        });
        without_not_before(&bed, storage.url(), traits);
        let printed = bed.run(&["run", "--case", "capability.read.*"]).stdout;
        let outcomes = outcomes(&bed.record());
        let told = &outcomes["capability.read.get"];
        for part in [
            asked,
            "\"it is not valid yet, or nbf is no number\"",
            "the token has no nbf, which the profile allows: JWT-2.1.1-05",
        ] {
            assert!(told.contains(part), "{part}\n{told}\n{printed}");
        }
        expect_no_objects(&storage);
    }
}

/// What a run at the first endpoint finds of transfers with the second, and what is printed.
fn at_a_partner(bed: &TestBed, partner: &Storage) -> (BTreeMap<String, String>, String) {
    let own = bed.storage(&[]);
    bed.endpoints(&[("own", own.url()), ("there", partner.url())], "");
    let arguments = [
        "run",
        "--endpoint",
        "own",
        "--case",
        "tpc.pair.pull",
        "tpc.pair.push",
    ];
    let ended = bed.run(&arguments).expect(0);
    expect_no_objects(&own);
    expect_no_objects(partner);
    (outcomes(&bed.record()), ended.stdout + &ended.stderr)
}

#[test]
fn a_partner_is_given_the_tokens_that_it_takes() {
    let bed = TestBed::new();
    for (fault, told, _) in TERMS {
        let partner = bed.storage(&[fault]);
        let (outcomes, printed) = at_a_partner(&bed, &partner);
        for case in ["tpc.pair.pull", "tpc.pair.push"] {
            assert_eq!(outcomes[case], "pass", "{fault}");
        }
        let note = format!("it does not take {told}");
        assert!(printed.contains(&note), "{fault}\n{printed}");
    }
}

#[test]
fn another_name_for_the_same_door_is_no_partner() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let url = storage.url();
    bed.endpoints(&[("one", url), ("alias", url)], "");
    let run = ["run", "--endpoint", "one", "--case", "tpc.pair.*"];
    let ended = bed.run(&run);
    let outcomes = outcomes(&bed.record());
    assert!(!outcomes.is_empty(), "{}", ended.stderr);
    for (case, outcome) in outcomes {
        let told = "there is no second endpoint at another host or port";
        assert!(
            outcome.contains(told),
            "{case}: {outcome}\n{}",
            ended.stdout
        );
    }
    expect_no_objects(&storage);
}

#[test]
fn of_several_audiences_that_are_declared_the_one_is_used_that_is_taken() {
    let bed = TestBed::new();
    let storage = bed.storage(&["takes-own-audience-only"]);
    let url = storage.url();
    let declared = format!("    audience: [https://alias.example.org, \"{url}\"]\n");
    let cases = ["capability.create.put", "audience.array.*"];
    let (outcomes, printed) = bed.judge(url, &declared, &cases, &[]);
    assert_eq!(outcomes["capability.create.put"], "pass", "{printed}");
    let note = "it does not take the first of the audiences that are declared for it";
    assert!(printed.contains(note), "{printed}");
    expect_no_objects(&storage);
}
