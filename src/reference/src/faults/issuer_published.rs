//! Issuers that publish something wrong about themselves.

use axum::http::{HeaderValue, header};
use serde_json::{Map, Value, json};

use super::super::issuer::{Answer, Occasion, Place};
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-metadata-is-text",
        about: "The metadata are said to be plain text.",
        clauses: &["ISS-META-01"],
        cases: &["issuer.metadata.published"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::Metadata {
                    let kind = HeaderValue::from_static("text/plain");
                    answer.set(header::CONTENT_TYPE, kind);
                }
            };
        }),
    },
    Fault {
        name: "issuer-metadata-slash",
        about: "The metadata write the issuer with a slash more, or less, than its tokens.",
        clauses: &["ISS-META-02"],
        cases: &["issuer.metadata.issuer", "issuer.token.issuer.exact"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| edit_metadata(answer, at, |it| with(it, "issuer", toggled));
        }),
    },
    Fault {
        name: "issuer-metadata-http",
        about: "The metadata write the issuer with http.",
        clauses: &["ISS-META-02"],
        cases: &[
            "issuer.metadata.issuer",
            "issuer.token.issuer.exact",
            "issuer.metadata.https",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| edit_metadata(answer, at, |it| with(it, "issuer", cleartext));
        }),
    },
    Fault {
        name: "issuer-token-slash",
        about: "Tokens write the issuer with a slash more, or less, than the metadata.",
        clauses: &["ISS-META-02"],
        cases: &["issuer.token.issuer.exact", "issuer.exchange.narrower"],
        apply: Apply::Issuer(|rules| rules.claims = |claims, _| with(claims, "iss", toggled)),
    },
    Fault {
        name: "issuer-keys-unnamed",
        about: "The metadata have no jwks_uri.",
        clauses: &["ISS-META-03"],
        cases: &["issuer.metadata.keys"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| edit_metadata(answer, at, |it| without(it, "jwks_uri"));
        }),
    },
    Fault {
        name: "issuer-keys-relative",
        about: "The metadata name the keys by a relative URL.",
        clauses: &["ISS-META-03"],
        cases: &["issuer.metadata.keys", "issuer.metadata.https"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| edit_metadata(answer, at, |it| put(it, "jwks_uri", json!("/jwks")));
        }),
    },
    Fault {
        name: "issuer-keys-over-http",
        about: "The metadata name the keys by an http URL.",
        clauses: &["ISS-META-03", "ISS-META-04"],
        cases: &["issuer.metadata.keys", "issuer.metadata.https"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| edit_metadata(answer, at, |it| with(it, "jwks_uri", cleartext));
        }),
    },
    Fault {
        name: "issuer-tokens-over-http",
        about: "The metadata name the token endpoint by an http URL.",
        clauses: &["ISS-META-04"],
        cases: &["issuer.metadata.https", "issuer.metadata.token-endpoint"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| edit_metadata(answer, at, |it| with(it, "token_endpoint", cleartext));
        }),
    },
    Fault {
        name: "issuer-introspection-over-http",
        about: "The metadata name the introspection endpoint by an http URL.",
        clauses: &["ISS-META-04"],
        cases: &["issuer.metadata.https", "issuer.metadata.introspection"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                edit_metadata(answer, at, |it| {
                    with(it, "introspection_endpoint", cleartext)
                })
            };
        }),
    },
    Fault {
        name: "issuer-without-tls",
        about: "Everything is served without TLS as well.",
        clauses: &["ISS-META-04"],
        cases: &["issuer.metadata.cleartext", "issuer.keys.cleartext"],
        apply: Apply::Issuer(|rules| rules.cleartext = true),
    },
    Fault {
        name: "issuer-other-metadata",
        about: "Where RFC 8414 has the metadata there are some of another time.",
        clauses: &["ISS-META-05"],
        cases: &[
            "issuer.metadata.inserted",
            "issuer.metadata.authorization-server",
        ],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if at.place == Place::OtherMetadata {
                    edit_metadata(answer, at, |it| {
                        without(it, "device_authorization_endpoint")
                    });
                }
            };
        }),
    },
    Fault {
        name: "issuer-tokens-unnamed",
        about: "The metadata have no token endpoint.",
        clauses: &["ISS-META-06"],
        cases: &["issuer.metadata.token-endpoint"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| edit_metadata(answer, at, |it| without(it, "token_endpoint"));
        }),
    },
    Fault {
        name: "issuer-introspection-unnamed",
        about: "The metadata have no introspection endpoint.",
        clauses: &["ISS-META-06"],
        cases: &["issuer.metadata.introspection"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| edit_metadata(answer, at, |it| without(it, "introspection_endpoint"));
        }),
    },
    Fault {
        name: "issuer-grants-unnamed",
        about: "The metadata do not say which grants there are.",
        clauses: &["ISS-META-06"],
        cases: &["issuer.metadata.grants"],
        apply: Apply::Issuer(|rules| {
            rules.finish =
                |answer, at| edit_metadata(answer, at, |it| without(it, "grant_types_supported"));
        }),
    },
    Fault {
        name: "issuer-exchange-unnamed",
        about: "The metadata do not list token exchange.",
        clauses: &["ISS-META-06"],
        cases: &["issuer.metadata.grants"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                edit_metadata(answer, at, |it| {
                    let grants = it.get_mut("grant_types_supported");
                    if let Some(grants) = grants.and_then(Value::as_array_mut) {
                        grants.retain(|one| !one.to_string().contains("token-exchange"));
                    }
                });
            };
        }),
    },
    Fault {
        name: "issuer-scopes-in-one",
        about: "The metadata list all scopes as one text.",
        clauses: &["ISS-META-06"],
        cases: &["issuer.metadata.scopes"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                edit_metadata(answer, at, |it| {
                    put(it, "scopes_supported", json!(["openid wlcg storage.read"]));
                });
            };
        }),
    },
    Fault {
        name: "issuer-authentication-unnamed",
        about: "The metadata say that clients need not authenticate.",
        clauses: &["ISS-META-06"],
        cases: &["issuer.metadata.authentication"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                edit_metadata(answer, at, |it| {
                    put(it, "token_endpoint_auth_methods_supported", json!(["none"]));
                });
            };
        }),
    },
    Fault {
        name: "issuer-metadata-alternate",
        about: "Of two replicas one has metadata without the revocation endpoint.",
        clauses: &["ISS-EP-05"],
        cases: &["issuer.endpoint.alike.metadata"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                if second_replica(at) {
                    edit_metadata(answer, at, |it| without(it, "revocation_endpoint"));
                }
            };
        }),
    },
    Fault {
        name: "issuer-keys-alternate",
        about: "Of two replicas one has only one of the keys.",
        clauses: &["ISS-EP-05"],
        cases: &["issuer.endpoint.alike.keys"],
        apply: Apply::Issuer(|rules| {
            rules.finish = |answer, at| {
                let keys = answer.json().and_then(|document| document.get_mut("keys"));
                if let Some(keys) = keys.and_then(Value::as_array_mut)
                    && second_replica(at)
                {
                    keys.truncate(1);
                }
            };
        }),
    },
];

/// Edits the metadata, wherever they are.
fn edit_metadata(answer: &mut Answer, at: Occasion, edit: fn(&mut Map<String, Value>)) {
    if matches!(at.place, Place::Metadata | Place::OtherMetadata)
        && let Some(Value::Object(document)) = answer.json()
    {
        edit(document);
    }
}

/// Pairs of requests, so that two clients in turn do not hide it.
fn second_replica(at: Occasion) -> bool {
    (at.count / 2) % 2 == 1
}

fn without(document: &mut Map<String, Value>, name: &str) {
    document.remove(name);
}

fn put(document: &mut Map<String, Value>, name: &str, value: Value) {
    document.insert(name.to_owned(), value);
}

fn with(document: &mut Map<String, Value>, name: &str, change: fn(&str) -> String) {
    if let Some(value) = document.get_mut(name)
        && let Some(text) = value.as_str()
    {
        *value = json!(change(text));
    }
}

fn toggled(url: &str) -> String {
    match url.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{url}/"),
    }
}

fn cleartext(url: &str) -> String {
    url.replacen("https:", "http:", 1)
}
