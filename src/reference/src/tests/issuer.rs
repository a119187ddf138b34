use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::decode_header;

use super::*;

impl World {
    /// Posts a form to the token endpoint.
    async fn ask(&self, basic: Option<(&str, &str)>, form: &[(&str, &str)]) -> Reply {
        let url = format!("{}token", self.issuer.url());
        let mut request = self.client.post(url).form(form);
        if let Some((id, secret)) = basic {
            request = request.basic_auth(id, Some(secret));
        }
        let response = request.send().await.unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// A token by client credentials, or the error code.
    async fn obtain(&self, scope: &str, audience: Option<&str>) -> Result<String, String> {
        let secret = self.issuer.client_secret().expose_secret();
        let mut form = vec![("grant_type", "client_credentials"), ("scope", scope)];
        form.extend(audience.map(|audience| ("audience", audience)));
        let reply = self
            .ask(Some((self.issuer.client_id(), secret)), &form)
            .await;
        assert_eq!(reply.header("cache-control"), "no-store");
        let mut document = reply.json();
        if reply.status == 200 {
            assert_eq!(document["token_type"], "Bearer");
            assert_eq!(document["expires_in"], 1200);
            assert_eq!(document["scope"], scope);
            let Value::String(token) = document["access_token"].take() else {
                panic!("no token");
            };
            Ok(token)
        } else {
            assert_eq!(reply.status, 400);
            Err(document["error"].as_str().unwrap().to_owned())
        }
    }
}

impl Reply {
    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[tokio::test]
async fn metadata_and_keys_are_published() {
    let world = World::new().await;
    let base = world.issuer.url();
    for path in ["", "/"] {
        let url = format!("{base}{path}.well-known/openid-configuration");
        let metadata: Value = world
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(metadata["issuer"], base);
        assert_eq!(metadata["token_endpoint"], format!("{base}token"));
        let jwks = world.client.get(metadata["jwks_uri"].as_str().unwrap());
        let jwks: Value = jwks.send().await.unwrap().json().await.unwrap();
        let [ec, rsa] = jwks["keys"].as_array().unwrap().as_slice() else {
            panic!("{jwks}");
        };
        assert_eq!((&ec["alg"], &ec["crv"]), (&json!("ES256"), &json!("P-256")));
        assert_eq!(ec["kid"], world.issuer.test_key_id());
        assert_eq!(
            (&rsa["alg"], &rsa["kid"]),
            (&json!("RS256"), &json!(world.issuer.rsa_key_id()))
        );
        assert!(jwks.to_string().find("\"d\"").is_none());
    }
    let get = world
        .client
        .get(format!("{base}token"))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), 405);
    let nowhere = world
        .client
        .get(format!("{base}nowhere"))
        .send()
        .await
        .unwrap();
    assert_eq!(nowhere.status(), 404);
}

#[tokio::test]
async fn tokens_say_what_was_asked_for() {
    let world = World::new().await;
    let token = world.obtain("storage.read:/a openid", None).await.unwrap();
    let claims: Value = insecure_decode_claims(&token).unwrap();
    assert_eq!(claims["iss"], world.issuer.url());
    assert_eq!(claims["sub"], "touchstone");
    assert_eq!(claims["client_id"], "touchstone");
    assert_eq!(claims["wlcg.ver"], "1.0");
    assert_eq!(claims["aud"], ANY_AUDIENCE);
    assert_eq!(claims["scope"], "storage.read:/a openid");
    assert_eq!(claims["wlcg.groups"], Value::Null);
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        1200
    );
    assert_eq!(
        claims["iat"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(),
        60
    );
    let other: Value = insecure_decode_claims(world.obtain("openid", None).await.unwrap()).unwrap();
    assert_ne!(other["jti"], claims["jti"]);
    let header = decode_header(&token).unwrap();
    assert_eq!(
        (header.alg, header.kid.as_deref()),
        (Algorithm::ES256, Some(world.issuer.test_key_id()))
    );

    let claims = |token: String| insecure_decode_claims::<Value>(token).unwrap();
    let one = claims(world.obtain("openid", Some("https://a:1")).await.unwrap());
    assert_eq!(one["aud"], "https://a:1");
    let two = claims(world.obtain("openid", Some("https://a:1 b")).await.unwrap());
    assert_eq!(two["aud"], json!(["https://a:1", "b"]));
    let groups = claims(world.obtain("wlcg.groups:/wlcg/test", None).await.unwrap());
    assert_eq!(groups["wlcg.groups"], json!(["/wlcg/test", "/wlcg"]));
    let groups = claims(world.obtain("wlcg.groups", None).await.unwrap());
    assert_eq!(groups["wlcg.groups"], json!(["/wlcg"]));
}

#[tokio::test]
async fn nothing_is_granted_that_is_not_due() {
    let world = World::new().await;
    for (scope, error) in [
        ("", "invalid_scope"),
        ("storage.read", "invalid_scope"),
        ("storage.read:/a/../b", "invalid_scope"),
        ("storage.read:/ admin", "invalid_scope"),
        ("wlcg.groups:/other", "access_denied"),
    ] {
        assert_eq!(
            world.obtain(scope, None).await.unwrap_err(),
            error,
            "{scope}"
        );
    }
}

#[tokio::test]
async fn clients_authenticate_in_one_way() {
    let world = World::new().await;
    let id = world.issuer.client_id();
    let secret = world.issuer.client_secret().expose_secret();
    let grant = ("grant_type", "client_credentials");
    let scope = ("scope", "openid");
    let body = [("client_id", id), ("client_secret", secret)];
    let good = Some((id, secret));
    let both = [grant, scope, body[0], body[1]];
    for (basic, form, status, error) in [
        (good, &[grant, scope][..], 200, Value::Null),
        (good, &[grant, scope, body[0]], 200, Value::Null),
        (None, &both[..], 200, Value::Null),
        (good, &both[..], 400, json!("invalid_request")),
        (None, &[grant, scope], 401, json!("invalid_client")),
        (
            Some((id, "wrong")),
            &[grant, scope],
            401,
            json!("invalid_client"),
        ),
        (
            Some(("other", secret)),
            &[grant, scope],
            401,
            json!("invalid_client"),
        ),
        (None, &[grant, scope, body[0]], 401, json!("invalid_client")),
        (good, &[scope], 400, json!("invalid_request")),
        (good, &[grant, grant, scope], 400, json!("invalid_request")),
        (
            good,
            &[("grant_type", "password"), scope],
            400,
            json!("unsupported_grant_type"),
        ),
    ] {
        let reply = world.ask(basic, form).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (status, &error),
            "{form:?}"
        );
        assert_eq!(!reply.header("www-authenticate").is_empty(), status == 401);
    }
    let url = format!(
        "{}token?client_id={id}&client_secret={secret}",
        world.issuer.url()
    );
    let in_query = world
        .client
        .post(url)
        .form(&[grant, scope])
        .send()
        .await
        .unwrap();
    assert_eq!(in_query.status(), 400);
    let no_form = world
        .client
        .post(format!("{}token", world.issuer.url()))
        .body("x");
    assert_eq!(no_form.send().await.unwrap().status(), 400);
    for header in ["Basic ?", "Bearer x", "Basic"] {
        let request = world
            .client
            .post(format!("{}token", world.issuer.url()))
            .header("authorization", header)
            .form(&[grant, scope]);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401, "{header}");
        assert!(response.headers().contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn the_storage_element_takes_its_tokens() {
    let world = World::new().await;
    let token = world
        .obtain("storage.modify:/ storage.read:/", None)
        .await
        .unwrap();
    assert_eq!(world.send("PUT", "/f", &token, &[], "x").await.status, 201);
    let own = world
        .obtain("storage.read:/f", Some(world.storage.url()))
        .await
        .unwrap();
    assert_eq!(world.send("GET", "/f", &own, &[], "").await.body, b"x");
    let group = world.obtain("wlcg.groups:/wlcg/test", None).await.unwrap();
    assert_eq!(
        world
            .send("PUT", "/protected/f", &group, &[], "x")
            .await
            .status,
        201
    );
    let group = world.obtain("wlcg.groups:/wlcg", None).await.unwrap();
    assert_eq!(
        world
            .send("DELETE", "/protected/f", &group, &[], "")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn refresh_tokens_give_what_the_user_agreed_to() {
    let world = World::new().await;
    let secret = world.issuer.client_secret().expose_secret();
    let client = Some((world.issuer.client_id(), secret));
    let token = world
        .issuer
        .refresh_token("openid storage.read:/a")
        .unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token.expose_secret()),
        ("scope", "storage.read:/a/b"),
    ];
    let reply = world.ask(client, &form).await;
    assert_eq!(reply.status, 200);
    let access = reply.json()["access_token"].as_str().unwrap().to_owned();
    let claims: Value = insecure_decode_claims(access).unwrap();
    assert_eq!(claims["scope"], "storage.read:/a/b");
    assert_eq!(claims["sub"], world.issuer.user());
    let next = reply.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(next, token.expose_secret());
    let form = [("grant_type", "refresh_token"), ("refresh_token", &next)];
    let reply = world.ask(client, &form).await;
    assert_eq!(reply.json()["scope"], "openid storage.read:/a");
    assert!(reply.json()["id_token"].is_string());
}
