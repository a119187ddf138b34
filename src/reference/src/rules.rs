use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};

use super::answers::{Outcome, Refusal};
use super::authorisation::{self, Operation, Question};
use super::element::{self, ServedArea};
use super::macaroons::MacaroonRules;
use super::namespace::{Act, Change, Node, Obstacle};
use super::path::{End, ObjectPath, RequestPath, WrittenPath};
use super::pool::{self, Ticket};
use super::probe::{Hooks, Part, Ruled, hooks};
use super::scope::Action;
use super::tape::TapeRules;
use super::token::{Bearer, TokenRules};
use super::transfer::TransferRules;
use touchstone_model::{Groups, Method};

hooks! {
    /// The decisions of the storage element. A fault replaces one or a few of them.
    struct Rules {
        /// What happens before anything is looked at.
        value service(Service);
        /// Whether a token is meant for a service of these names.
        ask audience_accepted(bearer: &Bearer, own: &[String], method: Method) -> bool;
        /// Whether the bearer may do it.
        own allows(bearer: &Bearer, groups: &Groups, asked: &Question) -> bool,
            asking [permits, covers, groups_permit];
        /// Whether a capability of this name is one for this operation.
        nested permits(action: Action, asked: &Question) -> bool;
        /// Whether the path of a capability reaches the object.
        nested covers(scope: &WrittenPath, asked: &Question) -> bool;
        /// Whether these groups may do it.
        nested groups_permit(groups: &Groups, asserted: &[String], asked: &Question) -> bool;
        /// Carries out a change that is allowed.
        write act(namespace; act: &Act, bearer: &Bearer) -> Result<Change, Obstacle>;
        /// What a request that came to nothing does all the same, and the status with which it is answered then.
        write failed(namespace; failed: &Failed) -> Option<StatusCode>;
        /// Tells what came of a request.
        pass on_outcome(told: &RequestOutcome; outcome: Outcome; );
        /// What of a request is taken notice of.
        edit on_request(; parts: Parts; );
        /// The method that a name on the wire stands for.
        ask method(name: &str) -> Option<Method>;
        /// Which object a path of a request names; `None` if nobody could say.
        ask request_path(text: &str, end: End) -> Option<RequestPath>;
        /// What lies below an area, of the path of an object.
        ask within(path: &ObjectPath, area: &ObjectPath) -> Option<ObjectPath>;
        /// For whom the bearer is taken, once its token was verified, or none was there.
        remember authenticate(memory; parts: &Parts; verified: Verified; );
        /// Whether a token counts in this area of all.
        ask speaks_for(bearer: &Bearer, area: &ServedArea, areas: &[ServedArea], asked: &Question) -> bool;
        /// What an upload does, given what is there.
        ask uploading(node: Option<&Node>, headers: &HeaderMap) -> Operation;
        /// Whether a part of a file can be uploaded, which then replaces it.
        value takes_parts(bool);
        /// What is stored of an upload that broke off, given whether something is there already, and what is answered;
        /// nothing for what is answered to any upload.
        ask broke_off(bytes: Vec<u8>, there: bool) -> (Option<Vec<u8>>, Option<Outcome>);
        /// Whether an upload makes the directories that lead to its path.
        value makes_parents(bool);
        /// Whether MKCOL minds a body (RFC 4918 section 9.3).
        value reads_directory_bodies(bool);
        /// Whether DELETE, and what replaces something, take away directories that are not empty.
        value empties_directories(bool);
        /// Whether COPY within the service takes directories.
        value copies_directories(bool);
        /// Whether PROPFIND minds a body that is no XML (RFC 4918 section 8.2).
        value reads_queries(bool);
        /// Whether certain files are fetched from a second place.
        value has_pool(bool);
        /// Whether OPTIONS needs a token.
        value guards_options(bool);
        /// The last touch to the answer to that request.
        pass on_response(parts: &Parts; response: Response<Body>; );
        /// What is decided about a token.
        part token(TokenRules);
        /// Whose request it was that brought somebody to that path of the pool, with this ticket or none.
        count redeems(memory: &mut Memory, path: &str, ticket: Option<&str>) -> Option<Bearer>;
        /// What is decided about third-party copies.
        part transfer(TransferRules);
        /// What is decided about tape.
        part tape(TapeRules);
        /// What is decided about macaroons.
        part macaroons(MacaroonRules);
    }
}

/// Hooks of the storage element.
pub(super) type ElementHooks<'a, R> = Hooks<'a, Rules, R>;

impl Ruled<Rules> {
    /// What is decided about requests in general.
    pub(super) fn own(&self) -> ElementHooks<'_, Rules> {
        self.part(Part {
            name: "own",
            of: |rules| rules,
        })
    }

    /// What is decided about tokens.
    pub(super) fn token(&self) -> ElementHooks<'_, TokenRules> {
        self.part(Part {
            name: "token",
            of: |rules| &rules.token,
        })
    }

    /// What is decided about the tokens of calls of the tape REST API.
    pub(super) fn tape_token(&self) -> ElementHooks<'_, TokenRules> {
        self.part(Part {
            name: "tape token",
            of: |rules| rules.tape.token.as_ref().unwrap_or(&rules.token),
        })
    }

    /// Whether such a token is meant for a service of these names.
    pub(super) fn tape_audience(&self, bearer: &Bearer, own: &[String], method: Method) -> bool {
        let accepted = |rules: &Rules| rules.tape.audience.unwrap_or(rules.audience_accepted);
        let differs = |one: &Rules, other: &Rules| {
            let accepted = |rules: &Rules| rules.tape.audience.unwrap_or(rules.audience_accepted);
            !std::ptr::fn_addr_eq(accepted(one), accepted(other))
        };
        let hooks = self.own();
        if let Some(beside) = hooks.beside("tape audience", differs) {
            beside.compare(|rules| accepted(rules)(bearer, own, method));
        }
        let rules = hooks.decisive(differs, |rules| accepted(rules)(bearer, own, method));
        accepted(rules)(bearer, own, method)
    }

    /// What is decided about third-party copies.
    pub(super) fn transfer(&self) -> ElementHooks<'_, TransferRules> {
        self.part(Part {
            name: "transfer",
            of: |rules| &rules.transfer,
        })
    }

    /// What is decided about tape.
    pub(super) fn tape(&self) -> ElementHooks<'_, TapeRules> {
        self.part(Part {
            name: "tape",
            of: |rules| &rules.tape,
        })
    }

    /// What is decided about macaroons.
    pub(super) fn macaroons(&self) -> ElementHooks<'_, MacaroonRules> {
        self.part(Part {
            name: "macaroons",
            of: |rules| &rules.macaroons,
        })
    }
}

/// Whose token it is, or why it is nobody's.
pub(super) type Verified = Result<Bearer, Refusal>;

/// Of so many connections the first bearer is kept: far more than are open at once.
const CONNECTIONS: usize = 4096;

/// What could be kept from earlier requests; the right rules keep nothing but tickets.
#[derive(Default)]
pub(super) struct Memory {
    /// The last good bearer.
    pub(super) last: Option<Bearer>,
    /// Who came first over a connection, by its number.
    connections: BTreeMap<u64, Bearer>,
    /// By `jti`, or by connection and text.
    pub(super) tokens: BTreeMap<String, Bearer>,
    /// What was sent on to the pool and has not arrived yet.
    pub(super) tickets: BTreeMap<String, Ticket>,
    /// What faults would keep that are asked beside, each by its position.
    pub(super) beside: BTreeMap<usize, Memory>,
    /// The same of deviations that add up, each by its position; the first keeps what stands here.
    pub(super) linked: BTreeMap<usize, Memory>,
}

impl Memory {
    /// Whether something is kept whose part in an answer depends on what else is asked, and in which order.
    pub(super) fn by_chance(&self) -> bool {
        !self.connections.is_empty() || !self.tokens.is_empty()
    }

    /// Who came first over that connection.
    pub(super) fn first_over(&self, connection: u64) -> Option<&Bearer> {
        self.connections.get(&connection)
    }

    /// That one has come first over that connection.
    pub(super) fn begun(&mut self, connection: u64, first: Bearer) {
        self.connections.insert(connection, first);
        while self.connections.len() > CONNECTIONS {
            self.connections.pop_first();
        }
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
pub(super) struct RequestOutcome<'a> {
    pub(super) method: Method,
    pub(super) asked: &'a Parts,
    /// Whose token it was, if it was a good one.
    pub(super) bearer: Option<&'a Bearer>,
    /// What was at the path before.
    pub(super) before: Option<&'a Node>,
}

/// A request that came to nothing before its body was looked at.
pub(super) struct Failed<'a> {
    pub(super) method: Method,
    pub(super) bearer: &'a Bearer,
    /// Its path in the namespace, area included.
    pub(super) path: &'a ObjectPath,
    /// That of its Destination, where it has one in the service.
    pub(super) destination: Option<&'a ObjectPath>,
    /// Whether an Overwrite is there that says F.
    pub(super) protects: bool,
    /// With what it is answered.
    pub(super) status: StatusCode,
}

impl Failed<'_> {
    /// Whether the token did not allow it.
    pub(super) fn denied(&self) -> bool {
        self.status == StatusCode::FORBIDDEN
    }
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
            failed: |_, _| None,
            on_outcome: |_, outcome| outcome,
            on_request: |_| {},
            method: authorisation::method,
            request_path: |text, _| RequestPath::parse(text),
            within: ObjectPath::below,
            authenticate: |_, _, bearer| bearer,
            speaks_for: |bearer, area, _, _| bearer.issuer == area.issuer,
            uploading: |node, _| authorisation::uploading(node),
            takes_parts: false,
            broke_off: |_, _| (None, Some(element::broke_off())),
            makes_parents: false,
            reads_directory_bodies: true,
            empties_directories: true,
            copies_directories: true,
            reads_queries: true,
            has_pool: true,
            guards_options: false,
            on_response: |_, response| response,
            token: TokenRules::default(),
            redeems: pool::redeem,
            transfer: TransferRules::default(),
            tape: TapeRules::default(),
            macaroons: MacaroonRules::default(),
        }
    }
}
