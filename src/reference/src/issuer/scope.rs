//! What somebody gets of what was asked for.

use std::collections::BTreeMap;

use super::super::path::WrittenPath;
use super::super::probe::Hooks;
use super::super::scope::COMPUTE;
use super::error::OAuthError;
use super::rules::IssuerRules;
use touchstone_model::{ANY_AUDIENCE, Audience};

/// The scopes of the profile that it grants, without paths.
pub(super) const SCOPES: [&str; 15] = [
    "openid",
    "offline_access",
    "wlcg",
    "wlcg.groups",
    "wlcg.capabilityset",
    "storage.read",
    "storage.create",
    "storage.modify",
    "storage.stage",
    "storage.poll",
    COMPUTE[0],
    COMPUTE[1],
    COMPUTE[2],
    COMPUTE[3],
    HOST,
];

const HOST: &str = "host.auth";
const GROUPS: &str = "wlcg.groups";
const GROUP: &str = "wlcg.groups:";
const SET: &str = "wlcg.capabilityset:";
/// Nobody needs more at once.
const MOST_WORDS: usize = 200;

/// Somebody's groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Membership {
    pub(crate) default: Vec<String>,
    pub(crate) optional: Vec<String>,
}

/// The capabilities of groups.
pub(crate) type Sets = BTreeMap<String, Vec<String>>;

/// What a token is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) scope: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) audience: Audience<String>,
}

/// Whether what somebody holds covers a scope that is asked for.
pub(super) type Covers<'a> = dyn Fn(&[String], &str) -> bool + 'a;

/// What bounds a token.
pub(super) struct Bounds<'a> {
    pub(super) membership: &'a Membership,
    pub(super) sets: &'a Sets,
    /// The scopes to which the subject is entitled; all if there are none.
    pub(super) entitled: Option<&'a [String]>,
    /// The token from which this one comes: what it says, and how that is compared.
    pub(super) held: Option<(&'a Granted, &'a Covers<'a>)>,
    /// Whether it may mark host-based use (profile 2.2.4).
    pub(super) host: bool,
}

/// The scopes of a request, each once.
pub(super) fn words(
    rules: Hooks<IssuerRules, IssuerRules>,
    asked: &str,
) -> Result<Vec<String>, OAuthError> {
    let mut scope: Vec<String> = Vec::new();
    for word in asked.split(' ').filter(|word| !word.is_empty()) {
        if !rules.known(word) {
            return Err(OAuthError::invalid_scope("not a scope of this issuer"));
        }
        if !scope.iter().any(|other| other == word) {
            scope.push(word.to_owned());
        }
    }
    match scope.len() {
        0 => Err(OAuthError::invalid_scope("no scope is asked for")),
        1..=MOST_WORDS => Ok(scope),
        _ => Err(OAuthError::invalid_scope("too many scopes are asked for")),
    }
}

/// Grants all of `words`, or nothing.
pub(super) fn decide(
    rules: Hooks<IssuerRules, IssuerRules>,
    words: Vec<String>,
    audience: Audience<String>,
    bounds: &Bounds,
) -> Result<Granted, OAuthError> {
    let mut scope: Vec<String> = Vec::new();
    for word in &words {
        let expanded = match word.strip_prefix(SET) {
            Some(group) => rules.capability_set(group, bounds.membership, bounds.sets)?,
            None => vec![word.clone()],
        };
        for word in expanded {
            if !scope.contains(&word) {
                scope.push(word);
            }
        }
    }
    let mut scope = rules.expanded(&words, scope);
    let due = |word: &String| {
        let entitled = match bounds.entitled {
            Some(held) if !protocol(word) => rules.entitled(held, word),
            _ => true,
        };
        entitled && (bounds.host || word != HOST)
    };
    if rules.drops_what_is_not_due() {
        scope.retain(due);
    }
    let compared = match rules.compares_first_only() {
        true => &scope[..scope.len().min(1)],
        false => &scope[..],
    };
    if scope.is_empty() || !compared.iter().all(due) {
        return Err(OAuthError::invalid_scope("not entitled to that"));
    }
    let groups = rules.groups(&scope, bounds.membership)?;
    if let Some((held, covers)) = bounds.held {
        let named = |group: &String| format!("{GROUP}{group}");
        let mut all = held.scope.clone();
        all.extend(held.groups.iter().map(named));
        let free =
            |word: &str| matches!(word, "offline_access" | GROUPS) || word.starts_with("wlcg:");
        let words = scope.iter().filter(|word| !free(word) && *word != "wlcg");
        let mut words = words.cloned().chain(groups.iter().map(named));
        if !words.all(|word| covers(&all, &word)) {
            return Err(OAuthError::invalid_scope("more than the token allows"));
        }
    }
    Ok(Granted {
        scope,
        groups,
        audience,
    })
}

/// Scopes that allow nothing by themselves, and groups, for which the membership counts.
fn protocol(word: &str) -> bool {
    matches!(word, "openid" | "offline_access" | "wlcg" | GROUPS)
        || word.starts_with("wlcg:")
        || word.starts_with(GROUP)
}

pub(crate) fn known(scope: &str) -> bool {
    match scope.split_once(':') {
        None => {
            SCOPES.contains(&scope)
                && !scope.starts_with("storage.")
                && scope != "wlcg.capabilityset"
        }
        Some(("wlcg", version)) => version == "1.0",
        // Whether somebody is a member is another question.
        Some(("wlcg.groups" | "wlcg.capabilityset", group)) => group.starts_with('/'),
        Some((name, path)) => {
            name.starts_with("storage.") && SCOPES.contains(&name) && normalised(path)
        }
    }
}

/// A scope path that needs no interpretation (profile 2.2.1): absolute, escaped, without empty
/// components and dot segments.
fn normalised(path: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&b);
    path.bytes().all(legal) && !path.contains("//") && WrittenPath::parse(path).is_some()
}

/// The same scope, or the same capability for a path below, component by component.
pub(crate) fn covers(held: &[String], asked: &str) -> bool {
    held.iter().any(|held| {
        if held == asked {
            return true;
        }
        match (capability(held), capability(asked)) {
            (Some((one, above)), Some((other, below))) => {
                one == other && below.path.starts_with(&above.path)
            }
            _ => false,
        }
    })
}

/// Name and path of a storage capability.
pub(crate) fn capability(scope: &str) -> Option<(&str, WrittenPath)> {
    let (name, path) = scope.split_once(':')?;
    let storage = name.starts_with("storage.");
    storage.then_some((name, WrittenPath::parse(path)?))
}

/// In the order of the request; the default groups stand where plain `wlcg.groups` is, or at the end
/// (profile 3.1).
pub(crate) fn groups(scope: &[String], membership: &Membership) -> Result<Vec<String>, OAuthError> {
    let mut asked = Vec::new();
    for word in scope {
        if word == GROUPS {
            asked.extend_from_slice(&membership.default);
        } else if let Some(group) = word.strip_prefix(GROUP) {
            if !membership.has(group) {
                return Err(OAuthError::access_denied("not a member of that group"));
            }
            asked.push(group.to_owned());
        }
    }
    if !asked.is_empty() {
        asked.extend_from_slice(&membership.default);
    }
    let mut groups: Vec<String> = Vec::new();
    for group in asked {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

/// The complete set of that group, for its members (profile 3.3).
pub(crate) fn capability_set(
    group: &str,
    membership: &Membership,
    sets: &Sets,
) -> Result<Vec<String>, OAuthError> {
    match sets.get(group) {
        Some(set) if membership.has(group) => Ok(set.clone()),
        _ => Err(OAuthError::access_denied("not entitled to that set")),
    }
}

impl Membership {
    pub(crate) fn has(&self, group: &str) -> bool {
        let mut all = self.default.iter().chain(&self.optional);
        all.any(|known| known == group)
    }
}

/// As asked for; any where nobody asked (profile 2.1.1).
pub(super) fn audience(asked: &[String]) -> Audience<String> {
    match asked {
        [] => Audience::One(ANY_AUDIENCE.to_owned()),
        [one] => Audience::One(one.clone()),
        many => Audience::Many(many.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_the_profile_are_known() {
        for scope in [
            "openid",
            "wlcg",
            "wlcg:1.0",
            "wlcg.groups",
            "wlcg.groups:/wlcg/test",
            "compute.cancel",
            "storage.read:/",
            "storage.poll:/a/b/",
            "storage.modify:/a%20b/~(1)",
        ] {
            assert!(known(scope), "{scope}");
        }
        for scope in [
            "storage.read",
            "storage.read:",
            "storage.read:a",
            "storage.read:/a/../b",
            "storage.read:/a//b",
            "storage.read:/%2e%2e/x",
            "storage.read:/\u{e9}",
            "storage.write:/",
            "STORAGE.READ:/",
            "compute.read:/x",
            "wlcg:9.9",
            "wlcg.groups:x",
            "storage.read:/a\"b",
            "openid:/",
        ] {
            assert!(!known(scope), "{scope}");
        }
    }

    #[test]
    fn paths_cover_by_components() {
        let held = ["storage.read:/a".to_owned(), "compute.read".to_owned()];
        for asked in [
            "storage.read:/a",
            "storage.read:/a/",
            "storage.read:/a/b",
            "compute.read",
        ] {
            assert!(covers(&held, asked), "{asked}");
        }
        for asked in [
            "storage.read:/",
            "storage.read:/ab",
            "storage.read:/A",
            "storage.read:/a/../b",
            "storage.modify:/a",
            "STORAGE.READ:/a",
            "compute.create",
        ] {
            assert!(!covers(&held, asked), "{asked}");
        }
    }

    #[test]
    fn groups_come_in_the_order_of_the_request() {
        let membership = Membership {
            default: vec!["/v".into(), "/v/a".into()],
            optional: vec!["/v/o".into()],
        };
        let groups = |scope: &str| {
            let scope: Vec<String> = scope.split(' ').map(str::to_owned).collect();
            groups(&scope, &membership).map_err(|error| error.code)
        };
        assert_eq!(groups("openid"), Ok(vec![]));
        assert_eq!(groups("wlcg.groups").unwrap(), ["/v", "/v/a"]);
        assert_eq!(groups("wlcg.groups:/v/o").unwrap(), ["/v/o", "/v", "/v/a"]);
        assert_eq!(groups("wlcg.groups:/v/a").unwrap(), ["/v/a", "/v"]);
        assert_eq!(
            groups("wlcg.groups wlcg.groups:/v/o").unwrap(),
            ["/v", "/v/a", "/v/o"]
        );
        for foreign in ["/v/o/../a", "/V", "/v/", "/other"] {
            assert_eq!(
                groups(&format!("wlcg.groups:{foreign}")),
                Err("access_denied")
            );
        }
    }

    #[test]
    fn audiences_are_taken_as_they_are() {
        let one = |text: &str| Audience::One(text.to_owned());
        let asked = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|&one| one.to_owned()).collect();
            audience(&list)
        };
        assert_eq!(asked(&[]), one(ANY_AUDIENCE));
        assert_eq!(asked(&["https://a:1"]), one("https://a:1"));
        assert_eq!(
            asked(&["a", "b"]),
            Audience::Many(vec!["a".into(), "b".into()])
        );
    }
}
