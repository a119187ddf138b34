//! The public keys of one trusted issuer, fetched over HTTPS and kept for a while.

use std::collections::{HashMap, HashSet};
use std::sync::{self, Arc, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::jwt::{Algorithm, Jwk, KeyParameters, VerificationKey};
use super::{ReferenceError, server};

/// When keys are looked up again (profile 4.2 recommends to keep them for a while).
const REFRESH: Duration = Duration::from_secs(600);
/// How long keys count when the issuer cannot be reached (profile 4.2: at most four days).
const EXPIRY: Duration = Duration::from_secs(4 * 24 * 3600);
/// How soon the issuer may be asked again, whatever tokens come in.
const PAUSE: Duration = Duration::from_secs(3);
const MAX_DOCUMENT: usize = 1 << 20;
/// Tokens that a key remembers to have verified.
const MOST_KNOWN: usize = 4096;

/// The keys of one issuer.
pub(super) struct KeyRing {
    issuer: String,
    client: reqwest::Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: Arc<HashMap<String, Key>>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

/// A key with the one algorithm for which it may be used.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    key: VerificationKey,
    /// As it was published.
    pub(super) jwk: Jwk,
    /// Digests of what it has verified: most requests carry a token that was seen before.
    right: Arc<sync::Mutex<HashSet<[u8; 32]>>>,
}

/// What it has verified is no part of it.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, &self.jwk) == (other.algorithm, &other.jwk)
    }
}

impl Key {
    /// Whether `signature`, in base64url, is that of `message` by this key.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        let mut digest = Sha256::new();
        digest.update(message.len().to_be_bytes());
        digest.update(message);
        digest.update(signature);
        let digest: [u8; 32] = digest.finalize().into();
        let known = || self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(&digest) {
            return true;
        }
        let right = self.key.verify(self.algorithm, message, signature);
        let mut known = known();
        if right && known.len() < MOST_KNOWN {
            known.insert(digest);
        }
        right
    }
}

/// The keys cannot be had, so that nothing can be said about a token.
#[derive(Debug)]
pub(super) struct Unavailable;

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl KeyRing {
    /// Keys of `issuer`, whose TLS is trusted by `ca_pem`.
    pub(super) fn new(issuer: &str, ca_pem: &str) -> Result<Self, ReferenceError> {
        if !issuer.starts_with("https://") {
            return Err(ReferenceError::Option(format!(
                "the issuer `{issuer}` is no https URL"
            )));
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            client: server::client(ca_pem)?,
            known: Mutex::default(),
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its keys by id, fetched anew if there is none of that id.
    pub(super) async fn keys(&self, kid: &str) -> Result<Arc<HashMap<String, Key>>, Unavailable> {
        // Held while fetching, so that many requests at once ask the issuer once.
        let mut known = self.known.lock().await;
        if known.wanting(kid) && known.tried.is_none_or(|tried| tried.elapsed() > PAUSE) {
            known.tried = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => {
                    known.keys = Arc::new(keys);
                    known.fetched = Some(Instant::now());
                }
                Err(reason) => {
                    tracing::warn!(issuer = self.issuer, reason, "cannot fetch keys");
                }
            }
        }
        match known.fetched {
            Some(fetched) if fetched.elapsed() < EXPIRY => Ok(Arc::clone(&known.keys)),
            _ => Err(Unavailable),
        }
    }

    /// Fetches what is at `url` and makes nothing of it.
    pub(super) async fn visit(&self, url: &str) {
        if let Err(reason) = self.document::<Value>(url).await {
            tracing::debug!(reason, "fetched in vain");
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, Key>, String> {
        let base = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let url = format!("{base}/.well-known/openid-configuration");
        let metadata: Metadata = self.document(&url).await?;
        if metadata.issuer != self.issuer {
            return Err("the metadata is that of another issuer".into());
        }
        let set: KeySet = self.document(&metadata.jwks_uri).await?;
        Ok(set.keys.into_iter().filter_map(usable).collect())
    }

    async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let text = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.client.get(url).send().await.map_err(text)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("answered {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(text)? {
            if body.len() + chunk.len() > MAX_DOCUMENT {
                return Err("the answer is too long".into());
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| "the answer is not the JSON expected".into())
    }
}

impl Known {
    /// Whether it is time to ask, for this key or in general.
    fn wanting(&self, kid: &str) -> bool {
        !self.keys.contains_key(kid) || self.fetched.is_none_or(|at| at.elapsed() > REFRESH)
    }
}

/// A key of the set by its id; those without an id are passed over.
fn usable(jwk: Value) -> Option<(String, Key)> {
    let key = public_key(jwk)?;
    let kid = key.jwk.key_id.clone().filter(|kid| !kid.is_empty())?;
    Some((kid, key))
}

/// A key that can verify ES256 or RS256; others are passed over.
pub(super) fn public_key(jwk: Value) -> Option<Key> {
    let jwk = Jwk::from_json(&jwk)?;
    let algorithm = match &jwk.parameters {
        KeyParameters::P256 { .. } => Algorithm::Es256,
        KeyParameters::Rsa { .. } => Algorithm::Rs256,
    };
    let is = |member: &Option<String>, value| member.as_deref().is_none_or(|it| it == value);
    if !is(&jwk.public_key_use, "sig") || !is(&jwk.alg, algorithm.name()) {
        return None;
    }
    Some(Key {
        algorithm,
        key: VerificationKey::from_jwk(&jwk)?,
        jwk,
        right: Arc::default(),
    })
}
