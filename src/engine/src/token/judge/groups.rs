use std::collections::BTreeSet;

use serde_json::Value;

use touchstone_model::Profile;

use super::Remarks;
use super::claims::shown;

/// Claims in which other profiles name groups.
const ELSEWHERE: [&str; 4] = ["groups", "eduperson_entitlement", "entitlements", "roles"];

pub(super) fn judge(remarks: &mut Remarks<'_>) {
    let token = remarks.token;
    for name in ELSEWHERE {
        if token.claim(name).is_some() && !remarks.statements.iter().any(|s| s.about == name) {
            remarks.note(
                name,
                "JWT-2.2.2-06",
                format!("`{name}` is no claim of the profile"),
                "groups count in wlcg.groups alone; at IAM they come there when the scope wlcg.groups is asked for",
            );
        }
    }
    let Some(claim) = token.claim("wlcg.groups") else {
        return;
    };
    let Value::Array(groups) = claim else {
        remarks.must(
            "wlcg.groups",
            "ISS-GRP-01",
            format!("wlcg.groups is {}, not an array of strings", shown(claim)),
            "it asserts no membership (JWT-2.2.2-05)",
        );
        return;
    };
    let mut seen = BTreeSet::new();
    let mut roots = BTreeSet::new();
    for group in groups {
        let Value::String(group) = group else {
            remarks.must(
                "wlcg.groups",
                "ISS-GRP-01",
                format!("{} in wlcg.groups is no string", shown(group)),
                "the claim asserts no membership then (JWT-2.2.2-05)",
            );
            continue;
        };
        if !well_formed(group) {
            remarks.must(
                "wlcg.groups",
                "ISS-GRP-01",
                format!("`{group}` is no group: a slash, then letters, digits and _.-, and again for each subgroup"),
                "services may refuse the token or skip the group",
            );
            continue;
        }
        if !seen.insert(group.as_str()) {
            remarks.must(
                "wlcg.groups",
                "ISS-GRP-01",
                format!("`{group}` stands there more than once"),
                "it changes nothing for storage, but the issuer should not write it",
            );
        }
        roots.extend(group.split('/').nth(1));
    }
    if roots.len() > 1 && remarks.profile >= Profile::V1_1 {
        let roots: Vec<&str> = roots.into_iter().collect();
        remarks.must(
            "wlcg.groups",
            "ISS-GRP-02",
            format!(
                "the groups begin with different names: {}",
                roots.join(", ")
            ),
            "the first name is that of the VO, and an issuer speaks for one VO only",
        );
    }
}

/// `group ::= '/' groupname | group '/' groupname` (profile 2.1.1).
pub(super) fn well_formed(group: &str) -> bool {
    let name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    group
        .strip_prefix('/')
        .is_some_and(|names| names.split('/').all(name))
}
