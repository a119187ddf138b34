//! Tokens: what they say, and how they are signed.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::jwt::{Header, encode_token};
use super::IssuerServer;
use super::error::OAuthError;
use super::key::Keys;
use super::scope::Granted;
use super::store::Refresh;

/// Between the 15 minutes and 6 hours of profile 3.3.
pub(crate) const LIFETIME: i64 = 20 * 60;
/// As profile 4.3.1 recommends.
pub(crate) const REFRESH_LIFETIME: i64 = 30 * 24 * 3600;
/// How far `nbf` lies back, for services whose clock is behind (profile 2.1.1).
const SKEW: i64 = 60;
/// The type of refresh tokens; access and ID tokens are plain `JWT`.
pub(super) const REFRESH_TYPE: &str = "rt+jwt";

const ASSURANCE: [&str; 3] = [
    "https://refeds.org/assurance",
    "https://refeds.org/assurance/ID/unique",
    "https://refeds.org/assurance/IAP/medium",
];
const CONTEXT: &str = "https://refeds.org/profile/sfa";

/// Of whom a token tells.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) subject: String,
    /// A person who logged in.
    pub(crate) login: Option<Login>,
}

/// A login.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// In seconds since 1970.
    pub(crate) at: i64,
    /// What the client wants to see again in the ID token.
    pub(crate) nonce: Option<String>,
}

/// What a token is made for.
#[derive(Clone, Copy)]
pub(crate) struct Telling<'a> {
    pub(crate) granted: &'a Granted,
    pub(crate) holder: &'a Holder,
    pub(crate) client: &'a str,
}

impl IssuerServer {
    /// The answer of the token endpoint with a new access token in it.
    pub(super) fn answer(&self, telling: Telling) -> Result<Value, OAuthError> {
        let token = self.access(telling)?;
        Ok(json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.rules.own().lifetime(),
            "scope": telling.granted.scope.join(" "),
        }))
    }

    /// A new access token (profile 2.1.1 and 2.1.3).
    fn access(&self, telling: Telling) -> Result<String, OAuthError> {
        let mut claims = self.common(telling, self.rules.own().lifetime());
        let told = [
            ("aud", telling.granted.audience.to_json()),
            ("client_id", json!(telling.client)),
            ("scope", json!(telling.granted.scope.join(" "))),
        ];
        claims.extend(told.map(|(name, value)| (name.to_owned(), value)));
        self.rules.own().claims(&mut claims, telling);
        self.sign("JWT", &claims)
    }

    /// A new ID token (profile 2.1.2), for a person who logged in.
    pub(super) fn identity(&self, telling: Telling) -> Result<Option<String>, OAuthError> {
        let Some(login) = &telling.holder.login else {
            return Ok(None);
        };
        let mut claims = self.common(telling, self.rules.own().lifetime());
        claims.insert("aud".into(), json!(telling.client));
        claims.insert("auth_time".into(), json!(login.at));
        if let Some(nonce) = &login.nonce {
            claims.insert("nonce".into(), json!(nonce));
        }
        self.rules.own().identity(&mut claims, telling);
        self.sign("JWT", &claims).map(Some)
    }

    /// A new refresh token, which it remembers.
    pub(super) fn refresh(&self, telling: Telling, family: String) -> Result<String, OAuthError> {
        let id = uuid::Uuid::new_v4().to_string();
        let now = Timestamp::now().as_second();
        let mut claims = Map::from_iter(
            [
                ("iss", json!(self.url)),
                ("sub", json!(telling.holder.subject)),
                // Only this service takes it.
                ("aud", json!(self.url)),
                ("client_id", json!(telling.client)),
                ("jti", json!(id)),
                ("iat", json!(now)),
                ("exp", json!(now + self.rules.own().refresh_lifetime())),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        self.rules.own().refresh_claims(&mut claims, telling);
        let token = self.sign(REFRESH_TYPE, &claims)?;
        let entry = Refresh {
            family,
            client: telling.client.to_owned(),
            holder: telling.holder.clone(),
            granted: telling.granted.clone(),
            replaced: None,
        };
        self.store.lock().refresh.insert(id, entry);
        Ok(token)
    }

    fn common(&self, telling: Telling, lifetime: i64) -> Map<String, Value> {
        let now = Timestamp::now().as_second();
        let mut claims = json!({
            "wlcg.ver": "1.0",
            "iss": self.url,
            "sub": telling.holder.subject,
            "jti": uuid::Uuid::new_v4().to_string(),
            "iat": now,
            "nbf": now - SKEW,
            "exp": now + lifetime,
        });
        if !telling.granted.groups.is_empty() {
            claims["wlcg.groups"] = json!(telling.granted.groups);
        }
        if telling.holder.login.is_some() {
            claims["eduperson_assurance"] = json!(ASSURANCE);
            claims["acr"] = json!(CONTEXT);
        }
        match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        }
    }

    fn sign(&self, kind: &str, claims: &Map<String, Value>) -> Result<String, OAuthError> {
        let mut header = Header {
            kid: Some(self.keys.usual().id.clone()),
            ..Header::new(self.keys.usual().algorithm)
        };
        header.typ = Some(kind.to_owned());
        self.rules
            .own()
            .sign(header, claims, &self.keys)
            .ok_or(OAuthError::server_error("the token cannot be signed"))
    }
}

/// With the key that the header names.
pub(crate) fn sign(header: Header, claims: &Map<String, Value>, keys: &Keys) -> Option<String> {
    encode_token(&header, claims, &keys.usual().key).ok()
}
