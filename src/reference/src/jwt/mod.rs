//! JSON Web Tokens as the embedded issuer and storage element read and make them: JWS in compact serialisation
//! (RFC 7515), the algorithms of RFC 7518 and RFC 8037, JWK (RFC 7517) and its thumbprint (RFC 7638).
//!
//! The signatures themselves are computed by aws-lc-rs. Nothing of this module is shared with the code that judges
//! tokens, so that a mistake in either of them shows as a disagreement.

mod algorithm;
mod header;
mod jwk;
mod key;

#[cfg(test)]
mod tests;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

pub(super) use self::algorithm::Algorithm;
pub(super) use self::header::Header;
pub(super) use self::jwk::{Jwk, KeyParameters};
pub(super) use self::key::{KeyError, SigningKey, VerificationKey};

/// A JWS in compact serialisation, split into its parts (RFC 7515 section 7.1). None of them has been decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CompactJws<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Header and payload with the dot between them: what is signed.
    message: &'a str,
}

impl<'a> CompactJws<'a> {
    /// Splits a token; `None` if it has less than three parts.
    ///
    /// It is split from its end. Where it has more than three parts, the first dots are in what is taken for the
    /// header, which cannot be decoded then.
    pub(super) fn split(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.rsplit_once('.')?;
        Some(Self {
            header,
            payload,
            signature,
            message,
        })
    }

    /// The header; `None` if it is not base64url, or nothing that [`Header::from_json`] reads.
    pub(super) fn header(&self) -> Option<Header> {
        Header::from_json(&decode(self.header)?)
    }

    /// The claims; `None` if the payload is not base64url, or no JSON object (RFC 7519 section 7.2).
    ///
    /// Of a claim that is there twice the last counts (RFC 7519 section 4).
    pub(super) fn claims(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&decode(self.payload)?).ok()
    }

    /// Whether the header names that algorithm, and the signature is right for it and the key (RFC 7515 section 5.2).
    ///
    /// The algorithm is that for which the key is meant, and not what the token asks for (RFC 8725 section 3.1).
    pub(super) fn is_signed_by(&self, key: &VerificationKey, algorithm: Algorithm) -> bool {
        self.header().is_some_and(|header| header.alg == algorithm)
            && key.verify(algorithm, self.message, self.signature)
    }
}

/// A token with that header and those claims, signed with the algorithm that the header names (RFC 7515 section 5.1).
///
/// # Errors
///
/// The key is not one for that algorithm, or cannot sign.
pub(super) fn encode_token(
    header: &Header,
    claims: &Map<String, Value>,
    key: &SigningKey,
) -> Result<String, KeyError> {
    let claims = Value::Object(claims.clone()).to_string();
    let message = format!("{}.{}", encode(header.to_json()), encode(claims));
    let signature = key.sign(header.alg, message.as_bytes())?;
    Ok(format!("{message}.{}", encode(signature)))
}

/// Base64url without padding (RFC 7515 section 2).
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes that base64url without padding stands for. Padding, other letters, spaces and bits that are left over
/// are refused, so that each sequence of bytes has one spelling.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}
