//! Issuers whose tokens are wrong, whatever is asked for.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use super::super::issuer::{Telling, sign};
use super::super::jwt::{Algorithm, SigningKey, encode_token};
use super::{Apply, Fault};
use touchstone_model::ANY_AUDIENCE;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-token-names-no-key",
        about: "Tokens do not say with which key they are signed.",
        clauses: &["ISS-TOK-01"],
        cases: &[
            "issuer.token.signed",
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
            "issuer.capability.set.foreign",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.sign = |mut header, claims, keys| {
                header.kid = None;
                sign(header, claims, keys)
            };
        }),
    },
    Fault {
        name: "issuer-token-names-other-key",
        about: "Tokens name a key that is not published.",
        clauses: &["ISS-TOK-01"],
        cases: &[
            "issuer.token.signed",
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
            "issuer.capability.set.foreign",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.sign = |mut header, claims, keys| {
                header.kid = Some("next".into());
                sign(header, claims, keys)
            };
        }),
    },
    Fault {
        name: "issuer-token-names-wrong-key",
        about: "Tokens name the other one of the published keys.",
        clauses: &["ISS-TOK-01"],
        cases: &[
            "issuer.token.signed",
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
            "issuer.capability.set.foreign",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.sign = |mut header, claims, keys| {
                header.kid = Some(keys.rsa.id.clone());
                sign(header, claims, keys)
            };
        }),
    },
    Fault {
        name: "issuer-token-symmetric",
        about: "Tokens are signed with HS256.",
        clauses: &["ISS-TOK-01"],
        cases: &[
            "issuer.token.signed",
            "issuer.token.algorithm",
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
            "issuer.capability.set.foreign",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.sign = |mut header, claims, keys| {
                header.alg = Algorithm::Hs256;
                let key = SigningKey::from_secret(keys.signing.id.as_bytes());
                encode_token(&header, claims, &key).ok()
            };
        }),
    },
    Fault {
        name: "issuer-token-half-signed",
        about: "The signature of tokens is that of others.",
        clauses: &["ISS-TOK-01"],
        cases: &[
            "issuer.token.signed",
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
            "issuer.capability.set.foreign",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.sign = |header, claims, keys| {
                let other = sign(header.clone(), &Map::new(), keys)?;
                let token = sign(header, claims, keys)?;
                let (message, _) = token.rsplit_once('.')?;
                let (_, signature) = other.rsplit_once('.')?;
                Some(format!("{message}.{signature}"))
            };
        }),
    },
    Fault {
        name: "issuer-token-without-jti",
        about: "Tokens have no jti.",
        clauses: &["ISS-TOK-02"],
        cases: &[
            "issuer.token.claims",
            "issuer.token.id",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                claims.remove("jti");
            };
        }),
    },
    Fault {
        name: "issuer-token-without-iat",
        about: "Tokens do not say when they were issued.",
        clauses: &["ISS-TOK-02"],
        cases: &[
            "issuer.token.claims",
            "issuer.token.lifetime",
            "issuer.token.issued",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                claims.remove("iat");
            };
        }),
    },
    Fault {
        name: "issuer-token-times-are-text",
        about: "Tokens have their end as a text.",
        clauses: &["ISS-TOK-02"],
        cases: &[
            "issuer.token.claims",
            "issuer.token.lifetime",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                let end = claims["exp"].to_string();
                put(claims, "exp", json!(end));
            };
        }),
    },
    Fault {
        name: "issuer-token-without-version",
        about: "Tokens have no wlcg.ver.",
        clauses: &["ISS-TOK-02"],
        cases: &[
            "issuer.token.claims",
            "issuer.token.version",
            "issuer.token.version.any",
            "issuer.token.version.known",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                claims.remove("wlcg.ver");
            };
        }),
    },
    Fault {
        name: "issuer-token-version-is-number",
        about: "wlcg.ver is a number.",
        clauses: &["ISS-TOK-02", "ISS-TOK-03"],
        cases: &[
            "issuer.token.claims",
            "issuer.token.version",
            "issuer.token.version.any",
            "issuer.token.version.known",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| put(claims, "wlcg.ver", json!(1.0));
        }),
    },
    Fault {
        name: "issuer-token-version-is-short",
        about: "wlcg.ver is 1.",
        clauses: &["ISS-TOK-03"],
        cases: &[
            "issuer.token.version",
            "issuer.token.version.any",
            "issuer.token.version.known",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| put(claims, "wlcg.ver", json!("1"));
        }),
    },
    Fault {
        name: "issuer-token-version-is-that-of-text",
        about: "wlcg.ver is the version of the profile's text.",
        clauses: &["ISS-TOK-03"],
        cases: &["issuer.token.version"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| put(claims, "wlcg.ver", json!("1.3"));
        }),
    },
    Fault {
        name: "issuer-token-issuer-has-query",
        about: "iss has a query.",
        clauses: &["ISS-TOK-04", "ISS-META-02"],
        cases: &[
            "issuer.token.issuer",
            "issuer.token.issuer.exact",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                let url = claims["iss"].as_str().unwrap_or_default();
                let url = format!("{url}?vo=wlcg");
                put(claims, "iss", json!(url));
            };
        }),
    },
    Fault {
        name: "issuer-token-issuer-is-http",
        about: "iss is an http URL.",
        clauses: &["ISS-TOK-04", "ISS-META-02"],
        cases: &[
            "issuer.token.issuer",
            "issuer.token.issuer.exact",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                let url = claims["iss"].as_str().unwrap_or_default();
                let url = url.replacen("https:", "http:", 1);
                put(claims, "iss", json!(url));
            };
        }),
    },
    Fault {
        name: "issuer-subject-changes",
        about: "Every token has another sub.",
        clauses: &["ISS-TOK-05", "ISS-HOST-01"],
        cases: &[
            "issuer.token.subject.stable",
            "issuer.token.client",
            "issuer.token.identity",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| put(claims, "sub", json!(uuid::Uuid::new_v4().to_string()));
        }),
    },
    Fault {
        name: "issuer-subject-has-accents",
        about: "sub has letters that are not ASCII.",
        clauses: &["ISS-TOK-05", "ISS-HOST-01"],
        cases: &[
            "issuer.token.subject",
            "issuer.token.subject.stable",
            "issuer.token.client",
            "issuer.token.subject.user",
            "issuer.token.identity",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| put(claims, "sub", json!("zo\u{eb}"));
        }),
    },
    Fault {
        name: "issuer-subject-is-long",
        about: "sub has more than 255 characters.",
        clauses: &["ISS-TOK-05", "ISS-HOST-01"],
        cases: &[
            "issuer.token.subject",
            "issuer.token.subject.stable",
            "issuer.token.client",
            "issuer.token.subject.user",
            "issuer.token.identity",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| put(claims, "sub", json!("s".repeat(256)));
        }),
    },
    Fault {
        name: "issuer-subject-is-address",
        about: "The sub of a user is an e-mail address.",
        clauses: &["ISS-TOK-06"],
        cases: &["issuer.token.subject.user"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| of_user(claims, of, "ada.tester@example.org");
            rules.identity = |claims, of| of_user(claims, of, "ada.tester@example.org");
        }),
    },
    Fault {
        name: "issuer-subject-is-name",
        about: "The sub of a user is the subject of a certificate.",
        clauses: &["ISS-TOK-06"],
        cases: &["issuer.token.subject.user"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| of_user(claims, of, "/DC=org/DC=example/CN=Ada Tester");
            rules.identity = |claims, of| of_user(claims, of, "/DC=org/DC=example/CN=Ada Tester");
        }),
    },
    Fault {
        name: "issuer-token-id-returns",
        about: "Two tokens in a row have the same jti.",
        clauses: &["ISS-TOK-07"],
        cases: &["issuer.token.id", "issuer.token.id.many"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                put(
                    claims,
                    "jti",
                    json!(format!("{:016x}-{}", u64::MAX / 3, count() / 2)),
                );
            };
        }),
    },
    Fault {
        name: "issuer-token-id-counts",
        about: "jti is a number that goes up.",
        clauses: &["ISS-TOK-07"],
        cases: &["issuer.token.id"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| put(claims, "jti", json!(count().to_string()));
        }),
    },
    Fault {
        name: "issuer-token-lives-a-week",
        about: "Access tokens are good for a week.",
        clauses: &["ISS-TOK-08"],
        cases: &["issuer.token.lifetime"],
        apply: Apply::Issuer(|rules| rules.lifetime = 7 * 24 * 3600),
    },
    Fault {
        name: "issuer-token-lives-a-shift",
        about: "Access tokens are good for eight hours.",
        clauses: &["ISS-TOK-08"],
        cases: &["issuer.token.lifetime"],
        apply: Apply::Issuer(|rules| rules.lifetime = 8 * 3600),
    },
    Fault {
        name: "issuer-token-lives-minutes",
        about: "Access tokens are good for five minutes.",
        clauses: &["ISS-TOK-08"],
        cases: &["issuer.token.lifetime"],
        apply: Apply::Issuer(|rules| rules.lifetime = 300),
    },
    Fault {
        name: "issuer-token-begins-late",
        about: "Tokens are good from two minutes after they are issued.",
        clauses: &["ISS-TOK-09"],
        cases: &["issuer.token.not-before"],
        apply: Apply::Issuer(|rules| rules.claims = |claims, _| begins(claims, 120)),
    },
    Fault {
        name: "issuer-token-begins-early",
        about: "Tokens are good from an hour before they are issued.",
        clauses: &["ISS-TOK-09"],
        cases: &["issuer.token.not-before"],
        apply: Apply::Issuer(|rules| rules.claims = |claims, _| begins(claims, -3600)),
    },
    Fault {
        name: "issuer-token-clock-is-slow",
        about: "All times in tokens are those of ten minutes ago.",
        clauses: &["ISS-TOK-10"],
        cases: &["issuer.token.issued"],
        apply: Apply::Issuer(|rules| {
            rules.lifetime = 1800;
            rules.claims = |claims, _| {
                for name in ["iat", "nbf", "exp"] {
                    let time = claims[name].as_i64().unwrap_or_default();
                    put(claims, name, json!(time - 600));
                }
            };
        }),
    },
    Fault {
        name: "issuer-token-ends-before",
        about: "Tokens end five minutes before expires_in says so.",
        clauses: &["ISS-TOK-10"],
        cases: &["issuer.token.expires-in"],
        apply: Apply::Issuer(|rules| {
            rules.lifetime = 1800;
            rules.claims = |claims, _| {
                let end = claims["exp"].as_i64().unwrap_or_default();
                put(claims, "exp", json!(end - 300));
            };
        }),
    },
    Fault {
        name: "issuer-scope-is-list",
        about: "scope is an array.",
        clauses: &["ISS-TOK-11"],
        cases: &[
            "issuer.token.scope.form",
            "issuer.token.host",
            "issuer.capability.one",
            "issuer.capability.several",
            "issuer.capability.same-name",
            "issuer.capability.nothing-more.modify",
            "issuer.capability.narrow.below",
            "issuer.capability.below",
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| put(claims, "scope", json!(of.granted.scope));
        }),
    },
    Fault {
        name: "issuer-scope-has-commas",
        about: "The words of scope are separated by commas.",
        clauses: &["ISS-TOK-11"],
        cases: &[
            "issuer.token.scope.form",
            "issuer.token.host",
            "issuer.capability.several",
            "issuer.capability.same-name",
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| put(claims, "scope", json!(of.granted.scope.join(", ")));
        }),
    },
    Fault {
        name: "issuer-scope-doubled",
        about: "The first word of scope stands there twice.",
        clauses: &["ISS-TOK-11"],
        cases: &["issuer.token.scope.form"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                let first = of.granted.scope.first().cloned().unwrap_or_default();
                let scope = format!("{first} {}", of.granted.scope.join(" "));
                put(claims, "scope", json!(scope));
            };
        }),
    },
    Fault {
        name: "issuer-scope-spaced",
        about: "The words of scope are separated by two spaces.",
        clauses: &["ISS-TOK-11"],
        cases: &["issuer.token.scope.form"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| put(claims, "scope", json!(of.granted.scope.join("  ")));
        }),
    },
    Fault {
        name: "issuer-scope-loses-paths",
        about: "Storage scopes come out without their paths.",
        clauses: &["ISS-TOK-12", "ISS-CAP-01"],
        cases: &[
            "issuer.token.scope.paths",
            "issuer.capability.one",
            "issuer.capability.several",
            "issuer.capability.same-name",
            "issuer.capability.nothing-more",
            "issuer.capability.nothing-more.modify",
            "issuer.capability.narrow.below",
            "issuer.capability.below",
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                rewrite(claims, of, |word| {
                    word.split(':').next().unwrap_or_default().to_owned()
                });
            };
        }),
    },
    Fault {
        name: "issuer-scope-doubles-slashes",
        about: "Paths of storage scopes come out with two slashes in front.",
        clauses: &["ISS-TOK-12"],
        cases: &[
            "issuer.token.scope.paths",
            "issuer.capability.one",
            "issuer.capability.several",
            "issuer.capability.same-name",
            "issuer.capability.nothing-more.modify",
            "issuer.capability.narrow.below",
            "issuer.capability.below",
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
            "issuer.exchange.narrower",
            "issuer.exchange.unspecified",
            "issuer.refresh.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| rewrite(claims, of, |word| word.replacen(":/", "://", 1));
        }),
    },
    Fault {
        name: "issuer-scope-is-relative",
        about: "Paths of storage scopes come out without the slash in front.",
        clauses: &["ISS-TOK-12", "ISS-CAP-01"],
        cases: &[
            "issuer.token.scope.paths",
            "issuer.capability.one",
            "issuer.capability.several",
            "issuer.capability.same-name",
            "issuer.capability.nothing-more",
            "issuer.capability.nothing-more.modify",
            "issuer.capability.narrow.below",
            "issuer.capability.below",
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| rewrite(claims, of, |word| word.replacen(":/", ":", 1));
        }),
    },
    Fault {
        name: "issuer-audience-ignored",
        about: "Every token is for everybody.",
        clauses: &["ISS-TOK-14"],
        cases: &[
            "issuer.token.audience.one",
            "issuer.token.audience.two",
            "issuer.token.audience.resource",
            "issuer.exchange.audience",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| put(claims, "aud", json!(ANY_AUDIENCE));
        }),
    },
    Fault {
        name: "issuer-audience-is-list",
        about: "A single audience comes out as an array.",
        clauses: &["ISS-TOK-14"],
        cases: &[
            "issuer.token.audience.one",
            "issuer.token.audience.any",
            "issuer.token.audience.resource",
            "issuer.exchange.audience",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| put(claims, "aud", json!(of.granted.audience.each()));
        }),
    },
    Fault {
        name: "issuer-audience-first-only",
        about: "Of several audiences only the first comes out.",
        clauses: &["ISS-TOK-14"],
        cases: &["issuer.token.audience.two"],
        apply: Apply::Issuer(|rules| {
            rules.claims =
                |claims, of| put(claims, "aud", json!(of.granted.audience.each().first()));
        }),
    },
    Fault {
        name: "issuer-audience-joined",
        about: "Several audiences come out as one text.",
        clauses: &["ISS-TOK-14"],
        cases: &["issuer.token.audience.two"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                put(claims, "aud", json!(of.granted.audience.each().join(" ")));
            };
        }),
    },
    Fault {
        name: "issuer-audience-without-port",
        about: "Audiences lose their port.",
        clauses: &["ISS-TOK-14"],
        cases: &[
            "issuer.token.audience.one",
            "issuer.token.audience.resource",
            "issuer.exchange.audience",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                if let [one] = of.granted.audience.each()
                    && let Some((host, port)) = one.rsplit_once(':')
                    && port.bytes().all(|b| b.is_ascii_digit())
                {
                    put(claims, "aud", json!(host));
                }
            };
        }),
    },
    Fault {
        name: "issuer-audience-missing",
        about: "A token for nobody in particular has no aud.",
        clauses: &["ISS-TOK-15", "ISS-TOK-02"],
        cases: &[
            "issuer.token.claims",
            "issuer.token.audience.unasked",
            "issuer.token.audience.any",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                if of.granted.audience.each() == [ANY_AUDIENCE] {
                    claims.remove("aud");
                }
            };
        }),
    },
    Fault {
        name: "issuer-audience-empty",
        about: "A token for nobody in particular has an empty aud.",
        clauses: &["ISS-TOK-15"],
        cases: &["issuer.token.audience.unasked", "issuer.token.audience.any"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                if of.granted.audience.each() == [ANY_AUDIENCE] {
                    put(claims, "aud", json!([]));
                }
            };
        }),
    },
    Fault {
        name: "issuer-token-without-scope",
        about: "Tokens have no scope.",
        clauses: &["ISS-TOK-16", "ISS-CAP-01"],
        cases: &[
            "issuer.token.rights",
            "issuer.capability.one",
            "issuer.capability.several",
            "issuer.capability.same-name",
            "issuer.token.host",
            "issuer.capability.nothing-more.modify",
            "issuer.capability.narrow.below",
            "issuer.capability.below",
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
            "issuer.exchange.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                claims.remove("scope");
            };
        }),
    },
    Fault {
        name: "issuer-token-is-big",
        about: "Tokens have two kilobytes of what nobody asked for.",
        clauses: &["ISS-TOK-17"],
        cases: &["issuer.token.small"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                let list: Vec<String> = (0..60)
                    .map(|number| format!("urn:example:entitlement:{number}"))
                    .collect();
                put(claims, "entitlements", json!(list));
            };
        }),
    },
];

pub(super) fn put(claims: &mut Map<String, Value>, name: &str, value: Value) {
    claims.insert(name.to_owned(), value);
}

fn of_user(claims: &mut Map<String, Value>, of: Telling, subject: &str) {
    if of.holder.login.is_some() {
        put(claims, "sub", json!(subject));
    }
}

fn begins(claims: &mut Map<String, Value>, after: i64) {
    let issued = claims["iat"].as_i64().unwrap_or_default();
    put(claims, "nbf", json!(issued + after));
}

/// Writes storage scopes in another way.
fn rewrite(claims: &mut Map<String, Value>, of: Telling, how: fn(&str) -> String) {
    let words = of.granted.scope.iter().map(|word| {
        if word.starts_with("storage.") {
            how(word)
        } else {
            word.clone()
        }
    });
    let words: Vec<String> = words.collect();
    put(claims, "scope", json!(words.join(" ")));
}

/// How many tokens there were.
fn count() -> u64 {
    static TOKENS: AtomicU64 = AtomicU64::new(0);
    TOKENS.fetch_add(1, Ordering::Relaxed)
}
