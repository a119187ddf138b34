//! Third-party copies between services, and what one asks of another.

use std::time::Duration;

use super::super::TransferOptions;
use super::party::{Heard, Party, answer};
use super::*;
use crate::waiting::HANGS;

pub(super) const READ: &str = "storage.read:/";
pub(super) const CREATE: &str = "storage.create:/";
pub(super) const MODIFY: &str = "storage.modify:/";

impl World {
    /// One whose transfers wait for nobody.
    pub(super) async fn transferring() -> Self {
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
            idle: HANGS,
            total: HANGS,
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
pub(super) fn bytes(body: &str) -> Vec<u64> {
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
