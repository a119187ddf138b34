//! The keys with which it signs.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};
use secrecy::SecretString;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::super::ReferenceError;
use super::super::jwt::{
    Algorithm, CompactJws, Header, Jwk, KeyError, SigningKey, VerificationKey,
};

/// Making an RSA key takes long, and a proof starts many issuers. Those with different paths may run
/// side by side and have different ones.
static RSA: LazyLock<Mutex<HashMap<String, Arc<IssuerKey>>>> = LazyLock::new(Mutex::default);
/// More paths than that get new keys with every start.
const MOST_PATHS: usize = 64;

/// A key pair with its published half.
pub(crate) struct IssuerKey {
    pub(super) pem: SecretString,
    pub(crate) id: String,
    pub(crate) public: Jwk,
    pub(crate) key: SigningKey,
    verifying: VerificationKey,
    pub(super) algorithm: Algorithm,
}

/// What there is to say of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Genuine {
    Right,
    Wrong,
    /// The header names no key of this issuer.
    UnknownKey,
}

/// Those of one issuer.
pub(crate) struct Keys {
    /// ES256; signs everything, unless RS256 does.
    pub(crate) signing: IssuerKey,
    /// RS256.
    pub(crate) rsa: Arc<IssuerKey>,
    /// Whether RS256 signs.
    rs256: bool,
}

impl Keys {
    /// A new key for ES256, and the one for RS256 of issuers with that path.
    pub(super) fn new(path: &str, rs256: bool) -> Result<Self, ReferenceError> {
        Ok(Self {
            signing: IssuerKey::new(&PKCS_ECDSA_P256_SHA256, Algorithm::Es256)?,
            rsa: shared_rsa(path)?,
            rs256,
        })
    }

    /// The key that signs.
    pub(crate) fn usual(&self) -> &IssuerKey {
        if self.rs256 { &self.rsa } else { &self.signing }
    }

    /// The key of the other algorithm, which signs nothing.
    pub(super) fn other(&self) -> &IssuerKey {
        if self.rs256 { &self.signing } else { &self.rsa }
    }

    /// Header and claims of a token, and what there is to say of its signature.
    pub(super) fn read(&self, token: &str) -> Option<(Header, Map<String, Value>, Genuine)> {
        let token = CompactJws::split(token)?;
        let (header, claims) = (token.header()?, token.claims()?);
        let named = |key: &&IssuerKey| header.kid.as_deref() == Some(key.id.as_str());
        let key = [&self.signing, &*self.rsa].into_iter().find(named);
        let verified = |key: &IssuerKey| token.is_signed_by(&key.verifying, key.algorithm);
        let genuine = match key.map(verified) {
            None => Genuine::UnknownKey,
            Some(true) => Genuine::Right,
            Some(false) => Genuine::Wrong,
        };
        Some((header, claims, genuine))
    }
}

fn shared_rsa(path: &str) -> Result<Arc<IssuerKey>, ReferenceError> {
    // Held while one is made, so that issuers that start at once share it.
    let mut made = RSA.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = made.get(path) {
        return Ok(Arc::clone(key));
    }
    let key = Arc::new(IssuerKey::new(&PKCS_RSA_SHA256, Algorithm::Rs256)?);
    if made.len() < MOST_PATHS {
        made.insert(path.to_owned(), Arc::clone(&key));
    }
    Ok(key)
}

impl IssuerKey {
    fn new(
        kind: &'static SignatureAlgorithm,
        algorithm: Algorithm,
    ) -> Result<Self, ReferenceError> {
        let pair = KeyPair::generate_for(kind)?;
        let der = Zeroizing::new(pair.serialize_der());
        let key = match algorithm {
            Algorithm::Rs256 => SigningKey::rsa_from_pkcs8(&der)?,
            _ => SigningKey::p256_from_pkcs8(&der)?,
        };
        let no_public_half = || KeyError::Algorithm(algorithm.name());
        let parameters = key.public_parameters().ok_or_else(no_public_half)?;
        let id = parameters.thumbprint();
        let public = Jwk::for_signatures(parameters, algorithm);
        Ok(Self {
            verifying: VerificationKey::from_jwk(&public).ok_or_else(no_public_half)?,
            algorithm,
            pem: SecretString::from(pair.serialize_pem()),
            id,
            public,
            key,
        })
    }
}
