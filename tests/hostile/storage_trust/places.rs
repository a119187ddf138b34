//! Storage at addresses of one family, and storage with a clock of its own.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use jiff::{SignedDuration, Timestamp};

use crate::common::middle::{Middle, answer};
use crate::common::test_bed::TestBed;

use super::gate::{Fate, Gate};
use super::rows::{self, CASE, Row};

#[test]
fn storage_at_one_address_is_found_there() {
    let bed = TestBed::new();
    let known = ("localhost", 0).to_socket_addrs().expect("addresses");
    let known: Vec<_> = known.map(|address| address.ip().to_string()).collect();
    let table = [
        ("six", "::1", "[::1]"),
        ("four", "127.0.0.1", "127.0.0.1"),
        ("six-by-name", "::1", "localhost"),
        ("four-by-name", "127.0.0.1", "localhost"),
    ];
    let rows = table.map(|(name, address, host)| {
        let storage = bed.storage(&[]);
        let ip: IpAddr = address.parse().expect("an address");
        let front = Gate::start(
            &bed,
            &SocketAddr::new(ip, 0).to_string(),
            &storage,
            &Fate::Pass,
        );
        Row::new(name, front.url(host), storage, front)
    });
    let came = rows::run(&bed, &rows, &["--case", CASE, "--case", "webdav.put.*"]);
    for ((row, result), (name, address, host)) in rows.iter().zip(&came.results).zip(table) {
        // A name is tried at all its addresses, and there it may have others than this one.
        if host == "localhost" && !known.iter().any(|one| one == address) {
            let wanted = "error unreachable: no connection: Connection refused";
            assert!(result.text.starts_with(wanted), "{name}: {}", result.text);
            continue;
        }
        assert!(result.all.len() > 3, "{:?}", result.all);
        for text in &result.all {
            assert!(text.starts_with("pass"), "{name}: {text}");
        }
        assert!(row.front.come() > 0, "{name}");
        result.expect_nothing_left(name);
    }
}

#[test]
fn storage_whose_clock_is_hours_off_is_told_with_what_that_may_have_spoilt() {
    let bed = TestBed::new();
    let five = SignedDuration::from_hours(5);
    let seen = [("ahead", five), ("behind", -five)].map(|(name, off)| {
        let storage = bed.storage(&[]);
        let told = match name {
            "ahead" => "Bearer error=\"invalid_token\", error_description=\"expired\"",
            _ => "Bearer error=\"invalid_token\", error_description=\"not valid yet\"",
        };
        let front = Middle::start(&bed, &storage, move |asked| {
            let date = jiff::fmt::rfc2822::to_string(
                &(Timestamp::now() + off).to_zoned(jiff::tz::TimeZone::UTC),
            );
            let date = date.expect("a date").replace("+0000", "GMT");
            let headers = match asked.method.as_str() {
                "OPTIONS" => return Some(answer(200, &[("date", &date)])),
                _ => [("date", date.as_str()), ("www-authenticate", told)],
            };
            Some(answer(401, &headers))
        });
        Row::new(name, front.url().to_owned(), storage, front)
    });
    let came = rows::run(&bed, &seen, &["--case", CASE]);
    for (row, result) in seen.iter().zip(&came.results) {
        let text = &result.text;
        let begin = "error the run's directory could not be made: MKCOL /wlcg/touchstone-";
        assert!(text.starts_with(begin), "{}: {text}", row.name);
        let said = match row.name.as_str() {
            "ahead" => " was answered 401: \"expired\"; ",
            _ => " was answered 401: \"not valid yet\"; ",
        };
        assert!(text.contains(said), "{}: {text}", row.name);
        let told = [17_999, 18_000, 18_001].map(|apart| {
            format!("; the clocks of the endpoint and of this machine are {apart} s apart, so that they do not agree when a token is valid; see which of them is wrong")
        });
        assert!(
            told.iter().any(|told| text.ends_with(told)),
            "{}: {text}",
            row.name
        );
        assert!(came.ended.stdout.contains("s apart"), "{:?}", came.ended);
        result.expect_nothing_left(&row.name);
    }
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
}
