//! Storage that sends us elsewhere: the token goes nowhere it may not go, and what was not followed decides nothing.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use touchstone_reference::Storage;

use crate::common::test_bed::{TestBed, expect_no_secret};
use crate::common::wild::{Act, End, Wild};

use super::rows::{self, CASE, Came, Row};

/// Which exchanges about the case's file are redirected.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Arrangement,
    Step,
    Control,
    Look,
    Teardown,
    Preflight,
}

use Place::{Arrangement, Control, Look, Preflight, Step, Teardown};

impl Place {
    fn method(self) -> &'static str {
        match self {
            Arrangement | Step | Control => "PUT",
            Look => "GET",
            Teardown => "DELETE",
            Preflight => "OPTIONS",
        }
    }

    /// Whether the one after so many of the same is meant.
    fn meant(self, before: usize) -> bool {
        match self {
            Arrangement => before == 0,
            Step | Look => before == 1,
            Control => before == 2,
            Teardown | Preflight => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Arrangement => "arrangement",
            Step => "step",
            Control => "control",
            Look => "look",
            Teardown => "teardown",
            Preflight => "preflight",
        }
    }

    /// What begins the outcome where a redirect is not followed.
    fn undecided(self) -> &'static str {
        match self {
            Arrangement => "error what the case needs could not be arranged: PUT ",
            Step => "error PUT ",
            Control => {
                "error the control, the same PUT with a token that allows it, did not succeed"
            }
            Look => "error the effect cannot be seen: GET ",
            Teardown => "pass",
            Preflight => "error unreachable: ",
        }
    }
}

/// Those at which everything is tried; the others have a few.
const ALL: [Place; 2] = [Arrangement, Step];
const OTHERS: [Place; 4] = [Control, Look, Teardown, Preflight];

/// The answer, with `{path}` for what was asked.
pub fn redirect(lines: &[String], path: &str) -> Act {
    let mut text = "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n".to_owned();
    for line in lines {
        text.push_str(&format!("Location: {}\r\n", line.replace("{path}", path)));
    }
    Act::Echo(text + "\r\n")
}

/// A storage element that redirects there, for good if it is to itself.
fn row(bed: &TestBed, place: Place, name: &str, lines: &[&str], more: &str) -> Row<Wild> {
    let storage = bed.storage(&[]);
    let front = front(bed, &storage, place, lines, true);
    Row::new(
        &format!("{}-{name}", place.name()),
        front.url().to_owned(),
        storage,
        front,
    )
    .with(more)
}

/// Redirects there in that place. If the file stays for good, its directories do as well, as at XRootD.
fn front(bed: &TestBed, storage: &Storage, place: Place, lines: &[&str], for_good: bool) -> Wild {
    let seen = AtomicUsize::new(0);
    let endless = lines.iter().any(|line| line.starts_with("{path}"));
    let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
    Wild::start(bed, storage.port(), move |method, path| {
        let file = path.contains("/f") || place == Preflight;
        if for_good && place == Teardown && method == "DELETE" && !file {
            let full = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return Act::Say(full.to_vec(), End::Close);
        }
        if method != place.method() || !file {
            return Act::Pass;
        }
        let before = seen.fetch_add(1, Ordering::SeqCst);
        let again = endless && (0..before).any(|one| place.meant(one));
        match place.meant(before) || again {
            true => redirect(&lines, path),
            false => Act::Pass,
        }
    })
}

/// Another host: it takes no token, and says that what is to be deleted is not there.
fn stranger(bed: &TestBed, storage: &Storage) -> (Wild, String) {
    let gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let front = Wild::start(bed, storage.port(), |method, _| match method {
        "DELETE" => Act::Say(gone.to_vec(), End::Close),
        _ => Act::Pass,
    });
    let url = front.url().replace("localhost", "127.0.0.1");
    (front, url)
}

#[test]
fn a_redirect_that_may_not_be_followed_decides_nothing_and_takes_no_token_along() {
    let bed = TestBed::new();
    let nobody = bed.storage(&[]);
    let (stranger, there) = stranger(&bed, &nobody);
    let plain = TcpListener::bind("127.0.0.1:0").expect("a port");
    plain.set_nonblocking(true).expect("a socket");
    let plain_url = format!("http://{}/x", plain.local_addr().expect("an address"));
    let ticket = format!("{there}{{path}}?ticket=1");
    let user = format!("{}{{path}}", there.replace("//", "//user:made-up-word@"));
    let carried = format!("{there}{{path}}?authz={{token}}");
    let other = "/wlcg/x".to_owned();
    let long = format!("/{}", "x".repeat(99_999));
    const WITHHELD: &str = "it redirects to 127.0.0.1, to which the token may not go (`redirect-hosts`), and what is refused there without it decides nothing";
    const REMOVES: &str = "it redirects DELETE to 127.0.0.1, and what may remove or replace something goes to no host but its own and those of `redirect-hosts`; `redirect-hosts: [127.0.0.1]` at the endpoint would allow it";
    let few = [
        (
            "to-itself",
            vec!["{path}"],
            "more than 5 redirects, and still one from https://localhost:",
        ),
        (
            "to-http",
            vec![plain_url.as_str()],
            "it redirects to http:, and tokens and data go over https only",
        ),
        ("to-a-host", vec![&ticket], WITHHELD),
        (
            "with-the-token",
            vec![&carried],
            "it redirects to 127.0.0.1 with the token in the URL, and the token may not go there (`redirect-hosts`)",
        ),
        (
            "to-a-file",
            vec!["file:///etc/passwd"],
            "it redirects to file:, and",
        ),
        (
            "no-url",
            vec!["https://[::"],
            "its Location is no URL: invalid IPv6 address",
        ),
        (
            "very-long",
            vec![&long],
            "its Location has 100000 bytes, and no more than 8000 are followed",
        ),
    ];
    let more = [
        (
            "ever-deeper",
            vec!["{path}x"],
            "it redirects PUT to another object, localhost/wlcg/",
        ),
        (
            "another-object",
            vec![&other],
            "it redirects PUT to another object, localhost/wlcg/x: it was not sent there",
        ),
        ("with-userinfo", vec![&user], WITHHELD),
        (
            "to-data",
            vec!["data:text/plain,x"],
            "it redirects to data:, and",
        ),
        (
            "to-ftp",
            vec!["ftp://localhost/x"],
            "it redirects to ftp:, and",
        ),
        (
            "no-host",
            vec!["https://"],
            "its Location is no URL: empty host",
        ),
        ("nowhere", vec![], "was answered 307"),
        (
            "control-characters",
            vec!["/wlcg/\u{1}"],
            "the exchange broke: invalid HTTP header parsed",
        ),
        (
            "escaped-line-ends",
            vec!["/wlcg/%00%0d%0aX-Forged:%20y"],
            "it redirects PUT to another object, localhost/wlcg/%00%0d%0aX-Forged:%20y",
        ),
        (
            "two-places",
            vec!["/wlcg/x", "/wlcg/y"],
            "it redirects to two places at once (Location)",
        ),
    ];
    let mut rows = Vec::new();
    let mut told = Vec::new();
    for place in ALL.into_iter().chain(OTHERS) {
        let less = more.iter().filter(|_| ALL.contains(&place));
        for (name, lines, why) in few.iter().chain(less) {
            rows.push(row(&bed, place, name, lines, ""));
            told.push((place, *name, *why));
        }
    }
    let came = rows::run(&bed, &rows, &["--case", CASE]);
    for ((row, result), (place, name, why)) in rows.iter().zip(&came.results).zip(told) {
        let text = &result.text;
        let why = match (place, name) {
            (Teardown, "to-a-host" | "with-the-token") => REMOVES,
            _ => why,
        };
        assert!(row.front.broken() > 0, "{}: {text}", row.name);
        let forged = |head: &String| head.contains("\nX-Forged");
        assert!(!row.front.heard().iter().any(forged), "{}", row.name);
        match (place, name) {
            (Teardown, _) => {
                assert_eq!(text, "pass", "{}", row.name);
                assert!(result.told.contains(why), "{}: {}", row.name, result.told);
                assert!(!result.left.is_empty(), "{}: {}", row.name, result.told);
                continue;
            }
            // A preflight has no token that could stay behind.
            (Preflight, "to-a-host" | "with-the-token") => assert_eq!(text, "pass"),
            // What arranges is asked for once more after an answer that cannot be read.
            (Arrangement, "control-characters") => assert_eq!(text, "pass"),
            // RFC 6750 section 5.3: the cases about redirects have the finding.
            (Arrangement | Step | Control | Look, "to-http") => {
                let wanted = "error put down to connection.redirect.*: the door redirects to http, where neither tokens nor data are sent; enable https at the pools";
                assert_eq!(text, wanted, "{}", row.name);
            }
            (Step, "nowhere") => {
                let wanted = "error PUT was answered 307 Temporary Redirect without saying where to (Location)";
                assert_eq!(text, wanted);
            }
            _ => {
                assert!(text.starts_with(place.undecided()), "{}: {text}", row.name);
                assert!(text.contains(why), "{}: {text}", row.name);
                assert!(text.len() < 600, "{}: {text}", row.name);
            }
        }
        result.expect_nothing_left(&row.name);
    }
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
    assert!(plain.accept().is_err(), "somebody came over http");
    let heard = stranger.heard();
    assert!(
        heard.iter().any(|head| head.contains("?ticket=1")),
        "{heard:?}"
    );
    for head in heard {
        let lower = head.to_lowercase();
        assert!(!lower.contains("authorization"), "{head}");
        assert!(!head.contains("eyJ") && !head.contains("made-up"), "{head}");
    }
    expect_no_secret(&bed, &bed.texts(came.ended));
}

#[test]
fn a_circle_of_two_ends() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let back = Arc::new(OnceLock::<String>::new());
    let first = Arc::clone(&back);
    let other = Wild::start(&bed, storage.port(), move |_, path| {
        let url = first.get().cloned().unwrap_or_default();
        redirect(&[format!("{url}{path}")], path)
    });
    let there = format!("{}{{path}}", other.url());
    let front = Wild::start(&bed, storage.port(), move |method, path| match method {
        "PUT" => redirect(std::slice::from_ref(&there), path),
        _ => Act::Pass,
    });
    back.set(front.url().to_owned()).expect("the first time");
    let row = Row::new("circle", front.url().to_owned(), storage, front);
    let came = rows::run(&bed, &[row], &["--case", CASE]);
    let result = &came.results[0];
    let last = format!(
        "more than 5 redirects, and still one from {}/wlcg/",
        other.url()
    );
    assert!(result.text.contains(&last), "{}", result.text);
    assert_eq!(other.heard().len(), 3, "three of six requests");
    result.expect_nothing_left("circle");
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
}

#[test]
fn a_redirect_that_may_be_followed_is_followed_with_the_token() {
    let bed = TestBed::new();
    let mut rows = Vec::new();
    let mut others = Vec::new();
    for place in ALL.into_iter().chain(OTHERS) {
        for (name, host, more) in [
            ("another-port", "localhost", ""),
            (
                "allowed-host",
                "127.0.0.1",
                "    redirect-hosts: [127.0.0.1]\n",
            ),
        ] {
            let storage = bed.storage(&[]);
            let other = Wild::start(&bed, storage.port(), |_, _| Act::Pass);
            let there = other.url().replace("localhost", host) + "{path}";
            let front = front(&bed, &storage, place, &[&there, &there], false);
            rows.push(
                Row::new(
                    &format!("{}-{name}", place.name()),
                    front.url().to_owned(),
                    storage,
                    front,
                )
                .with(more),
            );
            others.push((place, Some(other)));
        }
        if !matches!(place, Teardown | Preflight) {
            rows.push(row(&bed, place, "once-to-itself", &[""], ""));
            others.push((place, None));
        }
    }
    let Came { ended, results, .. } = rows::run(&bed, &rows, &["--case", CASE]);
    for ((row, result), (place, other)) in rows.iter().zip(&results).zip(&others) {
        assert!(row.front.broken() > 0, "{}: {}", row.name, result.text);
        if let Some(other) = other {
            let heard = other.heard();
            let authorized = |head: &&String| head.to_lowercase().contains("authorization: bearer");
            let with = heard.iter().filter(authorized).count();
            assert!(!heard.is_empty(), "{}", row.name);
            // A preflight has no token.
            let wanted = match place {
                Preflight => 0,
                _ => heard.len(),
            };
            assert_eq!(with, wanted, "{}", row.name);
        }
        assert_eq!(result.text, "pass", "{}", row.name);
        result.expect_nothing_left(&row.name);
    }
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn plain_http_behind_the_door_is_one_finding_and_one_reason() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let pool = TcpListener::bind("127.0.0.1:0").expect("a port");
    pool.set_nonblocking(true).expect("a socket");
    let there = pool.local_addr().expect("an address");
    let ticket = AtomicUsize::new(0);
    // As dCache does: by a ticket that is another one each time.
    let door = Wild::start(&bed, storage.port(), move |method, path| {
        if !matches!(method, "GET" | "PUT") || path.contains(".well-known") {
            return Act::Pass;
        }
        let ticket = ticket.fetch_add(1, Ordering::SeqCst);
        redirect(
            &[format!("http://{there}{{path}}?ticket={ticket:08x}")],
            path,
        )
    });
    bed.endpoints(&[("door", door.url())], "");
    let ended = bed.run(&["run"]).expect(1);
    let printed = ended.stdout.clone();
    let outcomes = crate::common::test_bed::outcomes(&bed.record());
    let with = |verdict: &str| {
        let found = outcomes.iter().filter(|(_, why)| why.starts_with(verdict));
        found.collect::<Vec<_>>()
    };
    // The Destination of a MOVE names the door, which the storage behind it takes for another server.
    let moves = |case: &str| case.contains("move") || case.contains("rename");
    let failed = with("fail");
    let failed = failed.iter().map(|(case, _)| case.as_str());
    let failed: Vec<_> = failed.filter(|case| !moves(case)).collect();
    assert_eq!(failed, ["connection.redirect.upload"], "{printed}");
    let errors = with("error");
    assert!(errors.len() > 100, "{}", errors.len());
    let record = bed.record();
    let results = record["results"].as_array().expect("results");
    let text = |result: &Value, key: &str| result[key].as_str().unwrap_or_default().to_owned();
    let reasons: BTreeSet<_> = results
        .iter()
        .filter(|result| result["verdict"] == "error" && !moves(&text(result, "case")))
        .map(|result| text(result, "reason"))
        .collect();
    assert_eq!(
        Vec::from_iter(reasons),
        [
            "put down to connection.redirect.*: the door redirects to http, where neither tokens nor data are sent; enable https at the pools"
        ]
    );
    let groups = printed.lines().filter(|line| {
        line.starts_with("  ERROR  ") && line.contains("put down to connection.redirect.*")
    });
    assert_eq!(groups.count(), 1, "{printed}");
    // Nothing was sent there.
    assert!(pool.accept().is_err());
    expect_no_secret(&bed, &bed.texts(ended));
}
