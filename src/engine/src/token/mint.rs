//! Tokens of a test issuer whose keys we hold.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use touchstone_model::{Signature, TokenRequest, altered};

use super::error::Origin;
use super::forge::{Parts, forge};
use super::key::SigningKey;
use super::{TokenError, TokenSourceClient};

/// How long a good token lives.
const LIFETIME: SignedDuration = SignedDuration::from_secs(1200);

/// The signing keys of a test issuer.
pub(super) struct Mint {
    origin: Origin,
    issuer: String,
    keys: Vec<SigningKey>,
}

impl Mint {
    /// An issuer whose identifier is `issuer`; there is at least one key.
    pub fn new(origin: Origin, issuer: &str, keys: Vec<SigningKey>) -> Self {
        Self {
            origin,
            issuer: issuer.to_owned(),
            keys,
        }
    }

    /// The key that signs what has to be signed in that way; `kind` is the one that is meant where that leaves it open.
    ///
    /// # Errors
    /// There is none of that kind.
    pub fn key(
        &self,
        signature: Signature,
        kind: Option<Signature>,
    ) -> Result<&SigningKey, String> {
        let algorithm = |signature| match signature {
            Signature::Es256 => Some(Algorithm::ES256),
            Signature::Rs256 => Some(Algorithm::RS256),
            _ => None,
        };
        let wanted = algorithm(signature).or_else(|| algorithm(kind?));
        let mut keys = self.keys.iter();
        let found = keys.find(|key| wanted.is_none_or(|wanted| key.algorithm == wanted));
        found.ok_or_else(|| match wanted {
            Some(wanted) => format!("no `test-key` for {wanted:?}"),
            None => "no `test-key`".to_owned(),
        })
    }

    /// The key of that name.
    pub fn named(&self, id: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// A key that is another one than that of this name; of another kind rather than of the same.
    pub fn other(&self, id: &str) -> Option<&SigningKey> {
        let kind = self.named(id).map(|key| key.algorithm);
        let others = || self.keys.iter().filter(|key| key.id != id);
        others()
            .find(|key| Some(key.algorithm) != kind)
            .or_else(|| others().next())
    }

    /// When a good token ends that is made now.
    pub fn expiry(&self, now: Timestamp) -> Option<Timestamp> {
        now.checked_add(LIFETIME).ok()
    }

    /// Header and claims of a good token, not yet signed.
    pub fn parts(&self, request: &TokenRequest, key: &SigningKey) -> Parts {
        let id = uuid::Uuid::new_v4().to_string();
        let mut header = Map::new();
        header.insert("alg".into(), json!(key.name()));
        header.insert("kid".into(), json!(key.id));
        header.insert("typ".into(), json!("JWT"));
        Parts {
            header,
            payload: self.claims(request, Timestamp::now(), &id),
            signature: Vec::new(),
            message: None,
        }
    }

    /// The claims of a good token for `request`.
    fn claims(&self, request: &TokenRequest, now: Timestamp, id: &str) -> Map<String, Value> {
        let now = now.as_second();
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("wlcg.ver", json!("1.0"));
        set("iss", json!(self.issuer));
        set("sub", json!("touchstone"));
        set("aud", request.audience.to_json());
        set("iat", json!(now));
        set("nbf", json!(now));
        set("exp", json!(now + LIFETIME.as_secs()));
        set("jti", json!(id));
        set("scope", json!(request.all_scopes().join(" ")));
        if !request.groups.is_empty() {
            set("wlcg.groups", json!(request.groups));
        }
        claims
    }
}

#[async_trait]
impl TokenSourceClient for Mint {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let key = self.key(request.signature, request.key);
        let made = key.and_then(|key| forge(self.parts(request, key), request, Some(key)));
        made.map(SecretString::from).map_err(|reason| {
            let help = "give a `test-key` of that kind";
            self.origin.refused(request, reason, help)
        })
    }

    fn how(&self, request: &TokenRequest) -> String {
        let claims = self.claims(request, Timestamp::now(), "any");
        let (algorithm, id) = match self.key(request.signature, request.key) {
            Ok(key) => (key.name(), key.id.as_str()),
            Err(_) => ("ES256", ""),
        };
        format!(
            "sign with the test key of {} ({algorithm}, kid {id}): {}{}",
            self.issuer,
            Value::Object(claims),
            alterations(request)
        )
    }
}

/// What is done to a good token, for people who want to make it.
pub(super) fn alterations(request: &TokenRequest) -> String {
    let changes: Vec<_> = altered(&request.claims)
        .chain(altered(&request.header).map(|text| format!("header {text}")))
        .chain(
            request
                .repeated
                .keys()
                .map(|claim| format!("{claim} once more")),
        )
        .chain((!request.trailing.is_empty()).then(|| "something behind the payload".to_owned()))
        .chain(
            (request.signature != Signature::Good)
                .then(|| format!("signature {}", request.signature.as_str())),
        )
        .collect();
    if changes.is_empty() {
        String::new()
    } else {
        format!("; then: {}", changes.join(", "))
    }
}
