//! Public keys as JSON.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Algorithm, encode, header};

/// A public key for ES256, or one for RSA, with what is said about its use (RFC 7517 section 4).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Jwk {
    pub(crate) parameters: KeyParameters,
    /// `alg`, the name of the algorithm for which it is meant.
    pub(crate) alg: Option<String>,
    /// `kid`, its name.
    pub(crate) key_id: Option<String>,
    /// `use`: `sig` where it is for signatures.
    pub(crate) public_key_use: Option<String>,
    /// `key_ops` and the members about certificates, as they stood.
    others: Map<String, Value>,
}

/// The members that make up the key itself, numbers as in JSON: big-endian, in base64url (RFC 7518 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyParameters {
    /// A point of the curve P-256 (section 6.2.1).
    P256 { x: String, y: String },
    /// Modulus and exponent (section 6.3.1).
    Rsa { n: String, e: String },
}

/// The members of every kind of key whose value is text (RFC 7517 section 4).
const TEXTS: [&str; 6] = ["use", "alg", "kid", "x5u", "x5t", "x5t#S256"];
/// Those whose value is an array of texts.
const ARRAYS: [&str; 2] = ["key_ops", "x5c"];

/// Whether the members that every kind of key may have are null or of the right type.
pub(super) fn common_members_fit(jwk: &Map<String, Value>) -> bool {
    let fits = |name: &str, is: fn(&Value) -> bool| match jwk.get(name) {
        None | Some(Value::Null) => true,
        Some(value) => is(value),
    };
    TEXTS.iter().all(|name| fits(name, Value::is_string))
        && ARRAYS.iter().all(|name| fits(name, header::texts))
}

impl Jwk {
    /// A key for signatures with that algorithm, named by its thumbprint.
    pub(crate) fn for_signatures(parameters: KeyParameters, algorithm: Algorithm) -> Self {
        Self {
            key_id: Some(parameters.thumbprint()),
            parameters,
            alg: Some(algorithm.name().to_owned()),
            public_key_use: Some("sig".to_owned()),
            others: Map::new(),
        }
    }

    /// Reads a key; `None` if it is of another type or curve, or a member is not of its type.
    ///
    /// Whether the numbers are base64url, and a key at all, is not looked at. Members that are null count as missing,
    /// and those that RFC 7517 and RFC 7518 do not define for a public key are dropped.
    pub(crate) fn from_json(jwk: &Value) -> Option<Self> {
        let jwk = jwk.as_object()?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
        let parameters = match jwk.get("kty")?.as_str()? {
            "EC" if jwk.get("crv")?.as_str()? == "P-256" => KeyParameters::P256 {
                x: text("x")?,
                y: text("y")?,
            },
            "RSA" => KeyParameters::Rsa {
                n: text("n")?,
                e: text("e")?,
            },
            _ => return None,
        };
        let other = |name: &&str| {
            let value = jwk.get(*name).filter(|value| !value.is_null());
            value.map(|value| ((*name).to_owned(), value.clone()))
        };
        let others = ["key_ops", "x5c", "x5t", "x5t#S256", "x5u"];
        common_members_fit(jwk).then(|| Self {
            parameters,
            alg: text("alg"),
            key_id: text("kid"),
            public_key_use: text("use"),
            others: others.iter().filter_map(other).collect(),
        })
    }

    /// The key in JSON.
    pub(crate) fn to_json(&self) -> Value {
        let mut members = self.others.clone();
        let said = [
            ("alg", &self.alg),
            ("kid", &self.key_id),
            ("use", &self.public_key_use),
        ];
        for (name, value) in said {
            if let Some(value) = value {
                members.insert(name.to_owned(), value.clone().into());
            }
        }
        for (name, value) in self.parameters.members() {
            members.insert(name.to_owned(), value.into());
        }
        Value::Object(members)
    }
}

impl KeyParameters {
    /// The required members of a public key of its type, in lexicographic order.
    fn members(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::P256 { x, y } => vec![("crv", "P-256"), ("kty", "EC"), ("x", x), ("y", y)],
            Self::Rsa { n, e } => vec![("e", e), ("kty", "RSA"), ("n", n)],
        }
    }

    /// The thumbprint with SHA-256, in base64url (RFC 7638 section 3).
    pub(crate) fn thumbprint(&self) -> String {
        // Written out rather than serialised: the digest depends on the order, and on there being no spaces.
        let members = self.members().into_iter();
        let members = members.map(|(name, value)| format!("\"{name}\":{}", Value::from(value)));
        let json = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        encode(Sha256::digest(json))
    }
}
