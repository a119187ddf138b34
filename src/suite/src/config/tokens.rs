//! The tokens that steps ask for.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::macaroons;
use super::steps::template;
use touchstone_model::{
    Alteration, Audience, Credential, Signature, Template, TemplateError, TokenTemplate,
};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::tree::{Kind, Node};

pub(super) const KEYS: [&str; 11] = [
    "scope",
    "audience",
    "groups",
    "claims",
    "header",
    "repeated",
    "trailing",
    "signature",
    "key",
    "issuer",
    "text",
];

/// The word for a request without a token.
pub(super) const NONE: &str = "none";

/// Whose token it is, and whether that is the second issuer.
pub(super) const ISSUERS: [(&str, bool); 2] = [("own", false), ("second", true)];

/// The kinds of keys that a token can be about.
pub(super) const KINDS: [(&str, Signature); 2] =
    [("es256", Signature::Es256), ("rs256", Signature::Rs256)];

/// Claims that are times, in seconds from now.
const TIMES: [&str; 4] = ["exp", "iat", "nbf", "auth_time"];

/// Reads `none`, a scope, or a mapping: of a token, or of the macaroon of an earlier step.
pub(super) fn read(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Credential<TokenTemplate>> {
    if macaroons::is_one(entry) {
        return macaroons::presented(d, entry);
    }
    if matches!(entry.value.kind, Kind::Map(_)) {
        return mapping(d, entry);
    }
    if entry.text(d)? == NONE {
        return Some(Credential::None);
    }
    Some(Credential::Token(TokenTemplate::of(scope(d, entry)?)))
}

fn mapping(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Credential<TokenTemplate>> {
    let fields = entry.fields(d, "a token", &KEYS)?;
    if let Some(entry) = fields.get("text") {
        return match &entry.value.kind {
            // An empty text is one of the things to try.
            Kind::Text(text) => Some(Credential::Text(text.clone())),
            _ => entry.text(d).map(|text| Credential::Text(text.to_owned())),
        };
    }
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
    let claims = alterations(d, &fields, "claims");
    let header = alterations(d, &fields, "header");
    let repeated = repeated(d, &fields);
    let signature = match fields.get("signature") {
        Some(entry) => {
            let words = Signature::ALL.map(|signature| (signature.as_str(), signature));
            entry.word(d, &words)
        }
        None => Some(Signature::Good),
    };
    let trailing = match fields.get("trailing") {
        Some(entry) => entry.text(d).map(ToOwned::to_owned),
        None => Some(String::new()),
    };
    let key = match fields.get("key") {
        Some(entry) => entry.word(d, &KINDS).map(Some),
        None => Some(None),
    };
    let second = match fields.get("issuer") {
        Some(entry) => entry.word(d, &ISSUERS),
        None => Some(false),
    };
    Some(Credential::Token(TokenTemplate {
        audience: audience?,
        groups: groups?,
        claims: claims?,
        header: header?,
        repeated: repeated?,
        trailing: trailing?,
        signature: signature?,
        key: key?,
        second: second?,
        ..TokenTemplate::of(scope?)
    }))
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

/// Claims that stand in the payload once more.
fn repeated(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<BTreeMap<String, Value>> {
    let Some(entry) = fields.get("repeated") else {
        return Some(BTreeMap::new());
    };
    let mut repeated = BTreeMap::new();
    for entry in entry.named(d)? {
        repeated.insert(entry.name.to_owned(), json(d, entry, entry.value)?);
    }
    Some(repeated)
}

fn alterations(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    name: &str,
) -> Option<BTreeMap<String, Alteration>> {
    let Some(entry) = fields.get(name) else {
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
            let thousandths = i64::try_from(number).ok().and_then(|n| n.checked_mul(1000));
            if thousandths.is_none() {
                d.error(entry.mark(), "this is too far from now");
            }
            thousandths.map(Alteration::FromNow)
        }
        Kind::Float(seconds) if TIMES.contains(&entry.name) => {
            if seconds.abs() > 1e12 {
                d.error(entry.mark(), "this is too far from now");
                return None;
            }
            Some(Alteration::FromNow((seconds * 1000.0).round() as i64))
        }
        Kind::Map(_) if only(entry, "literal").is_some() => {
            let value = only(entry, "literal")?;
            json(d, entry, value).map(Alteration::Value)
        }
        Kind::Map(_) if only(entry, "raw").is_some() => {
            plain(d, entry, "raw", "one JSON value").map(Alteration::Raw)
        }
        Kind::Map(_) if only(entry, "edited").is_some() => {
            let text = plain(d, entry, "edited", "a text with `{good}` in it")?;
            Some(Alteration::Edited(text))
        }
        _ => json(d, entry, entry.value).map(Alteration::Value),
    }
}

/// `{literal: …}`: the value as it is, also where `null` or a number would mean something else. `{raw: …}`: its JSON text, byte
/// for byte. `{edited: …}`: a text made of the value that a good token has.
fn only<'n>(entry: Entry<'n>, word: &str) -> Option<&'n Node> {
    match &entry.value.kind {
        Kind::Map(entries) => match entries.as_slice() {
            [(key, value)] if key.text == word => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// The text below `word`, in which no variable counts.
fn plain(d: &mut Diagnostics<'_>, entry: Entry<'_>, word: &str, what: &str) -> Option<String> {
    match only(entry, word).map(|node| &node.kind) {
        Some(Kind::Text(text)) => Some(text.clone()),
        _ => {
            d.error(entry.mark(), format!("`{word}` is {what}, in quotes"));
            None
        }
    }
}

/// A value as it is; texts may hold variables.
pub(super) fn json(d: &mut Diagnostics<'_>, entry: Entry<'_>, node: &Node) -> Option<Value> {
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
            if let Err(TemplateError::Unknown(name)) = Template::parse(text) {
                d.error(node.mark(), format!("there is no variable `{{{name}}}`"));
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
