//! The tokens that steps ask for.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::diagnostics::Diagnostics;
use super::fields::{Entry, Fields};
use super::steps::template;
use super::tree::{Kind, Node};
use crate::model::{Alteration, Audience, Template, TokenTemplate, Variable};

const KEYS: [&str; 4] = ["scope", "audience", "groups", "claims"];

/// The word for a request without a token.
const NONE: &str = "none";

/// Claims that are times, in seconds from now.
const TIMES: [&str; 4] = ["exp", "iat", "nbf", "auth_time"];

/// What a step brings along.
#[derive(Debug, PartialEq)]
pub(super) enum Credential {
    None,
    Token(TokenTemplate),
}

impl Credential {
    pub fn into_template(self) -> Option<TokenTemplate> {
        match self {
            Self::None => None,
            Self::Token(template) => Some(template),
        }
    }
}

/// Reads `none`, a scope, or a mapping.
pub(super) fn read(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Credential> {
    if matches!(entry.value.kind, Kind::Map(_)) {
        return mapping(d, entry).map(Credential::Token);
    }
    if entry.text(d)? == NONE {
        return Some(Credential::None);
    }
    Some(Credential::Token(TokenTemplate {
        scope: scope(d, entry)?,
        audience: None,
        groups: Vec::new(),
        claims: BTreeMap::new(),
    }))
}

fn mapping(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<TokenTemplate> {
    let fields = entry.fields(d, "a token", &KEYS)?;
    let scope = match fields.get("scope") {
        Some(entry) => scope(d, entry),
        None => Template::parse("").ok(),
    };
    let audience = match fields.get("audience") {
        Some(entry) => audience(d, entry).map(Some),
        None => Some(None),
    };
    let groups = match fields.get("groups") {
        Some(entry) => groups(d, entry),
        None => Some(Vec::new()),
    };
    let claims = claims(d, &fields);
    Some(TokenTemplate {
        scope: scope?,
        audience: audience?,
        groups: groups?,
        claims: claims?,
    })
}

/// Scopes with single spaces between them (RFC 6749 section 3.3).
fn scope(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Template> {
    let text = entry.text(d)?;
    let legal = |c: char| matches!(c, '!' | '#'..='[' | ']'..='~');
    if let Some(wrong) = text.chars().find(|c| *c != ' ' && !legal(*c)) {
        d.error(
            entry.mark(),
            format!("`{}` cannot stand in a scope", wrong.escape_debug()),
        )
        .on(wrong.to_string());
        return None;
    }
    if text.split(' ').any(str::is_empty) {
        d.error(entry.mark(), "scopes are separated by single spaces");
        return None;
    }
    template(d, entry)
}

fn audience(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Audience<Template>> {
    if !matches!(entry.value.kind, Kind::List(_)) {
        return template(d, entry).map(Audience::One);
    }
    let items = entry.items(d)?;
    if items.is_empty() {
        d.error(entry.mark(), "`audience` is empty")
            .help("write `claims: {aud: []}` for a token with an empty list");
        return None;
    }
    templates(d, items).map(Audience::Many)
}

fn groups(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Vec<Template>> {
    let items = entry.items(d)?;
    for item in &items {
        if let Kind::Text(group) = &item.value.kind
            && !group.starts_with(['/', '{'])
        {
            d.error(item.mark(), "a group starts with a slash");
        }
    }
    templates(d, items)
}

fn templates(d: &mut Diagnostics<'_>, items: Vec<Entry<'_>>) -> Option<Vec<Template>> {
    let templates: Vec<Option<Template>> =
        items.into_iter().map(|item| template(d, item)).collect();
    templates.into_iter().collect()
}

fn claims(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<BTreeMap<String, Alteration>> {
    let Some(entry) = fields.get("claims") else {
        return Some(BTreeMap::new());
    };
    let mut claims = BTreeMap::new();
    let mut good = true;
    for entry in entry.named(d)? {
        if entry.name == "aud" && fields.get("audience").is_some() {
            d.error(
                entry.key,
                "`audience` and the claim `aud` exclude each other",
            );
        }
        match alteration(d, entry) {
            Some(alteration) => {
                claims.insert(entry.name.to_owned(), alteration);
            }
            None => good = false,
        }
    }
    good.then_some(claims)
}

fn alteration(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Alteration> {
    match entry.value.kind {
        Kind::Null => Some(Alteration::Remove),
        Kind::Integer(number) if TIMES.contains(&entry.name) => {
            let seconds = i64::try_from(number).ok();
            if seconds.is_none() {
                d.error(entry.mark(), "this is too far from now");
            }
            seconds.map(Alteration::FromNow)
        }
        Kind::Float(_) if TIMES.contains(&entry.name) => {
            d.error(
                entry.mark(),
                format!("`{}` is in whole seconds from now", entry.name),
            );
            None
        }
        _ => json(d, entry, entry.value).map(Alteration::Value),
    }
}

/// A claim's value as it is; variables have no place in it.
fn json(d: &mut Diagnostics<'_>, entry: Entry<'_>, node: &Node) -> Option<Value> {
    let value = match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Integer(number) => match Number::from_i128(*number) {
            Some(number) => Value::Number(number),
            None => {
                d.error(entry.mark(), "this number is too large");
                return None;
            }
        },
        Kind::Float(number) => match Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None => {
                d.error(entry.mark(), "JSON has no such number");
                return None;
            }
        },
        Kind::Text(text) => {
            let variable = Variable::ALL
                .map(|variable| format!("{{{}}}", variable.name()))
                .into_iter()
                .find(|variable| text.contains(variable));
            if let Some(variable) = variable {
                d.error(node.mark(), "there are no variables in `claims`")
                    .on(variable);
                return None;
            }
            Value::String(text.clone())
        }
        Kind::List(items) => {
            let items: Vec<Option<Value>> = items.iter().map(|item| json(d, entry, item)).collect();
            Value::Array(items.into_iter().collect::<Option<_>>()?)
        }
        Kind::Map(entries) => {
            let mut map = Map::new();
            for (key, node) in entries {
                map.insert(key.text.clone(), json(d, entry, node)?);
            }
            Value::Object(map)
        }
    };
    Some(value)
}
