//! A few faults as a client sees them. Which cases find which fault is for the suite to prove.

use std::time::Duration;

use super::super::compatible;
use super::*;
use crate::Fault;
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
    // Both replace what is told, and add up.
    let token = world.token("storage.read:/");
    world.put("/f", "12345").await;
    assert_eq!(
        world
            .send("HEAD", "/f", &token, &[], "")
            .await
            .header("content-length"),
        "6"
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

/// The names of faults of one service.
fn named(names: &[&str]) -> Vec<&'static Fault> {
    names.iter().map(|name| fault(name).unwrap()).collect()
}

#[tokio::test]
async fn faults_of_one_decision_add_up() {
    // Of the answers to one question each that differs counts: who may read.
    let world = World::with_faults(&["create-reads", "stage-reads", "poll-reads"]).await;
    world.put("/f", "x").await;
    for scope in ["storage.create:/", "storage.stage:/", "storage.poll:/"] {
        assert_eq!(world.status("GET", "/f", scope).await, 200, "{scope}");
    }
    assert_eq!(world.status("GET", "/f", "storage.modify:/").await, 403);

    // What is told goes through each: an upload is a lie, and a missing right an error.
    let world = World::with_faults(&["put-lies", "denied-is-error"]).await;
    assert_eq!(world.status("PUT", "/f", "storage.modify:/").await, 201);
    assert_eq!(world.content("/f").await, None);
    assert_eq!(world.status("PUT", "/f", "storage.read:/").await, 500);
}

#[tokio::test]
async fn claims_are_judged_by_each_fault_about_them() {
    let names = [
        "version-exact",
        "version-absent-accepted",
        "not-before-required",
        "issued-at-absent-accepted",
    ];
    let world = World::with_faults(&names).await;
    world.put("/f", "x").await;
    for (claims, status) in [
        (json!({}), 200),
        (json!({"wlcg.ver": "1.2"}), 401),
        (json!({"wlcg.ver": null}), 200),
        (json!({"nbf": null}), 401),
        (json!({"iat": null}), 200),
        (json!({"iat": null, "wlcg.ver": "1.2"}), 401),
        (json!({"exp": 1}), 401),
    ] {
        let token = world.forge("storage.read:/", claims.clone());
        let reply = world.send("GET", "/f", &token, &[], "").await;
        assert_eq!(reply.status, status, "{claims}");
    }
}

#[tokio::test]
async fn writes_are_those_of_the_fault_that_writes_otherwise() {
    let world = World::with_faults(&["delete-lies", "move-lies", "mkcol-lies"]).await;
    world.put("/f", "x").await;
    assert_eq!(world.status("DELETE", "/f", "storage.modify:/").await, 204);
    assert_eq!(world.content("/f").await.as_deref(), Some("x"));
    assert_eq!(world.status("MKCOL", "/d", "storage.modify:/").await, 201);
    let token = world.token("storage.modify:/");
    let to = format!("Destination: {}/wlcg/g", world.storage.url());
    let reply = world.send("MOVE", "/f", &token, &[&to], "").await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        world.storage.paths(),
        ["/wlcg/", "/wlcg/f", "/wlcg/protected/"]
    );
}

#[tokio::test]
async fn memories_of_faults_that_add_up_are_their_own() {
    let names = ["rights-cached-by-token-id", "empty-token-is-somebody"];
    let world = World::with_faults(&names).await;
    world.put("/f", "x").await;
    let jti = json!({"jti": "one"});
    let [reads, writes] = ["storage.read:/", "storage.modify:/"];
    let reads = world.forge(reads, jti.clone());
    assert_eq!(world.send("GET", "/f", &reads, &[], "").await.status, 200);
    let writes = world.forge(writes, jti);
    assert_eq!(world.send("PUT", "/g", &writes, &[], "").await.status, 403);
}

#[test]
fn faults_that_exclude_each_other_are_refused() {
    for (names, why) in [
        (&["put-lies", "put-lies"][..], "the same twice"),
        (&["tpc-report-is-html", "put-lies", "down"], "`down` puts"),
        (&["down", "error-all"], "`down` puts"),
        (
            &["issuer-token-lives-a-week", "issuer-token-lives-minutes"],
            "both decide `lifetime`",
        ),
        (
            &["issuer-token-symmetric", "issuer-token-names-wrong-key"],
            "both decide `sign`",
        ),
    ] {
        let refused = compatible(&named(names)).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    for names in [
        &[][..],
        &["down"],
        &["down", "issuer-token-lives-a-week"],
        &["put-lies", "delete-lies", "create-reads", "stage-reads"],
        &["tpc-answers-late", "tpc-no-markers", "tpc-report-is-html"],
    ] {
        assert_eq!(compatible(&named(names)), Ok(()), "{names:?}");
    }
}

#[tokio::test]
async fn a_storage_element_does_not_start_with_faults_that_exclude_each_other() {
    let authority = Authority::new().unwrap();
    let issuer = ReferenceIssuer::start(&authority, IssuerOptions::default())
        .await
        .unwrap();
    let options = StorageOptions {
        issuer: issuer.url().into(),
        issuer_ca_pem: authority.ca_pem().into(),
        faults: named(&["down", "put-lies"]),
        ..StorageOptions::default()
    };
    let refused = Storage::start(&authority, options).await.err().unwrap();
    assert!(refused.to_string().contains("out of order"), "{refused}");
}
