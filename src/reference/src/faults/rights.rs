//! What each capability gives beside the plainest uses, and how several go together.

use axum::http::StatusCode;

use super::super::answers::Refusal;
use super::super::authorisation::{
    Operation, Question, allows, covers, groups_permit, looks, method, permits, uploading,
};
use super::super::rules::Rules;
use super::super::scope::Action;
use super::super::token::Bearer;
use super::{Apply, Fault};
use touchstone_model::Method;

/// Begins the mark of objects that belong to a token.
const OWNED: &str = "owned:";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "no-scope-stats",
        about: "A token without capabilities and groups looks at files.",
        clauses: &["JWT-2.2.1-38"],
        cases: &["capability.none.propfind"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted.is_empty() && asked.operation == Operation::Stat)
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "read-reads-no-parts",
        about: "storage.read reads whole files only.",
        clauses: &["JWT-2.2.1-01"],
        cases: &[
            "capability.read.range",
            "webdav.range.parts",
            "webdav.range.beyond",
            "connection.shared-cache",
            "digest.part",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Read) && asked.part)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "patch-overwrites",
        about: "PATCH is taken for PUT, and needs no more than any capability.",
        clauses: &["JWT-2.2.1-02", "JWT-2.2.1-23"],
        cases: &[
            "webdav.copy.replaces-nothing",
            "capability.read.no-overwrite",
            "capability.read.no-patch",
            "capability.create.no-overwrite",
            "capability.create.no-overwrite-chunked",
            "capability.create.rename-no-overwrite",
            "webdav.unknown-method",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
            "capability.create.rename-overwrite",
            "capability.create.no-overwrite-empty",
            "capability.create.no-overwrite-matching",
            "bearer.none.other-forms",
            "webdav.refused.put",
        ],
        apply: Apply::Element(|rules| {
            rules.method = |name| {
                if name == "PATCH" {
                    Some(Method::Put)
                } else {
                    method(name)
                }
            };
            rules.permits =
                |action, asked| asked.operation == Operation::Overwrite || permits(action, asked);
        }),
    },
    Fault {
        name: "create-overwrites-chunked",
        about: "storage.create replaces a file when the upload comes in chunks.",
        clauses: &["JWT-2.2.1-04"],
        cases: &["capability.create.no-overwrite-chunked"],
        apply: Apply::Element(|rules| {
            rules.uploading = |node, headers| {
                if headers.contains_key("transfer-encoding") {
                    Operation::Create
                } else {
                    uploading(node)
                }
            }
        }),
    },
    Fault {
        name: "parts-are-created",
        about: "An upload with Content-Range is taken for a new file.",
        clauses: &["JWT-2.2.1-23"],
        cases: &["capability.create.no-part", "webdav.put.content-range"],
        apply: Apply::Element(|rules| {
            rules.takes_parts = true;
            rules.uploading = |node, headers| {
                if headers.contains_key("content-range") {
                    Operation::Create
                } else {
                    uploading(node)
                }
            };
        }),
    },
    Fault {
        name: "read-stats-not",
        about: "storage.read does not look at files.",
        clauses: &["JWT-2.2.1-28", "DAV-24"],
        cases: &["capability.read.propfind", "capability.read.head"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Read) && asked.operation == Operation::Stat)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "create-stats-not",
        about: "storage.create does not look at files.",
        clauses: &["JWT-2.2.1-28"],
        cases: &["capability.create.propfind", "digest.create"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Create) && asked.operation == Operation::Stat)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "stage-stats-not",
        about: "storage.stage does not look at files.",
        clauses: &["JWT-2.2.1-28"],
        cases: &["capability.stage.head"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Stage) && asked.operation == Operation::Stat)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "create-leads-nowhere",
        about: "storage.create makes no directories that lead to its path.",
        clauses: &["JWT-2.2.1-07"],
        cases: &[
            "capability.create.leading-directories",
            "macaroon.path.missing-parents",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Create)
                    && asked.operation == Operation::MakeDirectory
                    && above(bearer, asked))
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "modify-makes-no-subdirectories",
        about: "storage.modify makes no directories below a directory that it is for.",
        clauses: &["JWT-2.2.1-16"],
        cases: &[
            "capability.modify.create-superset",
            "connection.no-token.after-writing",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer.has_only(Action::Modify)
                    && asked.operation == Operation::MakeDirectory
                    && !bearer
                        .capabilities()
                        .iter()
                        .any(|one| one.path.path.is_root()))
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "no-parent-is-forbidden",
        about: "An upload below a missing directory is told as a missing right.",
        clauses: &["JWT-2.2.1-07"],
        cases: &[
            "webdav.put.no-parent",
            "webdav.mkcol.no-parent",
            "webdav.move.no-parent",
            "webdav.copy.no-parent",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, outcome| {
                if outcome.status() == StatusCode::CONFLICT {
                    Refusal::InsufficientScope.into()
                } else {
                    outcome
                }
            }
        }),
    },
    Fault {
        name: "leading-siblings",
        about: "A path covers new directories beside those that lead to it.",
        clauses: &["JWT-2.2.1-08"],
        cases: &["capability.create.leading-no-sibling"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::MakeDirectory
                    && asked.path.depth() < scope.path.depth()
                    && asked
                        .path
                        .parent()
                        .is_some_and(|parent| scope.path.starts_with(&parent)))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "create-renames-not",
        about: "storage.create renames no file.",
        clauses: &["JWT-2.2.1-19"],
        cases: &["capability.create.rename"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                !(action == Action::Create && asked.operation == Operation::RenameFile)
                    && permits(action, asked)
            }
        }),
    },
    Fault {
        name: "one-path-per-capability",
        about: "Of several capabilities of one name only the last counts.",
        clauses: &["JWT-2.2.1-31"],
        cases: &["capability.several.add-up"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(earlier_only(rules, bearer, asked)) && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "create-renames-over",
        about: "storage.create replaces a file by a rename.",
        clauses: &["JWT-2.2.1-20"],
        cases: &[
            "capability.create.rename-no-overwrite",
            "capability.create.no-overwrite-empty",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create
                    && asked.operation == Operation::Overwrite
                    && asked.method == Method::Move)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "rename-target-unchecked",
        about: "The path of a capability does not matter where a rename goes.",
        clauses: &["JWT-2.2.1-21"],
        cases: &[
            "capability.create.no-rename-out",
            "path.sibling-prefix.destination",
            "path.outside.destination",
            "bearer.oracle.writing",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::Create && asked.method == Method::Move)
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "rename-source-unchecked",
        about: "The path of a capability does not matter where a rename comes from.",
        clauses: &["JWT-2.2.1-21"],
        cases: &[
            "capability.modify.no-rename-in",
            "path.sibling-prefix.move",
            "bearer.oracle.writing",
        ],
        apply: Apply::Element(|rules| {
            rules.covers =
                |scope, asked| (asked.operation == Operation::RenameFile) || covers(scope, asked)
        }),
    },
    Fault {
        name: "create-renames-directories",
        about: "storage.create renames directories.",
        clauses: &["JWT-2.2.1-22"],
        cases: &["capability.create.no-rename-directory"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Create && asked.operation == Operation::RenameDirectory)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "stage-reads",
        about: "storage.stage reads, as it did up to profile 1.1.",
        clauses: &["JWT-2.2.1-24"],
        cases: &[
            "capability.stage.no-get-version-1-0",
            "capability.stage.no-get-version-1-2",
            "tpc.push.no-stage",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Stage && asked.operation == Operation::Read)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "stage-writes",
        about: "storage.stage writes.",
        clauses: &["JWT-2.2.1-25"],
        cases: &[
            "capability.stage.no-put",
            "capability.stage.no-delete",
            "tpc.pull.no-stage",
            "capability.read.no-rename-out",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Stage && !looks(asked.operation)) || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "poll-writes",
        about: "storage.poll writes.",
        clauses: &["JWT-2.2.1-25"],
        cases: &[
            "capability.poll.no-put",
            "tape.stage.no-poll",
            "tape.cancel.needs-stage",
            "tape.release.needs-stage",
            "tape.delete.needs-stage",
            "tape.error.denied",
        ],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Poll && !looks(asked.operation)) || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "poll-reads",
        about: "storage.poll reads.",
        clauses: &["JWT-2.2.1-26"],
        cases: &["capability.poll.no-get", "tpc.push.no-stage"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Poll && asked.operation == Operation::Read)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "poll-stats",
        about: "storage.poll looks at files.",
        clauses: &["JWT-2.2.1-27"],
        cases: &["capability.poll.no-head"],
        apply: Apply::Element(|rules| {
            rules.permits = |action, asked| {
                (action == Action::Poll && asked.operation == Operation::Stat)
                    || permits(action, asked)
            }
        }),
    },
    Fault {
        name: "paths-are-pooled",
        about: "The path of any capability counts for each of the token.",
        clauses: &["JWT-2.2.1-31"],
        cases: &[
            "webdav.copy.needs-write",
            "webdav.copy.needs-read",
            "capability.several.no-get-elsewhere",
            "path.outside.delete",
            "path.sibling-prefix.delete",
            "path.trailing-slash.not-a-file-delete",
            "capability.read.no-rename-out",
            "path.outside.copy",
            "path.request.other-headers",
            "webdav.refused.move",
            "webdav.refused.copy",
            "webdav.refused.tree",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                (bearer
                    .capabilities()
                    .iter()
                    .any(|one| (rules.permits)(one.action, asked))
                    && bearer
                        .capabilities()
                        .iter()
                        .any(|one| (rules.covers)(&one.path, asked)))
                    || allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "order-matters",
        about: "storage.create after storage.read does not count.",
        clauses: &["JWT-2.2.1-32"],
        cases: &[
            "webdav.copy.statuses",
            "capability.several.any-order",
            "capability.several.add-up",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                !(bearer
                    .capabilities()
                    .first()
                    .is_some_and(|one| one.action == Action::Read)
                    && bearer.has(Action::Create)
                    && asked.operation == Operation::Create)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "uploader-owns",
        about: "What was uploaded with storage.create can be used only by that token.",
        clauses: &["JWT-2.2.1-48"],
        cases: &["capability.any-owner", "tpc.pull"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                let maker = if bearer.has_only(Action::Create) {
                    format!("{OWNED}{}", bearer.token_id)
                } else {
                    bearer.token_id.clone()
                };
                namespace.apply(act, &maker)
            };
            rules.allows = |rules, bearer, groups, asked| {
                let owner = asked.made_with.and_then(|maker| maker.strip_prefix(OWNED));
                let observer = bearer.has(Action::Read) && bearer.has(Action::Modify);
                let other = owner.is_some_and(|owner| owner != bearer.token_id);
                !(other && !observer && asked.operation == Operation::Read)
                    && allows(rules, bearer, groups, asked)
            };
        }),
    },
];

/// Whether the object lies above the path of a capability.
fn above(bearer: &Bearer, asked: &Question) -> bool {
    bearer
        .capabilities()
        .iter()
        .any(|one| one.path.path.starts_with(asked.path) && one.path.path != *asked.path)
}

/// Whether the right comes only from capabilities that stand before another of their name.
fn earlier_only(rules: &Rules, bearer: &Bearer, asked: &Question) -> bool {
    let all = bearer.capabilities();
    !all.is_empty()
        && !all.iter().enumerate().any(|(at, one)| {
            let last = !all
                .iter()
                .skip(at + 1)
                .any(|later| later.action == one.action);
            last && (rules.permits)(one.action, asked) && (rules.covers)(&one.path, asked)
        })
}
