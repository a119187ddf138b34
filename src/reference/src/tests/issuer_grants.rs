//! Exchange, refresh, revocation, introspection and UserInfo, as they have to be.

use jsonwebtoken::dangerous::insecure_decode_claims;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

use super::issuer_lab::{ACCESS_TOKEN, EXCHANGE, Lab, Who};
use super::*;

fn claims(token: &str) -> Value {
    insecure_decode_claims(token).unwrap()
}

fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

#[tokio::test]
async fn metadata_name_what_there_is() {
    let lab = Lab::new().await;
    let metadata = lab
        .get(".well-known/openid-configuration", Who::Nobody)
        .await;
    assert_eq!(metadata.header("cache-control"), "max-age=3600");
    let metadata = metadata.value();
    for name in [
        "token_endpoint",
        "device_authorization_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
    ] {
        let url = metadata[name].as_str().unwrap();
        let get = lab.send(lab.client.get(url), Who::Main).await;
        assert_eq!((get.status, get.header("allow")), (405, "POST"), "{name}");
        let post = lab
            .send(lab.client.post(url).form(&[("x", "y")]), Who::Nobody)
            .await;
        assert_eq!(post.error(), refused(401, "invalid_client"), "{name}");
        assert!(
            post.header("www-authenticate").starts_with("Basic "),
            "{name}"
        );
        let json = lab
            .client
            .post(url)
            .body("{}")
            .header("content-type", "application/json");
        let json = lab.send(json, Who::Main).await;
        assert_eq!(json.error(), refused(400, "invalid_request"), "{name}");
        let query = lab
            .client
            .post(format!("{url}?client_secret=x"))
            .form(&[("x", "y")]);
        let query = lab.send(query, Who::Main).await;
        assert_eq!(query.error(), refused(400, "invalid_request"), "{name}");
    }
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert_eq!(grants.len(), 4);
    for grant in grants {
        let form = [("grant_type", grant.as_str().unwrap())];
        let reply = lab.post("token", Who::Main, &form).await;
        assert_ne!(reply.text("error"), "unsupported_grant_type", "{grant}");
        assert_eq!(reply.status, 400);
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_metadata_at_three_places() {
    let lab = Lab::with(IssuerOptions {
        path: "/vo/test".into(),
        ..IssuerOptions::default()
    })
    .await;
    let own = lab
        .get(".well-known/openid-configuration", Who::Nobody)
        .await;
    assert_eq!(own.value()["issuer"], lab.issuer.url());
    let origin = lab.issuer.url().strip_suffix("/vo/test").unwrap();
    for (place, status) in [
        ("/.well-known/openid-configuration/vo/test", 200),
        ("/.well-known/oauth-authorization-server/vo/test", 200),
        ("/.well-known/openid-configuration", 404),
        ("/.well-known/openid-configuration/vo", 404),
        ("/token", 404),
    ] {
        let request = lab.client.get(format!("{origin}{place}"));
        let other = lab.send(request, Who::Nobody).await;
        assert_eq!(other.status, status, "{place}");
        assert_eq!(other.body == own.body, status == 200, "{place}");
    }
}

#[tokio::test]
async fn clients_get_what_they_are_entitled_to() {
    let lab = Lab::new().await;
    for scope in [
        "storage.read:/a",
        "storage.read:/a/b/c",
        "openid storage.read:/a/",
    ] {
        let reply = lab.credentials(Who::Narrow, scope).await;
        assert_eq!((reply.status, reply.text("scope")), (200, scope.into()));
        let claims = claims(&reply.text("access_token"));
        assert_eq!(
            (&claims["sub"], &claims["scope"]),
            (&json!("touchstone-narrow"), &json!(scope))
        );
    }
    for scope in [
        "storage.read:/",
        "storage.read:/ab",
        "storage.modify:/a",
        "storage.read:/a/../b",
        "STORAGE.MODIFY:/",
        "storage.read:/a storage.modify:/a",
        "host.auth",
    ] {
        let reply = lab.credentials(Who::Narrow, scope).await;
        assert_eq!(reply.error(), refused(400, "invalid_scope"), "{scope}");
    }
    let denied = refused(400, "access_denied");
    for scope in ["wlcg.groups:/wlcg", "wlcg.capabilityset:/wlcg/test"] {
        let reply = lab.credentials(Who::Narrow, scope).await;
        assert_eq!(reply.error(), denied, "{scope}");
    }
    let host = lab.token("host.auth").await;
    assert_eq!(claims(&host)["scope"], "host.auth");
    assert_eq!(claims(&host)["sub"], lab.issuer.client_id());
    let set = lab
        .token("wlcg.capabilityset:/wlcg/test storage.stage:/x")
        .await;
    assert_eq!(
        claims(&set)["scope"],
        "storage.read:/ storage.create:/test compute.read storage.stage:/x"
    );
    for scope in [
        "wlcg.capabilityset:/wlcg/production",
        "wlcg.capabilityset:/none",
    ] {
        assert_eq!(lab.credentials(Who::Main, scope).await.error(), denied);
    }
}

#[tokio::test]
async fn resources_are_audiences() {
    let lab = Lab::new().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "storage.read:/"),
        ("resource", "https://se.example:8443/"),
        ("resource", "https://other.example"),
    ];
    let reply = lab.post("token", Who::Main, &form).await;
    assert_eq!(
        claims(&reply.text("access_token"))["aud"],
        json!(["https://se.example:8443/", "https://other.example"])
    );
    let wrong = [form[0], form[1], ("resource", "se.example")];
    let reply = lab.post("token", Who::Main, &wrong).await;
    assert_eq!(reply.error(), refused(400, "invalid_target"));
}

#[tokio::test]
async fn an_exchange_narrows_and_never_widens() {
    let lab = Lab::new().await;
    let token = lab.token("storage.read:/a wlcg.groups openid").await;
    let narrow = [("scope", "storage.read:/a/b"), ("audience", "https://se:1")];
    let reply = lab.exchange(&token, &narrow).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text("issued_token_type"), ACCESS_TOKEN);
    assert_eq!(reply.text("token_type"), "Bearer");
    assert_eq!(reply.value()["refresh_token"], Value::Null);
    let got = claims(&reply.text("access_token"));
    assert_eq!(
        (&got["scope"], &got["aud"], &got["sub"], &got["wlcg.groups"]),
        (
            &json!("storage.read:/a/b"),
            &json!("https://se:1"),
            &json!("touchstone"),
            &Value::Null
        )
    );
    let same = claims(&lab.exchange(&token, &[]).await.text("access_token"));
    assert_eq!(same["scope"], "storage.read:/a wlcg.groups openid");
    assert_eq!(same["wlcg.groups"], json!(["/wlcg"]));
    for scope in [
        "storage.modify:/a",
        "storage.read:/",
        "storage.read:/ab",
        "storage.read:/a/../b",
        "storage.read:/a storage.create:/a",
        "wlcg.groups:/wlcg/test",
        "wlcg.capabilityset:/wlcg/test",
        "compute.read",
        "host.auth",
    ] {
        let reply = lab.exchange(&token, &[("scope", scope)]).await;
        assert_eq!(reply.error(), refused(400, "invalid_scope"), "{scope}");
    }
    let plain = lab.token("storage.read:/a").await;
    let groups = lab
        .exchange(&plain, &[("scope", "storage.read:/a wlcg.groups")])
        .await;
    assert_eq!(groups.error(), refused(400, "invalid_scope"));
}

#[tokio::test]
async fn only_good_tokens_are_exchanged() {
    let lab = Lab::new().await;
    let other = Lab::new().await;
    let good = lab.forge(json!({}));
    assert_eq!(lab.exchange(&good, &[]).await.status, 200);
    let now = jiff::Timestamp::now().as_second();
    let [header, _, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let wider = lab.forge(json!({"scope": "storage.read:/"}));
    let tampered = format!("{header}.{}.{signature}", wider.split('.').nth(1).unwrap());
    let refresh = lab.consent("openid wlcg.groups storage.read:/a");
    let identity = lab.refresh(Who::Main, &refresh, None).await;
    let identity = identity.text("id_token");
    assert_eq!(
        lab.get("userinfo", Who::Bearer(&identity)).await.status,
        401
    );
    for (what, token) in [
        ("an ID token", identity),
        ("expired", lab.forge(json!({"exp": now - 1}))),
        ("foreign", other.token("storage.read:/a").await),
        (
            "as ours, with a foreign key",
            other.forge(json!({"iss": lab.issuer.url()})),
        ),
        (
            "ours, with a foreign iss",
            lab.forge(json!({"iss": other.issuer.url()})),
        ),
        ("tampered", tampered),
        ("a refresh token", refresh),
        ("no token", "x".into()),
    ] {
        let reply = lab.exchange(&token, &[]).await;
        assert_eq!(reply.error(), refused(400, "invalid_request"), "{what}");
    }
    let form = [
        ("grant_type", EXCHANGE),
        ("subject_token", &*good),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:refresh_token",
        ),
    ];
    let reply = lab.post("token", Who::Main, &form).await;
    assert_eq!(reply.error(), refused(400, "invalid_request"));
}

#[tokio::test]
async fn an_exchange_for_offline_access_gives_a_refresh_token() {
    let lab = Lab::new().await;
    let token = lab.token("storage.read:/a").await;
    let scope = [("scope", "storage.read:/a offline_access")];
    let refresh = lab.exchange(&token, &scope).await.text("refresh_token");
    let reply = lab
        .refresh(Who::Main, &refresh, Some("storage.read:/a/b"))
        .await;
    assert_eq!(
        (reply.status, reply.text("scope")),
        (200, "storage.read:/a/b".into())
    );
    assert_eq!(reply.value()["id_token"], Value::Null);
}

#[tokio::test]
async fn a_refresh_never_widens_and_is_bound_to_the_client() {
    let lab = Lab::new().await;
    let token = lab.consent("openid wlcg.groups storage.read:/a");
    for scope in [
        "storage.modify:/a",
        "storage.read:/",
        "storage.read:/ab",
        "wlcg.groups:/wlcg/test",
        "nonsense",
    ] {
        let reply = lab.refresh(Who::Main, &token, Some(scope)).await;
        assert_eq!(reply.error(), refused(400, "invalid_scope"), "{scope}");
    }
    let main = lab.issuer.client_id();
    let client = refused(401, "invalid_client");
    let grant = refused(400, "invalid_grant");
    for (who, error) in [
        (Who::Narrow, &grant),
        (Who::Basic(main, "wrong"), &client),
        (Who::Nobody, &client),
    ] {
        assert_eq!(&lab.refresh(who, &token, None).await.error(), error);
    }
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*token),
        ("client_id", main),
    ];
    assert_eq!(lab.post("token", Who::Nobody, &form).await.error(), client);
    assert_eq!(lab.refresh(Who::Main, "x", None).await.error(), grant);

    let reply = lab.refresh(Who::Main, &token, None).await;
    let access = claims(&reply.text("access_token"));
    let identity = claims(&reply.text("id_token"));
    for claims in [&access, &identity] {
        assert_eq!(claims["sub"], lab.issuer.user());
        assert_eq!(claims["wlcg.groups"], json!(["/wlcg"]));
        assert!(claims["eduperson_assurance"].is_array() && claims["acr"].is_string());
    }
    assert_eq!(
        (&access["aud"], &identity["aud"]),
        (&json!(ANY_AUDIENCE), &json!(main))
    );
    assert!(identity["auth_time"].is_i64() && identity["scope"].is_null());
}

#[tokio::test]
async fn a_refresh_token_that_was_replaced_works_for_a_while() {
    let lab = Lab::new().await;
    let old = lab.consent("storage.read:/");
    let on_response = claims(&old);
    assert_eq!(
        on_response["exp"].as_i64().unwrap() - on_response["iat"].as_i64().unwrap(),
        30 * 24 * 3600
    );
    assert_eq!(
        (&on_response["aud"], &on_response["scope"]),
        (&json!(lab.issuer.url()), &Value::Null)
    );
    let new = lab
        .refresh(Who::Main, &old, None)
        .await
        .text("refresh_token");
    assert_ne!(old, new);
    for token in [&old, &new, &old] {
        assert_eq!(lab.refresh(Who::Main, token, None).await.status, 200);
    }
    let lab = Lab::faulty(Some(fault("issuer-refresh-without-grace").unwrap())).await;
    let old = lab.consent("storage.read:/");
    let new = lab
        .refresh(Who::Main, &old, None)
        .await
        .text("refresh_token");
    assert_eq!(
        lab.refresh(Who::Main, &old, None).await.error(),
        refused(400, "invalid_grant")
    );
    assert_eq!(lab.refresh(Who::Main, &new, None).await.status, 200);
}

#[tokio::test]
async fn what_is_revoked_works_no_more() {
    let lab = Lab::new().await;
    let refresh = lab.consent("openid storage.read:/");
    let next = lab
        .refresh(Who::Main, &refresh, None)
        .await
        .text("refresh_token");
    let access = lab.token("openid storage.read:/").await;
    let main = lab.issuer.client_id();
    let client = refused(401, "invalid_client");
    for token in [&*refresh, &*access] {
        let form = [("token", token)];
        assert_eq!(lab.post("revoke", Who::Nobody, &form).await.error(), client);
        let wrong = lab.post("revoke", Who::Basic(main, "wrong"), &form).await;
        assert_eq!(wrong.error(), client);
        let other = lab.post("revoke", Who::Narrow, &form).await;
        assert_eq!(other.error(), refused(400, "unauthorized_client"));
    }
    assert_eq!(lab.get("userinfo", Who::Bearer(&access)).await.status, 200);
    assert_eq!(lab.refresh(Who::Main, &next, None).await.status, 200);
    for token in ["unknown", &refresh, &refresh, &access, &access] {
        let reply = lab.post("revoke", Who::Main, &[("token", token)]).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0));
    }
    let grant = refused(400, "invalid_grant");
    for token in [&refresh, &next] {
        assert_eq!(lab.refresh(Who::Main, token, None).await.error(), grant);
    }
    assert_eq!(lab.get("userinfo", Who::Bearer(&access)).await.status, 401);
    assert_eq!(lab.exchange(&access, &[]).await.status, 400);
}

#[tokio::test]
async fn tokens_are_told_of_to_who_may_know() {
    let lab = Lab::new().await;
    let access = lab.token("openid storage.read:/ wlcg.groups").await;
    let plain = lab.token("storage.read:/").await;
    let refresh = lab.consent("openid storage.read:/");
    let form = [("token", &*access)];
    for who in [Who::Main, Who::Narrow, Who::Bearer(&plain)] {
        let told = lab.post("introspect", who, &form).await;
        assert_eq!(told.header("cache-control"), "no-store");
        let told = told.value();
        assert_eq!(
            (&told["active"], &told["scope"]),
            (&json!(true), &claims(&access)["scope"])
        );
    }
    let told = lab
        .post("introspect", Who::Main, &[("token", &refresh)])
        .await;
    assert_eq!(told.value()["active"], true);
    for (who, token) in [(Who::Narrow, &*refresh), (Who::Main, "x")] {
        let told = lab.post("introspect", who, &[("token", token)]).await;
        assert_eq!(told.value(), json!({"active": false}));
    }
    assert_eq!(lab.post("introspect", Who::Nobody, &form).await.status, 401);

    let told = lab.get("userinfo", Who::Bearer(&access)).await;
    assert_eq!(
        told.value(),
        json!({"sub": "touchstone", "wlcg.groups": ["/wlcg"]})
    );
    let scope = lab.get("userinfo", Who::Bearer(&plain)).await;
    assert_eq!(scope.error(), refused(403, "insufficient_scope"));
    for who in [
        Who::Bearer(&refresh),
        Who::Bearer("x"),
        Who::Nobody,
        Who::Main,
    ] {
        let reply = lab.get("userinfo", who).await;
        assert_eq!(reply.status, 401);
        assert!(reply.header("www-authenticate").starts_with("Bearer "));
    }
    let nobody = lab.get("userinfo", Who::Nobody).await;
    assert_eq!(
        nobody.header("www-authenticate"),
        r#"Bearer realm="issuer""#
    );
    let bearer = lab.post("introspect", Who::Bearer(&refresh), &form).await;
    assert_eq!(bearer.error(), refused(401, "invalid_token"));
}

#[tokio::test]
async fn clients_prove_themselves_with_a_key() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let lab = Lab::with(IssuerOptions {
        client_key_pem: Some(pair.public_key_pem()),
        ..IssuerOptions::default()
    })
    .await;
    let now = jiff::Timestamp::now().as_second();
    let key = |pair: &KeyPair| EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    let (own, strange) = (key(&pair), key(&KeyPair::generate().unwrap()));
    let assertion = |key: &EncodingKey, changes: Value| {
        let mut claims = json!({
            "iss": "touchstone", "sub": "touchstone", "aud": lab.at("token"),
            "jti": uuid::Uuid::new_v4().to_string(), "exp": now + 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, key).unwrap()
    };
    let ask = async |assertion: &str, kind: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "storage.read:/"),
            ("client_assertion", assertion),
            ("client_assertion_type", kind),
        ];
        lab.post("token", Who::Nobody, &form).await
    };
    const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let good = assertion(&own, json!({}));
    assert_eq!(ask(&good, KIND).await.status, 200);
    let issuer = assertion(&own, json!({"aud": [lab.issuer.url()]}));
    assert_eq!(ask(&issuer, KIND).await.status, 200);
    for (what, wrong) in [
        ("used before", good.clone()),
        ("another key", assertion(&strange, json!({}))),
        ("another subject", assertion(&own, json!({"sub": "other"}))),
        (
            "another client",
            assertion(&own, json!({"iss": "touchstone-narrow"})),
        ),
        (
            "another audience",
            assertion(&own, json!({"aud": "https://elsewhere/"})),
        ),
        ("no audience", assertion(&own, json!({"aud": null}))),
        ("expired", assertion(&own, json!({"exp": now - 1}))),
        ("for ever", assertion(&own, json!({"exp": now + 1_000_000}))),
        ("without an id", assertion(&own, json!({"jti": null}))),
        ("no token", "x".into()),
    ] {
        let reply = ask(&wrong, KIND).await;
        assert_eq!(reply.error(), refused(401, "invalid_client"), "{what}");
    }
    let reply = ask(&assertion(&own, json!({})), "urn:other").await;
    assert_eq!(reply.error(), refused(400, "invalid_request"));
}
