//! Copies inside the service that need too little, or do something else.

use axum::body::Bytes;

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::{Operation, Question, allows, covers, permits};
use super::super::namespace::{Act, Change};
use super::super::scope::Action;
use super::{Apply, Fault};
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "copy-ignores-source-right",
        about: "COPY needs no right to read its source.",
        clauses: &["JWT-2.2.1-18", "DAV-22"],
        cases: &[
            "webdav.copy.needs-read",
            "tpc.push.no-create",
            "tpc.push.no-modify",
            "tpc.push.no-stage",
            "tpc.push.outside",
            "tpc.echo",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                copying(asked, Operation::Read) || allows(rules, bearer, groups, asked)
            };
        }),
    },
    Fault {
        name: "copy-ignores-target-right",
        about: "COPY needs no right to its target.",
        clauses: &["JWT-2.2.1-02", "JWT-2.2.1-04", "DAV-22"],
        cases: &[
            "webdav.copy.needs-write",
            "webdav.copy.replaces-nothing",
            "tpc.pull.no-read",
            "tpc.pull.no-stage",
            "tpc.pull.outside",
            "tpc.pull.sibling",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
            "path.sibling-prefix.copy",
            "path.outside.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                copying(asked, Operation::Create)
                    || copying(asked, Operation::Overwrite)
                    || allows(rules, bearer, groups, asked)
            };
        }),
    },
    Fault {
        name: "copy-reads-with-create",
        about: "COPY may read where the token may create.",
        clauses: &["JWT-2.2.1-18", "DAV-22"],
        cases: &["webdav.copy.needs-read", "tpc.push.no-create", "tpc.echo"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create && copying(asked, Operation::Read))
                    || permits(action, asked)
            };
        }),
    },
    Fault {
        name: "copy-creates-with-read",
        about: "COPY may create where the token may read.",
        clauses: &["JWT-2.2.1-02", "DAV-22"],
        cases: &[
            "webdav.copy.needs-write",
            "tpc.pull.no-read",
            "path.outside.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Read && copying(asked, Operation::Create))
                    || permits(action, asked)
            };
        }),
    },
    Fault {
        name: "copy-overwrites-with-create",
        about: "COPY replaces files with storage.create.",
        clauses: &["JWT-2.2.1-04", "DAV-22"],
        cases: &[
            "webdav.copy.replaces-nothing",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create && copying(asked, Operation::Overwrite))
                    || permits(action, asked)
            };
        }),
    },
    Fault {
        name: "copy-reads-anywhere",
        about: "The path of storage.read is not looked at for the source of a COPY.",
        clauses: &["JWT-2.2.1-14", "DAV-22"],
        cases: &["webdav.copy.needs-read", "tpc.push.outside"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| copying(asked, Operation::Read) || covers(scope, asked);
        }),
    },
    Fault {
        name: "copy-writes-anywhere",
        about: "The path of storage.create is not looked at for the target of a COPY.",
        clauses: &["JWT-2.2.1-14", "DAV-22"],
        cases: &[
            "webdav.copy.needs-write",
            "tpc.pull.outside",
            "tpc.pull.sibling",
            "path.sibling-prefix.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| copying(asked, Operation::Create) || covers(scope, asked);
        }),
    },
    Fault {
        name: "copy-denied-copies",
        about: "COPY onto a file with storage.create is refused, and done all the same.",
        clauses: &["JWT-2.2.1-04", "DAV-22"],
        cases: &[
            "webdav.copy.replaces-nothing",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create && copying(asked, Operation::Overwrite))
                    || permits(action, asked)
            };
            rules.on_outcome = |told, outcome| {
                let replaces = matches!(outcome, Outcome::Done) && told.method == Method::Copy;
                let may = told.bearer.is_some_and(|bearer| bearer.has(Action::Modify));
                match replaces && !may {
                    true => Refusal::InsufficientScope.into(),
                    false => outcome,
                }
            };
        }),
    },
    Fault {
        name: "copy-truncates",
        about: "COPY carries all but the last byte along, with storage.create.",
        clauses: &["DAV-22"],
        cases: &["webdav.copy.statuses"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Copy { from, to, .. } if !bearer.has(Action::Modify) => {
                    let node = namespace.get(from);
                    let mut content = node
                        .and_then(|node| node.content.clone())
                        .unwrap_or_default();
                    content.truncate(content.len().saturating_sub(1));
                    let path = to.clone();
                    namespace.apply(&Act::Put { path, content }, &bearer.token_id)
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "copy-onto-keeps",
        about: "COPY over a file is answered with 204, and the old one stays.",
        clauses: &["DAV-22"],
        cases: &[
            "webdav.copy.statuses",
            "webdav.copy.overwrite-default",
            "webdav.copy.overwrite-odd",
            "webdav.itself.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Copy { to, .. } if namespace.get(to).is_some() => Ok(Change::Replaced),
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "copy-empties-source",
        about: "COPY over a file empties its source.",
        clauses: &["DAV-22"],
        cases: &[
            "webdav.copy.statuses",
            "webdav.copy.overwrite-default",
            "webdav.copy.overwrite-odd",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                let done = namespace.apply(act, &bearer.token_id);
                if let (Act::Copy { from, .. }, Ok(Change::Replaced)) = (act, &done) {
                    let (path, content) = (from.clone(), Bytes::new());
                    namespace.apply(&Act::Put { path, content }, &bearer.token_id)?;
                }
                done
            };
        }),
    },
    Fault {
        name: "copy-onto-says-created",
        about: "COPY over a file is answered with 201.",
        clauses: &["DAV-22"],
        cases: &["webdav.copy.statuses"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match outcome {
                Outcome::Done if told.method == Method::Copy => Outcome::Created,
                _ => outcome,
            };
        }),
    },
];

/// Whether a COPY asks for that.
fn copying(asked: &Question, operation: Operation) -> bool {
    asked.method == Method::Copy && asked.operation == operation
}
