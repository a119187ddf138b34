//! From a request's headers to what the bearer of its token may claim (profile 2.1 and 4.2).

use axum::http::{HeaderMap, Uri, header};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answers::Refusal;
use super::keys::{Key, KeyRing, Unavailable};
use super::rules::Rules;
use super::scope::{Action, Capability, Scope};
use crate::model::Audience;

const MAX_TOKEN: usize = 32 << 10;
const MAX_SUBJECT: usize = 255;
/// How far clocks may differ where a token is too young (profile 2.1.1, nbf). Its end is sharp.
const SKEW: f64 = 60.0;

/// What a verified token says.
#[derive(Clone, Debug, Default)]
pub(super) struct Bearer {
    pub(super) issuer: String,
    /// `jti`.
    pub(super) token_id: String,
    /// `aud`; whether it names this service has not been asked yet.
    pub(super) audience: Option<Audience<String>>,
    pub(super) scope: Scope,
    pub(super) groups: Vec<String>,
}

impl Bearer {
    /// Its storage capabilities.
    pub(super) fn capabilities(&self) -> &[Capability] {
        &self.scope.capabilities
    }

    /// Whether it has any capability of the profile, so that its groups do not count.
    pub(super) fn has_capability(&self) -> bool {
        self.scope.elsewhere || !self.capabilities().is_empty()
    }

    /// Whether it has a capability of that name, for whatever path.
    pub(super) fn has(&self, action: Action) -> bool {
        self.capabilities().iter().any(|c| c.action == action)
    }

    /// Whether it has capabilities of that name and no others.
    pub(super) fn has_only(&self, action: Action) -> bool {
        self.has(action) && self.capabilities().iter().all(|c| c.action == action)
    }
}

/// The token in the `Authorization` header (RFC 6750 section 2.1).
///
/// Tokens in the query are not taken; together with one in the header they make the request malformed.
pub(super) fn presented<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Refusal::NoToken);
    };
    if values.next().is_some() {
        return Err(Refusal::Malformed("more than one Authorization header"));
    }
    let value = value
        .to_str()
        .map_err(|_| Refusal::Malformed("the Authorization header is not ASCII"))?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::NoToken);
    }
    let token = rest.trim_matches(' ');
    if token.is_empty() || token.contains([' ', ',']) {
        return Err(Refusal::Malformed("not one bearer token"));
    }
    let query = uri.query().unwrap_or_default();
    if url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| name == "access_token" || name == "authz")
    {
        return Err(Refusal::Malformed("a token in the header and in the query"));
    }
    Ok(token)
}

#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// Verifies `token` and reads it. Trust in its issuer is looked at before anything is fetched.
pub(super) async fn verify(
    token: &str,
    trusted: &[KeyRing],
    rules: &Rules,
) -> Result<Bearer, Refusal> {
    let bad = Refusal::InvalidToken;
    if token.len() > MAX_TOKEN {
        return Err(bad("too long"));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(bad("not a signed JWT"));
    };
    let header: JoseHeader = decode(header).ok_or(bad("its header cannot be read"))?;
    let claims: Map<String, Value> = decode(payload).ok_or(bad("its payload cannot be read"))?;
    let algorithm = match header.alg.as_str() {
        "ES256" => Algorithm::ES256,
        "RS256" => Algorithm::RS256,
        _ => return Err(bad("its algorithm is not accepted")),
    };
    if header.crit.is_some() {
        return Err(bad("it has critical extensions"));
    }
    if !header.typ.is_none_or(|typ| access_token(&typ)) {
        return Err(bad("it is no access token"));
    }
    let kid = header
        .kid
        .filter(|kid| !kid.is_empty())
        .ok_or(bad("it does not name its key"))?;
    let issuer = claims.get("iss").and_then(Value::as_str);
    let ring = trusted
        .iter()
        .find(|ring| Some(ring.issuer()) == issuer)
        .ok_or(bad("its issuer is not trusted"))?;
    let mut found = ring.key(&kid).await;
    if rules.pools_keys && matches!(found, Ok(None)) {
        for ring in trusted {
            if let Ok(Some(key)) = ring.key(&kid).await {
                found = Ok(Some(key));
            }
        }
    }
    let key = match found {
        Ok(Some(key)) if key.algorithm == algorithm => key,
        Ok(_) => return Err(bad("its key is not one of its issuer")),
        Err(Unavailable) => return Err(Refusal::KeysUnavailable),
    };
    let message = &token[..header_and_payload(token)];
    if !signed(message, signature, &key) {
        return Err(bad("its signature is wrong"));
    }
    read(&claims, unix_now(), rules)
}

/// Where the signed part of a compact JWS ends.
fn header_and_payload(token: &str) -> usize {
    token.rfind('.').unwrap_or(token.len())
}

fn decode<T: for<'a> Deserialize<'a>>(part: &str) -> Option<T> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&json).ok()
}

/// RFC 9068 section 2.1 and RFC 7519 section 5.1; case does not matter in media types.
fn access_token(typ: &str) -> bool {
    ["jwt", "at+jwt", "application/at+jwt"]
        .iter()
        .any(|known| typ.eq_ignore_ascii_case(known))
}

fn signed(message: &str, signature: &str, key: &Key) -> bool {
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.key, key.algorithm)
        .unwrap_or(false)
}

fn unix_now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

/// Judges the claims of a token whose signature is right. The audience is judged elsewhere.
fn read(claims: &Map<String, Value>, now: f64, rules: &Rules) -> Result<Bearer, Refusal> {
    let bad = Refusal::InvalidToken;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let filled = |name: &str| text(name).filter(|value| !value.is_empty());
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);

    if time("exp").ok_or(bad("exp is missing or no number"))? <= now {
        return Err(bad("it has expired"));
    }
    if claims.contains_key("nbf") && time("nbf").ok_or(bad("nbf is no number"))? > now + SKEW {
        return Err(bad("it is not valid yet"));
    }
    time("iat").ok_or(bad("iat is missing or no number"))?;
    filled("sub")
        .filter(|sub| sub.is_ascii() && sub.len() <= MAX_SUBJECT)
        .ok_or(bad("sub is missing or not fit"))?;
    if !text("wlcg.ver").is_some_and(supported) {
        return Err(bad("its profile version is missing or not supported"));
    }
    Ok(Bearer {
        issuer: filled("iss").unwrap_or_default().to_owned(),
        token_id: filled("jti").ok_or(bad("jti is missing"))?.to_owned(),
        audience: audience(claims.get("aud"))?,
        scope: (rules.scope)(claims.get("scope")).ok_or(bad("its scope is broken"))?,
        groups: (rules.groups)(claims),
    })
}

/// Every minor version of major version 1 (profile 4.3.3).
fn supported(version: &str) -> bool {
    version
        .strip_prefix("1.")
        .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}

/// The groups that the claims assert; another shape than an array of strings asserts none.
pub(super) fn groups(claims: &Map<String, Value>) -> Vec<String> {
    claims
        .get("wlcg.groups")
        .and_then(strings)
        .unwrap_or_default()
}

fn audience(claim: Option<&Value>) -> Result<Option<Audience<String>>, Refusal> {
    let read = match claim {
        None => return Ok(None),
        Some(Value::String(one)) => Some(Audience::One(one.clone())),
        Some(many) => strings(many).map(Audience::Many),
    };
    read.filter(|audience| !audience.each().is_empty())
        .map(Some)
        .ok_or(Refusal::InvalidToken("aud is no audience"))
}

/// An array of strings and nothing else.
fn strings(value: &Value) -> Option<Vec<String>> {
    let strings = value.as_array()?.iter();
    strings
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "iss": "https://i/", "sub": "s", "jti": "j", "aud": "a", "wlcg.ver": "1.0",
            "iat": 1000, "nbf": 1000, "exp": 2000, "scope": "storage.read:/a",
        })
    }

    fn judged(claim: &str, value: Option<Value>) -> Result<Bearer, Refusal> {
        let mut claims = good().as_object().unwrap().clone();
        match value {
            Some(value) => claims.insert(claim.into(), value),
            None => claims.remove(claim),
        };
        read(&claims, 1500.0, &Rules::default())
    }

    #[test]
    fn good_claims_are_read() {
        let bearer = judged("wlcg.groups", Some(json!(["/wlcg"]))).unwrap();
        assert!(bearer.has_only(Action::Read));
        assert_eq!(bearer.groups, ["/wlcg"]);
        assert_eq!(bearer.audience, Some(Audience::One("a".into())));
        for (claim, value) in [
            ("nbf", None),
            ("nbf", Some(json!(1559))),
            ("exp", Some(json!(1500.5))),
            ("wlcg.ver", Some(json!("1.10"))),
            ("aud", None),
            ("scope", None),
            ("wlcg.groups", Some(json!([]))),
        ] {
            assert!(judged(claim, value.clone()).is_ok(), "{claim} {value:?}");
        }
    }

    #[test]
    fn bad_claims_are_refused() {
        for (claim, value) in [
            ("exp", None),
            ("exp", Some(json!("2000"))),
            ("exp", Some(json!(1500))),
            ("nbf", Some(json!(1561))),
            ("nbf", Some(json!(null))),
            ("iat", None),
            ("iat", Some(json!("1"))),
            ("sub", None),
            ("sub", Some(json!(""))),
            ("sub", Some(json!("x".repeat(256)))),
            ("jti", None),
            ("aud", Some(json!([]))),
            ("aud", Some(json!(null))),
            ("aud", Some(json!([1]))),
            ("wlcg.ver", None),
            ("wlcg.ver", Some(json!(1.0))),
            ("wlcg.ver", Some(json!("2.0"))),
            ("wlcg.ver", Some(json!("1."))),
            ("wlcg.ver", Some(json!("1.0.0"))),
            ("scope", Some(json!(["storage.read:/"]))),
            ("scope", Some(json!("storage.read"))),
        ] {
            let refused = judged(claim, value.clone());
            assert!(
                matches!(refused, Err(Refusal::InvalidToken(_))),
                "{claim} {value:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn groups_of_another_shape_assert_nothing() {
        for groups in [
            json!("/wlcg"),
            json!({"0": "/wlcg"}),
            json!(["/wlcg", 1]),
            json!([["/wlcg"]]),
        ] {
            let bearer = judged("wlcg.groups", Some(groups.clone())).unwrap();
            assert!(bearer.groups.is_empty(), "{groups}");
        }
    }

    #[test]
    fn one_token_in_one_place() {
        let case = |values: &[&str], uri: &str| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            presented(&headers, &uri.parse().unwrap()).map(str::to_owned)
        };
        assert_eq!(case(&["bEARER x.y"], "/"), Ok("x.y".into()));
        assert_eq!(case(&[], "/?authz=x"), Err(Refusal::NoToken));
        assert_eq!(case(&["Basic eA=="], "/"), Err(Refusal::NoToken));
        for (values, uri) in [
            (&["Bearer"][..], "/"),
            (&["Bearer "], "/"),
            (&["Bearer a b"], "/"),
            (&["Bearer a", "Bearer b"], "/"),
            (&["Bearer a, Bearer b"], "/"),
            (&["Bearer a"], "/?x=1&authz=b"),
        ] {
            let refused = case(values, uri);
            assert!(
                matches!(refused, Err(Refusal::Malformed(_))),
                "{values:?} {uri}"
            );
        }
    }
}
