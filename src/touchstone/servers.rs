//! Our own server as a host to which tokens point.

use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;
use tokio::sync::Notify;

use touchstone_engine::files::open_regular;
use touchstone_engine::run::{
    CallbackServer, CallbackServers, PeerOptions, PeerSession, TransferPeer,
};
use touchstone_engine::token;
use touchstone_model::{Contact, PeerRequest, SecretRef};
use touchstone_reference::{
    Authority, CallbackHost, Identity, ListeningCallback, OpenedPeer, TransferPeerOptions,
    TransferPeerServer,
};

use super::args::RunArgs;
use super::output::Failed;

/// Larger than any chain of certificates.
const LARGEST: u64 = 1 << 20;

/// `--listen HOST[:PORT]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The name under which storage elements reach this machine.
    pub host: String,
    /// 0 for any free one.
    pub port: u16,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "expected a name or an IPv4 address of this machine, perhaps with `:PORT`";
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (
                host,
                port.parse().ok().filter(|port| *port != 0).ok_or(wrong)?,
            ),
            None => (text, 0),
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
        if host.is_empty() || !host.bytes().all(legal) {
            return Err(wrong);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// What opens servers at `address`, or for this machine alone, with certificates of `authority`.
pub fn listener(
    authority: &Authority,
    address: Option<&Address>,
) -> Result<Arc<dyn CallbackServers>, Failed> {
    let failed = |reason: String| Failed::Undecided(format!("no listener: {reason}"));
    let key = token::rogue_key().map_err(failed)?;
    let host = address.map(|address| address.host.clone());
    let port = address.map_or(0, |address| address.port);
    let foreign = CallbackHost::new(authority, host, port, key);
    Ok(Arc::new(CallbackOpener(
        foreign.map_err(|error| failed(error.to_string()))?,
    )))
}

/// Our own other side of transfers on this machine, with certificates of `authority`.
pub fn own_side(authority: &Arc<Authority>) -> Arc<dyn TransferPeer> {
    Arc::new(PeerServer(TransferPeerServer::new(TransferPeerOptions {
        host: None,
        port: 0,
        identity: Identity::Authority(Arc::clone(authority)),
    })))
}

/// The same as `--listen` and the certificate say; `None` without a certificate.
pub fn given_side(arguments: &RunArgs) -> Result<Option<Arc<dyn TransferPeer>>, Failed> {
    let (Some(certificate), Some(key)) = (&arguments.listen_certificate, &arguments.listen_key)
    else {
        return Ok(None);
    };
    let wrong = |file: &Path, what: &str, error: &dyn std::fmt::Display| {
        Failed::Usage(format!(
            "{}: expected {what} in PEM: {error}",
            file.display()
        ))
    };
    let mut pem = Vec::new();
    open_regular(certificate)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut pem))
        .map_err(|error| wrong(certificate, "a certificate", &error))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(certificate, "a certificate", &error))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "a certificate", &"there is none"));
    }
    let secret = token::load(&SecretRef::File(key.clone()), "a key in PEM")
        .map_err(|error| wrong(key, "a key", &error))?;
    let key = PrivateKeyDer::from_pem_slice(secret.expose_secret().as_bytes())
        .map_err(|error| wrong(key, "a key", &error))?;
    let address = arguments.listen.as_ref();
    let options = TransferPeerOptions {
        host: address.map(|address| address.host.clone()),
        // The first port is the listener's.
        port: address.map_or(0, |address| match address.port {
            0 => 0,
            port => port.saturating_add(1),
        }),
        identity: Identity::Given { chain, key },
    };
    Ok(Some(Arc::new(PeerServer(TransferPeerServer::new(options)))))
}

struct PeerServer(TransferPeerServer);

#[async_trait]
impl TransferPeer for PeerServer {
    async fn open(&self, options: PeerOptions) -> Result<Box<dyn PeerSession>, String> {
        let PeerOptions {
            behaviour,
            marker,
            content,
            credential,
        } = options;
        let opened = self.0.open(behaviour, marker.as_str(), content, credential);
        Ok(Box::new(PeerServerSession(opened.await?)))
    }
}

struct PeerServerSession(OpenedPeer);

#[async_trait]
impl PeerSession for PeerServerSession {
    fn url(&self) -> &str {
        self.0.url()
    }

    fn requests(&self) -> Vec<PeerRequest> {
        self.0.requests()
    }

    fn finished(&self) -> Option<Instant> {
        self.0.finished()
    }

    fn halfway(&self) -> Arc<Notify> {
        self.0.halfway()
    }

    async fn is_abandoned(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.0.is_abandoned())
            .await
            .is_ok()
    }
}

struct CallbackOpener(CallbackHost);

#[async_trait]
impl CallbackServers for CallbackOpener {
    async fn open(&self) -> Result<Box<dyn CallbackServer>, String> {
        let listening = self.0.open().await.map_err(|error| error.to_string())?;
        Ok(Box::new(OpenCallback(listening)))
    }
}

struct OpenCallback(ListeningCallback);

impl CallbackServer for OpenCallback {
    fn origin(&self) -> &str {
        self.0.origin()
    }

    fn contacts(&self) -> Vec<Contact> {
        self.0.contacts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        let address = |host: &str, port| Address {
            host: host.into(),
            port,
        };
        assert_eq!("me.example.org".parse(), Ok(address("me.example.org", 0)));
        assert_eq!("192.0.2.7:8446".parse(), Ok(address("192.0.2.7", 8446)));
        for wrong in [
            "",
            ":1",
            "h:",
            "h:0",
            "h:65536",
            "h:1:2",
            "https://h",
            "h/x",
            "[::1]",
            "a b",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
