//! Our own other side of transfers: a source and a sink over HTTPS that remember what they were asked, and
//! play a part.

mod behaviour;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum_server::tls_rustls::RustlsConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use secrecy::SecretString;
use tokio::sync::{Notify, OnceCell, watch};
use url::Url;

use super::server::{self, Port, Server};
use super::{Authority, ReferenceError};
use touchstone_model::{PeerBehaviour, PeerRequest};

/// Opens an object whose address has it; as text, and decoded, it is something else.
const QUERY: &str = "ticket=a%2Fb%20c&n=1";
/// A name that is nobody's (RFC 6761 section 6.4).
const ANOTHER_NAME: &str = "another.invalid";

/// Whose certificates our side has.
pub enum Identity {
    /// Of an authority of our own, whom the storage elements trust: every part can be played.
    Authority(Arc<Authority>),
    /// One that somebody gave us, and that the storage elements trust.
    Given {
        /// The chain, the server's own first.
        chain: Vec<CertificateDer<'static>>,
        /// Its key.
        key: PrivateKeyDer<'static>,
    },
}

/// Where our side can be reached.
pub struct TransferPeerOptions {
    /// The name under which it is known; without one only this machine reaches it.
    pub host: Option<String>,
    /// The first of the ports that it listens on, one for each kind of door; 0 for any free ones.
    pub port: u16,
    /// Its certificates.
    pub identity: Identity,
}

/// The other side of any number of transfers.
pub struct TransferPeerServer {
    options: TransferPeerOptions,
    shared: Arc<Mutex<HashMap<String, Arc<State>>>>,
    main: OnceCell<PeerListener>,
    cleartext: OnceCell<PeerListener>,
    untrusted: OnceCell<PeerListener>,
    misnamed: OnceCell<PeerListener>,
    expired: OnceCell<PeerListener>,
    elsewhere: OnceCell<PeerListener>,
}

struct PeerListener {
    origin: String,
    _server: Server,
}

/// A scene: one object, and what was asked about it. It ends when dropped.
pub struct OpenedPeer {
    id: String,
    url: String,
    state: Arc<State>,
    shared: Arc<Mutex<HashMap<String, Arc<State>>>>,
}

/// What is known of a scene.
struct State {
    part: PeerBehaviour,
    content: Vec<u8>,
    credential: Option<SecretString>,
    /// Where a redirect of this scene leads.
    onward: Option<String>,
    heard: Mutex<Vec<PeerRequest>>,
    finished: Mutex<Option<Instant>>,
    halfway: Arc<Notify>,
    /// How many requests are being served.
    present: watch::Sender<usize>,
    /// What a push has brought.
    stored: Mutex<Option<Vec<u8>>>,
}

impl TransferPeerServer {
    /// Nobody listens before the first scene.
    pub fn new(options: TransferPeerOptions) -> Self {
        Self {
            options,
            shared: Arc::default(),
            main: OnceCell::new(),
            cleartext: OnceCell::new(),
            untrusted: OnceCell::new(),
            misnamed: OnceCell::new(),
            expired: OnceCell::new(),
            elsewhere: OnceCell::new(),
        }
    }

    /// Opens a scene, in whose address `folder` stands. With a `credential`, nobody is served without it as a bearer token.
    ///
    /// # Errors
    /// In words, why this part cannot be played here.
    pub async fn open(
        &self,
        part: PeerBehaviour,
        folder: &str,
        content: Vec<u8>,
        credential: Option<SecretString>,
    ) -> Result<OpenedPeer, String> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let origin = self.listener(part).await?;
        let query = match part {
            PeerBehaviour::Queried => format!("?{QUERY}"),
            _ => String::new(),
        };
        let url = format!("{origin}/{id}/{folder}/object{query}");
        let onward = match part {
            PeerBehaviour::Elsewhere => {
                Some(format!("{}/{id}/onward", self.other_origin(&origin).await?))
            }
            PeerBehaviour::Cleartext => {
                let listener = self.cleartext.get_or_try_init(|| self.plain()).await;
                let listener = listener.map_err(|error| error.to_string())?;
                Some(format!("{}/{id}/onward", listener.origin))
            }
            PeerBehaviour::Circling => Some(url.clone()),
            _ => None,
        };
        let state = Arc::new(State {
            part,
            content,
            credential,
            onward,
            heard: Mutex::default(),
            finished: Mutex::default(),
            halfway: Arc::default(),
            present: watch::Sender::new(0),
            stored: Mutex::default(),
        });
        locked(&self.shared).insert(id.clone(), Arc::clone(&state));
        Ok(OpenedPeer {
            id,
            url,
            state,
            shared: Arc::clone(&self.shared),
        })
    }

    /// The origin at which that part is played.
    async fn listener(&self, part: PeerBehaviour) -> Result<String, String> {
        let listener = match part {
            PeerBehaviour::Untrusted => {
                let tls = || async { self.tls(&Authority::new()?.certificate()?) };
                self.untrusted
                    .get_or_try_init(|| async { self.secure(tls().await?, 2) })
                    .await
            }
            PeerBehaviour::Expired => {
                let authority = self.authority("has no expired certificate of that kind")?;
                self.expired
                    .get_or_try_init(|| async {
                        self.secure(self.tls(&authority.expired_certificate()?)?, 3)
                    })
                    .await
            }
            PeerBehaviour::Misnamed if matches!(self.options.identity, Identity::Given { .. }) => {
                return self.by_address().await;
            }
            PeerBehaviour::Plain => self.cleartext.get_or_try_init(|| self.plain()).await,
            PeerBehaviour::Misnamed => {
                let authority = self.authority("has only certificates for its own name")?;
                self.misnamed
                    .get_or_try_init(|| async {
                        let certificate = authority.certificate_for(&[ANOTHER_NAME])?;
                        self.secure(self.tls(&certificate)?, 4)
                    })
                    .await
            }
            _ => self.main_listener().await,
        };
        let listener = listener.map_err(|error: ReferenceError| format!("our side: {error}"))?;
        Ok(listener.origin.clone())
    }

    fn authority(&self, lacking: &str) -> Result<&Authority, String> {
        match &self.options.identity {
            Identity::Authority(authority) => Ok(authority),
            Identity::Given { .. } => Err(format!(
                "our other side {lacking} that the storage element would trust otherwise; only with an authority of our own"
            )),
        }
    }

    async fn main_listener(&self) -> Result<&PeerListener, ReferenceError> {
        self.main
            .get_or_try_init(|| async { self.secure(self.main_tls()?, 0) })
            .await
    }

    /// The same door by an address of its host, for which its certificate is not.
    async fn by_address(&self) -> Result<String, String> {
        let listener = self.main_listener().await;
        let listener = listener.map_err(|error| format!("our side: {error}"))?;
        let (host, port) = origin_of(&listener.origin)
            .ok_or("our other side has no name that a certificate could be for")?;
        let found = tokio::net::lookup_host((host.as_str(), port)).await;
        let found = found.map_err(|error| format!("our other side has no address: {error}"))?;
        // It listens on addresses of this kind.
        let mut addresses = found.map(|one| one.ip()).filter(IpAddr::is_ipv4);
        let other = addresses.find(|one| !self.certified(*one));
        other
            .map(|address| format!("https://{address}:{port}"))
            .ok_or_else(|| {
                "our other side has no address that its certificate is not for as well".to_owned()
            })
    }

    /// Whether the certificate that we were given is for that address.
    fn certified(&self, address: IpAddr) -> bool {
        let Identity::Given { chain, .. } = &self.options.identity else {
            return true;
        };
        let Some(Ok(certificate)) = chain.first().map(ParsedCertificate::try_from) else {
            return true;
        };
        verify_server_name(&certificate, &ServerName::from(address)).is_ok()
    }

    /// Another origin of ours: the same door under another of its names, or where there is none, another port, which is that of
    /// the expired certificate otherwise.
    async fn other_origin(&self, origin: &str) -> Result<String, String> {
        if matches!(self.options.identity, Identity::Authority(_)) {
            return Ok(origin.replace("://localhost:", "://127.0.0.1:"));
        }
        let listener = self
            .elsewhere
            .get_or_try_init(|| async { self.secure(self.main_tls()?, 3) })
            .await;
        let listener = listener.map_err(|error| format!("our side: {error}"))?;
        Ok(listener.origin.clone())
    }

    fn main_tls(&self) -> Result<RustlsConfig, ReferenceError> {
        match &self.options.identity {
            Identity::Authority(authority) => self.tls(&authority.certificate()?),
            Identity::Given { chain, key } => server::tls_with(chain.clone(), key.clone_key()),
        }
    }

    fn tls(&self, certificate: &super::ServerCertificate) -> Result<RustlsConfig, ReferenceError> {
        server::tls_of(certificate)
    }

    fn port(&self, offset: u16) -> Result<Port, ReferenceError> {
        let number = match self.options.port {
            0 => 0,
            first => first.saturating_add(offset),
        };
        let address = match self.options.host {
            Some(_) => Ipv4Addr::UNSPECIFIED,
            None => Ipv4Addr::LOCALHOST,
        };
        Port::take_at(address, number)
    }

    fn origin(&self, scheme: &str, number: u16) -> String {
        let host = self.options.host.as_deref().unwrap_or("localhost");
        format!("{scheme}://{host}:{number}")
    }

    fn secure(&self, tls: RustlsConfig, offset: u16) -> Result<PeerListener, ReferenceError> {
        let port = self.port(offset)?;
        let number = port.number();
        let server = port.serve_counted(tls, self.router(true), None)?;
        Ok(PeerListener {
            origin: self.origin("https", number),
            _server: server,
        })
    }

    async fn plain(&self) -> Result<PeerListener, ReferenceError> {
        let port = self.port(1)?;
        let number = port.number();
        let server = port.serve_plain(self.router(false))?;
        Ok(PeerListener {
            origin: self.origin("http", number),
            _server: server,
        })
    }

    fn router(&self, secure: bool) -> Router {
        let shared = Arc::clone(&self.shared);
        Router::new().fallback(move |request: Request| {
            let mut parts = request.uri().path().trim_start_matches('/').split('/');
            let id = parts.next().unwrap_or_default().to_owned();
            let onward = parts.next() == Some("onward");
            let state = locked(&shared).get(&id).cloned();
            behaviour::answer(state, request, secure, onward)
        })
    }
}

impl OpenedPeer {
    /// Where the object is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked so far, in order.
    pub fn requests(&self) -> Vec<PeerRequest> {
        locked(&self.state.heard).clone()
    }

    /// When the last byte was on its way.
    pub fn finished(&self) -> Option<Instant> {
        *locked(&self.state.finished)
    }

    /// Told once half of the data are on their way.
    pub fn halfway(&self) -> Arc<Notify> {
        Arc::clone(&self.state.halfway)
    }

    /// Returns when nobody is being served.
    pub async fn is_abandoned(&self) {
        let mut present = self.state.present.subscribe();
        // The sender lives as long as the state.
        let _ = present.wait_for(|count| *count == 0).await;
    }
}

impl Drop for OpenedPeer {
    fn drop(&mut self) {
        locked(&self.shared).remove(&self.id);
    }
}

/// Host and port of an origin.
fn origin_of(origin: &str) -> Option<(String, u16)> {
    let url = Url::parse(origin).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    Some((host, url.port_or_known_default()?))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
