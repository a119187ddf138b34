//! Issuers whose key set is wrong.

use axum::http::{HeaderValue, header};
use serde_json::{Value, json};

use super::super::issuer::{Answer, Occasion, Place};
use super::super::jwt::{Algorithm, encode_token};
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-keys-off-curve",
        about: "One of the published keys is no point of its curve.",
        clauses: &["ISS-JWKS-01"],
        cases: &["issuer.keys.set"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| keys.push(point());
        }),
    },
    Fault {
        name: "issuer-keys-padded",
        about: "The RSA key is published in base64 with padding.",
        clauses: &["ISS-JWKS-01"],
        cases: &["issuer.keys.set"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                if let Some(n) = rsa(keys).and_then(|key| key.get_mut("n")) {
                    let padded = n.as_str().map(|n| format!("{n}=="));
                    *n = json!(padded);
                }
            };
        }),
    },
    Fault {
        name: "issuer-keys-untyped",
        about: "One of the published keys has no kty.",
        clauses: &["ISS-JWKS-01"],
        cases: &["issuer.keys.set"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                keys.push(json!({"kid": "spare", "use": "sig", "alg": "RS256"}));
            };
        }),
    },
    Fault {
        name: "issuer-keys-nameless",
        about: "The RSA key has no kid.",
        clauses: &["ISS-JWKS-02"],
        cases: &["issuer.keys.ids"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                if let Some(Value::Object(key)) = rsa(keys) {
                    key.remove("kid");
                }
            };
        }),
    },
    Fault {
        name: "issuer-keys-of-one-name",
        about: "Both keys have the same kid.",
        clauses: &["ISS-JWKS-07"],
        cases: &["issuer.keys.ids"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                let name = keys.first().map(|key| key["kid"].clone());
                if let (Some(name), Some(key)) = (name, rsa(keys)) {
                    key["kid"] = name;
                }
            };
        }),
    },
    Fault {
        name: "issuer-keys-twice",
        about: "Two published keys of one type have the same kid.",
        clauses: &["ISS-JWKS-07"],
        cases: &["issuer.keys.ids"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                keys.extend(keys.first().cloned());
            };
        }),
    },
    Fault {
        name: "issuer-keys-private",
        about: "The EC key is published with its private part.",
        clauses: &["ISS-JWKS-03"],
        cases: &["issuer.keys.public"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                // Not the real one: to imitate the fault no secret need be given away.
                if let Some(key) = keys.first_mut() {
                    key["d"] = key["x"].clone();
                }
            };
        }),
    },
    Fault {
        name: "issuer-keys-primes",
        about: "The RSA key is published with its primes.",
        clauses: &["ISS-JWKS-03"],
        cases: &["issuer.keys.public"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                if let Some(key) = rsa(keys) {
                    for prime in ["p", "q"] {
                        key[prime] = key["n"].clone();
                    }
                }
            };
        }),
    },
    Fault {
        name: "issuer-keys-symmetric",
        about: "A symmetric key is published beside the others.",
        clauses: &["ISS-JWKS-03"],
        cases: &["issuer.keys.public"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                keys.push(json!({
                    "kty": "oct", "kid": "shared", "use": "sig", "alg": "HS256",
                    "k": "bm90IGEgc2VjcmV0LCBidXQgaXQgbG9va3MgbGlrZSBvbmU",
                }));
            };
        }),
    },
    Fault {
        name: "issuer-keys-short",
        about: "One of the published keys is for RSA with 1024 bits.",
        clauses: &["ISS-JWKS-04"],
        cases: &["issuer.keys.strong"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                // Odd, and its highest bit is set.
                let n = format!("{}8", "z".repeat(170));
                keys.push(json!({
                    "kty": "RSA", "kid": "old", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB",
                }));
            };
        }),
    },
    Fault {
        name: "issuer-keys-exponent",
        about: "The public exponent of the RSA key is 1.",
        clauses: &["ISS-JWKS-04"],
        cases: &["issuer.keys.strong"],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                if let Some(key) = rsa(keys) {
                    key["e"] = json!("AQ");
                }
            };
        }),
    },
    Fault {
        name: "issuer-keys-unusual",
        about: "The only key is for RS512.",
        clauses: &["ISS-JWKS-08", "ISS-TOK-01"],
        cases: &[
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
            "issuer.capability.set.foreign",
            "issuer.exchange.narrower",
            "issuer.keys.usual",
            "issuer.token.algorithm",
        ],
        apply: Apply::Issuer(|rules| {
            rules.published = |keys, _| {
                keys.retain(|key| key["kty"] == "RSA");
                if let Some(key) = rsa(keys) {
                    key["alg"] = json!("RS512");
                }
            };
            rules.sign = |mut header, claims, keys| {
                header.alg = Algorithm::Rs512;
                header.kid = Some(keys.rsa.id.clone());
                encode_token(&header, claims, &keys.rsa.key).ok()
            };
        }),
    },
    Fault {
        name: "issuer-keys-uncached",
        about: "Nobody may keep the keys.",
        clauses: &["ISS-JWKS-05"],
        cases: &["issuer.keys.caching"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| kept(answer, at, Some("no-store"));
        }),
    },
    Fault {
        name: "issuer-keys-for-a-minute",
        about: "The keys may be kept for a minute.",
        clauses: &["ISS-JWKS-05"],
        cases: &["issuer.keys.caching"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| kept(answer, at, Some("max-age=60"));
        }),
    },
    Fault {
        name: "issuer-keys-for-a-year",
        about: "The keys may be kept for a year.",
        clauses: &["ISS-JWKS-05"],
        cases: &["issuer.keys.caching"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| kept(answer, at, Some("max-age=31536000"));
        }),
    },
    Fault {
        name: "issuer-keys-for-how-long",
        about: "Nothing says how long the keys may be kept.",
        clauses: &["ISS-JWKS-05"],
        cases: &["issuer.keys.caching"],
        apply: Apply::Issuer(|rules| rules.finish = |answer, at| kept(answer, at, None)),
    },
];

fn kept(answer: &mut Answer, at: Occasion, caching: Option<&'static str>) {
    if at.place == Place::Keys {
        match caching {
            Some(caching) => answer.set(header::CACHE_CONTROL, HeaderValue::from_static(caching)),
            None => {
                answer.headers.remove(header::CACHE_CONTROL);
            }
        }
    }
}

fn rsa(keys: &mut [Value]) -> Option<&mut Value> {
    keys.iter_mut().find(|key| key["kty"] == "RSA")
}

/// Two coordinates of the right length that have nothing to do with each other.
fn point() -> Value {
    let coordinate = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    json!({
        "kty": "EC", "crv": "P-256", "kid": "spare", "use": "sig", "alg": "ES256",
        "x": coordinate, "y": coordinate,
    })
}
