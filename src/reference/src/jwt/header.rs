//! The JOSE header.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::Algorithm;
use super::jwk;

/// The members of a JOSE header that the issuer looks at (RFC 7515 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// `typ`, the type of the token.
    pub(crate) typ: Option<String>,
    /// `alg`, the algorithm of the signature.
    pub(crate) alg: Algorithm,
    /// `kid`, the name of the key.
    pub(crate) kid: Option<String>,
}

/// What kind of value a member has to have, unless it is null.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Texts,
    Key,
}

/// The members whose meaning is registered (RFC 7515 section 4.1, RFC 7516 section 4.1, RFC 8555 section 6).
const REGISTERED: [(&str, Kind); 15] = [
    ("alg", Kind::Text),
    ("crit", Kind::Texts),
    ("cty", Kind::Text),
    ("enc", Kind::Text),
    ("jku", Kind::Text),
    ("jwk", Kind::Key),
    ("kid", Kind::Text),
    ("nonce", Kind::Text),
    ("typ", Kind::Text),
    ("url", Kind::Text),
    ("x5c", Kind::Texts),
    ("x5t", Kind::Text),
    ("x5t#S256", Kind::Text),
    ("x5u", Kind::Text),
    ("zip", Kind::Text),
];

impl Header {
    /// The header of an ordinary JWT that names no key.
    pub(crate) fn new(alg: Algorithm) -> Self {
        Self {
            typ: Some("JWT".to_owned()),
            alg,
            kid: None,
        }
    }

    /// Reads a header. It is `None` if
    ///
    /// * it is no JSON object,
    /// * a registered member is there twice (RFC 7515 section 4; of others the last counts) or of the wrong kind,
    /// * `alg` is missing or not the name of an [`Algorithm`].
    ///
    /// Critical extensions (RFC 7515 section 4.1.11) are not looked at: clients and tokens of the issuer have none,
    /// and a token for the storage element is read by [`token`](crate::token) instead, which refuses them.
    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        let Members(members) = serde_json::from_slice(json).ok()?;
        let fits = |(name, kind): &(&str, Kind)| match members.get(*name) {
            None | Some(Value::Null) => true,
            Some(value) => kind.fits(value),
        };
        if !REGISTERED.iter().all(fits) {
            return None;
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        Some(Self {
            typ: text("typ").map(str::to_owned),
            alg: text("alg").and_then(Algorithm::from_name)?,
            kid: text("kid").map(str::to_owned),
        })
    }

    /// The header in JSON, with the members that it has.
    pub(super) fn to_json(&self) -> String {
        let members = [
            ("typ", self.typ.as_deref()),
            ("alg", Some(self.alg.name())),
            ("kid", self.kid.as_deref()),
        ];
        let members = members.iter().filter_map(|(name, value)| {
            let value = Value::from((*value)?);
            Some(format!("\"{name}\":{value}"))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Texts => texts(value),
            Self::Key => value.as_object().is_some_and(jwk::common_members_fit),
        }
    }
}

/// Whether it is an array of strings.
pub(super) fn texts(value: &Value) -> bool {
    let array = value.as_array();
    array.is_some_and(|values| values.iter().all(Value::is_string))
}

/// An object in which no registered member is repeated.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JOSE header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    let registered = REGISTERED.iter().any(|(known, _)| *known == name);
                    if registered && members.contains_key(&name) {
                        return Err(A::Error::custom("a member is repeated"));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
