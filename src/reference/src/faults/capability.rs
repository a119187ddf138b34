//! What a capability allows, and does not.

use axum::body::Bytes;

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::{Operation, allows, groups_permit, permits};
use super::super::namespace::Act;
use super::super::rules::RequestOutcome;
use super::super::scope::Action;
use super::{Apply, Fault};
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "no-scope-reads",
        about: "A token without capabilities and groups reads.",
        clauses: &["JWT-2.2.1-38"],
        cases: &[
            "capability.none.read",
            "authentication.claims.scp.read",
            "capability.unknown.longer-name",
            "capability.unknown.scitokens-read",
            "capability.unknown.case-of-letters",
            "capability.host-auth",
        ],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted.is_empty() && asked.operation == Operation::Read)
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "no-scope-writes",
        about: "A token without capabilities and groups uploads.",
        clauses: &["JWT-2.2.1-38"],
        cases: &[
            "capability.none.write",
            "capability.host-auth",
            "group.shape.text",
            "group.other-claim.groups",
        ],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted.is_empty() && asked.operation == Operation::Create)
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "no-scope-deletes",
        about: "A token without capabilities and groups deletes.",
        clauses: &["JWT-2.2.1-38"],
        cases: &["capability.none.delete"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted.is_empty() && asked.operation == Operation::Delete)
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "read-uploads",
        about: "storage.read uploads new files.",
        clauses: &["JWT-2.2.1-02"],
        cases: &[
            "capability.read.no-put",
            "authentication.claims.roles",
            "group.capability.no-write",
            "bearer.insufficient-scope",
            "bearer.echo",
            "bearer.expect-continue",
            "connection.weaker-token",
            "connection.token-id.weaker",
            "connection.refused-body",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Read
                    && asked.operation == Operation::Create
                    && asked.method == Method::Put)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "read-overwrites",
        about: "storage.read replaces files.",
        clauses: &["JWT-2.2.1-02"],
        cases: &[
            "webdav.copy.replaces-nothing",
            "capability.read.no-overwrite",
            "bearer.none.other-forms",
            "webdav.refused.put",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Read && asked.operation == Operation::Overwrite)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "read-deletes",
        about: "storage.read deletes.",
        clauses: &["JWT-2.2.1-02"],
        cases: &["capability.read.no-delete"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                let capabilities = bearer.capabilities();
                let covered = capabilities
                    .iter()
                    .any(|one| (rules.covers)(&one.path, asked));
                (asked.operation == Operation::Delete && bearer.has_only(Action::Read) && covered)
                    || allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "read-makes-directories",
        about: "storage.read makes directories.",
        clauses: &["JWT-2.2.1-02"],
        cases: &["capability.read.no-mkcol"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Read && asked.operation == Operation::MakeDirectory)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "read-renames",
        about: "storage.read renames files.",
        clauses: &["JWT-2.2.1-02"],
        cases: &["capability.read.no-move", "webdav.refused.move"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Read && asked.method == Method::Move) || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "create-overwrites",
        about: "storage.create replaces files.",
        clauses: &["JWT-2.2.1-04"],
        cases: &[
            "capability.create.no-overwrite",
            "capability.create.no-overwrite-chunked",
            "capability.create.rename-no-overwrite",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
            "capability.create.rename-overwrite",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create && asked.operation == Operation::Overwrite)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "create-overwrites-yet-forbidden",
        about: "storage.create replaces a file, and the answer is 403 all the same.",
        clauses: &["JWT-2.2.1-04"],
        cases: &[
            "capability.create.no-overwrite",
            "capability.create.rename-no-overwrite",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
            "capability.create.rename-overwrite",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create && asked.operation == Operation::Overwrite)
                    || permits(action, asked)
            };
            rules.on_outcome = overwriting_is_forbidden;
        }),
    },
    Fault {
        name: "create-empties-yet-forbidden",
        about: "storage.create that is refused to replace a file has emptied it by then.",
        clauses: &["JWT-2.2.1-04"],
        cases: &[
            "capability.create.no-overwrite",
            "capability.create.rename-no-overwrite",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
            "capability.create.rename-overwrite",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create && asked.operation == Operation::Overwrite)
                    || permits(action, asked)
            };
            rules.act = |namespace, act, bearer| match act {
                Act::Put { path, .. }
                    if bearer.has_only(Action::Create) && namespace.get(path).is_some() =>
                {
                    namespace.apply(
                        &Act::Put {
                            path: path.clone(),
                            content: Bytes::new(),
                        },
                        &bearer.token_id,
                    )
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
            rules.on_outcome = overwriting_is_forbidden;
        }),
    },
    Fault {
        name: "create-deletes",
        about: "storage.create deletes files.",
        clauses: &["JWT-2.2.1-05"],
        cases: &["capability.create.no-delete", "macaroon.rights.no-delete"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create
                    && asked.operation == Operation::Delete
                    && !asked.directory)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "create-reads",
        about: "storage.create reads.",
        clauses: &["JWT-2.2.1-18"],
        cases: &[
            "capability.create.no-get",
            "capability.create.no-get-own",
            "capability.several.no-get-elsewhere",
            "tpc.push.no-create",
            "bearer.none.other-forms",
            "tpc.echo",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create && asked.operation == Operation::Read)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "create-reads-own",
        about: "storage.create reads what was uploaded with the same token.",
        clauses: &["JWT-2.2.1-18"],
        cases: &["capability.create.no-get-own"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                let own = asked.made_with == Some(bearer.token_id.as_str());
                (own && asked.operation == Operation::Read && bearer.has_only(Action::Create))
                    || allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "modify-reads",
        about: "storage.modify reads.",
        clauses: &["JWT-2.2.1-17"],
        cases: &[
            "capability.modify.no-get",
            "connection.token-id.other",
            "tpc.push.no-modify",
            "webdav.refused.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Modify && asked.operation == Operation::Read)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "read-needs-modify",
        about: "storage.read reads only together with storage.modify.",
        clauses: &["JWT-2.2.1-01"],
        cases: &[
            "audience.own-url",
            "audience.any",
            "audience.any.in-array",
            "capability.read.get",
            "path.root.read",
            "path.directory.read",
            "path.file.read",
            "path.trailing-slash.read",
            "tpc.pull",
            "tpc.push",
            "tpc.pair.push",
            "tpc.forward.push",
            "tpc.framing.push",
            "tpc.redirected",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Read) && asked.operation == Operation::Read)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "head-refused",
        about: "storage.read does not look at a file with HEAD.",
        clauses: &["DAV-24"],
        cases: &["capability.read.head"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Read) && asked.method == Method::Head)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "propfind-refused",
        about: "storage.read does not look at a file with PROPFIND.",
        clauses: &["DAV-15", "DAV-16"],
        cases: &[
            "authentication.reuse",
            "webdav.mkcol.shows",
            "webdav.propfind.members",
            "macaroon.issue.granted",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Read) && asked.method == Method::Propfind)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "create-refused",
        about: "storage.create uploads nothing.",
        clauses: &["JWT-2.2.1-03"],
        cases: &[
            "capability.create.put",
            "tpc.pull",
            "tpc.pair.pull",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.forward.pull",
            "tpc.framing.pull",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.credential.none",
            "tpc.credential.absent",
            "tpc.streams",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Create) && asked.operation == Operation::Create)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "create-makes-no-directories",
        about: "storage.create makes no directories.",
        clauses: &["JWT-2.2.1-06"],
        cases: &[
            "capability.create.mkcol",
            "path.create.mkcol",
            "capability.create.leading-directories",
            "path.trailing-slash.create",
            "webdav.mkcol.shows",
            "webdav.mkcol.no-parent",
            "webdav.mkcol.body",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Create) && asked.operation == Operation::MakeDirectory)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "modify-needs-create",
        about: "storage.modify alone does not upload a new file.",
        clauses: &["JWT-2.2.1-15"],
        cases: &["capability.modify.put", "path.directory.write"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Modify)
                    && asked.operation == Operation::Create
                    && asked.method == Method::Put)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "modify-overwrites-not",
        about: "storage.modify does not replace files.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.overwrite",
            "capability.any-owner",
            "webdav.put.statuses",
            "webdav.put.if-none-match",
            "webdav.move.overwrite-f",
            "digest.adler32.replaced",
            "webdav.move.statuses",
            "tpc.overwrite.false",
            "tpc.overwrite.true",
            "webdav.move.overwrite-odd",
            "webdav.missing.onto",
            "webdav.put.if-match",
            "webdav.put.large",
            "webdav.move.onto-directory",
            "tpc.overwrite.longer",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Modify) && asked.operation == Operation::Overwrite)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "modify-deletes-not",
        about: "storage.modify does not delete files.",
        clauses: &["JWT-2.2.1-15"],
        cases: &["capability.modify.delete"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Modify)
                    && asked.operation == Operation::Delete
                    && !asked.directory)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "modify-deletes-no-directories",
        about: "storage.modify does not delete directories.",
        clauses: &["JWT-2.2.1-15"],
        cases: &["capability.modify.delete-directory"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Modify)
                    && asked.operation == Operation::Delete
                    && asked.directory)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "modify-makes-no-directories",
        about: "storage.modify does not make directories.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.mkcol",
            "capability.modify.create-superset",
            "webdav.mkcol.exists",
            "connection.no-token.after-writing",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Modify) && asked.operation == Operation::MakeDirectory)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "modify-renames-not",
        about: "storage.modify does not rename.",
        clauses: &["JWT-2.2.1-15"],
        cases: &[
            "capability.modify.move",
            "capability.modify.create-superset",
            "webdav.move.overwrite-f",
            "webdav.move.no-parent",
            "webdav.missing.move",
            "webdav.move.statuses",
            "webdav.move.overwrite-odd",
            "webdav.missing.onto",
            "webdav.move.onto-directory",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Modify) && asked.method == Method::Move)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
];

/// A replacement with storage.create is told as a refusal.
fn overwriting_is_forbidden(told: &RequestOutcome, outcome: Outcome) -> Outcome {
    let create = told
        .bearer
        .is_some_and(|bearer| bearer.has_only(Action::Create));
    match outcome {
        Outcome::Done if create => Refusal::InsufficientScope.into(),
        other => other,
    }
}
