use super::*;
use crate::Area;

async fn get(world: &World, token: &str) -> (u16, String) {
    let reply = world.send("GET", "/f", token, &[], "").await;
    let challenge = reply.header("www-authenticate");
    let error = challenge
        .split("error=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    assert_eq!(
        reply.status >= 400,
        challenge.starts_with("Bearer realm=\"storage\""),
        "{challenge}"
    );
    assert!(reply.status < 400 || !reply.body.windows(6).any(|part| part == b"secret"));
    (reply.status, error.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn answers_are_those_of_rfc_6750() {
    let world = World::new().await;
    world.put("/f", "secret").await;
    let good = world.token("storage.read:/");
    let answer = |status, error: &str| (status, error.to_owned());
    assert_eq!(get(&world, &good).await, answer(200, ""));
    assert_eq!(get(&world, "").await, answer(401, ""));
    assert_eq!(get(&world, "nonsense").await, answer(401, "invalid_token"));
    assert_eq!(
        get(&world, "two words").await,
        answer(400, "invalid_request")
    );
    let weak = world.token("storage.read:/other");
    assert_eq!(get(&world, &weak).await, answer(403, "insufficient_scope"));
    // What is missing and what is there look the same to who may see neither.
    assert_eq!(
        world.status("GET", "/missing", "storage.read:/other").await,
        403
    );
}

#[tokio::test]
async fn bad_tokens_open_nothing() {
    let world = World::new().await;
    world.put("/f", "secret").await;
    let scope = "storage.read:/";
    let now = jiff::Timestamp::now().as_second();
    let iss = world.issuer.url();
    for changes in [
        json!({"exp": now - 1}),
        json!({"exp": null}),
        json!({"nbf": now + 300}),
        json!({"aud": null}),
        json!({"aud": "https://elsewhere.example.org"}),
        json!({"aud": format!("{}/", world.storage.url())}),
        json!({"aud": ["https://elsewhere.example.org", "x"]}),
        json!({"iss": null}),
        json!({"iss": iss.trim_end_matches('/')}),
        json!({"iss": "https://elsewhere.example.org/"}),
        json!({"wlcg.ver": "2.0"}),
        json!({"wlcg.ver": null}),
        json!({"sub": null}),
        json!({"jti": null}),
        json!({"scope": "storage.read:/ storage.read"}),
        json!({"scope": "storage.read", "wlcg.groups": ["/wlcg"]}),
    ] {
        let token = world.forge(scope, changes.clone());
        assert_eq!(
            get(&world, &token).await,
            (401, "invalid_token".to_owned()),
            "{changes}"
        );
    }
    for good in [
        json!({"aud": world.storage.url()}),
        json!({"aud": ["x", world.storage.url()]}),
        json!({"wlcg.ver": "1.3", "nbf": now + 20, "name": {"any": "thing"}}),
    ] {
        let token = world.forge(scope, good.clone());
        assert_eq!(get(&world, &token).await.0, 200, "{good}");
    }
}

#[tokio::test]
async fn signatures_are_those_of_the_issuer() {
    let world = World::new().await;
    world.put("/f", "secret").await;
    let claims = world.claims("storage.read:/");
    let (ec, rsa) = (world.issuer.test_key_id(), world.issuer.rsa_key_id());
    let with = |algorithm, kid: Option<&str>, change: fn(&mut Header)| {
        let mut header = Header {
            kid: kid.map(str::to_owned),
            ..Header::new(algorithm)
        };
        change(&mut header);
        world.sign(&header, &claims)
    };
    let (es256, rs256) = (Algorithm::ES256, Algorithm::RS256);
    for token in [
        with(es256, Some(ec), |_| {}),
        with(rs256, Some(rsa), |_| {}),
        with(es256, Some(ec), |header| header.typ = None),
        with(es256, Some(ec), |header| {
            header.typ = Some("application/AT+jwt".into())
        }),
    ] {
        assert_eq!(get(&world, &token).await.0, 200);
    }
    let good = with(es256, Some(ec), |_| {});
    let (message, signature) = good.rsplit_once('.').unwrap();
    let stronger = world.token("storage.modify:/");
    let unsigned = "eyJhbGciOiJub25lIn0";
    let payload = message.split('.').nth(1).unwrap();
    for token in [
        with(es256, None, |_| {}),
        with(es256, Some("other"), |_| {}),
        with(es256, Some(rsa), |_| {}),
        with(rs256, Some(ec), |_| {}),
        with(es256, Some(ec), |header| {
            header.typ = Some("logout+jwt".into())
        }),
        with(es256, Some(ec), |header| {
            header.crit = Some(vec!["x".into()])
        }),
        format!("{message}."),
        format!("{message}.{}", "A".repeat(86)),
        format!("{}.{signature}", stronger.rsplit_once('.').unwrap().0),
        format!("{unsigned}.{payload}."),
        format!("{unsigned}.{payload}.{signature}"),
        message.to_owned(),
        format!("{good}.x"),
        format!("{good}="),
        "a.b.c".to_owned(),
    ] {
        assert_eq!(
            get(&world, &token).await,
            (401, "invalid_token".to_owned()),
            "{token}"
        );
    }
}

#[tokio::test]
async fn paths_that_climb_are_refused() {
    let world = World::new().await;
    let token = world.token("storage.read:/");
    // The client normalises `..` and `%2e%2e`; what it lets pass is judged the same.
    for path in ["/a/..%2ff", "/a%2fb", "/a%00b", "/%ff"] {
        assert_eq!(
            world.send("GET", path, &token, &[], "").await.status,
            400,
            "{path}"
        );
    }
    world.put("/f", "x").await;
    assert_eq!(world.send("GET", "//%66", &token, &[], "").await.body, b"x");
}

#[tokio::test]
async fn an_issuer_speaks_for_its_own_area() {
    let other = World::new().await;
    let world = World::with_options(StorageOptions {
        others: vec![Area {
            path: "/wlcg2".into(),
            issuer: other.issuer.url().into(),
            issuer_ca_pem: other.authority.ca_pem().into(),
            groups: touchstone_model::Groups::default(),
        }],
        ..StorageOptions::default()
    })
    .await;
    let send = async |method: &str, path: &str, token: &str, destination: &str| {
        let url = format!("{}{path}", world.storage.url());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = world.client.request(method, url).bearer_auth(token);
        let request = request.header("Destination", destination);
        request.send().await.unwrap().status().as_u16()
    };
    let mine = world.token("storage.modify:/ storage.read:/");
    let theirs = other.token("storage.modify:/ storage.read:/");
    for (method, path, token, destination, status) in [
        ("PUT", "/wlcg/f", &mine, "", 201),
        ("PUT", "/wlcg2/f", &theirs, "", 201),
        ("GET", "/wlcg2/f", &mine, "", 403),
        ("PUT", "/wlcg2/g", &mine, "", 403),
        ("GET", "/wlcg/f", &theirs, "", 403),
        ("MOVE", "/wlcg/f", &mine, "/wlcg2/h", 403),
        ("MOVE", "/wlcg2/f", &mine, "/wlcg/h", 403),
        ("PUT", "/wlcg3/f", &mine, "", 403),
        ("PUT", "/f", &mine, "", 403),
        ("MKCOL", "/x", &mine, "", 403),
    ] {
        assert_eq!(
            send(method, path, token, destination).await,
            status,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn without_the_issuer_nothing_is_judged() {
    let world = World::new().await;
    let token = world.token("storage.read:/");
    let strangers = Authority::new().unwrap();
    let options = StorageOptions {
        issuer: world.issuer.url().into(),
        issuer_ca_pem: strangers.ca_pem().into(),
        ..StorageOptions::default()
    };
    let storage = Storage::start(&world.authority, options).await.unwrap();
    let request = world
        .client
        .get(format!("{}/wlcg/f", storage.url()))
        .bearer_auth(token);
    assert_eq!(request.send().await.unwrap().status(), 503);
}

#[tokio::test]
async fn keys_outlive_their_issuer() {
    let world = World::new().await;
    world.put("/f", "x").await;
    let token = world.token("storage.read:/");
    drop(world.issuer);
    let request = world
        .client
        .get(format!("{}/wlcg/f", world.storage.url()))
        .bearer_auth(token);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let authority = Authority::new().unwrap();
    let good = StorageOptions {
        issuer: "https://localhost:1/".into(),
        ..StorageOptions::default()
    };
    assert!(Storage::start(&authority, good.clone()).await.is_ok());
    for options in [
        StorageOptions {
            issuer: "http://localhost:1/".into(),
            ..good.clone()
        },
        StorageOptions {
            area: "wlcg".into(),
            ..good.clone()
        },
        StorageOptions {
            area: "/a/../b".into(),
            ..good.clone()
        },
        StorageOptions {
            issuer_ca_pem: "nonsense".into(),
            ..good.clone()
        },
    ] {
        assert!(Storage::start(&authority, options).await.is_err());
    }
}
