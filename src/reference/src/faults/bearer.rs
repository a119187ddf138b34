//! Tokens that count where they should not, and refusals that say the wrong thing.

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};

use super::super::answers::{Outcome, Refusal};
use super::super::path::WrittenPath;
use super::super::rules::Memory;
use super::super::scope::{Action, Capability, Scope};
use super::super::token::Bearer;
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "old-http-is-open",
        about: "Requests of HTTP/1.0 need no right, given any token or none.",
        clauses: &["RFC6750-03"],
        cases: &["bearer.none.other-forms"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| match parts.version {
                axum::http::Version::HTTP_10 => Ok(memory.last.clone().unwrap_or_default()),
                _ => {
                    if let Ok(good) = &bearer {
                        memory.last = Some(super::destination::almighty(good.clone()));
                    }
                    bearer
                }
            };
        }),
    },
    Fault {
        name: "absolute-form-is-open",
        about: "A request that names the host in its first line needs no token.",
        clauses: &["RFC6750-03"],
        cases: &["bearer.none.other-forms"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| match parts.uri.authority() {
                Some(_) => Ok(memory.last.clone().unwrap_or_default()),
                None => {
                    if let Ok(good) = &bearer {
                        memory.last = Some(super::destination::almighty(good.clone()));
                    }
                    bearer
                }
            };
        }),
    },
    Fault {
        name: "trace-echoes",
        about: "TRACE is answered with the request, the token among it.",
        clauses: &["RFC6750-14"],
        cases: &["bearer.method.trace"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, response| {
                if asked.method != axum::http::Method::TRACE {
                    return response;
                }
                let bearer = authorization(asked).unwrap_or_default();
                Response::new(Body::from(format!(
                    "TRACE {} HTTP/1.1\r\nAuthorization: {bearer}\r\n\r\n",
                    asked.uri
                )))
            };
        }),
    },
    Fault {
        name: "lock-makes-files",
        about: "LOCK of what is not there makes a file with any token.",
        clauses: &["JWT-2.2.1-02"],
        cases: &["bearer.method.lock"],
        apply: Apply::Element(|rules| {
            rules.method = |name| match name {
                "LOCK" => Some(touchstone_model::Method::Put),
                _ => super::super::authorisation::method(name),
            };
            rules.authenticate = |_, parts, bearer| {
                let bearer = bearer?;
                Ok(match parts.method.as_str() {
                    "LOCK" => super::destination::almighty(bearer),
                    _ => bearer,
                })
            };
        }),
    },
    Fault {
        name: "writing-forbidden",
        about: "Uploads of new files are answered with 403, although they are allowed, to tokens that cannot read.",
        clauses: &["RFC6750-01"],
        cases: &[
            "bearer.header",
            "bearer.header.lower-case",
            "connection.stronger-token",
            "digest.adler32.leading-zeros",
            "digest.adler32.replaced",
            "digest.create",
            "digest.upload.right",
            "webdav.put.chunked",
            "webdav.put.cut",
            "webdav.put.empty",
            "webdav.put.if-none-match",
            "webdav.put.no-parent",
            "webdav.put.statuses",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match told.bearer {
                Some(bearer)
                    if told.method == touchstone_model::Method::Put
                        && !bearer.has(Action::Read) =>
                {
                    Refusal::InsufficientScope.into()
                }
                _ => outcome,
            }
        }),
    },
    Fault {
        name: "scheme-case-sensitive",
        about: "Only `Bearer` is a scheme, and no other spelling of it.",
        clauses: &["RFC6750-02"],
        cases: &["bearer.scheme.lower-case"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                if authorization(parts).is_some_and(|value| !value.starts_with("Bearer")) {
                    parts.headers.remove(header::AUTHORIZATION);
                }
            }
        }),
    },
    Fault {
        name: "two-spaces-refused",
        about: "With more than one space before it, a token is none.",
        clauses: &["RFC6750-24"],
        cases: &["form.white-space"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                if authorization(parts).is_some_and(|value| value.contains("  ")) {
                    parts.headers.remove(header::AUTHORIZATION);
                }
            }
        }),
    },
    Fault {
        name: "scheme-not-looked-at",
        about: "The last word of the Authorization header is the token, whatever stands before it.",
        clauses: &["RFC6750-02"],
        cases: &[
            "bearer.scheme.other",
            "bearer.scheme.bare",
            "bearer.malformed.empty",
            "bearer.two-headers.comma",
        ],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let value = authorization(parts).unwrap_or_default();
                if let Some(last) = value.split(' ').next_back().filter(|last| !last.is_empty()) {
                    bear(parts, last);
                }
            }
        }),
    },
    Fault {
        name: "visitors-look",
        about: "Without a token everything can be read and looked at.",
        clauses: &["RFC6750-03", "RFC6750-04", "RFC6750-15"],
        cases: &[
            "bearer.none.get",
            "tape.error.denied",
            "tape.token.absent",
            "tpc.push.no-token",
            "bearer.oracle.looking",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, _, bearer| visitor(memory, bearer, Action::Read)
        }),
    },
    Fault {
        name: "visitors-write",
        about: "Without a token everything can be written.",
        clauses: &["RFC6750-03", "RFC6750-19"],
        cases: &[
            "bearer.none.put",
            "bearer.none.overwrite",
            "bearer.none.delete",
            "bearer.none.mkcol",
            "bearer.none.move",
            "bearer.expect-continue",
            "bearer.challenge.read",
            "bearer.challenge.write",
            "bearer.elsewhere.cookie",
            "bearer.elsewhere.proxy",
            "bearer.elsewhere.transfer",
            "bearer.none.propfind",
            "tape.error.denied",
            "tape.token.absent",
            "tpc.pull.no-token",
            "bearer.oracle.looking",
            "connection.no-token.after-writing",
            "connection.refused-body",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, _, bearer| visitor(memory, bearer, Action::Modify)
        }),
    },
    Fault {
        name: "challenge-missing",
        about: "401 comes without a challenge, to those who look.",
        clauses: &["RFC6750-03"],
        cases: &[
            "bearer.challenge.read",
            "bearer.challenge.expired",
            "bearer.challenge.invalid-token",
        ],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if !writes(asked) {
                    response.headers_mut().remove(header::WWW_AUTHENTICATE);
                }
                response
            }
        }),
    },
    Fault {
        name: "challenge-basic",
        about: "401 asks for a password.",
        clauses: &["RFC6750-04", "RFC6750-05"],
        cases: &[
            "bearer.challenge.read",
            "bearer.challenge.write",
            "bearer.challenge.invalid-token",
            "bearer.challenge.expired",
        ],
        apply: Apply::Element(|rules| {
            rules.on_response = |_, response| challenged(response, "Basic realm=\"Bearer\"")
        }),
    },
    Fault {
        name: "challenge-blames-no-token",
        about: "401 without a token blames the token, for writes.",
        clauses: &["RFC6750-22"],
        cases: &["bearer.challenge.write"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, response| {
                if writes(asked) {
                    challenged(
                        response,
                        "Bearer realm=\"storage\", error=\"invalid_token\"",
                    )
                } else {
                    response
                }
            }
        }),
    },
    Fault {
        name: "invalid-token-unnamed",
        about: "401 does not tell that the token is no good.",
        clauses: &["RFC6750-05"],
        cases: &["bearer.challenge.invalid-token", "bearer.challenge.expired"],
        apply: Apply::Element(|rules| {
            rules.on_response = |_, response| challenged(response, "Bearer realm=\"storage\"")
        }),
    },
    Fault {
        name: "denied-is-unauthenticated",
        about: "Uploads without the right are answered with 401.",
        clauses: &["RFC6750-06"],
        cases: &["bearer.insufficient-scope"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match outcome {
                Outcome::Refused(Refusal::InsufficientScope)
                    if told.method == touchstone_model::Method::Put =>
                {
                    Refusal::InvalidToken("it lacks a right").into()
                }
                other => other,
            }
        }),
    },
    Fault {
        name: "empty-token-is-somebody",
        about: "An empty bearer token may read.",
        clauses: &["RFC6750-07"],
        cases: &["bearer.malformed.empty"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| match authorization(parts).as_deref() {
                Some("Bearer" | "Bearer ") => visitor(memory, Err(Refusal::NoToken), Action::Read),
                _ if bearer.is_err() => bearer,
                _ => visitor(memory, bearer, Action::Read),
            }
        }),
    },
    Fault {
        name: "first-word-is-token",
        about: "What follows the token in the Authorization header is not looked at.",
        clauses: &["RFC6750-07", "RFC6750-10"],
        cases: &["bearer.two-headers.comma", "bearer.scheme.other"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let value = authorization(parts).unwrap_or_default();
                if let Some(token) = value
                    .split([' ', ','])
                    .nth(1)
                    .filter(|token| !token.is_empty())
                {
                    bear(parts, token);
                }
            }
        }),
    },
    Fault {
        name: "other-scheme-is-error",
        about: "Schemes other than Bearer are answered with 500.",
        clauses: &["RFC6750-18"],
        cases: &["bearer.malformed.no-error"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if authorization(asked).is_some_and(|value| value.starts_with("Negotiate")) {
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                response
            }
        }),
    },
    Fault {
        name: "missing-shows-outside",
        about: "What is missing is told to be missing, also outside of the path.",
        clauses: &["RFC6750-08"],
        cases: &["bearer.oracle.get"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match outcome {
                Outcome::Refused(Refusal::InsufficientScope)
                    if told.before.is_none() && !told.method.writes() =>
                {
                    Outcome::missing()
                }
                other => other,
            }
        }),
    },
    Fault {
        name: "denied-get-tells-more",
        about: "GET that is refused tells whether there is a file, in words only.",
        clauses: &["RFC6750-08"],
        cases: &["bearer.oracle.get"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match outcome {
                Outcome::Refused(Refusal::InsufficientScope)
                    if told.before.is_some() && told.method == touchstone_model::Method::Get =>
                {
                    Outcome::text(StatusCode::FORBIDDEN, "this file is not for you\n")
                }
                other => other,
            }
        }),
    },
    Fault {
        name: "query-beside-header-ignored",
        about: "A token in the query is not looked at when there is one in the header.",
        clauses: &["RFC6750-09"],
        cases: &["bearer.two-ways.access-token", "bearer.two-ways.authz"],
        apply: Apply::Element(|rules| rules.on_request = without_query),
    },
    Fault {
        name: "query-wins",
        about: "`authz` in the query takes the place of the header.",
        clauses: &["RFC6750-09"],
        cases: &["bearer.two-ways.authz"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                if let Some(token) = query(parts, "authz") {
                    bear(parts, &token);
                    without_query(parts);
                }
            }
        }),
    },
    Fault {
        name: "last-authorization-counts",
        about: "Of two Authorization headers the last one counts.",
        clauses: &["RFC6750-10"],
        cases: &["bearer.two-headers"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let values = parts.headers.get_all(header::AUTHORIZATION);
                if let Some(last) = values.iter().next_back().cloned() {
                    parts.headers.insert(header::AUTHORIZATION, last);
                }
            }
        }),
    },
    Fault {
        name: "query-token-is-error",
        about: "A token in the query is answered with 500.",
        clauses: &["RFC6750-11", "RFC6750-18"],
        cases: &["bearer.query"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked
                    .uri
                    .query()
                    .is_some_and(|query| query.contains("Bearer"))
                {
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                response
            }
        }),
    },
    Fault {
        name: "query-token-unverified",
        about: "Any token in the query reads.",
        clauses: &["JWT-2.1.1-13", "RFC6750-11"],
        cases: &[
            "bearer.query.wrong-access-token",
            "bearer.query.wrong-authz",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |memory, parts, bearer| {
                let there = query(parts, "access_token").or_else(|| query(parts, "authz"));
                match there.is_none() && bearer.is_err() {
                    true => bearer,
                    false => visitor(memory, bearer, Action::Read),
                }
            }
        }),
    },
    Fault {
        name: "cookie-counts",
        about: "A token in a cookie counts.",
        clauses: &["RFC6750-12"],
        cases: &["bearer.elsewhere.cookie"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let cookies = text(parts, "cookie").unwrap_or_default();
                let token = cookies
                    .split("; ")
                    .find_map(|cookie| cookie.strip_prefix("authz="));
                if let Some(token) = token {
                    bear(parts, token);
                }
            }
        }),
    },
    Fault {
        name: "other-headers-count",
        about: "Tokens in headers of other services count.",
        clauses: &["RFC6750-12"],
        cases: &[
            "bearer.elsewhere.proxy",
            "bearer.elsewhere.transfer",
            "tpc.pull",
            "tpc.push",
            "tpc.pair.pull",
            "tpc.pair.push",
            "tpc.fts.success",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.both-ways",
            "tpc.overwrite.false",
            "tpc.overwrite.true",
            "tpc.overwrite.odd",
            "tpc.malformed.checksum",
            "tpc.malformed.streams",
            "tpc.malformed.credential",
            "tpc.forward.pull",
            "tpc.forward.push",
            "tpc.framing.pull",
            "tpc.framing.push",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.credential.none",
            "tpc.credential.absent",
            "tpc.streams",
            "tpc.fts.pull",
            "tpc.fts.push",
            "tpc.redirect.pull",
            "tpc.redirect.push",
            "tpc.query.pull",
            "tpc.query.push",
            "tpc.empty",
            "tpc.chunked",
            "tpc.overwrite.longer",
        ],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let token = [
                    "x-auth-token",
                    "x-access-token",
                    "proxy-authorization",
                    "transferheaderauthorization",
                ]
                .into_iter()
                .find_map(|name| text(parts, name));
                if let Some(token) = token {
                    bear(parts, token.trim_start_matches("Bearer "));
                }
            }
        }),
    },
    Fault {
        name: "token-echoed",
        about: "404 repeats the payload of the token in a header.",
        clauses: &["RFC6750-14"],
        cases: &["bearer.echo"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                let value = authorization(asked).unwrap_or_default();
                let payload = value.split('.').nth(1).unwrap_or_default();
                if response.status() == StatusCode::NOT_FOUND
                    && let Ok(payload) = HeaderValue::from_str(payload)
                {
                    response.headers_mut().insert("x-bearer", payload);
                }
                response
            }
        }),
    },
    Fault {
        name: "address-echoed",
        about: "Refusals without a token repeat the address with its query in their body.",
        clauses: &["RFC6750-21"],
        cases: &["bearer.echo", "tape.error.denied"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if response.status() == StatusCode::UNAUTHORIZED {
                    *response.body_mut() = asked.uri.to_string().into();
                }
                response
            }
        }),
    },
    Fault {
        name: "method-override-unchecked",
        about: "A header that names another method has it carried out with the right for reading.",
        clauses: &["RFC6750-17"],
        cases: &["bearer.method.x-http-method-override"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let named = [
                    "x-http-method-override",
                    "x-http-method",
                    "x-method-override",
                ]
                .into_iter()
                .find_map(|name| text(parts, name));
                overridden(parts, named);
            };
            rules.authenticate = |_, parts, bearer| as_writer(parts, bearer);
        }),
    },
    Fault {
        name: "method-in-query-unchecked",
        about: "A method in the query is carried out with the right for reading.",
        clauses: &["RFC6750-17"],
        cases: &["bearer.method.query"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let named = query(parts, "_method");
                overridden(parts, named);
            };
            rules.authenticate = |_, parts, bearer| as_writer(parts, bearer);
        }),
    },
    Fault {
        name: "lower-case-method-unchecked",
        about: "Methods in lower case are carried out with the right for reading.",
        clauses: &["RFC6750-17"],
        cases: &["bearer.method.lower-case"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let small = parts
                    .method
                    .as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase());
                let named = small.then(|| parts.method.as_str().to_ascii_uppercase());
                overridden(parts, named);
            };
            rules.authenticate = |_, parts, bearer| as_writer(parts, bearer);
        }),
    },
    Fault {
        name: "unknown-method-is-put",
        about: "A method that is not known is an upload, with the right for reading.",
        clauses: &["RFC6750-17", "DAV-21"],
        cases: &["webdav.unknown-method", "capability.read.no-patch"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let unknown = ["FOO", "PATCH"].contains(&parts.method.as_str());
                overridden(parts, unknown.then(|| "PUT".to_owned()));
            };
            rules.authenticate = |_, parts, bearer| as_writer(parts, bearer);
        }),
    },
    Fault {
        name: "body-before-refusal",
        about: "Uploads are read before they are refused.",
        clauses: &["RFC6750-19"],
        cases: &["bearer.expect-continue"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                parts.headers.remove(header::EXPECT);
            }
        }),
    },
];

/// Marks a request whose method is another one than on the wire.
#[derive(Clone)]
struct Overridden;

fn overridden(parts: &mut Parts, named: Option<String>) {
    if let Some(method) = named.and_then(|named| Method::from_bytes(named.as_bytes()).ok()) {
        parts.method = method;
        parts.extensions.insert(Overridden);
    }
}

/// Whoever may read may write, where the method is not the one on the wire.
fn as_writer(parts: &Parts, bearer: Result<Bearer, Refusal>) -> Result<Bearer, Refusal> {
    let mut bearer = bearer?;
    if parts.extensions.get::<Overridden>().is_some() {
        for capability in &mut bearer.scope.capabilities {
            if capability.action == Action::Read {
                capability.action = Action::Modify;
            }
        }
    }
    Ok(bearer)
}

/// Who has no token is somebody with that capability for everything, in the area of whoever came before.
fn visitor(
    memory: &mut Memory,
    bearer: Result<Bearer, Refusal>,
    action: Action,
) -> Result<Bearer, Refusal> {
    match (bearer, &memory.last) {
        (Err(Refusal::NoToken), Some(last)) => Ok(Bearer {
            scope: Scope {
                capabilities: vec![Capability {
                    action,
                    path: WrittenPath::default(),
                }],
                elsewhere: false,
            },
            ..last.clone()
        }),
        (Ok(bearer), _) => {
            // The first one is the observer's; later ones may be for another service, or of another area.
            memory.last.get_or_insert_with(|| bearer.clone());
            Ok(bearer)
        }
        (refused, _) => refused,
    }
}

fn writes(asked: &Parts) -> bool {
    !["GET", "HEAD", "PROPFIND", "OPTIONS"].contains(&asked.method.as_str())
}

fn challenged(mut response: Response<Body>, challenge: &'static str) -> Response<Body> {
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(challenge);
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

pub(super) fn text(parts: &Parts, name: &str) -> Option<String> {
    let value = parts.headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// The only Authorization header.
pub(super) fn authorization(parts: &Parts) -> Option<String> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?.to_owned();
    values.next().is_none().then_some(value)
}

fn query(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}

pub(super) fn bear(parts: &mut Parts, token: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
        parts.headers.insert(header::AUTHORIZATION, value);
    }
}

fn without_query(parts: &mut Parts) {
    let bare = parts.uri.path().parse();
    if parts.headers.contains_key(header::AUTHORIZATION)
        && let Ok(bare) = bare
    {
        parts.uri = bare;
    }
}
