use proptest::prelude::*;

use super::*;
use crate::http::tests::{endpoint_at, headers_of};

const RUN: &str = "20261122t072848z-4f2a9c";

/// Parts of paths, spiteful ones among them.
pub(crate) fn path() -> impl Strategy<Value = String> {
    let marker = || format!("touchstone-{RUN}-0123abcd");
    let part = prop_oneof![
        6 => Just("/".to_owned()),
        4 => Just("..".to_owned()),
        3 => Just(marker()),
        3 => prop::sample::select(vec!["wlcg", "precious", "data.root", "othervo", "f", "protected"])
            .prop_map(str::to_owned),
        4 => prop::sample::select(vec![
            "\t", "\n", "\r", "\0", " ", "%00", "%09", "%2e", "%2E", "%2f", "%5c", "%252e%252e", ".", ";", ";x", "\\", "//",
            "?", "#", "\u{ff0e}", "\u{ad}", "\u{202e}", "é", "%", "%zz", ":", "@", "//evil.example.org/",
        ])
        .prop_map(str::to_owned),
        1 => Just("touchstone-20991231t235959z-bbbbbb-0123abcd".to_owned()),
        1 => Just(format!("touchstone-{RUN}.backup-of-physics")),
        1 => Just(format!("touchstone-{RUN}")),
        1 => Just("touchstone-notes".to_owned()),
    ];
    let front = prop_oneof![
        5 => Just(format!("/wlcg/{}/", marker())),
        2 => Just("/wlcg/".to_owned()),
        1 => Just("/".to_owned()),
        1 => Just(String::new()),
    ];
    let parts = prop::collection::vec(part, 0..9);
    (front, parts).prop_map(|(front, parts)| front + &parts.concat())
}

fn shape<'a>(verb: &'a str, headers: &'a [(String, String)], target: &'a str) -> RequestShape<'a> {
    RequestShape {
        verb,
        headers,
        target,
        body: false,
    }
}

fn guard() -> Guard {
    let run = RUN.parse().unwrap();
    Guard::of_run(&endpoint_at("/wlcg"), &run, std::iter::empty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_let_pass_is_sent_as_it_was_judged(path in path()) {
        let url = endpoint_at("/wlcg").url_of(&path);
        if guard().permits(&url).is_ok() {
            let sent = Url::parse(&url).unwrap();
            prop_assert_eq!(sent.path(), &path);
            let lower = decoded(&path);
            prop_assert!(!lower.contains(char::is_control));
            let own = ["/wlcg/touchstone-", RUN].concat();
            prop_assert!(sent.path().starts_with(&own));
            for part in lower.split(['/', '\\']) {
                prop_assert_ne!(part.split(';').next(), Some(".."));
            }
        }
    }
}

#[test]
fn a_run_writes_below_its_own_directories_and_nowhere_else() {
    let mut endpoint = endpoint_at("/wlcg");
    endpoint.traits.groups = Some(touchstone_model::Groups::default());
    endpoint.second = Some(touchstone_model::SecondArea {
        path: "/other%20vo".into(),
        issuer: "other".into(),
    });
    let run: RunId = RUN.parse().unwrap();
    let guard = Guard::of_run(&endpoint, &run, std::iter::empty());
    let permits = |path: &str| guard.permits(&endpoint.url_of(path)).is_ok();
    let marker = Marker::new(&run, &["se"]);
    for own in [
        format!("/wlcg/{marker}"),
        format!("/wlcg/{marker}/path.outside.read/b/f"),
        format!("/wlcg/{marker}/a/%25 x").replace(' ', "%20"),
        format!("/wlcg/touchstone-{RUN}/f"),
        format!("/wlcg/protected/{marker}/f"),
        format!("/wlcg/protected/touchstone-{RUN}.group.protected.member-read/f"),
        format!("/other%20vo/{marker}/f"),
        format!("/{}", Marker::beside(&run, "se")),
        format!("/wlcg-{}", Marker::beside(&run, "se")),
    ] {
        assert!(permits(&own), "{own}");
    }
    for foreign in [
        "/wlcg".to_owned(),
        "/wlcg/precious".into(),
        format!("/{marker}"),
        format!("/wlcg-{marker}"),
        format!("/{}/below", Marker::beside(&run, "se")),
        format!("/othervo/{marker}"),
        format!("/wlcg/deep/{marker}"),
        "/wlcg/touchstone-20991231t235959z-bbbbbb-0123abcd".into(),
        format!("/wlcg/touchstone-{RUN}.backup-of-physics/f"),
        format!("/wlcg/touchstone-{RUN}-0123abcd.old"),
        format!("/wlcg/{marker}/.."),
        format!("/wlcg/{marker}/%2e%2E/precious"),
        format!("/wlcg/{marker}/..%2fprecious"),
        format!("/wlcg/{marker}/..%5cprecious"),
        format!("/wlcg/{marker}/..;/precious"),
        format!("/wlcg/{marker}/a//../../precious"),
        format!("/wlcg/{marker}/a%00"),
        format!("/wlcg/{marker}/%252e%252e/precious"),
        format!("/wlcg/{marker}/a?x"),
        format!("/wlcg/{marker}/a#x"),
        format!("/wlcg/{marker}/.\t./precious"),
        format!("/wlcg/{marker}/é"),
    ] {
        assert!(!permits(&foreign), "{foreign}");
    }
    let elsewhere = format!("https://evil.example.org/wlcg/{marker}/f");
    assert!(guard.permits(&elsewhere).is_err());
}

#[test]
fn what_goes_out_byte_for_byte_stays_inside_however_it_is_read() {
    let endpoint = endpoint_at("/wlcg");
    let marker = format!("touchstone-{RUN}-0123abcd");
    let passes = |target: String| {
        let sent = shape("PUT", &[], &target);
        let url = endpoint.url_of(&target);
        guard().begin(sent, &url, true).is_ok()
    };
    for inside in [
        "a/../b",
        "a/%2e%2e/b",
        "a/..%2fb",
        "a/..;/b",
        "a//../b",
        "a/..%5cb",
        "é",
    ] {
        assert!(passes(format!("/wlcg/{marker}/case/{inside}")), "{inside}");
    }
    for outside in [
        "../../precious",
        "%2e%2e/%2e%2e/precious",
        "..%2f..%2fprecious",
        "..;/..;/precious",
        "a//../../../precious",
        "..%5c..%5cprecious",
        "a%0a",
        "%252e%252e/%252e%252e/precious",
        "a#/../../../precious",
    ] {
        assert!(
            !passes(format!("/wlcg/{marker}/case/{outside}")),
            "{outside}"
        );
    }
}

#[test]
fn a_destination_is_judged_as_well() {
    let partner = touchstone_model::Endpoint {
        url: "https://partner.example.org".parse().unwrap(),
        ..endpoint_at("/data")
    };
    let endpoint = endpoint_at("/wlcg");
    let run: RunId = RUN.parse().unwrap();
    let guard = Guard::of_run(&endpoint, &run, std::iter::once(&partner));
    let m = format!("touchstone-{RUN}-0123abcd");
    let url = endpoint.url_of(&format!("/wlcg/{m}/f"));
    let passes = |destination: &str| {
        let headers = headers_of(&[("dEstination", destination)]);
        let sent = shape("MOVE", &headers, &url);
        guard.begin(sent, &url, false).is_ok()
    };
    let own = endpoint.origin();
    for good in [
        format!("{own}/wlcg/{m}/g"),
        format!("{own}/wlcg/{m}/case/a/../b/g"),
        format!("/wlcg/{m}/g"),
        format!("https://partner.example.org/data/{m}/g"),
        format!("https://localhost:1/0123/{m}/object"),
        format!("https://se.example.org:1/0123/{m}/object"),
        format!("https://elsewhere.example.org/wlcg/{m}/g"),
        "https://touchstone.invalid/f".into(),
        "https://255.255.255.255/f".into(),
        String::new(),
    ] {
        assert!(passes(&good), "{good}");
    }
    for bad in [
        format!("{own}/wlcg/precious"),
        format!("{own}/wlcg/{m}/../precious"),
        format!("{own}/othervo/{m}/g"),
        format!("https://SE.example.org:8443/wlcg/precious/{m}/g"),
        format!("davs://user@se.example.org/othervo/{m}/g"),
        format!("{own}?/{m}/x"),
        format!("{own}/wlcg/{m}/%252e%252e/precious"),
        format!("{own}/wlcg/precious?/{m}/g"),
        "/wlcg/precious".into(),
        format!("precious/{m}"),
        "https://partner.example.org/data/precious".into(),
        format!("https://partner.example.org/wlcg/{m}/g"),
        "https://localhost:1/0123/object".into(),
        format!("https://elsewhere.example.org/wlcg/{m}/../g"),
        "https://elsewhere.example.org".into(),
        "https://255.255.255.254/f".into(),
    ] {
        assert!(!passes(&bad), "{bad}");
    }
}

#[test]
fn a_redirect_may_change_what_is_in_front_of_the_marker() {
    let endpoint = endpoint_at("/wlcg");
    let m = format!("touchstone-{RUN}-0123abcd");
    let url = endpoint.url_of(&format!("/wlcg/{m}/case/a%20b"));
    let sent = shape("DELETE", &[], &url);
    let kept = guard().begin(sent, &url, false).unwrap().unwrap();
    let keeps = |path: &str| {
        let url = Url::parse("https://d1.example.org").unwrap().join(path);
        kept.in_place(&url.unwrap())
    };
    for same in [
        format!("/wlcg/{m}/case/a%20b"),
        format!("/wlcg/{m}/case/a%20b/"),
        format!("//{m}/case/a%20b?uuid=1&x=/../y").replacen("//", "/x//", 1),
        format!("/pnfs/example.org/data/wlcg/{m}/case/a%20b?dcache-http-uuid=1"),
    ] {
        assert!(keeps(&same), "{same}");
    }
    for other in [
        format!("/wlcg/precious%00/{m}/case/a%20b"),
        format!("/wlcg/precious%3F/{m}/case/a%20b"),
        format!("/wlcg/precious%2523/{m}/case/a%20b"),
        format!("/wlcg/{m}"),
        format!("/wlcg/{m}/case"),
        format!("/wlcg/{m}/case/a%20b/c"),
        format!("/wlcg/{m}/case/a%2520b"),
        format!("/wlcg/x{m}/case/a%20b"),
        format!("/precious?/{m}/case/a%20b"),
        format!("/precious;/{m}/case/a%20b/..%2f..%2f..%2f.."),
        "/wlcg/precious".into(),
    ] {
        assert!(!keeps(&other), "{other}");
    }
}

#[test]
fn what_goes_out_byte_for_byte_is_sent_on_as_it_was_or_as_it_is_read() {
    let endpoint = endpoint_at("/wlcg");
    let m = format!("touchstone-{RUN}-0123abcd");
    let there = Url::parse("https://d1.example.org").unwrap();
    let odd = format!("{m}/case/a/../b//f");
    let url = endpoint.url_of(&format!("/wlcg/{odd}"));
    let kept = guard().begin(shape("PUT", &[], &url), &url, true);
    let kept = kept.unwrap().unwrap();
    let keeps = |target: &str| {
        let to = there.join(target).unwrap();
        kept.in_place_as_written(&to, target)
    };
    for same in [
        format!("/wlcg/{odd}"),
        format!("//wlcg/{odd}?&xrdcl.requuid=1"),
        format!("/pnfs/data/{odd}"),
        format!("/wlcg/{m}/case/b//f"),
        format!("/wlcg/{m}/case/b/f"),
    ] {
        assert!(keeps(&same), "{same}");
    }
    for other in [
        format!("/wlcg/{m}/case/a/b/f"),
        format!("/wlcg/x/../{odd}"),
        format!("/wlcg/%2e%2e/{odd}"),
        format!("/wlcg;x/{odd}"),
        format!("/wlcg/{odd}/.."),
        format!("/wlcg/x{odd}"),
        format!("/wlcg/precious%00/{odd}"),
        format!("/precious?/{odd}"),
        "/wlcg/precious".into(),
    ] {
        assert!(!keeps(&other), "{other}");
    }
}

#[test]
fn calls_of_the_tape_api_stay_below_it() {
    let guard = guard();
    let base = Url::parse("https://tape.example.org/api/v1").unwrap();
    let api = guard.api(&base);
    for call in ["/stage", "/stage/12-ab/cancel", "/release/a%20b"] {
        assert!(api.permits(&format!("{base}{call}")).is_ok(), "{call}");
    }
    for other in [
        "",
        "x/stage",
        "/../precious",
        "/stage/%2e%2e/%2e%2e/x",
        "/stage/..%2Fx",
        "/stage?x",
    ] {
        assert!(api.permits(&format!("{base}{other}")).is_err(), "{other}");
    }
    let tokens = Url::parse("https://se.example.org:8443/.oauth2/token").unwrap();
    let posts = |guard: &Guard, verb: &str, url: &str| {
        let sent = shape(verb, &[], url);
        guard.begin(sent, url, false).is_ok()
    };
    let posting = guard.posting(&tokens);
    assert!(posts(&posting, "POST", tokens.as_str()));
    assert!(!posts(&posting, "DELETE", tokens.as_str()));
    assert!(!posts(&posting, "POST", &format!("{tokens}/x")));
    assert!(!posts(&guard, "POST", tokens.as_str()));
    for among in ["/%77lcg/precious", "/wlcg"] {
        let among = Url::parse("https://se.example.org:8443")
            .unwrap()
            .join(among);
        let among = among.unwrap();
        let api = guard.api(&among);
        assert!(api.permits(&format!("{among}/stage/x")).is_err(), "{among}");
    }
    let among_files = Url::parse("https://se.example.org:8443/wlcg/precious").unwrap();
    assert!(!posts(
        &guard.posting(&among_files),
        "POST",
        among_files.as_str()
    ));
    let api = guard.api(&among_files);
    assert!(api.permits(&format!("{among_files}/stage/x")).is_err());
    assert!(
        Guard::nothing()
            .api(&base)
            .permits(&format!("{base}/stage"))
            .is_err()
    );
}
