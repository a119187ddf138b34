use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::service::Service;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::Instrument as _;
use url::{Host, Url};

use crate::http::client::Failure;
use crate::http::guard::Guard;
use crate::http::redirect::RedirectPolicy;
use crate::http::{HostLimiter, TlsError, cause, client_config};
use crate::trace::span;
use touchstone_model::redact::Redactor;
use touchstone_model::{Endpoint, Limits};

use super::connection::Connection;

/// How long a silent server is waited for before the body is sent all the same.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// Where connections to one endpoint come from.
#[derive(Clone)]
pub(super) struct Connector {
    pub endpoint: String,
    /// Scheme, host and port, without a trailing slash.
    pub origin: String,
    /// For the `Host` header.
    pub host: String,
    pub limits: Limits,
    /// How long a silent server is waited for before a body that asked for its word is sent all the same.
    pub continue_timeout: Duration,
    pub limiter: Arc<HostLimiter>,
    pub guard: Guard,
    pub redactor: Redactor,
    pub redirects: RedirectPolicy,
    to: Uri,
    name: ServerName<'static>,
    /// A host of which one address alone counts.
    pinned: Option<(String, IpAddr)>,
    /// Tries all addresses of a host, those of both families side by side.
    tcp: TowerToHyperService<HttpConnector>,
    tls: TlsConnector,
}

/// What of a URL says where to connect.
struct Target {
    origin: String,
    host: String,
    to: Uri,
    name: ServerName<'static>,
}

impl Target {
    fn of(url: &Url, pinned: Option<&(String, IpAddr)>) -> Result<Self, TlsError> {
        let origin = url.origin().ascii_serialization();
        let unusable = || TlsError::Client(format!("{origin} has no host that TLS could name"));
        let name = match url.host().ok_or_else(unusable)? {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| unusable())?,
            Host::Ipv4(address) => ServerName::from(IpAddr::from(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::from(address)),
        };
        let mut to = origin.clone();
        if let Some((_, address)) = pinned.filter(|(host, _)| url.host_str() == Some(host)) {
            let port = url.port_or_known_default().ok_or_else(unusable)?;
            to = format!("{}://{}", url.scheme(), SocketAddr::new(*address, port));
        }
        Ok(Self {
            host: origin.split_once("://").ok_or_else(unusable)?.1.to_owned(),
            to: to.as_str().parse().map_err(|_| unusable())?,
            name,
            origin,
        })
    }
}

impl Connector {
    pub fn new(
        endpoint: &Endpoint,
        limiter: &Arc<HostLimiter>,
        redactor: &Redactor,
        guard: Guard,
    ) -> Result<Self, TlsError> {
        let mut tls = client_config(&endpoint.ca)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(endpoint.limits.connect));
        let host = endpoint.url.host_str().map(str::to_owned);
        let pinned = host.zip(endpoint.address);
        let Target {
            origin,
            host,
            to,
            name,
        } = Target::of(&endpoint.url, pinned.as_ref())?;
        Ok(Self {
            endpoint: endpoint.name.clone(),
            to,
            origin,
            host,
            limits: endpoint.limits.clone(),
            continue_timeout: CONTINUE_TIMEOUT,
            limiter: Arc::clone(limiter),
            guard,
            redactor: redactor.clone(),
            redirects: RedirectPolicy::new(&endpoint.url, &endpoint.redirect_hosts),
            name,
            pinned,
            tcp: TowerToHyperService::new(tcp),
            tls: TlsConnector::from(Arc::new(tls)),
        })
    }

    /// The same for another service, to which this one has redirected.
    ///
    /// # Errors
    /// Its host is no name for TLS.
    pub fn elsewhere(&self, url: &Url) -> Result<Self, TlsError> {
        let Target {
            origin,
            host,
            to,
            name,
        } = Target::of(url, self.pinned.as_ref())?;
        Ok(Self {
            origin,
            host,
            to,
            name,
            ..self.clone()
        })
    }

    /// The same, but a body that waits for the server's word comes without it only after so long.
    #[cfg(test)]
    pub fn keeping_bodies_back(&self, patience: Duration) -> Self {
        Self {
            continue_timeout: patience,
            ..self.clone()
        }
    }

    /// A new connection, if there is so much time.
    pub async fn open(&self, most: Duration) -> Result<Connection, Failure> {
        let opening = async {
            let tcp = self.tcp.call(self.to.clone()).await;
            let tcp = tcp.map_err(|error| cause(&error))?.into_inner();
            let tls = self.tls.connect(self.name.clone(), tcp).await;
            Connection::new(tls.map_err(|error| cause(&error))?).await
        };
        let opening = opening.instrument(span!("connect"));
        match timeout(self.limits.connect.min(most), opening).await {
            Err(_) => Err(self.failure("no connection in time".into(), false)),
            Ok(Err(reason)) => Err(self.failure(format!("no connection: {reason}"), true)),
            Ok(Ok(connection)) => Ok(connection),
        }
    }

    pub fn failure(&self, reason: String, again: bool) -> Failure {
        Failure {
            reason: self.redactor.text(&reason),
            again,
            untold: None,
            broke_off: None,
            connected: false,
        }
    }
}
