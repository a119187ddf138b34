//! Macaroons as a client sees them. Which requests and forgeries are refused is for the suite to prove.

use super::super::macaroon::Macaroon;
use super::*;

const NATIVE: &str = "Content-Type: application/macaroon-request";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn field(reply: &Reply, name: &str) -> Value {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    body[name].clone()
}

async fn ask(world: &World, scope: &str, body: &str) -> Reply {
    let token = world.token(scope);
    world.send("POST", "/d", &token, &[NATIVE], body).await
}

#[tokio::test]
async fn a_macaroon_is_issued_and_taken() {
    let world = World::new().await;
    let observer = world.token(OBSERVER);
    world.send("MKCOL", "/d", &observer, &[], "").await;
    let body =
        r#"{"caveats":["activity:UPLOAD,DOWNLOAD,LIST","ip:127.0.0.0/8,::1"],"validity":"PT1M"}"#;
    let reply = ask(&world, "storage.create:/ storage.read:/", body).await;
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (200, "no-store")
    );
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(field(&reply, "expires_in"), 60);
    let text = field(&reply, "macaroon").as_str().unwrap().to_owned();
    let caveats = Macaroon::parse(&text).unwrap().caveats().to_vec();
    assert_eq!(
        caveats[..3],
        [
            "activity:DOWNLOAD,LIST,UPLOAD",
            "ip:127.0.0.0/8,::1",
            "path:/wlcg/d"
        ]
    );
    assert!(caveats[3].starts_with("before:2") && caveats.len() == 4);
    for (method, path, status) in [
        ("PUT", "/d/f", 201),
        ("GET", "/d/f", 200),
        ("PUT", "/d/f", 403),
        ("DELETE", "/d/f", 403),
        ("PUT", "/f", 403),
        ("GET", "/d/none", 404),
    ] {
        let reply = world.send(method, path, &text, &[], "x").await;
        assert_eq!(reply.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_macaroon_is_no_wider_than_its_token() {
    let world = World::new().await;
    let everything = r#"{"validity":"P9D"}"#;
    let reply = ask(&world, "storage.read:/", everything).await;
    let seconds = field(&reply, "expires_in").as_i64().unwrap();
    assert!((500..=600).contains(&seconds), "{seconds}");
    let text = field(&reply, "macaroon").as_str().unwrap().to_owned();
    let macaroon = Macaroon::parse(&text).unwrap();
    assert_eq!(
        macaroon.caveats()[0],
        "activity:DOWNLOAD,LIST,READ_METADATA,STAGE"
    );
    let other = World::new().await;
    let reply = other.send("GET", "/d/f", &text, &[], "").await;
    assert_eq!(reply.status, 401, "another service has another key");
    let beyond = ask(&world, "storage.read:/elsewhere", everything).await;
    assert_eq!(beyond.status, 403);
}

#[tokio::test]
async fn the_token_endpoint_is_found_and_answers() {
    let world = World::new().await;
    let url = format!(
        "{}/.well-known/oauth-authorization-server",
        world.storage.url()
    );
    let metadata: Value = world
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let endpoint = metadata["token_endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with(world.storage.url()));
    let post = |body: &'static str| {
        let token = world.token("storage.read:/");
        let request = world.client.post(endpoint).bearer_auth(token).body(body);
        let (name, value) = FORM.split_once(": ").unwrap();
        request.header(name, value).send()
    };
    let good = post("grant_type=client_credentials&scope=LIST:/wlcg/d")
        .await
        .unwrap();
    assert_eq!(good.status(), 200);
    let body: Value = good.json().await.unwrap();
    assert!(Macaroon::parse(body["access_token"].as_str().unwrap()).is_ok());
    assert_eq!(post("scope=LIST:/wlcg/d").await.unwrap().status(), 400);
}
