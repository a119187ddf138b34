//! Token endpoints whose answers go wrong after a few good ones.

use serde_json::{Value, json};

use super::site::{FEW, GOOD, SHORT, Signer, Site, granted, side_by_side};
use crate::common::issuer::{Asked, Reply};
use crate::common::test_bed::TestBed;
use crate::common::waiting::HANGS;

/// A way for a token endpoint to go wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Refusing(u16),
    Forbidden,
    Slow,
    Html,
    Truncated,
    Endless,
    Huge,
    Redirect(&'static str),
    RateLimit,
    Busy(Option<&'static str>),
    Broken,
    Expired,
    Misaddressed,
    Stranger,
}

/// What comes of the trouble instead of a good answer.
fn spoilt(trouble: Trouble, signer: &Signer, asked: &Asked) -> Reply {
    let with = |change: fn(&mut Value)| signer.grants(asked, change);
    let text = |body: &str| Reply {
        body: body.as_bytes().to_vec(),
        ..Reply::json(200, &Value::Null)
    };
    match trouble {
        Trouble::Refusing(status) => Reply::json(
            status,
            &json!({"error": "invalid_client", "error_description": "who are you?"}),
        ),
        Trouble::Forbidden => Reply::html(403, "<h1>Forbidden</h1>"),
        Trouble::Slow => with(|_| {}).after(2 * HANGS),
        Trouble::Html => Reply::html(200, "<html>Log in</html>"),
        Trouble::Truncated => text("{\"access_token\": \"eyJ"),
        Trouble::Endless => text(&format!("{{\"pad\": \"{}", "x".repeat(1 << 20))),
        Trouble::Huge => granted(&"x".repeat(100_000)),
        Trouble::Redirect(to) => Reply::html(307, "").header("location", to),
        Trouble::RateLimit => Reply::json(429, &json!({})).header("retry-after", "3600"),
        Trouble::Busy(None) => Reply::html(503, "<h1>Later</h1>"),
        Trouble::Busy(Some(wait)) => Reply::html(503, "").header("retry-after", wait),
        Trouble::Broken => Reply::html(500, "<h1>Oops</h1>"),
        Trouble::Expired => {
            with(|claims| claims["exp"] = json!(claims["iat"].as_i64().map(|t| t - 60)))
        }
        Trouble::Misaddressed => with(|claims| claims["aud"] = json!("https://elsewhere.example")),
        Trouble::Stranger => with(|claims| claims["iss"] = json!("https://elsewhere.example/")),
    }
}

/// The trouble comes from the token request with that number on, for `times` of them.
fn after(bed: &TestBed, good: usize, times: usize, trouble: Trouble) -> Site<'_> {
    Site::new(bed, move |number, signer, asked| {
        let hit = asked.path == "/token" && (good..good + times).contains(&number);
        hit.then(|| spoilt(trouble, signer, asked))
    })
}

#[test]
fn trouble_in_the_middle_is_told_and_what_was_made_goes_away() {
    let rows: Vec<(Trouble, &[&str])> = vec![
        (
            Trouble::Refusing(400),
            &["invalid_client", "check client id"],
        ),
        (Trouble::Refusing(401), &["who are you?", "check client id"]),
        (Trouble::Forbidden, &["answered 403", "see what answers"]),
        (
            Trouble::Slow,
            &["no answer within 3s", "reachable from here"],
        ),
        (Trouble::Html, &["text/html", "see what answers"]),
        (
            Trouble::Truncated,
            &["no access_token in JSON", "see what answers"],
        ),
        (Trouble::Endless, &["larger than", "see whether"]),
        (
            Trouble::Huge,
            &["which no server takes", "tell whoever runs the issuer"],
        ),
        (
            Trouble::Redirect("http://elsewhere.example/token"),
            &[
                "a redirect to \"http://elsewhere.example\"",
                "credentials follow none",
            ],
        ),
        (
            Trouble::Redirect("https://127.0.0.1:1/token"),
            &[
                "a redirect to \"https://127.0.0.1:1\"",
                "credentials follow none",
            ],
        ),
        (Trouble::RateLimit, &["asks to wait 1h", "try again later"]),
        (
            Trouble::Busy(None),
            &["answered 503 (asked ", "try again later"],
        ),
        (
            Trouble::Busy(Some("1")),
            &["asks to wait 1s (asked ", "try again later"],
        ),
        (
            Trouble::Busy(Some("3600")),
            &["asks to wait 1h (asked 1 times)", "try again later"],
        ),
        (Trouble::Broken, &["answered 500", "see what answers"]),
        (Trouble::Expired, &["the token has expired", "clocks agree"]),
        (
            Trouble::Misaddressed,
            &["elsewhere.example", "ask whoever runs the issuer"],
        ),
        (
            Trouble::Stranger,
            &["elsewhere.example", "character by character"],
        ),
    ];
    side_by_side(&rows, |bed, (trouble, says)| {
        in_the_middle(bed, *trouble, says)
    });
}

fn in_the_middle(bed: &TestBed, trouble: Trouble, says: &[&str]) {
    let mut site = after(bed, GOOD, usize::MAX / 2, trouble);
    if matches!(trouble, Trouble::Slow) {
        site.answer = SHORT;
    }
    let came = site.run(&FEW);
    let what = format!("{trouble:?}");
    // A token that is not what was asked for is a no: its cases are skipped.
    let no = matches!(trouble, Trouble::Misaddressed | Trouble::Stranger);
    let (judged, reasons) = came.outcome();
    // Whose tokens are the good ones is left to chance: where nothing could be judged, that is told, too.
    let code = if no && !judged.is_empty() { 0 } else { 3 };
    came.expect(&what, code, says);
    let begin = if no { "skip " } else { "error " };
    let ours = |reason: &String| reason.starts_with(begin) && reason.contains("`testing`");
    assert!(reasons.iter().all(ours), "{what}: {reasons:#?}");
    // The observer's token is one of the first: teardown goes on.
    came.expect_nothing_left(&what);
    // Each token is asked for a few times within the patience.
    assert!(site.asked() < 60, "{} requests, {what}", site.asked());
    came.expect_no_secret();
}

#[test]
fn a_dead_issuer_is_left_alone_by_all_other_cases() {
    let bed = TestBed::new();
    let mut site = after(&bed, GOOD, usize::MAX / 2, Trouble::Slow);
    site.answer = SHORT;
    let came = site.run(&[]);
    came.expect("all cases", 3, &["no answer within 3s"]);
    let (_, reasons) = came.outcome();
    let alone = |reason: &&String| reason.contains("it is left alone");
    let alone = reasons.iter().filter(alone).count();
    assert!(alone > 20, "{alone} of {}", reasons.len());
    // As many as begin at the same time, of some two hundred.
    assert!(site.asked() < 100, "{} requests", site.asked());
    came.expect_nothing_left("all cases");
}

#[test]
fn tokens_of_a_short_life_are_not_asked_for_at_each_use() {
    let bed = TestBed::new();
    let site = Site::new(&bed, |_, signer, asked| {
        let short = |claims: &mut Value| {
            claims["exp"] = json!(claims["iat"].as_i64().map(|now| now + 120));
        };
        (asked.path == "/token").then(|| signer.grants(asked, short))
    });
    site.run(&FEW).ended.expect(0);
    let mut distinct: Vec<_> = site
        .server
        .asked()
        .into_iter()
        .filter(|asked| asked.path == "/token")
        .map(|asked| asked.body)
        .collect();
    let all = distinct.len();
    distinct.sort();
    distinct.dedup();
    assert_eq!(all, distinct.len(), "each token is asked for once");
}

#[test]
fn an_issuer_that_is_back_is_asked_again() {
    let bed = TestBed::new();
    let mut site = after(&bed, GOOD, 1, Trouble::Slow);
    site.answer = SHORT;
    let came = site.run(&FEW);
    let (_, reasons) = came.outcome();
    assert_eq!(came.ended.code, Some(0), "{reasons:#?} {:?}", came.ended);
    let lost = reasons.iter().any(|reason| reason.contains("no answer"));
    assert!(!lost, "{reasons:#?}");
}

#[test]
fn tokens_that_are_over_at_once_blame_nobody() {
    let bed = TestBed::new();
    let site = Site::new(&bed, |number, signer, asked| {
        let life = if number < GOOD { 1200 } else { 3 };
        let short = |claims: &mut Value| {
            claims["exp"] = json!(claims["iat"].as_i64().map(|now| now + life));
        };
        (asked.path == "/token").then(|| signer.grants(asked, short))
    });
    let came = site.run(&["--case", "{capability,path,webdav,digest}.*"]);
    came.expect("3 s of life", 3, &[]);
    let (_, reasons) = came.outcome();
    let told = |reason: &String| reason.contains("of life left") || reason.contains("has expired");
    assert!(reasons.iter().any(told), "{reasons:#?}");
    came.expect_nothing_left("3 s of life");
}
