use serde_json::Value;

use super::path::WrittenPath;

/// What a storage capability names before its path (profile 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Modify,
    Poll,
    Read,
    Stage,
}

/// One storage capability of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capability {
    pub(super) action: Action,
    pub(super) path: WrittenPath,
}

/// What the `scope` claim says that matters to storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) capabilities: Vec<Capability>,
    /// It has capabilities that concern other services; they put groups out of force (profile 2.2.3).
    pub(super) elsewhere: bool,
}

impl Action {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "storage.create" => Self::Create,
            "storage.modify" => Self::Modify,
            "storage.poll" => Self::Poll,
            "storage.read" => Self::Read,
            "storage.stage" => Self::Stage,
            _ => return None,
        })
    }
}

/// The capabilities of the profile that do not concern storage.
pub(super) const COMPUTE: [&str; 4] = [
    "compute.read",
    "compute.modify",
    "compute.create",
    "compute.cancel",
];

/// What a `scope` claim says: nothing where there is none, and no token at all where it is no string.
pub(super) fn claimed(claim: Option<&Value>) -> Option<Scope> {
    match claim {
        None => Some(Scope::default()),
        Some(scope) => scope.as_str().and_then(Scope::parse),
    }
}

impl Scope {
    /// Reads a `scope` claim. `None` means that the token is to be rejected: a storage capability
    /// without a path, with one that is relative or has dot segments, or characters that no scope has
    /// (RFC 6749 section 3.3).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let legal = |b: u8| matches!(b, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
        if !text.bytes().all(legal) {
            return None;
        }
        let mut scope = Self::default();
        for word in text.split(' ') {
            let (name, path) = match word.split_once(':') {
                Some((name, path)) => (name, Some(path)),
                None => (word, None),
            };
            if let Some(action) = Action::of(name) {
                let path = WrittenPath::parse(path?)?;
                scope.capabilities.push(Capability { action, path });
            } else {
                scope.elsewhere |= COMPUTE.contains(&name);
            }
        }
        Some(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(text: &str) -> Option<Vec<Action>> {
        let scope = Scope::parse(text)?;
        Some(scope.capabilities.iter().map(|c| c.action).collect())
    }

    #[test]
    fn capabilities_are_found_among_other_scopes() {
        assert_eq!(actions(""), Some(vec![]));
        assert_eq!(
            actions("openid  storage.read:/a wlcg.groups:/x storage.create:/b/ storage.unknown"),
            Some(vec![Action::Read, Action::Create])
        );
        for other in [
            "storage.write:/",
            "Storage.Read:/",
            "storage.readx:/",
            "read:/",
            "storage.*:/",
        ] {
            assert_eq!(actions(other), Some(vec![]), "{other}");
        }
        assert!(Scope::parse("compute.create").is_some_and(|scope| scope.elsewhere));
        assert!(Scope::parse("openid wlcg").is_some_and(|scope| !scope.elsewhere));
    }

    #[test]
    fn broken_capabilities_spoil_the_token() {
        for text in [
            "storage.read",
            "storage.read:",
            "storage.read:a",
            "storage.create:/ok storage.read",
            "storage.read:/a/../b",
            "storage.read:/%2e%2e/b",
            "storage.read:/a\tstorage.modify:/",
            "storage.read:/a\u{a0}b",
            "storage.read:/\"",
        ] {
            assert_eq!(actions(text), None, "{text}");
        }
    }
}
