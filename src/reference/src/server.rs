//! HTTPS on a loopback port, for as long as somebody holds it; and the client side of the same trust.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::middleware::AddExtension;
use axum_server::Handle;
use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use futures_util::future::BoxFuture;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ClientConfig, RootCertStore, ServerConfig};
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{Authority, ReferenceError, ServerCertificate};

const BACKLOG: u32 = 1024;
const CONNECT: Duration = Duration::from_secs(5);
const WHOLE_REQUEST: Duration = Duration::from_secs(10);

/// A port that is taken, on which nobody listens yet.
pub(super) struct Port {
    socket: TcpSocket,
    number: u16,
    public: u16,
}

/// A running server; ends when dropped, with every connection.
pub(super) struct Server {
    handle: Handle<SocketAddr>,
}

impl Port {
    /// Takes `port` on 127.0.0.1, or any free one if it is 0.
    pub(super) fn take(port: u16) -> Result<Self, ReferenceError> {
        Self::take_at(Ipv4Addr::LOCALHOST, port)
    }

    /// The same on another address.
    pub(super) fn take_at(address: Ipv4Addr, port: u16) -> Result<Self, ReferenceError> {
        let refused = |source| ReferenceError::Bind { port, source };
        let socket = TcpSocket::new_v4().map_err(refused)?;
        // Without it a service on a fixed port could not be started twice within a minute.
        socket.set_reuseaddr(port != 0).map_err(refused)?;
        socket.bind((address, port).into()).map_err(refused)?;
        let number = socket.local_addr().map_err(refused)?.port();
        Ok(Self {
            socket,
            number,
            public: number,
        })
    }

    /// The server is known by another port, that of a relay in front of it; 0 is its own.
    pub(super) fn known_as(self, public: u16) -> Self {
        match public {
            0 => self,
            public => Self { public, ..self },
        }
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Scheme, host and port under which the server is known, without a trailing slash.
    pub(super) fn origin(&self) -> String {
        format!("https://localhost:{}", self.public)
    }

    /// Listens and serves `router` with a new certificate of `authority`.
    pub(super) fn serve(
        self,
        authority: &Authority,
        router: Router,
    ) -> Result<Server, ReferenceError> {
        self.serve_counted(tls(authority)?, router, None)
    }

    fn listen(self) -> Result<axum_server::Server<SocketAddr>, ReferenceError> {
        let port = self.number;
        let refused = |source| ReferenceError::Bind { port, source };
        let listening = self.socket.listen(BACKLOG);
        let listener = listening.and_then(tokio::net::TcpListener::into_std);
        axum_server::from_tcp(listener.map_err(refused)?).map_err(refused)
    }

    /// The same without TLS.
    pub(super) fn serve_plain(self, router: Router) -> Result<Server, ReferenceError> {
        let port = self.number;
        let handle = Handle::new();
        let server = self.listen()?.handle(handle.clone());
        tokio::spawn(async move {
            let served = server.serve(router.into_make_service()).await;
            if let Err(error) = served {
                tracing::warn!(port, %error, "embedded server ended");
            }
        });
        Ok(Server { handle })
    }

    /// The same with what [`tls`] made; `callers` are told of every connection before its handshake.
    pub(super) fn serve_counted(
        self,
        tls: RustlsConfig,
        router: Router,
        callers: Option<Callers>,
    ) -> Result<Server, ReferenceError> {
        let inner = with_tls(tls);
        self.serve_accepting(Noting { inner, callers }, router)
    }

    /// The same to whom `acceptor` takes, which is made of what [`with_tls`] gives.
    pub(super) fn serve_accepting<A>(
        self,
        acceptor: A,
        router: Router,
    ) -> Result<Server, ReferenceError>
    where
        A: Accept<TcpStream, ConnectedRouter, Service = ConnectedRouter>
            + Clone
            + Send
            + Sync
            + 'static,
        A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
        A::Future: Send,
    {
        let port = self.number;
        let handle = Handle::new();
        let server = self
            .listen()?
            .acceptor(acceptor)
            .http1_only()
            .handle(handle.clone());
        tokio::spawn(async move {
            if let Err(error) = server
                .serve(router.into_make_service_with_connect_info::<Connection>())
                .await
            {
                tracing::warn!(port, %error, "embedded server ended");
            }
        });
        Ok(Server { handle })
    }
}

/// What serves a single connection.
pub(super) type ConnectedRouter = AddExtension<Router, ConnectInfo<Connection>>;

/// A connection of a client, whose port comes back with another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    /// No other connection of this process has it; later ones have higher numbers.
    pub(super) number: u64,
    /// The client's end.
    pub(super) peer: SocketAddr,
}

impl Connected<SocketAddr> for Connection {
    fn connect_info(peer: SocketAddr) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            peer,
        }
    }
}

/// Takes connections with that TLS.
pub(super) fn with_tls(tls: RustlsConfig) -> RustlsAcceptor<NoDelayAcceptor> {
    // Without it an answer waits 40 ms until the client acknowledges the handshake's last records.
    RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new())
}

/// Is told of each client that connects, with nothing, and then of the first bytes that it sends.
pub(super) type Callers = Arc<dyn Fn(SocketAddr, &[u8]) + Send + Sync>;

/// Of the first bytes, so many at most.
const FIRST: usize = 512;

/// Notes who connects.
#[derive(Clone)]
struct Noting<A> {
    inner: A,
    callers: Option<Callers>,
}

impl<A, S> Accept<TcpStream, S> for Noting<A>
where
    A: Accept<TcpStream, S, Future: Send> + Clone + Send + 'static,
    S: Send + 'static,
{
    type Stream = A::Stream;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(A::Stream, A::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self { inner, callers } = self.clone();
        Box::pin(async move {
            if let (Some(callers), Ok(caller)) = (callers, stream.peer_addr()) {
                callers(caller, &[]);
                let mut first = [0; FIRST];
                let read = timeout(WHOLE_REQUEST, stream.peek(&mut first)).await;
                if let Ok(Ok(count @ 1..)) = read {
                    callers(caller, &first[..count]);
                }
            }
            inner.accept(stream, service).await
        })
    }
}

/// The server side of TLS with a new certificate of `authority`.
pub(super) fn tls(authority: &Authority) -> Result<RustlsConfig, ReferenceError> {
    tls_of(&authority.certificate()?)
}

/// The same with that certificate.
pub(super) fn tls_of(certificate: &ServerCertificate) -> Result<RustlsConfig, ReferenceError> {
    let (chain, key) = parsed(certificate)?;
    tls_with(chain, key)
}

/// The same with that chain and key.
pub(super) fn tls_with(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<RustlsConfig, ReferenceError> {
    Ok(RustlsConfig::from_config(Arc::new(server_config(
        chain, key,
    )?)))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// What [`tls`] is made of.
#[cfg(test)]
pub(super) fn server_tls(authority: &Authority) -> Result<ServerConfig, ReferenceError> {
    let (chain, key) = parsed(&authority.certificate()?)?;
    server_config(chain, key)
}

pub(super) fn parsed(
    certificate: &ServerCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ReferenceError> {
    let chain = certificates(&certificate.certificate_pem)?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.expose_secret().as_bytes())
        .map_err(|error| ReferenceError::Tls(error.to_string()))?;
    Ok((chain, key))
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, ReferenceError> {
    let mut provider = aws_lc_rs::default_provider();
    // Most of the work here are handshakes, and this suite's hash is by far the cheapest.
    let cheapest = CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != cheapest);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.ignore_client_order = true;
    Ok(config)
}

/// A client that trusts `ca_pem`, or the system's roots if that is empty; it follows no redirect.
pub(super) fn client(ca_pem: &str) -> Result<reqwest::Client, ReferenceError> {
    let mut roots = RootCertStore::empty();
    let trusted = if ca_pem.trim().is_empty() {
        rustls_native_certs::load_native_certs().certs
    } else {
        certificates(ca_pem)?
    };
    roots.add_parsable_certificates(trusted);
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .http1_only()
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // Keys are fetched once in a while: a connection kept for them would be one of hundreds.
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT)
        .timeout(WHOLE_REQUEST)
        .build()
        .map_err(|error| ReferenceError::Tls(error.without_url().to_string()))
}

/// The certificates in a PEM text; at least one.
pub(super) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, ReferenceError> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ReferenceError::Tls(error.to_string()))?;
    if found.is_empty() {
        return Err(ReferenceError::Tls("no certificate in the PEM text".into()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_comes_back_is_another_connection() {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        let [one, other] = [0; 2].map(|_| Connection::connect_info(peer));
        assert_eq!(one.peer, other.peer);
        assert_ne!(one.number, other.number);
    }
}
