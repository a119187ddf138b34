//! Which tokens count at all.

use std::collections::HashMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::answers::{Outcome, Refusal};
use super::super::keys::{Key, public_key};
use super::super::scope::{Action, Scope, claimed};
use super::super::token::{BOUND, Bearer, Jws, claim_fits};
use super::{Apply, Fault};
use touchstone_model::{ANY_AUDIENCE, Method};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "expired-accepted",
        about: "The end of a token is not looked at.",
        clauses: &["JWT-2.1.1-01"],
        cases: &[
            "authentication.expired.read",
            "authentication.expired.write",
            "bearer.challenge.expired",
            "bearer.echo",
            "tape.token.expired",
            "macaroon.issue.expired-token",
            "tpc.pull.expired",
            "tpc.push.expired",
        ],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "exp" && jws.claims.get("exp").is_some_and(Value::is_number))
                    || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "expired-accepted-on-get",
        about: "The end of a token does not matter to a GET.",
        clauses: &["JWT-2.1.1-01", "JWT-2.1.1-02", "JWT-2.1.1-03"],
        cases: &[
            "authentication.expired.read",
            "authentication.expiry.absent.read",
            "authentication.expiry.text",
            "bearer.challenge.expired",
            "bearer.echo",
        ],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "exp" && jws.method == Method::Get) || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "expired-accepted-on-put",
        about: "The end of a token does not matter to an upload.",
        clauses: &["JWT-2.1.1-01", "JWT-2.1.1-02"],
        cases: &[
            "authentication.expired.write",
            "authentication.expiry.absent.write",
        ],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "exp" && jws.method == Method::Put) || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "expired-for-ten-minutes-accepted",
        about: "A token is taken for ten minutes after its end.",
        clauses: &["JWT-2.1.1-01", "JWT-2.1.1-07"],
        cases: &[
            "authentication.expired.read",
            "authentication.expired.write",
            "tpc.pull.expired",
            "tpc.push.expired",
        ],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "exp" && later(jws, "exp", now - 600.0)) || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "expiry-absent-accepted",
        about: "A token that does not say when it ends never does.",
        clauses: &["JWT-2.1.1-02"],
        cases: &[
            "authentication.expiry.absent.read",
            "authentication.expiry.absent.write",
        ],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "exp" && !jws.claims.contains_key("exp")) || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "expiry-text-accepted",
        about: "An end that is a text is not compared.",
        clauses: &["JWT-2.1.1-03"],
        cases: &["authentication.expiry.text"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "exp" && jws.claims.get("exp").is_some_and(Value::is_string))
                    || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "expired-is-error",
        about: "A token that has expired is answered with 500.",
        clauses: &[
            "JWT-2.1.1-01",
            "JWT-2.1.1-02",
            "JWT-2.1.1-03",
            "JWT-2.1.1-07",
        ],
        cases: &[
            "authentication.expired.read",
            "authentication.expired.write",
            "authentication.expired.just-now",
            "authentication.expiry.absent.read",
            "authentication.expiry.absent.write",
            "authentication.expiry.text",
            "authentication.version.absent.expired",
            "bearer.challenge.expired",
            "bearer.echo",
            "tpc.pull.expired",
            "tpc.push.expired",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome =
                |_, outcome| error_for(outcome, &["it has expired, or does not say when"])
        }),
    },
    Fault {
        name: "long-lived-is-error",
        about: "A token that ends in more than six hours is answered with 500.",
        clauses: &["JWT-4.3.1-01"],
        cases: &["form.far-times", "authentication.lifetime.long"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "cnf" || !later(jws, "exp", now + 6.0 * 3600.0))
                    && claim_fits(name, jws, now)
            };
            rules.on_outcome = |_, outcome| error_for(outcome, &[BOUND]);
        }),
    },
    Fault {
        name: "not-before-ignored",
        about: "The start of a token is not looked at.",
        clauses: &["JWT-2.1.1-04"],
        cases: &[
            "authentication.not-before.future.read",
            "authentication.not-before.ten-minutes",
            "tape.token.not-yet-valid",
        ],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "nbf" && jws.claims.get("nbf").is_some_and(Value::is_number))
                    || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "not-before-required",
        about: "A token has to say when it starts.",
        clauses: &["JWT-2.1.1-05"],
        cases: &["authentication.not-before.absent"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "nbf" || jws.claims.contains_key("nbf")) && claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "not-before-without-skew",
        about: "Clocks have to agree to the second.",
        clauses: &["JWT-2.1.1-06"],
        cases: &["authentication.not-before.skew"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "nbf" || !later(jws, "nbf", now)) && claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "not-before-skew-too-large",
        about: "Clocks may differ by a quarter of an hour.",
        clauses: &["JWT-2.1.1-04"],
        cases: &["authentication.not-before.ten-minutes"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "nbf"
                    && !later(jws, "nbf", now + 900.0)
                    && jws.claims.get("nbf").is_some_and(Value::is_number))
                    || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "issued-at-absent-accepted",
        about: "A token need not say when it was issued.",
        clauses: &["JWT-2.1.1-08"],
        cases: &["authentication.issued-at.absent"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "iat" && !jws.claims.contains_key("iat")) || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "subject-absent-accepted",
        about: "A token need not have a subject.",
        clauses: &["JWT-2.1.1-09"],
        cases: &["authentication.subject.absent"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "sub" && !jws.claims.contains_key("sub")) || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "subject-short-only",
        about: "A subject has at most 64 characters.",
        clauses: &["JWT-2.1.1-26"],
        cases: &["authentication.subject.long"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "sub"
                    || jws
                        .claims
                        .get("sub")
                        .and_then(Value::as_str)
                        .is_none_or(|sub| sub.len() <= 64))
                    && claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "odd-subject-is-error",
        about: "A subject that cannot be stored is answered with 500.",
        clauses: &["JWT-2.1.1-09", "JWT-2.1.1-26"],
        cases: &["authentication.subject.absent"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, outcome| error_for(outcome, &["sub is missing or not fit"])
        }),
    },
    Fault {
        name: "token-id-absent-accepted",
        about: "A token need not have an id.",
        clauses: &["JWT-2.1.1-10"],
        cases: &["authentication.token-id.absent"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "jti" && !jws.claims.contains_key("jti")) || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "token-single-use",
        about: "A token for one directory reads once.",
        clauses: &["JWT-2.1.1-11"],
        cases: &[
            "path.escape.plus-itself",
            "authentication.reuse",
            "path.request.same",
            "bearer.oracle.get",
            "connection.stronger-token",
            "connection.refused-first",
            "connection.refused-body",
            "connection.shared-cache",
            "webdav.refused.put",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, verified| {
                let bearer = verified?;
                let known = memory.tokens.contains_key(&bearer.token_id);
                if known && parts.method == "GET" && narrow(&bearer) {
                    return Err(Refusal::InvalidToken("it was used before"));
                }
                memory
                    .tokens
                    .insert(bearer.token_id.clone(), bearer.clone());
                Ok(bearer)
            }
        }),
    },
    Fault {
        name: "issuer-ignored",
        about: "Any issuer will do if the key is right.",
        clauses: &["JWT-2.1.1-22"],
        cases: &[
            "authentication.issuer.foreign.read",
            "authentication.issuer.foreign.write",
            "tape.token.unknown-issuer",
        ],
        apply: Apply::Element(|rules| {
            rules.token.same_issuer = |trusted, iss| {
                iss.and_then(Value::as_str)
                    .is_some_and(|iss| iss == trusted || iss.contains("issuer.example"))
            }
        }),
    },
    Fault {
        name: "issuer-brings-own-key",
        about: "An issuer that is not trusted brings its key along in the header.",
        clauses: &["JWT-2.1.1-22"],
        cases: &["authentication.issuer.foreign.own-key"],
        apply: Apply::Element(|rules| {
            rules.token.same_issuer = |trusted, iss| {
                iss.and_then(Value::as_str)
                    .is_some_and(|iss| iss == trusted || iss.starts_with("https://issuer."))
            };
            rules.token.keys = |jws, keys| match text(jws, "iss").starts_with("https://issuer.") {
                true => in_header(jws),
                false => named(jws, keys),
            };
        }),
    },
    Fault {
        name: "issuer-prefix-match",
        about: "An issuer that starts like a trusted one is trusted.",
        clauses: &["JWT-2.1.1-23"],
        cases: &[
            "authentication.issuer.longer",
            "authentication.issuer.userinfo",
        ],
        apply: Apply::Element(|rules| {
            rules.token.same_issuer = |trusted, iss| {
                iss.and_then(Value::as_str)
                    .is_some_and(|iss| iss.starts_with(trusted))
            }
        }),
    },
    Fault {
        name: "issuer-userinfo-match",
        about: "What stands before an @ is taken for the host.",
        clauses: &["JWT-2.1.1-23"],
        cases: &["authentication.issuer.userinfo"],
        apply: Apply::Element(|rules| {
            rules.token.same_issuer = |trusted, iss| {
                iss.and_then(Value::as_str)
                    .is_some_and(|iss| iss.split('@').next() == Some(trusted))
            }
        }),
    },
    Fault {
        name: "issuer-slash-alike",
        about: "An issuer with a slash at its end is the one without.",
        clauses: &["JWT-2.1.1-24"],
        cases: &["authentication.issuer.slash"],
        apply: Apply::Element(|rules| {
            rules.token.same_issuer = |trusted, iss| {
                let bare = |issuer: &str| issuer.trim_end_matches('/').to_owned();
                iss.and_then(Value::as_str)
                    .is_some_and(|iss| bare(iss) == bare(trusted))
            }
        }),
    },
    Fault {
        name: "fractions-refused",
        about: "A time has to be a whole number of seconds.",
        clauses: &["JWT-2.1.1-33"],
        cases: &["form.fractions"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                jws.claims
                    .get(name)
                    .and_then(Value::as_f64)
                    .is_none_or(|time| time.fract() == 0.0)
                    && claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "far-end-is-error",
        about: "An end that no number of 64 bits holds is answered with 500.",
        clauses: &["RFC6750-18"],
        cases: &["form.far-times"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "cnf" || !later(jws, "exp", i64::MAX as f64)) && claim_fits(name, jws, now)
            };
            rules.on_outcome = |_, outcome| error_for(outcome, &[BOUND]);
        }),
    },
    Fault {
        name: "issuer-absent-accepted",
        about: "A token without an issuer is tried with every key.",
        clauses: &["JWT-2.1.1-30"],
        cases: &["authentication.issuer.absent"],
        apply: Apply::Element(|rules| {
            rules.token.same_issuer = |trusted, iss| iss.is_none_or(|iss| iss == trusted)
        }),
    },
    Fault {
        name: "strange-issuer-is-error",
        about: "A token of an issuer that is not trusted is answered with 500.",
        clauses: &[
            "JWT-2.1.1-22",
            "JWT-2.1.1-23",
            "JWT-2.1.1-24",
            "JWT-2.1.1-30",
            "JWT-4.2-08",
        ],
        cases: &[
            "authentication.issuer.foreign.read",
            "authentication.issuer.foreign.write",
            "authentication.issuer.foreign.own-key",
            "authentication.issuer.longer",
            "authentication.issuer.userinfo",
            "authentication.issuer.slash",
            "authentication.issuer.absent",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, outcome| error_for(outcome, &["its issuer is not trusted"])
        }),
    },
    Fault {
        name: "version-absent-accepted",
        about: "A token need not name the version of the profile.",
        clauses: &["JWT-2.1.1-27"],
        cases: &["authentication.version.absent"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "wlcg.ver" && !jws.claims.contains_key("wlcg.ver"))
                    || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "version-absent-audience-ignored",
        about: "Where no version of the profile is named, the audience is not looked at.",
        clauses: &["JWT-2.1.1-12", "JWT-2.1.1-13", "JWT-2.1.1-27"],
        cases: &[
            "authentication.version.absent",
            "authentication.version.absent.audience-foreign",
        ],
        apply: Apply::Element(|rules| {
            rules.token.object = |json| {
                Some(altered(
                    object(json)?,
                    |map| map.contains_key("iss") && !map.contains_key("wlcg.ver"),
                    ("aud", json!(ANY_AUDIENCE)),
                ))
            };
            rules.token.claim = |name, jws, now| {
                (name == "wlcg.ver" && !jws.claims.contains_key(name)) || claim_fits(name, jws, now)
            };
        }),
    },
    Fault {
        name: "version-absent-expiry-ignored",
        about: "Where no version of the profile is named, the end is not looked at.",
        clauses: &["JWT-2.1.1-01", "JWT-2.1.1-27"],
        cases: &[
            "authentication.version.absent",
            "authentication.version.absent.expired",
        ],
        apply: Apply::Element(|rules| {
            rules.token.object = |json| {
                Some(altered(
                    object(json)?,
                    |map| map.contains_key("iss") && !map.contains_key("wlcg.ver"),
                    ("exp", json!(1e12)),
                ))
            };
            rules.token.claim = |name, jws, now| {
                (name == "wlcg.ver" && !jws.claims.contains_key(name)) || claim_fits(name, jws, now)
            };
        }),
    },
    Fault {
        name: "version-number-accepted",
        about: "A version may be a number.",
        clauses: &["JWT-2.1.1-28"],
        cases: &["authentication.version.number"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "wlcg.ver" && jws.claims.get("wlcg.ver").is_some_and(Value::is_number))
                    || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "version-exact",
        about: "Only version 1.0 of the profile is known.",
        clauses: &["JWT-4.3.3-01"],
        cases: &[
            "authentication.version.minor",
            "authentication.version.minor.future",
        ],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "wlcg.ver"
                    || !text(jws, "wlcg.ver").starts_with("1.")
                    || text(jws, "wlcg.ver") == "1.0")
                    && claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "version-published-only",
        about: "Only versions 1.0 to 1.3 of the profile are known.",
        clauses: &["JWT-4.3.3-01"],
        cases: &["authentication.version.minor.future"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "wlcg.ver"
                    || text(jws, "wlcg.ver").len() == 3 && text(jws, "wlcg.ver").as_str() <= "1.3"
                    || !text(jws, "wlcg.ver").starts_with("1."))
                    && claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "version-minor-compared-as-text",
        about: "Of a version every later one is accepted.",
        clauses: &["JWT-4.3.3-02"],
        cases: &["authentication.version.major", "tape.token.version"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name == "wlcg.ver"
                    && text(jws, "wlcg.ver").as_str() >= "2"
                    && text(jws, "wlcg.ver").contains('.')
                    && !text(jws, "wlcg.ver").starts_with('v'))
                    || claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "identity-claims-refused",
        about: "Claims about the person spoil a token.",
        clauses: &["JWT-2.1.1-29"],
        cases: &["authentication.claims.identity"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "cnf" || !jws.claims.contains_key("email")) && claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "unknown-claims-refused",
        about: "Claims that are not known spoil a token.",
        clauses: &["JWT-4.3.3-03"],
        cases: &["authentication.claims.unknown"],
        apply: Apply::Element(|rules| {
            rules.token.claim = |name, jws, now| {
                (name != "cnf" || !jws.claims.contains_key("wlcg.future"))
                    && claim_fits(name, jws, now)
            }
        }),
    },
    Fault {
        name: "scp-honoured",
        about: "The claims scp and scopes count where there is no scope.",
        clauses: &["JWT-4.3.3-04"],
        cases: &["authentication.claims.scp.read"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |_, claims| match claims.contains_key("scope") {
                true => claimed(claims.get("scope")),
                false => Scope::parse(&words(claims, "scp")),
            }
        }),
    },
    Fault {
        name: "scp-adds-up",
        about: "What the claim scp says comes on top.",
        clauses: &["JWT-4.3.3-04"],
        cases: &["authentication.claims.scp.read", "capability.claim.array"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |_, claims| {
                Scope::parse(format!("{} {}", words(claims, "scope"), words(claims, "scp")).trim())
            }
        }),
    },
    Fault {
        name: "roles-honoured",
        about: "An administrator may do everything.",
        clauses: &["JWT-4.3.3-04"],
        cases: &["authentication.claims.roles"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |_, claims| match claims.contains_key("roles") {
                true => Scope::parse(&words(claims, "permissions")),
                false => claimed(claims.get("scope")),
            }
        }),
    },
];

/// Answers with 500 where a token was refused for one of these reasons.
pub(super) fn error_for(outcome: Outcome, reasons: &[&str]) -> Outcome {
    match outcome {
        Outcome::Refused(Refusal::InvalidToken(reason)) if reasons.contains(&reason) => {
            Outcome::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
        other => other,
    }
}

/// A JSON object, read as it should be.
pub(super) fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

/// The object with that member, if it is such a one.
pub(super) fn altered(
    mut map: Map<String, Value>,
    is_such: fn(&Map<String, Value>) -> bool,
    (name, value): (&str, Value),
) -> Map<String, Value> {
    if is_such(&map) {
        map.insert(name.to_owned(), value);
    }
    map
}

/// Whether a time is later than that; not if it is none.
fn later(jws: &Jws, name: &str, than: f64) -> bool {
    let time = jws.claims.get(name).and_then(Value::as_f64);
    time.is_some_and(|time| time > than)
}

/// A claim's text; empty if it is none.
pub(super) fn text(jws: &Jws, name: &str) -> String {
    let claim = jws.claims.get(name).and_then(Value::as_str);
    claim.unwrap_or_default().to_owned()
}

/// Whether it is for reading in one directory only.
fn narrow(bearer: &Bearer) -> bool {
    let only = bearer.capabilities();
    matches!(only, [one] if one.action == Action::Read && !one.path.path.is_root())
}

/// The words of a claim that is a text or an array of texts.
pub(super) fn words(claims: &Map<String, Value>, name: &str) -> String {
    match claims.get(name) {
        Some(Value::String(words)) => words.clone(),
        Some(Value::Array(words)) => {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            words.join(" ")
        }
        _ => String::new(),
    }
}

pub(super) fn named(jws: &Jws, keys: &HashMap<String, Key>) -> Vec<Key> {
    keys.get(jws.key_id()).into_iter().cloned().collect()
}

/// The key that the token brings along.
pub(super) fn in_header(jws: &Jws) -> Vec<Key> {
    let jwk = jws.header.get("jwk").cloned();
    jwk.and_then(public_key).into_iter().collect()
}
