//! Words about scopes and capabilities (profile 2.2.1 and 3.2).

use std::collections::BTreeSet;

use serde_json::Value;

use super::reply::refusal;
use super::{Flaw, Found, Jwt, Mute, View, several, value};

const SET: &str = "wlcg.capabilityset:";

/// Whether a scope allows something, however it is spelt.
fn capability(scope: &str) -> bool {
    let lower = scope.to_ascii_lowercase();
    lower.starts_with("storage.") || lower.starts_with("compute.")
}

fn capabilities<'t>(scopes: impl IntoIterator<Item = &'t str>) -> BTreeSet<&'t str> {
    scopes
        .into_iter()
        .filter(|scope| capability(scope))
        .collect()
}

fn asked<'a>(view: &View<'a>) -> Vec<&'a str> {
    let scope = view.ask.what.scope().unwrap_or_default();
    scope.split_whitespace().collect()
}

/// The components of an absolute path; `None` where it is none or means another than it says.
fn components(path: &str) -> Option<Vec<&str>> {
    let rest = path.strip_prefix('/')?;
    let names: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    if names == [""] {
        return Some(Vec::new());
    }
    let odd = |name: &&str| {
        let plain = name.to_ascii_lowercase().replace("%2e", ".");
        name.is_empty() || matches!(plain.as_str(), "." | "..")
    };
    (!names.iter().any(odd)).then_some(names)
}

/// Whether whoever has `wide` has `narrow` as well.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    let (Some((one, above)), Some((other, below))) = (wide.split_once(':'), narrow.split_once(':'))
    else {
        return false;
    };
    let same = one == other || (one == "storage.modify" && other == "storage.create");
    let within = match (components(above), components(below)) {
        (Some(above), Some(below)) => below.starts_with(&above),
        _ => false,
    };
    same && within
}

/// Those of `got` that none of `wide` covers.
fn beyond<'t>(got: impl IntoIterator<Item = &'t str>, wide: &[&str]) -> Vec<&'t str> {
    got.into_iter()
        .filter(|scope| capability(scope) && !wide.iter().any(|wide| covers(wide, scope)))
        .collect()
}

pub(super) fn scope_form(view: &View<'_>) -> Found {
    view.each(|jwt| {
        let found = jwt.claims.get("scope");
        let flaw = |expected: &str| vec![Flaw::new(expected, value(found))];
        let Some(found) = found else {
            return Vec::new();
        };
        let Some(text) = found.as_str() else {
            return flaw("one text as scope");
        };
        let words: Vec<&str> = text.split(' ').collect();
        if words
            .iter()
            .any(|word| word.is_empty() || word.contains(char::is_whitespace))
        {
            return flaw("scopes separated by single spaces");
        }
        let joined = |word: &str| {
            word.split([',', ';'])
                .filter(|part| capability(part))
                .count()
                > 1
        };
        let ends = |word: &str| word.ends_with([',', ';']);
        if words.iter().any(|word| joined(word) || ends(word)) {
            return flaw("scopes separated by single spaces");
        }
        let distinct: BTreeSet<&str> = words.iter().copied().collect();
        if distinct.len() < words.len() {
            return flaw("each scope once");
        }
        Vec::new()
    })
}

/// Why a storage scope has no good path.
fn broken(scope: &str) -> Option<&'static str> {
    if !scope.to_ascii_lowercase().starts_with("storage.") {
        return None;
    }
    let Some((_, path)) = scope.split_once(':') else {
        return Some("it has no path");
    };
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&b);
    let escapes = path.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    match path {
        "" => Some("its path is empty"),
        path if !path.starts_with('/') => Some("its path is not absolute"),
        path if !path.bytes().all(legal) || !escapes => Some("its path is not URL-escaped"),
        path if components(path).is_none() || path.contains("//") => {
            Some("its path is not normalised")
        }
        _ => None,
    }
}

fn broken_scopes(jwt: &Jwt) -> Vec<Flaw> {
    let scopes = jwt.scopes().into_iter();
    scopes
        .filter_map(|scope| Some((scope, broken(scope)?)))
        .map(|(scope, why)| {
            let actual = format!("{}: {why}", super::shown(scope));
            Flaw::new(
                "storage scopes with an absolute, normalised, escaped path",
                actual,
            )
        })
        .collect()
}

pub(super) fn storage_paths(view: &View<'_>) -> Found {
    view.each(broken_scopes)
}

pub(super) fn no_broken_scope(view: &View<'_>) -> Found {
    view.answered()?;
    view.each(broken_scopes)
}

pub(super) fn scope_as_asked(view: &View<'_>) -> Found {
    let wanted = capabilities(asked(view));
    view.each(|jwt| {
        let got = capabilities(jwt.scopes());
        if got == wanted {
            return Vec::new();
        }
        let expected = several(wanted.iter().copied());
        vec![Flaw::new(expected, several(got.iter().copied()))]
    })
}

pub(super) fn no_more(view: &View<'_>) -> Found {
    view.answered()?;
    let wanted = asked(view);
    view.each(|jwt| {
        let mut more = beyond(jwt.scopes(), &wanted);
        // Groups that nobody asked for allow something, too.
        if !wanted.iter().any(|scope| scope.starts_with("wlcg.groups")) {
            more.extend(jwt.groups());
        }
        match more.as_slice() {
            [] => Vec::new(),
            more => vec![Flaw::new(
                "nothing beyond what was asked for",
                several(more.iter().copied()),
            )],
        }
    })
}

pub(super) fn not_beyond(view: &View<'_>) -> Found {
    view.answered()?;
    let entitled = view.account.and_then(|account| account.scopes.as_deref());
    let Some(entitled) = entitled else {
        return Err(Mute::Skip(
            "nobody has said what the client may ask for".into(),
        ));
    };
    let entitled: Vec<&str> = entitled.iter().map(String::as_str).collect();
    view.each(|jwt| match beyond(jwt.scopes(), &entitled).as_slice() {
        [] => Vec::new(),
        more => vec![Flaw::new(
            "nothing beyond what the client is entitled to",
            several(more.iter().copied()),
        )],
    })
}

pub(super) fn not_wider(view: &View<'_>) -> Found {
    view.answered()?;
    let Some(held) = view.held else {
        return Err(Mute::Undecided(
            "the token before cannot be looked into".into(),
        ));
    };
    let wide = held.scopes();
    let groups = held.groups();
    view.each(|jwt| {
        let mut more = beyond(jwt.scopes(), &wide);
        more.extend(
            jwt.groups()
                .into_iter()
                .filter(|group| !groups.contains(group)),
        );
        match more.as_slice() {
            [] => Vec::new(),
            more => vec![Flaw::new(
                "nothing beyond the token before",
                several(more.iter().copied()),
            )],
        }
    })
}

pub(super) fn difference_told(view: &View<'_>) -> Found {
    view.answered()?;
    let wanted: BTreeSet<&str> = asked(view).into_iter().collect();
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        let Some(grant) = &one.grant else {
            let error = refusal(&one.answer).map(|refusal| refusal.error);
            if !matches!(error.as_deref(), Some("invalid_scope" | "access_denied")) {
                let expected = "the error `invalid_scope` or `access_denied`";
                let actual = error.as_deref().map_or_else(|| "none".into(), super::shown);
                flaws.push(Flaw::new(expected, actual).minor().of(number));
            }
            continue;
        };
        let Ok(jwt) = &grant.token else { continue };
        let got: BTreeSet<&str> = jwt.scopes().into_iter().collect();
        let told = grant.members.get("scope");
        let words: Option<BTreeSet<&str>> = told
            .and_then(Value::as_str)
            .map(|scope| scope.split_whitespace().collect());
        let right = match &words {
            Some(words) => *words == got,
            None => told.is_none() && got == wanted,
        };
        if !right {
            let expected = format!("{} as `scope` of the reply", several(got.iter().copied()));
            flaws.push(Flaw::new(expected, value(told)).of(number));
        }
    }
    Ok(flaws)
}

pub(super) fn set_complete(view: &View<'_>) -> Found {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for scope in asked(view) {
        match scope.strip_prefix(SET) {
            None => wanted.extend(Some(scope).filter(|scope| capability(scope))),
            Some(group) => {
                let mut sets = view.subject.capability_sets.iter();
                let set = sets.find(|(name, _)| name == group);
                wanted.extend(
                    set.into_iter()
                        .flat_map(|(_, set)| set.iter().map(String::as_str)),
                );
            }
        }
    }
    view.each(|jwt| {
        let got = jwt.scopes();
        let missing: Vec<&str> = wanted
            .iter()
            .copied()
            .filter(|scope| !got.contains(scope))
            .collect();
        let known: Vec<&str> = wanted.iter().copied().collect();
        let more = beyond(got, &known);
        let mut flaws = Vec::new();
        if !missing.is_empty() {
            let actual = format!("it lacks {}", several(missing));
            flaws.push(Flaw::new("all capabilities of the set", actual).grave());
        }
        if !more.is_empty() {
            let actual = several(more);
            flaws.push(Flaw::new("no capability beyond the set", actual).grave());
        }
        flaws
    })
}

pub(super) fn no_set(view: &View<'_>) -> Found {
    view.answered()?;
    view.each(|jwt| {
        let got: Vec<&str> = jwt
            .scopes()
            .into_iter()
            .filter(|scope| capability(scope))
            .collect();
        match got.as_slice() {
            [] => Vec::new(),
            got => vec![Flaw::new("no capability", several(got.iter().copied())).grave()],
        }
    })
}

pub(super) fn host_scope(view: &View<'_>) -> Found {
    view.each(|jwt| {
        let got = jwt.scopes();
        if got.contains(&"host.auth") {
            return Vec::new();
        }
        vec![Flaw::new("host.auth in scope", several(got))]
    })
}
