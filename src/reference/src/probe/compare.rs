use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use url::Url;

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::Operation;
use super::super::issuer::{Answer, Genuine, Granted, OAuthError, Occasion, Proven, Telling};
use super::super::keys::Key;
use super::super::macaroons::{Activity, Meaning, Wanted};
use super::super::namespace::{Change, Changes, Obstacle};
use super::super::path::{End, ObjectPath, RequestPath};
use super::super::scope::{Action, Scope};
use super::super::tape::{EntryState, Named, TapeError};
use super::super::token::Bearer;
use super::super::transfer::rules::Witness;
use super::super::transfer::{Direction, Scrutiny};
use touchstone_model::{Method, TapeOperation};

/// What stands for a body that is yet to come where a version is asked.
const TO_COME: &[u8] = b"\0 what is yet to come";

/// What can be given to a hook a second time.
pub(crate) trait Duplicate {
    /// The same once more; this one may be put together anew.
    fn duplicate(&mut self) -> Self;
}

/// What hooks answer.
pub(crate) trait Compare {
    /// Whether `other` is the same answer.
    fn same(&mut self, other: Self) -> bool;
}

impl<T: ?Sized> Duplicate for &T {
    fn duplicate(&mut self) -> Self {
        self
    }
}

impl Duplicate for Telling<'_> {
    fn duplicate(&mut self) -> Self {
        *self
    }
}

impl<T: Duplicate> Duplicate for Option<T> {
    fn duplicate(&mut self) -> Self {
        self.as_mut().map(Duplicate::duplicate)
    }
}

impl<T: Duplicate, E: Duplicate> Duplicate for Result<T, E> {
    fn duplicate(&mut self) -> Self {
        match self {
            Ok(value) => Ok(value.duplicate()),
            Err(error) => Err(error.duplicate()),
        }
    }
}

impl<T: Clone> Duplicate for Vec<T> {
    fn duplicate(&mut self) -> Self {
        self.clone()
    }
}

impl<T: PartialEq> Compare for Vec<T> {
    fn same(&mut self, other: Self) -> bool {
        *self == other
    }
}

impl<T: PartialEq + ?Sized> Compare for &T {
    fn same(&mut self, other: Self) -> bool {
        *self == other
    }
}

impl<T: PartialEq, const N: usize> Compare for [T; N] {
    fn same(&mut self, other: Self) -> bool {
        *self == other
    }
}

impl<A: Compare, B: Compare> Compare for (A, B) {
    fn same(&mut self, other: Self) -> bool {
        self.0.same(other.0) && self.1.same(other.1)
    }
}

impl<T: Compare> Compare for Option<T> {
    fn same(&mut self, other: Self) -> bool {
        match (self, other) {
            (Some(one), Some(other)) => one.same(other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<T: Compare, E: Compare> Compare for Result<T, E> {
    fn same(&mut self, other: Self) -> bool {
        match (self, other) {
            (Ok(one), Ok(other)) => one.same(other),
            (Err(one), Err(other)) => one.same(other),
            _ => false,
        }
    }
}

/// Values that are duplicated by `Clone`.
macro_rules! duplicated {
    ($($type:ty),* $(,)?) => {
        $(impl Duplicate for $type {
            fn duplicate(&mut self) -> Self {
                self.clone()
            }
        })*
    };
}

/// Values that are compared by `PartialEq`.
macro_rules! compared {
    ($($type:ty),* $(,)?) => {
        $(impl Compare for $type {
            fn same(&mut self, other: Self) -> bool {
                *self == other
            }
        })*
    };
}

duplicated!(
    Action,
    Activity,
    Bearer,
    Bytes,
    Direction,
    End,
    EntryState,
    Genuine,
    Granted,
    Method,
    Occasion,
    Operation,
    Proven,
    Refusal,
    String,
    TapeOperation,
    Witness,
    axum::http::StatusCode,
    bool,
    f64,
    i64,
    u32,
    u64,
);

compared!(
    (),
    Bearer,
    Bytes,
    Change,
    Changes,
    Direction,
    Duration,
    EntryState,
    Granted,
    HeaderMap,
    Key,
    Map<String, Value>,
    Meaning,
    Method,
    Named,
    OAuthError,
    ObjectPath,
    Obstacle,
    Operation,
    Refusal,
    RequestPath,
    Scope,
    Scrutiny,
    String,
    TapeError,
    Url,
    Wanted,
    axum::http::StatusCode,
    bool,
    f64,
    u32,
    u64,
);

impl Compare for Answer {
    fn same(&mut self, other: Self) -> bool {
        *self == other
    }
}

/// Extensions cannot be compared: one more or less is seen.
impl Compare for Parts {
    fn same(&mut self, other: Self) -> bool {
        let line =
            (&self.method, &self.uri, self.version) == (&other.method, &other.uri, other.version);
        line && self.headers == other.headers && self.extensions.len() == other.extensions.len()
    }
}

/// What is streamed stays with the one that is sent; the other one has something in its place.
impl Duplicate for Response<Body> {
    fn duplicate(&mut self) -> Self {
        let body = match bytes(self) {
            Some(bytes) => Body::from(bytes),
            None => Body::from(TO_COME),
        };
        let mut copy = Response::new(body);
        *copy.status_mut() = self.status();
        *copy.version_mut() = self.version();
        *copy.headers_mut() = self.headers().clone();
        copy
    }
}

/// Who puts another stream around a body is taken to change it.
impl Compare for Response<Body> {
    fn same(&mut self, mut other: Self) -> bool {
        let (one, two) = (bytes(self), bytes(&mut other));
        let heads = self.status() == other.status() && self.headers() == other.headers();
        heads && one.is_some() && one == two
    }
}

/// The body of a response, if all of it is there.
fn bytes(response: &mut Response<Body>) -> Option<Bytes> {
    response.body().size_hint().exact()?;
    let body = std::mem::take(response.body_mut());
    let bytes = body.collect().now_or_never()?.ok()?.to_bytes();
    *response.body_mut() = Body::from(bytes.clone());
    Some(bytes)
}

impl Duplicate for Outcome {
    fn duplicate(&mut self) -> Self {
        match self {
            Self::Content(content) => Self::Content(content.clone()),
            Self::Created => Self::Created,
            Self::Done => Self::Done,
            Self::Elsewhere(location) => Self::Elsewhere(location.clone()),
            Self::Made(response) => Self::Made(Box::new(response.duplicate())),
            Self::Json(status, body, headers) => Self::Json(*status, body.clone(), headers.clone()),
            Self::NotAllowed(methods) => Self::NotAllowed(methods),
            Self::Options => Self::Options,
            Self::Plain(status, body) => Self::Plain(*status, body.clone()),
            Self::Properties(found) => Self::Properties(found.clone()),
            Self::Refused(refusal) => Self::Refused(*refusal),
        }
    }
}

impl Compare for Outcome {
    fn same(&mut self, other: Self) -> bool {
        match (self, other) {
            (Self::Content(one), Self::Content(other)) => *one == other,
            (Self::Created, Self::Created)
            | (Self::Done, Self::Done)
            | (Self::Options, Self::Options) => true,
            (Self::Elsewhere(one), Self::Elsewhere(other)) => *one == other,
            (Self::Made(one), Self::Made(other)) => one.same(*other),
            (Self::Json(status, body, headers), Self::Json(other, its, more)) => {
                *status == other && *body == its && *headers == more
            }
            (Self::NotAllowed(one), Self::NotAllowed(other)) => *one == other,
            (Self::Plain(status, body), Self::Plain(other, its)) => {
                *status == other && *body == its
            }
            (Self::Properties(one), Self::Properties(other)) => *one == other,
            (Self::Refused(one), Self::Refused(other)) => *one == other,
            _ => false,
        }
    }
}
