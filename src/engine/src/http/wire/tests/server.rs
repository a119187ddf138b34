//! A server that hears the bytes as they come and says what it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use touchstone_reference::Authority;

pub struct Server {
    pub authority: Authority,
    pub port: u16,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// The server's end of a connection.
pub struct Peer {
    /// How many connections came before.
    pub number: usize,
    stream: TlsStream<TcpStream>,
}

impl Server {
    /// Plays `script` on each connection; it is closed when the script ends.
    pub async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::at("127.0.0.1:0", script).await.unwrap()
    }

    pub async fn at<F, Fut>(address: &str, script: F) -> std::io::Result<Self>
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let authority = Authority::new().unwrap();
        let certificate = authority.certificate().unwrap();
        let chain = CertificateDer::from_pem_slice(certificate.certificate_pem.as_bytes());
        let key = certificate.key_pem.expose_secret().as_bytes();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![chain.unwrap()],
                PrivateKeyDer::from_pem_slice(key).unwrap(),
            )
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut scripts = tokio::task::JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                if let Ok(stream) = tls.accept(tcp).await {
                    scripts.spawn(script(Peer { number, stream }));
                }
            }
        });
        Ok(Self {
            authority,
            port,
            accepted,
            task,
        })
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// The head of a request; empty if the client is gone.
    pub async fn head(&mut self) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(_) => return String::new(),
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    /// So many bytes of what follows.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Everything until the client's end.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A client that breaks off without farewell has ended as well.
        let _ = self.stream.read_to_end(&mut bytes).await;
        bytes
    }

    /// Whether the client took it.
    pub async fn say(&mut self, text: &str) -> bool {
        self.stream.write_all(text.as_bytes()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// A proper end, as TLS has it.
    pub async fn farewell(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// A whole answer.
    pub async fn answer(&mut self, status: u16, body: &str) {
        let length = body.len();
        let text = format!("HTTP/1.1 {status} Word\r\nContent-Length: {length}\r\n\r\n{body}");
        self.say(&text).await;
    }
}
