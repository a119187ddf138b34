//! Requests that come to nothing, and of which something is left or lost all the same, or that tell more than they should.

use axum::body::Bytes;
use axum::http::StatusCode;

use super::super::namespace::{Act, Namespace};
use super::super::path::ObjectPath;
use super::super::rules::Failed;
use super::super::scope::Action;
use super::{Apply, Fault};
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "move-denied-takes-target",
        about: "MOVE takes away what is at its Destination, and is refused then for its source.",
        clauses: &["DAV-30"],
        cases: &["webdav.refused.move", "path.sibling-prefix.destination"],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let denied = failed.method == Method::Move && failed.denied();
                if denied && !failed.protects && failed.bearer.has(Action::Modify) {
                    take_target(namespace, failed);
                }
                None
            };
        }),
    },
    Fault {
        name: "copy-denied-takes-target",
        about: "COPY takes away what is at its Destination, and is refused then for its source.",
        clauses: &["DAV-30"],
        cases: &["webdav.refused.copy"],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let denied = failed.method == Method::Copy && failed.denied();
                if denied && !failed.protects && failed.bearer.has(Action::Modify) {
                    take_target(namespace, failed);
                }
                None
            };
        }),
    },
    Fault {
        name: "source-missing-takes-target",
        about: "MOVE and COPY take away what is at the Destination before they look for their source.",
        clauses: &["DAV-30"],
        cases: &["webdav.missing.onto", "webdav.missing.copy-onto"],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let missing = failed.status == StatusCode::NOT_FOUND;
                let copies = matches!(failed.method, Method::Move | Method::Copy);
                if missing && copies && !failed.protects {
                    take_target(namespace, failed);
                }
                None
            };
        }),
    },
    Fault {
        name: "denied-makes-directories",
        about: "Whatever is refused has made the directories that lead to its path.",
        clauses: &["DAV-30"],
        cases: &["webdav.refused.parents", "bearer.oracle.writing"],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let makes = matches!(failed.method, Method::Put | Method::Mkcol);
                if let Some(above) = failed.path.parent().filter(|_| makes && failed.denied()) {
                    namespace.make_directories(&above);
                }
                None
            };
        }),
    },
    Fault {
        name: "delete-denied-takes-members",
        about: "DELETE of a directory takes away what it may of it, and is refused then.",
        clauses: &["DAV-30"],
        cases: &["webdav.refused.tree"],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                if failed.method == Method::Delete && failed.denied() {
                    let tree = namespace.tree(failed.path).map(|(path, _)| path.clone());
                    let members = tree.skip(1).filter(|path| names_it(failed, path));
                    for path in members.collect::<Vec<_>>() {
                        remove(namespace, &path);
                    }
                }
                None
            };
        }),
    },
    Fault {
        name: "upload-denied-empties",
        about: "An upload that would replace a file empties it, and is refused then to who may only read.",
        clauses: &["DAV-30"],
        cases: &[
            "capability.read.no-overwrite",
            "webdav.refused.put",
            "bearer.none.other-forms",
        ],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let file = namespace
                    .get(failed.path)
                    .is_some_and(|node| !node.is_directory());
                if failed.method == Method::Put && failed.bearer.has_only(Action::Read) && file {
                    let (path, content) = (failed.path.clone(), Bytes::new());
                    let _ = namespace.apply(&Act::Put { path, content }, "");
                }
                None
            };
        }),
    },
    Fault {
        name: "denied-tells-missing",
        about: "What is not there is called missing before anybody asks whether the token may know.",
        clauses: &["RFC6750-08"],
        cases: &[
            "bearer.oracle.looking",
            "bearer.oracle.writing",
            "bearer.oracle.get",
            "bearer.insufficient-scope",
        ],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let missing = failed.denied() && namespace.get(failed.path).is_none();
                missing.then_some(StatusCode::NOT_FOUND)
            };
        }),
    },
    Fault {
        name: "denied-tells-target",
        about: "MOVE tells that its Destination is there, as if Overwrite were F, before anybody asks whether the token may know.",
        clauses: &["RFC6750-08"],
        cases: &[
            "bearer.oracle.writing",
            "capability.create.rename-overwrite",
            "webdav.refused.move",
        ],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let there = failed
                    .destination
                    .is_some_and(|to| namespace.get(to).is_some());
                let tells = failed.method == Method::Move && failed.denied();
                (tells && there).then_some(StatusCode::PRECONDITION_FAILED)
            };
        }),
    },
];

/// Takes away what is at the Destination.
fn take_target(namespace: &mut Namespace, failed: &Failed) {
    if let Some(to) = failed.destination {
        remove(namespace, to);
    }
}

fn remove(namespace: &mut Namespace, path: &ObjectPath) {
    // What is not there cannot be taken away.
    let _ = namespace.apply(&Act::Delete { path: path.clone() }, "");
}

/// Whether a capability of the bearer to modify names that object, whatever area it lies in.
fn names_it(failed: &Failed, path: &ObjectPath) -> bool {
    let mut capabilities = failed.bearer.capabilities().iter();
    capabilities.any(|one| {
        let names = one.path.path.names();
        one.action == Action::Modify && !names.is_empty() && path.names().ends_with(names)
    })
}
