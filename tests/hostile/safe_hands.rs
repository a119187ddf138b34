//! Storage and files that would have us remove what is not ours, or believe that what is ours has gone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use touchstone_reference::Storage;

use crate::common::middle::Middle;
use crate::common::test_bed::{TestBed, expect_no_objects};
use crate::common::waiting::wait_until;
use crate::common::wild::{Act, End, Wild};

/// A case that makes a file and looks at it.
const CASE: &str = "capability.create.put";

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        let name = axum::http::HeaderName::try_from(*name).expect("a name");
        response
            .headers_mut()
            .insert(name, value.parse().expect("a value"));
    }
    response
}

/// Makes directories and then files with a token that may make all.
fn put(
    bed: &TestBed,
    storage: &Storage,
    directories: &[&str],
    files: impl Iterator<Item = String>,
) {
    bed.endpoints(&[("se", storage.url())], "");
    let scopes = "storage.create:/ storage.modify:/ storage.read:/";
    let token = bed
        .run(&["token", "get", "--endpoint", "se", "--scope", scopes])
        .expect(0);
    let ca = std::fs::read(bed.path("ca.pem")).expect("a certificate");
    // Another part of the test may have chosen it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&ca).expect("a certificate")])
        .build()
        .expect("a client");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mkcol = axum::http::Method::from_bytes(b"MKCOL").expect("a method");
        let directories = directories.iter().map(|path| (&mkcol, (*path).to_owned()));
        let put = axum::http::Method::PUT;
        for (method, path) in directories.chain(files.map(|path| (&put, path))) {
            let url = format!("{}{path}", storage.url());
            let sent = client
                .request(method.clone(), url)
                .bearer_auth(token.stdout.trim());
            let answer = sent.send().await.expect("an answer");
            assert_eq!(answer.status(), 201, "{path}");
        }
    });
}

fn ledgers(bed: &TestBed) -> usize {
    let names = std::fs::read_dir(bed.path("reports/latest")).expect("reports");
    let names = names.map(|entry| entry.expect("an entry").file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("ledger-"))
        .count()
}

#[test]
fn what_a_status_says_is_gone_is_looked_at() {
    const LOCKED: &str = "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/wlcg/x</D:href><D:status>HTTP/1.1 423 Locked</D:status></D:response></D:multistatus>";
    for (status, body) in [
        (204, ""),
        (200, ""),
        (202, ""),
        (206, ""),
        (299, ""),
        (404, ""),
        (410, ""),
        (207, LOCKED),
    ] {
        let bed = TestBed::new();
        let storage = bed.storage(&[]);
        let before = storage.paths();
        let lies = Arc::new(Mutex::new(true));
        let lying = Arc::clone(&lies);
        let middle = Middle::start(&bed, &storage, move |asked| {
            let lie = asked.method == "DELETE" && *lying.lock().expect("a lock");
            lie.then(|| answer(status, &[], body))
        });
        let more = format!("    audience: {}\n", storage.url());
        bed.endpoints(&[("se", middle.url())], &more);
        let run = bed.run(&["run", "--case", CASE]);
        assert!(storage.paths() != before, "{status}: nothing was made");
        let told = format!("DELETE was answered {status}, and it is still there");
        assert!(
            run.stdout.contains(&told) && run.stdout.contains("could not be removed"),
            "{status}: {run:?}"
        );
        assert_eq!(ledgers(&bed), 1, "{status}");
        let clean = bed.run(&["clean"]);
        assert_eq!(clean.code, Some(3), "{status}: {clean:?}");
        assert!(clean.stdout.contains(&told), "{status}: {clean:?}");
        assert!(
            !clean.stdout.contains("nothing is left"),
            "{status}: {clean:?}"
        );
        *lies.lock().expect("a lock") = false;
        let clean = bed.run(&["clean"]).expect(0);
        assert!(clean.stdout.contains("nothing is left behind"), "{clean:?}");
        assert_eq!((storage.paths(), ledgers(&bed)), (before, 0), "{status}");
    }
}

#[test]
fn nothing_is_left_where_nothing_could_be_made() {
    for status in [401, 403, 404, 409] {
        // Whether it lets us look or not.
        for hidden in [false, true] {
            let bed = TestBed::new();
            let storage = bed.storage(&[]);
            let middle = Middle::start(&bed, &storage, move |asked| {
                let refused = asked.method == "MKCOL"
                    || hidden && matches!(asked.method.as_str(), "PROPFIND" | "HEAD" | "DELETE");
                refused.then(|| answer(status, &[], ""))
            });
            let more = format!("    audience: {}\n", storage.url());
            bed.endpoints(&[("se", middle.url())], &more);
            let run = bed.run(&["run", "--case", CASE]);
            assert_eq!(run.code, Some(3), "{status}: {run:?}");
            assert!(!run.stdout.contains("LEFT"), "{status}: {run:?}");
            assert_eq!(ledgers(&bed), 0, "{status} {hidden}");
            let clean = bed.run(&["clean"]).expect(0);
            assert!(clean.stdout.contains("nothing is left behind"), "{clean:?}");
        }
    }
}

/// Another run that began in the same second with the same name, or whoever can guess it.
#[test]
fn what_somebody_else_has_made_is_not_torn_down() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let middle = Middle::start(&bed, &storage, move |asked| {
        (asked.method == "MKCOL").then(|| answer(405, &[], ""))
    });
    let more = format!("    audience: {}\n", storage.url());
    bed.endpoints(&[("se", middle.url())], &more);
    let run = bed.run(&["run", "--case", CASE]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.stdout.contains("was answered 405"), "{run:?}");
    assert_eq!(middle.count("DELETE"), 0);
    assert_eq!(ledgers(&bed), 0);
}

#[test]
fn two_doors_of_one_storage_do_not_meet() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let before = storage.paths();
    let other = storage.url().replace("localhost", "127.0.0.1");
    let more = format!(
        "    audience: {}\n    traits: {{groups: {{member: /wlcg, privileged: /wlcg/test, protected: /protected}}}}\n",
        storage.url()
    );
    for doors in [
        [storage.url(), other.as_str()],
        [storage.url(), storage.url()],
    ] {
        bed.endpoints(
            &[("se-florida", doors[0]), ("se-florida-redir", doors[1])],
            &more,
        );
        let check = bed.run(&["check"]).expect(0);
        assert_eq!(
            check
                .stderr
                .contains("have the host localhost and the area /wlcg in common"),
            doors[0] == doors[1],
            "{check:?}"
        );
        let run = bed
            .run(&["run", "--case", "capability.*", "--case", "group.*"])
            .expect(0);
        assert!(!run.stdout.contains("LEFT"), "{run:?}");
        assert_eq!(storage.paths(), before);
    }
}

#[test]
fn a_directory_whose_making_was_not_answered_is_ours() {
    // What the service says to the second attempt: the first one was it, or it has no time now.
    for (made, second) in [
        (true, None),
        (false, Some("405 Method Not Allowed")),
        (true, Some("429 Too Many Requests")),
    ] {
        let bed = TestBed::new();
        let storage = bed.storage(&[]);
        let before = storage.paths();
        let seen = AtomicUsize::new(0);
        let wild = Wild::start(&bed, storage.port(), move |method, path| {
            let root = path.matches('/').count() == 2;
            if method != "MKCOL" || !root {
                return Act::Pass;
            }
            match (seen.fetch_add(1, Ordering::SeqCst), made, second) {
                (0, true, _) => Act::Lose,
                (0, false, _) => Act::Say(Vec::new(), End::Reset),
                (_, _, None) => Act::Pass,
                (_, _, Some(status)) => {
                    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    Act::Say(head.into_bytes(), End::Close)
                }
            }
        });
        let more = format!("    audience: {}\n", storage.url());
        bed.endpoints(&[("se", wild.url())], &more);
        let run = bed.run(&["run", "--case", CASE]);
        assert!(wild.broken() > usize::from(second.is_some()), "{run:?}");
        assert!(!run.stdout.contains("LEFT"), "{run:?}");
        // The look finds out where nobody has made it in truth.
        let fine = second.is_none();
        assert_eq!(run.code, Some(if fine { 0 } else { 3 }), "{run:?}");
        if !made {
            assert!(run.stdout.contains("after MKCOL"), "{run:?}");
        }
        assert_eq!(storage.paths(), before);
    }
}

/// Each method, status and place of a redirect; a token goes nowhere, and nothing foreign is touched.
#[test]
fn no_redirect_leads_away_from_what_is_ours() {
    let bed = TestBed::new();
    let (storage, others) = (bed.storage(&[]), bed.storage(&[]));
    let precious = "/wlcg/precious";
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let other = Middle::start(&bed, &others, move |asked| {
        let mut heard = hearing.lock().expect("a lock");
        heard.push(format!("{} {}", asked.method, asked.path));
        Some(answer(404, &[], ""))
    });
    let strange = other.url().replace("localhost", "127.0.0.1");
    let now: Arc<Mutex<(String, u16, String)>> = Arc::default();
    let acting = Arc::clone(&now);
    let touched = Arc::new(Mutex::new(Vec::new()));
    let touching = Arc::clone(&touched);
    let front = Middle::start(&bed, &storage, move |asked| {
        if asked.path.starts_with(precious) {
            let mut touched = touching.lock().expect("a lock");
            touched.push(format!("{} {}", asked.method, asked.path));
            return Some(answer(204, &[], ""));
        }
        let (method, status, place) = acting.lock().expect("a lock").clone();
        let ours = asked.path.contains("touchstone-") && asked.method == method;
        ours.then(|| answer(status, &[("location", &place)], ""))
    });
    let more = format!(
        "    audience: {}\n    limits: {{case: 5m}}\n",
        storage.url()
    );
    bed.endpoints(&[("se", front.url())], &more);
    let mut told = Vec::new();
    for method in ["DELETE", "PUT", "MKCOL"] {
        for status in [301, 302, 303, 307, 308] {
            for place in [
                format!("{precious}/data.root"),
                format!("{}/data/precious.root", other.url()),
                format!("{strange}/data/precious.root"),
            ] {
                *now.lock().expect("a lock") = (method.into(), status, place.clone());
                let run = bed.run(&["run", "--case", CASE]);
                let said = format!("{}{}", run.stdout, run.stderr);
                let told_so = match method {
                    "DELETE" => run.stdout.contains("LEFT"),
                    _ => run.code != Some(0),
                };
                assert!(told_so, "{method} {status} {place}: {said}");
                told.push(said);
                *now.lock().expect("a lock") = Default::default();
                bed.run(&["clean"]).expect(0);
            }
        }
    }
    let writes = |one: &String| !one.starts_with("GET ");
    assert_eq!(
        touched
            .lock()
            .expect("a lock")
            .iter()
            .filter(|one| writes(one))
            .count(),
        0
    );
    assert_eq!(
        heard
            .lock()
            .expect("a lock")
            .iter()
            .filter(|one| writes(one))
            .count(),
        0
    );
    // 303 is a place to look at.
    assert!(!touched.lock().expect("a lock").is_empty());
    let refused = told
        .iter()
        .filter(|said| said.contains("to another object"));
    assert!(refused.count() >= 12, "{told:?}");
    expect_no_objects(&storage);
}

/// What a redirector does: the data are at another server, under the same name.
#[test]
fn what_is_removed_elsewhere_is_told() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let other = Middle::start(&bed, &storage, |_| None);
    let there = other.url().to_owned();
    let place = there.clone();
    let front = Middle::start(&bed, &storage, move |asked| {
        let to = format!("{place}{}", asked.path);
        let ours = asked.path.contains("touchstone-");
        ours.then(|| answer(307, &[("location", &to)], ""))
    });
    let more = format!("    audience: {}\n", storage.url());
    bed.endpoints(&[("se", front.url())], &more);
    let before = storage.paths();
    let run = bed.run(&["run", "--case", CASE]).expect(0);
    let told = format!("se: what was removed was removed at {there}, to which it redirects");
    assert!(run.stderr.contains(&told), "{run:?}");
    assert_eq!(storage.paths(), before);
}

/// Whoever may read a ledger may lock it.
#[test]
fn a_ledger_that_somebody_has_locked_is_told_and_not_left_for_ever() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let area = format!("{}/wlcg", storage.url());
    std::fs::create_dir(bed.path("reports")).expect("a folder");
    let name = "reports/ledger-20200101t000000z-abcdef.jsonl";
    let text = format!(
        "{{\"run\":\"20200101t000000z-abcdef\"}}\n{{\"create\":{{\"endpoint\":\"se\",\"area\":\"{area}\",\"path\":\"/wlcg/touchstone-20200101t000000z-abcdef\"}}}}\n"
    );
    for further in [&["--older-than", "1d"][..], &["--force"]] {
        bed.write(name, &text);
        let reader = std::fs::File::open(bed.path(name)).expect("a ledger");
        reader.lock().expect("a lock");
        let clean = bed.run(&["clean"]).expect(3);
        assert!(
            clean.stderr.contains("left alone") && clean.stderr.contains("--force"),
            "{clean:?}"
        );
        assert!(bed.path(name).exists());
        bed.run(&[&["clean"], further].concat()).expect(0);
        assert!(!bed.path(name).exists());
    }
}

/// Servers that remove no directory with what is in it.
#[test]
fn a_directory_that_has_to_be_emptied_first_is_removed() {
    const FILES: usize = 300;
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let full = Arc::new(Mutex::new(std::collections::HashMap::new()));
    let refused = Arc::clone(&full);
    let middle = Middle::start(&bed, &storage, move |asked| {
        let name = asked.path.trim_end_matches('/').rsplit('/').next();
        let directory = name.is_some_and(|name| name.starts_with("touchstone-") || name == "d");
        if asked.method != "DELETE" || !directory {
            return None;
        }
        let mut full = refused.lock().expect("a lock");
        let times = full.entry(asked.path.clone()).or_insert(0);
        *times += 1;
        (*times == 1).then(|| answer(409, &[], ""))
    });
    let root = "/wlcg/touchstone-20200101t000000z-abcdef";
    let alike = "/wlcg/touchstone-20200101t000000z-abcdef.backup-of-physics";
    let files = (0..FILES).map(|file| format!("{root}/{file}"));
    let files = files.chain([format!("{root}/d/f"), format!("{alike}/f")]);
    put(&bed, &storage, &[root, &format!("{root}/d"), alike], files);
    let more = format!("    audience: {}\n", storage.url());
    bed.endpoints(&[("se", middle.url())], &more);
    let clean = bed.run(&["clean", "--older-than", "1d"]).expect(0);
    assert!(clean.stdout.contains("se: 1 of 1 removed"), "{clean:?}");
    // Each file once, each directory twice, and nothing is asked for again.
    assert_eq!(middle.count("DELETE"), FILES + 1 + 2 * 2);
    assert!(
        middle.count("PROPFIND") < 20,
        "{}",
        middle.count("PROPFIND")
    );
    let left = storage.paths();
    assert!(
        left.iter()
            .all(|path| !path.starts_with(&format!("{root}/")))
    );
    assert!(left.iter().any(|path| path.starts_with(alike)), "{left:?}");
    let told = format!("{alike} is called like the directory of a run");
    assert!(clean.stderr.contains(&told), "{clean:?}");
}

/// A storage element that takes what may be written nowhere: it goes again.
#[test]
fn what_was_taken_beside_the_area_is_removed() {
    let bed = TestBed::new();
    let storage = bed.storage(&["area-is-everything"]);
    bed.endpoints(&[("se", storage.url())], "");
    let before = storage.paths();
    let cases = ["--intrusive", "--case", "path.area.no-*-outside"];
    let run = bed.run(&[&["run"], &cases[..]].concat()).expect(1);
    for case in ["no-put-outside", "no-prefix-outside"] {
        assert!(run.stdout.contains(case), "{run:?}");
    }
    assert!(!run.stdout.contains("LEFT"), "{run:?}");
    assert_eq!(storage.paths(), before);
}

/// 5,000 directories that seem to be ours, each with 5,000 more, none of which goes.
#[test]
fn endless_listings_do_not_fill_the_memory() {
    const ENTRIES: usize = 5000;
    /// Listings that have been read by then: enough for all that are held at a time.
    const LISTINGS: usize = 80;
    const MOST: usize = 200 << 10;
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let mut listing = "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/self/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop></D:propstat></D:response>".to_owned();
    for entry in 0..ENTRIES {
        listing += &format!(
            "<D:response><D:href>/x/touchstone-20200101t000000z-{entry:06x}/</D:href></D:response>"
        );
    }
    listing += "</D:multistatus>";
    let middle = Middle::start(&bed, &storage, move |asked| match asked.method.as_str() {
        "DELETE" => Some(answer(409, &[], "")),
        "PROPFIND" => Some(answer(
            207,
            &[("content-type", "application/xml")],
            &listing,
        )),
        _ => None,
    });
    let more = format!("    audience: {}\n", storage.url());
    bed.endpoints(&[("se", middle.url())], &more);
    let mut clean = bed
        .touchstone(&["clean", "--older-than", "1d"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    wait_until("listings that are read", || {
        let ended = clean.try_wait().expect("a child");
        assert!(ended.is_none(), "{ended:?}");
        middle.count("PROPFIND") > 2 * LISTINGS
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", clean.id()));
    let status = status.expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.expect("its memory").trim().trim_end_matches(" kB");
    let peak: usize = peak.parse().expect("a number");
    clean.kill().expect("it is there");
    clean.wait().expect("its end");
    assert!(peak < MOST, "{peak} kB");
}

/// RFC 4918 prescribes no order: a listing may have the collection itself anywhere. And a declared place may not be there.
#[test]
fn a_listing_in_another_order_hides_nothing() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let root = "/wlcg/touchstone-20200101t000000z-abcdef-01234567";
    put(&bed, &storage, &[root], [format!("{root}/f")].into_iter());
    let middle = Middle::start(&bed, &storage, move |asked| {
        let collection = "<D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop></D:propstat>";
        let listing = format!(
            "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>{root}/</D:href>{collection}</D:response><D:response><D:href>/wlcg/</D:href>{collection}</D:response></D:multistatus>"
        );
        let area = asked.method == "PROPFIND" && asked.path.trim_end_matches('/') == "/wlcg";
        area.then(|| answer(207, &[("content-type", "application/xml")], &listing))
    });
    let more = format!(
        "    audience: {}\n    traits: {{groups: {{member: /wlcg, privileged: /wlcg/test, protected: /is-not-there}}}}\n",
        storage.url()
    );
    bed.endpoints(&[("se", middle.url())], &more);
    let clean = bed.run(&["clean", "--older-than", "1d"]).expect(0);
    assert!(clean.stdout.contains("se: 1 of 1 removed"), "{clean:?}");
    expect_no_objects(&storage);
}

/// A gateway that has no patience stands before a server that has done what was asked.
#[test]
fn harm_behind_a_status_that_decides_nothing_is_a_failure() {
    for status in [503, 504] {
        let bed = TestBed::new();
        let storage = bed.storage(&["allow-all"]);
        let middle = Middle::rewriting(&bed, &storage, move |head, mut answer| {
            let anonymous = !head.headers.contains_key("authorization");
            if anonymous && head.method != "OPTIONS" {
                *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
            }
            answer
        });
        let more = format!("    audience: {}\n", storage.url());
        bed.endpoints(&[("se", middle.url())], &more);
        let cases = ["--case", "bearer.none.get", "--case", "bearer.none.put"];
        let run = bed.run(&[&["run"], &cases[..]].concat());
        let record = bed.record();
        let results = record["results"].as_array().expect("results");
        assert_eq!(results.len(), 2, "{status}: {run:?}");
        for result in results {
            assert_eq!(result["verdict"], "fail", "{status}: {run:?}");
        }
    }
}
