//! The embedded issuer: metadata, keys, and tokens for one client (profile section 3).

mod grant;
mod request;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use self::grant::Membership;
use super::server::{Port, Server};
use super::{Authority, ReferenceError};

const TOKEN: &str = "/token";
const JWKS: &str = "/jwks";
const METADATA: &str = "/.well-known/openid-configuration";
const MAX_FORM: usize = 64 << 10;

/// How an issuer is to be.
#[derive(Clone, Debug)]
pub struct IssuerOptions {
    /// Port on 127.0.0.1; 0 is any free one.
    pub port: u16,
    /// Path of its identifier, `/…` without a trailing slash; empty for none.
    pub path: String,
    /// The one client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// Groups of the client that come with every request for groups.
    pub default_groups: Vec<String>,
    /// Groups of the client that come only when they are asked for by name.
    pub optional_groups: Vec<String>,
}

impl Default for IssuerOptions {
    /// Client `touchstone` with a random secret, member of `/wlcg`, and of `/wlcg/test` on request.
    fn default() -> Self {
        Self {
            port: 0,
            path: String::new(),
            client_id: "touchstone".into(),
            client_secret: uuid::Uuid::new_v4().simple().to_string().into(),
            default_groups: vec!["/wlcg".into()],
            optional_groups: vec!["/wlcg/test".into()],
        }
    }
}

/// The built-in issuer. Its keys are new with every start; it ends when it is dropped.
pub struct Issuer {
    desk: Arc<Desk>,
    _server: Server,
}

/// What the handlers need.
struct Desk {
    url: String,
    path: String,
    client_id: String,
    client_secret: SecretString,
    membership: Membership,
    signing: SigningKey,
    rsa: SigningKey,
}

struct SigningKey {
    pem: SecretString,
    id: String,
    public: Jwk,
    key: EncodingKey,
}

impl Issuer {
    /// Starts it in the current tokio runtime.
    pub async fn start(
        authority: &Authority,
        options: IssuerOptions,
    ) -> Result<Self, ReferenceError> {
        let port = Port::take(options.port)?;
        let desk = Arc::new(Desk {
            url: match options.path.as_str() {
                "" => format!("{}/", port.origin()),
                path => format!("{}{path}", port.origin()),
            },
            path: options.path,
            client_id: options.client_id,
            client_secret: options.client_secret,
            membership: Membership {
                default: options.default_groups,
                optional: options.optional_groups,
            },
            signing: SigningKey::new(&PKCS_ECDSA_P256_SHA256, Algorithm::ES256)?,
            rsa: SigningKey::new(&PKCS_RSA_SHA256, Algorithm::RS256)?,
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&desk));
        Ok(Self {
            desk,
            _server: port.serve(authority, router)?,
        })
    }

    /// The issuer's identifier, `https://localhost:PORT/` or `https://localhost:PORT/PATH`, exactly as
    /// tokens have it in `iss`.
    pub fn url(&self) -> &str {
        &self.desk.url
    }

    /// The client's id.
    pub fn client_id(&self) -> &str {
        &self.desk.client_id
    }

    /// The client's secret.
    pub fn client_secret(&self) -> &SecretString {
        &self.desk.client_secret
    }

    /// The private key with which it signs ES256, PKCS#8 PEM: with it any token can be made.
    pub fn test_key_pem(&self) -> &SecretString {
        &self.desk.signing.pem
    }

    /// The `kid` of [`Issuer::test_key_pem`], its RFC 7638 thumbprint.
    pub fn test_key_id(&self) -> &str {
        &self.desk.signing.id
    }

    /// The private half of the RS256 key that it publishes as well, PKCS#8 PEM.
    pub fn rsa_key_pem(&self) -> &SecretString {
        &self.desk.rsa.pem
    }

    /// The `kid` of [`Issuer::rsa_key_pem`].
    pub fn rsa_key_id(&self) -> &str {
        &self.desk.rsa.id
    }
}

impl SigningKey {
    fn new(
        kind: &'static SignatureAlgorithm,
        algorithm: Algorithm,
    ) -> Result<Self, ReferenceError> {
        let pem = SecretString::from(KeyPair::generate_for(kind)?.serialize_pem());
        let bytes = pem.expose_secret().as_bytes();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(bytes)?,
            _ => EncodingKey::from_ec_pem(bytes)?,
        };
        let mut public = Jwk::from_encoding_key(&key, algorithm)?;
        let id = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            pem,
            id,
            public,
            key,
        })
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    // With a path, the metadata are below it (OpenID Connect Discovery 1.0 section 4.1).
    let asked = parts.uri.path();
    let asked = asked.strip_prefix(desk.path.as_str()).unwrap_or_default();
    // libSciTokens asks an issuer whose identifier ends in a slash with two of them.
    let path = asked.strip_prefix('/').filter(|rest| rest.starts_with('/'));
    match (path.unwrap_or(asked), &parts.method) {
        (METADATA, &Method::GET | &Method::HEAD) => published(&desk.metadata()),
        (JWKS, &Method::GET | &Method::HEAD) => {
            published(&json!({"keys": [desk.signing.public, desk.rsa.public]}))
        }
        (TOKEN, &Method::POST) => desk.token(&parts.headers, body).await,
        (METADATA | JWKS, _) => refuse_method("GET, HEAD"),
        (TOKEN, _) => refuse_method("POST"),
        _ => plain(StatusCode::NOT_FOUND),
    }
}

impl Desk {
    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{}", self.url.trim_end_matches('/'), path);
        json!({
            "issuer": self.url,
            "jwks_uri": at(JWKS),
            "token_endpoint": at(TOKEN),
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": grant::SCOPES,
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    async fn token(&self, headers: &HeaderMap, body: Body) -> Response<Body> {
        let answer = match axum::body::to_bytes(body, MAX_FORM).await {
            Ok(form) => self.grant(headers, &form),
            Err(_) => Err(request::OAuthError::invalid_request("the form is too long")),
        };
        match answer {
            Ok(token) => uncached(StatusCode::OK, &token),
            Err(error) => error.into_response(),
        }
    }

    fn grant(&self, headers: &HeaderMap, form: &Bytes) -> Result<Value, request::OAuthError> {
        let asked = request::TokenRequest::read(headers, form)?;
        asked.authenticate(&self.client_id, &self.client_secret)?;
        let granted = grant::decide(&asked, &self.membership)?;
        let key = &self.signing;
        grant::sign(&granted, &self.url, &self.client_id, &key.id, &key.key)
    }
}

/// A document that clients may keep for an hour.
fn published(document: &Value) -> Response<Body> {
    document_response(StatusCode::OK, document, "max-age=3600")
}

/// An answer of the token endpoint (RFC 6749 section 5.1).
fn uncached(status: StatusCode, document: &Value) -> Response<Body> {
    document_response(status, document, "no-store")
}

fn document_response(
    status: StatusCode,
    document: &Value,
    caching: &'static str,
) -> Response<Body> {
    let mut response = Response::new(document.to_string().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static(caching),
    );
    response
}

fn refuse_method(allowed: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
