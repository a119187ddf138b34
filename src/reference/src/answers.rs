//! From what came of a request to the response that says so.

use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use serde_json::Value;

use super::namespace::Obstacle;
use super::webdav::{Content, Property, multistatus};

/// Why access was refused (RFC 6750 section 3.1). The texts are the service's, never the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token does not hold the right.
    InsufficientScope,
    /// The token is no good, for this reason.
    InvalidToken(&'static str),
    /// The issuer's keys cannot be had, so that the token cannot be judged.
    KeysUnavailable,
    /// The request presents its token in no sensible way.
    Malformed(&'static str),
    /// There is no token.
    NoToken,
}

/// What came of a request.
pub(super) enum Outcome {
    /// A file, or what GET would say of it.
    Content(Content),
    /// Something new came to be.
    Created,
    /// It is done, and there is nothing to say.
    Done,
    /// It is to be had there.
    Elsewhere(String),
    /// A response that is complete already.
    Made(Box<Response<Body>>),
    /// JSON, with headers beside.
    Json(StatusCode, Value, Vec<(HeaderName, String)>),
    /// The method is none for this resource; these are.
    NotAllowed(&'static str),
    /// What can be asked.
    Options,
    /// A status with a text, or whatever else a body may hold.
    Plain(StatusCode, Bytes),
    /// What PROPFIND found.
    Properties(Vec<Property>),
    /// Access was refused.
    Refused(Refusal),
}

/// The methods of the service, and those of its collections.
pub(super) const METHODS: &str = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, MOVE, COPY, PROPFIND";
pub(super) const COLLECTION_METHODS: &str = "OPTIONS, DELETE, MOVE, COPY, PROPFIND";

const SERVER: &str = concat!("touchstone-reference/", env!("CARGO_PKG_VERSION"));
const DAV: HeaderName = HeaderName::from_static("dav");

impl Outcome {
    pub(super) fn text(status: StatusCode, text: &'static str) -> Self {
        Self::Plain(status, Bytes::from_static(text.as_bytes()))
    }

    /// The status that it will be answered with.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Content(content) => content.status(),
            Self::Created => StatusCode::CREATED,
            Self::Done => StatusCode::NO_CONTENT,
            Self::Elsewhere(_) => StatusCode::TEMPORARY_REDIRECT,
            Self::Made(response) => response.status(),
            Self::Json(status, ..) => *status,
            Self::NotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Options => StatusCode::OK,
            Self::Plain(status, _) => *status,
            Self::Properties(_) => StatusCode::MULTI_STATUS,
            Self::Refused(refusal) => refusal.status(),
        }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let mut response = match self {
            Self::Content(content) => content.into_response(),
            Self::Created | Self::Done => Response::new(Body::empty()),
            Self::Elsewhere(location) => {
                let mut response = Response::new(Body::empty());
                if let Ok(location) = HeaderValue::try_from(location) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                response
            }
            Self::Made(response) => *response,
            Self::Json(_, body, headers) => json(&body, headers),
            Self::NotAllowed(methods) => with(header::ALLOW, methods),
            Self::Options => {
                let mut response = with(header::ALLOW, METHODS);
                response
                    .headers_mut()
                    .insert(DAV, HeaderValue::from_static("1"));
                response
            }
            Self::Plain(_, body) => {
                let mut response = with(header::CONTENT_TYPE, "text/plain; charset=utf-8");
                *response.body_mut() = body.into();
                response
            }
            Self::Properties(found) => {
                let mut response = with(header::CONTENT_TYPE, "application/xml; charset=utf-8");
                *response.body_mut() = multistatus(&found).into();
                response
            }
            Self::Refused(refusal) => refusal.into_response(),
        };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
        response
    }
}

fn json(body: &Value, headers: Vec<(HeaderName, String)>) -> Response<Body> {
    let mut response = with(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    *response.body_mut() = body.to_string().into();
    response
}

fn with(name: HeaderName, value: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::InvalidToken(_) | Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The error's name, and what it means.
    pub(super) fn words(self) -> (Option<&'static str>, &'static str) {
        match self {
            Self::InsufficientScope => (
                Some("insufficient_scope"),
                "the token does not allow this here",
            ),
            Self::InvalidToken(why) => (Some("invalid_token"), why),
            Self::KeysUnavailable => (None, "the issuer's keys cannot be fetched"),
            Self::Malformed(why) => (Some("invalid_request"), why),
            Self::NoToken => (None, "a bearer token is needed"),
        }
    }

    /// What `WWW-Authenticate` says (RFC 6750 section 3).
    pub(super) fn challenge(self) -> String {
        let (error, text) = self.words();
        match error {
            Some(error) => {
                format!(r#"Bearer realm="storage", error="{error}", error_description="{text}""#)
            }
            None => r#"Bearer realm="storage""#.to_owned(),
        }
    }

    fn into_response(self) -> Response<Body> {
        let mut response = with(header::CONTENT_TYPE, "text/plain; charset=utf-8");
        *response.body_mut() = format!("{}\n", self.words().1).into();
        if self != Self::KeysUnavailable
            && let Ok(challenge) = HeaderValue::from_str(&self.challenge())
        {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Obstacle> for Outcome {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Exists => Self::NotAllowed(COLLECTION_METHODS),
            Obstacle::Full => Self::text(StatusCode::INSUFFICIENT_STORAGE, "no room\n"),
            Obstacle::Inside => Self::text(StatusCode::FORBIDDEN, "source and target overlap\n"),
            Obstacle::IsDirectory => Self::NotAllowed(COLLECTION_METHODS),
            Obstacle::Missing => Self::missing(),
            Obstacle::NoParent => Self::text(StatusCode::CONFLICT, "no such directory above it\n"),
            Obstacle::NotEmpty => Self::text(StatusCode::CONFLICT, "the directory is not empty\n"),
        }
    }
}

impl Outcome {
    pub(super) fn missing() -> Self {
        Self::text(StatusCode::NOT_FOUND, "no such object\n")
    }
}
