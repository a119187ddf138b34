//! Revocation (RFC 7009), introspection (RFC 7662) and UserInfo (OpenID Connect Core 1.0 section 5.3).

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::IssuerServer;
use super::client::Client;
use super::error::OAuthError;
use super::form::Form;
use super::grant::Subject;

const USELESS: OAuthError = OAuthError::new("invalid_token", "no access token that works here");

impl IssuerServer {
    /// Makes a token useless. Unknown ones are so already (RFC 7009 section 2.2).
    pub(super) fn revoked(&self, client: &Client, form: &Form) -> Result<(), OAuthError> {
        let token = form.need("token", "token is missing")?;
        let (refresh, access) = (self.known_refresh(token), self.subject(token));
        self.rules
            .own()
            .revocation(refresh.is_some() || access.is_some())?;
        let foreign = OAuthError::new("unauthorized_client", "a token of another client");
        if let Some((_, entry)) = refresh {
            if entry.client != client.id {
                return Err(foreign);
            }
            if self.rules.own().revokes() {
                self.store.lock().forget_family(&entry.family);
            }
        } else if let Some(subject) = access {
            let text = |name: &str| subject.claims.get(name).and_then(Value::as_str);
            if text("client_id") != Some(client.id.as_str()) {
                return Err(foreign);
            }
            if let Some(id) = text("jti").filter(|_| self.rules.own().revokes()) {
                self.store.lock().revoked.insert(id.to_owned(), ());
            }
        }
        Ok(())
    }

    /// What there is to know of a token, for somebody who has authenticated; `client` if by a client.
    pub(super) fn introspected(
        &self,
        client: Option<&Client>,
        form: &Form,
    ) -> Result<Value, OAuthError> {
        let token = form.need("token", "token is missing")?;
        if let Some(subject) = self.subject(token) {
            let mut claims = subject.claims;
            claims.insert("active".into(), json!(true));
            claims.insert("token_type".into(), json!("Bearer"));
            return Ok(Value::Object(claims));
        }
        let own = |owner: &str| client.is_some_and(|client| client.id == owner);
        Ok(match self.known_refresh(token) {
            Some((_, entry)) if own(&entry.client) && entry.alive(self.grace()) => json!({
                "active": true,
                "iss": self.url,
                "client_id": entry.client,
                "sub": entry.holder.subject,
                "scope": entry.granted.scope.join(" "),
            }),
            _ => json!({"active": false}),
        })
    }

    /// Of whom a token with `openid` tells.
    pub(super) fn user_info(&self, headers: &HeaderMap) -> Result<Value, OAuthError> {
        let subject = self.bearer(headers)?;
        if !subject.granted.scope.iter().any(|one| one == "openid") {
            return Err(OAuthError::new("insufficient_scope", "openid is needed"));
        }
        let mut told = Map::new();
        told.insert("sub".into(), json!(subject.holder.subject));
        if !subject.granted.groups.is_empty() {
            told.insert("wlcg.groups".into(), json!(subject.granted.groups));
        }
        Ok(Value::Object(told))
    }

    /// The access token in the header (RFC 6750 section 2.1).
    pub(super) fn bearer(&self, headers: &HeaderMap) -> Result<Subject, OAuthError> {
        let token = bearer(headers).ok_or(OAuthError::UNAUTHENTICATED)?;
        let refresh = || {
            let (_, entry) = self.known_refresh(token)?;
            let mut granted = entry.granted;
            granted.scope.push("openid".into());
            self.rules.own().refresh_is_bearer().then(|| Subject {
                granted,
                holder: entry.holder,
                claims: Map::new(),
            })
        };
        self.subject(token).or_else(refresh).ok_or(USELESS)
    }
}

/// The token in the header, if there is one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
