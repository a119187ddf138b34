//! The observer's token, which looks and tears down, when it is over in the middle of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::site::{Signer, Site};
use crate::common::issuer::{Asked, Reply};
use crate::common::test_bed::{TestBed, expect_no_secret};

/// A case with one step, whose effect is looked at.
const CASE: &str = "capability.create.put";
/// How long the observer's tokens live, in seconds: little more than what is refused as too few.
const LIFE: i64 = 7;

fn observers(asked: &Asked) -> bool {
    asked.path == "/token" && asked.form()["scope"].contains("storage.modify:/")
}

/// The observer's tokens live shortly, and the token of the step comes only when the first of them is over.
fn slow_step(signer: &Signer, asked: &Asked) -> Option<Reply> {
    let short = |claims: &mut Value| {
        claims["exp"] = json!(claims["iat"].as_i64().map(|now| now + LIFE));
    };
    match (asked.path.as_str(), observers(asked)) {
        (_, true) => Some(signer.grants(asked, short)),
        ("/token", false) => Some(
            signer
                .grants(asked, |_| {})
                .after(Duration::from_secs(LIFE.unsigned_abs())),
        ),
        _ => None,
    }
}

#[test]
fn the_observers_token_is_renewed_when_it_is_over() {
    let bed = TestBed::new();
    let site = Site::new(&bed, |_, signer, asked| slow_step(signer, asked));
    let came = site.run(&["--case", CASE]);
    let (verdicts, reasons) = came.outcome();
    assert_eq!(verdicts, ["pass"], "{reasons:?} {:?}", came.ended);
    assert_eq!(came.ended.code, Some(0), "{:?}", came.ended);
    let asked = site.server.asked();
    assert!(asked.iter().filter(|asked| observers(asked)).count() > 1);
    came.expect_nothing_left(CASE);
    came.expect_no_secret();
}

#[test]
fn what_stays_because_the_issuer_is_dead_is_told_and_removed_by_clean_later() {
    let dead = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&dead);
    let bed = TestBed::new();
    let site = Site::new(&bed, move |number, signer, asked| {
        let down = number > 0 && observers(asked) && state.load(Ordering::SeqCst);
        match down {
            true => Some(Reply::html(500, "<h1>Oops</h1>")),
            false => slow_step(signer, asked),
        }
    });
    let came = site.run(&["--case", CASE]);
    let says = [
        "answered 401 to a token whose time is over, and there is no new one",
        "`testing`",
        "answered 500",
        "see what answers at its token endpoint",
    ];
    came.expect(CASE, 3, &says);
    let left = site.left();
    assert!(!left.is_empty(), "{:?}", came.ended);
    let leftovers = came.record["endpoints"][0]["leftovers"].to_string();
    let cleanup = came.record["results"][0]["cleanup"].to_string();
    for part in says {
        assert!(leftovers.contains(part), "{part}: {leftovers}");
        assert!(cleanup.contains(part), "{part}: {cleanup}");
    }
    assert!(
        came.ended.stderr.contains("`touchstone clean`"),
        "{:?}",
        came.ended
    );
    came.expect_no_secret();

    let ended = site.bed.run(&["clean"]).expect(3);
    assert!(ended.stderr.contains("answered 500"), "{ended:?}");
    assert_eq!(site.left(), left, "{ended:?}");
    dead.store(false, Ordering::SeqCst);
    let ended = site.bed.run(&["clean"]).expect(0);
    assert_eq!(site.left(), [""; 0], "{ended:?}");
    assert!(ended.stdout.contains("nothing is left behind"), "{ended:?}");
    expect_no_secret(site.bed, &site.bed.texts(ended));
}
