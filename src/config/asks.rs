//! The `asks` of a case: requests to an issuer, each with the words for what is right.

use super::diagnostics::{Diagnostics, Mark};
use super::fields::{Entry, Fields};
use super::suites::place;
use super::tree::Kind;
use super::words::listed;
use crate::model::{
    Ask, AskVariable, AskWord, Asked, Asker, Bearer, ExchangeAsk, Proof, Published, RefreshAsk,
    RevokeAsk, Revoked, Spare, Subject, TokenAsk,
};

pub(super) const KINDS: [&str; 8] = [
    "metadata", "keys", "token", "exchange", "refresh", "revoke", "userinfo", "device",
];
pub(super) const KEYS: [&str; 11] = [
    "metadata", "keys", "token", "exchange", "refresh", "revoke", "userinfo", "device", "poll",
    "expect", "optional",
];
pub(super) const TOKEN_KEYS: [&str; 8] = [
    "scope", "audience", "resource", "by", "proof", "grant", "method", "times",
];
pub(super) const AGAIN_KEYS: [&str; 1] = ["again"];
pub(super) const EXCHANGE_KEYS: [&str; 3] = ["subject", "scope", "audience"];
pub(super) const REFRESH_KEYS: [&str; 3] = ["token", "scope", "proof"];
pub(super) const REVOKE_KEYS: [&str; 2] = ["token", "proof"];
/// How a token is asked for, and whether that is a GET.
pub(super) const WAYS: [(&str, bool); 2] = [("post", false), ("get", true)];
/// More than any issuer has to answer for one case.
pub(super) const TIMES: usize = 200;

pub(super) const PUBLISHED: [(&str, Published); 5] = [
    ("published", Published::Shared),
    ("again", Published::Again(1)),
    ("inserted", Published::Inserted),
    ("oauth-authorization-server", Published::Authorization),
    ("cleartext", Published::Cleartext),
];
pub(super) const ASKERS: [(&str, Asker); 4] = [
    ("client", Asker::Client),
    ("narrow", Asker::Narrow),
    ("user", Asker::User),
    ("member", Asker::Member),
];
pub(super) const PROOFS: [(&str, Proof); 5] = [
    ("good", Proof::Good),
    ("wrong-secret", Proof::WrongSecret),
    ("none", Proof::None),
    ("in-query", Proof::InQuery),
    ("other", Proof::Other),
];
pub(super) const SUBJECTS: [(&str, Subject); 6] = [
    ("last", Subject::Last),
    ("tampered", Subject::Tampered),
    ("unknown-key", Subject::UnknownKey),
    ("foreign", Subject::Foreign),
    ("expired", Subject::Expired),
    ("refresh-token", Subject::RefreshToken),
];
pub(super) const SPARES: [(&str, Spare); 2] = [("last", Spare::Last), ("old", Spare::Old)];
pub(super) const REVOKED: [(&str, Revoked); 2] = [
    ("refresh-token", Revoked::Refresh),
    ("unknown", Revoked::Unknown),
];
pub(super) const BEARERS: [(&str, Bearer); 2] = [
    ("access-token", Bearer::Access),
    ("refresh-token", Bearer::Refresh),
];

/// Reads the asks of a case, in order.
pub(super) fn read(d: &mut Diagnostics<'_>, items: Vec<Entry<'_>>) -> Option<Vec<Ask>> {
    let asks: Vec<Option<(Mark, Ask)>> = items
        .into_iter()
        .map(|item| Some((item.key, ask(d, item)?)))
        .collect();
    let asks: Vec<(Mark, Ask)> = asks.into_iter().collect::<Option<_>>()?;
    in_order(d, &asks);
    Some(asks.into_iter().map(|(_, ask)| ask).collect())
}

fn ask(d: &mut Diagnostics<'_>, item: Entry<'_>) -> Option<Ask> {
    let fields = item.fields(d, "an ask", &KEYS)?;
    let kind = match fields.get("poll") {
        Some(poll) => Some(poll),
        None => fields.one_of(d, &KINDS, true),
    };
    let what = kind.and_then(|kind| asked(d, kind));
    let expect = fields
        .require(d, "expect")
        .and_then(|entry| words(d, entry, what.as_ref()));
    let optional = fields.get("optional").and_then(|entry| entry.boolean(d));
    Some(Ask {
        what: what?,
        expect: expect?,
        optional: optional.unwrap_or_default(),
        at: place(d, item.key),
    })
}

fn asked(d: &mut Diagnostics<'_>, kind: Entry<'_>) -> Option<Asked> {
    match kind.name {
        "metadata" => published(d, kind).map(Asked::Metadata),
        "keys" => published(d, kind).map(Asked::Keys),
        "token" => token(d, kind).map(Asked::Token),
        "exchange" => {
            let fields = kind.fields(d, "`exchange`", &EXCHANGE_KEYS)?;
            let subject = fields.require(d, "subject");
            Some(Asked::Exchange(ExchangeAsk {
                subject: subject.and_then(|entry| entry.word(d, &SUBJECTS))?,
                scope: text(d, &fields, "scope")?,
                audience: texts(d, &fields, "audience")?,
            }))
        }
        "refresh" => {
            let fields = kind.fields(d, "`refresh`", &REFRESH_KEYS)?;
            let token = fields.get("token").map(|entry| entry.word(d, &SPARES));
            Some(Asked::Refresh(RefreshAsk {
                token: given(token)?,
                scope: text(d, &fields, "scope")?,
                proof: proof(d, &fields)?,
            }))
        }
        "revoke" => {
            let fields = kind.fields(d, "`revoke`", &REVOKE_KEYS)?;
            let token = fields.require(d, "token");
            Some(Asked::Revoke(RevokeAsk {
                token: token.and_then(|entry| entry.word(d, &REVOKED))?,
                proof: proof(d, &fields)?,
            }))
        }
        "userinfo" => kind.word(d, &BEARERS).map(Asked::Userinfo),
        "device" => {
            let scope = variables(d, kind)?;
            Some(Asked::Device { scope })
        }
        _ => kind.boolean(d).map(|_| Asked::Poll),
    }
}

/// A word, or `{again: TIMES}`.
fn published(d: &mut Diagnostics<'_>, kind: Entry<'_>) -> Option<Published> {
    if !matches!(kind.value.kind, Kind::Map(_)) {
        return kind.word(d, &PUBLISHED);
    }
    let fields = kind.fields(d, "what is published", &AGAIN_KEYS)?;
    let entry = fields.require(d, "again")?;
    times(d, entry).map(Published::Again)
}

/// The scope alone, or everything.
fn token(d: &mut Diagnostics<'_>, kind: Entry<'_>) -> Option<TokenAsk> {
    let plain = TokenAsk {
        times: 1,
        ..TokenAsk::default()
    };
    if !matches!(kind.value.kind, Kind::Map(_)) {
        let scope = Some(variables(d, kind)?);
        return Some(TokenAsk { scope, ..plain });
    }
    let fields = kind.fields(d, "`token`", &TOKEN_KEYS)?;
    let by = fields.get("by").map(|entry| entry.word(d, &ASKERS));
    let get = fields.get("method").map(|entry| entry.word(d, &WAYS));
    let count = fields.get("times").map(|entry| times(d, entry));
    Some(TokenAsk {
        by: given(by)?,
        scope: text(d, &fields, "scope")?,
        audience: texts(d, &fields, "audience")?,
        resource: texts(d, &fields, "resource")?,
        proof: proof(d, &fields)?,
        grant: text(d, &fields, "grant")?,
        get: given(get)?,
        times: count.unwrap_or(Some(1))?,
    })
}

fn proof(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Proof> {
    given(fields.get("proof").map(|entry| entry.word(d, &PROOFS)))
}

/// The value, or what stands for it where nothing was written; nothing where it was wrong.
fn given<T: Default>(read: Option<Option<T>>) -> Option<T> {
    read.unwrap_or_else(|| Some(T::default()))
}

fn times(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<usize> {
    let count = entry.count(d)?;
    if count > TIMES {
        let message = format!("`{}` has to be at most {TIMES}", entry.name);
        d.error(entry.mark(), message);
        return None;
    }
    Some(count)
}

fn text(d: &mut Diagnostics<'_>, fields: &Fields<'_>, key: &str) -> Option<Option<String>> {
    match fields.get(key) {
        None => Some(None),
        Some(entry) => variables(d, entry).map(Some),
    }
}

fn texts(d: &mut Diagnostics<'_>, fields: &Fields<'_>, key: &str) -> Option<Vec<String>> {
    let Some(entry) = fields.get(key) else {
        return Some(Vec::new());
    };
    let texts: Vec<Option<String>> = entry
        .one_or_more()
        .into_iter()
        .map(|item| variables(d, item))
        .collect();
    texts.into_iter().collect()
}

/// A text in which only variables that are there stand in braces.
fn variables(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = entry.text(d)?;
    for piece in text.split('{').skip(1) {
        let name = piece.split('}').next().unwrap_or_default();
        let known = AskVariable::ALL
            .iter()
            .any(|variable| variable.name() == name);
        if !known || !piece.contains('}') {
            let names: Vec<_> = AskVariable::ALL.iter().map(|v| v.name()).collect();
            d.error(
                entry.mark(),
                format!("`{{{}}}` is no variable", name.escape_debug()),
            )
            .help(format!("there are {}", listed(&names)));
            return None;
        }
    }
    Some(text.to_owned())
}

fn words(d: &mut Diagnostics<'_>, entry: Entry<'_>, what: Option<&Asked>) -> Option<Vec<AskWord>> {
    let known: Vec<_> = AskWord::ALL
        .iter()
        .map(|word| (word.as_str(), *word))
        .collect();
    let items = entry.items(d)?;
    if items.is_empty() {
        d.error(entry.mark(), "`expect` is empty");
        return None;
    }
    let mut words = Vec::new();
    for item in items {
        let word = item.word(d, &known)?;
        let document = matches!(what, Some(Asked::Metadata(_) | Asked::Keys(_)));
        if what.is_some() && word.about_document() != document {
            let about = match document {
                true => "says nothing of a document",
                false => "is about a document",
            };
            d.error(item.mark(), format!("`{}` {about}", word.as_str()));
        } else if words.contains(&word) {
            d.error(item.mark(), format!("`{}` is there twice", word.as_str()));
        } else if word.about_token() && what.is_some_and(|what| !what.for_token()) {
            d.error(item.mark(), format!("`{}` is about a token", word.as_str()));
        }
        words.push(word);
    }
    Some(words)
}

/// What is exchanged or shown has to be there by then.
fn in_order(d: &mut Diagnostics<'_>, asks: &[(Mark, Ask)]) {
    let (mut token, mut device) = (false, false);
    for (mark, ask) in asks {
        let lacks = match &ask.what {
            Asked::Exchange(_) | Asked::Userinfo(Bearer::Access) if !token => Some("token"),
            Asked::Poll if !device => Some("device"),
            _ => None,
        };
        if let Some(lacks) = lacks {
            let message = format!("an ask with `{lacks}` has to come before it");
            d.error(*mark, message);
        }
        token |= ask.what.for_token();
        device |= matches!(ask.what, Asked::Device { .. });
    }
}
