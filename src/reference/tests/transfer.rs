//! Third-party copies between services, and with another side that misbehaves.

use std::time::Duration;

use super::super::TransferOptions;
use super::party::{Deed, Heard, Party, answer};
use super::*;

pub(super) const READ: &str = "storage.read:/";
pub(super) const CREATE: &str = "storage.create:/";
pub(super) const MODIFY: &str = "storage.modify:/";

impl World {
    /// One whose transfers wait for nobody.
    async fn transferring() -> Self {
        Self::with_options(options()).await
    }

    /// A second service that trusts the same issuer.
    async fn partner(&self) -> Storage {
        let options = StorageOptions {
            issuer: self.issuer.url().into(),
            issuer_ca_pem: self.authority.ca_pem().into(),
            recorded: true,
            ..options()
        };
        Storage::start(&self.authority, options).await.unwrap()
    }

    /// The same world seen from another service.
    fn at(self, storage: Storage) -> (Self, Storage) {
        let first = self.storage;
        (Self { storage, ..self }, first)
    }

    /// A COPY with a token of that scope: its status and its body.
    pub(super) async fn copy(&self, path: &str, scope: &str, headers: &[&str]) -> (u16, String) {
        let token = self.token(scope);
        let reply = self.send("COPY", path, &token, headers, "").await;
        (reply.status, String::from_utf8(reply.body).unwrap())
    }

    /// A pull with storage.create: its last line.
    pub(super) async fn pull(&self, path: &str, from: &str, headers: &[&str]) -> String {
        let source = format!("Source: {from}");
        let (status, body) = self
            .copy(path, CREATE, &[&[source.as_str()], headers].concat())
            .await;
        assert_eq!(status, 202, "{body}");
        last(&body)
    }
}

pub(super) fn options() -> StorageOptions {
    StorageOptions {
        transfer: TransferOptions {
            idle: Duration::from_millis(500),
            total: Duration::from_secs(3),
            interval: Duration::from_millis(50),
            ..TransferOptions::default()
        },
        ..StorageOptions::default()
    }
}

pub(super) fn last(body: &str) -> String {
    body.lines().last().unwrap_or_default().to_owned()
}

/// What markers tell as bytes, after a look at their form.
fn bytes(body: &str) -> Vec<u64> {
    let markers = body.split("Perf Marker\n").skip(1);
    let told = markers.map(|marker| {
        let (lines, _) = marker.split_once("\nEnd\n").unwrap();
        let value = |name: &str| {
            lines
                .lines()
                .find_map(|line| line.strip_prefix(&format!("\t{name}: ")))
        };
        let timestamp: i64 = value("Timestamp").unwrap().parse().unwrap();
        assert!((timestamp - jiff::Timestamp::now().as_second()).abs() < 10);
        assert_eq!(value("Stripe Index"), Some("0"));
        assert_eq!(value("Total Stripe Count"), Some("1"));
        value("Stripe Bytes Transferred").unwrap().parse().unwrap()
    });
    told.collect()
}

#[tokio::test]
async fn files_are_pulled_and_pushed_between_services() {
    let world = World::transferring().await;
    let partner = world.partner().await;
    let theirs = format!("TransferHeaderAuthorization: Bearer {}", world.token(READ));
    world.mkcol("/d").await;
    world.put("/d/f", "content").await;
    let here = format!("{}/wlcg", world.storage.url());
    let there = format!("{}/wlcg", partner.url());

    // Push: the partner gets it with a token for itself.
    let create = format!(
        "TransferHeaderAuthorization: Bearer {}",
        world.token(CREATE)
    );
    let to = format!("Destination: {there}/n");
    let push = [
        to.as_str(),
        &create,
        "Credential: none",
        "RequireChecksumVerification: true",
        "X-Number-Of-Streams: 4",
    ];
    let token = world.token(READ);
    let reply = world.send("COPY", "/d/f", &token, &push, "").await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.header("content-type"), "text/perf-marker-stream");
    assert_eq!(reply.header("transfer-encoding"), "chunked");
    let body = String::from_utf8(reply.body).unwrap();
    assert_eq!(last(&body), "success: Created");
    assert_eq!(bytes(&body).last(), Some(&7));
    let connection = format!("\tRemoteConnections: tcp:127.0.0.1:{}\n", port(&there));
    assert!(body.contains(&connection), "{body}");
    let put = &partner.requests()[0];
    assert!(
        put.starts_with("PUT /wlcg/n ") && put.contains("repr-digest"),
        "{put}"
    );

    // With a token that creates only it is not replaced; nor with Overwrite: F, which shows in a HEAD.
    let (_, body) = world.copy("/d/f", READ, &push).await;
    assert_eq!(
        last(&body),
        "failure: the other side answered with status 403"
    );
    let modify = format!(
        "TransferHeaderAuthorization: Bearer {}",
        world.token(MODIFY)
    );
    world.put("/d/f", "new content").await;
    let (_, body) = world
        .copy("/d/f", READ, &[&to, &modify, "Overwrite: F"])
        .await;
    assert!(last(&body).contains("412"), "{body}");
    let asked = partner.requests();
    assert!(
        asked.last().unwrap().starts_with("HEAD /wlcg/n "),
        "{asked:?}"
    );
    let (_, body) = world.copy("/d/f", READ, &[&to, &modify]).await;
    assert_eq!(last(&body), "success: Created");

    // Pull, by a service that had nothing to do with it so far.
    let (world, _first) = world.at(partner);
    assert_eq!(world.content("/n").await.as_deref(), Some("new content"));
    let from = format!("{here}/d/f");
    let needed = "RequireChecksumVerification: true";
    assert_eq!(
        world.pull("/p", &from, &[&theirs, needed]).await,
        "success: Created"
    );
    assert_eq!(world.content("/p").await.as_deref(), Some("new content"));
    // And from itself.
    let own = format!("{there}/p");
    assert_eq!(world.pull("/q", &own, &[&theirs]).await, "success: Created");
    assert_eq!(
        world.pull("/r", &own, &[]).await,
        "failure: the other side answered with status 401"
    );
    let paths = world.storage.paths();
    assert_eq!(
        paths,
        [
            "/wlcg/",
            "/wlcg/n",
            "/wlcg/p",
            "/wlcg/protected/",
            "/wlcg/q"
        ]
    );
}

fn port(url: &str) -> &str {
    let rest = url.rsplit(':').next().unwrap();
    rest.split('/').next().unwrap()
}

#[tokio::test]
async fn what_is_wrong_here_is_told_by_status_before_anybody_is_asked() {
    let world = World::transferring().await;
    let other = Party::new(&world.authority, |_, _| answer("200 OK", &[], "new")).await;
    world.put("/f", "old").await;
    world.mkcol("/d").await;
    let source = format!("Source: {}", other.url("/x"));
    let source = source.as_str();
    let destination = format!("Destination: {}", other.url("/x"));
    let destination = destination.as_str();
    let all = OBSERVER;
    for (scope, path, headers, status) in [
        // Rights.
        (READ, "/n", &[source][..], 403),
        ("storage.stage:/", "/n", &[source], 403),
        ("storage.create:/d", "/n", &[source], 403),
        (CREATE, "/f", &[source], 403),
        (CREATE, "/f", &[source, "Overwrite: T"], 403),
        (CREATE, "/f", &[source, "Overwrite: F"], 403),
        (MODIFY, "/f", &[destination], 403),
        (CREATE, "/f", &[destination], 403),
        ("storage.read:/d", "/f", &[destination], 403),
        // Obstacles.
        (all, "/f", &[source, "Overwrite: F"], 412),
        (all, "/none/n", &[source], 409),
        (all, "/d", &[source], 405),
        (all, "/n/", &[source], 405),
        (all, "/none", &[destination], 404),
        (all, "/f/", &[destination], 404),
        (all, "/d", &[destination], 405),
        // Words.
        (all, "/n", &[source, destination], 400),
        (all, "/n", &[source, "Destination: /wlcg/f"], 400),
        (all, "/n", &[], 400),
        (all, "/n", &[source, source], 400),
        (all, "/f", &[source, "Overwrite: X"], 400),
        (all, "/n", &[source, "Credential: gridsite"], 400),
        (
            all,
            "/n",
            &[source, "RequireChecksumVerification: maybe"],
            400,
        ),
        (all, "/n", &[source, "X-Number-Of-Streams: -1"], 400),
        (all, "/n", &["Source: ::"], 400),
        (all, "/n", &["Source: /wlcg/f"], 400),
        (all, "/n", &["Source: file:///etc/hostname"], 400),
        (all, "/f", &["Destination: ftp://localhost/x"], 400),
    ] {
        let (told, body) = world.copy(path, scope, headers).await;
        assert_eq!(told, status, "{scope} {path} {headers:?} {body}");
    }
    let foreign = json!({"aud": "https://elsewhere.example.org"});
    for token in ["", "nonsense", &world.forge(all, foreign)] {
        let reply = world.send("COPY", "/n", token, &[source], "").await;
        assert_eq!(reply.status, 401);
    }
    assert_eq!(other.connections(), 0);
    assert_eq!(world.content("/f").await.as_deref(), Some("old"));
    let paths = world.storage.paths();
    assert_eq!(paths, ["/wlcg/", "/wlcg/d/", "/wlcg/f", "/wlcg/protected/"]);
}

#[tokio::test]
async fn a_pull_replaces_only_with_the_right_to() {
    let world = World::transferring().await;
    let other = Party::new(&world.authority, |_, _| answer("200 OK", &[], "new")).await;
    world.put("/f", "old").await;
    let source = format!("Source: {}", other.url("/x"));
    let (status, body) = world.copy("/f", MODIFY, &[&source]).await;
    assert_eq!((status, last(&body).as_str()), (202, "success: Created"));
    assert_eq!(world.content("/f").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn the_other_side_gets_what_is_meant_for_it_and_nothing_else() {
    let world = World::transferring().await;
    let other = Party::new(&world.authority, |_, heard| {
        let status = if heard.head.starts_with("PUT") {
            "201 Created"
        } else {
            "200 OK"
        };
        answer(status, &[], "")
    })
    .await;
    world.put("/f", "content").await;
    let headers = [
        "TransferHeaderAuthorization: Bearer xyz",
        "transferheaderx-test: 1",
        "TransferHeaderContent-Length: 3",
        "TransferHeaderHost: evil",
        "TransferHeaderRange: bytes=0-1",
        "TransferHeaderExpect: 100-continue",
        "Cookie: own",
        "X-Other: own",
    ];
    assert_eq!(
        world.pull("/n", &other.url("/x?q=1"), &headers).await,
        "success: Created"
    );
    let source = other.url("/y");
    assert_eq!(world.pull("/m", &source, &[]).await, "success: Created");
    let to = format!("Destination: {}", other.url("/z"));
    let right = "Repr-Digest: adler=:C8sC/A==:";
    let (_, body) = world.copy("/f", READ, &[&to, headers[0]]).await;
    assert_eq!(last(&body), "success: Created");

    let [get, plain, put] = <[Heard; 3]>::try_from(other.heard()).unwrap();
    assert!(
        get.head.starts_with("GET /x?q=1 HTTP/1.1\r\n"),
        "{}",
        get.head
    );
    assert_eq!(get.header("authorization"), Some("Bearer xyz"));
    assert_eq!(get.header("x-test"), Some("1"));
    assert_eq!(
        get.header("host"),
        Some(format!("localhost:{}", other.port).as_str())
    );
    assert_eq!(get.header("want-digest"), Some("adler32"));
    assert_eq!(get.header("want-repr-digest"), Some("adler=10"));
    for name in ["range", "expect", "content-length", "cookie", "x-other"] {
        assert_eq!(get.header(name), None, "{name}");
    }
    assert_eq!(plain.header("authorization"), None);
    assert!(!plain.head.contains("eyJ"), "{}", plain.head);
    assert_eq!((put.body.as_str(), put.header("expect")), ("content", None));
    assert_eq!(put.header("authorization"), Some("Bearer xyz"));
    assert_eq!(put.header("digest"), Some("adler32=0bcb02fc"));
    assert_eq!(
        put.header("repr-digest"),
        right.split_once(": ").map(|(_, value)| value)
    );
}

#[tokio::test]
async fn what_is_not_complete_and_right_never_appears() {
    let world = World::transferring().await;
    let cut = |text: &str| vec![Deed::Send(text.into()), Deed::Cut];
    let needed = "RequireChecksumVerification: true";
    let not_needed = "RequireChecksumVerification: false";
    let good = "Repr-Digest: adler=:C8sC/A==:";
    let scripts: Vec<(&str, Vec<Deed>, &str)> = vec![
        ("status 404", answer("404 Not Found", &[], "<html>"), ""),
        ("status 401", answer("401 Unauthorized", &[], "no"), ""),
        ("status 500", answer("500 Oh", &[], "no"), ""),
        ("status 202", answer("202 Accepted", &[], "<html>"), ""),
        (
            "status 206",
            answer(
                "206 Partial Content",
                &["Content-Range: bytes 0-6/9"],
                "content",
            ),
            "",
        ),
        (
            "broke off",
            cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncontent"),
            "",
        ),
        (
            "broke off",
            vec![Deed::Send(
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncontent".into(),
            )],
            "",
        ),
        (
            "broke off",
            cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n"),
            "",
        ),
        ("broke off", cut("HTTP/1.1 200 OK\r\n\r\ncontent"), ""),
        (
            "connection to the other side broke",
            cut("HTTP/1.1 200"),
            "",
        ),
        (
            "connection to the other side broke",
            cut("nonsense\r\n\r\n"),
            "",
        ),
        (
            "too long",
            cut("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx"),
            "",
        ),
        (
            "encoded",
            answer("200 OK", &["Content-Encoding: gzip"], "content"),
            "",
        ),
        ("is silent", vec![Deed::Hang], ""),
        (
            "is silent",
            vec![
                Deed::Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nco".into()),
                Deed::Hang,
            ],
            "",
        ),
        (
            "checksum mismatch",
            answer("200 OK", &["Digest: adler32=00000001"], "content"),
            "",
        ),
        (
            "checksum mismatch",
            answer("200 OK", &["Digest: adler32=00000001"], "content"),
            not_needed,
        ),
        (
            "checksum mismatch",
            answer("200 OK", &["Repr-Digest: adler=:AAAAAQ==:"], "content"),
            needed,
        ),
        (
            "checksum mismatch",
            answer("200 OK", &["Digest: SHA-256=AAAA"], "content"),
            needed,
        ),
        (
            "there is no checksum",
            answer("200 OK", &["Digest: md5=x"], "content"),
            needed,
        ),
        (
            "checksum mismatch",
            answer("200 OK", &[], "other content"),
            good,
        ),
    ];
    for (reason, script, headers) in scripts {
        let script = std::sync::Mutex::new(script);
        let other = Party::new(&world.authority, move |_, _| {
            std::mem::take(&mut *script.lock().unwrap())
        })
        .await;
        let headers: Vec<&str> = headers.split_terminator('\n').collect();
        let line = world.pull("/n", &other.url("/x"), &headers).await;
        let told = line.starts_with("failure: ") && line.contains(reason);
        assert!(told, "{line} instead of {reason}");
        assert_eq!(
            world.storage.paths(),
            ["/wlcg/", "/wlcg/protected/"],
            "{reason}"
        );
    }
    // A transfer that succeeds at last, with a token that only creates.
    for (path, header) in [
        ("/a", "Digest: adler32=0bcb02fc"),
        ("/b", "Repr-Digest: adler=:C8sC/A==:"),
    ] {
        let other = Party::new(&world.authority, move |_, _| {
            answer("200 OK", &[header], "content")
        })
        .await;
        let line = world.pull(path, &other.url("/x"), &[needed, good]).await;
        assert_eq!(line, "success: Created", "{header}");
    }
}

#[tokio::test]
async fn an_old_file_outlives_a_pull_that_fails() {
    let world = World::transferring().await;
    world.put("/f", "old").await;
    let other = Party::new(&world.authority, |_, _| {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nne";
        vec![Deed::Send(half.into()), Deed::Cut]
    })
    .await;
    let source = format!("Source: {}", other.url("/x"));
    let (_, body) = world.copy("/f", MODIFY, &[&source]).await;
    assert_eq!(last(&body), "failure: the file broke off");
    assert_eq!(world.content("/f").await.as_deref(), Some("old"));
}

#[tokio::test]
async fn the_other_side_has_to_be_who_it_is() {
    let world = World::transferring().await;
    let stranger = Authority::new().unwrap();
    let ok = |_: usize, _: &Heard| answer("200 OK", &[], "content");
    let unknown = Party::new(&stranger, ok).await;
    let tls = server::server_tls(&world.authority).unwrap();
    let misnamed = Party::at("127.0.0.2", Some(tls), ok).await;
    let header = "TransferHeaderAuthorization: Bearer xyz";
    for (party, url) in [
        (&unknown, unknown.url("/x")),
        (&misnamed, format!("https://127.0.0.2:{}/x", misnamed.port)),
    ] {
        let line = world.pull("/n", &url, &[header]).await;
        assert_eq!(
            line,
            "failure: there is no trusted connection to the other side"
        );
        assert_eq!((party.connections(), party.heard().len()), (1, 0));
    }
    // Nobody is told whether somebody listens there at all.
    let gone = unknown.url("/x");
    drop(unknown);
    let line = world.pull("/n", &gone, &[header]).await;
    assert_eq!(
        line,
        "failure: there is no trusted connection to the other side"
    );
}

#[tokio::test]
async fn redirects_are_followed_over_https_and_credentials_stay_with_their_host() {
    let world = World::transferring().await;
    let target = Party::new(&world.authority, |_, _| answer("200 OK", &[], "content")).await;
    let plain = Party::at("127.0.0.1", None, |_, _| answer("200 OK", &[], "content")).await;
    let header = "TransferHeaderAuthorization: Bearer xyz";
    let other_host = format!("https://127.0.0.1:{}/y", target.port);
    for (path, location, right) in [
        ("/a", target.url("/y"), "success: Created"),
        ("/b", other_host, "success: Created"),
        (
            "/c",
            plain.url("/y"),
            "failure: the other side redirects to a place that is not asked",
        ),
        (
            "/d",
            "file:///etc/hostname".into(),
            "failure: the other side redirects to a place that is not asked",
        ),
        (
            "/e",
            "/again".into(),
            "failure: the other side redirects too often",
        ),
    ] {
        let location = format!("Location: {location}");
        let first = Party::new(&world.authority, move |_, _| {
            answer("302 Found", &[&location], "")
        })
        .await;
        let line = world.pull(path, &first.url("/x"), &[header]).await;
        assert_eq!(line, right, "{path}");
        assert!(first.connections() <= 6);
    }
    assert_eq!(plain.connections(), 0);
    let sent: Vec<_> = target
        .heard()
        .iter()
        .map(|heard| heard.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(sent, [Some("Bearer xyz".to_owned()), None]);
}

#[tokio::test]
async fn pushes_are_verified_and_never_overwrite_unasked() {
    let world = World::transferring().await;
    world.put("/f", "content").await;
    let needed = "RequireChecksumVerification: true";
    let right = "Digest: adler32=0bcb02fc";
    for (head, told, headers, line) in [
        ("404 Not Found", "", &[][..], "success: Created"),
        ("404 Not Found", "", &["Overwrite: F"], "success: Created"),
        (
            "200 OK",
            right,
            &["Overwrite: F"],
            "failure: there is something at the destination (412 Precondition Failed)",
        ),
        (
            "403 No",
            right,
            &["Overwrite: F"],
            "failure: the other side answered with status 403",
        ),
        ("200 OK", right, &[needed], "success: Created"),
        (
            "200 OK",
            "Digest: adler32=00000001",
            &[needed],
            "failure: checksum mismatch",
        ),
        (
            "200 OK",
            "",
            &[needed],
            "failure: checksum verification is required, and there is no checksum",
        ),
        (
            "403 No",
            "",
            &[needed],
            "failure: checksum verification is required, and there is no checksum",
        ),
        (
            "200 OK",
            right,
            &["Repr-Digest: adler=:C8sC/A==:"],
            "success: Created",
        ),
        (
            "200 OK",
            right,
            &["Repr-Digest: adler=:AAAAAQ==:"],
            "failure: checksum mismatch",
        ),
    ] {
        let other = Party::new(&world.authority, move |_, heard| {
            match heard.head.starts_with("PUT") {
                true => answer("201 Created", &[], ""),
                false if told.is_empty() => answer(head, &[], ""),
                false => answer(head, &[told], ""),
            }
        })
        .await;
        let to = format!("Destination: {}", other.url("/x"));
        let (status, body) = world
            .copy("/f", READ, &[&[to.as_str()], headers].concat())
            .await;
        assert_eq!((status, last(&body).as_str()), (202, line), "{headers:?}");
        let put = other
            .heard()
            .into_iter()
            .find(|heard| heard.head.starts_with("PUT"));
        let condition = put.as_ref().and_then(|put| put.header("if-none-match"));
        let careful = headers.contains(&"Overwrite: F");
        assert_eq!(condition, (careful && put.is_some()).then_some("*"));
    }
    // Who never answers is not waited for.
    let other = Party::new(&world.authority, |_, _| vec![Deed::Hang]).await;
    let to = format!("Destination: {}", other.url("/x"));
    let (_, body) = world.copy("/f", READ, &[&to]).await;
    assert_eq!(last(&body), "failure: the other side is silent");
    // What does not fit here is not sent at all; nor is a refusal taken for success.
    let other = Party::new(&world.authority, |_, _| answer("412 No", &[], "")).await;
    let to = format!("Destination: {}", other.url("/x"));
    let (_, body) = world
        .copy("/f", READ, &[&to, "Repr-Digest: adler=:AAAAAQ==:"])
        .await;
    assert_eq!(
        (last(&body).as_str(), other.connections()),
        ("failure: checksum mismatch", 0)
    );
    let (_, body) = world.copy("/f", READ, &[&to]).await;
    assert_eq!(
        last(&body),
        "failure: the other side answered with status 412"
    );
}

/// Sends a byte each 100 ms, and all that remains in the end.
fn trickle(bytes: usize) -> Vec<Deed> {
    let mut deeds = vec![Deed::Send(
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".into(),
    )];
    for _ in 0..bytes {
        deeds.push(Deed::Send("x".into()));
        deeds.push(Deed::Wait(Duration::from_millis(100)));
    }
    deeds.push(Deed::Send("x".repeat(100 - bytes)));
    deeds
}

#[tokio::test]
async fn markers_come_while_the_data_do() {
    let world = World::transferring().await;
    let other = Party::new(&world.authority, |_, _| trickle(8)).await;
    let source = format!("Source: {}", other.url("/x"));
    let url = format!("{}/wlcg/n", world.storage.url());
    let begun = std::time::Instant::now();
    let mut response = world
        .client
        .request(Method::from_bytes(b"COPY").unwrap(), url)
        .bearer_auth(world.token(CREATE))
        .header("Source", source.strip_prefix("Source: ").unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 202);
    let first = response.chunk().await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_millis(700));
    assert_eq!(world.storage.paths().len(), 2, "nothing is there yet");
    let mut body = String::from_utf8(first.to_vec()).unwrap();
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let told = bytes(&body);
    assert!(
        told.len() > 3 && told.is_sorted() && told.last() == Some(&100),
        "{told:?}"
    );
    assert_eq!(body.matches("success: Created\n").count(), 1);
    assert!(body.ends_with("success: Created\n"));

    // Somebody who trickles for ever is not waited for.
    let other = Party::new(&world.authority, |_, _| trickle(99)).await;
    let line = world.pull("/m", &other.url("/x"), &[]).await;
    assert_eq!(line, "failure: the transfer takes too long");
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_transfer() {
    let world = World::with_options(StorageOptions {
        transfer: TransferOptions {
            idle: Duration::from_secs(30),
            ..options().transfer
        },
        ..StorageOptions::default()
    })
    .await;
    let other = Party::new(&world.authority, |_, _| {
        let begun = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nco";
        vec![Deed::Send(begun.into()), Deed::Hang]
    })
    .await;
    let url = format!("{}/wlcg/n", world.storage.url());
    let mut response = world
        .client
        .request(Method::from_bytes(b"COPY").unwrap(), url)
        .bearer_auth(world.token(CREATE))
        .header("Source", other.url("/x"))
        .send()
        .await
        .unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    let closed = tokio::time::timeout(Duration::from_secs(2), other.closed());
    assert!(
        closed.await.is_ok(),
        "the connection to the other side is still open"
    );
    assert_eq!(world.storage.paths().len(), 2);
}

#[tokio::test]
async fn what_appears_meanwhile_is_not_replaced_without_the_right_to() {
    let world = World::transferring().await;
    let other = Party::new(&world.authority, |_, _| trickle(4)).await;
    let pull = async { world.pull("/n", &other.url("/x"), &[]).await };
    let meanwhile = async {
        while other.heard().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.put("/n", "theirs").await;
    };
    let (line, ()) = tokio::join!(pull, meanwhile);
    assert_eq!(line, "failure: refused here: 403 Forbidden");
    assert_eq!(world.content("/n").await.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn too_many_transfers_at_once_are_put_off() {
    let world = World::with_options(StorageOptions {
        transfer: TransferOptions {
            at_once: 1,
            ..options().transfer
        },
        ..StorageOptions::default()
    })
    .await;
    let other = Party::new(&world.authority, |_, _| trickle(3)).await;
    let source = format!("Source: {}", other.url("/x"));
    let second = async {
        while other.heard().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let token = world.token(CREATE);
        world.send("COPY", "/m", &token, &[&source], "").await
    };
    let from = other.url("/x");
    let (line, second) = tokio::join!(world.pull("/n", &from, &[]), second);
    assert_eq!(line, "success: Created");
    assert_eq!((second.status, second.header("retry-after")), (429, "5"));
    assert_eq!(world.pull("/o", &from, &[]).await, "success: Created");
}
