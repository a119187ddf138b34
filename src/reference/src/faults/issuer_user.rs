//! Issuers that tell something wrong of groups and users.

use serde_json::{Map, Value, json};

use super::super::issuer::{OAuthError, Telling, covers, groups};
use super::issuer_token::put;
use super::{Apply, Fault};

const GROUPS: &str = "wlcg.groups";

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "issuer-groups-doubled",
        about: "The first group stands there twice.",
        clauses: &["ISS-GRP-01"],
        cases: &[
            "issuer.groups.form",
            "issuer.groups.both",
            "issuer.groups.asked",
            "issuer.groups.default",
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.default-first",
            "issuer.groups.order.default-last",
            "issuer.groups.order.default-named",
            "issuer.groups.order.appended",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                with_groups(claims, |list| list.extend(list.first().cloned()));
            };
        }),
    },
    Fault {
        name: "issuer-groups-without-slash",
        about: "Groups come out without the slash in front.",
        clauses: &["ISS-GRP-01"],
        cases: &[
            "issuer.groups.form",
            "issuer.groups.vo",
            "issuer.groups.both",
            "issuer.groups.asked",
            "issuer.groups.default",
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.default-first",
            "issuer.groups.order.default-last",
            "issuer.groups.order.default-named",
            "issuer.groups.order.appended",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                with_groups(claims, |list| {
                    for group in list {
                        *group = group.trim_start_matches('/').to_owned();
                    }
                });
            };
        }),
    },
    Fault {
        name: "issuer-groups-are-text",
        about: "Groups come out as one text.",
        clauses: &["ISS-GRP-01"],
        cases: &[
            "issuer.groups.form",
            "issuer.groups.both",
            "issuer.groups.asked",
            "issuer.groups.default",
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.default-first",
            "issuer.groups.order.default-last",
            "issuer.groups.order.default-named",
            "issuer.groups.order.appended",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                if claims.contains_key(GROUPS) {
                    put(claims, GROUPS, json!(of.granted.groups.join(" ")));
                }
            };
        }),
    },
    Fault {
        name: "issuer-groups-of-other-vo",
        about: "Groups come with one of another VO.",
        clauses: &["ISS-GRP-02", "ISS-GRP-07"],
        cases: &[
            "issuer.groups.vo",
            "issuer.groups.both",
            "issuer.groups.asked",
            "issuer.groups.default",
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.default-first",
            "issuer.groups.order.default-last",
            "issuer.groups.order.default-named",
            "issuer.groups.order.appended",
        ],
        apply: Apply::Issuer(|rules| {
            rules.claims =
                |claims, _| with_groups(claims, |list| list.push("/other/users".to_owned()));
        }),
    },
    Fault {
        name: "issuer-groups-not-in-id-token",
        about: "ID tokens have no groups.",
        clauses: &["ISS-GRP-03"],
        cases: &["issuer.groups.both"],
        apply: Apply::Issuer(|rules| {
            rules.identity = |claims, _| {
                claims.remove(GROUPS);
            };
        }),
    },
    Fault {
        name: "issuer-groups-only-in-id-token",
        about: "Where an ID token is asked for, the access token has no groups.",
        clauses: &["ISS-GRP-03"],
        cases: &["issuer.groups.both"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, of| {
                if of.granted.scope.iter().any(|word| word == "openid") {
                    claims.remove(GROUPS);
                }
            };
        }),
    },
    Fault {
        name: "issuer-groups-unasked",
        about: "The default groups come with every token.",
        clauses: &["ISS-GRP-04"],
        cases: &[
            "issuer.groups.unasked",
            "issuer.groups.unasked.user",
            "issuer.capability.nothing-more",
        ],
        apply: Apply::Issuer(|rules| {
            rules.groups = |scope, membership| {
                let asked = groups(scope, membership)?;
                Ok(match asked.is_empty() {
                    true => membership.default.clone(),
                    false => asked,
                })
            };
        }),
    },
    Fault {
        name: "issuer-groups-all-at-once",
        about: "Who asks for groups gets the optional ones as well.",
        clauses: &["ISS-GRP-05"],
        cases: &[
            "issuer.groups.asked",
            "issuer.groups.default",
            "issuer.groups.order.default-first",
            "issuer.groups.order.default-last",
            "issuer.groups.order.default-named",
            "issuer.groups.order.appended",
        ],
        apply: Apply::Issuer(|rules| {
            rules.groups = |scope, membership| {
                let mut asked = groups(scope, membership)?;
                if !asked.is_empty() {
                    let more = membership.optional.iter();
                    let more: Vec<_> = more.filter(|one| !asked.contains(one)).cloned().collect();
                    asked.extend(more);
                }
                Ok(asked)
            };
        }),
    },
    Fault {
        name: "issuer-groups-default-only",
        about: "Optional groups are not given to who asks for them.",
        clauses: &["ISS-GRP-05", "ISS-GRP-03"],
        cases: &[
            "issuer.groups.asked",
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.default-first",
            "issuer.groups.order.default-last",
            "issuer.groups.order.default-named",
            "issuer.groups.order.appended",
        ],
        apply: Apply::Issuer(|rules| {
            rules.groups = |scope, membership| {
                let mut asked = groups(scope, membership)?;
                asked.retain(|group| membership.default.contains(group));
                Ok(asked)
            };
        }),
    },
    Fault {
        name: "issuer-groups-sorted",
        about: "Groups come in the order of the alphabet.",
        clauses: &["ISS-GRP-06"],
        cases: &[
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.default-last",
            "issuer.groups.order.appended",
        ],
        apply: Apply::Issuer(|rules| {
            rules.groups = |scope, membership| {
                let mut asked = groups(scope, membership)?;
                asked.sort();
                Ok(asked)
            };
        }),
    },
    Fault {
        name: "issuer-groups-reversed",
        about: "Groups come in the reverse of the order of the request.",
        clauses: &["ISS-GRP-06"],
        cases: &[
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.default-first",
            "issuer.groups.order.default-last",
            "issuer.groups.order.default-named",
            "issuer.groups.order.appended",
        ],
        apply: Apply::Issuer(|rules| {
            rules.groups = |scope, membership| {
                let mut asked = groups(scope, membership)?;
                asked.reverse();
                Ok(asked)
            };
        }),
    },
    Fault {
        name: "issuer-groups-without-default",
        about: "Who asks for an optional group does not get the default ones.",
        clauses: &["ISS-GRP-06"],
        cases: &[
            "issuer.groups.order.request",
            "issuer.groups.order.other",
            "issuer.groups.order.appended",
            "issuer.groups.asked",
        ],
        apply: Apply::Issuer(|rules| {
            rules.groups = |scope, membership| {
                let mut asked = groups(scope, membership)?;
                if !scope.iter().any(|word| word == GROUPS) {
                    asked.retain(|group| scope.contains(&format!("{GROUPS}:{group}")));
                }
                Ok(asked)
            };
        }),
    },
    Fault {
        name: "issuer-groups-of-others",
        about: "Every group that is asked for is given.",
        clauses: &["ISS-GRP-07"],
        cases: &[
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
            "issuer.groups.foreign.capitals",
            "issuer.groups.foreign.dots",
        ],
        apply: Apply::Issuer(|rules| {
            rules.refreshes = covers_groups;
            rules.groups = |scope, membership| {
                let mut all = membership.clone();
                let asked = scope.iter().filter_map(|word| named(word));
                all.optional.extend(asked.map(str::to_owned));
                groups(scope, &all)
            };
        }),
    },
    Fault {
        name: "issuer-groups-by-prefix",
        about: "Members of a group get every group whose name begins with its name.",
        clauses: &["ISS-GRP-07"],
        cases: &[
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
            "issuer.groups.foreign.dots",
        ],
        apply: Apply::Issuer(|rules| {
            rules.refreshes = covers_groups;
            rules.groups = |scope, membership| {
                let mut all = membership.clone();
                let begins = |group: &&str| {
                    let mut known = membership.default.iter().chain(&membership.optional);
                    known.any(|known| group.starts_with(known.as_str()))
                };
                let asked = scope.iter().filter_map(|word| named(word)).filter(begins);
                all.optional.extend(asked.map(str::to_owned));
                groups(scope, &all)
            };
        }),
    },
    Fault {
        name: "issuer-groups-in-any-case",
        about: "The case of a group's name does not count.",
        clauses: &["ISS-GRP-07"],
        cases: &["issuer.groups.foreign.capitals"],
        apply: Apply::Issuer(|rules| {
            rules.refreshes = covers_groups;
            rules.groups = |scope, membership| {
                let mut all = membership.clone();
                let asked = scope.iter().filter_map(|word| named(word));
                let asked = asked.filter(|group| membership.has(&group.to_lowercase()));
                all.optional.extend(asked.map(str::to_owned));
                groups(scope, &all)
            };
        }),
    },
    Fault {
        name: "issuer-groups-of-others-untold",
        about: "Groups of others are left out, and the reply has them in its scope.",
        clauses: &["ISS-GRP-07"],
        cases: &[
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
        ],
        apply: Apply::Issuer(|rules| {
            rules.refreshes = covers_groups;
            rules.groups = |scope, membership| {
                let foreign =
                    |word: &&String| named(word).is_some_and(|group| !membership.has(group));
                let own: Vec<String> = scope
                    .iter()
                    .filter(|word| !foreign(word))
                    .cloned()
                    .collect();
                groups(&own, membership)
            };
        }),
    },
    Fault {
        name: "issuer-groups-refused-as-scope",
        about: "Groups of others are refused as scopes that nobody knows.",
        clauses: &["ISS-GRP-07"],
        cases: &[
            "issuer.groups.foreign",
            "issuer.groups.foreign.beside",
            "issuer.groups.foreign.vo",
            "issuer.groups.foreign.prefix",
            "issuer.groups.foreign.below",
        ],
        apply: Apply::Issuer(|rules| {
            rules.groups = |scope, membership| {
                groups(scope, membership)
                    .map_err(|_| OAuthError::new("invalid_scope", "no such group"))
            };
        }),
    },
    Fault {
        name: "issuer-assurance-missing",
        about: "Tokens of users say nothing of their assurance.",
        clauses: &["ISS-ASS-01"],
        cases: &["issuer.token.assurance"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                claims.remove("eduperson_assurance");
                claims.remove("acr");
            };
        }),
    },
    Fault {
        name: "issuer-assurance-is-text",
        about: "The assurance in tokens of users is one text.",
        clauses: &["ISS-ASS-01"],
        cases: &["issuer.token.assurance"],
        apply: Apply::Issuer(|rules| {
            rules.claims = |claims, _| {
                let first = claims
                    .get("eduperson_assurance")
                    .and_then(|list| list.get(0));
                if let Some(first) = first.cloned() {
                    put(claims, "eduperson_assurance", first);
                }
            };
        }),
    },
    Fault {
        name: "issuer-identity-for-anybody",
        about: "ID tokens are for the audience of the access token.",
        clauses: &["ISS-IDT-01"],
        cases: &["issuer.token.identity"],
        apply: Apply::Issuer(|rules| {
            rules.identity = |claims, of| put(claims, "aud", of.granted.audience.to_json());
        }),
    },
    Fault {
        name: "issuer-identity-of-another",
        about: "ID tokens have another sub than access tokens.",
        clauses: &["ISS-IDT-01"],
        cases: &["issuer.token.identity"],
        apply: Apply::Issuer(|rules| {
            rules.identity = |claims, of: Telling| {
                let subject = format!("{}-{}", of.client, of.holder.subject);
                put(claims, "sub", json!(subject));
            };
        }),
    },
    Fault {
        name: "issuer-identity-from-elsewhere",
        about: "ID tokens name the issuer without its port.",
        clauses: &["ISS-IDT-01"],
        cases: &["issuer.token.identity"],
        apply: Apply::Issuer(|rules| {
            rules.identity = |claims, _| put(claims, "iss", json!("https://localhost/"));
        }),
    },
];

/// What a user has consented to, and every group: whether the user is a member is another question.
fn covers_groups(held: &[String], word: &str) -> bool {
    covers(held, word) || named(word).is_some()
}

fn named(word: &str) -> Option<&str> {
    word.strip_prefix("wlcg.groups:")
}

fn with_groups(claims: &mut Map<String, Value>, edit: fn(&mut Vec<String>)) {
    let list = claims.get(GROUPS).and_then(Value::as_array);
    if let Some(list) = list {
        let list = list.iter().filter_map(Value::as_str);
        let mut list: Vec<String> = list.map(str::to_owned).collect();
        edit(&mut list);
        put(claims, GROUPS, json!(list));
    }
}
