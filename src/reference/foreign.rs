//! An issuer that nobody trusts, and a host for keys to which the headers of tokens refer. Whoever connects
//! has fetched something before it looked at trust.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;

use super::server::{self, Callers, Port, Server};
use super::{Authority, ReferenceError};

/// Requests that are remembered.
const MOST: usize = 100;
/// How often, and after which pause, a prescribed port is asked for.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens servers with one certificate, each on a port of its own unless one is prescribed.
pub struct Foreign {
    host: Option<String>,
    port: u16,
    tls: RustlsConfig,
    key: Value,
    /// Held by whoever listens on the one port that is prescribed.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A listening server; it ends when dropped.
pub struct Listening {
    origin: String,
    callers: Callers,
    requests: Arc<Mutex<Vec<String>>>,
    _server: Server,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Foreign {
    /// `host` is the name under which it can be reached; without one, only this machine can. With port 0
    /// each server has a port of its own. `key` is the public key, a JWK, that it publishes.
    ///
    /// # Errors
    /// A certificate cannot be made.
    pub fn new(
        authority: &Authority,
        host: Option<String>,
        port: u16,
        key: Value,
    ) -> Result<Self, ReferenceError> {
        Ok(Self {
            host,
            port,
            tls: server::tls(authority)?,
            key,
            turn: Arc::default(),
        })
    }

    /// Begins to listen; waits for the port if there is only one.
    ///
    /// # Errors
    /// The port cannot be had.
    pub async fn open(&self) -> Result<Listening, ReferenceError> {
        let turn = match self.port {
            0 => None,
            _ => Some(Arc::clone(&self.turn).lock_owned().await),
        };
        let (address, host) = match &self.host {
            Some(host) => (Ipv4Addr::UNSPECIFIED, host.as_str()),
            None => (Ipv4Addr::LOCALHOST, "localhost"),
        };
        let port = self.take(address).await?;
        let origin = format!("https://{host}:{}", port.number());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let router = router(&origin, &self.key, Arc::clone(&requests));
        let callers = Callers::default();
        let server = port.serve_counted(self.tls.clone(), router, Some(Arc::clone(&callers)))?;
        Ok(Listening {
            origin,
            callers,
            requests,
            _server: server,
            _turn: turn,
        })
    }

    /// The prescribed port may still be let go by the server before.
    async fn take(&self, address: Ipv4Addr) -> Result<Port, ReferenceError> {
        for _ in 0..TRIES {
            match Port::take_at(address, self.port) {
                Err(_) if self.port != 0 => tokio::time::sleep(PAUSE).await,
                taken => return taken,
            }
        }
        Port::take_at(address, self.port)
    }
}

impl Listening {
    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many connections there were, and what came over them, in words.
    pub fn heard(&self) -> (usize, String) {
        let callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let from = callers.last().map(|caller| caller.ip().to_string());
        let from = from.unwrap_or_else(|| "nobody".into());
        let asked = match requests.as_slice() {
            [] => "without a request".to_owned(),
            some => format!("for {}", some.join(", ")),
        };
        (callers.len(), format!("from {from} {asked}"))
    }
}

/// The documents of an issuer (OpenID Connect Discovery 1.0 section 4, RFC 7517 section 5).
fn router(origin: &str, key: &Value, requests: Arc<Mutex<Vec<String>>>) -> Router {
    let metadata = json!({
        "issuer": format!("{origin}/"),
        "jwks_uri": format!("{origin}/jwks"),
    });
    let keys = json!({ "keys": [key] });
    Router::new().fallback(move |request: Request| {
        let path = request.uri().path().to_owned();
        let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() < MOST {
            let shown: String = path.chars().take(200).collect();
            requests.push(format!("{} {shown}", request.method()));
        }
        let answer: Response = match path.as_str() {
            "/.well-known/openid-configuration" => Json(&metadata).into_response(),
            "/jwks" => Json(&keys).into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        };
        async move { answer }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::still_waits;

    #[tokio::test]
    async fn connections_count_with_and_without_a_request() {
        let authority = Authority::new().unwrap();
        let key = json!({"kty": "EC"});
        let foreign = Foreign::new(&authority, None, 0, key.clone()).unwrap();
        let (one, other) = (foreign.open().await.unwrap(), foreign.open().await.unwrap());
        assert_ne!(one.origin(), other.origin());
        assert_eq!(one.heard().0, 0);

        let client = server::client(authority.ca_pem()).unwrap();
        let url = format!("{}/jwks", one.origin());
        let body = client.get(url).send().await.unwrap().bytes().await.unwrap();
        let keys: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(keys["keys"][0], key);
        let (count, text) = one.heard();
        assert_eq!((count, text.as_str()), (1, "from 127.0.0.1 for GET /jwks"));

        // Who does not trust the certificate has connected all the same.
        let stranger = server::client(Authority::new().unwrap().ca_pem()).unwrap();
        assert!(stranger.get(other.origin()).send().await.is_err());
        let (count, text) = other.heard();
        assert_eq!(
            (count, text.as_str()),
            (1, "from 127.0.0.1 without a request")
        );
        assert_eq!(one.heard().0, 1);
    }

    #[tokio::test]
    async fn a_prescribed_port_is_taken_by_one_after_another() {
        let authority = Authority::new().unwrap();
        let number = Port::take(0).unwrap().number();
        let host = Some("127.0.0.1".to_owned());
        let foreign = Foreign::new(&authority, host, number, json!({})).unwrap();
        let first = foreign.open().await.unwrap();
        assert_eq!(first.origin(), format!("https://127.0.0.1:{number}"));
        assert!(still_waits(foreign.open()).await, "the first one has it");
        drop(first);
        let second = foreign.open().await.unwrap();
        let client = server::client(authority.ca_pem()).unwrap();
        assert!(client.get(second.origin()).send().await.is_ok());
        assert_eq!(second.heard().0, 1);
    }
}
