//! Tokens that no issuer may take for its own, made of good ones.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use touchstone_model::{Alteration, Audience, Signature, TestKey, TokenRequest};

use super::forge::{Parts, forge};
use super::key::SigningKey;
use super::load;

fn made(
    token: &SecretString,
    change: impl FnOnce(&mut TokenRequest),
    key: Option<&SigningKey>,
) -> Result<SecretString, String> {
    let nobody = Audience::One(String::new());
    let mut request = TokenRequest::good(String::new(), Vec::new(), nobody);
    change(&mut request);
    let parts = Parts::of(token.expose_secret())?;
    forge(parts, &request, key).map(SecretString::from)
}

/// The token for somebody else, with the signature of the old one.
///
/// # Errors
/// It is no JWT.
pub fn tampered(token: &SecretString) -> Result<SecretString, String> {
    let change = |request: &mut TokenRequest| {
        let other = Alteration::Value(json!("touchstone-tampered"));
        request.claims.insert("sub".into(), other);
        request.signature = Signature::Kept;
    };
    made(token, change, None)
}

/// The token signed with a key that the issuer does not have, as its header says.
///
/// # Errors
/// It is no JWT.
pub fn unknown_key(token: &SecretString) -> Result<SecretString, String> {
    made(token, rogue, None)
}

/// The same, of another issuer.
///
/// # Errors
/// It is no JWT.
pub fn foreign(token: &SecretString) -> Result<SecretString, String> {
    let change = |request: &mut TokenRequest| {
        rogue(request);
        let other = Alteration::Value(json!("https://issuer.touchstone.invalid/"));
        request.claims.insert("iss".into(), other);
    };
    made(token, change, None)
}

fn rogue(request: &mut TokenRequest) {
    let key = Alteration::Value(json!("touchstone-rogue"));
    request.header.insert("kid".into(), key);
    request.signature = Signature::Rogue;
}

/// The token as it would be an hour after its end, signed by the issuer's own key.
///
/// # Errors
/// It is no JWT, or the key cannot be used.
pub fn expired(token: &SecretString, key: &TestKey) -> Result<SecretString, String> {
    let pem = load(&key.pem, "a private key").map_err(|error| error.to_string())?;
    let key = SigningKey::new(&pem, key.kid.clone())?;
    let change = |request: &mut TokenRequest| {
        for (claim, seconds) in [("iat", -7200), ("nbf", -7200), ("exp", -3600)] {
            let at = Alteration::FromNow(seconds * 1000);
            request.claims.insert(claim.into(), at);
        }
    };
    made(token, change, Some(&key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_protocol::issuer::Jwt;

    #[test]
    fn each_differs_in_its_own_way() {
        let key = SigningKey::generate("own", jsonwebtoken::Algorithm::ES256).unwrap();
        let header = json!({"alg": "ES256", "kid": "own"});
        let claims = json!({"sub": "me", "exp": 4_000_000_000_u64, "iat": 1});
        let encode = |part: &serde_json::Value| {
            use base64::Engine;
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part.to_string())
        };
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let token = SecretString::from(format!("{message}.{}", key.sign(&message).unwrap()));
        let mut jwk = key.jwk.clone();
        jwk["kid"] = "own".into();
        let keys = json!({ "keys": [jwk] });
        let read = |token: &SecretString| Jwt::of(token.expose_secret()).unwrap();
        assert_eq!(read(&token).verify(&keys), Ok(()));
        let tampered = read(&tampered(&token).unwrap());
        assert_eq!(tampered.text("sub"), Some("touchstone-tampered"));
        assert!(tampered.verify(&keys).is_err());
        let unknown = read(&unknown_key(&token).unwrap());
        assert_eq!(unknown.claims, read(&token).claims);
        assert!(
            unknown
                .verify(&keys)
                .unwrap_err()
                .contains("touchstone-rogue")
        );
        let foreign = read(&foreign(&token).unwrap());
        assert_eq!(foreign.text("sub"), Some("me"));
        assert_ne!(foreign.text("iss"), read(&token).text("iss"));
        assert!(foreign.verify(&keys).is_err());
        assert!(tampered.verify(&json!({})).unwrap_err().contains("no key"));
    }
}
