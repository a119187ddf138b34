//! Words about the claims of tokens.

use std::collections::HashSet;

use serde_json::Value;
use url::Url;

use super::document::by_slash;
use super::reply::Grant;
use super::{Flaw, Found, Jwt, Mute, View, looks, refused_at_all, several, shown, value};
use touchstone_model::{IssuerRequest, Profile};

const HOUR: f64 = 3600.0;

pub(super) fn signed(view: &View<'_>) -> Found {
    let Some(keys) = view.keys else {
        return Err(Mute::Undecided(
            "its keys could not be fetched, so that no signature can be verified".into(),
        ));
    };
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        let verified = match &one.grant {
            None => continue,
            Some(Grant {
                token: Err(reason), ..
            }) => Err(reason.clone()),
            Some(Grant { token: Ok(jwt), .. }) => jwt.verify(keys),
        };
        if let Err(reason) = verified {
            let expected = "a JWS that verifies with the published key of its kid";
            flaws.push(Flaw::new(expected, reason).of(number));
        }
    }
    Ok(flaws)
}

pub(super) fn usual_algorithm(view: &View<'_>) -> Found {
    view.each(|jwt| match jwt.header.get("alg").and_then(Value::as_str) {
        Some("RS256" | "ES256") => Vec::new(),
        _ => vec![Flaw::new("RS256 or ES256", value(jwt.header.get("alg"))).minor()],
    })
}

pub(super) fn claims(view: &View<'_>) -> Found {
    let text = |found: Option<&Value>| found.is_some_and(Value::is_string);
    let time = |found: Option<&Value>| found.is_some_and(|found| found.is_i64() || found.is_u64());
    let audience = |found: Option<&Value>| match found {
        Some(Value::Array(items)) => items.iter().all(Value::is_string),
        found => text(found),
    };
    view.each(|jwt| {
        let mut flaws = Vec::new();
        for (names, right, kind) in [
            (
                &["sub", "iss", "wlcg.ver", "jti"][..],
                &text as &dyn Fn(Option<&Value>) -> bool,
                "a text",
            ),
            (&["exp", "iat"], &time, "a whole number"),
            (&["aud"], &audience, "a text or a list of texts"),
        ] {
            for name in names {
                let found = jwt.claims.get(*name);
                if !right(found) {
                    flaws.push(Flaw::new(format!("{kind} as {name}"), value(found)));
                }
            }
        }
        flaws
    })
}

pub(super) fn version(view: &View<'_>) -> Found {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    view.each(|jwt| {
        let found = jwt.claims.get("wlcg.ver");
        let flaw = Flaw::new("1.0 as wlcg.ver", value(found));
        match found
            .and_then(Value::as_str)
            .and_then(|text| text.split_once('.'))
        {
            Some(("1", "0")) => Vec::new(),
            Some(("1", minor)) if digits(minor) => vec![flaw.minor()],
            _ => vec![flaw],
        }
    })
}

pub(super) fn known_version(view: &View<'_>) -> Found {
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        if one.grant.is_none() && refused_at_all(&one.answer).is_none() {
            let actual = format!("{} with {}", one.answer.status, looks(&one.answer));
            flaws.push(Flaw::new("a token or an error", actual).minor().of(number));
        }
    }
    for (number, jwt) in view.tokens()? {
        let found = jwt.claims.get("wlcg.ver");
        let exists = found
            .and_then(Value::as_str)
            .is_some_and(|text| Profile::ALL.iter().any(|version| version.as_str() == text));
        if !exists {
            let flaw = Flaw::new("a wlcg.ver that exists", value(found));
            flaws.push(flaw.grave().of(number));
        }
    }
    Ok(flaws)
}

pub(super) fn issuer_url(view: &View<'_>) -> Found {
    view.each(|jwt| {
        let plain = |text: &str| {
            Url::parse(text).is_ok_and(|url| {
                url.scheme() == "https" && url.query().is_none() && url.fragment().is_none()
            })
        };
        match jwt.text("iss") {
            Some(text) if plain(text) => Vec::new(),
            _ => vec![Flaw::new(
                "an https URL without query and fragment as iss",
                value(jwt.claims.get("iss")),
            )],
        }
    })
}

/// Whether an issuer has the name `found` in its metadata as well, and the endpoints file another one by the slash at its end: that
/// is told of the metadata.
fn as_published(view: &View<'_>, found: &str) -> bool {
    let named = view.metadata.and_then(|metadata| metadata.get("issuer"));
    named.and_then(Value::as_str) == Some(found) && by_slash(found, view.issuer)
}

pub(super) fn issuer_exact(view: &View<'_>) -> Found {
    let named = view.metadata.and_then(|metadata| metadata.get("issuer"));
    for (_, jwt) in view.tokens()? {
        let found = jwt.text("iss").unwrap_or_default();
        if as_published(view, found) {
            return Err(Mute::Skip(format!(
                "put down to issuer.metadata.issuer: its metadata and its tokens have {}, and the endpoints file has {}, another one by the slash at the end",
                shown(found),
                shown(view.issuer)
            )));
        }
    }
    view.each(|jwt| {
        let found = jwt.claims.get("iss");
        let mut flaws = Vec::new();
        if jwt.text("iss") != Some(view.issuer) {
            flaws.push(Flaw::new(format!("`{}` as iss", view.issuer), value(found)));
        } else if named.is_some() && named != found {
            let expected = "the same in iss and the metadata's `issuer`";
            flaws.push(Flaw::new(expected, value(named)));
        }
        flaws
    })
}

pub(super) fn subject_form(view: &View<'_>) -> Found {
    view.each(|jwt| match jwt.text("sub") {
        Some(sub) if sub.is_ascii() && (1..=255).contains(&sub.len()) => Vec::new(),
        _ => vec![Flaw::new(
            "1 to 255 ASCII characters as sub",
            value(jwt.claims.get("sub")),
        )],
    })
}

pub(super) fn same_subject(view: &View<'_>) -> Found {
    let first = view
        .before
        .first()
        .map(|jwt| jwt.claims.get("sub").cloned());
    let tokens = view.tokens()?;
    let first = first.or_else(|| {
        tokens
            .first()
            .map(|(_, jwt)| jwt.claims.get("sub").cloned())
    });
    view.each(|jwt| {
        let found = jwt.claims.get("sub");
        if first.as_ref().is_none_or(|first| first.as_ref() == found) {
            return Vec::new();
        }
        let expected = format!(
            "{} as sub again",
            value(first.as_ref().and_then(Option::as_ref))
        );
        vec![Flaw::new(expected, value(found))]
    })
}

pub(super) fn anonymous(view: &View<'_>) -> Found {
    let mut known: Vec<String> = Vec::new();
    for one in view.answers {
        if let Some(Ok(id)) = one.grant.as_ref().and_then(|grant| grant.id_token.as_ref()) {
            let names = [
                "preferred_username",
                "email",
                "name",
                "family_name",
                "nickname",
            ];
            known.extend(
                names
                    .iter()
                    .filter_map(|name| id.text(name))
                    .map(str::to_lowercase),
            );
        }
    }
    known.retain(|name| name.len() >= 4);
    view.each(|jwt| {
        let sub = jwt.text("sub").unwrap_or_default();
        let lower = sub.to_lowercase();
        let mail = sub
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
        let dn = ["cn=", "dc=", "ou="]
            .iter()
            .any(|part| lower.contains(part));
        let name = known.iter().any(|name| lower.contains(name.as_str()));
        let what = match (mail, dn, name) {
            (true, ..) => "it looks like an e-mail address",
            (_, true, _) => "it looks like a DN",
            (.., true) => "it holds a name that the ID token has as well",
            _ => return Vec::new(),
        };
        vec![Flaw::new("a sub that does not tell who it is", what)]
    })
}

pub(super) fn unique_ids(view: &View<'_>) -> Found {
    let tokens = view.tokens()?;
    let all: Vec<&Jwt> = view
        .before
        .iter()
        .chain(tokens.iter().map(|(_, jwt)| *jwt))
        .collect();
    let mut ids: Vec<&str> = Vec::new();
    for jwt in &all {
        match jwt.text("jti") {
            Some(id) if !id.is_empty() => ids.push(id),
            _ => {
                return Ok(vec![Flaw::new(
                    "a jti in every token",
                    value(jwt.claims.get("jti")),
                )]);
            }
        }
    }
    let distinct: HashSet<&str> = ids.iter().copied().collect();
    if distinct.len() < ids.len() {
        let actual = format!("{} among {} tokens", distinct.len(), ids.len());
        return Ok(vec![Flaw::new("a jti of its own for every token", actual)]);
    }
    if ids.len() < 2 {
        return Err(Mute::Undecided("there is only one token to look at".into()));
    }
    let bits = variation(&ids);
    Ok(if bits < 64.0 {
        let actual = format!("they differ in about {bits:.0} bits");
        vec![Flaw::new("jti that vary by 64 bits", actual).minor()]
    } else {
        Vec::new()
    })
}

/// An upper bound of the bits in which texts vary: their lengths without what they have in common.
fn variation(ids: &[&str]) -> f64 {
    let common = |one: &mut dyn Iterator<Item = u8>, other: &mut dyn Iterator<Item = u8>| {
        one.zip(other).take_while(|(a, b)| a == b).count()
    };
    let first = ids[0];
    let begin = ids[1..]
        .iter()
        .map(|id| common(&mut first.bytes(), &mut id.bytes()))
        .min();
    let end = ids[1..]
        .iter()
        .map(|id| common(&mut first.bytes().rev(), &mut id.bytes().rev()))
        .min();
    let longest = ids.iter().map(|id| id.len()).max().unwrap_or_default();
    let varying = longest.saturating_sub(begin.unwrap_or_default() + end.unwrap_or_default());
    let all = |legal: fn(&u8) -> bool| ids.iter().all(|id| id.bytes().all(|b| legal(&b)));
    let each = if all(|b| b.is_ascii_digit() || *b == b'-') {
        3.33
    } else if all(|b| b.is_ascii_hexdigit() || *b == b'-') {
        4.0
    } else {
        6.0
    };
    varying as f64 * each
}

pub(super) fn lifetime(view: &View<'_>) -> Found {
    view.each(|jwt| {
        let (Some(issued), Some(end)) = (jwt.time("iat"), jwt.time("exp")) else {
            return vec![Flaw::new("iat and exp", "one of them is missing")];
        };
        let seconds = end - issued;
        let flaw = Flaw::new("15 minutes to 6 hours", format!("{seconds} seconds"));
        if seconds > 24.0 * HOUR || (seconds > 6.0 * HOUR && view.profile == Profile::V1_0) {
            vec![flaw.grave()]
        } else if !(HOUR / 4.0..=6.0 * HOUR).contains(&seconds) {
            vec![flaw]
        } else {
            Vec::new()
        }
    })
}

pub(super) fn not_before(view: &View<'_>) -> Found {
    let mut flaws = Vec::new();
    for (number, jwt) in view.tokens()? {
        let (Some(begin), Some(issued)) = (jwt.time("nbf"), jwt.time("iat")) else {
            continue;
        };
        let now = view.answers[number].at.as_millisecond() as f64 / 1000.0;
        let lead = issued - begin;
        let expected = "nbf 0 to 300 seconds before iat, and in the past";
        if !(0.0..=300.0).contains(&lead) {
            let actual = format!("{lead} seconds before it");
            flaws.push(Flaw::new(expected, actual).of(number));
        } else if begin > now + 1.0 {
            let actual = format!("{:.0} seconds in the future", begin - now);
            flaws.push(Flaw::new(expected, actual).of(number));
        }
    }
    Ok(flaws)
}

pub(super) fn issued_now(view: &View<'_>) -> Found {
    let mut flaws = Vec::new();
    for (number, jwt) in view.tokens()? {
        let now = view.answers[number].at.as_millisecond() as f64 / 1000.0;
        match jwt.time("iat") {
            Some(issued) if (issued - now).abs() <= 60.0 => {}
            Some(issued) => {
                let actual = format!("{:.0} seconds away from it", (issued - now).abs());
                flaws.push(Flaw::new("now as iat, to 60 seconds", actual).of(number));
            }
            None => {
                let actual = value(jwt.claims.get("iat"));
                flaws.push(Flaw::new("now as iat", actual).of(number));
            }
        }
    }
    Ok(flaws)
}

/// A URL without what means nothing in it (RFC 3986 section 6.2.2 and 6.2.3); other texts as they are.
fn normal(audience: &str) -> String {
    Url::parse(audience).map_or_else(
        |_| audience.to_owned(),
        |url| url.as_str().trim_end_matches('/').to_owned(),
    )
}

pub(super) fn audience_as_asked(view: &View<'_>) -> Found {
    let asked: Vec<String> = view
        .ask
        .what
        .audience()
        .iter()
        .map(|text| normal(text))
        .collect();
    view.each(|jwt| {
        let found = jwt.claims.get("aud");
        let (one, got): (bool, Vec<&str>) = match found {
            Some(Value::String(text)) => (true, vec![text]),
            Some(Value::Array(items)) => (false, items.iter().filter_map(Value::as_str).collect()),
            _ => (false, Vec::new()),
        };
        let normalised: HashSet<String> = got.iter().map(|text| normal(text)).collect();
        let wanted: HashSet<String> = asked.iter().cloned().collect();
        let expected = format!(
            "{} as aud",
            several(view.ask.what.audience().iter().map(String::as_str))
        );
        if normalised != wanted {
            let flaw = Flaw::new(expected, value(found));
            // A token was exchanged; that its audience is as asked is recommended, here as elsewhere (ISS-TOK-14).
            match &view.ask.what {
                IssuerRequest::Exchange(_) => vec![flaw.minor()],
                _ => vec![flaw],
            }
        } else if one != (asked.len() == 1) {
            let form = match asked.len() {
                1 => "one audience as text",
                _ => "several audiences as list",
            };
            vec![Flaw::new(form, value(found)).minor()]
        } else {
            Vec::new()
        }
    })
}

pub(super) fn has_audience(view: &View<'_>) -> Found {
    view.each(|jwt| {
        let found = jwt.claims.get("aud");
        let there = match found {
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => {
                !items.is_empty()
                    && items
                        .iter()
                        .all(|item| item.as_str().is_some_and(|text| !text.is_empty()))
            }
            _ => false,
        };
        match there {
            true => Vec::new(),
            false => vec![Flaw::new("an aud that is not empty", value(found))],
        }
    })
}

pub(super) fn has_rights(view: &View<'_>) -> Found {
    view.each(|jwt| {
        if jwt.claims.contains_key("scope") || jwt.claims.contains_key("wlcg.groups") {
            return Vec::new();
        }
        vec![Flaw::new("scope or wlcg.groups", "neither")]
    })
}

pub(super) fn small(view: &View<'_>) -> Found {
    view.each(|jwt| match jwt.len() {
        0..2048 => Vec::new(),
        length => vec![Flaw::new("less than 2048 bytes", format!("{length}"))],
    })
}

pub(super) fn client_subject(view: &View<'_>) -> Found {
    let client = view.client.unwrap_or_default();
    view.each(|jwt| {
        if jwt.text("sub") == Some(client) {
            return Vec::new();
        }
        vec![Flaw::new(
            "the client's id as sub",
            value(jwt.claims.get("sub")),
        )]
    })
}

pub(super) fn assurance(view: &View<'_>) -> Found {
    view.each(|jwt| {
        let mut flaws = Vec::new();
        let found = jwt.claims.get("eduperson_assurance");
        let uris = found.and_then(Value::as_array).is_some_and(|items| {
            let uri = |item: &Value| item.as_str().is_some_and(|text| Url::parse(text).is_ok());
            !items.is_empty() && items.iter().all(uri)
        });
        if !uris {
            flaws.push(Flaw::new(
                "a list of URIs as eduperson_assurance",
                value(found),
            ));
        }
        let context = jwt.claims.get("acr");
        if context.and_then(Value::as_str).is_none_or(str::is_empty) {
            flaws.push(Flaw::new("a text as acr", value(context)));
        }
        flaws
    })
}

/// The ID token of the last answer.
pub(super) fn identity<'a>(view: &View<'a>) -> Result<&'a Jwt, Mute> {
    let grant = view.answers.last().and_then(|one| one.grant.as_ref());
    match grant.and_then(|grant| grant.id_token.as_ref()) {
        Some(Ok(id)) => Ok(id),
        Some(Err(reason)) => Err(Mute::Undecided(format!("its ID token: {reason}"))),
        None => Err(Mute::Skip(
            "no ID token comes when a token is refreshed; one needs a login in a browser".into(),
        )),
    }
}

pub(super) fn id_token(view: &View<'_>) -> Found {
    let id = identity(view)?;
    let client = view.client.unwrap_or_default();
    let mut flaws = Vec::new();
    let mut wrong = |expected: &str, actual: String| flaws.push(Flaw::new(expected, actual));
    if let Some(keys) = view.keys
        && let Err(reason) = id.verify(keys)
    {
        wrong("an ID token that verifies with a published key", reason);
    }
    let issuer = id.text("iss").unwrap_or_default();
    if issuer != view.issuer && !as_published(view, issuer) {
        wrong("the issuer's URL as iss", value(id.claims.get("iss")));
    }
    let audience = id.claims.get("aud");
    let ours = match audience {
        Some(Value::String(one)) => one == client,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(client)),
        _ => false,
    };
    if !ours {
        wrong("the client's id as aud", value(audience));
    }
    for name in ["exp", "iat"] {
        if id.time(name).is_none() {
            wrong("exp and iat", value(id.claims.get(name)));
        }
    }
    if let Some((_, access)) = view.tokens()?.last()
        && access.claims.get("sub") != id.claims.get("sub")
    {
        wrong(
            "the sub of the access token",
            shown(id.text("sub").unwrap_or_default()),
        );
    }
    Ok(flaws)
}
