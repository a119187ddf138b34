use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};

use super::RawRequest;

/// A request in the bytes that are written.
pub(super) struct Message {
    /// As hyper has to know it in order to read the answer.
    pub method: Method,
    /// Up to the empty line.
    pub head: Vec<u8>,
    /// What follows, framed, as far as it is sent.
    pub body: Option<Vec<u8>>,
    /// How long the body waits for the server's word, if it does.
    pub expects: Option<Duration>,
    /// Of how many bytes how many are sent before the connection is closed.
    pub cut: Option<(usize, usize)>,
}

impl Message {
    /// # Errors
    /// In words: it cannot be sent as one request.
    pub fn new(
        raw: &RawRequest<'_>,
        host: &str,
        agent: &str,
        patience: Duration,
    ) -> Result<Self, String> {
        let method = Method::from_bytes(raw.verb.as_bytes())
            .map_err(|_| format!("`{}` cannot be a method", raw.verb.escape_debug()))?;
        check_target(raw.target)?;
        for (name, value) in raw.headers {
            check_header(name, value)?;
        }
        let cut = match (raw.cut_body_at, raw.body) {
            (None, _) => None,
            (Some(at), Some(body)) => Some((at.min(body.len()), body.len())),
            (Some(_), None) => return Err("there is no body that could be cut".into()),
        };
        Ok(Self {
            method,
            head: head(raw, host, agent),
            body: raw.body.map(|body| framed(body, raw.chunked, cut)),
            expects: raw.expect_continue.then_some(patience),
            cut,
        })
    }
}

/// The headers that belong to the request and not to our connection or run.
pub(super) fn recorded(raw: &RawRequest<'_>) -> Vec<(String, String)> {
    let mut headers = raw.headers.to_vec();
    for (name, value) in asked(raw) {
        headers.push((name.to_owned(), value.to_owned()));
    }
    headers
}

/// The headers that the request's switches stand for, unless they are written already.
fn asked(raw: &RawRequest<'_>) -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        (raw.expect_continue, "Expect", "100-continue"),
        (raw.chunked, "Transfer-Encoding", "chunked"),
    ]
    .into_iter()
    .filter(|(on, name, _)| *on && !has(raw, name))
    .map(|(_, name, value)| (name, value))
}

/// What would end the target or the line is refused; everything else is the server's to judge.
fn check_target(target: &str) -> Result<(), String> {
    if !target.starts_with('/') && !target.starts_with("https://") {
        return Err("the request target has to start with `/` or `https://`".into());
    }
    if !sendable(target) {
        return Err("the request target has a space or a control character".into());
    }
    Ok(())
}

/// Whether nothing in it would end the request's first line, or a part of it.
pub(super) fn sendable(target: &str) -> bool {
    !target.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    HeaderName::try_from(name)
        .map_err(|_| format!("`{}` cannot name a header", name.escape_debug()))?;
    HeaderValue::try_from(value)
        .map_err(|_| format!("the header {name} has characters that no header can carry"))?;
    Ok(())
}

fn head(raw: &RawRequest<'_>, host: &str, agent: &str) -> Vec<u8> {
    let minor = u8::from(!raw.http_1_0);
    let mut text = format!("{} {} HTTP/1.{minor}\r\n", raw.verb, raw.target);
    let mut line = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            text.push_str(part);
        }
    };
    for (name, value) in [("Host", host), ("User-Agent", agent)] {
        if !has(raw, name) {
            line(name, value);
        }
    }
    for (name, value) in raw.headers {
        line(name, value);
    }
    for (name, value) in asked(raw) {
        line(name, value);
    }
    // A PUT without content has to say so (RFC 9110 section 8.6).
    let length = raw.body.map(<[u8]>::len);
    let length = length.or((raw.verb == "PUT").then_some(0));
    if let Some(length) = length
        && !raw.chunked
        && !has(raw, "Content-Length")
        && !has(raw, "Transfer-Encoding")
    {
        line("Content-Length", &length.to_string());
    }
    text.push_str("\r\n");
    text.into_bytes()
}

fn framed(body: &[u8], chunked: bool, cut: Option<(usize, usize)>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 32);
    // The empty chunk is the last one.
    if chunked && !body.is_empty() {
        bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
    }
    if let Some((at, _)) = cut {
        bytes.extend_from_slice(&body[..at]);
        return bytes;
    }
    bytes.extend_from_slice(body);
    if chunked {
        let end = if body.is_empty() { "" } else { "\r\n" };
        bytes.extend_from_slice(format!("{end}0\r\n\r\n").as_bytes());
    }
    bytes
}

fn has(raw: &RawRequest<'_>, name: &str) -> bool {
    raw.headers
        .iter()
        .any(|(given, _)| given.eq_ignore_ascii_case(name))
}
