//! The decisions about transfers: each one, made wrongly, shows.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderValue;
use tokio::sync::Notify;

use super::super::namespace::Act;
use super::super::rules::Rules;
use super::super::transfer::{Direction, Scrutiny};
use super::party::{Deed, Heard, Party, answer};
use super::transfer::{CREATE, MODIFY, READ, last, options};
use super::*;
use crate::Fault;
use crate::waiting::awaited;

async fn with(apply: fn(&mut Rules)) -> World {
    let fault = Fault {
        name: "hook",
        about: "",
        clauses: &[],
        cases: &[],
        apply: super::super::faults::Apply::Element(apply),
    };
    World::with_options(StorageOptions {
        faults: vec![Box::leak(Box::new(fault))],
        ..options()
    })
    .await
}

async fn good(world: &World) -> Party {
    Party::new(&world.authority, |_, heard| {
        let head = heard.head.starts_with("HEAD");
        answer("200 OK", &[], if head { "" } else { "content" })
    })
    .await
}

/// What breaks off half-way.
fn half(_: usize, _: &Heard) -> Vec<Deed> {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\ncontent";
    vec![Deed::Send(text.into()), Deed::Cut]
}

#[tokio::test]
async fn when_rights_are_asked_for() {
    for (apply, line, connections) in [
        (
            (|rules: &mut Rules| rules.transfer.scrutiny = |_, _, _| Scrutiny::InStream)
                as fn(&mut Rules),
            "failure: refused here: 403 Forbidden",
            0,
        ),
        (
            |rules| rules.transfer.scrutiny = |_, _, _| Scrutiny::Afterwards,
            "failure: refused here: 403 Forbidden",
            1,
        ),
        (
            |rules| rules.transfer.scrutiny = |_, _, _| Scrutiny::Never,
            "success: Created",
            1,
        ),
        (
            |rules| rules.transfer.needs = |_, _| super::super::authorisation::Operation::Stat,
            "success: Created",
            1,
        ),
    ] {
        let world = with(apply).await;
        let other = good(&world).await;
        let source = format!("Source: {}", other.url("/x"));
        let (status, body) = world.copy("/n", READ, &[&source]).await;
        assert_eq!((status, last(&body).as_str()), (202, line));
        assert_eq!(other.connections(), connections, "{line}");
        let there = world.content("/n").await.is_some();
        assert_eq!(there, line.starts_with("success"));
    }
    // A push whose right is asked for too late, or not at all, has sent the file by then.
    for (apply, line) in [
        (
            (|rules: &mut Rules| rules.transfer.scrutiny = |_, _, _| Scrutiny::Afterwards)
                as fn(&mut Rules),
            "failure: refused here: 403 Forbidden",
        ),
        (
            |rules| rules.transfer.scrutiny = |_, _, _| Scrutiny::Never,
            "success: Created",
        ),
    ] {
        let world = with(apply).await;
        world.put("/f", "secret").await;
        let other = good(&world).await;
        let to = format!("Destination: {}", other.url("/x"));
        let (_, body) = world.copy("/f", MODIFY, &[&to]).await;
        assert_eq!(last(&body), line);
        assert_eq!(other.heard()[0].body, "secret");
    }
}

#[tokio::test]
async fn who_may_come_with_what_token() {
    let world = with(|rules| {
        rules.transfer.unasked = |parts| !parts.headers.contains_key("authorization");
        rules.transfer.any_audience = |parts| parts.headers.contains_key("source");
        rules.transfer.scrutiny = |_, _, _| Scrutiny::Never;
    })
    .await;
    let other = good(&world).await;
    let source = format!("Source: {}", other.url("/x"));
    let foreign = json!({"aud": "https://elsewhere.example.org"});
    for (path, token) in [("/n", String::new()), ("/m", world.forge(CREATE, foreign))] {
        let reply = world.send("COPY", path, &token, &[&source], "").await;
        assert_eq!(reply.status, 202);
        assert_eq!(world.content(path).await.as_deref(), Some("content"));
    }
}

#[tokio::test]
async fn what_is_kept_of_a_failure() {
    for (apply, left) in [
        (
            (|rules: &mut Rules| {
                rules.transfer.leaves = |_, bytes| Some(Bytes::copy_from_slice(bytes));
            }) as fn(&mut Rules),
            Some("content"),
        ),
        (
            |rules| rules.transfer.leaves = |_, _| Some(Bytes::new()),
            Some(""),
        ),
        (
            |rules| rules.transfer.whole = |_, _, _| true,
            Some("content"),
        ),
        (
            |rules| {
                rules.transfer.prepares = |namespace, path| {
                    let path = path.clone();
                    let _ = namespace.apply(&Act::Delete { path }, "");
                };
            },
            None,
        ),
    ] {
        let world = with(apply).await;
        world.put("/f", "old").await;
        let other = Party::new(&world.authority, half).await;
        let source = format!("Source: {}", other.url("/x"));
        world.copy("/f", MODIFY, &[&source]).await;
        assert_eq!(world.content("/f").await.as_deref(), left);
    }
}

#[tokio::test]
async fn who_is_trusted_and_followed() {
    let world = with(|rules| {
        rules.transfer.forgives = |_| true;
        rules.transfer.follows = |_| true;
    })
    .await;
    let header = "TransferHeaderAuthorization: Bearer xyz";
    let stranger = Authority::new().unwrap();
    let plain = Party::at("127.0.0.1", None, |_, _| answer("200 OK", &[], "content")).await;
    let location = format!("Location: http://localhost:{}/y", plain.port);
    let first = Party::new(&stranger, move |_, _| answer("307 No", &[&location], "")).await;
    let line = world.pull("/n", &first.url("/x"), &[header]).await;
    assert_eq!(line, "success: Created");
    // It is followed to another origin, and the credential stays where it was meant for.
    assert_eq!(plain.heard()[0].header("authorization"), None);
}

#[tokio::test]
async fn what_was_seen_before_and_where_credentials_go() {
    let world = with(|rules| {
        rules.transfer.peeks = |parts| {
            let source = parts.headers.get("source")?.to_str().ok()?;
            source.parse().ok()
        };
        rules.transfer.seen = |_, seen| {
            let status = seen.map_or(axum::http::StatusCode::BAD_GATEWAY, |seen| seen.status);
            let settled = !status.is_success();
            settled.then(|| super::super::answers::Outcome::text(status, "seen"))
        };
        rules.transfer.entrusts = |first, next| first == next;
        rules.transfer.announces = false;
    })
    .await;
    let header = "TransferHeaderAuthorization: Bearer xyz";
    let other = Party::new(&world.authority, |before, heard| {
        match (before, heard.head.contains(" /y ")) {
            (0, _) => answer("410 Gone", &[], ""),
            (_, false) => answer("307 No", &["Location: /y"], ""),
            (_, true) if heard.head.starts_with("HEAD") => answer("200 OK", &[], ""),
            (_, true) => answer("200 OK", &[], "content"),
        }
    })
    .await;
    let source = format!("Source: {}", other.url("/x"));
    let seen = world.copy("/n", CREATE, &[&source, header]).await;
    assert_eq!(seen, (410, "seen".to_owned()));
    let (_, body) = world.copy("/n", CREATE, &[&source, header]).await;
    assert_eq!(last(&body), "success: Created");
    for heard in other.heard() {
        let first = heard.head.contains(" /x ");
        assert_eq!(heard.header("authorization").is_some(), first, "{heard:?}");
    }
    let nobody = ["Source: https://localhost:0/", header];
    assert_eq!(world.copy("/m", CREATE, &nobody).await.0, 502);

    let to = format!("Destination: {}", other.url("/y"));
    world.copy("/n", READ, &[&to]).await;
    let put = other.heard().pop().unwrap();
    assert!(put.head.starts_with("PUT"), "{put:?}");
    assert_eq!(
        (put.header("digest"), put.header("repr-digest")),
        (None, None)
    );
}

#[tokio::test]
async fn what_counts_as_right() {
    let world = with(|rules| {
        rules.transfer.succeeded = |_, _| true;
        rules.transfer.convinced = |_, _, _| Ok(());
        rules.transfer.accepts = |_| true;
        rules.transfer.asks = |_, _| Ok(Direction::Pull);
        rules.transfer.imagines =
            |url| (url.scheme() == "file").then(|| Bytes::from_static(b"imagined"));
        rules.transfer.overwrite = |_| Ok(true);
        rules.transfer.verification = |_| Ok(false);
        rules.transfer.streams = |_| Ok(2);
        rules.transfer.credential = |_| Ok(());
    })
    .await;
    let other = Party::new(&world.authority, |_, _| {
        answer("404 Not Found", &["Digest: adler32=00000001"], "<html>")
    })
    .await;
    let odd = [
        "Destination: https://elsewhere.example.org/x",
        "Overwrite: X",
        "RequireChecksumVerification: maybe",
        "X-Number-Of-Streams: abc",
        "Credential: foo",
        "Repr-Digest: adler=:AAAAAQ==:",
    ];
    assert_eq!(
        world.pull("/n", &other.url("/x"), &odd).await,
        "success: Created"
    );
    assert_eq!(world.content("/n").await.as_deref(), Some("<html>"));
    assert_eq!(
        world.pull("/m", "file:///marker", &[]).await,
        "success: Created"
    );
    assert_eq!(world.content("/m").await.as_deref(), Some("imagined"));
}

#[tokio::test]
async fn what_the_other_side_is_sent() {
    let world = with(|rules| {
        rules.transfer.forwards = |parts| parts.headers.clone();
        rules.transfer.addresses = |_, url| url.set_query(Some("authz=x"));
        rules.transfer.outgoing = |_, _, headers| {
            headers.remove("want-digest");
            headers.insert("x-more", HeaderValue::from_static("1"));
        };
        rules.transfer.looks_first = false;
        rules.transfer.conditional = false;
        rules.transfer.stores = |bytes, streams| bytes.slice(streams as usize..);
        rules.transfer.sends = |bytes| bytes.slice(1..);
    })
    .await;
    let other = good(&world).await;
    let source = other.url("/x");
    assert_eq!(world.pull("/n", &source, &[]).await, "success: Created");
    assert_eq!(world.content("/n").await.as_deref(), Some("ontent"));
    let to = format!("Destination: {source}");
    let (_, body) = world.copy("/n", READ, &[&to, "Overwrite: F"]).await;
    assert_eq!(last(&body), "success: Created");
    let [get, put] = <[Heard; 2]>::try_from(other.heard()).unwrap();
    assert!(get.head.starts_with("GET /x?authz=x "));
    assert!(
        get.header("authorization")
            .unwrap()
            .starts_with("Bearer eyJ")
    );
    assert_eq!(
        (get.header("x-more"), get.header("want-digest")),
        (Some("1"), None)
    );
    assert_eq!(put.header("if-none-match"), None);
    assert_eq!(put.body, "ntent");
}

#[tokio::test]
async fn how_it_is_told() {
    let world = with(|rules| {
        rules.transfer.early = false;
        rules.transfer.media_type = "text/plain";
        rules.transfer.marker = |moment, _| match moment.number {
            0 => String::new(),
            _ => "Marker\n".into(),
        };
        rules.transfer.last = |_, ended| format!("{}\nend\n", ended.is_ok());
    })
    .await;
    let other = good(&world).await;
    let source = format!("Source: {}", other.url("/x"));
    let token = world.token(CREATE);
    let reply = world.send("COPY", "/n", &token, &[&source], "").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (202, "text/plain")
    );
    assert_eq!(reply.body, b"true\nend\n");

    let world = with(|rules| {
        rules.transfer.detour = |parts| {
            let location = format!("/moved{}", parts.uri.path());
            let response = axum::http::Response::builder().status(302);
            response.header("location", location).body("".into()).ok()
        };
    })
    .await;
    let reply = world.send("COPY", "/n", "nonsense", &[&source], "").await;
    assert_eq!(reply.status, 401);
    let token = world.token(CREATE);
    let reply = world.send("COPY", "/n", &token, &[&source], "").await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (302, "/moved/wlcg/n")
    );
}

#[tokio::test]
async fn whether_anybody_still_waits() {
    let world = with(|rules| rules.transfer.abandons = |_| false).await;
    let go = Arc::<Notify>::default();
    let gate = Arc::clone(&go);
    let other = Party::new(&world.authority, move |_, _| {
        let half = |text: &str| Deed::Send(text.into());
        let begun = half("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nxx");
        vec![begun, Deed::Await(Arc::clone(&gate)), half("xxx")]
    })
    .await;
    let copy = Method::from_bytes(b"COPY").unwrap();
    let url = format!("{}/wlcg/n", world.storage.url());
    let request = world.client.request(copy, url);
    let request = request.bearer_auth(world.token(CREATE));
    let request = request.header("Source", other.url("/x"));
    let response = request.send().await.unwrap();
    other.asked().await;
    drop(response);
    go.notify_one();
    let stored = async {
        while world.content("/n").await.as_deref() != Some("xxxxx") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    awaited("the transfer has not gone on", stored).await;
}
