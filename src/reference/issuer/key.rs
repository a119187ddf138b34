//! The keys with which it signs.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::super::ReferenceError;

/// Making an RSA key takes long, and a proof starts many issuers. Those with different paths may run
/// side by side and have different ones.
static RSA: LazyLock<Mutex<HashMap<String, Arc<SigningKey>>>> = LazyLock::new(Mutex::default);
/// More paths than that get new keys with every start.
const MOST_PATHS: usize = 64;

/// A key pair with its published half.
pub(in crate::reference) struct SigningKey {
    pub(super) pem: SecretString,
    pub(in crate::reference) id: String,
    pub(in crate::reference) public: Jwk,
    pub(in crate::reference) key: EncodingKey,
    verifying: DecodingKey,
    pub(super) algorithm: Algorithm,
}

/// What there is to say of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reference) enum Genuine {
    Right,
    Wrong,
    /// The header names no key of this issuer.
    UnknownKey,
}

/// Those of one issuer.
pub(in crate::reference) struct Keys {
    /// ES256; signs everything, unless RS256 does.
    pub(in crate::reference) signing: SigningKey,
    /// RS256.
    pub(in crate::reference) rsa: Arc<SigningKey>,
    /// Whether RS256 signs.
    rs256: bool,
}

impl Keys {
    /// A new key for ES256, and the one for RS256 of issuers with that path.
    pub(super) fn new(path: &str, rs256: bool) -> Result<Self, ReferenceError> {
        Ok(Self {
            signing: SigningKey::new(&PKCS_ECDSA_P256_SHA256, Algorithm::ES256)?,
            rsa: shared_rsa(path)?,
            rs256,
        })
    }

    /// The key that signs.
    pub(in crate::reference) fn usual(&self) -> &SigningKey {
        if self.rs256 { &self.rsa } else { &self.signing }
    }

    /// The key of the other algorithm, which signs nothing.
    pub(super) fn other(&self) -> &SigningKey {
        if self.rs256 { &self.signing } else { &self.rsa }
    }

    /// Header and claims of a token, and what there is to say of its signature.
    pub(super) fn read(&self, token: &str) -> Option<(Header, Map<String, Value>, Genuine)> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let claims = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
        let (message, signature) = token.rsplit_once('.')?;
        let named = |key: &&SigningKey| header.kid.as_deref() == Some(key.id.as_str());
        let key = [&self.signing, &*self.rsa].into_iter().find(named);
        let verified = |key: &SigningKey| {
            let (known, algorithm) = (&key.verifying, key.algorithm);
            header.alg == algorithm
                && crypto::verify(signature, message.as_bytes(), known, algorithm).unwrap_or(false)
        };
        let genuine = match key.map(verified) {
            None => Genuine::UnknownKey,
            Some(true) => Genuine::Right,
            Some(false) => Genuine::Wrong,
        };
        Some((header, claims, genuine))
    }
}

fn shared_rsa(path: &str) -> Result<Arc<SigningKey>, ReferenceError> {
    // Held while one is made, so that issuers that start at once share it.
    let mut made = RSA.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = made.get(path) {
        return Ok(Arc::clone(key));
    }
    let key = Arc::new(SigningKey::new(&PKCS_RSA_SHA256, Algorithm::RS256)?);
    if made.len() < MOST_PATHS {
        made.insert(path.to_owned(), Arc::clone(&key));
    }
    Ok(key)
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
            verifying: DecodingKey::from_jwk(&public)?,
            algorithm,
            pem,
            id,
            public,
            key,
        })
    }
}
