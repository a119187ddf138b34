//! A MOVE or COPY whose Destination, or whose source, is not looked at as it should be.

use axum::body::Bytes;
use axum::http::header::{HOST, HeaderValue};
use axum::http::request::Parts;
use axum::http::uri::Uri;

use super::super::authorisation::{Operation, Question, covers, permits};
use super::super::namespace::{Act, Change};
use super::super::scope::{Action, Scope};
use super::super::token::Bearer;
use super::path::starts_alike;
use super::{Apply, Fault};
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "destination-prefix-match",
        about: "For a Destination, the path of a capability is compared as a string.",
        clauses: &["JWT-2.2.1-09"],
        cases: &[
            "path.sibling-prefix.destination",
            "path.sibling-prefix.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (placing(asked) && starts_alike(scope, asked)) || covers(scope, asked)
            };
        }),
    },
    Fault {
        name: "destination-path-unchecked",
        about: "A Destination that is a path, and no URI, needs no right.",
        clauses: &["JWT-2.2.1-14"],
        cases: &["path.outside.destination", "path.outside.copy"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |_, parts, bearer| {
                let path = destination(parts).is_some_and(|to| to.starts_with('/'));
                Ok(match path {
                    true => almighty(bearer?),
                    false => bearer?,
                })
            };
        }),
    },
    Fault {
        name: "move-reads-source",
        about: "Who may read a file and create another takes it there by a rename.",
        clauses: &["JWT-2.2.1-21"],
        cases: &["capability.read.no-rename-out"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                let renaming = asked.operation == Operation::RenameFile;
                (action == Action::Read && renaming) || permits(action, asked)
            };
        }),
    },
    Fault {
        name: "move-onto-itself-deletes",
        about: "MOVE of a file onto itself takes it away.",
        clauses: &["DAV-33", "DAV-23"],
        cases: &["webdav.itself.move"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Move { from, to } if from == to => {
                    namespace.apply(&Act::Delete { path: from.clone() }, "")?;
                    Ok(Change::Replaced)
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "copy-onto-itself-empties",
        about: "COPY of a file onto itself empties it.",
        clauses: &["DAV-33", "DAV-23"],
        cases: &["webdav.itself.copy"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Copy { from, to, .. } if from == to => {
                    let (path, content) = (from.clone(), Bytes::new());
                    namespace.apply(&Act::Put { path, content }, &bearer.token_id)
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "destination-port-ignored",
        about: "The port of a Destination is not looked at.",
        clauses: &["DAV-27"],
        cases: &["webdav.move.elsewhere"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let own = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
                if let (Some(own), Some(to)) = (own, destination(parts))
                    && parts.method.as_str() == "MOVE"
                    && let Ok(uri) = to.parse::<Uri>()
                    && uri.host() == own.split(':').next()
                    && let Ok(to) = HeaderValue::try_from(format!("https://{own}{}", uri.path()))
                {
                    parts.headers.insert("destination", to);
                }
            };
        }),
    },
    Fault {
        name: "overwrite-t-needs-no-right",
        about: "MOVE with Overwrite T replaces files with storage.create.",
        clauses: &["JWT-2.2.1-20"],
        cases: &["capability.create.rename-overwrite"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |_, parts, bearer| {
                let overwrites = parts
                    .headers
                    .get("overwrite")
                    .is_some_and(|word| word == "T");
                let moves = parts.method.as_str() == "MOVE" && overwrites;
                let bearer = bearer?;
                Ok(match moves && bearer.has_only(Action::Create) {
                    true => almighty(bearer),
                    false => bearer,
                })
            };
        }),
    },
    Fault {
        name: "copy-overwrites-always",
        about: "COPY within the service does not look at Overwrite.",
        clauses: &["DAV-13"],
        cases: &["webdav.copy.overwrite-f"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let protects = parts
                    .headers
                    .get("overwrite")
                    .is_some_and(|word| word == "F");
                if protects
                    && parts.method.as_str() == "COPY"
                    && !["source", "credential"]
                        .iter()
                        .any(|name| parts.headers.contains_key(*name))
                {
                    parts.headers.remove("overwrite");
                }
            };
        }),
    },
];

fn destination(parts: &Parts) -> Option<&str> {
    parts.headers.get("destination")?.to_str().ok()
}

/// Whether it is asked for the place to which a MOVE or COPY goes.
fn placing(asked: &Question) -> bool {
    matches!(asked.method, Method::Move | Method::Copy)
        && matches!(
            asked.operation,
            Operation::Create | Operation::MakeDirectory | Operation::Overwrite
        )
}

/// The same bearer, who may do everything in the area.
pub(super) fn almighty(bearer: Bearer) -> Bearer {
    Bearer {
        scope: Scope::parse("storage.read:/ storage.modify:/").unwrap_or_default(),
        ..bearer
    }
}
