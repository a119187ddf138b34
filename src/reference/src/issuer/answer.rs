//! What is sent back.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// An answer before it is sent.
#[derive(Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
}

/// Its body.
#[derive(Clone, PartialEq)]
pub(crate) enum Content {
    None,
    Json(Value),
    Text(String),
}

impl Answer {
    /// Without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            content: Content::None,
        }
    }

    /// A document that clients may keep for an hour.
    pub(super) fn published(document: Value) -> Self {
        Self::document(StatusCode::OK, document, "max-age=3600")
    }

    /// What nobody may keep (RFC 6749 section 5.1).
    pub(super) fn secret(status: StatusCode, document: Value) -> Self {
        let mut answer = Self::document(status, document, "no-store");
        answer.set(header::PRAGMA, HeaderValue::from_static("no-cache"));
        answer
    }

    fn document(status: StatusCode, document: Value, caching: &'static str) -> Self {
        let mut answer = Self {
            content: Content::Json(document),
            ..Self::empty(status)
        };
        answer.set(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        answer.set(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        answer
    }

    /// A page without scripts, which nobody may keep or show in a frame.
    pub(super) fn page(status: StatusCode, html: String) -> Self {
        let mut answer = Self {
            content: Content::Text(html),
            ..Self::empty(status)
        };
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
            ),
        ] {
            answer.set(name, HeaderValue::from_static(value));
        }
        answer
    }

    pub(super) fn refused_method(allowed: &'static str) -> Self {
        let mut answer = Self::empty(StatusCode::METHOD_NOT_ALLOWED);
        answer.set(header::ALLOW, HeaderValue::from_static(allowed));
        answer
    }

    /// Puts a header field in the place of those of that name.
    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// The document in it, to be changed.
    pub(crate) fn json(&mut self) -> Option<&mut Value> {
        match &mut self.content {
            Content::Json(document) => Some(document),
            Content::None | Content::Text(_) => None,
        }
    }
}

impl From<Answer> for Response<Body> {
    fn from(answer: Answer) -> Self {
        let body = match answer.content {
            Content::None => Body::empty(),
            Content::Json(document) => document.to_string().into(),
            Content::Text(text) => text.into(),
        };
        let mut response = Self::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response
    }
}
