//! Storage that sends all its clients on, those of requests that count byte by byte as well, and storage that ends its connections
//! whenever it likes: what is found is what is found without.

use touchstone_reference::Storage;

use crate::common::test_bed::{TestBed, expect_no_secret};
use crate::common::wild::{Act, Wild};

use super::redirects::redirect;
use super::rows::{self, Row};

/// Cases whose requests go out byte for byte, or over one connection, and the others of the same suites. What MOVE and COPY say of their
/// destination no redirect changes.
const CASES: [&str; 6] = [
    "path.request.*",
    "bearer.*",
    "connection.no-token",
    "connection.*er-token",
    "connection.refused-first",
    "webdav.put.chunked",
];

fn arguments() -> Vec<&'static str> {
    CASES.iter().flat_map(|case| ["--case", case]).collect()
}

/// A row whose storage is asked through `act`, and one that is asked as usual.
fn pair(
    bed: &TestBed,
    act: impl Fn(&Storage) -> Box<dyn Fn(&str, &str) -> Act + Send + Sync>,
) -> [Row<Wild>; 2] {
    ["odd", "usual"].map(|name| {
        let storage = bed.storage(&[]);
        let act = match name {
            "odd" => act(&storage),
            _ => Box::new(|_: &str, _: &str| Act::Pass),
        };
        let front = Wild::start(bed, storage.port(), act);
        Row::new(name, front.url().to_owned(), storage, front)
    })
}

/// Both rows have the same verdicts, and some of each kind of case.
fn expect_the_same(rows: &[Row<Wild>; 2], bed: &TestBed) {
    let came = rows::run(bed, rows, &arguments());
    let [odd, usual] = &came.results[..] else {
        panic!("two rows");
    };
    assert!(usual.all.len() > 40, "{}", usual.all.len());
    let verdict = |text: &String| text.split(' ').next().unwrap_or_default().to_owned();
    for (odd, usual) in odd.all.iter().zip(&usual.all) {
        assert_eq!(verdict(odd), verdict(usual), "{odd}, and {usual}");
        assert!(!odd.contains("307"), "{odd}");
    }
    for (row, result) in rows.iter().zip([odd, usual]) {
        result.expect_nothing_left(&row.name);
    }
    expect_no_secret(bed, &bed.texts(came.ended));
}

#[test]
fn every_request_is_sent_on_as_it_is() {
    let bed = TestBed::new();
    let rows = pair(&bed, |storage| {
        let there = format!("{}/{{path}}", storage.url());
        Box::new(move |method, path| match method {
            "OPTIONS" => Act::Pass,
            _ => redirect(std::slice::from_ref(&there), path),
        })
    });
    expect_the_same(&rows, &bed);
    assert!(rows[0].front.broken() > 100, "{}", rows[0].front.broken());
}

#[test]
fn connections_that_end_at_will_change_no_verdict() {
    let bed = TestBed::new();
    let rows = pair(&bed, |_| Box::new(|_, _| Act::Once));
    expect_the_same(&rows, &bed);
    assert!(rows[0].front.broken() > 0, "none was used again");
}

#[test]
fn a_token_in_a_place_goes_to_no_host_that_is_not_named() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let stranger = Wild::start(&bed, storage.port(), |_, _| Act::Pass);
    let there = stranger.url().replace("localhost", "127.0.0.1");
    let lines = [format!("{there}{{path}}?authz=Bearer%20{{token}}")];
    let row = |name: &str, more: &str| {
        let storage = bed.storage(&[]);
        let lines = lines.clone();
        // Of a file of the case, over its own connection.
        let front = Wild::start(&bed, storage.port(), move |method, path| {
            match method == "GET" && path.ends_with("/f") {
                true => redirect(&lines, path),
                false => Act::Pass,
            }
        });
        Row::new(name, front.url().to_owned(), storage, front).with(more)
    };
    let rows = [row("unnamed", "")];
    let came = rows::run(&bed, &rows, &["--case", "connection.no-token"]);
    let text = &came.results[0].text;
    assert!(
        text.contains(
            "it redirects to 127.0.0.1 with the token in the URL, and the token may not go there"
        ),
        "{text}"
    );
    assert!(
        text.contains("`redirect-hosts: [127.0.0.1]` at the endpoint would allow it"),
        "{text}"
    );
    assert_eq!(stranger.heard(), [""; 0]);
    expect_no_secret(&bed, &bed.texts(came.ended));
}
