//! The errors of RFC 6749 section 5.2, and of those RFCs that add some.

use axum::http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::answer::Answer;

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    pub(crate) code: &'static str,
    description: &'static str,
}

impl OAuthError {
    pub(crate) const fn new(code: &'static str, description: &'static str) -> Self {
        Self { code, description }
    }

    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) const fn invalid_client(description: &'static str) -> Self {
        Self::new("invalid_client", description)
    }

    pub(super) const fn invalid_grant(description: &'static str) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(super) const fn invalid_scope(description: &'static str) -> Self {
        Self::new("invalid_scope", description)
    }

    /// A group or a capability set to which the subject is not entitled (profile 3.1 and 3.3).
    pub(super) const fn access_denied(description: &'static str) -> Self {
        Self::new("access_denied", description)
    }

    pub(super) const fn server_error(description: &'static str) -> Self {
        Self::new("server_error", description)
    }

    /// Nobody tried to authenticate, which is told without an error code (RFC 6750 section 3.1).
    pub(super) const UNAUTHENTICATED: Self = Self::new("", "an access token is needed");

    pub(super) fn into_answer(self) -> Answer {
        let status = match self.code {
            "" | "invalid_client" | "invalid_token" => StatusCode::UNAUTHORIZED,
            "insufficient_scope" => StatusCode::FORBIDDEN,
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut answer = match self.code {
            "" => Answer::empty(status),
            code => {
                let document = json!({"error": code, "error_description": self.description});
                Answer::secret(status, document)
            }
        };
        let challenge = match self.code {
            "" => r#"Bearer realm="issuer""#,
            "invalid_client" => r#"Basic realm="issuer""#,
            "invalid_token" => r#"Bearer realm="issuer", error="invalid_token""#,
            "insufficient_scope" => r#"Bearer realm="issuer", error="insufficient_scope""#,
            _ => return answer,
        };
        answer.set(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        );
        answer
    }
}
