//! The device flow, as it has to be.

use std::time::Duration;

use jsonwebtoken::dangerous::insecure_decode_claims;

use super::issuer_lab::{DEVICE, Lab, Who};
use super::*;

async fn lab(lifetime: Duration, interval: Duration) -> Lab {
    Lab::with(IssuerOptions {
        device_lifetime: lifetime,
        device_interval: interval,
        ..IssuerOptions::default()
    })
    .await
}

async fn poll(lab: &Lab, who: Who<'_>, code: &str) -> Reply {
    let form = [("grant_type", DEVICE), ("device_code", code)];
    lab.post("token", who, &form).await
}

async fn error(lab: &Lab, code: &str) -> String {
    let reply = poll(lab, Who::Main, code).await;
    assert_eq!(reply.status, 400);
    reply.text("error")
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_device_gets_what_its_user_approves() {
    let lab = lab(MINUTE, Duration::ZERO).await;
    let form = [
        ("scope", "openid offline_access wlcg.groups storage.read:/"),
        ("nonce", "n-1"),
        ("audience", "https://se:1"),
    ];
    let begun = lab.post("devicecode", Who::Main, &form).await;
    assert_eq!(
        (begun.status, begun.header("cache-control")),
        (200, "no-store")
    );
    assert_eq!(begun.value()["expires_in"], 60);
    let (code, user_code) = (begun.text("device_code"), begun.text("user_code"));
    assert_eq!(
        begun.text("verification_uri"),
        lab.issuer.verification_url()
    );
    assert_eq!(error(&lab, &code).await, "authorization_pending");
    let other = poll(&lab, Who::Narrow, &code).await;
    assert_eq!(other.error(), (400, "invalid_grant".into()));
    assert!(!lab.issuer.approve("NONE-SUCH"));
    // People leave out the dash, and the case does not matter.
    assert!(
        lab.issuer
            .approve(&user_code.replace('-', "").to_lowercase())
    );
    assert!(!lab.issuer.approve(&user_code));
    let reply = poll(&lab, Who::Main, &code).await;
    assert_eq!(reply.status, 200);
    let access: Value = insecure_decode_claims(reply.text("access_token")).unwrap();
    let identity: Value = insecure_decode_claims(reply.text("id_token")).unwrap();
    assert_eq!(
        (&access["sub"], &identity["sub"]),
        (&json!(lab.issuer.user()), &access["sub"])
    );
    assert_eq!(
        (&access["aud"], &identity["aud"]),
        (&json!("https://se:1"), &json!("touchstone"))
    );
    assert_eq!(
        (&access["nonce"], &identity["nonce"]),
        (&Value::Null, &json!("n-1"))
    );
    assert_eq!(identity["wlcg.groups"], json!(["/wlcg"]));
    let refresh = reply.text("refresh_token");
    assert_eq!(lab.refresh(Who::Main, &refresh, None).await.status, 200);
    assert_eq!(error(&lab, &code).await, "invalid_grant");
}

#[tokio::test]
async fn a_device_waits_asks_slowly_and_gives_up() {
    let patient = lab(MINUTE, MINUTE).await;
    let form = [("scope", "storage.read:/")];
    let code = patient
        .post("devicecode", Who::Main, &form)
        .await
        .text("device_code");
    assert_eq!(error(&patient, &code).await, "authorization_pending");
    assert_eq!(error(&patient, &code).await, "slow_down");

    let hasty = lab(Duration::ZERO, Duration::ZERO).await;
    let begun = hasty.post("devicecode", Who::Main, &form).await;
    assert!(!hasty.issuer.approve(&begun.text("user_code")));
    assert_eq!(
        error(&hasty, &begun.text("device_code")).await,
        "expired_token"
    );

    let strict = lab(MINUTE, Duration::ZERO).await;
    let begun = strict.post("devicecode", Who::Main, &form).await;
    assert!(strict.issuer.deny(&begun.text("user_code")));
    assert_eq!(
        error(&strict, &begun.text("device_code")).await,
        "access_denied"
    );
    assert_eq!(error(&strict, "unknown").await, "invalid_grant");
    for (scope, code) in [
        ("host.auth", "invalid_scope"),
        ("wlcg.groups:/other", "access_denied"),
    ] {
        let reply = strict
            .post("devicecode", Who::Main, &[("scope", scope)])
            .await;
        assert_eq!(reply.error(), (400, code.into()));
    }
    assert_eq!(
        strict.post("devicecode", Who::Nobody, &form).await.status,
        401
    );
}

#[tokio::test]
async fn the_page_approves_and_runs_nothing() {
    let lab = lab(MINUTE, Duration::ZERO).await;
    let form = [("scope", "storage.read:/")];
    for (decision, after) in [("approve", 200), ("deny", 400)] {
        let begun = lab.post("devicecode", Who::Main, &form).await;
        let page = lab.client.get(begun.text("verification_uri_complete"));
        let page = lab.send(page, Who::Nobody).await;
        let html = String::from_utf8(page.body.clone()).unwrap();
        assert!(html.contains(&begun.text("user_code")), "{html}");
        assert!(
            page.header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        let code = begun.text("user_code");
        let typed = [("user_code", &*code), ("decision", decision)];
        assert_eq!(lab.post("device", Who::Nobody, &typed).await.status, 200);
        assert_eq!(lab.post("device", Who::Nobody, &typed).await.status, 400);
        let reply = poll(&lab, Who::Main, &begun.text("device_code")).await;
        assert_eq!(reply.status, after);
    }
    let hostile = "device?user_code=%22%3E%3Cscript%3E'%26";
    let page = lab.get(hostile, Who::Nobody).await;
    let html = String::from_utf8(page.body).unwrap();
    assert!(
        html.contains("value=\"&quot;&gt;&lt;script&gt;&#39;&amp;\""),
        "{html}"
    );
}
