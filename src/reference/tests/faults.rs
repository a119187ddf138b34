//! A few faults as a client sees them. Which cases find which fault is for the suite to prove.

use std::time::Duration;

use super::*;
use crate::waiting::awaited;

async fn deaf(name: &str) -> Vec<(u16, usize)> {
    let world = World::with_faults(&[name]).await;
    let token = world.token(OBSERVER);
    let mut answers = Vec::new();
    for method in ["OPTIONS", "GET", "PUT", "PROPFIND", "FOO"] {
        for token in [&token, ""] {
            let reply = world.send(method, "/f", token, &["Depth: 0"], "").await;
            answers.push((reply.status, reply.body.len()));
        }
    }
    answers.dedup();
    assert_eq!(world.storage.paths(), ["/wlcg/", "/wlcg/protected/"]);
    answers
}

#[tokio::test]
async fn a_service_that_is_out_of_order_answers_everything_alike() {
    assert_eq!(deaf("deny-all").await, [(403, 0)]);
    assert_eq!(deaf("not-found-all").await, [(404, 0)]);
    assert_eq!(deaf("error-all").await, [(500, 0)]);
    assert_eq!(deaf("empty-ok-all").await, [(200, 0)]);
}

#[tokio::test]
async fn allow_all_asks_for_no_token() {
    let world = World::with_faults(&["allow-all"]).await;
    for (method, status) in [
        ("PUT", 201),
        ("PUT", 204),
        ("GET", 200),
        ("DELETE", 204),
        ("GET", 404),
    ] {
        assert_eq!(
            world.send(method, "/f", "", &[], "").await.status,
            status,
            "{method}"
        );
    }
    let expired = world.forge(
        "",
        json!({"exp": 1, "aud": "https://elsewhere.example.org"}),
    );
    assert_eq!(
        world.send("MKCOL", "/d", &expired, &[], "").await.status,
        201
    );
}

#[tokio::test]
async fn hang_all_accepts_and_never_answers_and_ends_when_dropped() {
    let world = World::with_faults(&["hang-all"]).await;
    let url = format!("{}/wlcg/f", world.storage.url());
    let waiting = world
        .client
        .get(url.clone())
        .timeout(Duration::from_millis(300));
    assert!(waiting.send().await.is_err_and(|error| error.is_timeout()));
    let pending = tokio::spawn(world.client.get(url).send());
    drop(world.storage);
    let ended = awaited("the connection is still open", pending).await;
    assert!(ended.unwrap().is_err_and(|error| !error.is_timeout()));
}

#[tokio::test]
async fn down_listens_nowhere_and_keeps_its_port() {
    let world = World::with_faults(&["down"]).await;
    let port = world
        .storage
        .url()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let refused = world.client.get(world.storage.url()).send().await;
    assert!(refused.is_err_and(|error| error.is_connect()));
    let options = StorageOptions {
        port,
        issuer: world.issuer.url().into(),
        issuer_ca_pem: world.authority.ca_pem().into(),
        ..StorageOptions::default()
    };
    assert!(
        Storage::start(&world.authority, options.clone())
            .await
            .is_err()
    );
    drop(world.storage);
    assert!(Storage::start(&world.authority, options).await.is_ok());
}

#[tokio::test]
async fn lies_are_told_to_tokens_that_only_modify() {
    let world = World::with_faults(&["delete-lies"]).await;
    world.put("/f", "x").await;
    assert_eq!(world.status("DELETE", "/f", "storage.modify:/").await, 204);
    assert_eq!(world.content("/f").await.as_deref(), Some("x"));
    assert_eq!(world.status("DELETE", "/f", OBSERVER).await, 204);
    assert_eq!(world.content("/f").await, None);
}

#[tokio::test]
async fn a_refusal_may_come_with_the_deed_or_the_data() {
    let world = World::with_faults(&["create-overwrites-yet-forbidden"]).await;
    world.put("/f", "old").await;
    let create = world.token("storage.create:/");
    assert_eq!(
        world.send("PUT", "/f", &create, &[], "new").await.status,
        403
    );
    assert_eq!(world.content("/f").await.as_deref(), Some("new"));

    let world = World::with_faults(&["denied-leaks"]).await;
    world.put("/f", "secret").await;
    let create = world.token("storage.create:/");
    let reply = world.send("GET", "/f", &create, &[], "").await;
    assert_eq!((reply.status, reply.body.as_slice()), (403, &b"secret"[..]));
}

#[tokio::test]
async fn wrong_sizes_are_told() {
    let world = World::with_faults(&["head-wrong-length", "propfind-wrong-length"]).await;
    // Both replace what is told; the later one counts.
    let token = world.token("storage.read:/");
    world.put("/f", "12345").await;
    assert_eq!(
        world
            .send("HEAD", "/f", &token, &[], "")
            .await
            .header("content-length"),
        "5"
    );
    let reply = world
        .send("PROPFIND", "/f", &token, &["Depth: 0"], "")
        .await;
    assert!(
        String::from_utf8(reply.body)
            .unwrap()
            .contains("<D:getcontentlength>6<")
    );

    let world = World::with_faults(&["head-wrong-length"]).await;
    let token = world.token("storage.read:/");
    world.put("/f", "12345").await;
    assert_eq!(
        world
            .send("HEAD", "/f", &token, &[], "")
            .await
            .header("content-length"),
        "6"
    );
    assert_eq!(
        world.send("GET", "/f", &token, &[], "").await.body,
        b"12345"
    );
}

#[tokio::test]
async fn strings_that_start_alike() {
    let world = World::with_faults(&["scope-prefix-match"]).await;
    world.mkcol("/foobar").await;
    world.put("/foobar/f", "x").await;
    assert_eq!(
        world.status("GET", "/foobar/f", "storage.read:/foo").await,
        200
    );
    assert_eq!(
        world.status("GET", "/foobar/f", "storage.read:/foo/").await,
        403
    );
    assert_eq!(
        world.status("GET", "/foobar/f", "storage.read:/bar").await,
        403
    );
}
