//! An issuer that nobody trusts, and a host for keys to which the headers of tokens refer. Whoever asks it for what a token
//! names has fetched something before it looked at trust.

use std::mem::discriminant;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;

use super::server::{self, Connection, Port, Server};
use super::{Authority, ReferenceError};
use touchstone_model::{Contact, Touch};

/// Contacts of each kind that are remembered.
const MOST: usize = 1000;
/// How often, and after which pause, a prescribed port is asked for.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens servers with one certificate, each on a port of its own unless one is prescribed.
pub struct CallbackHost {
    host: Option<String>,
    port: u16,
    tls: RustlsConfig,
    key: Value,
    /// Held by whoever listens on the one port that is prescribed.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A listening server; it ends when dropped.
pub struct ListeningCallback {
    origin: String,
    contacts: Arc<Mutex<Vec<Contact>>>,
    _server: Server,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl CallbackHost {
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
    pub async fn open(&self) -> Result<ListeningCallback, ReferenceError> {
        let turn = match self.port {
            0 => None,
            _ => Some(Arc::clone(&self.turn).lock_owned().await),
        };
        let (address, host) = match &self.host {
            Some(host) => (Ipv4Addr::UNSPECIFIED, host.as_str()),
            None => (Ipv4Addr::LOCALHOST, "localhost"),
        };
        let port = self.take(address).await?;
        // Whoever only looks for open ports does not know it.
        let name = uuid::Uuid::new_v4().simple().to_string();
        let origin = format!("https://{host}:{}/{name}", port.number());
        let contacts = Arc::<Mutex<Vec<Contact>>>::default();
        let router = router(&origin, &name, &self.key, Arc::clone(&contacts));
        let noted = Arc::clone(&contacts);
        let callers = Arc::new(move |caller: SocketAddr, said: &[u8]| {
            note(&noted, caller, touch(said, &name));
        });
        let server = port.serve_counted(self.tls.clone(), router, Some(callers))?;
        Ok(ListeningCallback {
            origin,
            contacts,
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

impl ListeningCallback {
    /// Scheme, host, port, and a path that nobody can guess.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Who came so far, and what for, in order.
    pub fn contacts(&self) -> Vec<Contact> {
        locked(&self.contacts).clone()
    }
}

/// What the first bytes of a connection are.
fn touch(said: &[u8], name: &str) -> Touch {
    /// The content type of a handshake, and what all versions of a record begin with.
    const HANDSHAKE: [u8; 2] = [22, 3];
    if said.is_empty() {
        return Touch::Connected;
    }
    if said.starts_with(&HANDSHAKE) {
        return Touch::Handshake;
    }
    // Other protocols than HTTP have the name as well.
    let text = String::from_utf8_lossy(said);
    asked(text.lines().next().unwrap_or_default(), name)
}

/// What a line asks for. The name, which is another one each time, is not repeated.
fn asked(line: &str, name: &str) -> Touch {
    // A client of Gopher drops the first character (RFC 4266 section 2.1).
    let mut told = [name, &name[1..]].into_iter();
    let told = told.find(|name| line.contains(name));
    let shown = told.map_or_else(|| line.to_owned(), |name| line.replace(name, "…"));
    let shown = shown.chars().take(200).collect();
    match told {
        Some(_) => Touch::Asked(shown),
        None => Touch::Strange(shown),
    }
}

fn note(contacts: &Mutex<Vec<Contact>>, caller: SocketAddr, what: Touch) {
    let mut contacts = locked(contacts);
    // What anybody can do does not crowd out what counts.
    let alike = |contact: &&Contact| discriminant(&contact.what) == discriminant(&what);
    if contacts.iter().filter(alike).count() < MOST {
        let from = caller.ip();
        contacts.push(Contact { from, what });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The documents of an issuer (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3.1, RFC 7517 section 5).
fn router(origin: &str, name: &str, key: &Value, contacts: Arc<Mutex<Vec<Contact>>>) -> Router {
    let metadata = json!({
        "issuer": format!("{origin}/"),
        "jwks_uri": format!("{origin}/jwks"),
    });
    let keys = json!({ "keys": [key] });
    let name = name.to_owned();
    Router::new().fallback(
        move |ConnectInfo(connection): ConnectInfo<Connection>, request: Request| {
            let path = request.uri().path().to_owned();
            let ours = path.contains(&name);
            let line = format!("{} {path}", request.method());
            note(&contacts, connection.peer, asked(&line, &name));
            let answer: Response = if !ours {
                StatusCode::NOT_FOUND.into_response()
            } else if path.contains("/.well-known/") {
                Json(&metadata).into_response()
            } else if path.ends_with("/jwks") {
                Json(&keys).into_response()
            } else {
                StatusCode::NOT_FOUND.into_response()
            };
            async move { answer }
        },
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;
    use url::Url;

    use super::*;
    use crate::waiting::{awaited, still_waits};

    fn whats(listening: &ListeningCallback) -> Vec<Touch> {
        let heard = listening.contacts();
        assert!(heard.iter().all(|contact| contact.from.is_loopback()));
        heard.into_iter().map(|contact| contact.what).collect()
    }

    #[tokio::test]
    async fn what_the_token_names_is_told_from_everything_else() {
        let authority = Authority::new().unwrap();
        let key = json!({"kty": "EC"});
        let foreign = CallbackHost::new(&authority, None, 0, key.clone()).unwrap();
        let (one, other) = (foreign.open().await.unwrap(), foreign.open().await.unwrap());
        assert_ne!(one.origin(), other.origin());
        assert_eq!(one.contacts(), []);

        let client = server::client(authority.ca_pem()).unwrap();
        let url = Url::parse(&format!("{}/jwks", one.origin())).unwrap();
        let answer = client.get(url.clone()).send().await.unwrap();
        let keys: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(keys["keys"][0], key);
        let asked = Touch::Asked("GET /…/jwks".into());
        assert_eq!(
            whats(&one),
            [Touch::Connected, Touch::Handshake, asked.clone()]
        );
        for place in ["/", "/jwks", "/.well-known/openid-configuration"] {
            let answer = client.get(url.join(place).unwrap()).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{place}");
            let strange = Touch::Strange(format!("GET {place}"));
            assert_eq!(whats(&one).last(), Some(&strange));
        }
        // As OpenID Connect and RFC 8414 build the address from that of the issuer.
        let name = one.origin().rsplit('/').next().unwrap();
        for place in [
            format!("/{name}/.well-known/openid-configuration"),
            format!("/.well-known/oauth-authorization-server/{name}"),
        ] {
            let answer = client.get(url.join(&place).unwrap()).send().await.unwrap();
            let metadata: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            assert_eq!(metadata["issuer"], format!("{}/", one.origin()));
        }

        // Who does not trust the certificate has come all the same.
        let stranger = server::client(Authority::new().unwrap().ca_pem()).unwrap();
        assert!(stranger.get(other.origin()).send().await.is_err());
        assert_eq!(whats(&other), [Touch::Connected, Touch::Handshake]);
    }

    #[test]
    fn noise_does_not_crowd_out_what_counts() {
        let contacts = Mutex::default();
        let caller = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        for what in [Touch::Connected, Touch::Strange("GET /".into())] {
            for _ in 0..2 * MOST {
                note(&contacts, caller, what.clone());
            }
        }
        for what in [Touch::Handshake, Touch::Asked("GET /…/jwks".into())] {
            note(&contacts, caller, what.clone());
            assert_eq!(locked(&contacts).last().unwrap().what, what);
        }
        assert_eq!(locked(&contacts).len(), 2 * MOST + 2);
    }

    #[tokio::test]
    async fn other_protocols_are_heard() {
        let authority = Authority::new().unwrap();
        let foreign = CallbackHost::new(&authority, None, 0, json!({})).unwrap();
        let listening = foreign.open().await.unwrap();
        let url = Url::parse(listening.origin()).unwrap();
        let port = url.port().unwrap();
        let gopher = format!("{}/marker\r\n", &url.path()[2..]);
        for (said, heard) in [
            ("", None),
            (gopher.as_str(), Some(Touch::Asked("…/marker".into()))),
            (
                "GET / HTTP/1.0\r\n\r\n",
                Some(Touch::Strange("GET / HTTP/1.0".into())),
            ),
        ] {
            let before = listening.contacts().len();
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            let all = 1 + usize::from(heard.is_some());
            awaited("the contact", async {
                while listening.contacts().len() < before + all {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
            .await;
            let whats = whats(&listening);
            assert_eq!(whats[before], Touch::Connected);
            assert_eq!(whats.get(before + 1), heard.as_ref());
        }
    }

    #[tokio::test]
    async fn a_prescribed_port_is_taken_by_one_after_another() {
        let authority = Authority::new().unwrap();
        let number = Port::take(0).unwrap().number();
        let host = Some("127.0.0.1".to_owned());
        let foreign = CallbackHost::new(&authority, host, number, json!({})).unwrap();
        let first = foreign.open().await.unwrap();
        let begin = format!("https://127.0.0.1:{number}/");
        assert!(first.origin().starts_with(&begin));
        assert!(still_waits(foreign.open()).await, "the first one has it");
        drop(first);
        let second = foreign.open().await.unwrap();
        let client = server::client(authority.ca_pem()).unwrap();
        assert!(client.get(second.origin()).send().await.is_ok());
        assert_eq!(second.contacts().len(), 3);
    }
}
