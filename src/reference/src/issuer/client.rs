//! Clients, and how they prove who they are (RFC 6749 section 2.3, RFC 7523 section 3).

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::jwt::{Algorithm, CompactJws, KeyError, VerificationKey};
use super::error::OAuthError;
use super::form::Form;
use super::scope::Membership;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Nobody needs one that lasts longer.
const LONGEST_ASSERTION: i64 = 24 * 3600;
/// How far the clocks of clients may be ahead.
const SKEW: i64 = 60;

/// Who may ask for tokens.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(super) secret: SecretString,
    pub(super) key: Option<ClientKey>,
    /// The scopes to which it is entitled, and whatever they cover; all if there are none.
    pub(super) entitled: Option<Vec<String>>,
    pub(super) membership: Membership,
}

/// A client's public key.
pub(super) struct ClientKey {
    key: VerificationKey,
    algorithm: Algorithm,
}

/// Who somebody says to be, and with what.
pub(super) struct Claimed {
    pub(super) id: Option<String>,
    proof: Proof,
}

enum Proof {
    Missing,
    Secret(SecretString),
    Assertion(String),
}

/// What became of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proven {
    Right,
    Wrong,
    Missing,
}

impl ClientKey {
    /// From PEM, for ES256 or RS256.
    pub(super) fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (key, algorithm) = VerificationKey::from_pem(pem)?;
        Ok(Self { key, algorithm })
    }
}

impl Claimed {
    /// What headers and form say.
    pub(super) fn read(headers: &HeaderMap, form: &Form) -> Result<Self, OAuthError> {
        let (id, secret) = (form.get("client_id"), form.get("client_secret"));
        let assertion = match (
            form.get("client_assertion"),
            form.get("client_assertion_type"),
        ) {
            (None, None) => None,
            (Some(assertion), Some(ASSERTION)) => Some(assertion),
            _ => return Err(OAuthError::invalid_request("no such kind of assertion")),
        };
        let claimed = match (basic(headers)?, secret, assertion) {
            (Some((id, secret)), None, None) => Self {
                id: Some(id),
                proof: Proof::Secret(secret),
            },
            (None, Some(secret), None) => Self {
                id: id.map(str::to_owned),
                proof: Proof::Secret(secret.into()),
            },
            (None, None, Some(assertion)) => Self {
                id: issuer_of(assertion).or(id.map(str::to_owned)),
                proof: Proof::Assertion(assertion.to_owned()),
            },
            (None, None, None) => Self {
                id: id.map(str::to_owned),
                proof: Proof::Missing,
            },
            _ => return Err(OAuthError::invalid_request("two client authentications")),
        };
        match (id, &claimed.id) {
            (Some(form), Some(other)) if form != other => {
                Err(OAuthError::invalid_request("two client identifiers"))
            }
            _ => Ok(claimed),
        }
    }

    /// Whether it is `client`. `audiences` are what an assertion may be for; `unused` is asked with its
    /// id and its end.
    pub(super) fn prove(
        &self,
        client: &Client,
        audiences: &[&str],
        unused: impl FnOnce(&str, i64) -> bool,
    ) -> Proven {
        let right = match &self.proof {
            Proof::Missing => return Proven::Missing,
            Proof::Secret(secret) => same(secret, &client.secret),
            Proof::Assertion(assertion) => {
                asserted(assertion, client, audiences).is_some_and(|(id, end)| unused(&id, end))
            }
        };
        if right { Proven::Right } else { Proven::Wrong }
    }
}

/// Digests, so that the time it takes tells nothing of the secret.
fn same(given: &SecretString, known: &SecretString) -> bool {
    let digest = |text: &SecretString| Sha256::digest(text.expose_secret().as_bytes());
    digest(given) == digest(known)
}

/// Id and secret in the `Authorization` header, each form-encoded (RFC 6749 section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, SecretString)>, OAuthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8().ok()?;
        Some(decoded.into_owned())
    };
    let read = || {
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (id, secret) = pair.split_once(':')?;
        Some((decoded(id)?, decoded(secret)?.into()))
    };
    // Who tries with this header is answered with a challenge (RFC 6749 section 5.2).
    read()
        .map(Some)
        .ok_or(OAuthError::invalid_client("no Basic authentication"))
}

fn issuer_of(assertion: &str) -> Option<String> {
    let claims = CompactJws::split(assertion)?.claims()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// Id and end of an assertion that is right (RFC 7523 section 3).
fn asserted(assertion: &str, client: &Client, audiences: &[&str]) -> Option<(String, i64)> {
    let known = client.key.as_ref()?;
    let token = CompactJws::split(assertion)?;
    let genuine = token.is_signed_by(&known.key, known.algorithm);
    let claims = token.claims()?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let now = Timestamp::now().as_second();
    let end = claims.get("exp")?.as_i64()?;
    let begun = claims
        .get("nbf")
        .is_none_or(|nbf| nbf.as_i64().is_some_and(|nbf| nbf <= now + SKEW));
    let meant = match claims.get("aud")? {
        Value::String(one) => audiences.contains(&one.as_str()),
        Value::Array(many) => many
            .iter()
            .filter_map(Value::as_str)
            .any(|one| audiences.contains(&one)),
        _ => false,
    };
    let own = [text("iss"), text("sub")] == [Some(client.id.as_str()); 2];
    let timely = end > now && end <= now + LONGEST_ASSERTION && begun;
    let id = text("jti").filter(|id| !id.is_empty())?;
    (genuine && own && meant && timely).then(|| (id.to_owned(), end))
}
