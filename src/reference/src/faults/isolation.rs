//! How the areas of several issuers are kept apart.

use serde_json::Value;

use super::super::authorisation::{Operation, covers};
use super::super::path::{ObjectPath, WrittenPath};
use super::super::scope::{Action, Capability, Scope, claimed};
use super::super::token::{Bearer, TokenRules};
use super::scopes::text_of;
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "every-issuer-everywhere",
        about: "Every trusted issuer speaks for every area.",
        clauses: &["JWT-2.1.1-25"],
        cases: &[
            "isolation.second.no-put",
            "isolation.second.no-move-in",
            "isolation.second.no-move-out",
            "isolation.first.no-get",
            "tape.request.other-issuer",
        ],
        apply: Apply::Element(|rules| {
            rules.speaks_for = |bearer, area, _, asked| {
                bearer.issuer == area.issuer
                    || (!observing(bearer)
                        && !bearer.capabilities().is_empty()
                        && asked.path.depth() > 0)
            }
        }),
    },
    Fault {
        name: "every-issuer-reads",
        about: "Every trusted issuer speaks for every area when reading.",
        clauses: &["JWT-2.1.1-25"],
        cases: &[
            "isolation.second.no-get",
            "isolation.second.no-groups",
            "isolation.first.no-get",
        ],
        apply: Apply::Element(|rules| {
            rules.speaks_for = |bearer, area, _, asked| {
                bearer.issuer == area.issuer || (asked.operation == Operation::Read)
            }
        }),
    },
    Fault {
        name: "every-issuer-looks",
        about: "Every trusted issuer speaks for every area when looking.",
        clauses: &["JWT-2.1.1-25"],
        cases: &["isolation.second.no-propfind"],
        apply: Apply::Element(|rules| {
            rules.speaks_for = |bearer, area, _, asked| {
                bearer.issuer == area.issuer || (asked.operation == Operation::Stat)
            }
        }),
    },
    Fault {
        name: "every-issuer-creates",
        about: "Every trusted issuer speaks for every area when uploading.",
        clauses: &["JWT-2.1.1-25"],
        cases: &["isolation.second.no-put", "isolation.second.no-move-in"],
        apply: Apply::Element(|rules| {
            rules.speaks_for = |bearer, area, _, asked| {
                bearer.issuer == area.issuer || (asked.operation == Operation::Create)
            }
        }),
    },
    Fault {
        name: "every-issuer-deletes",
        about: "Every trusted issuer speaks for every area when deleting.",
        clauses: &["JWT-2.1.1-25"],
        cases: &["isolation.second.no-delete"],
        apply: Apply::Element(|rules| {
            rules.speaks_for = |bearer, area, _, asked| {
                bearer.issuer == area.issuer || (asked.operation == Operation::Delete)
            }
        }),
    },
    Fault {
        name: "every-issuer-renames-away",
        about: "Every trusted issuer speaks for every area where a rename comes from.",
        clauses: &["JWT-2.1.1-25"],
        cases: &["isolation.second.no-move-out"],
        apply: Apply::Element(|rules| {
            rules.speaks_for = |bearer, area, _, asked| {
                bearer.issuer == area.issuer || (asked.operation == Operation::RenameFile)
            }
        }),
    },
    Fault {
        name: "every-group-everywhere",
        about: "Groups count in every area.",
        clauses: &["JWT-2.1.1-25"],
        cases: &["isolation.second.no-groups"],
        apply: Apply::Element(|rules| {
            rules.speaks_for = |bearer, area, _, _| {
                bearer.issuer == area.issuer || (bearer.capabilities().is_empty())
            }
        }),
    },
    Fault {
        name: "issuer-speaks-not",
        about: "Only the first issuer speaks for its area.",
        clauses: &["JWT-2.1.1-31"],
        cases: &["isolation.second.own", "isolation.second.issuer-path"],
        apply: Apply::Element(|rules| {
            rules.speaks_for = |bearer, area, areas, _| {
                bearer.issuer == area.issuer
                    && (observing(bearer)
                        || areas
                            .first()
                            .is_some_and(|first| first.issuer == area.issuer))
            }
        }),
    },
    Fault {
        name: "issuer-path-forgotten",
        about: "The keys of an issuer with a path in its URL are looked for elsewhere.",
        clauses: &["JWT-4.2-21"],
        cases: &["isolation.second.issuer-path", "isolation.second.own"],
        apply: Apply::Element(|rules| {
            rules.token.keys = |jws, keys| {
                let iss = jws.claims.get("iss").and_then(Value::as_str);
                let address = iss.unwrap_or_default().trim_end_matches('/');
                // The observer's tokens may do more than read.
                let only_reads = jws
                    .claims
                    .get("scope")
                    .is_some_and(|scope| scope == "storage.read:/");
                match address.matches('/').count() {
                    3 if only_reads => Vec::new(),
                    _ => (TokenRules::default().keys)(jws, keys),
                }
            }
        }),
    },
    Fault {
        name: "keys-are-pooled",
        about: "The keys of every trusted issuer count for all of them.",
        clauses: &["JWT-4.2-09"],
        cases: &[
            "isolation.keys.own-for-second",
            "isolation.keys.second-for-own",
        ],
        apply: Apply::Element(|rules| rules.token.pools_keys = true),
    },
    Fault {
        name: "scope-climbs-by-dots",
        about: "Two dots in a scope path lead out of the area.",
        clauses: &["JWT-2.2.1-41"],
        cases: &["isolation.climb.dots", "isolation.climb.root"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| climbing(claim, |text| text.to_owned());
            rules.speaks_for = |bearer, area, _, _| bearer.issuer == area.issuer || climbs(bearer);
            rules.covers = |scope, asked| {
                scope.path.names().first().is_some_and(|name| name == "..") || covers(scope, asked)
            };
        }),
    },
    Fault {
        name: "scope-climbs-by-escaped-dots",
        about: "Two escaped dots in a scope path lead out of the area.",
        clauses: &["JWT-2.2.1-41"],
        cases: &["isolation.climb.dots", "isolation.climb.root"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| climbing(claim, |text| text.replace("%2e", "."));
            rules.speaks_for = |bearer, area, _, _| bearer.issuer == area.issuer || climbs(bearer);
            rules.covers = |scope, asked| {
                scope.path.names().first().is_some_and(|name| name == "..") || covers(scope, asked)
            };
        }),
    },
    Fault {
        name: "scope-climbs-by-escaped-slash",
        about: "Two dots and an escaped slash in a scope path lead out of the area.",
        clauses: &["JWT-2.2.1-41"],
        cases: &["isolation.climb.dots", "isolation.climb.root"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| climbing(claim, |text| text.replace("%2f", "/"));
            rules.speaks_for = |bearer, area, _, _| bearer.issuer == area.issuer || climbs(bearer);
            rules.covers = |scope, asked| {
                scope.path.names().first().is_some_and(|name| name == "..") || covers(scope, asked)
            };
        }),
    },
];

/// Whether it may both read and modify, as the observer does.
fn observing(bearer: &Bearer) -> bool {
    bearer.has(Action::Read) && bearer.has(Action::Modify)
}

/// Whether a capability leads out of the area.
fn climbs(bearer: &Bearer) -> bool {
    let out = |one: &Capability| {
        one.path
            .path
            .names()
            .first()
            .is_some_and(|name| name == "..")
    };
    bearer.capabilities().iter().any(out)
}

/// A claim with one capability whose path, as `shape` has it, climbs out of the root.
fn climbing(claim: Option<&Value>, shape: fn(&str) -> String) -> Option<Scope> {
    let shaped = shape(text_of(claim));
    let Some((name, path)) = shaped.split_once(":/") else {
        return claimed(claim);
    };
    let mut depth = 0_i32;
    let out = path.split('/').any(|name| {
        depth += if name == ".." { -1 } else { 1 };
        depth < 0
    });
    if !out {
        return claimed(claim);
    }
    let scope = Scope::parse(&format!("{name}:/"))?;
    let up = WrittenPath {
        path: ObjectPath::of(vec!["..".to_owned()]),
        slash: false,
    };
    let capabilities = scope.capabilities.into_iter();
    Some(Scope {
        capabilities: capabilities
            .map(|one| Capability {
                path: up.clone(),
                ..one
            })
            .collect(),
        elsewhere: false,
    })
}
