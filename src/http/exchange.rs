//! What is kept of an exchange: enough to understand it, nothing that could be used.

use jiff::Timestamp;

use crate::model::{Answer, Exchange, Purpose, TokenRef, millis};
use crate::redact::Redactor;

use super::client::Outgoing;

/// Characters of a body that are kept.
const EXCERPT: usize = 1024;
/// Characters of a header that are kept.
const HEADER: usize = 512;
/// Headers that are kept.
const HEADERS: usize = 40;

/// The beginning of a record; what comes back is filled in as it comes.
pub(super) fn begin(
    purpose: Purpose,
    outgoing: &Outgoing<'_>,
    url: &str,
    token: Option<TokenRef>,
) -> Exchange {
    Exchange {
        purpose,
        method: outgoing.method,
        url: url.to_owned(),
        request_headers: outgoing
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        request_body: outgoing
            .body
            .and_then(|body| String::from_utf8(body.to_vec()).ok()),
        token,
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
    outcome: Result<&Answer, &str>,
    elapsed: std::time::Duration,
) {
    exchange.duration_ms = millis(elapsed);
    match outcome {
        Ok(answer) => {
            exchange.status = Some(answer.status);
            exchange.response_bytes = answer.body.len() as u64;
            let kept: Vec<_> = answer
                .headers
                .iter()
                .take(HEADERS)
                .map(|(name, value)| (name.clone(), excerpt(value, HEADER)))
                .collect();
            exchange.response_headers = redactor.headers(&kept);
            // Redacted before it is cut, so that half a token does not get through.
            let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(16 * EXCERPT)]);
            exchange.response_body = excerpt(&redactor.text(&body), EXCERPT);
        }
        Err(reason) => exchange.error = Some(redactor.text(reason)),
    }
}

fn excerpt(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
