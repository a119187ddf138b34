//! Answers that are no more than words: something else was done than was said.

use axum::body::Bytes;

use super::super::namespace::{Act, Change};
use super::super::scope::Action;
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "put-lies",
        about: "Uploads of new files with storage.modify are answered with 201 and not stored.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.put",
            "path.directory.write",
            "tpc.overwrite.false",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Put { path, .. }
                    if bearer.has_only(Action::Modify) && namespace.get(path).is_none() =>
                {
                    Ok(Change::Created)
                }
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "put-truncates",
        about: "Of uploads with storage.modify the last byte is lost.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.put",
            "capability.modify.overwrite",
            "connection.both-lengths",
            "path.directory.write",
            "tpc.overwrite.false",
            "tpc.overwrite.true",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Put { path, content } if bearer.has_only(Action::Modify) => {
                    let content = content.slice(..content.len().saturating_sub(1));
                    namespace.apply(
                        &Act::Put {
                            path: path.clone(),
                            content,
                        },
                        &bearer.token_id,
                    )
                }
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "create-lies",
        about: "Uploads of new files with storage.create are answered with 201 and not stored.",
        clauses: &["JWT-2.2.1-03"],
        cases: &[
            "capability.create.put",
            "capability.create.no-get-own",
            "tpc.pull",
            "tpc.pair.pull",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.forward.pull",
            "tpc.own-token.pull",
            "tpc.framing.pull",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.credential.none",
            "tpc.credential.absent",
            "tpc.streams",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Put { path, .. }
                    if bearer.has_only(Action::Create) && namespace.get(path).is_none() =>
                {
                    Ok(Change::Created)
                }
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "create-stores-nothing",
        about: "Uploads with storage.create leave an empty file.",
        clauses: &["JWT-2.2.1-03"],
        cases: &[
            "capability.create.put",
            "capability.create.no-get-own",
            "tpc.pull",
            "tpc.pair.pull",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.forward.pull",
            "tpc.own-token.pull",
            "tpc.framing.pull",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.credential.none",
            "tpc.credential.absent",
            "tpc.streams",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Put { path, .. } if bearer.has_only(Action::Create) => namespace.apply(
                    &Act::Put {
                        path: path.clone(),
                        content: Bytes::new(),
                    },
                    &bearer.token_id,
                ),
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "overwrite-keeps-old",
        about: "Replacing with storage.modify is answered with 204, and the old content stays.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.overwrite",
            "capability.any-owner",
            "webdav.put.statuses",
            "digest.adler32.replaced",
            "tpc.overwrite.true",
            "webdav.put.if-match",
            "webdav.put.large",
            "tpc.overwrite.longer",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Put { path, .. }
                    if bearer.has_only(Action::Modify) && namespace.get(path).is_some() =>
                {
                    Ok(Change::Replaced)
                }
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "delete-lies",
        about: "Deleting a file with storage.modify is answered with 204, and the file stays.",
        clauses: &["JWT-2.2.1-15"],
        cases: &["capability.modify.delete"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Delete { path }
                    if bearer.has_only(Action::Modify) && !namespace.has_directory(path) =>
                {
                    Ok(Change::Removed)
                }
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "delete-directory-lies",
        about: "Deleting a directory with storage.modify is answered with 204, and the directory stays.",
        clauses: &["JWT-2.2.1-15"],
        cases: &["capability.modify.delete-directory"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Delete { path }
                    if bearer.has_only(Action::Modify) && namespace.has_directory(path) =>
                {
                    Ok(Change::Removed)
                }
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "mkcol-lies",
        about: "Making a directory with storage.modify is answered with 201, and there is none.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.mkcol",
            "capability.modify.create-superset",
            "webdav.mkcol.exists",
            "connection.no-token.after-writing",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::MakeDirectory { .. } if bearer.has_only(Action::Modify) => Ok(Change::Created),
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "mkcol-makes-file",
        about: "Making a directory with storage.modify makes an empty file.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.mkcol",
            "capability.modify.create-superset",
            "webdav.mkcol.exists",
            "connection.no-token.after-writing",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::MakeDirectory { path } if bearer.has_only(Action::Modify) => namespace.apply(
                    &Act::Put {
                        path: path.clone(),
                        content: Bytes::new(),
                    },
                    &bearer.token_id,
                ),
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "create-mkcol-lies",
        about: "Making a directory with storage.create is answered with 201, and there is none.",
        clauses: &["JWT-2.2.1-06"],
        cases: &[
            "capability.create.mkcol",
            "path.create.mkcol",
            "capability.create.leading-directories",
            "path.trailing-slash.create",
            "webdav.mkcol.shows",
            "webdav.mkcol.no-parent",
            "macaroon.path.missing-parents",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::MakeDirectory { .. } if bearer.has_only(Action::Create) => Ok(Change::Created),
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "move-lies",
        about: "Renaming is answered with 201, and nothing has moved.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.move",
            "capability.modify.create-superset",
            "path.request.dots-destination",
            "webdav.move.no-parent",
            "isolation.second.no-move-in",
            "webdav.move.statuses",
            "webdav.move.overwrite-default",
            "webdav.move.overwrite-odd",
            "webdav.move.directory",
            "path.outside.destination",
            "webdav.itself.move",
            "webdav.move.onto-directory",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Move { .. } if bearer.has_only(Action::Modify) => Ok(Change::Created),
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "move-keeps-source",
        about: "A renamed file is there under both names.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.move",
            "capability.modify.create-superset",
            "path.request.dots-destination",
            "isolation.second.no-move-in",
            "webdav.move.statuses",
            "webdav.move.overwrite-default",
            "webdav.move.overwrite-odd",
            "webdav.move.directory",
            "path.outside.destination",
            "webdav.itself.move",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Move { from, to } if bearer.has_only(Action::Modify) => {
                    let content = namespace.get(from).and_then(|node| node.content.clone());
                    let copy = Act::Put {
                        path: to.clone(),
                        content: content.unwrap_or_default(),
                    };
                    namespace.apply(&copy, &bearer.token_id)
                }
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
    Fault {
        name: "move-loses-content",
        about: "A renamed file is empty under its new name.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.move",
            "capability.modify.create-superset",
            "path.request.dots-destination",
            "webdav.move.no-parent",
            "isolation.second.no-move-in",
            "webdav.move.statuses",
            "webdav.move.overwrite-default",
            "webdav.move.overwrite-odd",
            "webdav.move.directory",
            "path.outside.destination",
            "webdav.itself.move",
            "webdav.move.onto-directory",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Move { from, to } if bearer.has_only(Action::Modify) => {
                    namespace.apply(&Act::Delete { path: from.clone() }, &bearer.token_id)?;
                    let empty = Act::Put {
                        path: to.clone(),
                        content: Bytes::new(),
                    };
                    namespace.apply(&empty, &bearer.token_id)
                }
                _ => namespace.apply(act, &bearer.token_id),
            }
        }),
    },
];
