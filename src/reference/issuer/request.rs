//! A token request: its form, its client, and the errors of RFC 6749 section 5.2.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Why there is no token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OAuthError {
    pub(super) code: &'static str,
    description: &'static str,
}

/// A request to the token endpoint, syntactically sound.
pub(super) struct TokenRequest {
    client: Option<(String, SecretString)>,
    grant_type: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
}

impl TokenRequest {
    pub(super) fn read(headers: &HeaderMap, form: &Bytes) -> Result<Self, OAuthError> {
        let kind = headers.get(header::CONTENT_TYPE);
        let is_form = kind
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| {
                kind.trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        if !is_form {
            return Err(OAuthError::invalid_request("the body is no form"));
        }
        let mut fields = [const { None::<String> }; 5];
        const NAMES: [&str; 5] = [
            "grant_type",
            "scope",
            "audience",
            "client_id",
            "client_secret",
        ];
        for (name, value) in url::form_urlencoded::parse(form) {
            let Some(at) = NAMES.iter().position(|known| *known == name) else {
                continue;
            };
            if fields[at].replace(value.into_owned()).is_some() {
                return Err(OAuthError::invalid_request("a parameter is there twice"));
            }
        }
        let [grant_type, scope, audience, id, secret] = fields;
        let client = match (basic(headers)?, id, secret) {
            (Some(_), _, Some(_)) => {
                return Err(OAuthError::invalid_request("two client authentications"));
            }
            (Some(client), _, None) => Some(client),
            (None, Some(id), Some(secret)) => Some((id, secret.into())),
            (None, _, _) => None,
        };
        Ok(Self {
            client,
            grant_type,
            scope,
            audience,
        })
    }

    /// Whether it comes from the client and asks for what there is.
    pub(super) fn authenticate(&self, id: &str, secret: &SecretString) -> Result<(), OAuthError> {
        // Digests, so that the time it takes tells nothing of the secret.
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        let known = self.client.as_ref().is_some_and(|(given, proof)| {
            given == id && digest(proof.expose_secret()) == digest(secret.expose_secret())
        });
        if !known {
            return Err(OAuthError {
                code: "invalid_client",
                description: "no such client, or not its secret",
            });
        }
        match self.grant_type.as_deref() {
            Some("client_credentials") => Ok(()),
            Some(_) => Err(OAuthError {
                code: "unsupported_grant_type",
                description: "only client_credentials is served",
            }),
            None => Err(OAuthError::invalid_request("grant_type is missing")),
        }
    }
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
    read()
        .map(Some)
        .ok_or(OAuthError::invalid_request("no Basic authentication"))
}

impl OAuthError {
    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self {
            code: "invalid_request",
            description,
        }
    }

    pub(super) const fn invalid_scope(description: &'static str) -> Self {
        Self {
            code: "invalid_scope",
            description,
        }
    }

    /// A group of which the client is no member (profile 3.1).
    pub(super) const fn access_denied(description: &'static str) -> Self {
        Self {
            code: "access_denied",
            description,
        }
    }

    pub(super) const fn server_error(description: &'static str) -> Self {
        Self {
            code: "server_error",
            description,
        }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let status = match self.code {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let document = json!({"error": self.code, "error_description": self.description});
        let mut response = super::uncached(status, &document);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Basic realm="issuer""#),
            );
        }
        response
    }
}
