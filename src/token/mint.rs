//! Tokens of a test issuer whose key we hold: good ones, and ones that no honest issuer would sign.

use async_trait::async_trait;
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::model::{Alteration, TokenRequest};

use super::{Source, TokenError};

/// Seconds that a good token lives.
const LIFETIME: i64 = 1200;

/// A signing key and the issuer it signs for.
pub(super) struct Mint {
    name: String,
    issuer: String,
    header: Header,
    key: EncodingKey,
}

impl Mint {
    /// Reads a PKCS#8 key: EC P-256 for ES256, RSA for RS256.
    ///
    /// # Errors
    /// Says what the key is not.
    pub fn new(
        name: &str,
        issuer: &str,
        pem: &SecretString,
        kid: Option<String>,
    ) -> Result<Self, String> {
        let bytes = pem.expose_secret().as_bytes();
        let (algorithm, key) = EncodingKey::from_ec_pem(bytes)
            .map(|key| (Algorithm::ES256, key))
            .or_else(|_| EncodingKey::from_rsa_pem(bytes).map(|key| (Algorithm::RS256, key)))
            .map_err(|_| {
                "it is neither an EC P-256 nor an RSA private key in PEM (PKCS#8)".to_owned()
            })?;
        let public = Jwk::from_encoding_key(&key, algorithm).map_err(|_| {
            "its public half cannot be computed; is it an EC P-256 or RSA key?".to_owned()
        })?;
        let thumbprint = || {
            public
                .thumbprint(ThumbprintHash::SHA256)
                .map_err(|_| "its thumbprint cannot be computed; give its kid".to_owned())
        };
        let mut header = Header::new(algorithm);
        header.kid = Some(match kid {
            Some(kid) => kid,
            None => thumbprint()?,
        });
        Ok(Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            header,
            key,
        })
    }

    /// The claims of a token for `request`: a good one's, then altered as it asks.
    fn claims(&self, request: &TokenRequest, now: Timestamp, id: &str) -> Map<String, Value> {
        let now = now.as_second();
        let group_scopes = request
            .groups
            .iter()
            .map(|group| format!("wlcg.groups:{group}"));
        let scope: Vec<_> = request.scopes.iter().cloned().chain(group_scopes).collect();
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("wlcg.ver", json!("1.0"));
        set("iss", json!(self.issuer));
        set("sub", json!("touchstone"));
        set("aud", request.audience.to_json());
        set("iat", json!(now));
        set("nbf", json!(now));
        set("exp", json!(now + LIFETIME));
        set("jti", json!(id));
        set("scope", json!(scope.join(" ")));
        if !request.groups.is_empty() {
            set("wlcg.groups", json!(request.groups));
        }
        for (claim, alteration) in &request.claims {
            match alteration {
                Alteration::Remove => {
                    claims.remove(claim);
                }
                Alteration::FromNow(seconds) => {
                    claims.insert(claim.clone(), json!(now.saturating_add(*seconds)));
                }
                Alteration::Value(value) => {
                    claims.insert(claim.clone(), value.clone());
                }
            }
        }
        claims
    }
}

#[async_trait]
impl Source for Mint {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let id = uuid::Uuid::new_v4().to_string();
        let claims = self.claims(request, Timestamp::now(), &id);
        jsonwebtoken::encode(&self.header, &claims, &self.key)
            .map(SecretString::from)
            .map_err(|error| TokenError::Unavailable {
                issuer: self.name.clone(),
                reason: format!("the test key does not sign: {error}"),
            })
    }

    fn how(&self, request: &TokenRequest) -> String {
        let claims = self.claims(request, Timestamp::now(), "any");
        format!(
            "sign with the test key of {} ({:?}, kid {}): {}",
            self.issuer,
            self.header.alg,
            self.header.kid.as_deref().unwrap_or_default(),
            Value::Object(claims)
        )
    }
}
