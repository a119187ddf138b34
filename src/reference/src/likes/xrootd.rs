//! XRootD 5.5.3 as Debian 12 has it, and 6.2.1, both with libSciTokens 0.7.3 and the configuration of the tests.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    EXPECT, HOST, HeaderName, HeaderValue, RANGE, SERVER,
};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::{self, Operation, Question};
use super::super::element::ServedArea;
use super::super::faults::Apply;
use super::super::macaroons::{Activity, MacaroonRules};
use super::super::namespace::{Act, Change, Node, Obstacle};
use super::super::path::WrittenPath;
use super::super::rules::{RequestOutcome, Rules};
use super::super::scope::{Action, Capability, Scope};
use super::super::token::Bearer;
use super::super::transfer::order;
use super::super::transfer::rules::TransferRules;
use super::{Like, deviation};
use touchstone_model::{ANY_AUDIENCE, Audience, Groups, Method};

pub(super) const LIKE_5: Like = Like {
    name: "xrootd-5.5",
    about: "XRootD 5.5.3: 403 where 401 is due, scope paths are compared as strings, failed pulls leave what came.",
    source: "Debian 12's XRootD 5.5.3, which the tests of this project start and judge",
    rs256: false,
    macaroons: true,
    groups: true,
    faults: &[
        "not-before-required",
        "not-before-without-skew",
        "token-id-absent-accepted",
        "version-exact",
        "critical-ignored",
        "type-ignored",
        "groups-joined",
        "area-prefix-match",
        "if-none-match-ignored",
        "if-match-ignored",
        "token-cached-beyond-its-end",
        "fractions-refused",
        "content-range-ignored",
        "cut-upload-kept",
        "macaroon-path-prefix",
        "macaroon-name-appended",
        "macaroon-name-asked",
        "macaroon-drops-activities",
        "macaroon-cacheable",
        "tpc-both-ways-pull",
        "tpc-push-overwrites",
    ],
    own: &[
        deviation(
            "xrootd-rights",
            "What a capability allows, and that groups add to capabilities.",
            Apply::Element(rights),
        ),
        deviation(
            "xrootd-requests",
            "What of a request is read, and how.",
            Apply::Element(requests),
        ),
        deviation(
            "xrootd-answers",
            "Statuses and headers.",
            Apply::Element(answers),
        ),
        deviation(
            "xrootd-macaroons",
            "Anybody is given macaroons, and none that allows more than a look.",
            Apply::Macaroons(macaroons),
        ),
        deviation(
            "xrootd-transfers",
            "How third-party copies are carried out and told.",
            Apply::Transfer(transfers),
        ),
    ],
};

pub(super) const LIKE_6: Like = Like {
    name: "xrootd-6.2",
    about: "XRootD 6.2.1: 403 where 401 is due, groups add to capabilities, MOVE replaces whatever Overwrite says.",
    source: "XRootD 6.2.1 built from its source package, which the tests of this project start and judge",
    rs256: false,
    macaroons: true,
    groups: true,
    faults: &[
        "not-before-required",
        "not-before-without-skew",
        "token-id-absent-accepted",
        "version-exact",
        "critical-ignored",
        "type-ignored",
        "groups-joined",
        "if-none-match-ignored",
        "if-match-ignored",
        "token-cached-beyond-its-end",
        "fractions-refused",
        "content-range-ignored",
        "cut-upload-kept",
        "macaroon-name-appended",
        "macaroon-drops-activities",
        "macaroon-cacheable",
        "tpc-push-overwrites",
    ],
    own: &[
        deviation(
            "xrootd-rights-since-6",
            "What a capability allows, and that groups add to capabilities.",
            Apply::Element(rights_since_6),
        ),
        deviation(
            "xrootd-requests-since-6",
            "What of a request is read, and how.",
            Apply::Element(requests_since_6),
        ),
        deviation(
            "xrootd-answers-since-6",
            "Statuses and headers.",
            Apply::Element(answers_since_6),
        ),
        deviation(
            "xrootd-macaroons",
            "Anybody is given macaroons, and none that allows more than a look.",
            Apply::Macaroons(macaroons),
        ),
        deviation(
            "xrootd-transfers-since-6",
            "How third-party copies are carried out and told.",
            Apply::Transfer(transfers_since_6),
        ),
    ],
};

fn rights_since_6(rules: &mut Rules) {
    rules.token.scope = scope;
    rules.permits = |action, asked| {
        use Operation::*;
        let renames = matches!(asked.operation, RenameFile | RenameDirectory);
        let looks = asked.operation == Stat;
        let makes = renames || matches!(asked.operation, Create | MakeDirectory);
        let writes = matches!(action, Action::Create | Action::Modify);
        permits(action, asked) || (writes && looks) || (action == Action::Create && makes)
    };
    // By whole names, and without a slash at the end; of directories also a path below them.
    rules.covers = |scope, asked| {
        let leads = asked.operation == Operation::MakeDirectory;
        let leads = leads && scope.path.starts_with(asked.path);
        leads || asked.path.starts_with(&scope.path)
    };
    rules.allows = adding_up;
}

fn rights(rules: &mut Rules) {
    rules.token.scope = scope;
    rules.permits = permits;
    rules.covers = covers;
    rules.allows = allows;
    rules.speaks_for = speaks_for;
}

/// A capability without a path is one for everything, and the names of SciTokens count as well. What is broken is passed
/// over, escapes are not decoded, and a scope that is no text says nothing.
fn scope(claim: Option<&Value>, _: &Map<String, Value>) -> Option<Scope> {
    let text = claim.and_then(Value::as_str).unwrap_or_default();
    Some(Scope {
        capabilities: text.split(' ').filter_map(capability).collect(),
        elsewhere: false,
    })
}

fn capability(word: &str) -> Option<Capability> {
    let (name, path) = word.split_once(':').unwrap_or((word, "/"));
    let action = match name {
        "read" => Action::Read,
        "write" => Action::Modify,
        name => Action::of(name)?,
    };
    let path = if path.is_empty() { "/" } else { path };
    let dots = path.to_ascii_lowercase().replace("%2e", ".");
    if dots.split('/').any(|name| name == "." || name == "..") {
        return None;
    }
    let path = WrittenPath::parse(&path.replace('%', "%25"))?;
    Some(Capability { action, path })
}

/// storage.stage and storage.poll are nothing, and who may only write sees no metadata.
fn permits(action: Action, asked: &Question) -> bool {
    use Operation::*;
    match action {
        Action::Read => matches!(asked.operation, Read | Stat | List),
        Action::Create => {
            let makes = matches!(asked.operation, Create | MakeDirectory);
            makes && asked.method != Method::Move
        }
        Action::Modify => matches!(
            asked.operation,
            Create | Overwrite | Delete | MakeDirectory | RenameFile | RenameDirectory
        ),
        Action::Stage | Action::Poll => false,
    }
}

/// As strings, and without a slash at the end.
fn covers(scope: &WrittenPath, asked: &Question) -> bool {
    let prefix = scope.path.to_string();
    asked.path.to_string().starts_with(&prefix)
}

/// Groups add to capabilities.
fn adding_up(rules: &Rules, bearer: &Bearer, groups: &Groups, asked: &Question) -> bool {
    let mut capabilities = bearer.capabilities().iter();
    let capable = capabilities.any(|capability| {
        (rules.permits)(capability.action, asked) && (rules.covers)(&capability.path, asked)
    });
    capable || (rules.groups_permit)(groups, &bearer.groups, asked)
}

/// What is to be deleted is looked at first, which needs the right to.
fn allows(rules: &Rules, bearer: &Bearer, groups: &Groups, asked: &Question) -> bool {
    let looks = || {
        let stat = Question {
            operation: Operation::Stat,
            ..*asked
        };
        adding_up(rules, bearer, groups, &stat)
    };
    let may = adding_up(rules, bearer, groups, asked);
    may && (asked.operation != Operation::Delete || looks())
}

/// The path of an issuer is compared as a string as well, where capabilities are concerned.
fn speaks_for(bearer: &Bearer, area: &ServedArea, areas: &[ServedArea], _: &Question) -> bool {
    let alike = |other: &ServedArea| {
        let path = area.path.to_string();
        bearer.issuer == other.issuer && path.starts_with(&other.path.to_string())
    };
    let capable = !bearer.capabilities().is_empty();
    bearer.issuer == area.issuer || (capable && areas.iter().any(alike))
}

fn requests_since_6(rules: &mut Rules) {
    requests(rules);
    rules.on_request = |parts| {
        // Whichever is asked for, one and the same is told, under a name of its own.
        let wanted = parts.headers.get(WANT_REPR_DIGEST);
        let wanted = wanted.is_some_and(|wanted| wanted.as_bytes().starts_with(b"sha-256"));
        on_request(parts);
        if wanted {
            let adler = HeaderValue::from_static("adler=10");
            parts.headers.insert(WANT_REPR_DIGEST, adler);
        }
        in_plain_words(&mut parts.headers);
    };
}

fn requests(rules: &mut Rules) {
    rules.on_request = |parts| {
        // Only the end of a file cannot be had.
        let range = parts.headers.get("range");
        if range.is_some_and(|range| range.as_bytes().starts_with(b"bytes=-")) {
            parts.headers.remove("range");
        }
        on_request(parts);
    };
    rules.has_pool = false;
    rules.makes_parents = true;
    rules.reads_directory_bodies = false;
    rules.empties_directories = false;
    rules.copies_directories = false;
    rules.reads_queries = false;
    rules.act = |namespace, act, bearer| {
        if let Act::Put { path: to, .. } | Act::Move { to, .. } = act
            && let Some(parent) = to.parent()
        {
            namespace.make_directories(&parent);
        }
        // Nothing is replaced by something of another kind.
        if let Act::Move { from, to } = act
            && let (Some(moved), Some(replaced)) = (namespace.get(from), namespace.get(to))
            && moved.is_directory() != replaced.is_directory()
        {
            return Err(Obstacle::NotEmpty);
        }
        // A rename to the same name is done by the file system, which does nothing.
        if let Act::Move { from, to } = act
            && from == to
            && namespace.get(from).is_some()
        {
            return Ok(Change::Replaced);
        }
        namespace.apply(act, &bearer.token_id)
    };
}

const DESTINATION: HeaderName = HeaderName::from_static("destination");
const SOURCE: HeaderName = HeaderName::from_static("source");
const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// A token may come alone or behind `Bearer` in just these letters, or as `authz` in the query; the last header counts.
fn on_request(parts: &mut Parts) {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let last = parts.headers.get_all(AUTHORIZATION).iter().next_back();
    let mut token = last.and_then(text).and_then(|value| understood(&value));
    let query = parts.uri.query().unwrap_or_default();
    let mut query = url::form_urlencoded::parse(query.as_bytes());
    if let Some((_, authz)) = query.find(|(name, _)| name == "authz") {
        token = understood(&authz).or(token);
    }
    parts.headers.remove(AUTHORIZATION);
    if let Some(value) = token.and_then(|token| HeaderValue::try_from(token).ok()) {
        parts.headers.insert(AUTHORIZATION, value);
    }
    if let Ok(path) = PathAndQuery::try_from(parts.uri.path()) {
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        uri.path_and_query = Some(path);
        parts.uri = uri.try_into().unwrap_or_default();
    }
    match parts.method.as_str() {
        "GET" | "HEAD" => {
            parts.headers.remove(WANT_REPR_DIGEST);
        }
        "PUT" => {
            parts.headers.remove("digest");
            parts.headers.remove("repr-digest");
        }
        "DELETE" => {
            parts.headers.remove("depth");
        }
        "MOVE" => {
            parts.headers.remove("overwrite");
            parts.headers.remove("depth");
            to_path(parts);
        }
        "COPY" => {
            // Of several the first counts.
            if let Some(first) = parts.headers.get("overwrite").cloned() {
                parts.headers.insert("overwrite", first);
            }
            abroad(parts);
        }
        _ => {}
    }
}

/// Some names of schemes stand for https where something is copied from.
fn in_plain_words(headers: &mut HeaderMap) {
    let source = headers.get(SOURCE).and_then(|source| source.to_str().ok());
    let other = source.and_then(|source| source.split_once("://"));
    let other = other.filter(|(scheme, _)| matches!(*scheme, "davs" | "s3" | "s3s"));
    let https = other.and_then(|(_, rest)| HeaderValue::try_from(format!("https://{rest}")).ok());
    if let Some(https) = https {
        headers.insert(SOURCE, https);
    }
}

/// The value of the header that stands for what was sent, if that is taken for a token.
fn understood(value: &str) -> Option<String> {
    let token = value.strip_prefix("Bearer ").unwrap_or(value);
    let plain = !token.is_empty() && !token.contains([' ', ',']);
    plain.then(|| format!("Bearer {token}"))
}

/// The host of a Destination is not looked at.
fn to_path(parts: &mut Parts) {
    let destination = parts.headers.get(DESTINATION);
    let path = destination
        .and_then(|to| to.to_str().ok()?.split_once("://"))
        .and_then(|(_, rest)| rest.get(rest.find('/')?..))
        .and_then(|path| HeaderValue::from_str(path).ok());
    if let Some(path) = path {
        parts.headers.insert(DESTINATION, path);
    }
}

/// Each COPY is a transfer between services, and one with itself fails: its own name is no name of this service then.
fn abroad(parts: &mut Parts) {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let to = parts.headers.get(DESTINATION);
    let own = host.zip(to.and_then(|to| to.to_str().ok()));
    let own = own.and_then(|(host, to)| to.strip_prefix("https://")?.strip_prefix(host));
    let Some(path) = own.filter(|path| path.starts_with('/')) else {
        return;
    };
    if let Ok(to) = HeaderValue::try_from(format!("https://localhost:0{path}")) {
        parts.headers.insert(DESTINATION, to);
    }
}

fn answers(rules: &mut Rules) {
    rules.on_outcome = |told, outcome| {
        let plain = |status| Outcome::Plain(status, Bytes::new());
        match (told.method, outcome) {
            (Method::Put, Outcome::Created | Outcome::Done) => plain(StatusCode::OK),
            (Method::Delete, Outcome::Plain(StatusCode::CONFLICT, _)) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR)
            }
            (Method::Move, Outcome::Plain(StatusCode::CONFLICT, _))
                if told.before.is_some_and(Node::is_directory) =>
            {
                plain(StatusCode::INTERNAL_SERVER_ERROR)
            }
            (Method::Copy, Outcome::Plain(StatusCode::NOT_FOUND, _) | Outcome::NotAllowed(_)) => {
                plain(StatusCode::BAD_REQUEST)
            }
            (_, outcome) => on_outcome(told, outcome),
        }
    };
    rules.on_response = on_response;
}

fn answers_since_6(rules: &mut Rules) {
    rules.on_outcome = |told, outcome| match (told.method, outcome) {
        // What is replaced is told as new.
        (Method::Put, Outcome::Done) => Outcome::Created,
        (Method::Copy, outcome) => told_of_copy(told, outcome),
        (_, outcome) => on_outcome(told, outcome),
    };
    rules.on_response = |asked, mut response| {
        let digest = response.headers().get(REPR_DIGEST);
        let digest = digest.and_then(|digest| digest.to_str().ok()?.strip_prefix("adler="));
        let digest = digest.map(|digest| format!("adler32={digest}"));
        if let Some(digest) = digest.and_then(|digest| HeaderValue::try_from(digest).ok()) {
            response.headers_mut().insert(REPR_DIGEST, digest);
        }
        unknown_method(asked, &mut response);
        named(response, "XrootD/v6.2.1 (imitated by touchstone)")
    };
}

/// What the file system says is an error of the server's, also that there is something that may not be replaced; only
/// who may do nothing of the kind is refused.
fn told_of_copy(told: &RequestOutcome, outcome: Outcome) -> Outcome {
    let pulls = told.asked.headers.contains_key(SOURCE);
    let file = told.before.is_some_and(|node| !node.is_directory());
    let mut capabilities = told.bearer.into_iter().flat_map(Bearer::capabilities);
    let creates = capabilities.any(|capability| capability.action == Action::Create);
    match outcome {
        Outcome::Refused(_) if !(pulls && file && creates) => {
            Outcome::text(StatusCode::FORBIDDEN, "failure: permission denied\n")
        }
        Outcome::Refused(_)
        | Outcome::NotAllowed(_)
        | Outcome::Plain(
            StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED,
            _,
        ) => Outcome::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failure: Unable to open\n",
        ),
        outcome => outcome,
    }
}

/// A method that nobody knows is a bad request.
fn unknown_method(asked: &Parts, response: &mut Response<Body>) {
    let known = authorisation::method(asked.method.as_str()).is_some();
    if !known && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
}

fn named(mut response: Response<Body>, server: &'static str) -> Response<Body> {
    let server = HeaderValue::from_static(server);
    response.headers_mut().insert(SERVER, server);
    response
}

fn on_outcome(told: &RequestOutcome, outcome: Outcome) -> Outcome {
    let directory = told.before.is_some_and(Node::is_directory);
    let plain = |status| Outcome::Plain(status, Bytes::new());
    match (told.method, outcome) {
        (_, Outcome::Refused(Refusal::KeysUnavailable)) => plain(StatusCode::FORBIDDEN),
        (Method::Copy, Outcome::Refused(_)) => plain(StatusCode::UNAUTHORIZED),
        (_, Outcome::Refused(_)) => plain(StatusCode::FORBIDDEN),
        (Method::Delete, Outcome::Done) => plain(StatusCode::OK),
        (Method::Move, Outcome::Done) => Outcome::Created,
        (Method::Mkcol, Outcome::NotAllowed(_)) if directory => Outcome::Created,
        (Method::Get, Outcome::NotAllowed(_)) if directory => {
            let mut response = Response::new(Body::from("<html></html>\n"));
            let html = HeaderValue::from_static("text/html");
            response.headers_mut().insert(CONTENT_TYPE, html);
            Outcome::Made(Box::new(response))
        }
        (_, outcome) => outcome,
    }
}

fn on_response(asked: &Parts, mut response: Response<Body>) -> Response<Body> {
    let range = asked.headers.get("range").map(HeaderValue::as_bytes);
    let streams = asked.headers.contains_key("x-number-of-streams");
    match (asked.method.as_str(), response.status()) {
        ("COPY", StatusCode::ACCEPTED) => {
            *response.status_mut() = StatusCode::CREATED;
            let plain = HeaderValue::from_static("text/plain");
            response.headers_mut().insert(CONTENT_TYPE, plain);
        }
        ("COPY", StatusCode::BAD_REQUEST) if streams => {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        ("POST", StatusCode::UNSUPPORTED_MEDIA_TYPE) => {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        // What lies beyond the end is a part of nothing, and so is what is asked for without an end.
        ("GET", StatusCode::RANGE_NOT_SATISFIABLE) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        ("GET", StatusCode::PARTIAL_CONTENT)
            if range.is_some_and(|range| range.ends_with(b"-")) =>
        {
            response.headers_mut().remove(CONTENT_LENGTH);
            response.headers_mut().remove(CONTENT_RANGE);
            *response.body_mut() = Body::empty();
        }
        _ => unknown_method(asked, &mut response),
    }
    named(response, "XrootD/v5.5.3 (imitated by touchstone)")
}

/// Whoever asks is given a macaroon, whatever the token, and it allows to look only.
fn macaroons(rules: &mut MacaroonRules) {
    rules.asker = |verified| verified.or_else(|_| Ok(anybody()));
    rules.granted = |_, _, _| vec![Activity::ReadMetadata];
}

/// Whose token is no good, or who has none.
fn anybody() -> Bearer {
    Bearer {
        audience: Some(Audience::One(ANY_AUDIENCE.to_owned())),
        ..Bearer::default()
    }
}

fn transfers_since_6(rules: &mut TransferRules) {
    transfers(rules);
    rules.media_type = "text/plain";
    rules.peeks = |parts| {
        let text = |name| parts.headers.get(name)?.to_str().ok();
        let both = parts.headers.contains_key(DESTINATION);
        let good =
            credential(text("credential")).is_ok() && streams(text("x-number-of-streams")).is_ok();
        let source = addressed(text(SOURCE.as_str())).filter(|_| good && !both)?;
        Some(source).filter(asked_for).or_else(nowhere)
    };
    rules.seen = |parts, seen| {
        let failed = |status, text| Some(Outcome::text(status, text));
        match seen {
            None => failed(StatusCode::INTERNAL_SERVER_ERROR, "failure: no answer\n"),
            Some(seen) if seen.status.as_u16() >= 400 => {
                failed(seen.status, "failure: remote host returned an error\n")
            }
            Some(seen) if contradicted(&parts.headers, &seen.headers) => {
                failed(StatusCode::PRECONDITION_FAILED, "failure: Mismatch\n")
            }
            Some(_) => None,
        }
    };
    rules.understands = addressed;
    rules.overwrite = |value| Ok(value.is_none_or(|value| value == "T"));
    rules.streams = streams;
    rules.credential = credential;
    rules.succeeded = |_, status| status.as_u16() < 400;
    rules.forwards = |parts| {
        let mut headers = order::forwarded(parts);
        for name in [HOST, CONNECTION, RANGE, EXPECT, ACCEPT_ENCODING] {
            if let Some(value) = parts.headers.get(format!("transferheader{name}")) {
                headers.insert(name, value.clone());
            }
        }
        // The source is asked for what the client told of.
        let told = digests_told(&parts.headers);
        let wanted: Vec<_> = told.keys().map(|name| format!("{name}=5")).collect();
        let wanted = HeaderValue::try_from(wanted.join(","));
        if let Ok(wanted) = wanted
            && !told.is_empty()
            && parts.headers.contains_key(SOURCE)
        {
            headers.insert(WANT_REPR_DIGEST, wanted);
        }
        headers
    };
    // Of digests a push tells those that the client told, and no others.
    rules.announces = false;
    rules.outgoing = |_, _, headers| {
        headers.remove("want-digest");
        headers.remove(WANT_REPR_DIGEST);
    };
}

/// An address, if it begins as one of HTTP does, in just these letters.
fn addressed(named: Option<&str>) -> Option<Url> {
    let named = named?;
    let http = named.starts_with("https://") || named.starts_with("http://");
    http.then(|| Url::parse(named).ok().or_else(nowhere))?
}

fn credential(value: Option<&str>) -> Result<(), &'static str> {
    match value {
        None | Some("none") => Ok(()),
        Some(_) => Err("COPY requests an unsupported Credential type"),
    }
}

/// As many as the text begins with, up to 100; 0 is one.
fn streams(value: Option<&str>) -> Result<u32, &'static str> {
    let Some(text) = value else {
        return Ok(1);
    };
    let text = text.strip_prefix('+').unwrap_or(text);
    let rest = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = text.strip_suffix(rest).and_then(|text| text.parse().ok());
    let number = digits.filter(|number: &u32| *number <= 100);
    number
        .map(|number| number.max(1))
        .ok_or("Invalid request for number of streams")
}

/// Whether the source tells another Repr-Digest than the client, of the same kind.
fn contradicted(claimed: &HeaderMap, told: &HeaderMap) -> bool {
    let told = digests_told(told);
    digests_told(claimed)
        .iter()
        .any(|(name, value)| told.get(name).is_some_and(|told| told != value))
}

/// The digests of a Repr-Digest, by their names in small letters.
fn digests_told(headers: &HeaderMap) -> BTreeMap<String, String> {
    let values = headers.get_all(REPR_DIGEST).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|item| item.trim().split_once('='))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

fn transfers(rules: &mut TransferRules) {
    rules.peeks = |parts| {
        let text = |name| parts.headers.get(name)?.to_str().ok();
        order::credential(text("credential")).ok()?;
        let source = text("source")?;
        Url::parse(source).ok().filter(asked_for)
    };
    rules.understands = |named| match named?.parse() {
        Ok(url) => Some(url),
        Err(_) => nowhere(),
    };
    rules.accepts = |_| true;
    rules.addresses = |_, url| {
        if !asked_for(url)
            && let Some(nowhere) = nowhere()
        {
            *url = nowhere;
        }
    };
    rules.detour = |_| None;
    rules.follows = asked_for;
    rules.entrusts = |first, next| first.origin() == next.origin();
    rules.overwrite = |value| Ok(value.is_none_or(|value| value.eq_ignore_ascii_case("T")));
    rules.verification = |_| Ok(false);
    rules.convinced = |_, _, _| Ok(());
    rules.succeeded = |_, status| status.is_success();
    rules.forwards = |parts| {
        let mut headers = HeaderMap::new();
        for name in [AUTHORIZATION, HOST, CONNECTION] {
            if let Some(value) = parts.headers.get(format!("transferheader{name}")) {
                headers.insert(name, value.clone());
            }
        }
        headers
    };
    rules.outgoing = |_, _, headers| {
        for name in ["want-digest", "want-repr-digest", "digest", "repr-digest"] {
            headers.remove(name);
        }
    };
    rules.leaves = |failure, bytes| {
        // Nothing was written yet where it was given up.
        Some(failure.map_or_else(Bytes::new, |_| Bytes::copy_from_slice(bytes)))
    };
    rules.last = |_, ended| match ended {
        Ok(_) => "success: Created".to_owned(),
        Err(failure) => format!("failure: {}", failure.reason()),
    };
}

/// Whether the other side is asked at that address at all.
fn asked_for(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http") && !order::internal(url)
}

/// An address at which nobody is.
fn nowhere() -> Option<Url> {
    Url::parse("https://localhost:0/").ok()
}
