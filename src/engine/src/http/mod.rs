//! Exchanges with storage elements over HTTPS: one request and its answer, redirects included,
//! recorded, capped and bounded in time. Where each byte of the request matters, [`RawClient`] sends it.

mod answer;
mod client;
mod exchange;
mod guard;
mod handshake;
mod limiter;
mod rate_limiter;
mod redirect;
mod remedy;
mod secret;
mod software;
mod tls;
mod wire;

use std::error::Error;
use std::time::Duration;

use tower::util::MapFutureLayer;
use tracing::Instrument;

use crate::trace::span;
use touchstone_model::Trust;

pub use client::{Caller, Client, Failure, Outcome, Outgoing};
pub(crate) use exchange::named;
pub use guard::Guard;
pub use limiter::HostLimiter;
pub use rate_limiter::RateLimiter;
pub(crate) use rate_limiter::retry_after;
pub use redirect::{RedirectPolicy, RedirectStep};
pub use remedy::remedy;
pub(crate) use secret::secret_value;
pub use software::software;
pub use tls::{TlsError, client_config};
pub use wire::{KeptConnection, RawClient, RawRequest, WireOutcome};

#[cfg(test)]
pub(crate) use guard::tests::path as spiteful_path;

#[cfg(test)]
pub(crate) mod tests;

/// How many further connections are tried for a request when the server closes each before anything was sent on it.
/// hyper does not always tell why the server did that: where a client certificate is demanded, the alert comes after
/// the client's part of the handshake (RFC 8446 section 4.4.2.4), and `connection was not ready` may be told instead.
const FURTHER_CONNECTIONS: u32 = 4;

/// A client for single requests beside the storage elements: no redirects, nothing recorded, and a connection for each.
/// A server may be closing a kept one just as a request goes out on it. Then nobody can tell whether the request was
/// read, and whether a refresh token in it is used up.
pub fn plain_client(trust: &[Trust], connect: Duration) -> Result<reqwest::Client, TlsError> {
    builder(client_config(trust)?, connect)
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| TlsError::Client(explain(&error)))
}

fn builder(tls: rustls::ClientConfig, connect: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(
            reqwest::retry::for_host(AnyHost)
                .no_budget()
                .max_retries_per_request(FURTHER_CONNECTIONS)
                .classify_fn(|tried| match tried.error().is_some_and(unsent) {
                    true => tried.retryable(),
                    false => tried.success(),
                }),
        )
        .no_proxy()
        .http1_only()
        // As curl writes them: some servers still compare header names letter by letter.
        .http1_title_case_headers()
        .connect_timeout(connect)
        .connector_layer(MapFutureLayer::new(|connecting| {
            let span = span!("connect");
            Instrument::instrument(connecting, span)
        }))
        .user_agent(concat!("touchstone/", env!("CARGO_PKG_VERSION")))
}

/// Equal to every host.
struct AnyHost;

impl PartialEq<&str> for AnyHost {
    fn eq(&self, _: &&str) -> bool {
        true
    }
}

/// Whether the connection was closed before anything of the request was sent on it.
fn unsent(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What went wrong, down to the cause, without the URL: it may hold a token.
pub fn explain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() && error.is_connect() {
        "no connection in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        "the exchange broke".to_owned()
    };
    if error.source().is_some() {
        text.push_str(": ");
        text.push_str(&cause(error));
    }
    text
}

/// The last in the chain of causes, which says what happened and does not hold the URL that was asked;
/// where TLS is what broke, with what helps.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    handshake::describe(last).unwrap_or_else(|| last.to_string())
}
