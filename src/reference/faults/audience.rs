//! Whom a token is for.

use axum::http::StatusCode;

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::audience_accepted;
use super::super::scope::Action;
use super::super::token::Bearer;
use super::Fault;
use crate::model::{ANY_AUDIENCE, Audience, Method};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "audience-ignored",
        about: "Nobody looks at the audience of a token, as long as there is one.",
        clauses: &["JWT-2.1.1-13", "JWT-2.1.1-14"],
        cases: &[
            "audience.foreign.read",
            "audience.foreign.word",
            "audience.foreign.write",
            "audience.foreign-array.read",
            "audience.foreign-array.write",
        ],
        apply: |rules| rules.audience_accepted = |bearer, _, _| bearer.audience.is_some(),
    },
    Fault {
        name: "audience-ignored-on-read",
        about: "The audience does not matter to a GET.",
        clauses: &["JWT-2.1.1-13", "JWT-2.1.1-14"],
        cases: &[
            "audience.foreign.read",
            "audience.foreign.word",
            "audience.foreign-array.read",
        ],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| {
                (bearer.audience.is_some() && !method.writes())
                    || audience_accepted(bearer, own, method)
            }
        },
    },
    Fault {
        name: "audience-ignored-on-write",
        about: "The audience does not matter to requests that change something.",
        clauses: &["JWT-2.1.1-13", "JWT-2.1.1-14"],
        cases: &["audience.foreign.write", "audience.foreign-array.write"],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| {
                (bearer.audience.is_some() && method.writes())
                    || audience_accepted(bearer, own, method)
            }
        },
    },
    Fault {
        name: "audience-non-url-ignored",
        about: "An audience that is no URL counts as none of another service.",
        clauses: &["JWT-2.1.1-13"],
        cases: &["audience.foreign.word"],
        apply: |rules| {
            rules.audience_accepted =
                |bearer, own, method| {
                    bearer.audience.as_ref().is_some_and(|audience| {
                        audience.each().iter().all(|one| !one.contains("://"))
                    }) || audience_accepted(bearer, own, method)
                }
        },
    },
    Fault {
        name: "audience-array-ignored",
        about: "An array of audiences is accepted whatever it holds.",
        clauses: &["JWT-2.1.1-14"],
        cases: &[
            "audience.foreign-array.read",
            "audience.foreign-array.write",
        ],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| {
                matches!(bearer.audience, Some(Audience::Many(_)))
                    || audience_accepted(bearer, own, method)
            }
        },
    },
    Fault {
        name: "audience-array-ignored-on-write",
        about: "To requests that change something, an array of audiences is right whatever it holds.",
        clauses: &["JWT-2.1.1-14"],
        cases: &["audience.foreign-array.write"],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| {
                (method.writes() && matches!(bearer.audience, Some(Audience::Many(_))))
                    || audience_accepted(bearer, own, method)
            }
        },
    },
    Fault {
        name: "audience-array-refused",
        about: "An array of audiences is not understood.",
        clauses: &["JWT-2.1.1-16", "JWT-2.1.1-17"],
        cases: &[
            "audience.array.first",
            "audience.array.last",
            "audience.any.in-array",
        ],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| {
                !matches!(bearer.audience, Some(Audience::Many(_)))
                    && audience_accepted(bearer, own, method)
            }
        },
    },
    Fault {
        name: "audience-array-first-only",
        about: "Of an array of audiences only the first counts.",
        clauses: &["JWT-2.1.1-16", "JWT-2.1.1-17"],
        cases: &["audience.array.last", "audience.any.in-array"],
        apply: |rules| {
            rules.audience_accepted =
                |bearer, own, method| one_of(bearer, own, method, <[String]>::first)
        },
    },
    Fault {
        name: "audience-array-last-only",
        about: "Of an array of audiences only the last counts.",
        clauses: &["JWT-2.1.1-16"],
        cases: &["audience.array.first"],
        apply: |rules| {
            rules.audience_accepted =
                |bearer, own, method| one_of(bearer, own, method, <[String]>::last)
        },
    },
    Fault {
        name: "audience-any-refused",
        about: "To a token that only reads, the audience that means everybody is a foreign one.",
        clauses: &["JWT-2.1.1-17"],
        cases: &[
            "audience.any",
            "audience.any.in-array",
            "capability.read.get",
            "capability.read.head",
            "capability.read.propfind",
            "capability.read.missing",
            "path.root.read",
            "path.directory.read",
            "path.directory.deep-read",
            "path.file.read",
            "path.trailing-slash.read",
        ],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| {
                let any = bearer
                    .audience
                    .as_ref()
                    .is_some_and(|audience| audience.each().iter().any(|one| one == ANY_AUDIENCE));
                !(any && bearer.has_only(Action::Read) && !method.writes())
                    && audience_accepted(bearer, own, method)
            }
        },
    },
    Fault {
        name: "audience-any-in-array-refused",
        about: "The audience that means everybody counts only alone.",
        clauses: &["JWT-2.1.1-17"],
        cases: &["audience.any.in-array"],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| match &bearer.audience {
                Some(Audience::Many(many)) => many.iter().any(|one| own.contains(one)),
                _ => audience_accepted(bearer, own, method),
            }
        },
    },
    Fault {
        name: "audience-own-url-refused",
        about: "The service does not know its own URL as an audience.",
        clauses: &["JWT-2.1.1-15", "JWT-2.1.1-16"],
        cases: &[
            "audience.own-url",
            "audience.array.first",
            "audience.array.last",
        ],
        apply: |rules| {
            rules.audience_accepted = |bearer, _, method| audience_accepted(bearer, &[], method)
        },
    },
    Fault {
        name: "audience-own-url-in-array-only",
        about: "The service's own URL as the single audience is not recognised.",
        clauses: &["JWT-2.1.1-15"],
        cases: &["audience.own-url"],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| match &bearer.audience {
                Some(Audience::One(one)) => one == ANY_AUDIENCE,
                _ => audience_accepted(bearer, own, method),
            }
        },
    },
    Fault {
        name: "audience-absent-accepted",
        about: "A token without an audience is for everybody.",
        clauses: &["JWT-2.1.1-12"],
        cases: &["audience.absent"],
        apply: |rules| {
            rules.audience_accepted = |bearer, own, method| {
                bearer.audience.is_none() || audience_accepted(bearer, own, method)
            }
        },
    },
    Fault {
        name: "bad-audience-is-error",
        about: "A token that is no good is answered with 500.",
        clauses: &["JWT-2.1.1-12", "JWT-2.1.1-13", "JWT-2.1.1-14", "RFC6750-18"],
        cases: &[
            "audience.foreign.read",
            "audience.foreign.word",
            "audience.foreign.write",
            "audience.foreign-array.read",
            "audience.foreign-array.write",
            "audience.absent",
        ],
        apply: |rules| {
            rules.tell = |_, outcome| match outcome {
                Outcome::Refused(Refusal::InvalidToken(_)) => {
                    Outcome::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
                }
                other => other,
            }
        },
    },
];

/// Judges by the one audience that `which` picks from an array.
fn one_of(
    bearer: &Bearer,
    own: &[String],
    method: Method,
    which: fn(&[String]) -> Option<&String>,
) -> bool {
    let picked = match &bearer.audience {
        Some(Audience::Many(many)) => which(many).cloned().map(Audience::One),
        other => other.clone(),
    };
    let bearer = Bearer {
        audience: picked,
        ..bearer.clone()
    };
    audience_accepted(&bearer, own, method)
}
