//! A realm of Keycloak 26.3, as far as it was seen to differ from what was expected of issuers: scopes are fixed names, a
//! default scope comes with each token, tokens have no `nbf`, who asks for an audience is not heard, a wrong secret is an
//! `unauthorized_client`, and a bearer token is refused with an empty body. An exchange gives whatever the client may have,
//! no refresh token, and for an audience that is no client of the realm an `invalid_client`. `tests/issuer` has the real one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::issuer::{Asked, METADATA, Reply, ScriptedIssuer};
use super::test_bed::TestBed;

/// The realm below the origin; no slash at its end.
const REALM: &str = "/realms/wlcg";
/// The names of scopes that the client may ask for.
const SCOPES: [&str; 8] = [
    "openid",
    "offline_access",
    "basic",
    "wlcg.groups",
    "storage.read:/",
    "storage.create:/",
    "storage.modify:/",
    "storage.stage:/",
];
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The one that comes with each token.
const DEFAULT: &str = "wlcg";
pub const CLIENT: &str = "touchstone";
pub const SECRET: &str = "keycloak-secret-5f0c2b1e";
/// A refresh token of a user, before any was given.
pub const USER: &str = "keycloak-user-refresh-token-41c7";

/// Whether tokens are exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// For the client of the tests.
    Granted,
    /// For other clients.
    Unauthorized,
    /// For nobody: the metadata do not name the grant.
    Unnamed,
}

pub struct Keycloak {
    server: ScriptedIssuer,
}

impl Keycloak {
    pub fn start(bed: &TestBed) -> Self {
        Self::answering(bed, Exchange::Granted, |reply| reply)
    }

    /// One that exchanges tokens for some.
    pub fn exchanging(bed: &TestBed, exchange: Exchange) -> Self {
        Self::answering(bed, exchange, |reply| reply)
    }

    /// One that refuses with a status alone, and no body.
    pub fn curt(bed: &TestBed) -> Self {
        Self::answering(bed, Exchange::Granted, |reply| match reply.status {
            400..500 => Reply {
                headers: Vec::new(),
                body: Vec::new(),
                ..reply
            },
            _ => reply,
        })
    }

    fn answering(bed: &TestBed, exchange: Exchange, finish: fn(Reply) -> Reply) -> Self {
        let pem = bed.issuer.rsa_key_pem().expose_secret().as_bytes();
        let key = EncodingKey::from_rsa_pem(pem).expect("a key");
        let mut public = Jwk::from_encoding_key(&key, Algorithm::RS256).expect("its public half");
        public.common.key_id = Some(bed.issuer.rsa_key_id().to_owned());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let refresh: Refresh = Arc::default();
        lock(&refresh).insert(USER.to_owned(), "openid offline_access wlcg.groups".into());
        let origin: Arc<OnceLock<String>> = Arc::default();
        let known = Arc::clone(&origin);
        let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, move |asked| {
            let realm = Realm {
                issuer: format!("{}{REALM}", known.get()?),
                key: key.clone(),
                public: public.clone(),
                refresh: Arc::clone(&refresh),
                exchange,
            };
            Some(finish(realm.answer(asked)))
        });
        origin
            .set(server.origin().to_owned())
            .expect("it is set once");
        Self { server }
    }

    /// Its identifier.
    pub fn url(&self) -> String {
        format!("{}{REALM}", self.server.origin())
    }
}

struct Realm {
    issuer: String,
    key: EncodingKey,
    public: Jwk,
    refresh: Refresh,
    exchange: Exchange,
}

/// Refresh tokens that are good, with the scopes for which they were given.
type Refresh = Arc<Mutex<BTreeMap<String, String>>>;

fn lock(refresh: &Refresh) -> MutexGuard<'_, BTreeMap<String, String>> {
    refresh.lock().expect("nobody died")
}

impl Realm {
    fn answer(&self, asked: &Asked) -> Reply {
        let Some(below) = asked.path.strip_prefix(REALM) else {
            return Reply::json(
                404,
                &json!({"error": "Unable to find matching target resource method"}),
            );
        };
        let posted = asked.method == "POST";
        match below {
            METADATA => Reply::json(200, &self.metadata()),
            "/protocol/openid-connect/certs" => Reply::json(200, &json!({"keys": [self.public]}))
                .header("cache-control", "no-cache"),
            "/protocol/openid-connect/userinfo" => self.userinfo(asked),
            _ if !posted => Reply::json(405, &json!({"error": "HTTP 405 Method Not Allowed"})),
            _ if !client(asked) => Reply::json(
                401,
                &json!({
                    "error": "unauthorized_client",
                    "error_description": "Invalid client or Invalid client credentials",
                }),
            ),
            "/protocol/openid-connect/token" => self.token(asked),
            "/protocol/openid-connect/revoke" => {
                let form = asked.form();
                lock(&self.refresh).remove(form.get("token").map_or("", String::as_str));
                Reply {
                    body: Vec::new(),
                    ..Reply::html(200, "")
                }
            }
            "/protocol/openid-connect/auth/device" => Reply::json(
                200,
                &json!({
                    "device_code": "keycloak-device-code-7d1",
                    "user_code": "ABCD-EFGH",
                    "verification_uri": format!("{}/device", self.issuer),
                    "expires_in": 600,
                    "interval": 5,
                }),
            ),
            _ => Reply::json(404, &json!({"error": "not_found"})),
        }
    }

    fn metadata(&self) -> Value {
        let issuer = &self.issuer;
        let at = |name: &str| format!("{issuer}/protocol/openid-connect/{name}");
        let mut grants = vec![
            "authorization_code",
            "client_credentials",
            "implicit",
            "password",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
            EXCHANGE,
            "urn:ietf:params:oauth:grant-type:uma-ticket",
            "urn:openid:params:grant-type:ciba",
        ];
        grants.retain(|grant| *grant != EXCHANGE || self.exchange != Exchange::Unnamed);
        json!({
            "issuer": issuer,
            "jwks_uri": at("certs"),
            "token_endpoint": at("token"),
            "introspection_endpoint": at("token/introspect"),
            "revocation_endpoint": at("revoke"),
            "userinfo_endpoint": at("userinfo"),
            "device_authorization_endpoint": at("auth/device"),
            "authorization_endpoint": at("auth"),
            "grant_types_supported": grants,
            "scopes_supported": SCOPES,
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic", "client_secret_post"],
        })
    }

    fn userinfo(&self, asked: &Asked) -> Reply {
        let shown = asked.headers.get("authorization");
        let shown = shown
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        // Its access tokens are JWT, its refresh tokens here are not.
        if shown.starts_with("Bearer eyJ") {
            return Reply::json(200, &json!({"sub": "f3b1"}));
        }
        Reply {
            headers: vec![(
                "www-authenticate",
                "Bearer realm=\"wlcg\", error=\"invalid_token\"".into(),
            )],
            body: Vec::new(),
            ..Reply::html(401, "")
        }
    }

    fn token(&self, asked: &Asked) -> Reply {
        let form = asked.form();
        let of = |name: &str| form.get(name).map(String::as_str);
        let refused = |status: u16, error: &str, description: &str| {
            Reply::json(
                status,
                &json!({"error": error, "error_description": description}),
            )
        };
        let asked = of("scope").unwrap_or_default();
        let spent = of("refresh_token").and_then(|one| lock(&self.refresh).get(one).cloned());
        let (user, most) = match (of("grant_type"), spent) {
            (Some("client_credentials"), _) => (false, SCOPES.join(" ")),
            (Some("refresh_token"), Some(given)) => (true, given),
            (Some("refresh_token"), None) => {
                return refused(400, "invalid_grant", "Invalid refresh token");
            }
            (Some(EXCHANGE), _) if self.exchange != Exchange::Granted => {
                let told = "Client is not allowed to exchange";
                return refused(403, "unauthorized_client", told);
            }
            (Some(EXCHANGE), _) if of("audience").is_some() => {
                return refused(400, "invalid_client", "Audience not found");
            }
            (Some(EXCHANGE), _) => match of("subject_token") {
                Some(token) if self.gave(token) => (true, SCOPES.join(" ")),
                _ => return refused(400, "invalid_request", "Invalid token"),
            },
            (Some("urn:ietf:params:oauth:grant-type:device_code"), _) => {
                let told = "The authorization request is still pending";
                return refused(400, "authorization_pending", told);
            }
            _ => return refused(400, "unsupported_grant_type", "Unsupported grant_type"),
        };
        // A refresh gives what was given before; otherwise the default scope comes alone.
        let scope = match (asked, of("grant_type")) {
            ("", Some("refresh_token")) => most.as_str(),
            (asked, _) => asked,
        };
        let most: Vec<&str> = most.split_whitespace().collect();
        let known = |one: &&str| most.contains(one) || *one == DEFAULT;
        if let Some(unknown) = scope.split_whitespace().find(|one| !known(one)) {
            return refused(400, "invalid_scope", &format!("Invalid scopes: {unknown}"));
        }
        let mut granted = self.granted(scope, user);
        if of("grant_type") == Some(EXCHANGE)
            && let Some(members) = granted.as_object_mut()
        {
            members.remove("refresh_token");
        }
        Reply::json(200, &granted).header("cache-control", "no-store")
    }

    /// Whether the token is as it was given.
    fn gave(&self, token: &str) -> bool {
        let key = jsonwebtoken::DecodingKey::from_jwk(&self.public).expect("a key");
        let mut validation = jsonwebtoken::Validation::new(Algorithm::RS256);
        validation.validate_aud = false;
        validation.set_issuer(&[&self.issuer]);
        jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
    }

    fn granted(&self, scope: &str, user: bool) -> Value {
        let asked = scope.split_whitespace().filter(|one| *one != DEFAULT);
        let mut scopes: Vec<&str> = asked.collect();
        scopes.reverse();
        scopes.push(DEFAULT);
        let now = jiff::Timestamp::now().as_second();
        let subject = if user { "f3b1" } else { "9da1" };
        let mut claims = json!({
            "exp": now + 1200,
            "iat": now,
            "jti": format!("trrtcc:{}", uuid::Uuid::new_v4()),
            "iss": self.issuer,
            "aud": "https://wlcg.cern.ch/jwt/v1/any",
            "sub": subject,
            "typ": "Bearer",
            "azp": CLIENT,
            "scope": scopes.join(" "),
            "wlcg.ver": "1.0",
            "client_id": CLIENT,
            "clientHost": "127.0.0.1",
        });
        let access = self.signed(&claims);
        let mut reply = json!({
            "access_token": access,
            "expires_in": 1200,
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "not-before-policy": 0,
            "scope": scopes.join(" "),
        });
        if scopes.contains(&"offline_access") {
            let fresh = format!("keycloak-{}", uuid::Uuid::new_v4().simple());
            lock(&self.refresh).insert(fresh.clone(), scopes.join(" "));
            reply["refresh_token"] = fresh.into();
        }
        if scopes.contains(&"openid") {
            claims["aud"] = CLIENT.into();
            claims["typ"] = "ID".into();
            reply["id_token"] = self.signed(&claims).into();
        }
        reply
    }

    fn signed(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.public.common.key_id);
        encode(&header, claims, &self.key).expect("a token")
    }
}

/// Whether the client has shown its secret.
fn client(asked: &Asked) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    asked
        .headers
        .get("authorization")
        .is_some_and(|value| *value == expected)
}
