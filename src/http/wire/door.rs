use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::service::Service;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Host;

use crate::http::client::Failure;
use crate::http::{TlsError, cause, client_config};
use crate::model::{Endpoint, Limits};
use crate::redact::Redactor;

use super::link::Link;

/// Where connections to one endpoint come from.
pub(super) struct Door {
    pub endpoint: String,
    /// Scheme, host and port, without a trailing slash.
    pub origin: String,
    /// For the `Host` header.
    pub host: String,
    pub limits: Limits,
    /// Whether nothing that could write may leave.
    pub read_only: bool,
    pub redactor: Redactor,
    to: Uri,
    name: ServerName<'static>,
    /// Tries all addresses of a host, those of both families side by side.
    tcp: TowerToHyperService<HttpConnector>,
    tls: TlsConnector,
}

impl Door {
    pub fn new(endpoint: &Endpoint, redactor: &Redactor) -> Result<Self, TlsError> {
        let mut tls = client_config(&endpoint.ca)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(endpoint.limits.connect));
        let origin = endpoint.origin();
        let unusable = || TlsError::Client(format!("{origin} has no host that TLS could name"));
        let name = match endpoint.url.host().ok_or_else(unusable)? {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| unusable())?,
            Host::Ipv4(address) => ServerName::from(IpAddr::from(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::from(address)),
        };
        let host = origin.split_once("://").ok_or_else(unusable)?.1.to_owned();
        Ok(Self {
            endpoint: endpoint.name.clone(),
            to: origin.parse().map_err(|_| unusable())?,
            origin,
            host,
            limits: endpoint.limits.clone(),
            read_only: endpoint.traits.read_only.is_some(),
            redactor: redactor.clone(),
            name,
            tcp: TowerToHyperService::new(tcp),
            tls: TlsConnector::from(Arc::new(tls)),
        })
    }

    /// A new connection, if there is so much time.
    pub async fn open(&self, most: Duration) -> Result<Link, Failure> {
        let opening = async {
            let tcp = self.tcp.call(self.to.clone()).await;
            let tcp = tcp.map_err(|error| cause(&error))?.into_inner();
            let tls = self.tls.connect(self.name.clone(), tcp).await;
            Link::new(tls.map_err(|error| cause(&error))?).await
        };
        match timeout(self.limits.connect.min(most), opening).await {
            Err(_) => Err(self.failure("no connection in time".into(), false)),
            Ok(Err(reason)) => Err(self.failure(format!("no connection: {reason}"), true)),
            Ok(Ok(link)) => Ok(link),
        }
    }

    pub fn failure(&self, reason: String, again: bool) -> Failure {
        Failure {
            reason: self.redactor.text(&reason),
            again,
        }
    }
}
