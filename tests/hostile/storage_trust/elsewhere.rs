//! What reads, and is sent elsewhere: with a token in the header, in the query, or without one.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::test_bed::{TestBed, expect_no_secret};
use crate::common::wild::{Act, Wild};

use super::redirects::redirect;
use super::rows::{self, Row};

struct Read {
    case: &'static str,
    /// What the path of the file that is asked for ends with or holds.
    file: &'static str,
    /// How many of these requests are let through first.
    spared: usize,
    /// What stands between `https://` and the port.
    host: &'static str,
    told: &'static str,
    /// How many requests come to the other place, and how many with a credential of any kind.
    heard: (usize, usize),
}

const READS: [Read; 5] = [
    Read {
        case: "capability.read.get",
        file: "/f",
        spared: 1,
        host: "127.0.0.1",
        told: ": it redirects to 127.0.0.1, to which the token may not go (`redirect-hosts`), and what is refused there without it decides nothing",
        heard: (1, 0),
    },
    Read {
        case: "bearer.query",
        file: "/f?",
        spared: 0,
        host: "127.0.0.1",
        told: ": it redirects to 127.0.0.1 with the token in the URL, and the token may not go there (`redirect-hosts`); `redirect-hosts: [127.0.0.1]` at the endpoint would allow it",
        heard: (0, 0),
    },
    Read {
        case: "bearer.none.get",
        file: "/f",
        spared: 1,
        host: "127.0.0.1",
        told: "error the control, the same GET with a token that allows it, did not succeed",
        heard: (2, 0),
    },
    Read {
        case: "connection.redirect.target",
        file: "/.pool/",
        spared: 0,
        host: "localhost",
        told: "pass",
        heard: (3, 2),
    },
    Read {
        case: "connection.redirect.target",
        file: "/.pool/",
        spared: 0,
        host: "user:made-up-word@localhost",
        told: "pass",
        heard: (3, 2),
    },
];

#[test]
fn what_reads_takes_no_credential_to_a_place_where_it_may_not_go() {
    for read in READS {
        let bed = TestBed::new();
        let storage = bed.storage(&[]);
        let other = Wild::start(&bed, storage.port(), |_, _| Act::Pass);
        let there = other.url().replace("localhost", read.host) + "{path}";
        let seen = AtomicUsize::new(0);
        let front = Wild::start(&bed, storage.port(), move |method, path| {
            let hit = method == "GET" && path.contains(read.file);
            match hit && seen.fetch_add(1, Ordering::SeqCst) >= read.spared {
                true => redirect(std::slice::from_ref(&there), path),
                false => Act::Pass,
            }
        });
        let row = [Row::new("se", front.url().to_owned(), storage, front)];
        let came = rows::run(&bed, &row, &["--case", read.case]);
        let text = &came.results[0].text;
        assert!(text.contains(read.told), "{}: {text}", read.case);
        let heard = other.heard();
        let with = heard
            .iter()
            .filter(|head| head.to_lowercase().contains("authorization:"));
        assert_eq!(
            (heard.len(), with.count()),
            read.heard,
            "{}: {heard:#?}",
            read.case
        );
        let foreign = read.host == "127.0.0.1";
        assert!(!foreign || !heard.concat().contains("eyJ"), "{heard:#?}");
        assert!(!heard.concat().contains("Basic"), "{heard:#?}");
        came.results[0].expect_nothing_left(read.case);
        let code = if text.starts_with("error ") { 3 } else { 0 };
        assert_eq!(came.ended.code, Some(code), "{:?}", came.ended);
        expect_no_secret(&bed, &bed.texts(came.ended));
    }
}
