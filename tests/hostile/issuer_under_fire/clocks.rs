//! Issuers whose clock is hours off, from the start and from the middle of a run.

use serde_json::{Value, json};

use super::site::{FEW, GOOD, ONE, Site, side_by_side};

const HOUR: i64 = 3600;

/// Moves these claims by so many seconds.
fn moved(names: &[&str], by: i64) -> impl FnOnce(&mut Value) {
    move |claims| {
        for name in names {
            claims[name] = json!(claims[name].as_i64().expect("a time") + by);
        }
    }
}

const ALL: &[&str] = &["iat", "nbf", "exp"];

#[test]
fn a_clock_of_the_issuer_that_is_hours_off_is_told_and_the_storage_not_blamed() {
    let rows: [(&str, &[&str], i64, &str); 5] = [
        (
            "ahead",
            ALL,
            5 * HOUR,
            "the token is issued only in 4h 59m ",
        ),
        ("behind", ALL, -5 * HOUR, "the token has expired 4h 40m"),
        (
            "nbf ahead",
            &["nbf"],
            3 * HOUR,
            "the token is valid only in 2h 59m ",
        ),
        (
            "iat ahead",
            &["iat"],
            3 * HOUR,
            "the token is issued only in 2h 59m ",
        ),
        (
            "exp behind",
            &["exp"],
            -3 * HOUR,
            "the token has expired 2h 40m",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .flat_map(|row| [(*row, 0), (*row, GOOD)])
        .collect();
    side_by_side(&rows, |bed, ((name, claims, by, says), good)| {
        let (claims, by, good) = (*claims, *by, *good);
        let site = Site::new(bed, move |number, signer, asked| {
            let hit = asked.path == "/token" && number >= good;
            hit.then(|| signer.grants(asked, moved(claims, by)))
        });
        let what = format!("{name} after {good}");
        let came = site.run(&FEW);
        came.expect(
            &what,
            3,
            &[says, "that of the issuer and that of this machine"],
        );
        let (_, reasons) = came.outcome();
        let undecided = reasons.iter().all(|reason| reason.starts_with("error "));
        assert!(undecided, "{what}: {reasons:#?}");
        came.expect_nothing_left(&what);
        came.expect_no_secret();
    });
}

#[test]
fn times_that_no_calendar_has_are_no_trouble() {
    let rows: [(&str, Value, Option<&str>); 6] = [
        ("iat", json!(i64::MAX), Some("issued only in")),
        ("nbf", json!(1e300), Some("valid only in")),
        ("exp", json!(-1e300), Some("does not say when")),
        ("exp", Value::Null, Some("does not say when")),
        ("exp", json!("tomorrow"), Some("does not say when")),
        ("exp", json!(1e300), None),
    ];
    side_by_side(&rows, |bed, (name, value, says)| {
        let (name, value, says) = (*name, value.clone(), *says);
        let what = format!("{name}: {value}");
        let site = Site::new(bed, move |_, signer, asked| {
            let change = |claims: &mut Value| claims[name] = value.clone();
            (asked.path == "/token").then(|| signer.grants(asked, change))
        });
        let came = site.run(&ONE);
        match says {
            Some(says) => came.expect(&what, 3, &[says]),
            None => assert_eq!(came.ended.code, Some(0), "{what}: {:?}", came.ended),
        }
        came.expect_nothing_left(&what);
    });
}
