//! Whether a token was signed by the issuer that it names: its keys are asked for and nothing else.

use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::IssuerClient;
use super::judge::Decoded;

/// More keys than this nobody publishes.
const MOST_KEYS: usize = 200;

/// What became of the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureCheck {
    /// It is the issuer's.
    Verified {
        /// The name of the key.
        kid: String,
    },
    /// It is not.
    Wrong {
        /// The clause that it breaks.
        clause: &'static str,
        /// Why.
        reason: String,
    },
    /// Nobody can know, for what its issuer answers.
    Issuer {
        /// The clause that the issuer breaks, where that is sure.
        clause: Option<&'static str>,
        /// What it answers.
        reason: String,
    },
    /// Nobody knows.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl SignatureCheck {
    /// It was not tried, or could not be.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown {
            reason: reason.into(),
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// Fetches the issuer's metadata and keys over https (profile 4.2), and verifies the signature.
///
/// The issuer that the token names is asked, and whoever its metadata name for the keys; the token is not sent.
pub async fn verify(token: &Decoded, http: &IssuerClient) -> SignatureCheck {
    let (algorithm, kid) = match asked(token) {
        Ok(asked) => asked,
        Err(proof) => return proof,
    };
    match keys(token, http).await {
        Ok(keys) => check(token, algorithm, kid, &keys),
        Err(NoKeys::Silent(reason) | NoKeys::Unasked(reason)) => SignatureCheck::Unknown { reason },
        Err(NoKeys::Answered(clause, reason)) => SignatureCheck::Issuer { clause, reason },
    }
}

/// Why nobody can verify the token, by what its issuer answers. `None` where somebody can, or the issuer is silent.
pub(super) async fn unverifiable(token: &Decoded, http: &IssuerClient) -> Option<String> {
    let (algorithm, kid) = asked(token).ok()?;
    match keys(token, http).await {
        Ok(keys) => match check(token, algorithm, kid, &keys) {
            SignatureCheck::Wrong { reason, .. } => Some(reason),
            SignatureCheck::Verified { .. }
            | SignatureCheck::Issuer { .. }
            | SignatureCheck::Unknown { .. } => None,
        },
        Err(NoKeys::Unasked(reason) | NoKeys::Answered(_, reason)) => Some(reason),
        Err(NoKeys::Silent(_)) => None,
    }
}

/// Why there are no keys.
enum NoKeys {
    /// The issuer does not answer.
    Silent(String),
    /// It cannot be asked, for what the token says of it.
    Unasked(String),
    /// It answers something else, and breaks a clause if that is sure.
    Answered(Option<&'static str>, String),
}

impl From<&str> for NoKeys {
    fn from(reason: &str) -> Self {
        Self::Unasked(reason.to_owned())
    }
}

impl From<String> for NoKeys {
    fn from(reason: String) -> Self {
        Self::Answered(None, reason)
    }
}

/// Algorithm and key, where the header names ones that can be verified at all.
fn asked(token: &Decoded) -> Result<(Algorithm, &str), SignatureCheck> {
    // Whoever understands none of its extensions has to refuse it (RFC 7515 section 4.1.11); one of them changes what is signed.
    if token.header("crit").is_some() {
        return Err(SignatureCheck::unknown(
            "its header has `crit`, and none of its extensions is known here",
        ));
    }
    let name = token.header("alg").and_then(Value::as_str);
    let algorithm = name.and_then(|name| name.parse::<Algorithm>().ok());
    let shared = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    let Some(algorithm) = algorithm.filter(|algorithm| !shared.contains(algorithm)) else {
        return Err(SignatureCheck::unknown(
            "its algorithm is none that is verified here with a public key",
        ));
    };
    let kid = token.header("kid").and_then(Value::as_str);
    match kid.filter(|kid| !kid.is_empty()) {
        Some(kid) => Ok((algorithm, kid)),
        None => Err(SignatureCheck::unknown("it does not name its key")),
    }
}

async fn keys(token: &Decoded, http: &IssuerClient) -> Result<Vec<Value>, NoKeys> {
    let issuer = token.text("iss").ok_or("it does not name its issuer")?;
    let url = Url::parse(issuer)
        .ok()
        .filter(|url| url.scheme() == "https" && url.has_host())
        .ok_or("its issuer is no https URL, and keys come over https alone")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("there is a user name in the URL of its issuer".into());
    }
    let below = issuer.trim_end_matches('/');
    let mut place = format!("{below}/.well-known/openid-configuration");
    let mut answer = fetch(http, &place).await?;
    // The other place that the profile knows for issuers with a path (4.2.1).
    if answer.0 == 404
        && let path = url.path().trim_end_matches('/')
        && !path.is_empty()
    {
        let origin = url.origin().ascii_serialization();
        let second = format!("{origin}/.well-known/openid-configuration{path}");
        let found = fetch(http, &second).await?;
        if found.0 == 200 {
            (place, answer) = (second, found);
        }
    }
    let metadata: Metadata = document(&place, answer, "metadata")?;
    if metadata.issuer != issuer {
        let named = cut(&metadata.issuer);
        let reason = match by_slash(&metadata.issuer, issuer) {
            true => format!(
                "the metadata at {place} are those of `{named}`, and the token is of `{issuer}`: {BY_SLASH} (ISS-META-02)"
            ),
            false => format!(
                "the metadata at {place} are those of `{named}`, and the token is of `{issuer}`; the two have to agree character by character (ISS-META-02)"
            ),
        };
        return Err(NoKeys::Answered(Some("ISS-META-02"), reason));
    }
    if !names_keys(&metadata.jwks_uri) {
        let reason = format!(
            "the metadata at {place} do not name a key set on https, or name it with a user and a password (ISS-META-04)"
        );
        return Err(NoKeys::Answered(Some("ISS-META-04"), reason));
    }
    let answer = fetch(http, &metadata.jwks_uri).await?;
    let set: KeySet = document(&metadata.jwks_uri, answer, "a key set")?;
    match set.keys.len() {
        0..=MOST_KEYS => Ok(set.keys),
        many => Err(format!("the issuer's key set has {many} keys").into()),
    }
}

/// Whether keys are fetched from `url`, which an issuer names: over https, and without a user and a password, which would be
/// sent along.
pub(crate) fn names_keys(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
    })
}

/// What is said where two identifiers of an issuer differ by nothing else.
pub(super) const BY_SLASH: &str = "the two differ by the slash at the end alone, and issuers are compared character by character, so that they are two issuers";

/// Whether two identifiers of issuers differ, and by slashes at their ends alone.
pub(super) fn by_slash(one: &str, other: &str) -> bool {
    one != other && one.trim_end_matches('/') == other.trim_end_matches('/')
}

async fn fetch(http: &IssuerClient, url: &str) -> Result<(u16, Vec<u8>), NoKeys> {
    let answer = http.get(url).await;
    answer
        .map(|answer| (answer.status, answer.body))
        .map_err(|reason| NoKeys::Silent(format!("{}: {reason}", cut(url))))
}

fn document<T: for<'de> Deserialize<'de>>(
    url: &str,
    (status, body): (u16, Vec<u8>),
    what: &str,
) -> Result<T, String> {
    let shown = cut(url);
    if status != 200 {
        return Err(format!("{shown} answered {status}"));
    }
    serde_json::from_slice(&body).map_err(|_| format!("{shown} did not answer with {what} in JSON"))
}

fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Verifies with the one key of that name (profile 4.2): no other is tried.
fn check(token: &Decoded, algorithm: Algorithm, kid: &str, keys: &[Value]) -> SignatureCheck {
    let mut named = keys.iter().filter(|key| key["kid"].as_str() == Some(kid));
    let Some(key) = named.next() else {
        let names: Vec<_> = keys
            .iter()
            .filter_map(|key| key["kid"].as_str())
            .take(10)
            .map(cut)
            .collect();
        return SignatureCheck::Wrong {
            clause: "JWT-4.2-05",
            reason: format!(
                "the issuer publishes no key `{kid}`{}",
                match names.as_slice() {
                    [] => String::new(),
                    names => format!("; its keys are {}", names.join(", ")),
                }
            ),
        };
    };
    let Ok(key) = serde_json::from_value::<Jwk>(key.clone()) else {
        return SignatureCheck::unknown(format!(
            "the issuer's key `{kid}` is of a kind that is not known here"
        ));
    };
    let usage = key.common.public_key_use.as_ref();
    let operations = key.common.key_operations.as_ref();
    if usage.is_some_and(|usage| *usage != PublicKeyUse::Signature)
        || operations.is_some_and(|all| !all.contains(&KeyOperations::Verify))
    {
        return SignatureCheck::unknown(format!("the issuer's key `{kid}` is not for signatures"));
    }
    if let Some(declared) = key.common.key_algorithm
        && declared != KeyAlgorithm::UNKNOWN_ALGORITHM
        && declared.to_string() != format!("{algorithm:?}")
    {
        return SignatureCheck::Wrong {
            clause: "JWT-4.2-01",
            reason: format!(
                "the issuer's key `{kid}` is for {declared}, and the token says {algorithm:?}"
            ),
        };
    }
    let verified = DecodingKey::from_jwk(&key).and_then(|key| {
        jsonwebtoken::crypto::verify(
            token.signature.expose_secret(),
            token.message.expose_secret().as_bytes(),
            &key,
            algorithm,
        )
    });
    match verified {
        Ok(true) => SignatureCheck::Verified { kid: kid.into() },
        Ok(false) => SignatureCheck::Wrong {
            clause: "JWT-4.2-01",
            reason: format!("the signature is not that of the issuer's key `{kid}`"),
        },
        Err(_) => SignatureCheck::Wrong {
            clause: "JWT-4.2-01",
            reason: format!(
                "the signature cannot be one of the issuer's key `{kid}` with {algorithm:?}"
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;
    use crate::token::judge::decode;

    #[test]
    fn keys_are_fetched_over_https_and_as_nobody() {
        assert!(names_keys("https://iam.example.org/jwk"));
        for url in [
            "",
            "/jwk",
            "http://iam.example.org/jwk",
            "https://me@iam.example.org/jwk",
            "https://:secret@iam.example.org/jwk",
            "https://me:secret@iam.example.org/jwk",
        ] {
            assert!(!names_keys(url), "{url}");
        }
    }

    #[test]
    fn a_key_verifies_what_it_is_for() {
        let key = rcgen::KeyPair::generate().unwrap();
        let point = key.public_key_raw();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": part(&point[1..33]), "y": part(&point[33..])});
        let signed = |header: Value| {
            let message = format!("{}.{}", part(header.to_string().as_bytes()), part(b"{}"));
            let pem = key.serialize_pem();
            let private = jsonwebtoken::EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
            let signature =
                jsonwebtoken::crypto::sign(message.as_bytes(), &private, Algorithm::ES256);
            let text = format!("{message}.{}", signature.unwrap());
            decode(&SecretString::from(text)).unwrap()
        };
        let token = signed(json!({"alg": "ES256", "kid": "k"}));
        for (member, value, verified) in [
            ("x", Value::Null, true),
            ("use", json!("sig"), true),
            ("use", json!("enc"), false),
            ("key_ops", json!(["verify"]), true),
            ("key_ops", json!(["sign", "verify"]), true),
            ("key_ops", json!(["encrypt"]), false),
            ("key_ops", json!([]), false),
            ("key_ops", json!(["anything"]), false),
        ] {
            let mut jwk = jwk.clone();
            if !value.is_null() {
                jwk[member] = value.clone();
            }
            let proof = check(&token, Algorithm::ES256, "k", &[jwk]);
            let right = matches!(proof, SignatureCheck::Verified { .. });
            assert_eq!(right, verified, "{member} {value}: {proof:?}");
            if !verified {
                assert!(matches!(proof, SignatureCheck::Unknown { .. }), "{proof:?}");
            }
        }
        for critical in [
            json!({"b64": false, "crit": ["b64"]}),
            json!({"crit": ["exp"]}),
        ] {
            let mut header = json!({"alg": "ES256", "kid": "k"});
            for (name, value) in critical.as_object().unwrap() {
                header[name] = value.clone();
            }
            let proof = asked(&signed(header)).unwrap_err();
            assert!(
                matches!(&proof, SignatureCheck::Unknown { reason } if reason.contains("`crit`")),
                "{proof:?}"
            );
        }
    }
}
