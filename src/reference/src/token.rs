//! From a request's headers to what the bearer of its token may claim (profile 2.1 and 4.2).

use std::collections::HashMap;

use axum::http::{HeaderMap, Uri, header};
use serde_json::{Map, Value};

use super::answers::Refusal;
use super::jwt::{self, Algorithm};
use super::keys::{Key, KeyRing, Unavailable};
use super::macaroons::Meaning;
use super::probe::hooks;
use super::rules::ElementHooks;
use super::scope::{self, Action, Capability, Scope};
use touchstone_model::{Audience, Method};

const MAX_TOKEN: usize = 32 << 10;
const MAX_SUBJECT: usize = 255;
/// How far clocks may differ where a token is too young (profile 2.1.1, nbf). Its end is sharp.
const SKEW: f64 = 60.0;

/// What a verified token says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bearer {
    pub(super) issuer: String,
    /// `jti`.
    pub(super) token_id: String,
    /// `aud`; whether it names this service has not been asked yet.
    pub(super) audience: Option<Audience<String>>,
    pub(super) scope: Scope,
    pub(super) groups: Vec<String>,
    /// `exp`, in seconds since 1970.
    pub(super) expires: Option<f64>,
    /// Those of the macaroons that stand for the token; `None` for the token itself.
    pub(super) caveats: Option<Vec<Meaning>>,
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

hooks! {
    /// The decisions about a token. A fault replaces one or a few of them.
    struct TokenRules {
        /// Header, payload and signature, as they stand.
        ask parts(token: &str) -> Option<[&str; 3]>;
        /// Reads a JSON object.
        ask object(json: &[u8]) -> Option<Map<String, Value>>;
        /// Whether the header member of that name, be it there or not, is none that spoils the token.
        ask member(name: &str, jws: &Jws) -> bool;
        /// Whether `iss` names this trusted issuer.
        ask same_issuer(trusted: &str, iss: Option<&Value>) -> bool;
        /// The keys to try, of those of the issuer.
        ask keys(jws: &Jws, keys: &HashMap<String, Key>) -> Vec<Key>;
        /// Whether that key signed it.
        ask signed(jws: &Jws, key: &Key) -> bool;
        /// Whether the claim of that name, be it there or not, is none that spoils the token at that time.
        ask claim(name: &str, jws: &Jws, now: f64) -> bool;
        /// What the token allows.
        ask scope(claim: Option<&Value>, claims: &Map<String, Value>) -> Option<Scope>;
        /// The groups that the claims assert.
        ask groups(claims: &Map<String, Value>) -> Vec<String>;
        /// Whether every issuer's keys count for all issuers.
        value pools_keys(bool);
        /// A URL that is fetched because a token names it, whose issuer is trusted or not; the right rules
        /// fetch nothing but the keys of trusted issuers.
        ask fetches(jws: &Jws, trusted: bool) -> Option<String>;
    }
}

impl Default for TokenRules {
    /// The right ones.
    fn default() -> Self {
        Self {
            parts,
            object: |json| serde_json::from_slice(json).ok(),
            member: member_fits,
            same_issuer: |trusted, iss| iss.and_then(Value::as_str) == Some(trusted),
            keys: |jws, keys| keys.get(jws.key_id()).into_iter().cloned().collect(),
            signed,
            claim: claim_fits,
            scope: |claim, _| scope::claimed(claim),
            groups,
            pools_keys: false,
            fetches: |_, _| None,
        }
    }
}

/// A token taken apart.
pub(super) struct Jws<'a> {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    pub(super) message: &'a str,
    /// In base64url.
    pub(super) signature: &'a str,
    /// The request's method; the right answer does not depend on it.
    pub(super) method: Method,
}

impl Jws<'_> {
    /// `alg`; empty if it is none.
    pub(super) fn algorithm(&self) -> &str {
        self.header
            .get("alg")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// `kid`; empty, which no key is named, if there is none.
    pub(super) fn key_id(&self) -> &str {
        self.header
            .get("kid")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// Verifies `token` and reads it. Trust in its issuer is looked at before anything is fetched.
pub(super) async fn verify(
    rules: ElementHooks<'_, TokenRules>,
    token: &str,
    method: Method,
    trusted: &[KeyRing],
) -> Result<Bearer, Refusal> {
    let bad = Refusal::InvalidToken;
    if token.len() > MAX_TOKEN {
        return Err(bad("too long"));
    }
    let [header, payload, signature] = rules.parts(token).ok_or(bad(NO_JWS))?;
    let object = |part: &str| rules.object(&jwt::decode(part)?);
    let jws = Jws {
        header: object(header).ok_or(bad(NO_HEADER))?,
        claims: object(payload).ok_or(bad(NO_PAYLOAD))?,
        message: token
            .get(..header.len() + 1 + payload.len())
            .unwrap_or(token),
        signature,
        method,
    };
    let issuer = jws.claims.get("iss");
    let known = trusted
        .iter()
        .any(|ring| rules.same_issuer(ring.issuer(), issuer));
    if let (Some(url), [ring, ..]) = (rules.fetches(&jws, known), trusted) {
        ring.visit(&url).await;
    }
    fit(&MEMBERS, |name| rules.member(name, &jws))?;
    let ring = trusted
        .iter()
        .find(|ring| rules.same_issuer(ring.issuer(), issuer))
        .ok_or(bad(UNTRUSTED))?;
    let mut keys = match ring.keys(jws.key_id()).await {
        Ok(keys) => rules.keys(&jws, &keys),
        Err(Unavailable) => return Err(Refusal::KeysUnavailable),
    };
    let mut signed = keys.iter().any(|key| rules.signed(&jws, key));
    // Whose keys count matters where the issuer's own are not enough.
    if !signed && rules.pools_keys() {
        for ring in trusted {
            let found = ring.keys(jws.key_id()).await;
            keys.extend(found.iter().flat_map(|found| rules.keys(&jws, found)));
        }
        signed = keys.iter().any(|key| rules.signed(&jws, key));
    }
    if keys.is_empty() {
        return Err(bad("its key is not one of its issuer"));
    }
    if !signed {
        return Err(bad("its signature is wrong"));
    }
    read(rules, &jws, ring.issuer(), unix_now())
}

/// Why something that was presented is no token at all.
pub(super) const NO_JWS: &str = "not a signed JWT";
pub(super) const NO_HEADER: &str = "its header cannot be read";
pub(super) const UNTRUSTED: &str = "its issuer is not trusted";
pub(super) const NO_PAYLOAD: &str = "its payload cannot be read";

/// Members of the header that are judged, and what is wrong where they do not fit.
const MEMBERS: [(&str, &str); 4] = [
    ("alg", "its algorithm is not accepted"),
    ("crit", "it has critical extensions"),
    ("typ", "it is no access token"),
    ("kid", "it does not name its key"),
];

/// The same for claims. The audience, if it is one, is judged elsewhere.
const CLAIMS: [(&str, &str); 8] = [
    ("exp", EXPIRED),
    ("nbf", "it is not valid yet, or nbf is no number"),
    ("iat", "iat is missing or no number"),
    ("sub", "sub is missing or not fit"),
    (
        "wlcg.ver",
        "its profile version is missing or not supported",
    ),
    ("jti", "jti is missing"),
    ("aud", "aud is no audience"),
    ("cnf", BOUND),
];

pub(super) const EXPIRED: &str = "it has expired, or does not say when";
/// Nothing is wrong with that: the profile does not know `cnf` (profile 4.3.3).
pub(super) const BOUND: &str = "it is bound to a key that was not shown";

fn fit(
    judged: &[(&'static str, &'static str)],
    fits: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    match judged.iter().find(|(name, _)| !fits(name)) {
        Some((_, wrong)) => Err(Refusal::InvalidToken(wrong)),
        None => Ok(()),
    }
}

/// The compact serialisation of RFC 7515 section 7.1.
pub(super) fn parts(token: &str) -> Option<[&str; 3]> {
    token.split('.').collect::<Vec<_>>().try_into().ok()
}

pub(super) fn member_fits(name: &str, jws: &Jws) -> bool {
    let member = jws.header.get(name);
    match name {
        "alg" => algorithm(jws.algorithm()).is_some(),
        // None is understood.
        "crit" => member.is_none(),
        "typ" => member.is_none_or(|typ| typ.as_str().is_some_and(access_token)),
        "kid" => !jws.key_id().is_empty(),
        _ => true,
    }
}

/// Those of profile 4.3.3.
fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "ES256" => Some(Algorithm::Es256),
        "RS256" => Some(Algorithm::Rs256),
        _ => None,
    }
}

/// RFC 9068 section 2.1 and RFC 7519 section 5.1; case does not matter in media types.
fn access_token(typ: &str) -> bool {
    ["jwt", "at+jwt", "application/at+jwt"]
        .iter()
        .any(|known| typ.eq_ignore_ascii_case(known))
}

/// The algorithm is that of the key, and the header has to agree (RFC 8725 section 3.1).
pub(super) fn signed(jws: &Jws, key: &Key) -> bool {
    algorithm(jws.algorithm()) == Some(key.algorithm) && verified(jws, jws.signature, key)
}

/// Whether `signature` is that of the token by the key, whatever its header says.
pub(super) fn verified(jws: &Jws, signature: &str, key: &Key) -> bool {
    key.verifies(jws.message, signature)
}

fn unix_now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

/// Judges the claims of a token whose signature is right.
fn read(
    rules: ElementHooks<TokenRules>,
    jws: &Jws,
    issuer: &str,
    now: f64,
) -> Result<Bearer, Refusal> {
    fit(&CLAIMS, |name| rules.claim(name, jws, now))?;
    let claims = &jws.claims;
    let token_id = claims.get("jti").and_then(Value::as_str);
    let scope = rules.scope(claims.get("scope"), claims);
    Ok(Bearer {
        issuer: issuer.to_owned(),
        token_id: token_id.unwrap_or_default().to_owned(),
        audience: claims.get("aud").and_then(audience),
        scope: scope.ok_or(Refusal::InvalidToken("its scope is broken"))?,
        groups: rules.groups(claims),
        expires: claims.get("exp").and_then(Value::as_f64),
        caveats: None,
    })
}

pub(super) fn claim_fits(name: &str, jws: &Jws, now: f64) -> bool {
    let claim = jws.claims.get(name);
    let time = claim.and_then(Value::as_f64);
    let text = claim.and_then(Value::as_str);
    match name {
        "exp" => time.is_some_and(|exp| exp > now),
        "nbf" => claim.is_none() || time.is_some_and(|nbf| nbf <= now + SKEW),
        "iat" => time.is_some(),
        "sub" => {
            text.is_some_and(|sub| !sub.is_empty() && sub.is_ascii() && sub.len() <= MAX_SUBJECT)
        }
        "wlcg.ver" => text.is_some_and(supported),
        "jti" => text.is_some_and(|jti| !jti.is_empty()),
        "aud" => claim.is_none_or(|aud| audience(aud).is_some()),
        _ => true,
    }
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

/// A string or an array of strings that is not empty.
fn audience(claim: &Value) -> Option<Audience<String>> {
    match claim {
        Value::String(one) => Some(Audience::One(one.clone())),
        many => strings(many)
            .filter(|each| !each.is_empty())
            .map(Audience::Many),
    }
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

    use super::super::probe::Ruled;
    use super::super::rules::Rules;
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
        let jws = Jws {
            header: Map::new(),
            claims,
            message: "",
            signature: "",
            method: Method::Get,
        };
        read(
            Ruled::new(Rules::default(), None).token(),
            &jws,
            "https://i/",
            1500.0,
        )
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
