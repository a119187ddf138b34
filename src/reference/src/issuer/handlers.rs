//! Who answers what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use serde_json::Value;

use super::super::probe::Ruled;
use super::answer::Answer;
use super::client::{Claimed, Client};
use super::device::Patience;
use super::error::OAuthError;
use super::form::{self, Form};
use super::key::Keys;
use super::rules::{Attempt, IssuerRules, Occasion, Place};
use super::scope::{Membership, Sets};
use super::store::Store;
use super::{place, service};

const MAX_FORM: usize = 64 << 10;
/// Up to how many earlier requests of a kind there may have been, as far as answers depend on it.
const CHANCES: u64 = 8;

/// What the handlers need.
pub(super) struct IssuerServer {
    pub(super) url: String,
    pub(super) path: String,
    pub(super) clients: [Client; 2],
    pub(super) user: User,
    pub(super) sets: Sets,
    pub(super) keys: Keys,
    pub(super) patience: Patience,
    pub(super) rules: Ruled<IssuerRules>,
    pub(super) store: Store,
    /// How many requests there were, by place.
    pub(super) counts: [AtomicU64; Place::COUNT],
}

/// The one person that it knows.
pub(super) struct User {
    pub(super) subject: String,
    pub(super) membership: Membership,
    pub(super) entitled: Option<Vec<String>>,
}

pub(super) async fn answer(
    State(server): State<Arc<IssuerServer>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let answering = answered(&server, &parts, body);
    server.rules.serve(&parts.headers, None, answering).await
}

async fn answered(server: &IssuerServer, parts: &Parts, body: Body) -> Response<Body> {
    let place = server.place(parts.uri.path());
    let occasion = Occasion {
        place,
        count: server.counts[place as usize].fetch_add(1, Ordering::Relaxed),
    };
    let body = axum::body::to_bytes(body, MAX_FORM).await;
    let mut answer = match (place, &parts.method) {
        (Place::Metadata | Place::OtherMetadata, &Method::GET | &Method::HEAD) => {
            Answer::published(server.metadata())
        }
        (Place::Keys, &Method::GET | &Method::HEAD) => Answer::published(server.key_set()),
        (Place::Metadata | Place::OtherMetadata | Place::Keys, _) => {
            Answer::refused_method("GET, HEAD")
        }
        (Place::Verification, &Method::GET | &Method::HEAD) => {
            server.verification(parts.uri.query().unwrap_or_default())
        }
        (Place::UserInfo, &Method::GET | &Method::POST) => {
            json_answer(server.user_info(&parts.headers))
        }
        (Place::UserInfo | Place::Verification, method) if method != Method::POST => {
            Answer::refused_method("GET, POST")
        }
        (Place::Nowhere, _) => Answer::empty(StatusCode::NOT_FOUND),
        (Place::Token, &Method::GET) if server.rules.own().gets() => {
            server.posted(place, parts, b"")
        }
        (_, &Method::POST) => match body {
            Ok(body) => server.posted(place, parts, &body),
            Err(_) => OAuthError::invalid_request("the form is too long").into_answer(),
        },
        _ => Answer::refused_method("POST"),
    };
    let rules = server.rules.own();
    if server.rules.probed() {
        // How many requests came before is chance.
        for count in 0..CHANCES {
            rules.finish(&mut answer.clone(), Occasion { count, ..occasion });
        }
    }
    rules.finish(&mut answer, occasion);
    answer.into()
}

impl IssuerServer {
    /// What a path of this server is.
    fn place(&self, asked: &str) -> Place {
        // RFC 8414 section 3.1 has the well-known name before the path of the identifier.
        for name in [place::METADATA, place::OTHER_METADATA] {
            if asked.strip_prefix(name) == Some(self.path.as_str()) && !self.path.is_empty() {
                return Place::OtherMetadata;
            }
        }
        // With a path, the metadata are below it (OpenID Connect Discovery 1.0 section 4.1).
        let asked = asked.strip_prefix(self.path.as_str()).unwrap_or_default();
        // libSciTokens asks an issuer whose identifier ends in a slash with two of them.
        let path = asked.strip_prefix('/').filter(|rest| rest.starts_with('/'));
        match path.unwrap_or(asked) {
            place::METADATA => Place::Metadata,
            place::OTHER_METADATA if self.path.is_empty() => Place::OtherMetadata,
            place::KEYS => Place::Keys,
            place::TOKEN => Place::Token,
            place::DEVICE => Place::Device,
            place::VERIFICATION => Place::Verification,
            place::REVOCATION => Place::Revocation,
            place::INTROSPECTION => Place::Introspection,
            place::USER_INFO => Place::UserInfo,
            _ => Place::Nowhere,
        }
    }

    /// A form that was sent to one of the endpoints.
    fn posted(&self, place: Place, parts: &Parts, body: &[u8]) -> Answer {
        let form = match self.form(parts, body) {
            Ok(form) => form,
            Err(error) => return error.into_answer(),
        };
        if place == Place::Verification {
            return self.verified(&form);
        }
        let bearer = place == Place::Introspection && service::bearer(&parts.headers).is_some();
        if bearer {
            let told_of = self.bearer(&parts.headers);
            return json_answer(told_of.and_then(|_| self.introspected(None, &form)));
        }
        let client = match self.client(place, parts, &form) {
            Ok(client) => client,
            Err(error) => return error.into_answer(),
        };
        match place {
            Place::Device => json_answer(self.begun(client, &form)),
            Place::Introspection => json_answer(self.introspected(Some(client), &form)),
            Place::Revocation => match self.revoked(client, &form) {
                Ok(()) => Answer::empty(StatusCode::OK),
                Err(error) => error.into_answer(),
            },
            _ => json_answer(self.grant(client, &form)),
        }
    }

    fn form(&self, parts: &Parts, body: &[u8]) -> Result<Form, OAuthError> {
        let query = parts.uri.query().unwrap_or_default();
        if parts.method == Method::GET {
            return Form::parse(query.as_bytes());
        }
        let mut form = Form::read(&parts.headers, body)?;
        if self.rules.own().reads_query() {
            form.add(Form::parse(query.as_bytes())?);
        } else if form::indiscreet(query) {
            return Err(OAuthError::invalid_request(
                "credentials have no place in a URL",
            ));
        }
        Ok(form)
    }

    /// The client that sent a form.
    fn client(&self, place: Place, parts: &Parts, form: &Form) -> Result<&Client, OAuthError> {
        let unknown = OAuthError::invalid_client("no such client, or not its secret");
        let claimed = Claimed::read(&parts.headers, form)?;
        let known = |client: &&Client| claimed.id.as_deref() == Some(client.id.as_str());
        let client = self.clients.iter().find(known).ok_or(unknown)?;
        let (token, own) = (self.at(place::TOKEN), self.at(self.path_of(place)));
        let unused = |id: &str, end: i64| {
            let key = format!("{} {id}", client.id);
            let assertions = &mut self.store.lock().assertions;
            let new = assertions.get(&key).is_none();
            if new {
                assertions.insert(key, end);
            }
            new
        };
        let proven = claimed.prove(client, &[&self.url, &token, &own], unused);
        let admitted = self.rules.own().admitted(proven, &Attempt { place, form });
        admitted.then_some(client).ok_or(unknown)
    }

    fn path_of(&self, place: Place) -> &'static str {
        match place {
            Place::Device => place::DEVICE,
            Place::Revocation => place::REVOCATION,
            Place::Introspection => place::INTROSPECTION,
            _ => place::TOKEN,
        }
    }
}

fn json_answer(document: Result<Value, OAuthError>) -> Answer {
    match document {
        Ok(document) => Answer::secret(StatusCode::OK, document),
        Err(error) => error.into_answer(),
    }
}
