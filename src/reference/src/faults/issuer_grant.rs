//! Issuers that exchange, refresh and revoke in the wrong way.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::issuer::{
    Answer, Genuine, Granted, OAuthError, Occasion, Place, Proven, covers, known, sign,
};
use super::issuer_scope::{covers_as_written, covers_by_path, storage};
use super::issuer_token::put;
use super::{Apply, Fault};
use touchstone_model::{ANY_AUDIENCE, Audience};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-exchange-untyped",
        about: "The answer to an exchange does not say what was issued.",
        clauses: &["ISS-EX-01"],
        cases: &["issuer.exchange.narrower"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                replied(answer, at, |reply| {
                    reply.remove("issued_token_type");
                });
            };
        }),
    },
    Fault {
        name: "issuer-exchange-narrows-nothing",
        about: "An exchange for less gives all that the subject token has.",
        clauses: &["ISS-EX-01"],
        cases: &["issuer.exchange.narrower"],
        apply: Apply::Issuer(|rules| {
            rules.exchanged = |held, asked| Granted {
                audience: asked.audience,
                ..held.clone()
            };
        }),
    },
    Fault {
        name: "issuer-exchange-keeps-audience",
        about: "An exchange does not change the audience.",
        clauses: &["ISS-EX-01", "ISS-TOK-14"],
        cases: &["issuer.exchange.audience"],
        apply: Apply::Issuer(|rules| {
            rules.exchanged = |held, asked| Granted {
                audience: held.audience.clone(),
                ..asked
            };
        }),
    },
    Fault {
        name: "issuer-exchange-widens-by-prefix",
        about: "An exchange compares the paths of scopes letter by letter.",
        clauses: &["ISS-EX-02"],
        cases: &["issuer.exchange.wider.sibling"],
        apply: Apply::Issuer(|rules| rules.exchanges = covers_by_prefix),
    },
    Fault {
        name: "issuer-exchange-widens-upwards",
        about: "An exchange gives the directories that lead to the path of the subject token.",
        clauses: &["ISS-EX-02"],
        cases: &["issuer.exchange.wider.root", "issuer.exchange.wider.parent"],
        apply: Apply::Issuer(|rules| rules.exchanges = covers_above),
    },
    Fault {
        name: "issuer-exchange-widens-operations",
        about: "An exchange gives every operation in the paths of the subject token.",
        clauses: &["ISS-EX-02"],
        cases: &["issuer.exchange.wider.operation"],
        apply: Apply::Issuer(|rules| rules.exchanges = covers_by_path),
    },
    Fault {
        name: "issuer-exchange-widens-by-dots",
        about: "An exchange compares paths before dot segments are taken in.",
        clauses: &["ISS-EX-02", "ISS-TOK-13"],
        cases: &["issuer.token.scope.dots", "issuer.exchange.wider.dots"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(word) || storage(word, |path| path.contains("/../"));
            rules.exchanges = covers_as_written;
        }),
    },
    Fault {
        name: "issuer-exchange-widens-unasked",
        about: "An exchange for nothing in particular gives storage.read for everything.",
        clauses: &["ISS-EX-02"],
        cases: &["issuer.exchange.unspecified"],
        apply: Apply::Issuer(|rules| rules.exchanged = widened),
    },
    Fault {
        name: "issuer-exchange-widens-groups",
        about: "An exchange gives groups that the subject token has not.",
        clauses: &["ISS-EX-02"],
        cases: &["issuer.exchange.wider.groups"],
        apply: Apply::Issuer(|rules| {
            rules.exchanges =
                |held, asked| covers(held, asked) || asked.starts_with("wlcg.groups:");
        }),
    },
    Fault {
        name: "issuer-exchange-takes-expired",
        about: "Subject tokens that have expired are exchanged.",
        clauses: &["ISS-EX-02"],
        cases: &["issuer.exchange.expired"],
        apply: Apply::Issuer(|rules| rules.subject_is_alive = |_, _| true),
    },
    Fault {
        name: "issuer-exchange-takes-tampered",
        about: "Subject tokens are exchanged whatever their signature.",
        clauses: &["ISS-EX-02"],
        cases: &["issuer.exchange.tampered"],
        apply: Apply::Issuer(|rules| {
            rules.subject_is_genuine = |genuine| genuine != Genuine::UnknownKey
        }),
    },
    Fault {
        name: "issuer-exchange-takes-any-key",
        about: "Subject tokens with an unknown key are exchanged.",
        clauses: &["ISS-EX-02"],
        cases: &["issuer.exchange.unknown-key"],
        apply: Apply::Issuer(|rules| {
            rules.subject_is_genuine = |genuine| genuine != Genuine::Wrong
        }),
    },
    Fault {
        name: "issuer-exchange-takes-foreign",
        about: "Subject tokens of other issuers are exchanged.",
        clauses: &["ISS-EX-02"],
        cases: &[
            "issuer.exchange.tampered",
            "issuer.exchange.unknown-key",
            "issuer.exchange.foreign",
        ],
        apply: Apply::Issuer(|rules| {
            rules.subject_is_genuine = |_| true;
            rules.subject_is_own = |_, _| true;
        }),
    },
    Fault {
        name: "issuer-refresh-widens-by-prefix",
        about: "A refresh compares the paths of scopes letter by letter.",
        clauses: &["ISS-REF-01"],
        cases: &["issuer.refresh.wider.sibling"],
        apply: Apply::Issuer(|rules| rules.refreshes = covers_by_prefix),
    },
    Fault {
        name: "issuer-refresh-widens-upwards",
        about: "A refresh gives the directories that lead to the path of the refresh token.",
        clauses: &["ISS-REF-01"],
        cases: &["issuer.refresh.wider.root"],
        apply: Apply::Issuer(|rules| rules.refreshes = covers_above),
    },
    Fault {
        name: "issuer-refresh-widens-operations",
        about: "A refresh gives every operation in the paths of the refresh token.",
        clauses: &["ISS-REF-01"],
        cases: &["issuer.refresh.wider.operation"],
        apply: Apply::Issuer(|rules| rules.refreshes = covers_by_path),
    },
    Fault {
        name: "issuer-refresh-widens",
        about: "A refresh gives whatever is asked for.",
        clauses: &["ISS-REF-01"],
        cases: &[
            "issuer.refresh.wider.root",
            "issuer.refresh.wider.sibling",
            "issuer.refresh.wider.operation",
        ],
        apply: Apply::Issuer(|rules| rules.refreshes = |_, _| true),
    },
    Fault {
        name: "issuer-refresh-widens-unasked",
        about: "A refresh for nothing in particular gives storage.read for everything.",
        clauses: &["ISS-REF-01"],
        cases: &["issuer.refresh.same"],
        apply: Apply::Issuer(|rules| rules.refreshed = widened),
    },
    Fault {
        name: "issuer-refresh-narrows-nothing",
        about: "A refresh for less gives all that the refresh token has.",
        clauses: &["ISS-REF-01"],
        cases: &[
            "issuer.refresh.narrower",
            "issuer.groups.asked",
            "issuer.groups.unasked",
            "issuer.groups.unasked.user",
            "issuer.groups.default",
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.default-first",
            "issuer.groups.order.default-last",
            "issuer.groups.order.default-named",
            "issuer.groups.order.appended",
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
        ],
        apply: Apply::Issuer(|rules| rules.refreshed = |held, _| held.clone()),
    },
    Fault {
        name: "issuer-refresh-for-other-client",
        about: "Refresh tokens work for every client.",
        clauses: &["ISS-REF-02"],
        cases: &["issuer.refresh.other-client"],
        apply: Apply::Issuer(|rules| rules.bound = |_, _| true),
    },
    Fault {
        name: "issuer-refresh-without-secret",
        about: "Refresh tokens work without authentication of the client.",
        clauses: &["ISS-REF-02"],
        cases: &["issuer.refresh.no-secret"],
        apply: Apply::Issuer(|rules| {
            rules.admitted = |proven, attempt| {
                let lax = proven == Proven::Missing && attempt.grant("refresh_token");
                proven == Proven::Right || lax
            };
        }),
    },
    Fault {
        name: "issuer-refresh-with-wrong-secret",
        about: "Refresh tokens work with any secret of the client.",
        clauses: &["ISS-REF-02"],
        cases: &["issuer.refresh.wrong-secret"],
        apply: Apply::Issuer(|rules| {
            rules.admitted = |proven, attempt| {
                let lax = proven == Proven::Wrong && attempt.grant("refresh_token");
                proven == Proven::Right || lax
            };
        }),
    },
    Fault {
        name: "issuer-refresh-without-grace",
        about: "A refresh token works no more as soon as another took its place.",
        clauses: &["ISS-REF-03"],
        cases: &["issuer.refresh.grace"],
        apply: Apply::Issuer(|rules| rules.grace = Duration::ZERO),
    },
    Fault {
        name: "issuer-refresh-lives-years",
        about: "Refresh tokens are good for two years.",
        clauses: &["ISS-REF-04"],
        cases: &["issuer.refresh.lifetime"],
        apply: Apply::Issuer(|rules| rules.refresh_lifetime = 2 * 365 * 24 * 3600),
    },
    Fault {
        name: "issuer-refresh-lives-hours",
        about: "Refresh tokens are good for twelve hours.",
        clauses: &["ISS-REF-04"],
        cases: &["issuer.refresh.lifetime"],
        apply: Apply::Issuer(|rules| rules.refresh_lifetime = 12 * 3600),
    },
    Fault {
        name: "issuer-refresh-is-bearer",
        about: "A refresh token is taken where an access token is due.",
        clauses: &["ISS-REF-05"],
        cases: &["issuer.refresh.bearer"],
        apply: Apply::Issuer(|rules| rules.refresh_is_bearer = true),
    },
    Fault {
        name: "issuer-refresh-is-access",
        about: "A refresh token is an access token with a long life.",
        clauses: &["ISS-REF-05"],
        cases: &["issuer.refresh.bearer", "issuer.refresh.subject"],
        apply: Apply::Issuer(|rules| {
            rules.refresh_claims = |claims, of| {
                let scope = format!("openid {}", of.granted.scope.join(" "));
                for (name, value) in [
                    ("wlcg.ver", json!("1.0")),
                    ("aud", Audience::One(ANY_AUDIENCE.to_owned()).to_json()),
                    ("scope", json!(scope)),
                ] {
                    put(claims, name, value);
                }
            };
            rules.sign = |mut header, claims, keys| {
                header.typ = Some("JWT".into());
                sign(header, claims, keys)
            };
        }),
    },
    Fault {
        name: "issuer-revokes-nothing",
        about: "Revocation is answered with 200, and the token goes on working.",
        clauses: &["ISS-REV-01"],
        cases: &["issuer.revocation.refresh"],
        apply: Apply::Issuer(|rules| rules.revokes = false),
    },
    Fault {
        name: "issuer-revocation-unnamed",
        about: "The metadata have no revocation endpoint.",
        clauses: &["ISS-REV-01", "ISS-META-06"],
        cases: &[
            "issuer.revocation.named",
            "issuer.metadata.inserted",
            "issuer.metadata.authorization-server",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::Metadata
                    && let Some(Value::Object(document)) = answer.json()
                {
                    document.remove("revocation_endpoint");
                }
            };
        }),
    },
    Fault {
        name: "issuer-revocation-refused",
        about: "Tokens that are known cannot be revoked.",
        clauses: &["ISS-REV-01"],
        cases: &["issuer.revocation.refresh"],
        apply: Apply::Issuer(|rules| {
            rules.revocation = |known| match known {
                true => Err(OAuthError::new("unsupported_token_type", "not revocable")),
                false => Ok(()),
            };
        }),
    },
    Fault {
        name: "issuer-revocation-needs-token",
        about: "Revocation of a token that nobody knows is an error.",
        clauses: &["ISS-REV-02"],
        cases: &["issuer.revocation.unknown"],
        apply: Apply::Issuer(|rules| {
            rules.revocation = |known| match known {
                true => Ok(()),
                false => Err(OAuthError::new("invalid_request", "no such token")),
            };
        }),
    },
    Fault {
        name: "issuer-revokes-for-anybody",
        about: "Tokens are revoked without authentication of the client.",
        clauses: &["ISS-REV-02"],
        cases: &[
            "issuer.revocation.no-client",
            "issuer.revocation.unknown.no-client",
        ],
        apply: Apply::Issuer(|rules| {
            rules.admitted = |proven, attempt| {
                let lax = proven == Proven::Missing && attempt.place == Place::Revocation;
                proven == Proven::Right || lax
            };
        }),
    },
    Fault {
        name: "issuer-revokes-for-wrong-secret",
        about: "Tokens are revoked with any secret of the client.",
        clauses: &["ISS-REV-02"],
        cases: &["issuer.revocation.wrong-secret"],
        apply: Apply::Issuer(|rules| {
            rules.admitted = |proven, attempt| {
                let lax = proven == Proven::Wrong && attempt.place == Place::Revocation;
                proven == Proven::Right || lax
            };
        }),
    },
];

/// Edits what the token endpoint gives.
pub(super) fn replied(answer: &mut Answer, at: Occasion, edit: fn(&mut Map<String, Value>)) {
    if at.place == Place::Token
        && answer.status.is_success()
        && let Some(Value::Object(reply)) = answer.json()
    {
        edit(reply);
    }
}

/// More, where the same is asked for.
fn widened(held: &Granted, mut asked: Granted) -> Granted {
    if asked.scope == held.scope {
        asked.scope.push("storage.read:/".into());
    }
    asked
}

fn covers_by_prefix(held: &[String], asked: &str) -> bool {
    held.iter().any(|held| asked.starts_with(held.as_str()))
}

fn covers_above(held: &[String], asked: &str) -> bool {
    let above = |held: &String| covers(&[asked.to_owned()], held);
    covers(held, asked) || held.iter().any(above)
}
