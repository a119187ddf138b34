//! What a client gets of what it asks for, and the token that says so.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::super::path::WrittenPath;
use super::super::scope::COMPUTE;
use super::request::{OAuthError, TokenRequest};
use crate::model::{ANY_AUDIENCE, Audience};

/// Between the 15 minutes and 6 hours of profile 3.3.
const LIFETIME: i64 = 20 * 60;
/// How far `nbf` lies back, for services whose clock is behind (profile 2.1.1).
const SKEW: i64 = 60;

/// The scopes of the profile that it grants, without paths.
pub(super) const SCOPES: [&str; 13] = [
    "openid",
    "offline_access",
    "wlcg",
    "wlcg.groups",
    "storage.read",
    "storage.create",
    "storage.modify",
    "storage.stage",
    "storage.poll",
    COMPUTE[0],
    COMPUTE[1],
    COMPUTE[2],
    COMPUTE[3],
];

/// The client's groups.
pub(super) struct Membership {
    pub(super) default: Vec<String>,
    pub(super) optional: Vec<String>,
}

/// What a token is to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted {
    scope: Vec<String>,
    groups: Vec<String>,
    audience: Audience<String>,
}

/// Grants all that is asked for, or nothing.
pub(super) fn decide(asked: &TokenRequest, membership: &Membership) -> Result<Granted, OAuthError> {
    let mut scope: Vec<String> = Vec::new();
    let words = asked.scope.as_deref().unwrap_or_default();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        if !known(word) {
            return Err(OAuthError::invalid_scope("not a scope of this issuer"));
        }
        if !scope.iter().any(|other| other == word) {
            scope.push(word.to_owned());
        }
    }
    if scope.is_empty() {
        return Err(OAuthError::invalid_scope("no scope is asked for"));
    }
    Ok(Granted {
        groups: groups(&scope, membership)?,
        audience: audience(asked.audience.as_deref()),
        scope,
    })
}

fn known(scope: &str) -> bool {
    match scope.split_once(':') {
        None => SCOPES.contains(&scope) && !scope.starts_with("storage."),
        Some(("wlcg", version)) => version == "1.0",
        // Whether the client is a member is another question.
        Some(("wlcg.groups", group)) => group.starts_with('/'),
        Some((name, path)) => {
            name.starts_with("storage.") && SCOPES.contains(&name) && normalised(path)
        }
    }
}

/// A scope path that needs no interpretation (profile 2.2.1): absolute, escaped, without empty
/// components and dot segments.
fn normalised(path: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&b);
    path.bytes().all(legal) && !path.contains("//") && WrittenPath::parse(path).is_some()
}

/// In the order of the request; the default groups stand where plain `wlcg.groups` is, or at the end
/// (profile 3.1).
fn groups(scope: &[String], membership: &Membership) -> Result<Vec<String>, OAuthError> {
    let mut asked = Vec::new();
    for word in scope {
        if word == "wlcg.groups" {
            asked.extend_from_slice(&membership.default);
        } else if let Some(group) = word.strip_prefix("wlcg.groups:") {
            let member = membership.default.iter().chain(&membership.optional);
            if !member.into_iter().any(|known| known == group) {
                return Err(OAuthError::access_denied("not a member of that group"));
            }
            asked.push(group.to_owned());
        }
    }
    if !asked.is_empty() {
        asked.extend_from_slice(&membership.default);
    }
    let mut groups: Vec<String> = Vec::new();
    for group in asked {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

fn audience(asked: Option<&str>) -> Audience<String> {
    let mut each: Vec<String> = asked
        .unwrap_or_default()
        .split(' ')
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect();
    if each.len() > 1 {
        Audience::Many(each)
    } else {
        Audience::One(each.pop().unwrap_or_else(|| ANY_AUDIENCE.to_owned()))
    }
}

/// The answer of the token endpoint with a new token in it.
pub(super) fn sign(
    granted: &Granted,
    issuer: &str,
    client: &str,
    key_id: &str,
    key: &EncodingKey,
) -> Result<Value, OAuthError> {
    let now = jiff::Timestamp::now().as_second();
    let scope = granted.scope.join(" ");
    let mut claims = json!({
        "wlcg.ver": "1.0",
        "iss": issuer,
        "sub": client,
        "client_id": client,
        "aud": granted.audience.to_json(),
        "scope": scope,
        "jti": uuid::Uuid::new_v4().to_string(),
        "iat": now,
        "nbf": now - SKEW,
        "exp": now + LIFETIME,
    });
    if !granted.groups.is_empty() {
        claims["wlcg.groups"] = json!(granted.groups);
    }
    let header = Header {
        kid: Some(key_id.to_owned()),
        ..Header::new(Algorithm::ES256)
    };
    let token = jsonwebtoken::encode(&header, &claims, key)
        .map_err(|_| OAuthError::server_error("the token cannot be signed"))?;
    Ok(json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "scope": scope,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_the_profile_are_known() {
        for scope in [
            "openid",
            "wlcg",
            "wlcg:1.0",
            "wlcg.groups",
            "wlcg.groups:/wlcg/test",
            "compute.cancel",
            "storage.read:/",
            "storage.poll:/a/b/",
            "storage.modify:/a%20b/~(1)",
        ] {
            assert!(known(scope), "{scope}");
        }
        for scope in [
            "storage.read",
            "storage.read:",
            "storage.read:a",
            "storage.read:/a/../b",
            "storage.read:/a//b",
            "storage.read:/%2e%2e/x",
            "storage.read:/\u{e9}",
            "storage.write:/",
            "STORAGE.READ:/",
            "compute.read:/x",
            "wlcg:9.9",
            "wlcg.groups:x",
            "storage.read:/a\"b",
            "openid:/",
        ] {
            assert!(!known(scope), "{scope}");
        }
    }

    #[test]
    fn groups_come_in_the_order_of_the_request() {
        let membership = Membership {
            default: vec!["/v".into(), "/v/a".into()],
            optional: vec!["/v/o".into()],
        };
        let groups = |scope: &str| {
            let scope: Vec<String> = scope.split(' ').map(str::to_owned).collect();
            groups(&scope, &membership).map_err(|error| error.code)
        };
        assert_eq!(groups("openid"), Ok(vec![]));
        assert_eq!(groups("wlcg.groups").unwrap(), ["/v", "/v/a"]);
        assert_eq!(groups("wlcg.groups:/v/o").unwrap(), ["/v/o", "/v", "/v/a"]);
        assert_eq!(groups("wlcg.groups:/v/a").unwrap(), ["/v/a", "/v"]);
        assert_eq!(
            groups("wlcg.groups wlcg.groups:/v/o").unwrap(),
            ["/v", "/v/a", "/v/o"]
        );
        for foreign in ["/v/o/../a", "/V", "/v/", "/other"] {
            assert_eq!(
                groups(&format!("wlcg.groups:{foreign}")),
                Err("access_denied")
            );
        }
    }

    #[test]
    fn audiences_are_taken_as_they_are() {
        let one = |text: &str| Audience::One(text.to_owned());
        assert_eq!(audience(None), one(ANY_AUDIENCE));
        assert_eq!(audience(Some(" ")), one(ANY_AUDIENCE));
        assert_eq!(audience(Some("https://a:1")), one("https://a:1"));
        assert_eq!(
            audience(Some("a b")),
            Audience::Many(vec!["a".into(), "b".into()])
        );
    }
}
