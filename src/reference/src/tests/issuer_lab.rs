//! An issuer alone, and a client that knows how to ask it.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, crypto};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use super::*;

pub(super) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// An issuer, and a client that trusts it and keeps its connection.
pub(super) struct Lab {
    pub(super) issuer: ReferenceIssuer,
    pub(super) client: reqwest::Client,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    Main,
    Narrow,
    Basic(&'a str, &'a str),
    Bearer(&'a str),
    Nobody,
}

impl Lab {
    pub(super) async fn new() -> Self {
        Self::with(IssuerOptions::default()).await
    }

    /// One with that fault, whose devices are quick.
    pub(super) async fn faulty(fault: Option<&'static crate::Fault>) -> Self {
        Self::with(IssuerOptions {
            faults: fault.into_iter().collect(),
            device_interval: Duration::ZERO,
            ..IssuerOptions::default()
        })
        .await
    }

    pub(super) async fn with(options: IssuerOptions) -> Self {
        let authority = Authority::new().unwrap();
        let issuer = ReferenceIssuer::start(&authority, options).await.unwrap();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(server::certificates(authority.ca_pem()).unwrap());
        let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { issuer, client }
    }

    /// Where one of its services is.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.issuer.url().trim_end_matches('/'))
    }

    pub(super) async fn get(&self, path: &str, who: Who<'_>) -> Reply {
        self.send(self.client.get(self.at(path)), who).await
    }

    pub(super) async fn post(&self, path: &str, who: Who<'_>, form: &[(&str, &str)]) -> Reply {
        self.send(self.client.post(self.at(path)).form(form), who)
            .await
    }

    pub(super) async fn send(&self, request: reqwest::RequestBuilder, who: Who<'_>) -> Reply {
        let issuer = &self.issuer;
        let basic = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        let pair = match who {
            Who::Main => basic(issuer.client_id(), issuer.client_secret().expose_secret()),
            Who::Narrow => basic(
                issuer.narrow_client_id(),
                issuer.narrow_client_secret().expose_secret(),
            ),
            Who::Basic(id, secret) => basic(id, secret),
            Who::Bearer(_) | Who::Nobody => None,
        };
        let request = match (pair, who) {
            (Some((id, secret)), _) => request.basic_auth(id, Some(secret)),
            (None, Who::Bearer(token)) => request.bearer_auth(token),
            (None, _) => request,
        };
        let response = request.send().await.unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// Asks for a token with client credentials.
    pub(super) async fn credentials(&self, who: Who<'_>, scope: &str) -> Reply {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        self.post("token", who, &form).await
    }

    /// A token of the first client.
    pub(super) async fn token(&self, scope: &str) -> String {
        let reply = self.credentials(Who::Main, scope).await.value();
        reply["access_token"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Exchanges a token as the first client.
    pub(super) async fn exchange(&self, subject: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("grant_type", EXCHANGE),
            ("subject_token", subject),
            ("subject_token_type", ACCESS_TOKEN),
        ];
        form.extend_from_slice(more);
        self.post("token", Who::Main, &form).await
    }

    /// Uses a refresh token.
    pub(super) async fn refresh(&self, who: Who<'_>, token: &str, scope: Option<&str>) -> Reply {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        form.extend(scope.map(|scope| ("scope", scope)));
        self.post("token", who, &form).await
    }

    /// A refresh token of the test user.
    pub(super) fn consent(&self, scope: &str) -> String {
        let token = self.issuer.refresh_token(scope).unwrap();
        token.expose_secret().to_owned()
    }

    /// A token with the issuer's own key, whatever it says.
    pub(super) fn forge(&self, changes: Value) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "wlcg.ver": "1.0", "iss": self.issuer.url(), "sub": "test", "aud": ANY_AUDIENCE,
            "jti": uuid::Uuid::new_v4().to_string(), "iat": now, "nbf": now, "exp": now + 600,
            "scope": "storage.read:/a",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = Header {
            kid: Some(self.issuer.test_key_id().into()),
            ..Header::new(Algorithm::ES256)
        };
        let pem = self.issuer.test_key_pem().expose_secret();
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    /// What a token says, with times as distances and without what is new each time.
    pub(super) async fn described(&self, token: &str) -> Value {
        let part = |at: usize| -> Option<Value> {
            let text = token.split('.').nth(at)?;
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
        };
        let (Some(mut header), Some(mut claims)) = (part(0), part(1)) else {
            return json!("no token");
        };
        let now = jiff::Timestamp::now().as_second();
        let near = |time: &Value, base: i64| match time.as_i64() {
            Some(time) => json!((time - base + 5).div_euclid(10) * 10),
            None => json!(format!("no number: {}", time.is_string())),
        };
        let issued = claims["iat"].as_i64().unwrap_or(now);
        for (name, base) in [
            ("iat", now),
            ("nbf", issued),
            ("exp", issued),
            ("auth_time", now),
        ] {
            if let Some(time) = claims.get_mut(name) {
                *time = near(time, base);
            }
        }
        if let Some(id) = claims.get_mut("jti") {
            *id = json!(id.as_str().map(|id| id.len() > 20));
        }
        if let Some(kid) = header.get_mut("kid") {
            *kid = json!(self.label(kid.as_str().unwrap_or_default()));
        }
        json!({"header": header, "claims": claims, "signed": self.signed(token).await})
    }

    fn label(&self, kid: &str) -> String {
        match kid {
            kid if kid == self.issuer.test_key_id() => "EC".into(),
            kid if kid == self.issuer.rsa_key_id() => "RSA".into(),
            other => other.into(),
        }
    }

    /// Whether the published key that the token names verifies it.
    async fn signed(&self, token: &str) -> bool {
        let header = jsonwebtoken::decode_header(token).unwrap();
        let set = self.get("jwks", Who::Nobody).await.value();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        let key = keys.into_iter().find(|key| key["kid"] == json!(header.kid));
        let key = key.and_then(|key| serde_json::from_value::<Jwk>(key).ok());
        let key = key.and_then(|key| DecodingKey::from_jwk(&key).ok());
        let (message, signature) = token.rsplit_once('.').unwrap();
        key.is_some_and(|key| {
            crypto::verify(signature, message.as_bytes(), &key, header.alg).unwrap_or(false)
        })
    }
}

impl Reply {
    /// The document in it; null if there is none.
    pub(super) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> String {
        self.value()[name].as_str().unwrap_or_default().to_owned()
    }

    /// Its status and error code.
    pub(super) fn error(&self) -> (u16, String) {
        (self.status, self.text("error"))
    }
}
