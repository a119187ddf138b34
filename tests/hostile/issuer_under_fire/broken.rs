//! Exchanges with the issuer that break byte by byte, after a few good ones and from the start.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::site::{FEW, GOOD, ONE, SHORT, Site, side_by_side};
use crate::common::issuer::METADATA;
use crate::common::test_bed::TestBed;
use crate::common::wild::{Act, troubles};

/// What is told where the answer never comes to its end within [`SHORT`].
const NO_ANSWER: &str = "no answer within 3s";

/// What each trouble is told as.
fn told(trouble: &str) -> &'static str {
    match trouble {
        "an endless body" => "larger than",
        "a bomb" => " in JSON; ",
        "silence"
        | "one byte of the head at a time"
        | "one byte of the body at a time"
        | "informational answers without end" => NO_ANSWER,
        "nobody listens any more" => "no connection: Connection refused",
        _ => "the exchange broke",
    }
}

/// From the request with that number on, everything that is sent to `path` goes wrong so.
fn site<'l>(
    bed: &'l TestBed,
    path: &'static str,
    good: usize,
    (trouble, act): (&str, &Act),
) -> Site<'l> {
    let certificate = bed.authority.certificate().expect("a certificate");
    let (act, seen) = (act.clone(), AtomicUsize::new(0));
    let acting = move |_: &str, asked: &str| match asked == path
        && seen.fetch_add(1, Ordering::SeqCst) >= good
    {
        true => act.clone(),
        false => Act::Pass,
    };
    let mut site = Site::behind(bed, (certificate, Box::new(acting)));
    if told(trouble) == NO_ANSWER {
        site.answer = SHORT;
    }
    site
}

#[test]
fn a_token_endpoint_that_breaks_in_the_middle_is_told() {
    let mut rows = troubles();
    rows.push(("nobody listens any more", Act::Leave));
    side_by_side(&rows, |bed, (trouble, act)| {
        let site = site(bed, "/token", GOOD, (trouble, act));
        // One after the other: nobody is on his way when the port closes.
        let came = site.run(&[&FEW[..], &["--jobs", "1"]].concat());
        came.expect(
            trouble,
            3,
            &["error no token from", told(trouble), "see wh"],
        );
        let (_, reasons) = came.outcome();
        assert!(
            reasons
                .iter()
                .all(|reason| reason.len() < 600 && reason.contains("`testing`")),
            "{reasons:#?}"
        );
        came.expect_nothing_left(trouble);
        came.expect_no_secret();
    });
}

#[test]
fn metadata_that_break_are_told_before_any_secret_is_sent() {
    side_by_side(&troubles(), |bed, (trouble, act)| {
        let site = site(bed, METADATA, 0, (trouble, act));
        let came = site.run(&ONE);
        let help = match *trouble {
            "a bomb" => "write its URL in the endpoints file",
            _ => "see whether the issuer is up",
        };
        came.expect(trouble, 3, &["error the observer", told(trouble), help]);
        assert_eq!(site.asked(), 0, "{trouble}");
        came.expect_nothing_left(trouble);
        came.expect_no_secret();
    });
}
