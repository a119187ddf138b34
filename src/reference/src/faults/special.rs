//! What storage.create does to objects that are there, where these are empty, or what is sent is.

use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::{Operation, permits, uploading};
use super::super::namespace::{Act, Namespace, Obstacle};
use super::super::path::ObjectPath;
use super::super::scope::Action;
use super::super::token::Bearer;
use super::{Apply, Fault};
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "create-replaces-empty",
        about: "storage.create replaces files that are empty.",
        clauses: &["JWT-2.2.1-04"],
        cases: &["capability.create.no-overwrite-empty"],
        apply: Apply::Element(|rules| {
            rules.uploading = |node, _| match node.and_then(|node| node.size()) {
                Some(0) => Operation::Create,
                _ => uploading(node),
            };
        }),
    },
    Fault {
        name: "create-empties",
        about: "storage.create empties files by uploads of length 0.",
        clauses: &["JWT-2.2.1-04"],
        cases: &["capability.create.no-overwrite-empty"],
        apply: Apply::Element(|rules| {
            rules.uploading = |node, headers| {
                let length = headers.get(CONTENT_LENGTH);
                let nothing = length.is_none_or(|length| length == "0");
                match nothing && !headers.contains_key(TRANSFER_ENCODING) {
                    true => Operation::Create,
                    false => uploading(node),
                }
            };
        }),
    },
    Fault {
        name: "create-replaces-what-matches",
        about: "storage.create replaces files where an If-Match is true.",
        clauses: &["JWT-2.2.1-04"],
        cases: &["capability.create.no-overwrite-matching"],
        apply: Apply::Element(|rules| {
            rules.uploading = |node, headers| match headers.contains_key("if-match") {
                true => Operation::Create,
                false => uploading(node),
            };
        }),
    },
    Fault {
        name: "create-deletes-empty",
        about: "storage.create deletes files that are empty.",
        clauses: &["JWT-2.2.1-05"],
        cases: &["capability.create.no-delete-special"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                let deletes = asked.operation == Operation::Delete && !asked.directory;
                (action == Action::Create && deletes) || permits(action, asked)
            };
            rules.act = |namespace, act, bearer| {
                let empty = |namespace: &Namespace, path: &ObjectPath| {
                    namespace
                        .get(path)
                        .is_some_and(|node| node.size() == Some(0))
                };
                match act {
                    Act::Delete { path } if creates(bearer) && !empty(namespace, path) => {
                        Err(Obstacle::NotEmpty)
                    }
                    _ => namespace.apply(act, &bearer.token_id),
                }
            };
            rules.on_outcome = |told, outcome| denied_where_full(told.method, told.bearer, outcome);
        }),
    },
    Fault {
        name: "create-removes-empty-directories",
        about: "storage.create removes directories that are empty.",
        clauses: &["JWT-2.2.1-05"],
        cases: &["capability.create.no-delete-special"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                let deletes = asked.operation == Operation::Delete && asked.directory;
                (action == Action::Create && deletes) || permits(action, asked)
            };
            rules.act = |namespace, act, bearer| match act {
                Act::Delete { path } if creates(bearer) && namespace.has_full_directory(path) => {
                    Err(Obstacle::NotEmpty)
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
            rules.on_outcome = |told, outcome| denied_where_full(told.method, told.bearer, outcome);
        }),
    },
];

/// A DELETE that came to nothing because something was not empty is one that was not allowed, to who may not modify.
fn denied_where_full(method: Method, bearer: Option<&Bearer>, outcome: Outcome) -> Outcome {
    let creates = bearer.is_some_and(creates);
    let full = outcome.status() == axum::http::StatusCode::CONFLICT;
    match method == Method::Delete && full && creates {
        true => Refusal::InsufficientScope.into(),
        false => outcome,
    }
}

/// Whether it may create, and not modify.
fn creates(bearer: &Bearer) -> bool {
    bearer.has(Action::Create) && !bearer.has(Action::Modify)
}
