//! What an issuer publishes, for one whose tokens are made with keys at hand.

use rcgen::KeyPair;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::key::SigningKey;

/// The public half of a signing key.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// The name under which it is published.
    pub kid: String,
    /// `ES256` or `RS256`.
    pub algorithm: &'static str,
    /// The JWK, with `kid`, `alg` and `use`.
    jwk: Value,
}

impl PublicKey {
    /// Of a private key: EC P-256 or RSA, PKCS#8 in PEM. Without `kid` its RFC 7638 thumbprint is its name.
    ///
    /// # Errors
    /// Says what the key is not.
    pub fn of(pem: &SecretString, kid: Option<String>) -> Result<Self, String> {
        let key = SigningKey::new(pem, kid)?;
        let mut jwk = key.jwk.clone();
        jwk["kid"] = key.id.as_str().into();
        jwk["alg"] = key.name().into();
        jwk["use"] = "sig".into();
        Ok(Self {
            algorithm: key.name(),
            kid: key.id,
            jwk,
        })
    }
}

/// A new private key, EC P-256, PKCS#8 in PEM.
///
/// # Errors
/// The system gives no randomness.
pub fn new_key() -> Result<SecretString, String> {
    let pair = KeyPair::generate().map_err(|error| error.to_string())?;
    Ok(SecretString::from(pair.serialize_pem()))
}

/// The metadata of an issuer that answers no requests for tokens (profile 4.2.2), and where its keys are
/// below its URL.
pub fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{}/jwks", issuer.trim_end_matches('/')),
    })
}

/// A key set (RFC 7517 section 5).
pub fn key_set(keys: &[PublicKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_half_is_published() {
        let key = PublicKey::of(&new_key().unwrap(), None).unwrap();
        let set = key_set(std::slice::from_ref(&key));
        let jwk = set["keys"][0].as_object().unwrap();
        let members: Vec<_> = jwk.keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(
            (jwk["alg"].as_str(), key.algorithm),
            (Some("ES256"), "ES256")
        );
        assert_eq!(jwk["kid"].as_str(), Some(key.kid.as_str()));
    }

    #[test]
    fn keys_are_below_the_issuer() {
        for issuer in ["https://h/a", "https://h/a/"] {
            let metadata = metadata(issuer);
            assert_eq!(metadata["issuer"], issuer);
            assert_eq!(metadata["jwks_uri"], "https://h/a/jwks");
        }
    }
}
