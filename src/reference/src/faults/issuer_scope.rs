//! Issuers that give other capabilities than they should.

use serde_json::{Value, json};

use super::super::issuer::{
    Answer, OAuthError, Occasion, Place, capability, capability_set, covers, known,
};
use super::issuer_token::put;
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-takes-bare-scope",
        about: "A storage scope without a path is granted.",
        clauses: &["ISS-TOK-13", "ISS-TOK-12"],
        cases: &["issuer.token.scope.bare"],
        apply: Apply::Issuer(|rules| {
            rules.known =
                |word| known(word) || (word.starts_with("storage.") && !word.contains(':'));
        }),
    },
    Fault {
        name: "issuer-takes-empty-path",
        about: "A storage scope with an empty path is granted.",
        clauses: &["ISS-TOK-13", "ISS-TOK-12"],
        cases: &["issuer.token.scope.empty"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(word) || storage(word, |path| path.is_empty());
        }),
    },
    Fault {
        name: "issuer-takes-relative-path",
        about: "A storage scope with a relative path is granted.",
        clauses: &["ISS-TOK-13", "ISS-TOK-12"],
        cases: &["issuer.token.scope.relative"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| {
                known(word) || storage(word, |path| !path.is_empty() && !path.starts_with('/'))
            };
        }),
    },
    Fault {
        name: "issuer-takes-dots",
        about: "A storage scope with dot segments in its path is granted.",
        clauses: &["ISS-TOK-13", "ISS-TOK-12"],
        cases: &["issuer.token.scope.dots"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(word) || storage(word, |path| path.contains("/../"));
        }),
    },
    Fault {
        name: "issuer-takes-double-slashes",
        about: "A storage scope with two slashes in a row is granted.",
        clauses: &["ISS-TOK-13", "ISS-TOK-12"],
        cases: &["issuer.token.scope.slashes"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(word) || storage(word, |path| path.contains("//"));
        }),
    },
    Fault {
        name: "issuer-takes-escaped-dots",
        about: "A storage scope with escaped dot segments in its path is granted.",
        clauses: &["ISS-TOK-13", "ISS-TOK-12"],
        cases: &["issuer.token.scope.escaped-dots"],
        apply: Apply::Issuer(|rules| {
            rules.known =
                |word| known(word) || storage(word, |path| path.to_lowercase().contains("%2e%2e"));
        }),
    },
    Fault {
        name: "issuer-gives-one-capability",
        about: "Of several capabilities that are asked for only the first is given.",
        clauses: &["ISS-CAP-01"],
        cases: &[
            "issuer.capability.several",
            "issuer.capability.same-name",
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
        ],
        apply: Apply::Issuer(|rules| {
            rules.expanded = |_, scope| {
                let mut seen = false;
                let keep = |word: &String| {
                    let capable = word.starts_with("storage.");
                    let more = capable && seen;
                    seen |= capable;
                    !more
                };
                scope.into_iter().filter(keep).collect()
            };
        }),
    },
    Fault {
        name: "issuer-gives-one-of-a-name",
        about: "Of several capabilities of one name only the last is given.",
        clauses: &["ISS-CAP-01"],
        cases: &["issuer.capability.same-name"],
        apply: Apply::Issuer(|rules| {
            rules.expanded = |_, scope| {
                let name = |word: &str| word.split_once(':').map(|(name, _)| name.to_owned());
                let last = |at: usize| {
                    let own = name(&scope[at]).filter(|name| name.starts_with("storage."));
                    own.is_none() || scope[at + 1..].iter().all(|other| name(other) != own)
                };
                let kept = (0..scope.len()).filter(|at| last(*at));
                kept.map(|at| scope[at].clone()).collect()
            };
        }),
    },
    Fault {
        name: "issuer-adds-reading",
        about: "Who asks for a storage capability gets storage.read for everything with it.",
        clauses: &["ISS-CAP-01", "ISS-CAP-02"],
        cases: &[
            "issuer.token.scope.form",
            "issuer.capability.same-name",
            "issuer.capability.nothing-more",
            "issuer.capability.nothing-more.modify",
            "issuer.capability.below",
            "issuer.capability.set",
            "issuer.exchange.narrower",
            "issuer.refresh.narrower",
        ],
        apply: Apply::Issuer(|rules| {
            rules.expanded = |_, mut scope| {
                if scope.iter().any(|word| word.starts_with("storage.")) {
                    scope.push("storage.read:/".into());
                }
                scope
            };
        }),
    },
    Fault {
        name: "issuer-adds-creating",
        about: "Who asks for storage.modify gets storage.create with it.",
        clauses: &["ISS-CAP-01", "ISS-CAP-02"],
        cases: &[
            "issuer.token.scope.form",
            "issuer.capability.nothing-more.modify",
        ],
        apply: Apply::Issuer(|rules| {
            rules.expanded = |_, mut scope| {
                let paths = scope
                    .iter()
                    .filter_map(|word| word.strip_prefix("storage.modify:"));
                let more: Vec<_> = paths.map(|path| format!("storage.create:{path}")).collect();
                scope.extend(more);
                scope
            };
        }),
    },
    Fault {
        name: "issuer-entitles-by-prefix",
        about: "Who is entitled to a path is entitled to all that begin with the same letters.",
        clauses: &["ISS-CAP-02"],
        cases: &["issuer.capability.narrow.sibling"],
        apply: Apply::Issuer(|rules| {
            rules.entitled = |held, word| held.iter().any(|held| word.starts_with(held.as_str()));
        }),
    },
    Fault {
        name: "issuer-entitles-above",
        about: "Who is entitled to a path is entitled to the directories that lead there.",
        clauses: &["ISS-CAP-02"],
        cases: &["issuer.capability.narrow.root"],
        apply: Apply::Issuer(|rules| {
            rules.entitled = |held, word| {
                let above = |held: &String| covers(&[word.to_owned()], held);
                covers(held, word) || held.iter().any(above)
            };
        }),
    },
    Fault {
        name: "issuer-entitles-by-path",
        about: "Who is entitled to a path is entitled to every operation there.",
        clauses: &["ISS-CAP-02"],
        cases: &["issuer.capability.narrow.operation"],
        apply: Apply::Issuer(|rules| rules.entitled = covers_by_path),
    },
    Fault {
        name: "issuer-entitles-dots",
        about: "Entitlements are compared before dot segments are taken in.",
        clauses: &["ISS-CAP-02", "ISS-TOK-13"],
        cases: &["issuer.token.scope.dots", "issuer.capability.narrow.dots"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(word) || storage(word, |path| path.contains("/../"));
            rules.entitled = covers_as_written;
        }),
    },
    Fault {
        name: "issuer-entitles-escaped-dots",
        about: "Entitlements are compared before escaped dot segments are taken in.",
        clauses: &["ISS-CAP-02", "ISS-TOK-13"],
        cases: &[
            "issuer.token.scope.escaped-dots",
            "issuer.capability.narrow.escaped-dots",
        ],
        apply: Apply::Issuer(|rules| {
            rules.known =
                |word| known(word) || storage(word, |path| path.to_lowercase().contains("/%2e%2e"));
            rules.entitled = covers_as_written;
        }),
    },
    Fault {
        name: "issuer-entitles-by-first",
        about: "Only the first scope is compared with what a client is entitled to.",
        clauses: &["ISS-CAP-02"],
        cases: &["issuer.capability.narrow.beside"],
        apply: Apply::Issuer(|rules| rules.compares_first_only = true),
    },
    Fault {
        name: "issuer-entitles-capitals",
        about: "Capabilities in capitals are granted to everybody, in small letters.",
        clauses: &["ISS-CAP-02"],
        cases: &["issuer.capability.narrow.capitals"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(&word.to_lowercase());
            rules.entitled = |held, word| covers(held, word) || word.starts_with("STORAGE.");
            rules.claims = |claims, of| {
                let scope = of.granted.scope.join(" ");
                let scope = scope.replace("STORAGE.MODIFY", "storage.modify");
                put(
                    claims,
                    "scope",
                    json!(scope.replace("STORAGE.READ", "storage.read")),
                );
            };
        }),
    },
    Fault {
        name: "issuer-partial-untold",
        about: "What is not due is left out, and the reply does not say so.",
        clauses: &["ISS-CAP-03"],
        cases: &["issuer.capability.told"],
        apply: Apply::Issuer(|rules| {
            rules.drops_what_is_not_due = true;
            rules.finish = untold;
        }),
    },
    Fault {
        name: "issuer-unknown-untold",
        about: "Scopes that nobody knows are left out, and the reply does not say so.",
        clauses: &["ISS-CAP-03"],
        cases: &["issuer.capability.told.unknown"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(word) || !word.starts_with("storage.");
            rules.expanded = |_, mut scope| {
                scope.retain(|word| known(word));
                scope
            };
            rules.finish = untold;
        }),
    },
    Fault {
        name: "issuer-deep-paths-refused",
        about: "Paths with more than three components are refused.",
        clauses: &["ISS-CAP-04"],
        cases: &["issuer.capability.below"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(word) && word.matches('/').count() <= 3;
        }),
    },
    Fault {
        name: "issuer-narrower-refused",
        about: "A client gets exactly the scopes to which it is entitled, and none below them.",
        clauses: &["ISS-CAP-04"],
        cases: &["issuer.capability.narrow.below"],
        apply: Apply::Issuer(|rules| {
            rules.entitled = |held, word| held.iter().any(|held| held == word);
        }),
    },
    Fault {
        name: "issuer-set-incomplete",
        about: "Of a capability set the last capability is not given.",
        clauses: &["ISS-CAP-05"],
        cases: &[
            "issuer.capability.set",
            "issuer.capability.set.beside",
            "issuer.capability.set.two",
        ],
        apply: Apply::Issuer(|rules| {
            rules.capability_set = |group, membership, sets| {
                let mut set = capability_set(group, membership, sets)?;
                set.pop();
                Ok(set)
            };
        }),
    },
    Fault {
        name: "issuer-set-alone",
        about: "Who asks for a capability set gets nothing else.",
        clauses: &["ISS-CAP-05"],
        cases: &["issuer.capability.set.beside"],
        apply: Apply::Issuer(|rules| {
            rules.expanded = |asked, mut scope| {
                if asked
                    .iter()
                    .any(|word| word.starts_with("wlcg.capabilityset:"))
                {
                    scope.retain(|word| !asked.contains(word));
                }
                scope
            };
        }),
    },
    Fault {
        name: "issuer-set-for-anybody",
        about: "Capability sets are given to who is no member of their group.",
        clauses: &["ISS-CAP-06"],
        cases: &["issuer.capability.set.foreign"],
        apply: Apply::Issuer(|rules| {
            rules.capability_set = |group, membership, sets| match sets.get(group) {
                Some(set) => Ok(set.clone()),
                // A group that nobody configured has the set of its VO.
                None => capability_set(group, membership, sets)
                    .or_else(|_| Ok(vec!["storage.read:/".to_owned()])),
            };
        }),
    },
    Fault {
        name: "issuer-set-is-unknown",
        about: "A capability set that is not due is refused as a scope that nobody knows.",
        clauses: &["ISS-CAP-06"],
        cases: &["issuer.capability.set.foreign"],
        apply: Apply::Issuer(|rules| {
            rules.capability_set = |group, membership, sets| {
                capability_set(group, membership, sets)
                    .map_err(|_| OAuthError::new("invalid_scope", "no such set"))
            };
        }),
    },
    Fault {
        name: "issuer-claims-any-version",
        about: "Tokens claim whatever version of the profile was asked for.",
        clauses: &["ISS-VER-01", "ISS-TOK-03"],
        cases: &["issuer.token.version.unknown"],
        apply: Apply::Issuer(|rules| {
            rules.known = |word| known(word) || word.starts_with("wlcg:");
            rules.claims = |claims, of| {
                let mut words = of.granted.scope.iter();
                if let Some(version) = words.find_map(|word| word.strip_prefix("wlcg:")) {
                    put(claims, "wlcg.ver", json!(version));
                }
            };
        }),
    },
    Fault {
        name: "issuer-host-has-no-scope",
        about: "The scope host.auth is not given to anybody.",
        clauses: &["ISS-HOST-01"],
        cases: &["issuer.token.host"],
        apply: Apply::Issuer(|rules| {
            rules.expanded = |_, mut scope| {
                scope.retain(|word| word != "host.auth");
                scope
            };
        }),
    },
    Fault {
        name: "issuer-client-has-other-name",
        about: "A client that acts for itself is another sub.",
        clauses: &["ISS-HOST-01"],
        cases: &["issuer.token.client"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                if of.holder.login.is_none() {
                    put(
                        claims,
                        "sub",
                        json!(format!("service-account-{}", of.client)),
                    );
                }
            };
        }),
    },
];

/// The reply does not say what was granted.
fn untold(answer: &mut Answer, at: Occasion) {
    if at.place == Place::Token
        && let Some(reply) = answer.json().and_then(Value::as_object_mut)
    {
        reply.remove("scope");
    }
}

/// What somebody holds, and whatever follows it after a slash.
pub(super) fn covers_as_written(held: &[String], asked: &str) -> bool {
    let below = |held: &String| asked.strip_prefix(held.as_str());
    let mut rest = held.iter().filter_map(below);
    rest.any(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The same path or one below, whatever the operation.
pub(super) fn covers_by_path(held: &[String], asked: &str) -> bool {
    let renamed = |held: &String| {
        let (name, _) = capability(asked)?;
        let (_, path) = held.split_once(':')?;
        Some(format!("{name}:{path}"))
    };
    let renamed: Vec<String> = held.iter().filter_map(renamed).collect();
    covers(held, asked) || covers(&renamed, asked)
}

pub(super) fn storage(word: &str, path: fn(&str) -> bool) -> bool {
    let parts = word.split_once(':');
    parts.is_some_and(|(name, rest)| name.starts_with("storage.") && path(rest))
}
