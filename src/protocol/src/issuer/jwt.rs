use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::shown;

/// A JWT of an issuer, taken apart; whether it is genuine is another question.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// Its header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
    /// As it came.
    text: SecretString,
}

impl Jwt {
    /// Takes it apart.
    ///
    /// # Errors
    /// Why it is no compact JWS with claims; the text is not repeated.
    pub fn of(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err(format!(
                "it has {} parts separated by dots, not three",
                parts.len()
            ));
        };
        let object = |part: &str, name: &str| {
            let bytes = URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| format!("its {name} is not base64url"))?;
            match serde_json::from_slice(&bytes) {
                Ok(Value::Object(members)) => Ok(members),
                _ => Err(format!("its {name} is no JSON object")),
            }
        };
        let jwt = Self {
            header: object(header, "header")?,
            claims: object(claims, "payload")?,
            text: SecretString::from(text),
        };
        URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| "its signature is not base64url".to_owned())?;
        Ok(jwt)
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.text.expose_secret().len()
    }

    /// Whether it has no bytes, which no JWT is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A claim that is text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim that is a time, in seconds.
    pub fn time(&self, claim: &str) -> Option<f64> {
        self.claims.get(claim)?.as_f64()
    }

    /// The words of its scope.
    pub fn scopes(&self) -> Vec<&str> {
        let scope = self.text("scope").unwrap_or_default();
        scope.split_whitespace().collect()
    }

    /// Its groups, as far as they are text.
    pub fn groups(&self) -> Vec<&str> {
        let groups = self.claims.get("wlcg.groups").and_then(Value::as_array);
        groups
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// Verifies its signature with the key of `keys` that `kid` names.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(&self, keys: &Value) -> Result<(), String> {
        let name = self.header.get("alg").and_then(Value::as_str);
        let name = name.ok_or("its header has no alg")?;
        let algorithm: Algorithm = name
            .parse()
            .map_err(|_| format!("its alg is {}, which is no signature", shown(name)))?;
        if matches!(
            algorithm,
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
        ) {
            return Err(format!("its alg is {name}, which is symmetric"));
        }
        let kid = self.header.get("kid").and_then(Value::as_str);
        let kid = kid.ok_or("its header has no kid")?;
        let published = keys.get("keys").and_then(Value::as_array);
        let mut published = published.into_iter().flatten();
        let key = published
            .find(|key| key.get("kid").and_then(Value::as_str) == Some(kid))
            .ok_or_else(|| format!("no key with the kid {} is published", shown(kid)))?;
        let unfit = || format!("the key with the kid {} cannot be used", shown(kid));
        let mut key = key.clone();
        // What an issuer says of the use of its keys is another matter.
        if let Some(members) = key.as_object_mut() {
            members.retain(|member, _| {
                matches!(member.as_str(), "kty" | "crv" | "x" | "y" | "n" | "e")
            });
        }
        let jwk: Jwk = serde_json::from_value(key).map_err(|_| unfit())?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| unfit())?;
        let text = self.text.expose_secret();
        let (message, signature) = text.rsplit_once('.').ok_or_else(unfit)?;
        match crypto::verify(signature, message.as_bytes(), &key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(format!(
                "its signature does not verify with the key of the kid {}",
                shown(kid)
            )),
        }
    }
}
