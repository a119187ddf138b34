//! What is kept of an exchange: enough to understand it, nothing that could be used.

use std::time::Duration;

use jiff::Timestamp;
use tracing::Span;
use tracing::field::Empty;

use touchstone_model::redact::Redactor;
use touchstone_model::{Answer, Exchange, Method, Purpose, SentMethod, TokenRef, excerpt, millis};

use super::client::{Caller, Failure};

/// Characters of a body that are kept.
const EXCERPT: usize = 1024;
/// Characters of a body that was sent that are kept; of a longer text nobody reads more.
const SENT: usize = 16 * EXCERPT;
/// Characters of a header that are kept.
const HEADER: usize = 512;
/// Headers that are kept.
const HEADERS: usize = 40;

/// What is sent, as far as the record shows it.
pub(super) struct Sent<'a> {
    /// The method, as it stands on the wire.
    pub verb: &'a str,
    pub url: &'a str,
    /// In their order; an `Authorization` among them is not recorded.
    pub headers: Vec<(String, String)>,
    pub body: Option<&'a [u8]>,
    pub token: Option<TokenRef>,
}

/// The beginning of a record; what comes back is filled in as it comes.
pub(super) fn begin(purpose: Purpose, redactor: &Redactor, mut sent: Sent<'_>) -> Exchange {
    sent.headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    Exchange {
        purpose,
        // What is none is not sent.
        method: SentMethod::new(&redactor.text(sent.verb)).unwrap_or(SentMethod::from(Method::Get)),
        url: redactor.text(sent.url),
        request_headers: redactor.headers(&sent.headers),
        request_body: sent
            .body
            .and_then(|body| str::from_utf8(body).ok())
            .map(|text| {
                // Redacted before it is cut, as far as it can show; all of a large one would cost more time than
                // sending it, and the request has only so much.
                let shown = &text[..text.floor_char_boundary(4 * SENT)];
                excerpt(&redactor.text(shown), SENT)
            }),
        token: sent.token,
        other: None,
        presented: None,
        status: None,
        response_headers: Vec::new(),
        response_body: String::new(),
        response_bytes: 0,
        hops: Vec::new(),
        error: None,
        attempts: 0,
        started: Timestamp::now(),
        duration_ms: 0,
    }
}

/// Fills in how it ended.
pub(super) fn end(
    exchange: &mut Exchange,
    redactor: &Redactor,
    outcome: &Result<Answer, Failure>,
    elapsed: Duration,
) {
    exchange.duration_ms = millis(elapsed);
    let answer = match outcome {
        Ok(answer) => Some(answer),
        Err(failure) => {
            exchange.error = Some(redactor.text(&failure.reason));
            failure.untold.as_deref()
        }
    };
    if let Some(answer) = answer {
        exchange.status = Some(answer.status);
        exchange.response_bytes = answer.body.len() as u64;
        let first = answer.headers.get(..HEADERS).unwrap_or(&answer.headers);
        let redacted = redactor.headers(first).into_iter();
        exchange.response_headers = redacted
            .map(|(name, value)| (excerpt(&name, HEADER), excerpt(&value, HEADER)))
            .collect();
        // Redacted before it is cut, so that half a token does not get through.
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(16 * EXCERPT)]);
        exchange.response_body = excerpt(&redactor.text(&body), EXCERPT);
    }
}

/// What a trace calls a request to `target`, a URL or its end: without the query, which may hold a token.
pub(crate) fn named(method: Method, target: &str) -> String {
    let target = target.split_once("://").map_or(target, |(_, rest)| {
        rest.find('/').map_or("/", |path| &rest[path..])
    });
    let path = target.split(['?', '#']).next().unwrap_or_default();
    format!("{method} {path}")
}

/// A request in a trace.
pub(super) fn span(purpose: Purpose, method: Method, target: &str) -> Span {
    crate::trace::span!(
        "exchange",
        name = named(method, target),
        purpose = purpose.as_str(),
        status = Empty,
        attempts = Empty
    )
}

/// How it ended.
pub(super) fn ended(span: &Span, exchange: &Exchange) {
    span.record("attempts", exchange.attempts);
    if let Some(status) = exchange.status {
        span.record("status", status);
    }
}

/// Tells the log.
pub(super) fn log(endpoint: &str, caller: Caller<'_>, exchange: &Exchange) {
    tracing::debug!(
        endpoint,
        case = caller.case,
        purpose = exchange.purpose.as_str(),
        method = %exchange.method,
        url = exchange.url,
        status = exchange.status,
        error = exchange.error,
        ms = exchange.duration_ms,
        "exchange"
    );
}
