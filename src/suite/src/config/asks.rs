//! The `asks` of a case: requests to an issuer, each with the words for what is right.

use super::suites::place;
use touchstone_model::{
    ClientProof, ExchangeStep, IssuerExpectation, IssuerRequest, IssuerStep, IssuerVariable,
    PublishedDocument, RefreshStep, RequestingClient, RevocationStep, RevokedToken, SpareToken,
    SubjectToken, TokenStep, UserInfoBearer,
};
use touchstone_yaml::diagnostics::{Diagnostics, Mark};
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::listed;
use touchstone_yaml::tree::Kind;

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

pub(super) const PUBLISHED: [(&str, PublishedDocument); 5] = [
    ("published", PublishedDocument::Shared),
    ("again", PublishedDocument::Again(1)),
    ("inserted", PublishedDocument::Inserted),
    (
        "oauth-authorization-server",
        PublishedDocument::Authorization,
    ),
    ("cleartext", PublishedDocument::Cleartext),
];
pub(super) const ASKERS: [(&str, RequestingClient); 4] = [
    ("client", RequestingClient::Client),
    ("narrow", RequestingClient::Narrow),
    ("user", RequestingClient::User),
    ("member", RequestingClient::Member),
];
pub(super) const PROOFS: [(&str, ClientProof); 5] = [
    ("good", ClientProof::Good),
    ("wrong-secret", ClientProof::WrongSecret),
    ("none", ClientProof::None),
    ("in-query", ClientProof::InQuery),
    ("other", ClientProof::Other),
];
pub(super) const SUBJECTS: [(&str, SubjectToken); 6] = [
    ("last", SubjectToken::Last),
    ("tampered", SubjectToken::Tampered),
    ("unknown-key", SubjectToken::UnknownKey),
    ("foreign", SubjectToken::Foreign),
    ("expired", SubjectToken::Expired),
    ("refresh-token", SubjectToken::RefreshToken),
];
pub(super) const SPARES: [(&str, SpareToken); 2] =
    [("last", SpareToken::Last), ("old", SpareToken::Old)];
pub(super) const REVOKED: [(&str, RevokedToken); 2] = [
    ("refresh-token", RevokedToken::Refresh),
    ("unknown", RevokedToken::Unknown),
];
pub(super) const BEARERS: [(&str, UserInfoBearer); 2] = [
    ("access-token", UserInfoBearer::Access),
    ("refresh-token", UserInfoBearer::Refresh),
];

/// Reads the asks of a case, in order.
pub(super) fn read(d: &mut Diagnostics<'_>, items: Vec<Entry<'_>>) -> Option<Vec<IssuerStep>> {
    let asks: Vec<Option<(Mark, IssuerStep)>> = items
        .into_iter()
        .map(|item| Some((item.key, ask(d, item)?)))
        .collect();
    let asks: Vec<(Mark, IssuerStep)> = asks.into_iter().collect::<Option<_>>()?;
    in_order(d, &asks);
    Some(asks.into_iter().map(|(_, ask)| ask).collect())
}

fn ask(d: &mut Diagnostics<'_>, item: Entry<'_>) -> Option<IssuerStep> {
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
    Some(IssuerStep {
        what: what?,
        expect: expect?,
        optional: optional.unwrap_or_default(),
        at: place(d, item.key),
    })
}

fn asked(d: &mut Diagnostics<'_>, kind: Entry<'_>) -> Option<IssuerRequest> {
    match kind.name {
        "metadata" => published(d, kind).map(IssuerRequest::Metadata),
        "keys" => published(d, kind).map(IssuerRequest::Keys),
        "token" => token(d, kind).map(IssuerRequest::Token),
        "exchange" => {
            let fields = kind.fields(d, "`exchange`", &EXCHANGE_KEYS)?;
            let subject = fields.require(d, "subject");
            Some(IssuerRequest::Exchange(ExchangeStep {
                subject: subject.and_then(|entry| entry.word(d, &SUBJECTS))?,
                scope: text(d, &fields, "scope")?,
                audience: texts(d, &fields, "audience")?,
            }))
        }
        "refresh" => {
            let fields = kind.fields(d, "`refresh`", &REFRESH_KEYS)?;
            let token = fields.get("token").map(|entry| entry.word(d, &SPARES));
            Some(IssuerRequest::Refresh(RefreshStep {
                token: given(token)?,
                scope: text(d, &fields, "scope")?,
                proof: proof(d, &fields)?,
            }))
        }
        "revoke" => {
            let fields = kind.fields(d, "`revoke`", &REVOKE_KEYS)?;
            let token = fields.require(d, "token");
            Some(IssuerRequest::Revoke(RevocationStep {
                token: token.and_then(|entry| entry.word(d, &REVOKED))?,
                proof: proof(d, &fields)?,
            }))
        }
        "userinfo" => kind.word(d, &BEARERS).map(IssuerRequest::Userinfo),
        "device" => {
            let scope = variables(d, kind)?;
            Some(IssuerRequest::Device { scope })
        }
        _ => kind.boolean(d).map(|_| IssuerRequest::Poll),
    }
}

/// A word, or `{again: TIMES}`.
fn published(d: &mut Diagnostics<'_>, kind: Entry<'_>) -> Option<PublishedDocument> {
    if !matches!(kind.value.kind, Kind::Map(_)) {
        return kind.word(d, &PUBLISHED);
    }
    let fields = kind.fields(d, "what is published", &AGAIN_KEYS)?;
    let entry = fields.require(d, "again")?;
    times(d, entry).map(PublishedDocument::Again)
}

/// The scope alone, or everything.
fn token(d: &mut Diagnostics<'_>, kind: Entry<'_>) -> Option<TokenStep> {
    let plain = TokenStep {
        times: 1,
        ..TokenStep::default()
    };
    if !matches!(kind.value.kind, Kind::Map(_)) {
        let scope = Some(variables(d, kind)?);
        return Some(TokenStep { scope, ..plain });
    }
    let fields = kind.fields(d, "`token`", &TOKEN_KEYS)?;
    let by = fields.get("by").map(|entry| entry.word(d, &ASKERS));
    let get = fields.get("method").map(|entry| entry.word(d, &WAYS));
    let count = fields.get("times").map(|entry| times(d, entry));
    Some(TokenStep {
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

fn proof(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<ClientProof> {
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
        let known = IssuerVariable::ALL
            .iter()
            .any(|variable| variable.name() == name);
        if !known || !piece.contains('}') {
            let names: Vec<_> = IssuerVariable::ALL.iter().map(|v| v.name()).collect();
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

fn words(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    what: Option<&IssuerRequest>,
) -> Option<Vec<IssuerExpectation>> {
    let known: Vec<_> = IssuerExpectation::ALL
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
        let document = matches!(
            what,
            Some(IssuerRequest::Metadata(_) | IssuerRequest::Keys(_))
        );
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
fn in_order(d: &mut Diagnostics<'_>, asks: &[(Mark, IssuerStep)]) {
    let (mut token, mut device) = (false, false);
    for (mark, ask) in asks {
        let lacks = match &ask.what {
            IssuerRequest::Exchange(_) | IssuerRequest::Userinfo(UserInfoBearer::Access)
                if !token =>
            {
                Some("token")
            }
            IssuerRequest::Poll if !device => Some("device"),
            _ => None,
        };
        if let Some(lacks) = lacks {
            let message = format!("an ask with `{lacks}` has to come before it");
            d.error(*mark, message);
        }
        token |= ask.what.for_token();
        device |= matches!(ask.what, IssuerRequest::Device { .. });
    }
}
