//! Faults of trust that is looked at too late: what a token names is fetched before anybody knows whose it is.

use serde_json::Value;

use super::{Apply, Fault};
use crate::token::Jws;
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-fetched-before-trust",
        about: "The metadata of whatever issuer a token names are fetched, and then it is refused.",
        clauses: &["JWT-4.2-08"],
        cases: &[
            "authentication.issuer.foreign.unasked.read",
            "authentication.issuer.foreign.unasked.write",
        ],
        apply: Apply::Element(|rules| rules.token.fetches = foreign_issuer),
    },
    Fault {
        name: "issuer-fetched-before-trust-upload",
        about: "For uploads, the metadata of whatever issuer a token names are fetched before it is refused.",
        clauses: &["JWT-4.2-08"],
        cases: &["authentication.issuer.foreign.unasked.write"],
        apply: Apply::Element(|rules| {
            rules.token.fetches = |jws, trusted| {
                let upload = jws.method == Method::Put;
                foreign_issuer(jws, trusted).filter(|_| upload)
            }
        }),
    },
    Fault {
        name: "jku-fetched",
        about: "The key set that the header's jku names is fetched, though its keys do not count.",
        clauses: &["JWT-4.2-07"],
        cases: &["authentication.header.remote-key.jku-unasked"],
        apply: Apply::Element(|rules| rules.token.fetches = |jws, _| member(jws, "jku")),
    },
    Fault {
        name: "x5u-fetched",
        about: "The certificate that the header's x5u names is fetched, though its key does not count.",
        clauses: &["JWT-4.2-07"],
        cases: &["authentication.header.remote-key.x5u-unasked"],
        apply: Apply::Element(|rules| rules.token.fetches = |jws, _| member(jws, "x5u")),
    },
];

fn foreign_issuer(jws: &Jws, trusted: bool) -> Option<String> {
    let issuer = jws.claims.get("iss").and_then(Value::as_str)?;
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    (!trusted).then(|| format!("{base}/.well-known/openid-configuration"))
}

fn member(jws: &Jws, name: &str) -> Option<String> {
    let url = jws.header.get(name).and_then(Value::as_str)?;
    Some(url.to_owned())
}
