//! Issuers whose endpoints speak another OAuth.

use axum::http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::super::issuer::{Answer, Content, Occasion, Place};
use super::issuer_grant::replied;
use super::issuer_token::put;
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-reply-cacheable",
        about: "Replies with tokens do not say that nobody may keep them.",
        clauses: &["ISS-EP-01"],
        cases: &["issuer.endpoint.uncached"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::Token {
                    answer.headers.remove(header::CACHE_CONTROL);
                }
            };
        }),
    },
    Fault {
        name: "issuer-reply-kept-a-minute",
        about: "Replies with tokens may be kept for a minute.",
        clauses: &["ISS-EP-01"],
        cases: &["issuer.endpoint.uncached"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::Token {
                    let caching = HeaderValue::from_static("private, max-age=60");
                    answer.set(header::CACHE_CONTROL, caching);
                }
            };
        }),
    },
    Fault {
        name: "issuer-reply-untyped",
        about: "Replies do not say of which type the token is.",
        clauses: &["ISS-EP-01"],
        cases: &["issuer.endpoint.reply", "issuer.exchange.narrower"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                replied(answer, at, |reply| {
                    reply.remove("token_type");
                });
            };
        }),
    },
    Fault {
        name: "issuer-reply-of-other-type",
        about: "Replies give the token the type of JWT.",
        clauses: &["ISS-EP-01"],
        cases: &["issuer.endpoint.reply", "issuer.exchange.narrower"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| replied(answer, at, |reply| put(reply, "token_type", json!("JWT")));
        }),
    },
    Fault {
        name: "issuer-reply-is-html",
        about: "Replies with tokens are said to be HTML.",
        clauses: &["ISS-EP-01"],
        cases: &["issuer.endpoint.reply", "issuer.exchange.narrower"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::Token && answer.status.is_success() {
                    let kind = HeaderValue::from_static("text/html");
                    answer.set(header::CONTENT_TYPE, kind);
                }
            };
        }),
    },
    Fault {
        name: "issuer-reply-tells-other-time",
        about: "Replies say that the token is good for an hour, whatever its end.",
        clauses: &["ISS-TOK-10"],
        cases: &["issuer.token.expires-in"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| replied(answer, at, |reply| put(reply, "expires_in", json!(3600)));
        }),
    },
    Fault {
        name: "issuer-error-is-200",
        about: "Errors of the token endpoint have status 200.",
        clauses: &["ISS-EP-02"],
        cases: &[
            "issuer.endpoint.error.grant",
            "issuer.endpoint.error.scope",
            "issuer.endpoint.error.foreign-scope",
            "issuer.token.version.unknown",
            "issuer.endpoint.device",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if refusal(answer, at) {
                    answer.status = StatusCode::OK;
                }
            };
        }),
    },
    Fault {
        name: "issuer-error-is-500",
        about: "Errors of the token endpoint have status 500.",
        clauses: &["ISS-EP-02"],
        cases: &[
            "issuer.endpoint.error.grant",
            "issuer.endpoint.error.scope",
            "issuer.endpoint.error.foreign-scope",
            "issuer.token.version.unknown",
            "issuer.endpoint.device",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if refusal(answer, at) {
                    answer.status = StatusCode::INTERNAL_SERVER_ERROR;
                }
            };
        }),
    },
    Fault {
        name: "issuer-error-is-html",
        about: "Errors of the token endpoint are pages for people.",
        clauses: &["ISS-EP-02"],
        cases: &[
            "issuer.endpoint.error.secret",
            "issuer.endpoint.error.grant",
            "issuer.endpoint.error.scope",
            "issuer.endpoint.error.foreign-scope",
            "issuer.endpoint.no-client",
            "issuer.capability.told",
            "issuer.capability.told.unknown",
            "issuer.endpoint.device",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if refusal(answer, at) {
                    let kind = HeaderValue::from_static("text/html");
                    answer.set(header::CONTENT_TYPE, kind);
                    answer.content = Content::Text("<h1>Something went wrong</h1>".into());
                }
            };
        }),
    },
    Fault {
        name: "issuer-error-has-own-code",
        about: "A client that is not known is told so with a code of the issuer's own.",
        clauses: &["ISS-EP-02"],
        cases: &[
            "issuer.endpoint.error.secret",
            "issuer.endpoint.no-client",
            "issuer.refresh.no-secret",
            "issuer.refresh.wrong-secret",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| recode(answer, at, "invalid_client", "bad_credentials");
        }),
    },
    Fault {
        name: "issuer-error-of-scope-has-own-code",
        about: "A scope that is not known is told so with a code of the issuer's own.",
        clauses: &["ISS-EP-02"],
        cases: &[
            "issuer.endpoint.error.scope",
            "issuer.endpoint.error.foreign-scope",
            "issuer.capability.told",
            "issuer.capability.told.unknown",
            "issuer.refresh.wider.root",
            "issuer.refresh.wider.sibling",
            "issuer.refresh.wider.operation",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| recode(answer, at, "invalid_scope", "scope_error");
        }),
    },
    Fault {
        name: "issuer-error-of-grant-has-own-code",
        about: "A grant that is not known is told so with a code of the issuer's own.",
        clauses: &["ISS-EP-02"],
        cases: &["issuer.endpoint.error.grant"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| recode(answer, at, "unsupported_grant_type", "unknown_grant");
        }),
    },
    Fault {
        name: "issuer-tokens-by-get",
        about: "The token endpoint gives tokens to GET.",
        clauses: &["ISS-EP-03"],
        cases: &["issuer.endpoint.get"],
        apply: Apply::Issuer(|rules| rules.gets = true),
    },
    Fault {
        name: "issuer-secrets-in-query",
        about: "The token endpoint takes credentials from the query.",
        clauses: &["ISS-EP-03"],
        cases: &["issuer.endpoint.query"],
        apply: Apply::Issuer(|rules| rules.reads_query = true),
    },
    Fault {
        name: "issuer-devices-unnamed",
        about: "The metadata have no device authorization endpoint.",
        clauses: &["ISS-EP-04"],
        cases: &[
            "issuer.endpoint.device.named",
            "issuer.metadata.inserted",
            "issuer.metadata.authorization-server",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::Metadata {
                    remove(answer, "device_authorization_endpoint");
                }
            };
        }),
    },
    Fault {
        name: "issuer-device-without-user-code",
        about: "Devices get no code for their user.",
        clauses: &["ISS-EP-04"],
        cases: &["issuer.endpoint.device"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::Device {
                    remove(answer, "user_code");
                }
            };
        }),
    },
    Fault {
        name: "issuer-device-without-page",
        about: "Devices are told under another name where their user has to go.",
        clauses: &["ISS-EP-04"],
        cases: &["issuer.endpoint.device"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::Device
                    && let Some(Value::Object(reply)) = answer.json()
                    && let Some(page) = reply.remove("verification_uri")
                {
                    put(reply, "verification_url", page);
                }
            };
        }),
    },
    Fault {
        name: "issuer-device-is-refused",
        about: "Devices that ask before their user has agreed are told to give up.",
        clauses: &["ISS-EP-04"],
        cases: &["issuer.endpoint.device"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| recode(answer, at, "authorization_pending", "invalid_grant");
        }),
    },
];

fn refusal(answer: &Answer, at: Occasion) -> bool {
    at.place == Place::Token && !answer.status.is_success()
}

/// Gives an error another code.
fn recode(answer: &mut Answer, at: Occasion, from: &str, to: &str) {
    if refusal(answer, at)
        && let Some(error) = answer.json().and_then(|reply| reply.get_mut("error"))
        && error == from
    {
        *error = json!(to);
    }
}

fn remove(answer: &mut Answer, name: &str) {
    if let Some(Value::Object(document)) = answer.json() {
        document.remove(name);
    }
}
