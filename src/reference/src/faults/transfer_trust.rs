//! Third-party copies that tell the other side too much or too little, or trust the wrong one.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use rustls::CertificateError;

use super::super::authorisation::{Operation, allows};
use super::super::transfer::{client, order};
use super::{Apply, Fault};
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "tpc-forwards-authorization-alone",
        about: "Of the transfer headers only Authorization is sent on.",
        clauses: &["TPC-13"],
        cases: &["tpc.forward.pull", "tpc.forward.push"],
        apply: Apply::Transfer(|rules| rules.forwards = authorization),
    },
    Fault {
        name: "tpc-pull-forgets-headers",
        about: "Of the transfer headers of a pull only Authorization is sent on.",
        clauses: &["TPC-13"],
        cases: &["tpc.forward.pull"],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| match pulls(parts) {
                true => authorization(parts),
                false => order::forwarded(parts),
            };
        }),
    },
    Fault {
        name: "tpc-push-forgets-headers",
        about: "Of the transfer headers of a push only Authorization is sent on.",
        clauses: &["TPC-13"],
        cases: &["tpc.forward.push"],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| match pulls(parts) {
                true => order::forwarded(parts),
                false => authorization(parts),
            };
        }),
    },
    Fault {
        name: "tpc-forwards-with-prefix",
        about: "Transfer headers other than Authorization are sent on under their whole names.",
        clauses: &["TPC-13"],
        cases: &["tpc.forward.pull", "tpc.forward.push"],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| {
                let mut headers = authorization(parts);
                for (name, value) in &parts.headers {
                    let name = name.as_str();
                    if let Ok(name) = HeaderName::try_from(name)
                        && name.as_str().starts_with("transferheaderx-")
                    {
                        headers.append(name, value.clone());
                    }
                }
                headers
            };
        }),
    },
    Fault {
        name: "tpc-own-token-along",
        about: "Without a credential for the source, a pull takes its own token there.",
        clauses: &["TPC-14"],
        cases: &["tpc.own-token.pull"],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| match pulls(parts) {
                true => with_own(parts, header::AUTHORIZATION),
                false => order::forwarded(parts),
            };
        }),
    },
    Fault {
        name: "tpc-own-token-pushed",
        about: "Without a credential for the destination, a push takes its own token there.",
        clauses: &["TPC-14"],
        cases: &["tpc.own-token.push"],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| match pulls(parts) {
                true => order::forwarded(parts),
                false => with_own(parts, header::AUTHORIZATION),
            };
        }),
    },
    Fault {
        name: "tpc-own-token-in-cookie",
        about: "Without a credential for the other side, the token of the COPY goes there as a cookie.",
        clauses: &["TPC-14"],
        cases: &["tpc.own-token.pull", "tpc.own-token.push"],
        apply: Apply::Transfer(|rules| rules.forwards = |parts| with_own(parts, header::COOKIE)),
    },
    Fault {
        name: "tpc-own-token-in-url",
        about: "Without a credential for the source, the token of the COPY goes there in the URL.",
        clauses: &["TPC-14"],
        cases: &["tpc.own-token.pull"],
        apply: Apply::Transfer(|rules| {
            rules.addresses = |parts, url| {
                let own = parts.headers.get(header::AUTHORIZATION);
                let own = own.and_then(|value| value.to_str().ok()?.split_once(' '));
                let credential = parts.headers.contains_key("transferheaderauthorization");
                if let Some((_, token)) = own
                    && pulls(parts)
                    && !credential
                {
                    url.query_pairs_mut().append_pair("authz", token);
                }
            };
        }),
    },
    Fault {
        name: "tpc-own-token-of-digests",
        about: "With RequireChecksumVerification, the token of the COPY goes to the source as well.",
        clauses: &["TPC-14"],
        cases: &[
            "tpc.checksum.required",
            "tpc.checksum.wrong",
            "tpc.checksum.wrong.representation",
            "tpc.checksum.right",
        ],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| {
                let mut headers = order::forwarded(parts);
                let verified = parts.headers.get("requirechecksumverification");
                if let Some(own) = parts.headers.get(header::AUTHORIZATION)
                    && verified.is_some_and(|value| value == "true")
                {
                    headers.insert("x-authorization", own.clone());
                }
                headers
            };
        }),
    },
    Fault {
        name: "tpc-forwards-host",
        about: "A transfer header Host replaces the name of the other side.",
        clauses: &["TPC-15"],
        cases: &["tpc.framing.pull", "tpc.framing.push"],
        apply: Apply::Transfer(|rules| rules.forwards = |parts| with_withheld(parts, header::HOST)),
    },
    Fault {
        name: "tpc-pull-forwards-connection",
        about: "A transfer header Connection is sent on with a pull.",
        clauses: &["TPC-15"],
        cases: &["tpc.framing.pull"],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| match pulls(parts) {
                true => with_withheld(parts, header::CONNECTION),
                false => order::forwarded(parts),
            };
        }),
    },
    Fault {
        name: "tpc-push-forwards-connection",
        about: "A transfer header Connection is sent on with a push.",
        clauses: &["TPC-15"],
        cases: &["tpc.framing.push"],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| match pulls(parts) {
                true => order::forwarded(parts),
                false => with_withheld(parts, header::CONNECTION),
            };
        }),
    },
    Fault {
        name: "tpc-header-decoded",
        about: "A percent-encoded line break in a transfer header ends it on the wire.",
        clauses: &["TPC-15"],
        cases: &["tpc.framing.pull"],
        apply: Apply::Transfer(|rules| {
            rules.forwards = |parts| {
                let mut headers = order::forwarded(parts);
                let broken: Vec<_> = headers.values().filter_map(decoded).collect();
                headers.extend(broken.into_iter().map(|(name, value)| (Some(name), value)));
                headers
            };
        }),
    },
    Fault {
        name: "tpc-certificates-ignored",
        about: "Nobody looks at the certificate of the other side.",
        clauses: &["TPC-18"],
        cases: &[
            "tpc.certificate.untrusted",
            "tpc.certificate.other-name",
            "tpc.certificate.expired",
            "tpc.certificate.push",
        ],
        apply: Apply::Transfer(|rules| rules.forgives = |_| true),
    },
    Fault {
        name: "tpc-certificate-untrusted-accepted",
        about: "The other side's certificate may be signed by anybody.",
        clauses: &["TPC-18"],
        cases: &["tpc.certificate.untrusted", "tpc.certificate.push"],
        apply: Apply::Transfer(|rules| {
            rules.forgives = |defect| {
                matches!(
                    defect,
                    CertificateError::UnknownIssuer | CertificateError::BadSignature
                )
            };
        }),
    },
    Fault {
        name: "tpc-certificate-name-ignored",
        about: "The other side's certificate may be for another name.",
        clauses: &["TPC-18"],
        cases: &["tpc.certificate.other-name"],
        apply: Apply::Transfer(|rules| {
            rules.forgives = |defect| {
                matches!(
                    defect,
                    CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. }
                )
            };
        }),
    },
    Fault {
        name: "tpc-certificate-expiry-ignored",
        about: "The other side's certificate may have expired.",
        clauses: &["TPC-18"],
        cases: &["tpc.certificate.expired"],
        apply: Apply::Transfer(|rules| {
            rules.forgives = |defect| {
                matches!(
                    defect,
                    CertificateError::Expired | CertificateError::ExpiredContext { .. }
                )
            };
        }),
    },
    Fault {
        name: "tpc-follows-to-http",
        about: "A redirect to plain http is followed, with the credential.",
        clauses: &["TPC-29"],
        cases: &["tpc.cleartext"],
        apply: Apply::Transfer(|rules| {
            rules.follows = |url| url.scheme() == "http" || client::follows(url);
            rules.entrusts =
                |first, next| next.scheme() == "http" || first.origin() == next.origin();
        }),
    },
    Fault {
        name: "tpc-credential-told",
        about: "The last line of a transfer that failed repeats the headers for the other side, the credential among them.",
        clauses: &["TPC-33"],
        cases: &["tpc.echo"],
        apply: Apply::Transfer(|rules| {
            rules.blames = |headers| {
                let credential = headers.get(header::AUTHORIZATION)?;
                Some(format!("({})", credential.to_str().ok()?))
            };
        }),
    },
    Fault {
        name: "tpc-follows-with-credential",
        about: "A redirect to another origin is followed with the credential.",
        clauses: &["TPC-35"],
        cases: &["tpc.redirect.pull", "tpc.redirect.push"],
        apply: Apply::Transfer(|rules| rules.entrusts = |_, _| true),
    },
    Fault {
        name: "tpc-follows-nobody",
        about: "No redirect of the other side is followed.",
        clauses: &["TPC-36"],
        cases: &["tpc.redirect.pull", "tpc.redirect.push"],
        apply: Apply::Transfer(|rules| rules.follows = |_| false),
    },
    Fault {
        name: "tpc-plain-source",
        about: "A file is fetched from a URL of plain http, with the credential.",
        clauses: &["TPC-29"],
        cases: &["tpc.cleartext.source", "tpc.cleartext.destination"],
        apply: Apply::Transfer(|rules| {
            rules.accepts = |url| url.scheme() == "http" || order::accepts(url);
        }),
    },
    Fault {
        name: "tpc-query-dropped",
        about: "The query in the URL of the other side is left out.",
        clauses: &["TPC-34"],
        cases: &["tpc.query.pull", "tpc.query.push"],
        apply: Apply::Transfer(|rules| rules.addresses = |_, url| url.set_query(None)),
    },
    Fault {
        name: "tpc-query-decoded",
        about: "The query in the URL of the other side is decoded, and goes out so.",
        clauses: &["TPC-34"],
        cases: &["tpc.query.pull", "tpc.query.push"],
        apply: Apply::Transfer(|rules| {
            rules.addresses = |_, url| {
                let query = url.query().map(|query| query.replace("%2F", "/"));
                url.set_query(query.as_deref());
            };
        }),
    },
    Fault {
        name: "tpc-trusts-itself",
        about: "What the service asks itself for while it copies needs no right.",
        clauses: &["JWT-2.2.1-18", "TPC-17"],
        cases: &["tpc.own-files", "tpc.private"],
        apply: Apply::Element(|rules| {
            rules.transfer.accepts_itself = true;
            rules.transfer.unasked = |parts| {
                let agent = parts.headers.get(header::USER_AGENT);
                parts.method == axum::http::Method::GET
                    && agent.is_some_and(|agent| agent.as_bytes() == client::USER_AGENT.as_bytes())
            };
            // Nobody else comes without a token.
            rules.speaks_for =
                |bearer, area, _, _| bearer.issuer.is_empty() || bearer.issuer == area.issuer;
            rules.allows = |rules, bearer, groups, asked| {
                let own = bearer.issuer.is_empty();
                (own && asked.method == Method::Get && asked.operation == Operation::Read)
                    || allows(rules, bearer, groups, asked)
            };
        }),
    },
    Fault {
        name: "tpc-asks-for-no-digest",
        about: "The source is not asked for a checksum, and none is needed.",
        clauses: &["TPC-19"],
        cases: &["tpc.checksum.right"],
        apply: Apply::Transfer(|rules| {
            rules.outgoing = |_, _, headers| {
                headers.remove("want-digest");
                headers.remove("want-repr-digest");
            };
            rules.convinced = |_, _, fits| match fits {
                Some(false) => Err("checksum mismatch"),
                _ => Ok(()),
            };
        }),
    },
];

fn pulls(parts: &Parts) -> bool {
    parts.headers.contains_key("source")
}

/// What is forwarded of `Authorization`, and nothing else.
fn authorization(parts: &Parts) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(credential) = order::forwarded(parts).remove(header::AUTHORIZATION) {
        headers.insert(header::AUTHORIZATION, credential);
    }
    headers
}

/// What is forwarded, and the token of the COPY itself where there is no credential.
fn with_own(parts: &Parts, name: HeaderName) -> HeaderMap {
    let mut headers = order::forwarded(parts);
    if let Some(own) = parts.headers.get(header::AUTHORIZATION)
        && !headers.contains_key(header::AUTHORIZATION)
    {
        headers.insert(name, own.clone());
    }
    headers
}

/// What is forwarded, and one header that must not be.
fn with_withheld(parts: &Parts, name: HeaderName) -> HeaderMap {
    let mut headers = order::forwarded(parts);
    if let Some(value) = parts.headers.get(format!("transferheader{name}")) {
        headers.insert(name, value.clone());
    }
    headers
}

/// The header behind an encoded line break.
fn decoded(value: &HeaderValue) -> Option<(HeaderName, HeaderValue)> {
    let (_, rest) = value.to_str().ok()?.split_once("%0d%0a")?;
    let (name, value) = rest.split_once(':')?;
    Some((
        HeaderName::try_from(name).ok()?,
        HeaderValue::from_str(value.trim()).ok()?,
    ))
}
