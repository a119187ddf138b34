//! Which objects the path of a capability covers.

use super::super::authorisation::{Operation, Question, allows, covers};
use super::super::path::WrittenPath;
use super::super::scope::Action;
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "scope-prefix-match",
        about: "The path of a capability is compared as a string: /foo covers /foobar.",
        clauses: &["JWT-2.2.1-09"],
        cases: &[
            "path.sibling-prefix.read",
            "path.sibling-prefix.put",
            "path.sibling-prefix.delete",
            "path.sibling-prefix.mkcol",
            "path.sibling-prefix.head",
            "path.sibling-prefix.propfind",
            "path.sibling-prefix.move",
            "path.sibling-prefix.destination",
            "path.sibling-prefix.copy",
            "tape.stage.sibling-prefix",
            "macaroon.rights.no-sibling",
            "tpc.pull.sibling",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| starts_alike(scope, asked) || covers(scope, asked)
        }),
    },
    Fault {
        name: "scope-prefix-match-on-reading",
        about: "When reading, the path of a capability is compared as a string.",
        clauses: &["JWT-2.2.1-09"],
        cases: &["path.sibling-prefix.read", "macaroon.rights.no-sibling"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::Read && starts_alike(scope, asked))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "scope-prefix-match-on-uploads",
        about: "For new files, the path of a capability is compared as a string.",
        clauses: &["JWT-2.2.1-09"],
        cases: &["path.sibling-prefix.put", "tpc.pull.sibling"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::Create && starts_alike(scope, asked))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "scope-prefix-match-on-deletes",
        about: "When deleting, the path of a capability is compared as a string.",
        clauses: &["JWT-2.2.1-09"],
        cases: &["path.sibling-prefix.delete"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::Delete && starts_alike(scope, asked))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "scope-prefix-match-on-directories",
        about: "For new directories, the path of a capability is compared as a string.",
        clauses: &["JWT-2.2.1-09"],
        cases: &["path.sibling-prefix.mkcol"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::MakeDirectory && starts_alike(scope, asked))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "path-ignored-on-reading",
        about: "The path of a capability does not matter when reading.",
        clauses: &["JWT-2.2.1-14", "JWT-2.2.1-09"],
        cases: &[
            "path.escape.plus-itself",
            "path.file.other",
            "path.outside.read",
            "path.sibling-prefix.read",
            "capability.several.no-get-elsewhere",
            "path.letters",
            "path.scope.doubled-slash",
            "path.escape.once",
            "path.pattern.dot",
            "path.pattern.asterisk",
            "path.pattern.character-class",
            "path.pattern.broken",
            "path.area.relative",
            "group.capability.no-read-elsewhere",
            "bearer.oracle.get",
            "macaroon.rights.no-parent",
            "macaroon.rights.no-sibling",
            "tpc.push.outside",
            "bearer.oracle.looking",
            "webdav.refused.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| asked.operation == Operation::Read || covers(scope, asked)
        }),
    },
    Fault {
        name: "path-ignored-on-uploads",
        about: "The path of a capability does not matter when uploading new files.",
        clauses: &["JWT-2.2.1-14", "JWT-2.2.1-09", "JWT-2.2.1-12"],
        cases: &[
            "path.outside.put",
            "path.sibling-prefix.put",
            "path.trailing-slash.not-a-file",
            "capability.create.no-rename-out",
            "tpc.pull.outside",
            "tpc.pull.sibling",
            "bearer.oracle.writing",
        ],
        apply: Apply::Element(|rules| {
            rules.covers =
                |scope, asked| asked.operation == Operation::Create || covers(scope, asked)
        }),
    },
    Fault {
        name: "path-ignored-on-deletes",
        about: "The path of a capability does not matter when deleting.",
        clauses: &["JWT-2.2.1-14", "JWT-2.2.1-09"],
        cases: &[
            "path.outside.delete",
            "path.sibling-prefix.delete",
            "path.trailing-slash.not-a-file-delete",
            "bearer.oracle.writing",
        ],
        apply: Apply::Element(|rules| {
            rules.covers =
                |scope, asked| asked.operation == Operation::Delete || covers(scope, asked)
        }),
    },
    Fault {
        name: "path-ignored-on-directories",
        about: "The path of a capability does not matter when making directories.",
        clauses: &["JWT-2.2.1-09", "JWT-2.2.1-14", "JWT-2.2.1-08"],
        cases: &[
            "path.sibling-prefix.mkcol",
            "path.outside.mkcol",
            "capability.create.leading-no-sibling",
            "bearer.oracle.writing",
        ],
        apply: Apply::Element(|rules| {
            rules.covers =
                |scope, asked| asked.operation == Operation::MakeDirectory || covers(scope, asked)
        }),
    },
    Fault {
        name: "scope-covers-siblings",
        about: "The path of a file opens all files of its directory.",
        clauses: &["JWT-2.2.1-14"],
        cases: &[
            "path.escape.plus-itself",
            "path.file.other",
            "path.escape.once",
            "path.pattern.broken",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (asked.operation == Operation::Read && beside(scope, asked)) || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "scope-covers-sibling-trees",
        about: "A capability reaches all that lies below the directory above its path.",
        clauses: &["JWT-2.2.1-14", "JWT-2.2.1-09"],
        cases: &[
            "path.escape.plus-itself",
            "path.file.other",
            "path.outside.read",
            "path.sibling-prefix.read",
            "capability.several.no-get-elsewhere",
            "path.letters",
            "path.scope.doubled-slash",
            "path.escape.once",
            "path.pattern.dot",
            "path.pattern.asterisk",
            "path.pattern.character-class",
            "path.pattern.broken",
            "group.capability.no-read-elsewhere",
            "bearer.oracle.get",
            "macaroon.rights.no-parent",
            "macaroon.rights.no-sibling",
            "tpc.push.outside",
            "bearer.oracle.looking",
            "webdav.refused.copy",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                let above = scope.path.parent().unwrap_or_default();
                (asked.operation == Operation::Read && asked.path.starts_with(&above))
                    || covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "root-scope-refused",
        about: "The path / covers nothing for a token that only reads.",
        clauses: &["JWT-2.2.3-05"],
        cases: &[
            "audience.own-url",
            "audience.any",
            "audience.any.in-array",
            "capability.read.get",
            "capability.read.head",
            "capability.read.propfind",
            "path.root.read",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                let root = bearer
                    .capabilities()
                    .iter()
                    .any(|capability| capability.path.path.is_root());
                !(root && bearer.has_only(Action::Read)) && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "root-scope-is-shallow",
        about: "The path / of a token that only reads ends after four components.",
        clauses: &["JWT-2.2.3-05", "JWT-2.2.1-13"],
        cases: &["path.root.read"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                let root = bearer
                    .capabilities()
                    .iter()
                    .any(|capability| capability.path.path.is_root());
                !(root && bearer.has_only(Action::Read) && asked.path.depth() > 4)
                    && allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "scope-is-exact",
        about: "A path covers the object of that name only, and nothing below.",
        clauses: &[
            "JWT-2.2.1-10",
            "JWT-2.2.1-11",
            "JWT-2.2.1-13",
            "JWT-2.2.1-15",
        ],
        cases: &[
            "path.directory.read",
            "path.directory.write",
            "path.create.mkcol",
            "path.trailing-slash.read",
            "tpc.pull",
            "tpc.push",
            "tpc.pair.pull",
            "tpc.pair.push",
            "tpc.fts.success",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.overwrite.false",
            "tpc.overwrite.true",
            "tpc.forward.pull",
            "tpc.forward.push",
            "tpc.framing.pull",
            "tpc.framing.push",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.redirected",
            "tpc.credential.none",
            "tpc.credential.absent",
            "tpc.streams",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                (scope.path.is_root() || *asked.path == scope.path) && covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "scope-covers-no-uploads",
        about: "A path other than / covers no new files below it.",
        clauses: &["JWT-2.2.1-10", "JWT-2.2.1-15"],
        cases: &[
            "path.directory.write",
            "tpc.pull",
            "tpc.pair.pull",
            "tpc.fts.success",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.overwrite.false",
            "tpc.forward.pull",
            "tpc.framing.pull",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.credential.none",
            "tpc.credential.absent",
            "tpc.streams",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                let below = !scope.path.is_root() && *asked.path != scope.path;
                !(below && asked.operation == Operation::Create) && covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "file-scope-refused",
        about: "A path covers what is below, but not the file of that name.",
        clauses: &["JWT-2.2.1-10"],
        cases: &[
            "path.escape.plus-itself",
            "path.file.read",
            "path.escape.space",
            "path.escape.plus",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                let itself = *asked.path == scope.path;
                !(itself && asked.operation == Operation::Read) && covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "directory-scope-needs-parent",
        about: "A path does not cover the making of the directory of that name.",
        clauses: &["JWT-2.2.1-06", "JWT-2.2.1-10"],
        cases: &[
            "path.create.mkcol",
            "capability.create.leading-directories",
            "path.trailing-slash.create",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                let itself = *asked.path == scope.path;
                !(itself && asked.operation == Operation::MakeDirectory) && covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "directories-end-at-scope",
        about: "A path covers the making of the directory of that name and of none below.",
        clauses: &["JWT-2.2.1-06", "JWT-2.2.1-10"],
        cases: &[
            "path.create.mkcol",
            "capability.create.leading-directories",
            "capability.modify.create-superset",
            "macaroon.activity.granted",
            "macaroon.path.missing-parents",
            "tpc.fts.success",
            "connection.no-token.after-writing",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                let below = !scope.path.is_root() && *asked.path != scope.path;
                !(below && asked.operation == Operation::MakeDirectory) && covers(scope, asked)
            }
        }),
    },
    Fault {
        name: "trailing-slash-refused",
        about: "A path with a trailing slash covers nothing.",
        clauses: &["JWT-2.2.1-11"],
        cases: &["path.trailing-slash.read"],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| !scope.slash && covers(scope, asked)
        }),
    },
    Fault {
        name: "trailing-slash-matches-file",
        about: "The trailing slash of a path is dropped.",
        clauses: &["JWT-2.2.1-12"],
        cases: &[
            "path.trailing-slash.not-a-file",
            "path.trailing-slash.not-a-file-delete",
        ],
        apply: Apply::Element(|rules| {
            rules.covers = |scope, asked| {
                let without = WrittenPath {
                    slash: false,
                    ..scope.clone()
                };
                covers(&without, asked)
            }
        }),
    },
];

/// The mistake that gave this suite its best known case: paths compared as strings.
pub(super) fn starts_alike(scope: &WrittenPath, asked: &Question) -> bool {
    let slash = if scope.slash { "/" } else { "" };
    let prefix = format!("{}{slash}", scope.path);
    asked.path.to_string().starts_with(&prefix)
}

/// Whether the object lies in the directory in which the scope's object lies.
fn beside(scope: &WrittenPath, asked: &Question) -> bool {
    asked.path.parent() == scope.path.parent()
}
