//! The WLCG Tape REST API v1 over a simulated nearline directory.
//!
//! A file there is on tape alone as soon as it is written; reading it by WebDAV works all the same. A
//! staged file comes to disk by being waited for: with the second look at the request it is STARTED,
//! with the sixth COMPLETED. No clock is involved.

mod calls;
mod store;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use super::answers::{Outcome, Refusal};
use super::element::Element;
use super::path::ObjectPath;
use super::probe::hooks;
use super::rules::Service;
use super::token::{self, Bearer, TokenRules};
use touchstone_model::{Method, TapeOperation};

pub(super) use store::{EntryState, Nearline};

const WELL_KNOWN: &str = "/.well-known/wlcg-tape-rest-api";
const API: &str = "/api/v1";
/// Bytes of a call.
const MAX_CALL: usize = 2 << 20;

/// What somebody asks of the API.
pub(super) struct Asked {
    pub(super) operation: TapeOperation,
    /// The request, where it is about one.
    pub(super) id: String,
}

/// Why a call came to nothing.
#[derive(PartialEq)]
pub(super) enum TapeError {
    Refused(Refusal),
    Wrong(StatusCode, &'static str),
}

/// One question to the authorisation of tape.
pub(super) struct Ask<'a> {
    pub(super) operation: TapeOperation,
    pub(super) bearer: &'a Bearer,
    /// Below the issuer's area; none where the file lies in no area.
    pub(super) below: Option<&'a ObjectPath>,
    /// How many of the files of the call were allowed before this one.
    pub(super) allowed: usize,
}

/// The place that a path of a call names. Both are one; a fault may tell them apart.
#[derive(PartialEq)]
pub(super) struct Named {
    /// By which rights are judged.
    pub(super) judged: ObjectPath,
    /// On which the call acts.
    pub(super) meant: ObjectPath,
}

/// What was asked, for the last touch to its answer.
pub(super) struct Said<'a> {
    pub(super) operation: TapeOperation,
    pub(super) bearer: Option<&'a Bearer>,
    /// Whether a token came along.
    pub(super) token: bool,
    /// What was sent.
    pub(super) body: &'a Value,
}

/// Whether a token is meant for a service of these names.
type Audience = fn(&Bearer, &[String], Method) -> bool;

hooks! {
    /// The decisions about tape. A fault replaces one or a few of them.
    struct TapeRules {
        /// How tokens are verified; `None` is as everywhere.
        part token(Option<TokenRules>);
        /// Whether a token is meant for a service of these names; `None` is as everywhere.
        part audience(Option<Audience>);
        /// Whether that call asks for the audience at all.
        ask audience_of(operation: TapeOperation) -> bool;
        /// Whether that call needs no token.
        ask anonymous(operation: TapeOperation) -> bool;
        /// Whether the bearer may, given what the capabilities say.
        pass may(ask: &Ask; may: bool; );
        /// What a path of a call names.
        ask names(operation: TapeOperation, text: &str) -> Option<Named>;
        /// Whether a call is carried out, given whether it is allowed.
        pass does(operation: TapeOperation; allowed: bool; );
        /// Whether members are cancelled before strangers among them are noticed.
        value cancels_members_first(bool);
        /// How a file is taken into a request.
        ask takes(state: EntryState, object: &ObjectPath) -> EntryState;
        /// Whether a file of that state makes the whole request fail.
        ask refuses(state: EntryState) -> bool;
        /// Whether a staged request is kept.
        value keeps(bool);
        /// Whether what is refused is queued, and the refusal says so.
        value queues_denied(bool);
        /// Whether files that have come are open again with the next poll.
        value goes_back(bool);
        /// Whether a poll with another token than that which has staged breaks the service.
        value breaks_for_others(bool);
        /// Whether a deleted request is gone.
        value forgets(bool);
        /// How many paths `archiveinfo` takes.
        value most_paths(usize);
        /// Whether a call with that body is understood.
        ask understands(operation: TapeOperation, body: &Value) -> Result<(), TapeError>;
        /// The last touch to an answer.
        pass on_response(said: &Said; outcome: Outcome; );
    }
}

impl Default for TapeRules {
    /// The right ones.
    fn default() -> Self {
        Self {
            token: None,
            audience: None,
            anonymous: |operation| operation == TapeOperation::Discover,
            may: |_, may| may,
            names: |_, text| named(text),
            does: |_, allowed| allowed,
            cancels_members_first: false,
            takes: |state, _| state,
            refuses: |_| false,
            keeps: true,
            queues_denied: false,
            goes_back: false,
            breaks_for_others: false,
            audience_of: |_| true,
            forgets: true,
            most_paths: usize::MAX,
            understands: |_, _| Ok(()),
            on_response: |_, outcome| outcome,
        }
    }
}

/// Reads an absolute path in which nothing is escaped, and cleans it.
pub(super) fn named(text: &str) -> Option<Named> {
    let mut names: Vec<String> = Vec::new();
    for name in text.strip_prefix('/')?.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name if name.chars().any(char::is_control) => return None,
            name => names.push(name.to_owned()),
        }
    }
    let path = ObjectPath::of(names);
    Some(Named {
        judged: path.clone(),
        meant: path,
    })
}

/// What a request asks of the API; `None` if it asks something else of the service.
pub(super) fn asked(parts: &Parts) -> Option<Asked> {
    use TapeOperation::{Archiveinfo, Cancel, Delete, Discover, Poll, Release, Stage};
    let path = parts.uri.path();
    let call = |operation, id: &str| {
        Some(Asked {
            operation,
            id: id.to_owned(),
        })
    };
    if path == WELL_KNOWN && parts.method == "GET" {
        return call(Discover, "");
    }
    let rest = path.strip_prefix(API)?.strip_prefix('/')?;
    let names: Vec<&str> = rest.split('/').collect();
    match (parts.method.as_str(), names.as_slice()) {
        ("POST", ["stage"]) => call(Stage, ""),
        ("GET", ["stage", id]) => call(Poll, id),
        ("DELETE", ["stage", id]) => call(Delete, id),
        ("POST", ["stage", id, "cancel"]) => call(Cancel, id),
        ("POST", ["release", id]) => call(Release, id),
        ("POST", ["archiveinfo"]) => call(Archiveinfo, ""),
        _ => None,
    }
}

impl Ask<'_> {
    /// Whether nobody asks: there was no token.
    pub(super) fn nobody(&self) -> bool {
        self.bearer.issuer.is_empty()
    }
}

impl From<Refusal> for TapeError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl TapeError {
    /// As RFC 7807 has it.
    fn outcome(self) -> Outcome {
        let (status, title, headers) = match self {
            Self::Wrong(status, title) => (status, title, Vec::new()),
            Self::Refused(refusal) => {
                let challenge = (header::WWW_AUTHENTICATE, refusal.challenge());
                (refusal.status(), refusal.words().1, vec![challenge])
            }
        };
        let body = json!({"title": title, "status": status.as_u16()});
        Outcome::Json(status, body, headers)
    }
}

impl Element {
    /// What the API answers.
    pub(super) async fn tape_answer(&self, asked: Asked, parts: Parts, body: Body) -> Outcome {
        let verified = self.tape_bearer(&asked, &parts).await;
        // The body is read in any case, so that the client hears the answer.
        let bytes = match self.read(&parts.headers, body).await {
            Ok(bytes) => bytes,
            Err(outcome) => return outcome,
        };
        let sent: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let (bearer, outcome) = match verified {
            Err(refusal) => (None, TapeError::from(refusal).outcome()),
            Ok(bearer) => {
                let outcome = if bytes.len() > MAX_CALL {
                    Err(TapeError::Wrong(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "the call is too long",
                    ))
                } else {
                    self.call(&asked, &bearer, &sent)
                };
                let outcome = outcome.unwrap_or_else(TapeError::outcome);
                (Some(bearer), outcome)
            }
        };
        let said = Said {
            operation: asked.operation,
            bearer: bearer.as_ref(),
            token: token::presented(&parts.headers, &parts.uri).is_ok(),
            body: &sent,
        };
        self.rules.tape().on_response(&said, outcome)
    }

    /// Who asks: by the same rules as everywhere.
    async fn tape_bearer(&self, asked: &Asked, parts: &Parts) -> Result<Bearer, Refusal> {
        let rules = self.rules.tape();
        let presented = token::presented(&parts.headers, &parts.uri);
        let nobody = rules.anonymous(asked.operation) && presented.is_err();
        let open = asked.operation == TapeOperation::Discover;
        if nobody || open || self.rules.own().service() == Service::Open {
            return Ok(Bearer::default());
        }
        let method = asked.operation.method();
        let token = self.rules.tape_token();
        let verified = match presented {
            Ok(text) => token::verify(token, text, method, &self.issuers).await,
            Err(refusal) => Err(refusal),
        };
        let bearer = self
            .rules
            .own()
            .authenticate(&mut self.memory(), parts, verified)?;
        let asks = rules.audience_of(asked.operation);
        match !asks || self.rules.tape_audience(&bearer, &self.origins, method) {
            true => Ok(bearer),
            false => Err(Refusal::InvalidToken("it is meant for another service")),
        }
    }
}
