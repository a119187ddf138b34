//! Words about the metadata.

use serde_json::{Map, Value};
use url::Url;

use super::{Flaw, Found, Mute, View, json_type, object, shown, value};
use touchstone_model::IssuerRequest;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The document that was asked for, or why nothing can be said of it.
pub(super) fn members(view: &View<'_>) -> Result<Map<String, Value>, Mute> {
    let Some(answer) = view.answer() else {
        return Err(Mute::Undecided("nothing was asked".into()));
    };
    let what = what(view);
    match answer.status {
        200 => object(answer).map_err(|reason| Mute::Undecided(format!("{what} are {reason}"))),
        status => Err(Mute::Undecided(format!("{what} were answered {status}"))),
    }
}

fn what(view: &View<'_>) -> &'static str {
    match view.ask.what {
        IssuerRequest::Keys(_) => "its keys",
        _ => "its metadata",
    }
}

pub(super) fn document(view: &View<'_>) -> Vec<Flaw> {
    let Some(answer) = view.answer() else {
        return Vec::new();
    };
    let right = "200 with a JSON object of type application/json";
    if answer.status != 200 {
        return vec![Flaw::new(right, format!("{}", answer.status))];
    }
    if let Err(reason) = object(answer) {
        return vec![Flaw::new(right, reason)];
    }
    if !json_type(answer) {
        let kind = answer.header("content-type").unwrap_or("none");
        return vec![Flaw::new(right, format!("the type {}", shown(kind))).minor()];
    }
    Vec::new()
}

pub(super) fn names_issuer(view: &View<'_>) -> Found {
    let members = members(view)?;
    let named = members.get("issuer");
    if named.and_then(Value::as_str) == Some(view.issuer) {
        return Ok(Vec::new());
    }
    let mut actual = format!("`issuer` is {}", value(named));
    if let Some(named) = named.and_then(Value::as_str)
        && by_slash(named, view.issuer)
    {
        actual.push_str(BY_SLASH);
    }
    Ok(vec![Flaw::new(format!("`{}`", view.issuer), actual)])
}

/// What is said where the name of an issuer is another one by nothing else: who is right is not known here.
const BY_SLASH: &str = ": the two differ by the slash at the end alone, and issuers are compared character by character; where its tokens have it so as well, write it so as `url` of the issuer in the endpoints file";

/// Whether two names of issuers differ, and by slashes at their ends alone.
pub(super) fn by_slash(one: &str, other: &str) -> bool {
    one != other && one.trim_end_matches('/') == other.trim_end_matches('/')
}

pub(super) fn names_url(view: &View<'_>, member: &str) -> Found {
    let members = members(view)?;
    let named = members.get(member);
    if named.and_then(Value::as_str).is_some_and(secure) {
        return Ok(Vec::new());
    }
    let expected = format!("an absolute https URL as `{member}`");
    Ok(vec![Flaw::new(expected, value(named))])
}

fn secure(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        url.scheme() == "https"
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    })
}

pub(super) fn https_only(view: &View<'_>) -> Found {
    let members = members(view)?;
    let urls = members.iter().filter(|(name, _)| {
        name.ends_with("_endpoint") || matches!(name.as_str(), "issuer" | "jwks_uri")
    });
    Ok(urls
        .filter(|(_, url)| !url.as_str().is_some_and(secure))
        .map(|(name, url)| {
            let name: String = name.chars().take(60).flat_map(char::escape_debug).collect();
            Flaw::new(format!("https for `{name}`"), value(Some(url)))
        })
        .collect())
}

/// The texts of a list among the metadata; `Err` says what is there instead.
fn list<'m>(members: &'m Map<String, Value>, name: &str) -> Result<Vec<&'m str>, Flaw> {
    let found = members.get(name);
    let texts = found.and_then(Value::as_array).and_then(|items| {
        let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
        texts
    });
    texts.ok_or_else(|| Flaw::new(format!("a list of texts as `{name}`"), value(found)))
}

pub(super) fn names_grants(view: &View<'_>) -> Found {
    let members = members(view)?;
    let name = "grant_types_supported";
    let grants = match list(&members, name) {
        Ok(grants) => grants,
        Err(flaw) => return Ok(vec![flaw]),
    };
    let needed = ["client_credentials", "refresh_token", EXCHANGE];
    let missing = needed.iter().filter(|grant| !grants.contains(grant));
    Ok(missing
        .map(|grant| {
            let actual = format!("{} of others", grants.len());
            Flaw::new(format!("`{grant}` among `{name}`"), actual)
        })
        .collect())
}

pub(super) fn names_scopes(view: &View<'_>) -> Found {
    let members = members(view)?;
    let name = "scopes_supported";
    let scopes = match list(&members, name) {
        Ok(scopes) => scopes,
        Err(flaw) => return Ok(vec![flaw]),
    };
    let legal = |scope: &str| {
        let token = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        !scope.is_empty() && scope.bytes().all(token)
    };
    let mut flaws: Vec<Flaw> = scopes
        .iter()
        .filter(|scope| !legal(scope))
        .map(|scope| Flaw::new("scopes without spaces and quotes (RFC 6749)", shown(scope)))
        .collect();
    let mut sorted = scopes.clone();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    flaws.extend(
        twice.map(|pair| Flaw::new("each scope once", format!("{} twice", shown(pair[0])))),
    );
    if scopes.is_empty() {
        flaws.push(Flaw::new("some scopes", "an empty list"));
    }
    Ok(flaws)
}

pub(super) fn names_authentication(view: &View<'_>) -> Found {
    let members = members(view)?;
    let name = "token_endpoint_auth_methods_supported";
    let methods = match list(&members, name) {
        Ok(methods) => methods,
        Err(flaw) => return Ok(vec![flaw]),
    };
    let known = [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ];
    if methods.iter().any(|method| known.contains(method)) {
        return Ok(Vec::new());
    }
    let expected = format!("a way to prove oneself among `{name}`");
    Ok(vec![Flaw::new(expected, super::several(methods))])
}

/// The document that was published at the usual place.
fn usual<'a>(view: &View<'a>) -> Option<&'a Value> {
    match view.ask.what {
        IssuerRequest::Keys(_) => view.keys,
        _ => view.metadata,
    }
}

/// What shows that a JSON object is such a document.
fn mark(view: &View<'_>) -> &'static str {
    match view.ask.what {
        IssuerRequest::Keys(_) => "keys",
        _ => "issuer",
    }
}

pub(super) fn same_if_served(view: &View<'_>) -> Vec<Flaw> {
    let Some(answer) = view.answer().filter(|answer| answer.status == 200) else {
        return Vec::new();
    };
    let Ok(members) = object(answer) else {
        return Vec::new();
    };
    if !members.contains_key(mark(view)) || usual(view).and_then(Value::as_object) == Some(&members)
    {
        return Vec::new();
    }
    let expected = "the same document as at the usual place, or none";
    let usual = usual(view).and_then(Value::as_object);
    let other = members
        .iter()
        .find(|(name, value)| usual.and_then(|usual| usual.get(*name)) != Some(*value));
    let actual = match other {
        Some((name, found)) => format!("{} is {} there", shown(name), value(Some(found))),
        None => "it lacks members there".to_owned(),
    };
    vec![Flaw::new(expected, actual).minor()]
}

pub(super) fn not_served(view: &View<'_>) -> Vec<Flaw> {
    let Some(answer) = view.answer().filter(|answer| answer.success()) else {
        return Vec::new();
    };
    match object(answer) {
        Ok(members) if members.contains_key(mark(view)) => {
            let expected = "no answer, a redirect to https or a refusal";
            vec![Flaw::new(expected, "the document, without TLS")]
        }
        _ => Vec::new(),
    }
}

pub(super) fn same(view: &View<'_>) -> Found {
    let usual = usual(view)
        .and_then(Value::as_object)
        .ok_or_else(|| Mute::Undecided("there is no document to compare with".into()))?;
    let mut flaws = Vec::new();
    for (number, answered) in view.answers.iter().enumerate() {
        if answered.answer.status != 200 {
            let actual = format!("{}", answered.answer.status);
            flaws.push(Flaw::new("the same document each time", actual).of(number));
            continue;
        }
        match object(&answered.answer) {
            Ok(members) if members == *usual => {}
            Ok(_) => flaws.push(Flaw::new("the same document each time", "another one").of(number)),
            Err(reason) => flaws.push(Flaw::new("the same document each time", reason).of(number)),
        }
    }
    Ok(flaws)
}
