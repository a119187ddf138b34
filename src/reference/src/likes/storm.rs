//! StoRM WebDAV 1.9.0-rc3, as it answered request by request.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION,
    SERVER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::{StreamExt, stream};
use regex_automata::meta;
use serde_json::{Map, Value};
use url::{Position, Url};

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::{Operation, Question};
use super::super::faults::{Apply, Fault};
use super::super::jwt::Algorithm;
use super::super::macaroons::NATIVE;
use super::super::namespace::{Act, Change, Node};
use super::super::path::{ObjectPath, RequestPath, WrittenPath};
use super::super::rules::{RequestOutcome, Rules};
use super::super::scope::{Action, Capability, Scope};
use super::super::token::{self, Jws, claim_fits};
use super::super::transfer::client::UNREACHABLE;
use super::super::transfer::rules::TransferRules;
use super::super::transfer::{self, Direction, order};
use super::{Like, deviation};
use touchstone_model::Method;

pub(super) const LIKE: Like = Like {
    name: "storm-webdav-1.9",
    about: "StoRM WebDAV 1.9.0: RS256 only, scope paths are regular expressions, failed pulls leave what came.",
    source: "StoRM WebDAV 1.9.0-rc3, asked request by request with curl in November 2026",
    rs256: true,
    macaroons: false,
    groups: true,
    faults: &[
        "not-before-required",
        "issued-at-absent-accepted",
        "version-absent-accepted",
        "version-number-accepted",
        "version-exact",
        "key-id-absent-accepted",
        "type-jwt-only",
        "groups-text",
        "groups-from-groups",
        "dots-climb-in-destinations",
        "tpc-answers-late",
        "tpc-no-markers",
        "tpc-odd-streams-ignored",
    ],
    own: OWN,
};

/// What no fault of the list does.
const OWN: &[Fault] = &[
    deviation(
        "storm-tokens",
        "RS256 only, a minute of leeway after the end, a scope or groups in each token.",
        Apply::Element(tokens),
    ),
    deviation(
        "storm-rights",
        "What a capability allows, and that its path is a regular expression.",
        Apply::Element(rights),
    ),
    deviation(
        "storm-requests",
        "What of a request is read, and how.",
        Apply::Element(requests),
    ),
    deviation(
        "storm-answers",
        "Statuses and headers.",
        Apply::Element(answers),
    ),
    deviation(
        "storm-transfers",
        "How third-party copies are carried out and told.",
        Apply::Transfer(transfers),
    ),
];

/// For how long a token is taken after its end, in seconds.
const LEEWAY: f64 = 60.0;

fn tokens(rules: &mut Rules) {
    // Who it is from is asked before how it is signed. A signature may have padding.
    rules.token.signed = |jws, key| {
        let signature = jws.signature.trim_end_matches('=');
        let rs256 = jws.algorithm() == "RS256" && key.algorithm == Algorithm::Rs256;
        rs256 && token::verified(jws, signature, key)
    };
    rules.token.claim = claim;
    rules.token.scope = scope;
}

fn claim(name: &str, jws: &Jws, now: f64) -> bool {
    match name {
        "exp" => {
            let end = jws.claims.get("exp").and_then(Value::as_f64);
            end.is_some_and(|end| end > now - LEEWAY)
        }
        _ => claim_fits(name, jws, now),
    }
}

/// A token has a scope or groups; what is no capability in its scope is passed over, and so is a scope that is no text.
fn scope(claim: Option<&Value>, claims: &Map<String, Value>) -> Option<Scope> {
    let grouped = ["wlcg.groups", "groups"];
    match claim {
        None if !grouped.iter().any(|name| claims.contains_key(*name)) => None,
        None => Some(Scope::default()),
        Some(scope) => Some(Scope {
            capabilities: scope
                .as_str()
                .unwrap_or_default()
                .split(' ')
                .filter_map(capability)
                .collect(),
            elsewhere: false,
        }),
    }
}

/// Its path is kept as it is written.
fn capability(word: &str) -> Option<Capability> {
    let (name, path) = word.split_once(':')?;
    let path = WrittenPath {
        path: ObjectPath::of(vec![path.to_owned()]),
        slash: false,
    };
    let action = Action::of(name)?;
    let written = path.path.names().iter().any(|path| !path.is_empty());
    written.then_some(Capability { action, path })
}

fn rights(rules: &mut Rules) {
    rules.permits = permits;
    rules.covers = covers;
}

/// storage.stage is storage.read; who may only write sees metadata by HEAD, and nothing by PROPFIND.
fn permits(action: Action, asked: &Question) -> bool {
    use Operation::*;
    let stat = asked.operation == Stat && asked.method == Method::Head;
    match action {
        Action::Read | Action::Stage => matches!(asked.operation, Read | Stat | List),
        Action::Create => {
            stat || matches!(asked.operation, Create | MakeDirectory) && !moves(asked)
        }
        Action::Modify => {
            let writes = [
                Create,
                Overwrite,
                Delete,
                MakeDirectory,
                RenameFile,
                RenameDirectory,
            ];
            stat || writes.contains(&asked.operation)
        }
        Action::Poll => false,
    }
}

fn moves(asked: &Question) -> bool {
    asked.method == Method::Move
}

/// The path of a capability is the beginning of a regular expression; of directories also a path below them.
fn covers(scope: &WrittenPath, asked: &Question) -> bool {
    let Some(pattern) = scope.path.names().first() else {
        return false;
    };
    let path = match asked.path.to_string() {
        root if root.is_empty() => "/".to_owned(),
        path => path,
    };
    let leads = asked.operation == Operation::MakeDirectory
        && pattern
            .strip_prefix(path.as_str())
            .is_some_and(|rest| rest.starts_with('/'));
    leads || matches(pattern, &path)
}

fn matches(pattern: &str, path: &str) -> bool {
    /// Of a compiled expression, in bytes: a token may hold anything.
    const LARGEST: usize = 1 << 20;
    let config = meta::Config::new()
        .nfa_size_limit(Some(LARGEST))
        .onepass(false)
        .hybrid(false)
        .dfa(false);
    let expression = meta::Regex::builder()
        .configure(config)
        .build(&format!("^{pattern}.*"));
    expression.is_ok_and(|expression| expression.is_match(path))
}

fn requests(rules: &mut Rules) {
    rules.on_request = on_request;
    rules.request_path = |text, _| {
        let odd = text.contains("//") || text.contains(';') || text.contains('\\');
        let odd = odd || text.to_ascii_lowercase().contains("%5c");
        (!odd).then(|| RequestPath::parse(text))?
    };
    rules.takes_parts = true;
    rules.has_pool = false;
    rules.makes_parents = true;
    rules.reads_directory_bodies = false;
    rules.empties_directories = false;
    rules.copies_directories = false;
    rules.reads_queries = false;
    rules.guards_options = true;
    rules.broke_off = |bytes, there| {
        let answer = Outcome::Plain(StatusCode::INTERNAL_SERVER_ERROR, Bytes::new());
        ((!there).then_some(bytes), Some(answer))
    };
    rules.act = |namespace, act, bearer| {
        if let Act::Put { path, .. } = act
            && let Some(parent) = path.parent()
        {
            namespace.make_directories(&parent);
        }
        namespace.apply(act, &bearer.token_id)
    };
}

/// Longer ones are refused with 431.
const LONGEST_TOKEN: usize = 8_000;

/// The first token in the header counts, and none in the query. Digests are told unasked, and those of uploads are not
/// looked at. MOVE and COPY replace nothing without `Overwrite: T`, and go to the path of a Destination whatever its
/// host, but not to one without a host.
fn on_request(parts: &mut Parts) {
    let authorization = parts.headers.get(AUTHORIZATION).cloned();
    parts.headers.remove(AUTHORIZATION);
    if let Some(value) = authorization.filter(|value| value.len() <= LONGEST_TOKEN) {
        parts.headers.insert(AUTHORIZATION, value);
    }
    let path = PathAndQuery::try_from(parts.uri.path());
    if let (Ok(path), Some(_)) = (path, parts.uri.query()) {
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        uri.path_and_query = Some(path);
        parts.uri = uri.try_into().unwrap_or_default();
    }
    match parts.method.as_str() {
        "GET" | "HEAD" => {
            parts.headers.remove("want-repr-digest");
            let adler32 = HeaderValue::from_static("adler32");
            parts.headers.insert("want-digest", adler32);
        }
        "PUT" => {
            for name in ["digest", "repr-digest", "content-range"] {
                parts.headers.remove(name);
            }
        }
        "MOVE" => within(parts),
        "COPY" if copies_here(parts) => within(parts),
        _ => {}
    }
}

/// Whether a COPY is none to or from another service.
fn copies_here(parts: &Parts) -> bool {
    let text = |name: HeaderName| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let destination = text(DESTINATION).and_then(|to| Url::parse(to).ok());
    let authority = destination.map(|url| {
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        authority.to_owned()
    });
    let own = authority.is_none() || authority.as_deref() == text(HOST);
    own && !parts.headers.contains_key("source")
}

const DESTINATION: HeaderName = HeaderName::from_static("destination");

/// What of a MOVE, or of a COPY inside the service, is read otherwise.
fn within(parts: &mut Parts) {
    let overwrite = parts.headers.get("overwrite").cloned();
    if overwrite.is_none_or(|value| value != "T") {
        let keeps = HeaderValue::from_static("F");
        parts.headers.insert("overwrite", keeps);
    }
    let Some(destination) = parts.headers.get(DESTINATION) else {
        return;
    };
    let text = destination.to_str().unwrap_or_default();
    // The URL is not parsed, as that would resolve its dot segments.
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)),
        // The root is in no area.
        None => Some("/"),
    };
    if let Some(path) = path.and_then(|path| HeaderValue::from_str(path).ok()) {
        parts.headers.insert(DESTINATION, path);
    }
}

fn answers(rules: &mut Rules) {
    rules.on_outcome = on_outcome;
    rules.on_response = on_response;
}

fn on_outcome(told: &RequestOutcome, outcome: Outcome) -> Outcome {
    let directory = told.before.is_some_and(Node::is_directory);
    match (told.method, outcome) {
        (method, Outcome::Refused(refusal)) => refused(method, refusal),
        (Method::Get | Method::Head, Outcome::NotAllowed(_)) if directory => {
            let mut response = Response::new(Body::from("<!doctype html>\n"));
            let html = HeaderValue::from_static("text/html");
            response.headers_mut().insert(CONTENT_TYPE, html);
            Outcome::Made(Box::new(response))
        }
        // What is replaced by a MOVE is told as new.
        (Method::Move, Outcome::Done) => Outcome::Created,
        (Method::Delete, Outcome::Plain(StatusCode::CONFLICT, _)) => {
            Outcome::text(StatusCode::PRECONDITION_FAILED, "Directory is not empty\n")
        }
        (_, outcome) => outcome,
    }
}

/// A token of nobody who is known, or none at all, breaks all requests but GET and HEAD.
fn refused(method: Method, refusal: Refusal) -> Outcome {
    let unread = [
        token::NO_JWS,
        token::NO_HEADER,
        token::NO_PAYLOAD,
        token::UNTRUSTED,
    ];
    let (status, challenge) = match refusal {
        Refusal::InvalidToken(why) if unread.contains(&why) => match method {
            Method::Get | Method::Head => (StatusCode::UNAUTHORIZED, None),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        },
        Refusal::InvalidToken(why) => (StatusCode::UNAUTHORIZED, Some(why)),
        Refusal::Malformed(_) => (StatusCode::UNAUTHORIZED, Some("Bearer token is malformed")),
        Refusal::NoToken => (StatusCode::UNAUTHORIZED, None),
        Refusal::InsufficientScope => (StatusCode::FORBIDDEN, None),
        Refusal::KeysUnavailable => (StatusCode::INTERNAL_SERVER_ERROR, None),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let challenge = challenge.and_then(|why| {
        let text = format!(r#"Bearer error="invalid_token", error_description="{why}""#);
        HeaderValue::try_from(text).ok()
    });
    if let Some(challenge) = challenge {
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    Outcome::Made(Box::new(response))
}

const METHODS: &str = "GET, HEAD, PROPFIND, COPY, OPTIONS, DELETE, MOVE, PROPPATCH";

fn on_response(asked: &Parts, response: Response<Body>) -> Response<Body> {
    let mut response = match status(asked, response.status()) {
        Some(status) => {
            let mut other = Response::new(Body::empty());
            *other.status_mut() = status;
            other
        }
        None => response,
    };
    let headers = response.headers_mut();
    headers.insert(
        SERVER,
        HeaderValue::from_static("StoRM-WebDAV/1.9.0 (imitated by touchstone)"),
    );
    match asked.method.as_str() {
        "OPTIONS" if headers.contains_key(ALLOW) => {
            headers.insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        "PUT" if headers.contains_key(ALLOW) => {
            headers.insert(ALLOW, HeaderValue::from_static("PROPFIND, HEAD, GET"));
        }
        _ => {
            headers.remove(ALLOW);
        }
    }
    match (asked.method.as_str(), response.status()) {
        ("COPY", StatusCode::ACCEPTED) => {
            response.headers_mut().remove(CONTENT_TYPE);
            breaking(response)
        }
        ("GET", StatusCode::OK) if page(response.headers()) => elsewhere(asked, response),
        _ => response,
    }
}

/// Another status that the request is answered with.
fn status(asked: &Parts, status: StatusCode) -> Option<StatusCode> {
    let has = |name: HeaderName| asked.headers.contains_key(name);
    let authorization = asked.headers.get(AUTHORIZATION);
    let directed = has(DESTINATION) || has(HeaderName::from_static("source"));
    match asked.method.as_str() {
        _ if authorization.is_some_and(|value| value.len() > LONGEST_TOKEN) => {
            Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        }
        // What was stored under such a name is listed and not found.
        "GET" | "HEAD" if asked.uri.path().contains("%20") && status.is_success() => {
            Some(StatusCode::NOT_FOUND)
        }
        "MOVE" | "COPY" if !directed && status == StatusCode::BAD_REQUEST => {
            Some(StatusCode::INTERNAL_SERVER_ERROR)
        }
        "POST" if authorization.is_none() => Some(StatusCode::UNAUTHORIZED),
        "POST" if asks_for_macaroon(&asked.headers) => Some(StatusCode::INTERNAL_SERVER_ERROR),
        "POST" => Some(StatusCode::FORBIDDEN),
        "PATCH" => Some(StatusCode::NOT_IMPLEMENTED),
        "LOCK" | "PROPPATCH" => Some(StatusCode::INTERNAL_SERVER_ERROR),
        _ => None,
    }
}

/// Macaroons are issued to who comes with a VOMS proxy only.
fn asks_for_macaroon(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes() == NATIVE.as_bytes())
}

/// Whether it is the page of a directory.
fn page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// The page of a directory is under its name without a slash.
fn elsewhere(asked: &Parts, mut response: Response<Body>) -> Response<Body> {
    let path = asked.uri.path().strip_suffix('/');
    let path = path.and_then(|path| HeaderValue::from_str(path).ok());
    if let Some(path) = path {
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(LOCATION, path);
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::empty();
    }
    response
}

/// What the report says of a push whose place is taken.
const OCCUPIED: &[u8] = b"failure: the destination is occupied";

/// The report of a push whose place is taken breaks off in the middle of a chunk.
fn breaking(response: Response<Body>) -> Response<Body> {
    let (head, body) = response.into_parts();
    let chunks = body.into_data_stream().flat_map(|chunk| {
        let broken = chunk
            .as_ref()
            .is_ok_and(|chunk| chunk.starts_with(OCCUPIED));
        match broken {
            true => broken_off().left_stream(),
            false => stream::iter([chunk.map_err(io::Error::other)]).right_stream(),
        }
    });
    Response::from_parts(head, Body::from_stream(chunks))
}

fn broken_off() -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::once(async {
        // The head goes out while there is nothing else to send.
        tokio::task::yield_now().await;
        Err(io::Error::other("the report breaks off"))
    })
}

/// Transfer headers that its client sends itself, and then no more.
const FRAMING: [(&str, HeaderName); 2] = [
    ("transferheadercontent-length", CONTENT_LENGTH),
    ("transferheadertransfer-encoding", TRANSFER_ENCODING),
];

fn transfers(rules: &mut TransferRules) {
    rules.accepts = |url| {
        let mut secure = url.clone();
        let cleartext = url.scheme() == "http" && secure.set_scheme("https").is_ok();
        order::accepts(if cleartext { &secure } else { url })
    };
    rules.detour = |_| None;
    rules.overwrite = |value| Ok(value.is_none_or(|value| value.eq_ignore_ascii_case("T")));
    rules.verification = |value| order::verification(value).map(|_| false);
    rules.convinced = |_, _, _| Ok(());
    rules.outgoing = |_, _, headers| {
        for name in ["want-digest", "want-repr-digest", "digest", "repr-digest"] {
            headers.remove(name);
        }
    };
    rules.forwards = |parts| {
        let mut headers = order::forwarded(parts);
        for (own, name) in FRAMING {
            if let Some(value) = parts.headers.get(own) {
                headers.insert(name, value.clone());
            }
        }
        headers
    };
    rules.carries = |headers| match FRAMING.iter().any(|(_, name)| headers.contains_key(name)) {
        true => Err("Content-Length or Transfer-Encoding header already present"),
        false => Ok(()),
    };
    rules.leaves = |_, bytes| Some(Bytes::copy_from_slice(bytes));
    rules.last = last;
}

/// What follows the line about a certificate that is not trusted.
const CHAIN: &str = "\nerror at position 0 in chain (category: X509_CHAIN): Trusted issuer of this \
    certificate was not established";

/// A failure is explained in several lines.
fn last(direction: Direction, ended: &Result<Change, transfer::Failure>) -> String {
    let Err(failure) = ended else {
        return "success: Created".to_owned();
    };
    let reason = failure.reason();
    let doing = match direction {
        Direction::Push if reason.contains("412") => {
            return String::from_utf8_lossy(OCCUPIED).into_owned();
        }
        Direction::Push => "pushing",
        Direction::Pull => "fetching",
    };
    let more = match reason == UNREACHABLE {
        true => CHAIN,
        false => "",
    };
    format!("failure: Error {doing}: {reason}{more}")
}
