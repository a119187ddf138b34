//! Signing keys: of a test issuer, or of a client that authenticates with one.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// A private key with all that is published of it.
pub(super) struct SigningKey {
    /// ES256 for EC P-256, RS256 for RSA.
    pub algorithm: Algorithm,
    /// The name under which it is published.
    pub id: String,
    /// What signs.
    pub private: EncodingKey,
    /// The public half as PEM (SubjectPublicKeyInfo), with a final line end.
    pub pem: String,
    /// The public half as DER.
    pub der: Vec<u8>,
    /// The public half as JWK (RFC 7517), without `kid`.
    pub jwk: Value,
    pair: KeyPair,
}

impl SigningKey {
    /// Reads a PKCS#8 key: EC P-256 or RSA. Without `id` its RFC 7638 thumbprint is its name.
    ///
    /// # Errors
    /// Says what the key is not.
    pub fn new(pem: &SecretString, id: Option<String>) -> Result<Self, String> {
        let bytes = pem.expose_secret().as_bytes();
        let (algorithm, private) = EncodingKey::from_ec_pem(bytes)
            .map(|key| (Algorithm::ES256, key))
            .or_else(|_| EncodingKey::from_rsa_pem(bytes).map(|key| (Algorithm::RS256, key)))
            .map_err(|_| {
                "it is neither an EC P-256 nor an RSA private key in PEM (PKCS#8)".to_owned()
            })?;
        let unusable = "its public half cannot be computed; is it an EC P-256 or RSA key?";
        let public =
            Jwk::from_encoding_key(&private, algorithm).map_err(|_| unusable.to_owned())?;
        let pair = KeyPair::from_pem(pem.expose_secret()).map_err(|_| unusable.to_owned())?;
        let id = match id {
            Some(id) => id,
            None => public
                .thumbprint(ThumbprintHash::SHA256)
                .map_err(|_| "its thumbprint cannot be computed; give its kid".to_owned())?,
        };
        Ok(Self {
            algorithm,
            id,
            private,
            pem: pair.public_key_pem(),
            der: pair.subject_public_key_info(),
            jwk: json!(public),
            pair,
        })
    }

    /// A certificate of its own, as `x5c` has it (RFC 7515 section 4.1.6).
    ///
    /// # Errors
    /// The key signs none.
    pub fn certificate(&self) -> Result<String, String> {
        let certificate = CertificateParams::new([self.id.clone()])
            .and_then(|parameters| parameters.self_signed(&self.pair))
            .map_err(|error| error.to_string())?;
        Ok(STANDARD.encode(certificate.der()))
    }

    /// A key of this process, for ES256 or RS256, that no issuer has published.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn rogue(algorithm: Algorithm) -> Result<&'static Self, String> {
        type Made = LazyLock<Result<SigningKey, String>>;
        static EC: Made = LazyLock::new(|| SigningKey::generate("rogue", Algorithm::ES256));
        static RSA: Made = LazyLock::new(|| SigningKey::generate("rogue", Algorithm::RS256));
        let rogue = match algorithm {
            Algorithm::RS256 => &RSA,
            _ => &EC,
        };
        rogue.as_ref().map_err(Clone::clone)
    }

    /// A new key for ES256 or RS256.
    pub(super) fn generate(id: &str, algorithm: Algorithm) -> Result<Self, String> {
        let kind = match algorithm {
            Algorithm::RS256 => &PKCS_RSA_SHA256,
            _ => &PKCS_ECDSA_P256_SHA256,
        };
        let pair = KeyPair::generate_for(kind).map_err(|error| error.to_string())?;
        let pem = SecretString::from(pair.serialize_pem());
        Self::new(&pem, Some(id.to_owned()))
    }

    /// `ES256` or `RS256`.
    pub fn name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::RS256 => "RS256",
            _ => "ES256",
        }
    }

    /// Signs (RFC 7515 section 5.1); base64url.
    ///
    /// # Errors
    /// The library refuses.
    pub fn sign(&self, message: &str) -> Result<String, String> {
        jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, self.algorithm)
            .map_err(|error| format!("the key does not sign: {error}"))
    }
}
