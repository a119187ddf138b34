//! What the server saw, byte for byte, and what the record says of it.

mod hostile;
mod kept;
mod moved;
mod sent;
mod server;

use std::time::{Duration, Instant};

use super::{KeptConnection, RawClient, RawRequest, WireOutcome};
use crate::http::tests::{SECRET, endpoint, limiter, redactor, token};
use crate::http::{Caller, Guard};
use crate::waiting::{HANGS, awaited};
use touchstone_model::{Limits, Method, Purpose};

use server::Server;

const CALLER: Caller<'_> = Caller {
    run: "r",
    case: "c",
};

fn wire(server: &Server, limits: Limits) -> RawClient {
    let endpoint = endpoint(&server.authority, server.port, limits);
    RawClient::new(&endpoint, &limiter(), &redactor(), Guard::open()).unwrap()
}

fn raw<'a>(method: Method, target: &'a str) -> RawRequest<'a> {
    RawRequest {
        method,
        verb: method.as_str(),
        target,
        headers: &[],
        body: None,
        tokens: &[],
        expect_continue: false,
        http_1_0: false,
        chunked: false,
        cut_body_at: None,
        deadline: Instant::now() + HANGS,
    }
}

fn get(target: &str) -> RawRequest<'_> {
    raw(Method::Get, target)
}

fn put<'a>(target: &'a str, body: &'a [u8]) -> RawRequest<'a> {
    RawRequest {
        body: Some(body),
        ..raw(Method::Put, target)
    }
}

async fn send(wire: &RawClient, raw: RawRequest<'_>) -> WireOutcome {
    wire.send(Purpose::Step, CALLER, raw).await
}

async fn send_on(connection: &mut KeptConnection, raw: RawRequest<'_>) -> WireOutcome {
    connection.send(Purpose::Step, CALLER, raw).await
}

/// Sends to a server of which nothing but the defaults is asked.
async fn once(server: &Server, raw: RawRequest<'_>) -> WireOutcome {
    send(&wire(server, Limits::patient()), raw).await
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The body of the answer, as text.
fn body(outcome: &WireOutcome) -> &str {
    str::from_utf8(&outcome.answer.as_ref().unwrap().body).unwrap()
}

fn failure(outcome: &WireOutcome) -> String {
    outcome.answer.as_ref().unwrap_err().to_string()
}
