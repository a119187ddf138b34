//! Issuers whose keys are gone, or change in the middle of a run: the storage is right to refuse, and not blamed.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::site::{FEW, GOOD, ONE, Signer, Site, side_by_side};
use crate::common::issuer::Reply;
use crate::common::test_bed::TestBed;

#[test]
fn keys_that_are_gone_from_the_start_are_the_issuers_fault() {
    let rows: [(&str, Reply, &[&str]); 4] = [
        (
            "404",
            Reply::html(404, ""),
            &["answered 503", "/jwks answered 404"],
        ),
        (
            "none",
            Reply::json(200, &json!({"keys": []})),
            &["answered 401", "publishes no key `k`"],
        ),
        (
            "HTML",
            Reply::html(200, "<h1>Welcome</h1>"),
            &["answered 503", "did not answer with a key set in JSON"],
        ),
        (
            "a redirect",
            Reply::html(302, "").header("location", "https://127.0.0.1:1/"),
            &["answered 503", "/jwks answered 302"],
        ),
    ];
    side_by_side(&rows, |bed, (what, reply, says)| {
        let reply = reply.clone();
        let site = Site::new(bed, move |_, _, asked| {
            (asked.path == "/jwks").then(|| reply.clone())
        });
        let came = site.run(&ONE);
        let help = [
            "no storage can verify the token, which the issuer `testing` gave",
            "tell whoever runs the issuer",
        ];
        came.expect(what, 3, &[*says, &help].concat());
        assert_eq!(site.left(), [""; 0], "{what}");
        // Nobody can look: a refusal says that nothing was made, and 503 says nothing.
        let unsure = says.contains(&"answered 503");
        let told = came.ended.stderr.contains("`touchstone clean`");
        assert_eq!(told, unsure, "{:?}", came.ended);
        came.expect_no_secret();
    });
}

/// What becomes of the keys after a few tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Nothing signs by another key; those that are published are gone.
    Gone,
    /// The next tokens are signed by another key, which is published beside the first.
    Both,
    /// It is not published.
    Unpublished,
    /// Nothing is published any more.
    Nothing,
}

/// After a few tokens that happens. The next tokens come when the storage may ask for keys again.
fn changing(bed: &TestBed, then: Then) -> Site<'_> {
    let other: OnceLock<Signer> = OnceLock::new();
    Site::new(bed, move |number, signer, asked| {
        let other = || other.get_or_init(|| signer.rotated());
        let keys = |signers: [&Signer; 2]| {
            let keys = signers.map(|signer| signer.keys()["keys"][0].clone());
            Reply::json(200, &json!({"keys": Value::from(keys.to_vec())}))
        };
        match (asked.path.as_str(), then) {
            ("/token", Then::Both | Then::Unpublished | Then::Nothing) if number >= GOOD => {
                Some(other().grants(asked, |_| {}).after(Duration::from_secs(4)))
            }
            ("/jwks", Then::Both) if number > 0 => Some(keys([signer, other()])),
            ("/jwks", Then::Gone | Then::Nothing) if number > 0 => Some(Reply::html(404, "")),
            _ => None,
        }
    })
}

#[test]
fn keys_that_are_gone_or_added_in_the_middle_change_nothing() {
    side_by_side(&[Then::Gone, Then::Both], |bed, then| {
        let site = changing(bed, *then);
        let came = site.run(&FEW);
        let (verdicts, reasons) = came.outcome();
        assert_eq!(came.ended.code, Some(0), "{then:?}: {reasons:#?}");
        let passed = verdicts.iter().all(|verdict| *verdict == "pass");
        assert!(passed && verdicts.len() > 20, "{then:?}: {verdicts:?}");
        came.expect_nothing_left(&format!("{then:?}"));
    });
}

#[test]
fn a_key_that_is_not_published_blames_the_issuer_and_not_the_storage() {
    let rows = [
        (
            Then::Unpublished,
            "the issuer publishes no key `rotated`; its keys are k",
        ),
        (Then::Nothing, "/jwks answered 404"),
    ];
    side_by_side(&rows, |bed, (then, says)| {
        let site = changing(bed, *then);
        let came = site.run(&FEW);
        let what = format!("{then:?}");
        came.expect(
            &what,
            3,
            &[says, "`testing` gave", "tell whoever runs the issuer"],
        );
        // The observer's token is of the first key, and the storage knows that one.
        came.expect_nothing_left(&what);
        came.expect_no_secret();
    });
}
