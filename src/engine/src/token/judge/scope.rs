use std::collections::BTreeSet;

use serde_json::Value;

use super::Remarks;
use super::claims::shown;
use super::decode::Decoded;

/// What the profile's storage capabilities are called.
const STORAGE: [&str; 5] = ["read", "create", "modify", "stage", "poll"];
const COMPUTE: [&str; 4] = ["read", "create", "modify", "cancel"];
/// Scopes that ask the issuer for something and give no right on storage.
const NO_RIGHTS: [&str; 12] = [
    "address",
    "eduperson_assurance",
    "eduperson_entitlement",
    "eduperson_scoped_affiliation",
    "email",
    "entitlements",
    "host.auth",
    "offline_access",
    "openid",
    "phone",
    "profile",
    "voperson_id",
];

/// One word of the scope claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope<'a> {
    /// A storage capability with its path.
    Storage(&'a str, &'a str),
    /// A storage capability that lacks its path.
    Pathless(&'a str),
    /// A compute capability.
    Compute(&'a str),
    /// A right of the SciTokens language, with its path if it has one.
    SciTokens(&'a str, Option<&'a str>),
    /// Host-based authorisation.
    Host,
    /// One that gives no right.
    NoRight,
    /// One that begins like a capability and is none.
    Misspelt,
    /// Any other.
    Unknown,
}

impl<'a> Scope<'a> {
    pub fn of(word: &'a str) -> Self {
        let (name, path) = match word.split_once(':') {
            Some((name, path)) => (name, Some(path)),
            None => (word, None),
        };
        if let Some(right) = name.strip_prefix("storage.") {
            return match path {
                _ if !STORAGE.contains(&right) => Self::Misspelt,
                Some(path) if !path.is_empty() => Self::Storage(right, path),
                _ => Self::Pathless(right),
            };
        }
        if let Some(right) = name.strip_prefix("compute.") {
            return match COMPUTE.contains(&right) {
                true => Self::Compute(right),
                false => Self::Misspelt,
            };
        }
        match name {
            "read" | "write" | "queue" | "execute" | "condor" => Self::SciTokens(name, path),
            "host.auth" => Self::Host,
            "wlcg" | "wlcg.groups" | "wlcg.capabilityset" => Self::NoRight,
            name if NO_RIGHTS.contains(&name) => Self::NoRight,
            name if capability_in_capitals(name) => Self::Misspelt,
            _ => Self::Unknown,
        }
    }

    /// Whether the profile calls it a capability.
    pub fn capability(self) -> bool {
        matches!(
            self,
            Self::Storage(..) | Self::Pathless(_) | Self::Compute(_)
        )
    }
}

fn capability_in_capitals(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower != name && (lower.starts_with("storage.") || lower.starts_with("compute."))
}

/// The scopes of a token, in order.
pub(super) fn of(token: &Decoded) -> Vec<Scope<'_>> {
    let text = token.text("scope").unwrap_or_default();
    words(text).map(Scope::of).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// Judges the claim, and returns the scopes.
pub(super) fn judge<'a>(remarks: &mut Remarks<'a>) -> Vec<Scope<'a>> {
    if !remarks.kind.access() {
        return Vec::new();
    }
    let token = remarks.token;
    let text = match token.claim("scope") {
        None => return Vec::new(),
        Some(Value::String(text)) => text.as_str(),
        Some(other) => {
            remarks.must(
                "scope",
                "ISS-TOK-11",
                format!("scope is {}, not a string", shown(other)),
                "it is one string with spaces between; storage takes nothing from it (JWT-2.2.1-36)",
            );
            return Vec::new();
        }
    };
    if text.contains(|c: char| c.is_whitespace() && c != ' ') || text.contains(',') {
        remarks.must(
            "scope",
            "ISS-TOK-11",
            "scope has commas, tabs or line ends in it",
            "the space alone separates scopes (JWT-2.2.1-37): what stands between two is one scope",
        );
    } else if text.contains("  ") || text.trim() != text {
        remarks.should(
            "scope",
            "ISS-TOK-11",
            "scope has more spaces than one between two scopes",
            "some services do not find the scope behind them",
        );
    }
    let mut seen = BTreeSet::new();
    for word in words(text) {
        if !seen.insert(word) {
            remarks.should(
                "scope",
                "ISS-TOK-11",
                format!("`{word}` stands there more than once"),
                "it changes nothing (JWT-2.2.1-32)",
            );
            continue;
        }
        one(remarks, word);
    }
    of(token)
}

fn one(remarks: &mut Remarks<'_>, word: &str) {
    match Scope::of(word) {
        Scope::Storage(_, path) => on_path(remarks, word, path),
        Scope::Pathless(_) => remarks.must(
            "scope",
            "JWT-2.2.1-39",
            format!("`{word}` has no path"),
            "storage has to refuse the whole token; `:/` would be the whole area of the VO",
        ),
        Scope::Misspelt => remarks.should(
            "scope",
            if capability_in_capitals(word) {
                "JWT-2.2.1-35"
            } else {
                "JWT-2.2.1-34"
            },
            format!("the profile has no `{word}`"),
            "it gives nothing; storage has read, create, modify, stage and poll, compute has read, create, modify and cancel, in small letters",
        ),
        Scope::SciTokens(name, _) => remarks.note(
            "scope",
            "JWT-2.2.1-34",
            format!("`{word}` is of the SciTokens language"),
            format!("it gives nothing by the WLCG profile, which has {}", wlcg_word(name)),
        ),
        Scope::Unknown => remarks.note(
            "scope",
            "JWT-2.2.1-33",
            format!("`{word}` is no scope of the profile"),
            "storage skips it",
        ),
        Scope::Compute(_) | Scope::Host | Scope::NoRight => {}
    }
}

fn wlcg_word(name: &str) -> &'static str {
    match name {
        "read" => "storage.read",
        "write" => "storage.create and storage.modify",
        _ => "compute.create and others for jobs",
    }
}

fn on_path(remarks: &mut Remarks<'_>, word: &str, path: &str) {
    if let Some(problem) = unfit(path) {
        remarks.must(
            "scope",
            "ISS-TOK-12",
            format!("`{word}`: {problem}"),
            "issuers write absolute, normalised and escaped paths; storage may refuse the token, or normalise the path (JWT-2.2.1-40)",
        );
        return;
    }
    if overescaped(path) {
        remarks.should(
            "scope",
            "ISS-TOK-12",
            format!("`{word}` escapes letters that need no escape, or in small letters"),
            "a service that compares paths without decoding them does not find it",
        );
    }
    if path.to_ascii_lowercase().contains("%2f") {
        remarks.note(
            "scope",
            "JWT-2.2.1-43",
            format!("`{word}` has an escaped slash"),
            "it is a character of a name there, and divides nothing",
        );
    }
    if path.contains('*') {
        remarks.note(
            "scope",
            "JWT-2.2.1-44",
            format!("`{word}` has a star"),
            "paths are taken literally: it stands for itself only",
        );
    }
}

/// Why a scope path is not absolute, normalised and escaped (profile 2.2.1; RFC 3986 sections 3.3 and 6).
fn unfit(path: &str) -> Option<&'static str> {
    let Some(inner) = path.strip_prefix('/') else {
        return Some("the path does not begin with a slash");
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if path == "/" {
        return None;
    }
    for component in inner.split('/') {
        if component.is_empty() {
            return Some("the path has a component that is empty");
        }
        let dots = component.to_ascii_lowercase().replace("%2e", ".");
        if dots == "." || dots == ".." {
            return Some("the path has a dot segment");
        }
        let mut bytes = component.bytes();
        while let Some(byte) = bytes.next() {
            let hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
            if byte == b'%' {
                if !(hex(bytes.next()) && hex(bytes.next())) {
                    return Some("the path has a % without two hexadecimal digits");
                }
            } else if !byte.is_ascii_alphanumeric() && !b"-._~!$&'()*+,;=:@".contains(&byte) {
                return Some("the path has a character that has to be escaped");
            }
        }
    }
    None
}

/// Whether something is escaped otherwise than RFC 3986 section 6.2.2 has it.
fn overescaped(path: &str) -> bool {
    path.split('%').skip(1).any(|rest| {
        let Some(hex) = rest.get(..2) else {
            return false;
        };
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        hex.bytes().any(|byte| byte.is_ascii_lowercase())
            || u8::from_str_radix(hex, 16).is_ok_and(unreserved)
    })
}

/// Whether it holds any right at all.
pub(super) fn any(remarks: &mut Remarks<'_>, scopes: &[Scope<'_>]) {
    if !remarks.kind.access() {
        return;
    }
    let token = remarks.token;
    let groups = !token.list("wlcg.groups").is_empty();
    let capability = scopes.iter().any(|scope| scope.capability());
    let host = scopes.contains(&Scope::Host);
    if token.claim("scope").is_none() && token.claim("wlcg.groups").is_none() {
        remarks.should(
            "scope",
            "ISS-TOK-16",
            "it has neither scope nor wlcg.groups",
            "it opens nothing (JWT-2.2.1-38)",
        );
    } else if !capability && !groups && !host && token.text("scope").is_some() {
        remarks.note(
            "scope",
            "JWT-2.2.1-38",
            "there is no capability in its scope, and no group",
            "it opens no storage; was the scope asked for, and is the client allowed it?",
        );
    }
    if capability && groups {
        remarks.note(
            "wlcg.groups",
            "JWT-2.2.3-01",
            "it holds capabilities and groups",
            "services that know capabilities go by these, and ignore the groups",
        );
    }
}

/// Paths of SciTokens' rights.
pub(super) fn scitoken(remarks: &mut Remarks<'_>) {
    for scope in of(remarks.token) {
        let (name, path) = match scope {
            Scope::SciTokens(name, Some(path)) => (name, path),
            Scope::Storage(name, path) => (name, path),
            _ => continue,
        };
        if name != "condor"
            && let Some(problem) = unfit(path)
        {
            remarks.add(
                super::StatementWeight::Must,
                "scope",
                None,
                format!("`{name}:{path}`: {problem}"),
                "services may refuse the token (SciTokens language: paths are absolute and normalised)",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_normalised_and_escaped() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c/..d",
            "/a%20b",
            "/~x/a:b@c",
            "/a%2Fb",
        ] {
            assert_eq!(unfit(path), None, "{path}");
        }
        for (path, word) in [
            ("a", "begin with a slash"),
            ("//", "empty"),
            ("/a//b", "empty"),
            ("/a//", "empty"),
            ("/..", "dot segment"),
            ("/a/./b", "dot segment"),
            ("/a/%2E%2e/b", "dot segment"),
            ("/.%2e", "dot segment"),
            ("/a%2", "hexadecimal"),
            ("/a%zz", "hexadecimal"),
            ("/%", "hexadecimal"),
            ("/ä", "escaped"),
            ("/a\"b", "escaped"),
            ("/a?b", "escaped"),
            ("/a#b", "escaped"),
            ("/a\\b", "escaped"),
        ] {
            assert!(unfit(path).is_some_and(|why| why.contains(word)), "{path}");
        }
        assert!(overescaped("/%41") && overescaped("/%c3%A4") && overescaped("/a%7E"));
        assert!(!overescaped("/%C3%A4") && !overescaped("/%20") && !overescaped("/a"));
    }

    #[test]
    fn scopes_are_told_apart() {
        for (word, scope) in [
            ("storage.read:/a", Scope::Storage("read", "/a")),
            ("storage.read", Scope::Pathless("read")),
            ("storage.read:", Scope::Pathless("read")),
            ("storage.write:/", Scope::Misspelt),
            ("Storage.Read:/", Scope::Misspelt),
            ("storage.", Scope::Misspelt),
            ("compute.cancel", Scope::Compute("cancel")),
            ("compute.delete", Scope::Misspelt),
            ("read:/a", Scope::SciTokens("read", Some("/a"))),
            ("write", Scope::SciTokens("write", None)),
            ("wlcg:1.0", Scope::NoRight),
            ("wlcg.groups:/a", Scope::NoRight),
            ("openid", Scope::NoRight),
            ("host.auth", Scope::Host),
            ("storage", Scope::Unknown),
        ] {
            assert_eq!(Scope::of(word), scope, "{word}");
        }
    }
}
