//! What is declared of a service and is not so is a note, and nothing else changes.

use serde_json::Value;
use touchstone_reference::{Storage, like};

use crate::common::test_bed::{TestBed, expect_no_objects, expect_no_secret, named, outcomes};

/// The notes about an endpoint where this is declared.
fn noted(bed: &TestBed, storage: &Storage, traits: &str) -> Vec<String> {
    let more = format!("    traits: {{{traits}}}\n");
    bed.endpoints(&[("se", storage.url())], &more);
    bed.run(&["run", "--case", "capability.create.put"])
        .expect(0);
    notes(&bed.record())
}

fn notes(record: &Value) -> Vec<String> {
    let notes = record["endpoints"][0]["notes"].as_array();
    let notes = notes.into_iter().flatten();
    notes
        .map(|note| note.as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn what_is_declared_missing_and_is_there_is_found_where_options_are_silent() {
    let bed = TestBed::new();
    let silent = bed.nearline(&["options-names-nothing"]);
    let mut options = bed.two_areas();
    options.faults = like("xrootd-6.2").expect("an imitation").deviations();
    options.faults.extend(named(&["options-names-nothing"]));
    let xrootd = bed.start(options);
    for (line, shown) in [
        ("move: false", "MOVE was answered 404 Not Found"),
        ("propfind: false", "PROPFIND was answered 404 Not Found"),
        ("third-party-copy: false", "COPY was answered 404 Not Found"),
        ("directories: false", "MKCOL was answered 201 Created"),
        (
            "digests: false",
            "HEAD with Want-Digest: adler32 was answered with a checksum (digest)",
        ),
        (
            "macaroons: false",
            "POST of a macaroon request was answered 200 OK with a macaroon",
        ),
        (
            "tape: false",
            "GET /.well-known/wlcg-tape-rest-api says where its tape REST API is",
        ),
    ] {
        let note = format!(
            "`traits: {{{line}}}` is declared, and yet {shown}: what needs that is not judged"
        );
        // A run without directories needs somebody who makes what is above a file.
        let storage = match line {
            "directories: false" => &xrootd,
            _ => &silent,
        };
        assert_eq!(noted(&bed, storage, line), [note]);
        expect_no_objects(storage);
    }
}

#[test]
fn what_is_declared_missing_and_is_missing_is_no_note() {
    let bed = TestBed::new();
    for (fault, line) in [
        ("no-mkcol", "directories: false"),
        ("no-move", "move: false"),
        ("no-propfind", "propfind: false"),
        ("no-copy", "third-party-copy: false"),
        ("no-digests", "digests: false"),
        ("everybody-reads", "public-read: true"),
    ] {
        let storage = bed.storage(&[fault, "options-names-nothing"]);
        assert_eq!(noted(&bed, &storage, line), [""; 0], "{fault}");
        expect_no_objects(&storage);
    }
    // Nothing is declared by what is left out.
    let storage = bed.nearline(&[]);
    assert_eq!(noted(&bed, &storage, "move: true"), [""; 0]);
    // Nobody offers it, and nobody has it.
    let storage = bed.storage(&[]);
    assert_eq!(noted(&bed, &storage, "tape: false"), [""; 0]);
}

#[test]
fn an_allow_that_leaves_out_what_is_there_makes_nothing_absent() {
    let bed = TestBed::new();
    let storage = bed.storage(&["options-names-nothing"]);
    bed.endpoints(&[("se", storage.url())], "");
    let cases = [
        "webdav.move.*",
        "webdav.mkcol.*",
        "webdav.propfind.*",
        "webdav.copy.*",
    ];
    let mut arguments = vec!["run"];
    arguments.extend(cases.iter().flat_map(|case| ["--case", *case]));
    let printed = bed.run(&arguments).expect(0).stdout;
    let outcomes = outcomes(&bed.record());
    let not_judged = outcomes.values().filter(|why| why.starts_with("skip"));
    let absent = not_judged.filter(|why| why.contains("put down to") || why.contains("declare"));
    assert_eq!(absent.collect::<Vec<_>>(), [""; 0], "{printed}");
    assert_eq!(notes(&bed.record()), [""; 0]);
}

#[test]
fn public_reading_that_is_declared_and_refused_is_one_note() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let note = "`traits: {public-read: true}` is declared, and yet GET without a token was answered 401 Unauthorized: what a token does not let its bearer read is not judged";
    assert_eq!(noted(&bed, &storage, "public-read: true"), [note]);
    expect_no_objects(&storage);
}

#[test]
fn where_public_reading_is_declared_writes_without_a_token_are_judged() {
    let bed = TestBed::new();
    for (faults, put) in [
        (&["everybody-reads"][..], "pass"),
        (&["everybody-reads", "visitors-write"], "fail"),
    ] {
        let storage = bed.storage(faults);
        let more = "    traits: {public-read: true}\n";
        bed.endpoints(&[("se", storage.url())], more);
        let printed = bed.run(&["run", "--case", "bearer.none.*"]).stdout;
        let outcomes = outcomes(&bed.record());
        let read = &outcomes["bearer.none.get"];
        let declared = "skip  the endpoint declares that everybody may read there";
        assert!(read.starts_with(declared), "{read}\n{printed}");
        let written = &outcomes["bearer.none.put"];
        assert!(written.starts_with(put), "{faults:?}: {written}\n{printed}");
    }
}

#[test]
fn a_macaroon_that_shows_that_there_are_some_is_shown_nowhere() {
    let bed = TestBed::new();
    let storage = bed.nearline(&[]);
    bed.endpoints(
        &[("se", storage.url())],
        "    traits: {macaroons: false, tape: false}\n",
    );
    let ended = bed.run(&["run", "--case", "capability.create.put"]);
    let texts = bed.texts(ended);
    expect_no_secret(&bed, &texts);
}
