//! Words about groups (profile 2.2.2 and 3.1).

use serde_json::Value;

use super::token::identity;
use super::{Flaw, Found, Mute, View, several, shown, value};

const PLAIN: &str = "wlcg.groups";
const NAMED: &str = "wlcg.groups:";

/// `/name(/name)*` (profile 2.2.2).
fn well_formed(group: &str) -> bool {
    let name = |name: &str| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(legal)
    };
    group
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(name))
}

/// Nothing to judge where no groups come, and nobody has said that the account is in one.
fn in_no_group(view: &View<'_>) -> Result<(), Mute> {
    let tokens = view.tokens()?;
    let none = tokens
        .iter()
        .all(|(_, jwt)| !jwt.claims.contains_key(PLAIN));
    if none && !tokens.is_empty() && view.subject.default_groups.is_empty() {
        return Err(Mute::Skip(
            "no groups came, as is right for who is in none; if the account is in a group, name it in `judge: {default-groups: [/vo]}`".into(),
        ));
    }
    Ok(())
}

pub(super) fn groups_form(view: &View<'_>) -> Found {
    in_no_group(view)?;
    view.each(|jwt| {
        let Some(found) = jwt.claims.get(PLAIN) else {
            return vec![Flaw::new("a list of groups", "none")];
        };
        let right = "a list of group names";
        let Some(items) = found.as_array() else {
            return vec![Flaw::new(right, value(Some(found)))];
        };
        let mut flaws = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for item in items {
            match item.as_str() {
                Some(group) if seen.contains(&group) => {
                    flaws.push(Flaw::new(
                        "each group once",
                        format!("{} twice", shown(group)),
                    ));
                }
                Some(group) if well_formed(group) => seen.push(group),
                _ => flaws.push(Flaw::new(right, value(Some(item)))),
            }
        }
        if items.is_empty() {
            flaws.push(Flaw::new("some groups", "an empty list"));
        }
        flaws
    })
}

pub(super) fn groups_of_vo(view: &View<'_>) -> Found {
    let vo = view.subject.vo.as_deref().unwrap_or_default();
    let vo = format!("/{}", vo.trim_start_matches('/'));
    let below = format!("{vo}/");
    view.each(|jwt| {
        let groups = jwt.groups().into_iter();
        groups
            .filter(|group| *group != vo && !group.starts_with(&below))
            .map(|group| Flaw::new(format!("groups that begin with `{vo}`"), shown(group)))
            .collect()
    })
}

pub(super) fn no_groups(view: &View<'_>) -> Found {
    view.each(|jwt| match jwt.claims.get(PLAIN) {
        None => Vec::new(),
        Some(Value::Array(items)) if items.is_empty() => Vec::new(),
        found => vec![Flaw::new("no wlcg.groups", value(found))],
    })
}

/// The groups that a request has to give, in order.
fn expected(view: &View<'_>) -> Vec<String> {
    let subject = view.subject;
    let asked = view.ask.what.scope().unwrap_or_default();
    let mut groups: Vec<String> = Vec::new();
    for word in asked.split_whitespace() {
        if word == PLAIN {
            groups.extend(subject.default_groups.iter().cloned());
        } else if let Some(group) = word.strip_prefix(NAMED) {
            groups.push(group.to_owned());
        }
    }
    if !groups.is_empty() {
        groups.extend(subject.default_groups.iter().cloned());
    }
    let mut once: Vec<String> = Vec::new();
    for group in groups {
        if !once.contains(&group) {
            once.push(group);
        }
    }
    once
}

pub(super) fn groups_as_asked(view: &View<'_>) -> Found {
    let mut wanted = expected(view);
    wanted.sort_unstable();
    view.each(|jwt| {
        let mut got = jwt.groups();
        got.sort_unstable();
        if got == wanted {
            return Vec::new();
        }
        let expected = several(wanted.iter().map(String::as_str));
        vec![Flaw::new(expected, several(got))]
    })
}

pub(super) fn groups_in_order(view: &View<'_>) -> Found {
    let wanted = expected(view);
    view.each(|jwt| {
        let got = jwt.groups();
        if got == wanted {
            return Vec::new();
        }
        let expected = format!(
            "{} in this order",
            several(wanted.iter().map(String::as_str))
        );
        vec![Flaw::new(expected, several(got))]
    })
}

pub(super) fn groups_in_id_token(view: &View<'_>) -> Found {
    let id = identity(view)?;
    view.each(|jwt| {
        let (mut one, mut other) = (jwt.groups(), id.groups());
        one.sort_unstable();
        other.sort_unstable();
        if one == other && !one.is_empty() {
            return Vec::new();
        }
        let expected = format!("{} in both tokens", several(one));
        vec![Flaw::new(expected, several(other))]
    })
}

pub(super) fn no_foreign_groups(view: &View<'_>) -> Found {
    view.answered()?;
    let subject = view.subject;
    let own = |group: &&str| {
        let mut own = subject
            .default_groups
            .iter()
            .chain(&subject.optional_groups);
        own.any(|own| own == group)
    };
    view.each(|jwt| {
        let more: Vec<&str> = jwt
            .groups()
            .into_iter()
            .filter(|group| !own(group))
            .collect();
        match more.as_slice() {
            [] => Vec::new(),
            more => vec![Flaw::new(
                "no group that the member does not have",
                several(more.iter().copied()),
            )],
        }
    })
}
