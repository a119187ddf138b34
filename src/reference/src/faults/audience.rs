//! Whom a token is for.

use serde_json::json;

use super::super::authorisation::audience_accepted;
use super::super::scope::Action;
use super::super::token::Bearer;
use super::authentication::{altered, error_for, object};
use super::{Apply, Fault};
use touchstone_model::{ANY_AUDIENCE, Audience, Method};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "audience-by-host",
        about: "What a request names as its host is a name of the service.",
        clauses: &["JWT-2.1.1-13"],
        cases: &["audience.host"],
        apply: Apply::Element(|rules| {
            rules.authenticate = |_, parts, verified| {
                let mut bearer = verified?;
                let host = parts
                    .headers
                    .get("host")
                    .and_then(|host| host.to_str().ok());
                let named = host.map(|host| format!("https://{host}"));
                let mut audiences = bearer.audience.iter().flat_map(Audience::each);
                if audiences.any(|audience| named.as_ref() == Some(audience)) {
                    bearer.audience = Some(Audience::One(ANY_AUDIENCE.to_owned()));
                }
                Ok(bearer)
            }
        }),
    },
    Fault {
        name: "audience-ignored",
        about: "Nobody looks at the audience of a token, as long as there is one.",
        clauses: &[
            "JWT-2.1.1-12",
            "JWT-2.1.1-13",
            "JWT-2.1.1-14",
            "JWT-2.1.1-18",
            "JWT-2.1.1-19",
            "JWT-2.1.3-01",
            "JWT-4.2-22",
        ],
        cases: &[
            "audience.foreign.read",
            "audience.foreign.write",
            "audience.foreign-array.read",
            "audience.foreign-array.write",
            "audience.any.capitals",
            "audience.below",
            "audience.empty",
            "audience.inside",
            "audience.longer",
            "audience.wildcard",
            "authentication.id-token.read",
            "authentication.repeated.audience",
            "tape.stage.other-audience",
            "tape.token.other-audience",
            "tpc.pull.other-audience",
            "tpc.push.other-audience",
        ],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, _, _| bearer.audience.is_some()
        }),
    },
    Fault {
        name: "audience-ignored-on-read",
        about: "The audience does not matter to a GET.",
        clauses: &[
            "JWT-2.1.1-12",
            "JWT-2.1.1-13",
            "JWT-2.1.1-14",
            "JWT-2.1.1-18",
            "JWT-2.1.1-19",
            "JWT-2.1.3-01",
            "JWT-4.2-22",
        ],
        cases: &[
            "audience.foreign.read",
            "audience.foreign-array.read",
            "audience.any.capitals",
            "audience.below",
            "audience.empty",
            "audience.inside",
            "audience.longer",
            "audience.wildcard",
            "authentication.id-token.read",
            "authentication.repeated.audience",
            "tape.stage.other-audience",
            "tape.token.other-audience",
        ],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                (bearer.audience.is_some() && !method.writes())
                    || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-ignored-on-write",
        about: "The audience does not matter to requests that change something.",
        clauses: &["JWT-2.1.1-13", "JWT-2.1.1-14", "JWT-2.1.3-01"],
        cases: &[
            "audience.foreign.write",
            "audience.foreign-array.write",
            "tpc.pull.other-audience",
            "tpc.push.other-audience",
        ],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                (bearer.audience.is_some() && method.writes())
                    || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-non-url-ignored",
        about: "An audience that is no URL counts as none of another service.",
        clauses: &[
            "JWT-2.1.1-12",
            "JWT-2.1.1-13",
            "JWT-2.1.1-19",
            "JWT-2.1.3-01",
        ],
        cases: &[
            "audience.empty",
            "audience.wildcard",
            "authentication.id-token.read",
        ],
        apply: Apply::Element(|rules| {
            rules.audience_accepted =
                |bearer, own, method| {
                    bearer.audience.as_ref().is_some_and(|audience| {
                        audience.each().iter().all(|one| !one.contains("://"))
                    }) || audience_accepted(bearer, own, method)
                }
        }),
    },
    Fault {
        name: "audience-array-ignored",
        about: "An array of audiences is accepted whatever it holds.",
        clauses: &["JWT-2.1.1-14"],
        cases: &[
            "audience.foreign-array.read",
            "audience.foreign-array.write",
        ],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                matches!(bearer.audience, Some(Audience::Many(_)))
                    || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-array-ignored-on-write",
        about: "To requests that change something, an array of audiences is right whatever it holds.",
        clauses: &["JWT-2.1.1-14"],
        cases: &["audience.foreign-array.write"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                (method.writes() && matches!(bearer.audience, Some(Audience::Many(_))))
                    || audience_accepted(bearer, own, method)
            }
        }),
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
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                !matches!(bearer.audience, Some(Audience::Many(_)))
                    && audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-array-first-only",
        about: "Of an array of audiences only the first counts.",
        clauses: &["JWT-2.1.1-16", "JWT-2.1.1-17"],
        cases: &["audience.array.last", "audience.any.in-array"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted =
                |bearer, own, method| one_of(bearer, own, method, <[String]>::first)
        }),
    },
    Fault {
        name: "audience-array-last-only",
        about: "Of an array of audiences only the last counts.",
        clauses: &["JWT-2.1.1-16"],
        cases: &["audience.array.first"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted =
                |bearer, own, method| one_of(bearer, own, method, <[String]>::last)
        }),
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
            "path.root.read",
            "path.directory.read",
            "path.file.read",
            "path.trailing-slash.read",
            "tpc.pull",
        ],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                let any = bearer
                    .audience
                    .as_ref()
                    .is_some_and(|audience| audience.each().iter().any(|one| one == ANY_AUDIENCE));
                !(any && bearer.has_only(Action::Read) && !method.writes())
                    && audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-any-in-array-refused",
        about: "The audience that means everybody counts only alone.",
        clauses: &["JWT-2.1.1-17"],
        cases: &["audience.any.in-array"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| match &bearer.audience {
                Some(Audience::Many(many)) => many.iter().any(|one| own.contains(one)),
                _ => audience_accepted(bearer, own, method),
            }
        }),
    },
    Fault {
        name: "audience-own-url-refused",
        about: "The service does not know its own URL as an audience.",
        clauses: &["JWT-2.1.1-15", "JWT-2.1.1-16"],
        cases: &["audience.own-url", "tape.token.endpoint-audience"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, _, method| audience_accepted(bearer, &[], method)
        }),
    },
    Fault {
        name: "audience-own-url-in-array-only",
        about: "The service's own URL as the single audience is not recognised.",
        clauses: &["JWT-2.1.1-15"],
        cases: &["audience.own-url", "tape.token.endpoint-audience"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| match &bearer.audience {
                Some(Audience::One(one)) => one == ANY_AUDIENCE,
                _ => audience_accepted(bearer, own, method),
            }
        }),
    },
    Fault {
        name: "audience-absent-accepted",
        about: "A token without an audience is for everybody.",
        clauses: &["JWT-2.1.1-12"],
        cases: &["audience.absent", "tape.token.no-audience"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                bearer.audience.is_none() || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "bad-audience-is-error",
        about: "A token for another audience is answered with 500.",
        clauses: &[
            "JWT-2.1.1-12",
            "JWT-2.1.1-13",
            "JWT-2.1.1-14",
            "JWT-2.1.1-18",
            "JWT-2.1.1-19",
            "JWT-2.1.1-20",
            "JWT-2.1.3-01",
            "JWT-4.2-22",
            "RFC6750-18",
        ],
        cases: &[
            "audience.foreign.read",
            "audience.foreign.write",
            "audience.foreign-array.read",
            "audience.foreign-array.write",
            "audience.absent",
            "audience.any.capitals",
            "audience.below",
            "audience.empty",
            "audience.inside",
            "audience.longer",
            "audience.no-text",
            "audience.slash",
            "audience.wildcard",
            "authentication.id-token.read",
            "authentication.repeated.audience",
            "tpc.pull.other-audience",
            "tpc.push.other-audience",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |_, outcome| {
                error_for(
                    outcome,
                    &["it is meant for another service", "aud is no audience"],
                )
            }
        }),
    },
    Fault {
        name: "audience-empty-accepted",
        about: "An empty audience is for everybody.",
        clauses: &["JWT-2.1.1-12"],
        cases: &["audience.empty"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                named(bearer, |one| one.is_empty()) || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-no-text-accepted",
        about: "An audience that is neither text nor array is for everybody.",
        clauses: &["JWT-2.1.1-12"],
        cases: &["audience.no-text"],
        apply: Apply::Element(|rules| {
            rules.token.object = |json| {
                Some(altered(
                    object(json)?,
                    |map| {
                        map.get("aud").is_some_and(|aud| {
                            aud.is_number() || aud.is_object() || aud.is_boolean()
                        })
                    },
                    ("aud", json!(ANY_AUDIENCE)),
                ))
            }
        }),
    },
    Fault {
        name: "audience-any-case-ignored",
        about: "The audience that means everybody is compared without regard to case.",
        clauses: &["JWT-2.1.1-18"],
        cases: &["audience.any.capitals"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                named(bearer, |one| one.eq_ignore_ascii_case(ANY_AUDIENCE))
                    || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-prefix-match",
        about: "An audience that starts like the service is its own.",
        clauses: &["JWT-2.1.1-19"],
        cases: &["audience.longer", "audience.below"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                named(bearer, |one| {
                    own.iter().any(|own| one.starts_with(own.as_str()))
                }) || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-path-ignored",
        about: "Of an audience only scheme, host and port count.",
        clauses: &["JWT-2.1.1-19"],
        cases: &["audience.below"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                named(bearer, |one| {
                    own.iter().any(|own| {
                        one.strip_prefix(own.as_str())
                            .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
                    })
                }) || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-suffix-match",
        about: "An audience that ends like the service is its own.",
        clauses: &["JWT-2.1.1-19"],
        cases: &["audience.inside"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                named(bearer, |one| {
                    own.iter().any(|own| one.ends_with(own.as_str()))
                }) || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-contained",
        about: "An audience that has the service in it is its own.",
        clauses: &["JWT-2.1.1-19"],
        cases: &["audience.longer", "audience.below", "audience.inside"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                named(bearer, |one| {
                    own.iter().any(|own| one.contains(own.as_str()))
                }) || audience_accepted(bearer, own, method)
            }
        }),
    },
    Fault {
        name: "audience-pattern",
        about: "An audience may be a pattern.",
        clauses: &["JWT-2.1.1-19"],
        cases: &["audience.wildcard"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                named(bearer, |one| one.ends_with('*')) || audience_accepted(bearer, own, method)
            }
        }),
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

/// Whether one of the audiences is such a one.
fn named(bearer: &Bearer, is_such: impl Fn(&str) -> bool) -> bool {
    let audience = bearer.audience.as_ref();
    audience.is_some_and(|audience| audience.each().iter().any(|one| is_such(one)))
}
