//! How groups are read and compared, and how they go together with capabilities.

use serde_json::{Map, Value};

use super::super::authorisation::{allows, groups_permit, protected};
use super::super::scope::{Scope, claimed};
use super::super::token::groups as asserted;
use super::{Apply, Fault};

/// Stands for an empty list of groups.
const NONE: &str = "";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "child-implies-member",
        about: "A group counts as each of those above it.",
        clauses: &["JWT-2.2.2-02"],
        cases: &["group.child.no-read", "group.child.no-write"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted
                    .iter()
                    .any(|group| group.starts_with(&format!("{}/", groups.member)))
                    && !protected(groups, asked))
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "group-names-letters",
        about: "Upper and lower case do not matter in the name of a group.",
        clauses: &["JWT-2.2.2-04"],
        cases: &["group.name.letters"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted
                    .iter()
                    .any(|group| group.eq_ignore_ascii_case(&groups.privileged)))
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "group-names-beginnings",
        about: "The beginning of a group's name is enough.",
        clauses: &["JWT-2.2.2-04"],
        cases: &["group.name.longer", "group.name.role", "group.name.child"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted
                    .iter()
                    .any(|group| group.starts_with(&groups.privileged)))
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "group-names-roles",
        about: "The role at the end of a group's name is cut off.",
        clauses: &["JWT-2.2.2-04"],
        cases: &["group.name.role"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted
                    .iter()
                    .any(|group| group.split("/Role=").next() == Some(groups.privileged.as_str())))
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "group-names-children",
        about: "A group counts as the one above it.",
        clauses: &["JWT-2.2.2-02"],
        cases: &["group.name.child"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asserted.iter().any(|group| {
                    group.rsplit_once('/').is_some_and(|(parent, child)| {
                        parent == groups.privileged
                            && !child.is_empty()
                            && !child.contains(['.', '='])
                    })
                })) || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "groups-text",
        about: "A wlcg.groups claim may be a text.",
        clauses: &["JWT-2.2.2-05"],
        cases: &["group.shape.text"],
        apply: Apply::Element(|rules| {
            rules.token.groups = |claims| {
                claims
                    .get("wlcg.groups")
                    .and_then(|claim| claim.as_str().map(|one| vec![one.to_owned()]))
                    .unwrap_or_else(|| asserted(claims))
            }
        }),
    },
    Fault {
        name: "groups-joined",
        about: "Each text in a wlcg.groups claim is split at its spaces.",
        clauses: &["JWT-2.2.2-04"],
        cases: &["group.name.joined"],
        apply: Apply::Element(|rules| {
            rules.token.groups = |claims| {
                claims
                    .get("wlcg.groups")
                    .and_then(|claim| {
                        claim.as_array().map(|many| {
                            many.iter()
                                .filter_map(Value::as_str)
                                .flat_map(|one| one.split(' '))
                                .map(str::to_owned)
                                .collect()
                        })
                    })
                    .unwrap_or_else(|| asserted(claims))
            }
        }),
    },
    Fault {
        name: "groups-from-groups",
        about: "Groups in the claim groups count as well.",
        clauses: &["JWT-2.2.2-06"],
        cases: &["group.other-claim.groups"],
        apply: Apply::Element(|rules| rules.token.groups = |claims| from(claims, "groups")),
    },
    Fault {
        name: "empty-groups-refused",
        about: "An empty list of groups puts the capabilities out of force.",
        clauses: &["JWT-2.2.2-07"],
        cases: &["group.none-needed"],
        apply: Apply::Element(|rules| {
            rules.token.groups = |claims| {
                if claims
                    .get("wlcg.groups")
                    .and_then(Value::as_array)
                    .is_some_and(Vec::is_empty)
                {
                    vec![NONE.to_owned()]
                } else {
                    asserted(claims)
                }
            };
            rules.allows = |rules, bearer, groups, asked| {
                !bearer.groups.iter().any(|group| group == NONE)
                    && allows(rules, bearer, groups, asked)
            };
        }),
    },
    Fault {
        name: "first-group-only",
        about: "Only the first group counts.",
        clauses: &["JWT-2.2.2-08"],
        cases: &["group.any-order"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                groups_permit(groups, asserted.get(..1).unwrap_or_default(), asked)
            }
        }),
    },
    Fault {
        name: "groups-add-up",
        about: "Groups add to capabilities, as in profile 1.0.",
        clauses: &["JWT-2.2.3-01", "JWT-2.2.3-02"],
        cases: &[
            "group.capability.no-write",
            "group.capability.no-read-elsewhere",
            "group.compute.no-read",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                ((rules.groups_permit)(groups, &bearer.groups, asked))
                    || allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "groups-add-up-for-storage",
        about: "Groups add to storage capabilities.",
        clauses: &["JWT-2.2.3-01"],
        cases: &[
            "group.capability.no-write",
            "group.capability.no-read-elsewhere",
        ],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                (!bearer.scope.elsewhere && (rules.groups_permit)(groups, &bearer.groups, asked))
                    || allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "compute-is-no-capability",
        about: "Capabilities of computing do not put groups out of force.",
        clauses: &["JWT-2.2.3-02"],
        cases: &["group.compute.no-read"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                (bearer.scope.elsewhere && (rules.groups_permit)(groups, &bearer.groups, asked))
                    || allows(rules, bearer, groups, asked)
            }
        }),
    },
    Fault {
        name: "any-scope-beats-groups",
        about: "Any scope puts the groups out of force.",
        clauses: &["JWT-2.2.3-03"],
        cases: &["group.other-scopes"],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| {
                let mut scope = claimed(claim)?;
                scope.elsewhere |= claim
                    .and_then(Value::as_str)
                    .is_some_and(|text| text.contains("offline_access"));
                Some(scope)
            }
        }),
    },
    Fault {
        name: "broken-capability-skipped",
        about: "A broken capability is passed over, so that the groups count.",
        clauses: &["JWT-2.2.3-04", "JWT-2.2.3-08"],
        cases: &[
            "group.broken-capability.no-path",
            "group.broken-capability.relative",
        ],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, _| claimed(claim).or_else(|| Some(Scope::default()))
        }),
    },
];

/// The groups, and those in another claim.
fn from(claims: &Map<String, Value>, other: &str) -> Vec<String> {
    let found = claims.get(other).and_then(Value::as_array);
    let found = found.into_iter().flatten().filter_map(Value::as_str);
    let mut groups = asserted(claims);
    groups.extend(found.map(str::to_owned));
    groups
}
