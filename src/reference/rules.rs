use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};

use super::answers::{Outcome, Refusal};
use super::authorisation::{self, Operation, Question};
use super::element::ServedArea;
use super::macaroons::MacaroonRules;
use super::namespace::{Act, Change, Namespace, Node, Obstacle};
use super::path::{End, ObjectPath, RequestPath, WrittenPath};
use super::pool::{self, Ticket};
use super::scope::Action;
use super::tape::TapeRules;
use super::token::{Bearer, TokenRules};
use super::transfer::TransferRules;
use crate::model::{Groups, Method};

/// The decisions of the storage element. A fault replaces one or a few of them.
///
/// Two faults that replace the same decision do not add up: the later one counts.
pub(super) struct Rules {
    /// What happens before anything is looked at.
    pub(super) service: Service,
    /// Whether a token is meant for a service of these names.
    pub(super) audience_accepted: fn(&Bearer, &[String], Method) -> bool,
    /// Whether the bearer may do it.
    pub(super) allows: fn(&Rules, &Bearer, &Groups, &Question) -> bool,
    /// Whether a capability of this name is one for this operation.
    pub(super) permits: fn(Action, &Question) -> bool,
    /// Whether the path of a capability reaches the object.
    pub(super) covers: fn(&WrittenPath, &Question) -> bool,
    /// Whether these groups may do it.
    pub(super) groups_permit: fn(&Groups, &[String], &Question) -> bool,
    /// Carries out a change that is allowed.
    pub(super) act: fn(&mut Namespace, &Act, &Bearer) -> Result<Change, Obstacle>,
    /// Tells what came of a request.
    pub(super) tell: fn(&Told, Outcome) -> Outcome,
    /// What of a request is taken notice of.
    pub(super) hears: fn(&mut Parts),
    /// The method that a name on the wire stands for.
    pub(super) method: fn(&str) -> Option<Method>,
    /// Which object a path of a request names; `None` if nobody could say.
    pub(super) request_path: fn(&str, End) -> Option<RequestPath>,
    /// What lies below an area, of the path of an object.
    pub(super) within: fn(&ObjectPath, &ObjectPath) -> Option<ObjectPath>,
    /// For whom the bearer is taken, once its token was verified, or none was there.
    pub(super) admits: fn(&mut Memory, &Parts, Verified) -> Verified,
    /// Whether a token counts in this area of all.
    pub(super) speaks_for: fn(&Bearer, &ServedArea, &[ServedArea], &Question) -> bool,
    /// What an upload does, given what is there.
    pub(super) uploading: fn(Option<&Node>, &HeaderMap) -> Operation,
    /// Whether a part of a file can be uploaded, which then replaces it.
    pub(super) takes_parts: bool,
    /// What becomes of the bytes of an upload that broke off.
    pub(super) broke_off: fn(Vec<u8>) -> Result<Vec<u8>, Outcome>,
    /// The last touch to the answer to that request.
    pub(super) says: fn(&Parts, Response<Body>) -> Response<Body>,
    /// What is decided about a token.
    pub(super) token: TokenRules,
    /// Whose request it was that brought somebody to that path of the pool, with this ticket or none.
    pub(super) redeems: fn(&mut Memory, &str, Option<&str>) -> Option<Bearer>,
    /// What is decided about third-party copies.
    pub(super) transfer: TransferRules,
    /// What is decided about tape.
    pub(super) tape: TapeRules,
    /// What is decided about macaroons.
    pub(super) macaroons: MacaroonRules,
}

/// Whose token it is, or why it is nobody's.
pub(super) type Verified = Result<Bearer, Refusal>;

/// After that a port of the client belongs to another connection.
const SAME_CONNECTION: Duration = Duration::from_secs(20);

/// What could be kept from earlier requests; the right rules keep nothing but tickets.
#[derive(Default)]
pub(super) struct Memory {
    /// The last good bearer.
    pub(super) last: Option<Bearer>,
    /// Who came first over a connection, by the client's end of it.
    pub(super) connections: BTreeMap<SocketAddr, (Instant, Bearer)>,
    /// By `jti`, or by connection and text.
    pub(super) tokens: BTreeMap<String, Bearer>,
    /// What was sent on to the pool and has not arrived yet.
    pub(super) tickets: BTreeMap<String, Ticket>,
}

impl Memory {
    /// Who came first over the connection from `peer`. A client's port comes back with another connection,
    /// though not soon.
    pub(super) fn first_from(&mut self, peer: SocketAddr) -> Option<&Bearer> {
        let recent = |at: &Instant| at.elapsed() < SAME_CONNECTION;
        self.connections.retain(|_, (at, _)| recent(at));
        self.connections.get(&peer).map(|(_, bearer)| bearer)
    }
}

/// What the service as a whole does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Looks at each request.
    Attentive,
    /// Gives every request the same answer without a body.
    Deaf(StatusCode),
    /// Does not listen.
    Down,
    /// Asks nobody for a token.
    Open,
    /// Accepts requests and never answers.
    Silent,
}

/// What a request was about, as far as that came out.
pub(super) struct Told<'a> {
    pub(super) method: Method,
    /// Whose token it was, if it was a good one.
    pub(super) bearer: Option<&'a Bearer>,
    /// What was at the path before.
    pub(super) before: Option<&'a Node>,
}

impl Default for Rules {
    /// The right ones.
    fn default() -> Self {
        Self {
            service: Service::Attentive,
            audience_accepted: authorisation::audience_accepted,
            allows: authorisation::allows,
            permits: authorisation::permits,
            covers: authorisation::covers,
            groups_permit: authorisation::groups_permit,
            act: |namespace, act, bearer| namespace.apply(act, &bearer.token_id),
            tell: |_, outcome| outcome,
            hears: |_| {},
            method: authorisation::method,
            request_path: |text, _| RequestPath::parse(text),
            within: ObjectPath::below,
            admits: |_, _, bearer| bearer,
            speaks_for: |bearer, area, _, _| bearer.issuer == area.issuer,
            uploading: |node, _| authorisation::uploading(node),
            takes_parts: false,
            broke_off: |_| {
                Err(Outcome::text(
                    StatusCode::BAD_REQUEST,
                    "the body broke off\n",
                ))
            },
            says: |_, response| response,
            token: TokenRules::default(),
            redeems: pool::redeem,
            transfer: TransferRules::default(),
            tape: TapeRules::default(),
            macaroons: MacaroonRules::default(),
        }
    }
}
