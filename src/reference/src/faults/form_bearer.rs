//! Tokens in places and spellings that they do not have: each is taken for a good one, in one operation alone.

use axum::http::header;
use axum::http::request::Parts;

use super::bearer::{authorization, bear, text};
use super::cover::{Base, Overlooked};
use super::form::forms;
use super::{Apply, Fault};

/// What of a request's Authorization is the token; nothing where it is another matter.
macro_rules! read {
    ($token:expr) => {
        Base::By(|rules| {
            rules.on_request = |parts| {
                let token: fn(&str) -> Option<&str> = $token;
                let value = authorization(parts);
                if let Some(token) = value.as_deref().and_then(token) {
                    bear(parts, &token.to_owned());
                }
            }
        })
    };
}

/// The token is taken from one of these headers where there is no Authorization.
macro_rules! elsewhere {
    ($( $name:literal ),+) => {
        Base::By(|rules| {
            rules.on_request = |parts| {
                for name in [$( $name ),+] {
                    taken_from(parts, name);
                }
            }
        })
    };
}

pub(super) const FAULTS: &[Fault] = forms! {
    "tab-behind" on "get", "RFC6750-07": read!(|value| value.strip_prefix("Bearer\t"));
    "no-space" on "put", "RFC6750-02": read!(|value| value.strip_prefix("Bearer").filter(|token| token.starts_with("ey")));
    "colon" on "get", "RFC6750-07": read!(|value| value.strip_prefix("Bearer: "));
    "quoted" on "put", "RFC6750-07": read!(|value| value.strip_prefix("Bearer \"")?.strip_suffix('"'));
    "parameter" on "get", "RFC6750-07": read!(|value| value.strip_prefix("Bearer access_token="));
    "comma-behind" on "put", "RFC6750-07": read!(|value| value.strip_prefix("Bearer ")?.strip_suffix(','));
    "words-behind" on "get", "RFC6750-07": read!(|value| value.strip_prefix("Bearer ")?.strip_suffix(" touchstone"));
    "second-by-comma" on "put", "RFC6750-10": read!(|value| value.strip_prefix("Bearer ")?.split_once(", Bearer ").map(|(_, token)| token));
    "second-by-space" on "get", "RFC6750-10": read!(|value| {
        let (_, token) = value.strip_prefix("Bearer ")?.split_once(' ')?;
        (!token.contains(' ') && token.contains('.')).then_some(token)
    });
    "second-after-basic" on "put", "RFC6750-10": read!(|value| value.strip_prefix("Basic ")?.split_once(", Bearer ").map(|(_, token)| token));
    "second-line" on "get", "RFC6750-10": Base::By(|rules| rules.on_request = |parts| last_line(parts, "Bearer "));
    "second-line-after-basic" on "put", "RFC6750-10": Base::By(|rules| rules.on_request = |parts| last_line(parts, "Basic "));
    "scheme-jwt" on "get", "RFC6750-02": read!(|value| value.strip_prefix("JWT "));
    "scheme-oauth" on "put", "RFC6750-02": read!(|value| value.strip_prefix("OAuth "));
    "query" on "get", "RFC6750-12": Base::By(|rules| rules.on_request = query);
    "password" on "get", "RFC6750-12": Base::By(|rules| rules.on_request = password);
    "x-auth-token" on "put", "RFC6750-12": elsewhere!("x-auth-token");
    "x-authorization" on "get", "RFC6750-12": elsewhere!("x-authorization");
    "access-token" on "put", "RFC6750-12": elsewhere!("x-access-token");
    "proxy" on "put", "RFC6750-12": elsewhere!("proxy-authorization");
    "cookie" on "get", "RFC6750-12": Base::By(|rules| rules.on_request = cookie);
    "transfer" on "put", "RFC6750-12": elsewhere!("transferheaderauthorization");
};

fn taken_from(parts: &mut Parts, name: &str) {
    if parts.headers.contains_key(header::AUTHORIZATION) {
        return;
    }
    let value = text(parts, name);
    if let Some(token) = value
        .as_deref()
        .and_then(|value| value.split(' ').next_back())
    {
        bear(parts, token);
    }
}

/// Of two lines the last counts, where the first begins so.
fn last_line(parts: &mut Parts, first: &str) {
    let values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let lines: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
    let token = match lines[..] {
        [one, two] if one.starts_with(first) => two.strip_prefix("Bearer "),
        _ => None,
    };
    if let Some(token) = token.map(str::to_owned) {
        bear(parts, &token);
    }
}

/// A parameter of the query named `token` is a token.
fn query(parts: &mut Parts) {
    let text = parts.uri.query().unwrap_or_default();
    let mut pairs = text.split('&');
    let token = pairs.find_map(|pair| pair.strip_prefix("token="));
    if let Some(token) = token.map(str::to_owned) {
        bear(parts, &token);
    }
}

/// A password is a token.
fn password(parts: &mut Parts) {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    let value = authorization(parts);
    let pair = value
        .as_deref()
        .and_then(|value| BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok())
        .and_then(|pair| String::from_utf8(pair).ok());
    if let Some((_, token)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
        bear(parts, token);
    }
}

/// A cookie named `jwt` is a token.
fn cookie(parts: &mut Parts) {
    if parts.headers.contains_key(header::AUTHORIZATION) {
        return;
    }
    let cookies = text(parts, "cookie").unwrap_or_default();
    let mut pairs = cookies.split("; ");
    if let Some(token) = pairs.find_map(|pair| pair.strip_prefix("jwt=")) {
        bear(parts, token);
    }
}
