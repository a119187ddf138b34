//! What is told of objects, also of those that the bearer may not see.

use axum::body::Bytes;
use axum::http::StatusCode;

use super::super::answers::{Outcome, Refusal};
use super::super::rules::RequestOutcome;
use super::super::scope::Action;
use super::super::webdav::Content;
use super::{Apply, Fault};
use touchstone_model::Method;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "head-wrong-length",
        about: "HEAD tells a size that is not the file's.",
        clauses: &["DAV-17"],
        cases: &["capability.read.head", "tpc.fts.success"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, mut outcome| {
                if let Outcome::Content(content) = &mut outcome
                    && content.head
                {
                    content.size += 1;
                }
                outcome
            }
        }),
    },
    Fault {
        name: "propfind-wrong-length",
        about: "PROPFIND tells a size that is not the file's.",
        clauses: &["DAV-15"],
        cases: &[
            "capability.read.propfind",
            "authentication.reuse",
            "capability.create.propfind",
            "webdav.propfind.missing",
            "connection.redirect.reading",
            "macaroon.activity.granted",
            "webdav.propfind.ill-formed",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, mut outcome| {
                if let Outcome::Properties(found) = &mut outcome {
                    for property in found {
                        property.size = property.size.map(|size| size + 1);
                    }
                }
                outcome
            }
        }),
    },
    Fault {
        name: "propfind-no-length",
        about: "PROPFIND does not tell the size of a file.",
        clauses: &["DAV-15"],
        cases: &[
            "capability.read.propfind",
            "authentication.reuse",
            "capability.create.propfind",
            "webdav.propfind.missing",
            "connection.redirect.reading",
            "macaroon.activity.granted",
            "webdav.propfind.ill-formed",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, mut outcome| {
                if let Outcome::Properties(found) = &mut outcome {
                    for property in found {
                        property.size = None;
                    }
                }
                outcome
            }
        }),
    },
    Fault {
        name: "propfind-is-ok",
        about: "PROPFIND answers 200 and tells nothing to a token that only reads.",
        clauses: &["DAV-15"],
        cases: &[
            "capability.read.propfind",
            "authentication.reuse",
            "webdav.mkcol.shows",
            "webdav.propfind.members",
            "connection.redirect.reading",
            "macaroon.issue.granted",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match outcome {
                Outcome::Properties(_) if reads_only(told) => {
                    Outcome::Plain(StatusCode::OK, Bytes::new())
                }
                other => other,
            }
        }),
    },
    Fault {
        name: "read-corrupts",
        about: "A file is read with a wrong byte by a token that only reads.",
        clauses: &["JWT-2.2.1-01"],
        cases: &[
            "audience.own-url",
            "audience.any",
            "audience.any.in-array",
            "capability.read.get",
            "capability.read.missing",
            "path.root.read",
            "path.directory.read",
            "path.file.read",
            "path.trailing-slash.read",
            "tpc.pull",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match outcome {
                Outcome::Content(mut content) if !content.head && reads_only(told) => {
                    let mut bytes = content.bytes.to_vec();
                    if let Some(first) = bytes.first_mut() {
                        *first ^= 1;
                    }
                    content.bytes = bytes.into();
                    Outcome::Content(content)
                }
                other => other,
            }
        }),
    },
    Fault {
        name: "read-is-empty",
        about: "A file is read as an empty one by a token that only reads.",
        clauses: &["JWT-2.2.1-01"],
        cases: &[
            "audience.own-url",
            "audience.any",
            "audience.any.in-array",
            "capability.read.get",
            "capability.read.missing",
            "path.root.read",
            "path.directory.read",
            "path.file.read",
            "path.trailing-slash.read",
            "tpc.pull",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match outcome {
                Outcome::Content(content) if !content.head && reads_only(told) => {
                    Outcome::Content(Content::whole(Bytes::new()))
                }
                other => other,
            }
        }),
    },
    Fault {
        name: "missing-is-forbidden",
        about: "A missing file is answered with 403 to a token that may read it.",
        clauses: &["DAV-19"],
        cases: &["capability.read.missing"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| {
                if missed(told, &outcome) && reads_only(told) {
                    Refusal::InsufficientScope.into()
                } else {
                    outcome
                }
            }
        }),
    },
    Fault {
        name: "missing-is-empty",
        about: "A missing file is answered with 200 and an empty body.",
        clauses: &["DAV-19"],
        cases: &[
            "capability.read.missing",
            "path.request.semicolon",
            "path.request.backslash",
            "bearer.echo",
            "webdav.put.cut",
            "path.request.double-encoded",
            "connection.refused-body",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| {
                if missed(told, &outcome) {
                    Outcome::Content(Content::whole(Bytes::new()))
                } else {
                    outcome
                }
            }
        }),
    },
    Fault {
        name: "denied-leaks",
        about: "GET that is refused with 403 has the file in its body.",
        clauses: &[
            "JWT-2.2.1-14",
            "JWT-2.2.1-17",
            "JWT-2.2.1-18",
            "JWT-2.2.1-38",
            "JWT-2.2.1-09",
        ],
        cases: &[
            "capability.none.read",
            "capability.create.no-get",
            "capability.create.no-get-own",
            "capability.modify.no-get",
            "path.file.other",
            "path.outside.read",
            "path.sibling-prefix.read",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| {
                let content = told.before.and_then(|node| node.content.clone());
                match (outcome, content) {
                    (Outcome::Refused(Refusal::InsufficientScope), Some(content))
                        if told.method == Method::Get =>
                    {
                        Outcome::Plain(StatusCode::FORBIDDEN, content)
                    }
                    (other, _) => other,
                }
            }
        }),
    },
    Fault {
        name: "denied-is-error",
        about: "A missing right is answered with 500.",
        clauses: &["RFC6750-06", "RFC6750-18"],
        cases: &[
            "capability.none.read",
            "capability.none.write",
            "capability.none.delete",
            "capability.read.no-put",
            "capability.read.no-overwrite",
            "capability.read.no-delete",
            "capability.read.no-mkcol",
            "capability.read.no-move",
            "capability.create.no-overwrite",
            "capability.create.no-delete",
            "capability.create.no-get",
            "capability.create.no-get-own",
            "capability.modify.no-get",
            "path.file.other",
            "path.outside.read",
            "path.outside.put",
            "path.outside.delete",
            "path.sibling-prefix.read",
            "path.sibling-prefix.put",
            "path.sibling-prefix.delete",
            "path.sibling-prefix.mkcol",
            "path.trailing-slash.not-a-file",
            "group.protected.member-no-write",
            "group.protected.member-no-delete",
            "tpc.pull.no-read",
            "tpc.pull.no-stage",
            "tpc.pull.outside",
            "tpc.pull.sibling",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
            "tpc.push.no-create",
            "tpc.push.no-modify",
            "tpc.push.no-stage",
            "tpc.push.outside",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, outcome| match outcome {
                Outcome::Refused(Refusal::InsufficientScope) => {
                    Outcome::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
                }
                other => other,
            }
        }),
    },
];

fn reads_only(told: &RequestOutcome) -> bool {
    told.bearer
        .is_some_and(|bearer| bearer.has_only(Action::Read))
}

/// GET of something that is not there.
fn missed(told: &RequestOutcome, outcome: &Outcome) -> bool {
    told.method == Method::Get && outcome.status() == StatusCode::NOT_FOUND
}
