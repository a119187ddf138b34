//! Keys that sign, and keys that verify.

use std::fmt;

use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use aws_lc_rs::{hmac, rsa};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::{self, PemObject};

use super::{Algorithm, Jwk, KeyParameters, decode, encode};

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The PEM text has no public key in it.
    #[error("no public key in the PEM text")]
    Pem(#[from] pem::Error),
    /// The key is damaged, too short, or of another type.
    #[error("the key is not acceptable")]
    Rejected(#[from] KeyRejected),
    /// The key is for other algorithms than this one.
    #[error("the key is not for {0}")]
    Algorithm(&'static str),
    /// The signature could not be computed.
    #[error("the key does not sign")]
    Signing(#[from] Unspecified),
}

/// A key that signs.
pub(crate) struct SigningKey(Private);

enum Private {
    Secret(Vec<u8>),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// A secret, for HMAC (RFC 7518 section 3.2). It may be of any length.
    pub(crate) fn from_secret(secret: &[u8]) -> Self {
        Self(Private::Secret(secret.to_vec()))
    }

    /// A key of the curve P-256 in PKCS #8, for ES256 (RFC 7518 section 3.4).
    ///
    /// # Errors
    ///
    /// [`KeyError::Rejected`] if it is something else.
    pub(crate) fn p256_from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)?;
        Ok(Self(Private::P256(pair)))
    }

    /// An RSA key in PKCS #8, for RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 sections 3.3 and 3.5).
    ///
    /// # Errors
    ///
    /// [`KeyError::Rejected`] if it is something else, or has less than 2048 bits.
    pub(crate) fn rsa_from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Ok(Self(Private::Rsa(RsaKeyPair::from_pkcs8(der)?)))
    }

    /// The public half; a secret has none.
    pub(crate) fn public_parameters(&self) -> Option<KeyParameters> {
        match &self.0 {
            Private::Secret(_) => None,
            Private::P256(pair) => {
                // An uncompressed point begins with 4 (SEC 1 section 2.3.3).
                let point = pair.public_key().as_ref().strip_prefix(&[4])?;
                let (x, y) = point.split_at_checked(32)?;
                Some(KeyParameters::P256 {
                    x: encode(x),
                    y: encode(y),
                })
            }
            Private::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                Some(KeyParameters::Rsa {
                    n: encode(public.n),
                    e: encode(public.e),
                })
            }
        }
    }

    /// The signature of a message.
    ///
    /// # Errors
    ///
    /// [`KeyError::Algorithm`] if the key is for others.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            Private::Secret(secret) => {
                let key = hmac::Key::new(hash(algorithm)?, secret);
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            Private::P256(pair) if algorithm == Algorithm::Es256 => {
                let signature = pair.sign(&SystemRandom::new(), message)?;
                Ok(signature.as_ref().to_vec())
            }
            Private::P256(_) => Err(KeyError::Algorithm(algorithm.name())),
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let (padding, _) = padding(algorithm)?;
                pair.sign(padding, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    /// Says of which type it is, and nothing else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Private::Secret(_) => "SigningKey(secret)",
            Private::P256(_) => "SigningKey(P-256)",
            Private::Rsa(_) => "SigningKey(RSA)",
        })
    }
}

/// A key that verifies signatures.
#[derive(Clone)]
pub(crate) struct VerificationKey(Public);

#[derive(Clone)]
enum Public {
    Secret(Vec<u8>),
    /// A point in the form of SEC 1 section 2.3.3, or within a SubjectPublicKeyInfo.
    P256(Vec<u8>),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
}

impl VerificationKey {
    /// A secret, for HMAC.
    pub(crate) fn from_secret(secret: &[u8]) -> Self {
        Self(Public::Secret(secret.to_vec()))
    }

    /// The key that a JWK stands for; `None` if its numbers are not base64url.
    ///
    /// A point that is not on the curve, or an RSA key that is too short, is a key nevertheless, with which no
    /// signature is right.
    pub(crate) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        Some(Self(match &jwk.parameters {
            KeyParameters::P256 { x, y } => {
                Public::P256([vec![4], decode(x)?, decode(y)?].concat())
            }
            KeyParameters::Rsa { n, e } => Public::Rsa(RsaPublicKeyComponents {
                n: decode(n)?,
                e: decode(e)?,
            }),
        }))
    }

    /// A public key in PEM (RFC 7468 section 13), with the algorithm for which it is used: ES256 for a key of the
    /// curve P-256, RS256 for an RSA key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Pem`] if there is none, [`KeyError::Rejected`] if it is of another type.
    pub(crate) fn from_pem(pem: &str) -> Result<(Self, Algorithm), KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())?;
        if ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &*der).is_ok() {
            return Ok((Self(Public::P256(der.to_vec())), Algorithm::Es256));
        }
        let key = rsa::PublicKey::from_der(&der)?;
        Ok((Self(Public::Rsa((&key).into())), Algorithm::Rs256))
    }

    /// Whether `signature`, in base64url, is that of a message by this key and algorithm (RFC 7515 section 5.2).
    ///
    /// It is wrong if it is not base64url, or if the key is for other algorithms.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        let Some(signature) = decode(signature) else {
            return false;
        };
        let message = message.as_bytes();
        let right = match &self.0 {
            Public::Secret(secret) => hash(algorithm).map(|hash| {
                let key = hmac::Key::new(hash, secret);
                hmac::verify(&key, message, &signature).is_ok()
            }),
            Public::P256(point) if algorithm == Algorithm::Es256 => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                Ok(key.verify(message, &signature).is_ok())
            }
            Public::P256(_) => Ok(false),
            Public::Rsa(key) => padding(algorithm)
                .map(|(_, padding)| key.verify(padding, message, &signature).is_ok()),
        };
        right.unwrap_or(false)
    }
}

/// The hash of an algorithm with HMAC (RFC 7518 section 3.2).
fn hash(algorithm: Algorithm) -> Result<hmac::Algorithm, KeyError> {
    match algorithm {
        Algorithm::Hs256 => Ok(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Ok(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Ok(hmac::HMAC_SHA512),
        other => Err(KeyError::Algorithm(other.name())),
    }
}

/// How to sign and to verify with an RSA key (RFC 7518 sections 3.3 and 3.5), which has 2048 bits or more.
fn padding(
    algorithm: Algorithm,
) -> Result<(&'static dyn RsaEncoding, &'static RsaParameters), KeyError> {
    Ok(match algorithm {
        Algorithm::Rs256 => (&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => (&RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => (&RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => (&RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => (&RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => (&RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512),
        other => return Err(KeyError::Algorithm(other.name())),
    })
}
