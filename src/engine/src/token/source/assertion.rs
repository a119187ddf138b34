//! A client that shows who it is with a key (RFC 7523 sections 2.2 and 3).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use crate::token::key::SigningKey;

/// `client_assertion_type` of a JWT.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds that it lives.
const LIFETIME: i64 = 60;

/// A new assertion of the client for `audience`, which is the token endpoint.
///
/// # Errors
/// The key does not sign.
pub(in crate::token) fn assertion(
    key: &SigningKey,
    client: &str,
    audience: &str,
) -> Result<SecretString, String> {
    let now = Timestamp::now().as_second();
    let header = json!({"alg": key.name(), "kid": key.id, "typ": "JWT"});
    let claims = json!({
        "iss": client,
        "sub": client,
        "aud": audience,
        "jti": uuid::Uuid::new_v4().to_string(),
        "iat": now,
        "exp": now + LIFETIME,
    });
    let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = key.sign(&message)?;
    Ok(format!("{message}.{signature}").into())
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
    use secrecy::ExposeSecret;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_assertion_verifies_and_names_the_client_and_the_endpoint() {
        let at = "https://issuer.example/token";
        for (kind, algorithm) in [
            (&PKCS_ECDSA_P256_SHA256, Algorithm::ES256),
            (&PKCS_RSA_SHA256, Algorithm::RS256),
        ] {
            let pem = KeyPair::generate_for(kind).unwrap().serialize_pem();
            let key = SigningKey::new(&pem.into(), Some("k1".into())).unwrap();
            let made = assertion(&key, "me", at).unwrap();
            let public =
                DecodingKey::from_jwk(&serde_json::from_value(key.jwk.clone()).unwrap()).unwrap();
            let mut rules = Validation::new(algorithm);
            rules.set_audience(&[at]);
            rules.set_issuer(&["me"]);
            let read = decode::<Value>(made.expose_secret(), &public, &rules).unwrap();
            assert_eq!(read.header.kid.as_deref(), Some("k1"));
            assert_eq!(read.claims["sub"], "me");
            let left = read.claims["exp"].as_i64().unwrap() - Timestamp::now().as_second();
            assert!((55..=60).contains(&left), "{left}");
            let other = assertion(&key, "me", at).unwrap();
            let other = decode::<Value>(other.expose_secret(), &public, &rules).unwrap();
            assert_ne!(read.claims["jti"], other.claims["jti"]);
        }
    }
}
