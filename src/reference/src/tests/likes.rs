//! What the imitations of real software do in third-party copies.

use super::party::{Deed, Heard, Party, answer};
use super::transfer::{CREATE, MODIFY, READ, last, options};
use super::*;
use crate::like;

async fn imitation(name: &str) -> World {
    World::with_options(StorageOptions {
        faults: like(name).unwrap().deviations(),
        ..options()
    })
    .await
}

/// Answers HEAD with these headers, and everything else with content.
fn source(status: &'static str, headers: &'static [&str]) -> impl Fn(usize, &Heard) -> Vec<Deed> {
    move |_, heard| {
        let head = heard.head.starts_with("HEAD");
        answer(status, headers, if head { "" } else { "content" })
    }
}

/// The methods that were heard.
fn methods(party: &Party) -> Vec<String> {
    let heard = party.heard().into_iter();
    let method = |heard: Heard| heard.head.split(' ').next().map(str::to_owned);
    heard.filter_map(method).collect()
}

#[tokio::test]
async fn since_6_what_the_source_says_of_the_file_is_the_answer() {
    let world = imitation("xrootd-6.2").await;
    for (status, told) in [
        ("404 Not Found", 404),
        ("403 Forbidden", 403),
        ("502 Bad Gateway", 502),
    ] {
        let other = Party::new(&world.authority, source(status, &[])).await;
        let from = format!("Source: {}", other.url("/x"));
        // Before anybody asks whether the client may.
        for token in [world.token(CREATE), "nonsense".to_owned()] {
            let reply = world.send("COPY", "/n", &token, &[&from], "").await;
            assert_eq!(reply.status, told, "{status}");
        }
        assert_eq!(methods(&other), ["HEAD", "HEAD"]);
        assert_eq!(world.content("/n").await, None);
    }
    let stranger = Authority::new().unwrap();
    let other = Party::new(&stranger, source("200 OK", &[])).await;
    let from = format!("Source: {}", other.url("/x"));
    let (status, _) = world.copy("/n", CREATE, &[&from]).await;
    assert_eq!((status, world.content("/n").await), (500, None));
}

#[tokio::test]
async fn since_6_nobody_is_asked_for_what_makes_no_sense() {
    let world = imitation("xrootd-6.2").await;
    let other = Party::new(&world.authority, source("200 OK", &[])).await;
    let from = format!("Source: {}", other.url("/x"));
    for odd in [
        "Destination: https://elsewhere.example.org/x",
        "X-Number-Of-Streams: -1",
        "X-Number-Of-Streams: many",
        "X-Number-Of-Streams: 101",
        "Credential: None",
    ] {
        let (status, _) = world.copy("/n", CREATE, &[&from, odd]).await;
        assert_eq!(status, 400, "{odd}");
    }
    let (status, _) = world.copy("/n", CREATE, &["Source: ftp://host/x"]).await;
    assert_eq!((status, other.connections()), (400, 0));
    let davs = from.replace("https://", "davs://");
    for sound in ["X-Number-Of-Streams: +4x", "X-Number-Of-Streams: 0"] {
        let (_, body) = world.copy("/n", MODIFY, &[&davs, sound]).await;
        assert_eq!(last(&body), "success: Created", "{sound}");
    }
}

#[tokio::test]
async fn since_6_what_the_file_system_says_is_an_error_of_the_server() {
    let world = imitation("xrootd-6.2").await;
    let other = Party::new(&world.authority, source("200 OK", &[])).await;
    let from = format!("Source: {}", other.url("/x"));
    let to = format!("Destination: {}", other.url("/x"));
    world.put("/f", "old").await;
    for (path, scope, headers, told) in [
        ("/f", MODIFY, [from.as_str(), "Overwrite: F"], 500),
        ("/f", MODIFY, [&from, "Overwrite: t"], 500),
        ("/f", CREATE, [&from, "Overwrite: T"], 500),
        ("/f", READ, [&from, "Overwrite: T"], 403),
        ("/n", READ, [&from, "Overwrite: T"], 403),
        ("/n", READ, [&to, "Overwrite: T"], 500),
        ("/f", CREATE, [&to, "Overwrite: T"], 403),
    ] {
        let (status, _) = world.copy(path, scope, &headers).await;
        assert_eq!(status, told, "{path} {scope} {headers:?}");
        assert_eq!(world.content("/f").await.as_deref(), Some("old"));
    }
    let (_, body) = world.copy("/f", MODIFY, &[&from]).await;
    assert_eq!(last(&body), "success: Created");
    assert_eq!(world.content("/f").await.as_deref(), Some("content"));
}

#[tokio::test]
async fn since_6_a_digest_of_the_client_is_compared_and_sent_on() {
    let world = imitation("xrootd-6.2").await;
    let told = &["Repr-Digest: ADLER=:C/AC+A==:"];
    let other = Party::new(&world.authority, source("200 OK", told)).await;
    let from = format!("Source: {}", other.url("/x"));
    for (claimed, expected) in [
        ("Repr-Digest: adler=:AAAAAQ==:", 412),
        ("Repr-Digest: adler=:C/AC+A==:", 202),
        ("Repr-Digest: sha-256=:AAAA:", 202),
    ] {
        let (status, _) = world.copy("/n", MODIFY, &[&from, claimed]).await;
        assert_eq!(status, expected, "{claimed}");
    }
    let first = &other.heard()[0];
    assert_eq!(first.header("want-repr-digest"), Some("adler=5"));

    world.put("/f", "content").await;
    let to = format!("Destination: {}", other.url("/x"));
    let claimed = "Repr-Digest: adler=:AAAAAQ==:";
    let headers = [
        to.as_str(),
        claimed,
        "Overwrite: F",
        "TransferHeaderRange: x",
    ];
    let (_, body) = world.copy("/f", READ, &headers).await;
    assert_eq!(last(&body), "success: Created");
    let put = other.heard().pop().unwrap();
    assert!(put.head.starts_with("PUT"), "{put:?}");
    assert_eq!(put.header("repr-digest"), Some("adler=:AAAAAQ==:"));
    assert_eq!(
        (put.header("digest"), put.header("range")),
        (None, Some("x"))
    );
    assert_eq!(put.header("if-none-match"), None);
}

#[tokio::test]
async fn redirects_are_followed_without_what_opens_the_first_address() {
    for name in ["xrootd-5.5", "xrootd-6.2"] {
        let world = imitation(name).await;
        let plain = Party::at("127.0.0.1", None, source("200 OK", &[])).await;
        let location = format!("Location: {}", plain.url("/y"));
        let first = Party::new(&world.authority, move |_, _| {
            answer("302 Found", &[&location], "")
        })
        .await;
        let from = format!("Source: {}", first.url("/x"));
        let headers = [from.as_str(), "TransferHeaderAuthorization: Bearer xyz"];
        let (_, body) = world.copy("/n", MODIFY, &headers).await;
        assert_eq!(last(&body), "success: Created", "{name}");
        assert_eq!(methods(&first), ["HEAD", "GET"], "{name}");
        assert_eq!(methods(&plain), ["HEAD", "GET"], "{name}");
        assert!(
            first
                .heard()
                .iter()
                .all(|heard| heard.header("authorization").is_some())
        );
        assert!(
            plain
                .heard()
                .iter()
                .all(|heard| heard.header("authorization").is_none())
        );
    }
}

#[tokio::test]
async fn xrootd_moves_directories_as_a_whole_and_replaces_none_that_holds_something() {
    let world = imitation("xrootd-5.5").await;
    for directory in ["/d", "/d/e", "/empty", "/other"] {
        world.mkcol(directory).await;
    }
    for file in ["/d/e/f", "/other/old", "/f", "/g"] {
        world.put(file, "x").await;
    }
    let token = world.token(OBSERVER);
    // As the real one answers curl.
    for (method, from, to, status) in [
        ("MOVE", "/d", "/n", 201),
        ("MOVE", "/n", "/empty", 201),
        ("MOVE", "/empty", "/other", 500),
        ("MOVE", "/f", "/other", 409),
        ("MOVE", "/other", "/f", 500),
        ("MOVE", "/f", "/g", 201),
        ("COPY", "/other", "/copy", 400),
        ("DELETE", "/other", "", 500),
    ] {
        let to = format!("Destination: {}/wlcg{to}", world.storage.url());
        let reply = world.send(method, from, &token, &[&to], "").await;
        assert_eq!(reply.status, status, "{method} {from} {to}");
    }
    for path in ["/empty/e/f", "/other/old", "/g"] {
        assert_eq!(world.content(path).await.as_deref(), Some("x"), "{path}");
    }
    let reply = world.send("PROPFIND", "/g", &token, &["Depth: 0"], "no XML");
    assert_eq!(reply.await.status, 207);
}
