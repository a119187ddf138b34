//! Headers and signatures of tokens.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use super::super::jwt::{self, Algorithm, KeyParameters, VerificationKey};
use super::super::keys::Key;
use super::super::token::{
    Jws, NO_HEADER, NO_JWS, NO_PAYLOAD, member_fits, parts, signed, verified,
};
use super::authentication::{altered, error_for, in_header, named, object, text};
use super::{Apply, Fault};
use touchstone_model::ANY_AUDIENCE;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "signature-ignored",
        about: "Signatures are not checked.",
        clauses: &["JWT-4.2-01", "JWT-4.2-07", "JWT-4.2-10", "JWT-4.2-12"],
        cases: &[
            "authentication.signature.flipped",
            "authentication.signature.random.write",
            "authentication.signature.rogue",
            "authentication.signature.altered-scope",
            "authentication.signature.altered-expiry",
            "authentication.header.jwk",
            "authentication.header.remote-key",
            "authentication.es256.zero",
            "authentication.es256.order",
            "authentication.es256.der",
            "authentication.algorithm.mismatch",
            "authentication.malformed.padding",
            "tape.token.signature",
            "tpc.pull.forged",
            "tpc.push.forged",
        ],
        apply: Apply::Element(|rules| rules.token.signed = |_, _| true),
    },
    Fault {
        name: "signature-ignored-on-read",
        about: "Signatures do not matter to requests that change nothing.",
        clauses: &["JWT-4.2-01", "JWT-4.2-07", "JWT-4.2-10", "JWT-4.2-12"],
        cases: &[
            "authentication.signature.flipped",
            "authentication.signature.rogue",
            "authentication.signature.altered-expiry",
            "authentication.header.jwk",
            "authentication.header.remote-key",
            "authentication.es256.zero",
            "authentication.es256.order",
            "authentication.es256.der",
            "authentication.algorithm.mismatch",
            "authentication.malformed.padding",
            "tape.token.signature",
        ],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| !jws.method.writes() || signed(jws, key)
        }),
    },
    Fault {
        name: "signature-ignored-on-write",
        about: "Signatures do not matter to requests that change something.",
        clauses: &["JWT-4.2-01"],
        cases: &[
            "authentication.signature.random.write",
            "authentication.signature.altered-scope",
            "tpc.pull.forged",
            "tpc.push.forged",
        ],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| jws.method.writes() || signed(jws, key)
        }),
    },
    Fault {
        name: "signature-length-only",
        about: "A signature is right if it is as long as it should be.",
        clauses: &["JWT-4.2-01", "JWT-4.2-07", "JWT-4.2-12"],
        cases: &[
            "authentication.signature.flipped",
            "authentication.signature.random.write",
            "authentication.signature.rogue",
            "authentication.signature.altered-scope",
            "authentication.signature.altered-expiry",
            "authentication.header.jwk",
            "authentication.header.remote-key",
            "authentication.es256.zero",
            "authentication.es256.order",
            "authentication.algorithm.mismatch",
            "tape.token.signature",
            "tpc.pull.forged",
            "tpc.push.forged",
        ],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| raw(jws).len() == 64 || signed(jws, key)
        }),
    },
    Fault {
        name: "signature-remembered",
        about: "A signature that was right once is right for whatever stands before it.",
        clauses: &["JWT-4.2-01"],
        cases: &["authentication.signature.altered-scope"],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| known_or(jws, signed(jws, key))
        }),
    },
    Fault {
        name: "none-accepted",
        about: "An unsecured token is accepted.",
        clauses: &["JWT-4.2-02"],
        cases: &["authentication.none.empty", "tape.token.unsigned"],
        apply: Apply::Element(|rules| {
            rules.token.member =
                |name, jws| (name == "alg" && jws.algorithm() == "none") || member_fits(name, jws);
            rules.token.signed = |jws, key| {
                (jws.algorithm() == "none" && jws.signature.is_empty()) || signed(jws, key)
            };
        }),
    },
    Fault {
        name: "none-in-capitals-accepted",
        about: "An unsecured token is refused only where none is in small letters.",
        clauses: &["JWT-4.2-02"],
        cases: &["authentication.none.capitals"],
        apply: Apply::Element(|rules| {
            rules.token.member =
                |name, jws| (name == "alg" && unsecured(jws)) || member_fits(name, jws);
            rules.token.signed =
                |jws, key| (unsecured(jws) && jws.algorithm() != "none") || signed(jws, key);
        }),
    },
    Fault {
        name: "two-parts-accepted",
        about: "A token without a third part is an unsecured one.",
        clauses: &["JWT-4.2-02"],
        cases: &["authentication.none.two-parts"],
        apply: Apply::Element(|rules| {
            rules.token.member =
                |name, jws| (name == "alg" && jws.algorithm() == "none") || member_fits(name, jws);
            rules.token.parts = |token| {
                parts(token).or_else(|| {
                    token
                        .split_once('.')
                        .filter(|(_, payload)| !payload.contains('.'))
                        .map(|(header, payload)| [header, payload, "-"])
                })
            };
            rules.token.signed = |jws, key| jws.signature == "-" || signed(jws, key);
        }),
    },
    Fault {
        name: "hmac-with-pem",
        about: "The public key in PEM counts as shared secret.",
        clauses: &["JWT-4.2-03"],
        cases: &["authentication.hmac.pem", "tape.token.hmac"],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| {
                (name == "alg" && jws.algorithm().starts_with("HS")) || member_fits(name, jws)
            };
            rules.token.signed =
                |jws, key| (jws.algorithm() == "HS256" && hmac(jws, &pem(key))) || signed(jws, key);
        }),
    },
    Fault {
        name: "hmac-with-jwk",
        about: "The public key as JWK counts as shared secret.",
        clauses: &["JWT-4.2-03"],
        cases: &["authentication.hmac.jwk"],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| {
                (name == "alg" && jws.algorithm().starts_with("HS")) || member_fits(name, jws)
            };
            rules.token.signed =
                |jws, key| (jws.algorithm() == "HS256" && hmac(jws, &jwk(key))) || signed(jws, key);
        }),
    },
    Fault {
        name: "key-id-absent-accepted",
        about: "A token that names no key is tried with all.",
        clauses: &["JWT-4.2-04"],
        cases: &["authentication.key-id.absent"],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| {
                (name == "kid" && !jws.header.contains_key("kid")) || member_fits(name, jws)
            };
            rules.token.keys = |jws, keys| match named(jws, keys) {
                found if found.is_empty() && !jws.header.contains_key("kid") => {
                    keys.values().cloned().collect()
                }
                found => found,
            };
        }),
    },
    Fault {
        name: "key-id-unknown-accepted",
        about: "A token that names a key which is not there is tried with all.",
        clauses: &["JWT-4.2-05"],
        cases: &["authentication.key-id.unknown"],
        apply: Apply::Element(|rules| {
            rules.token.keys = |jws, keys| match named(jws, keys) {
                found if found.is_empty() && !jws.key_id().is_empty() => {
                    keys.values().cloned().collect()
                }
                found => found,
            }
        }),
    },
    Fault {
        name: "key-id-is-path",
        about: "The key id is the path of a file with the shared secret.",
        clauses: &["JWT-4.2-06"],
        cases: &["authentication.key-id.path"],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| name == "alg" || member_fits(name, jws);
            rules.token.keys = |jws, keys| match named(jws, keys) {
                found if found.is_empty() && jws.key_id().contains("dev/null") => {
                    keys.values().cloned().collect()
                }
                found => found,
            };
            rules.token.signed = |jws, key| {
                (jws.key_id().ends_with("/dev/null") && hmac(jws, &[])) || signed(jws, key)
            };
        }),
    },
    Fault {
        name: "header-key-honoured",
        about: "The key that a token brings along is the one that it is verified with.",
        clauses: &["JWT-4.2-07"],
        cases: &["authentication.header.jwk"],
        apply: Apply::Element(|rules| {
            rules.token.keys = |jws, keys| match in_header(jws) {
                found if found.is_empty() => named(jws, keys),
                found => found,
            }
        }),
    },
    Fault {
        name: "header-key-reference-honoured",
        about: "The key is fetched from where a token says, so that whoever made it is right.",
        clauses: &["JWT-4.2-07"],
        cases: &["authentication.header.remote-key"],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| {
                jws.header.contains_key("jku") || jws.header.contains_key("x5u") || signed(jws, key)
            }
        }),
    },
    Fault {
        name: "critical-ignored",
        about: "Critical extensions are passed over.",
        clauses: &["JWT-4.2-11"],
        cases: &["authentication.header.critical"],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| {
                (name == "crit"
                    && jws
                        .header
                        .get(name)
                        .is_some_and(|crit| crit.as_array().is_some_and(|crit| !crit.is_empty())))
                    || member_fits(name, jws)
            }
        }),
    },
    Fault {
        name: "type-required",
        about: "A token has to say that it is a JWT.",
        clauses: &["JWT-4.2-23"],
        cases: &["authentication.header.type"],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| {
                (name != "typ" || jws.header.contains_key("typ")) && member_fits(name, jws)
            }
        }),
    },
    Fault {
        name: "type-jwt-only",
        about: "A token that says that it is an access token is none.",
        clauses: &["JWT-4.2-25"],
        cases: &["authentication.header.type"],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| {
                (name != "typ"
                    || jws
                        .header
                        .get("typ")
                        .and_then(Value::as_str)
                        .is_none_or(|typ| !typ.contains('+')))
                    && member_fits(name, jws)
            }
        }),
    },
    Fault {
        name: "type-ignored",
        about: "The type of a token is not looked at.",
        clauses: &["JWT-4.2-24"],
        cases: &["authentication.header.type.other"],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| name == "typ" || member_fits(name, jws)
        }),
    },
    Fault {
        name: "zero-signature-accepted",
        about: "A signature of zeros fits everything.",
        clauses: &["JWT-4.2-12"],
        cases: &["authentication.es256.zero"],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| {
                (raw(jws).len() == 64 && raw(jws).iter().all(|byte| *byte == 0)) || signed(jws, key)
            }
        }),
    },
    Fault {
        name: "order-signature-accepted",
        about: "The numbers of a signature are not compared with the order of the curve.",
        clauses: &["JWT-4.2-12"],
        cases: &["authentication.es256.order"],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| {
                (raw(jws).starts_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff])
                    && raw(jws).len() == 64)
                    || signed(jws, key)
            }
        }),
    },
    Fault {
        name: "der-signature-accepted",
        about: "A signature may be in DER.",
        clauses: &["JWT-4.2-12"],
        cases: &["authentication.es256.der"],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| {
                (key.algorithm == Algorithm::Es256
                    && from_der(&raw(jws)).is_some_and(|signature| verified(jws, &signature, key)))
                    || signed(jws, key)
            }
        }),
    },
    Fault {
        name: "rs256-refused",
        about: "RS256 is not known.",
        clauses: &["JWT-4.2-13", "JWT-4.2-16"],
        cases: &[
            "authentication.algorithm.rs256",
            "authentication.algorithm.both",
        ],
        apply: Apply::Element(|rules| {
            rules.token.member =
                |name, jws| (name != "alg" || jws.algorithm() != "RS256") && member_fits(name, jws)
        }),
    },
    Fault {
        name: "es256-refused",
        about: "ES256 is known only where a token names its client.",
        clauses: &["JWT-4.2-14", "JWT-4.2-16"],
        cases: &[
            "authentication.algorithm.es256",
            "authentication.algorithm.both",
            "authentication.lifetime.long",
            "form.far-times",
        ],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| {
                (name != "alg"
                    || jws.algorithm() != "ES256"
                    || jws.claims.contains_key("client_id")
                    || !plain(jws))
                    && member_fits(name, jws)
            }
        }),
    },
    Fault {
        name: "header-algorithm-ignored",
        about: "The algorithm in the header is not looked at.",
        clauses: &["JWT-4.2-01", "JWT-4.2-15"],
        cases: &["authentication.algorithm.mismatch"],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| verified(jws, jws.signature, key) || signed(jws, key)
        }),
    },
    Fault {
        name: "malformed-is-error",
        about: "What is no token is answered with 500.",
        clauses: &["JWT-4.2-02", "JWT-4.2-10"],
        cases: &[
            "authentication.none.two-parts",
            "authentication.malformed.words",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, outcome| error_for(outcome, &[NO_JWS])
        }),
    },
    Fault {
        name: "no-json-is-error",
        about: "A token that is no JSON is answered with 500.",
        clauses: &["JWT-4.2-10"],
        cases: &[
            "authentication.malformed.words",
            "bearer.challenge.invalid-token",
            "bearer.malformed.no-error",
            "connection.garbage-token",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, outcome| error_for(outcome, &[NO_HEADER, NO_PAYLOAD])
        }),
    },
    Fault {
        name: "padding-accepted",
        about: "A signature may have padding.",
        clauses: &["JWT-4.2-10"],
        cases: &[
            "authentication.malformed.padding",
            "authentication.algorithm.mismatch",
        ],
        apply: Apply::Element(|rules| {
            rules.token.signed = |jws, key| {
                verified(jws, jws.signature.trim_end_matches('='), key) || signed(jws, key)
            }
        }),
    },
    Fault {
        name: "id-token-accepted",
        about: "The audience of an ID token is not looked at.",
        clauses: &["JWT-2.1.3-01"],
        cases: &["authentication.id-token.read"],
        apply: Apply::Element(|rules| {
            rules.token.object = |json| {
                Some(altered(
                    object(json)?,
                    |map| map.contains_key("at_hash"),
                    ("aud", json!(ANY_AUDIENCE)),
                ))
            }
        }),
    },
    Fault {
        name: "repeated-first-wins",
        about: "Of a claim that is there twice the first counts.",
        clauses: &["JWT-4.2-22"],
        cases: &["authentication.repeated.audience"],
        apply: Apply::Element(|rules| {
            rules.token.object = |json| {
                serde_json::from_slice::<FirstWins>(json)
                    .ok()
                    .map(|first| first.0)
            }
        }),
    },
];

/// Whether it reads everything and does nothing else, so that it is not the runner's own.
fn plain(jws: &Jws) -> bool {
    text(jws, "scope") == "storage.read:/"
}

/// Whether the signature is right, or was so before something else.
fn known_or(jws: &Jws, right: bool) -> bool {
    static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if right {
        known.insert(jws.signature.to_owned());
    }
    right || known.contains(jws.signature)
}

fn unsecured(jws: &Jws) -> bool {
    jws.algorithm().eq_ignore_ascii_case("none")
}

/// The signature's bytes; none if it is not base64url.
pub(super) fn raw(jws: &Jws) -> Vec<u8> {
    jwt::decode(jws.signature).unwrap_or_default()
}

/// Whether the signature is an HMAC with that secret.
pub(super) fn hmac(jws: &Jws, secret: &(impl AsRef<[u8]> + ?Sized)) -> bool {
    let algorithm = match jws.algorithm() {
        "HS384" => Algorithm::Hs384,
        "HS512" => Algorithm::Hs512,
        _ => Algorithm::Hs256,
    };
    let key = VerificationKey::from_secret(secret.as_ref());
    key.verify(algorithm, jws.message, jws.signature)
}

/// An EC P-256 key as SubjectPublicKeyInfo (RFC 5480 section 2); empty for other keys.
fn der(key: &Key) -> Vec<u8> {
    const START: [u8; 27] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    let KeyParameters::P256 { x, y } = &key.jwk.parameters else {
        return Vec::new();
    };
    let number = |text: &str| jwt::decode(text).unwrap_or_default();
    [START.to_vec(), number(x), number(y)].concat()
}

/// The same in PEM (RFC 7468 section 13), with a final line end.
fn pem(key: &Key) -> String {
    let text = BASE64_STANDARD.encode(der(key));
    let (first, second) = text.split_at_checked(64).unwrap_or((&text, ""));
    format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
}

/// The same as JWK, without the members that say what it is for.
pub(super) fn jwk(key: &Key) -> String {
    let mut jwk = key.jwk.clone();
    jwk.key_id = None;
    jwk.public_key_use = None;
    jwk.to_json().to_string()
}

/// A signature in DER (RFC 3279 section 2.2.3) as two numbers of 32 bytes, in base64url.
fn from_der(der: &[u8]) -> Option<String> {
    let [0x30, _, rest @ ..] = der else {
        return None;
    };
    let (r, rest) = integer(rest)?;
    let (s, _) = integer(rest)?;
    Some(jwt::encode([r, s].concat()))
}

/// The first INTEGER, in 32 bytes, and what comes after it.
fn integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [2, length, rest @ ..] = der else {
        return None;
    };
    let (digits, rest) = rest.split_at_checked(usize::from(*length))?;
    let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
    let mut number = [0; 32];
    let start = number.len().checked_sub(digits.len())?;
    number[start..].copy_from_slice(digits);
    Some((number, rest))
}

/// An object of which each member is the first of its name.
pub(super) struct FirstWins(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for FirstWins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = FirstWins;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<FirstWins, A::Error> {
                let mut first = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    first.entry(name).or_insert(value);
                }
                Ok(FirstWins(first))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
