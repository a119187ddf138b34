//! Both services over real TLS.

mod faults;
mod hooks;
mod issuer;
mod issuer_devices;
mod issuer_faults;
mod issuer_grants;
mod issuer_lab;
mod likes;
mod macaroons;
mod party;
mod probe;
mod pulling;
mod reading;
mod refusal;
mod tape;
mod timing;
mod transfer;
mod writing;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Authority, IssuerOptions, ReferenceIssuer, Storage, StorageOptions, fault, server};
use touchstone_model::ANY_AUDIENCE;

/// May do everything that tokens can allow.
const OBSERVER: &str = "storage.read:/ storage.modify:/";

/// An issuer, a storage element that trusts it, and a client that trusts both.
struct World {
    authority: Authority,
    issuer: ReferenceIssuer,
    storage: Storage,
    client: reqwest::Client,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    async fn new() -> Self {
        Self::with_faults(&[]).await
    }

    async fn with_faults(names: &[&str]) -> Self {
        let options = StorageOptions {
            faults: names.iter().map(|name| fault(name).unwrap()).collect(),
            ..StorageOptions::default()
        };
        Self::with_options(options).await
    }

    async fn with_options(options: StorageOptions) -> Self {
        let authority = Authority::new().unwrap();
        let issuer = ReferenceIssuer::start(&authority, IssuerOptions::default())
            .await
            .unwrap();
        let options = StorageOptions {
            issuer: issuer.url().into(),
            issuer_ca_pem: authority.ca_pem().into(),
            ..options
        };
        let storage = Storage::start(&authority, options).await.unwrap();
        let client = server::client(authority.ca_pem()).unwrap();
        Self {
            authority,
            issuer,
            storage,
            client,
        }
    }

    fn claims(&self, scope: &str) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({
            "wlcg.ver": "1.0", "iss": self.issuer.url(), "sub": "test", "aud": ANY_AUDIENCE,
            "jti": uuid::Uuid::new_v4().to_string(), "iat": now, "nbf": now, "exp": now + 600,
            "scope": scope,
        })
    }

    /// A good token with that scope.
    fn token(&self, scope: &str) -> String {
        self.forge(scope, json!({}))
    }

    /// A token with other claims; null removes one.
    fn forge(&self, scope: &str, changes: Value) -> String {
        let mut claims = self.claims(scope);
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let header = Header {
            kid: Some(self.issuer.test_key_id().into()),
            ..Header::new(Algorithm::ES256)
        };
        self.sign(&header, &claims)
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        let key = match header.alg {
            Algorithm::RS256 => {
                EncodingKey::from_rsa_pem(self.issuer.rsa_key_pem().expose_secret().as_bytes())
            }
            _ => EncodingKey::from_ec_pem(self.issuer.test_key_pem().expose_secret().as_bytes()),
        };
        jsonwebtoken::encode(header, claims, &key.unwrap()).unwrap()
    }

    /// Sends a request for a path below the area; `headers` as `name: value`.
    async fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[&str],
        body: &str,
    ) -> Reply {
        let url = format!("{}/wlcg{path}", self.storage.url());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, url).body(body.to_owned());
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// The status of a request with a good token of that scope.
    async fn status(&self, method: &str, path: &str, scope: &str) -> u16 {
        let token = self.token(scope);
        self.send(method, path, &token, &[], "").await.status
    }

    /// Puts a file there as the observer.
    async fn put(&self, path: &str, content: &str) {
        let token = self.token(OBSERVER);
        let reply = self.send("PUT", path, &token, &[], content).await;
        assert!(
            StatusCode::from_u16(reply.status).unwrap().is_success(),
            "{path}"
        );
    }

    /// Makes a directory as the observer.
    async fn mkcol(&self, path: &str) {
        assert_eq!(self.status("MKCOL", path, OBSERVER).await, 201, "{path}");
    }

    /// What the observer reads there.
    async fn content(&self, path: &str) -> Option<String> {
        let token = self.token(OBSERVER);
        let reply = self.send("GET", path, &token, &[], "").await;
        (reply.status == 200).then(|| String::from_utf8(reply.body).unwrap())
    }
}
