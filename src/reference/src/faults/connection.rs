//! Requests that are judged by what came before them.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, EXPECT, HOST, HeaderValue, LOCATION,
};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};

use super::super::answers::Refusal;
use super::super::pool::redeem;
use super::super::rules::Memory;
use super::super::scope::Action;
use super::super::server::Connection;
use super::super::token::{Bearer, EXPIRED};
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "redirects-directories-to-plain-http",
        about: "GET of a directory is redirected to its name with a slash, over plain HTTP.",
        clauses: &["RFC6750-13"],
        cases: &["connection.redirect.reading"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, response| {
                let directory = response.status() == StatusCode::METHOD_NOT_ALLOWED;
                match asked.method == Method::GET && directory {
                    true => plainly(asked, response, "/"),
                    false => response,
                }
            }
        }),
    },
    Fault {
        name: "redirects-uploads-to-plain-http",
        about: "Uploads that wait for a word are sent on to plain HTTP.",
        clauses: &["RFC6750-13"],
        cases: &["connection.redirect.upload"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, response| {
                let waits = asked.method == Method::PUT && asked.headers.contains_key(EXPECT);
                match waits && response.status().is_success() {
                    true => plainly(asked, response, ""),
                    false => response,
                }
            }
        }),
    },
    Fault {
        name: "redirected-place-is-open",
        about: "Who comes to the pool without a ticket is taken for the last one who had a good one.",
        clauses: &["RFC6750-16"],
        cases: &["connection.redirect.target"],
        apply: Apply::Element(|rules| {
            rules.redeems = |memory, path, ticket| match ticket {
                None => memory.last.clone(),
                Some(_) => {
                    memory.last = redeem(memory, path, ticket);
                    memory.last.clone()
                }
            }
        }),
    },
    Fault {
        name: "connection-stands-in",
        about: "A request without a good token is judged by the first one of its connection.",
        clauses: &["RFC6750-15"],
        cases: &[
            "connection.no-token",
            "connection.garbage-token",
            "authentication.expired.used",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| {
                // The runner's own requests say what they accept, and share connections by chance.
                if parts.headers.contains_key(ACCEPT) {
                    return bearer;
                }
                match first(memory, parts, &bearer) {
                    Some(first) if bearer.is_err() => Ok(first),
                    _ => bearer,
                }
            }
        }),
    },
    Fault {
        name: "connection-lends-after-upload",
        about: "A request without a token that follows on an upload has the rights of that.",
        clauses: &["RFC6750-15"],
        cases: &["connection.no-token.after-writing"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| {
                let Some(connection) =
                    connection(parts).filter(|_| !parts.headers.contains_key(ACCEPT))
                else {
                    return bearer;
                };
                let lent = memory.tokens.remove(&connection.to_string());
                if let (Ok(good), true) = (&bearer, parts.method == Method::PUT) {
                    memory.tokens.insert(connection.to_string(), good.clone());
                }
                match (&bearer, lent) {
                    (Err(Refusal::NoToken), Some(lent)) => Ok(lent),
                    _ => bearer,
                }
            }
        }),
    },
    Fault {
        name: "connection-out-of-step",
        about: "What follows on an upload that was refused is taken for another request, of nobody.",
        clauses: &["DAV-34"],
        cases: &[
            "connection.refused-body",
            "connection.no-token.after-writing",
            "webdav.refused.put",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| {
                let Some(connection) =
                    connection(parts).filter(|_| !parts.headers.contains_key(ACCEPT))
                else {
                    return bearer;
                };
                let key = connection.to_string();
                if memory.tokens.remove(&key).is_some() {
                    return Err(Refusal::NoToken);
                }
                let writes =
                    |bearer: &Bearer| bearer.has(Action::Modify) || bearer.has(Action::Create);
                if parts.method == Method::PUT && !bearer.as_ref().is_ok_and(writes) {
                    memory.tokens.insert(key, Bearer::default());
                }
                bearer
            }
        }),
    },
    Fault {
        name: "answers-are-public",
        about: "Answers to GET and HEAD may be kept by shared caches.",
        clauses: &["RFC6750-23"],
        cases: &["connection.shared-cache"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                let reads = matches!(asked.method, Method::GET | Method::HEAD);
                if reads && response.status().is_success() {
                    let public = HeaderValue::from_static("public, max-age=3600");
                    response.headers_mut().insert(CACHE_CONTROL, public);
                }
                response
            }
        }),
    },
    Fault {
        name: "connection-keeps-bearer",
        about: "A connection belongs to its first bearer, whatever tokens come later, unless that one may do everything.",
        clauses: &["RFC6750-15", "JWT-2.2.1-49"],
        cases: &["connection.weaker-token", "connection.stronger-token"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| {
                // The runner's own requests say what they accept, and share connections by chance.
                if parts.headers.contains_key(ACCEPT) {
                    return bearer;
                }
                match first(memory, parts, &bearer) {
                    Some(first) if bearer.is_ok() && partial(&first) => Ok(first),
                    _ => bearer,
                }
            }
        }),
    },
    Fault {
        name: "connection-keeps-refusal",
        about: "A connection that began without a token, of a client that says nothing of what it accepts, stays without one.",
        clauses: &["RFC6750-15"],
        cases: &["connection.refused-first", "connection.refused-body"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| {
                // The runner's own requests say what they accept.
                let plain = parts.headers.contains_key(ACCEPT);
                let Some(connection) = connection(parts).filter(|_| !plain) else {
                    return bearer;
                };
                let known = memory.first_over(connection).is_some();
                if matches!(bearer, Err(Refusal::NoToken)) && !known {
                    memory.begun(connection, Bearer::default());
                }
                match &bearer {
                    Ok(bearer) if partial(bearer) && known => Err(Refusal::NoToken),
                    _ => bearer,
                }
            }
        }),
    },
    Fault {
        name: "connection-outlives-token",
        about: "A token that was good at the start of a connection is so until its end.",
        clauses: &["JWT-4.3.1-02"],
        cases: &["connection.expired", "authentication.expired.used"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| {
                let sent = parts.headers.get(AUTHORIZATION);
                remembered(memory, format!("{:?} {sent:?}", connection(parts)), bearer)
            }
        }),
    },
    Fault {
        name: "token-cached-beyond-its-end",
        about: "A token that was good once is so for ever.",
        clauses: &["JWT-4.3.1-02", "JWT-2.1.1-07"],
        cases: &[
            "connection.expired",
            "connection.expired.elsewhere",
            "authentication.expired.used",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| {
                let sent = format!("{:?}", parts.headers.get(AUTHORIZATION));
                remembered(memory, sent, bearer)
            }
        }),
    },
    Fault {
        name: "rights-cached-by-token-id",
        about: "The rights of a token are those of the first token with its jti.",
        clauses: &["JWT-2.2.1-49"],
        cases: &[
            "connection.token-id.weaker",
            "macaroon.holder.activity",
            "macaroon.holder.path",
            "macaroon.holder.no-activity",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, _, bearer| {
                let bearer = bearer?;
                let cached = memory.tokens.entry(bearer.token_id.clone());
                Ok(cached.or_insert(bearer).clone())
            }
        }),
    },
];

/// What was known of a token when it was good, if only its end has come since.
fn remembered(
    memory: &mut Memory,
    seen: String,
    bearer: Result<Bearer, Refusal>,
) -> Result<Bearer, Refusal> {
    match (&bearer, memory.tokens.get(&seen)) {
        (Ok(good), _) => {
            memory.tokens.insert(seen, good.clone());
        }
        (Err(Refusal::InvalidToken(EXPIRED)), Some(known)) => return Ok(known.clone()),
        _ => {}
    }
    bearer
}

/// The number of the connection over which the request came.
fn connection(parts: &Parts) -> Option<u64> {
    let info = parts.extensions.get::<ConnectInfo<Connection>>();
    info.map(|ConnectInfo(connection)| connection.number)
}

/// The first good bearer of the connection, which may be this one.
fn first(memory: &mut Memory, parts: &Parts, now: &Result<Bearer, Refusal>) -> Option<Bearer> {
    let connection = connection(parts)?;
    if let (None, Ok(bearer)) = (memory.first_over(connection), now) {
        memory.begun(connection, bearer.clone());
    }
    memory.first_over(connection).cloned()
}

/// Whether it may not both read and modify, as the observer may.
fn partial(bearer: &Bearer) -> bool {
    !(bearer.has(Action::Read) && bearer.has(Action::Modify))
}

/// A redirect to the same name over plain HTTP.
fn plainly(asked: &Parts, mut response: Response<Body>, slash: &str) -> Response<Body> {
    let host = asked.headers.get(HOST).and_then(|host| host.to_str().ok());
    let to = format!(
        "http://{}{}{slash}",
        host.unwrap_or_default(),
        asked.uri.path()
    );
    if let Ok(to) = HeaderValue::try_from(to) {
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(LOCATION, to);
    }
    response
}
