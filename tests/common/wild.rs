//! Somebody between touchstone and a good server, who breaks single exchanges byte by byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use touchstone_engine::http::client_config;
use touchstone_model::Trust;

use super::test_bed::TestBed;

/// What becomes of a connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// It goes to the server.
    Pass,
    /// It goes to the server, and is reset once that has answered.
    Lose,
    /// It goes to the server, and the connection is kept; whoever asks for something else over it finds that it has ended.
    Once,
    /// It goes to the server with another head.
    Edit(Edit),
    /// It goes to the server, and once that has answered, these bytes come in place of what it said.
    Instead(Vec<u8>),
    /// From now on nobody listens.
    Leave,
    /// These bytes come instead of an answer, and then this.
    Say(Vec<u8>, End),
    /// This comes instead of an answer, with the request's token for each `{token}`.
    Echo(String),
    /// It is reset once so many bytes of the request's body have come.
    Cut(usize),
}

/// Makes another head of that of a request.
#[derive(Clone)]
pub struct Edit(Arc<dyn Fn(&str) -> String + Send + Sync>);

impl Edit {
    pub fn new(edit: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(edit))
    }
}

impl std::fmt::Debug for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edit").finish_non_exhaustive()
    }
}

/// How an answer ends.
#[derive(Clone, Debug)]
pub enum End {
    /// Orderly, as far as TCP and TLS can tell.
    Close,
    /// With a reset of the connection.
    Reset,
    /// Never: nothing more comes.
    Hang,
    /// Never: these bytes come again and again, with such a pause between them.
    Again(Vec<u8>, Duration),
}

type Acting = dyn Fn(&str, &str) -> Act + Send + Sync;

/// Stands in front of a server of this machine for as long as it lives.
pub struct Wild {
    url: String,
    task: JoinHandle<()>,
    broken: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

/// A chain of certificates and the key of its first, for a server.
pub fn identity(
    certificate_pem: &str,
    key_pem: &str,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(certificate_pem.as_bytes());
    (
        chain.collect::<Result<_, _>>().expect("a chain"),
        PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).expect("a key"),
    )
}

/// A server with this certificate, and the chain that stands behind it.
pub fn server(certificate_pem: &str, key_pem: &str) -> ServerConfig {
    let (chain, key) = identity(certificate_pem, key_pem);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a server")
}

impl Wild {
    /// In front of `port`. `act` decides by method and path. Each connection carries one request.
    pub fn start(
        bed: &TestBed,
        port: u16,
        act: impl Fn(&str, &str) -> Act + Send + Sync + 'static,
    ) -> Self {
        let certificate = bed.authority.certificate().expect("a certificate");
        let key = certificate.key_pem.expose_secret();
        let config = server(&certificate.certificate_pem, key);
        Self::with(bed, config, port, act)
    }

    /// The same with another certificate than a good one, or other ways in TLS.
    pub fn with(
        bed: &TestBed,
        config: ServerConfig,
        port: u16,
        act: impl Fn(&str, &str) -> Act + Send + Sync + 'static,
    ) -> Self {
        let trust = [Trust::Pem(bed.authority.ca_pem().to_owned())];
        let shared = Arc::new(Shared {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            connector: TlsConnector::from(Arc::new(client_config(&trust).expect("TLS"))),
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            act: Box::new(act),
            broken: Arc::default(),
            heard: Arc::default(),
            left: Notify::new(),
        });
        let listener = bed
            .runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let broken = Arc::clone(&shared.broken);
        let heard = Arc::clone(&shared.heard);
        let task = bed.runtime.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = shared.left.notified() => break,
                };
                let Ok((tcp, _)) = accepted else { break };
                let shared = Arc::clone(&shared);
                // Whoever hangs up in the middle is no concern of ours.
                tokio::spawn(async move { shared.serve(tcp).await.ok() });
            }
        });
        Self {
            url: format!("https://localhost:{port}"),
            task,
            broken,
            heard,
        }
    }

    /// Its URL, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The head of each request that came.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("a lock").clone()
    }

    /// How many exchanges were broken.
    pub fn broken(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }
}

impl Drop for Wild {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    server: SocketAddr,
    act: Box<Acting>,
    broken: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
    left: Notify,
}

impl Shared {
    async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.server).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        self.connector.connect(name, tcp).await
    }

    async fn serve(&self, tcp: TcpStream) -> std::io::Result<()> {
        let mut client = self.acceptor.accept(tcp).await?;
        let mut request = Vec::new();
        let end = loop {
            if let Some(at) = request.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            if client.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        self.heard.lock().expect("a lock").push(head.clone());
        let mut words = head.split_whitespace();
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        match (self.act)(method, path) {
            act @ (Act::Pass | Act::Lose) => {
                let mut server = self.connect().await?;
                server.write_all(&alone(&request)).await?;
                if matches!(act, Act::Lose) {
                    self.broken.fetch_add(1, Ordering::SeqCst);
                    server.read_to_end(&mut Vec::new()).await?;
                    client.get_ref().0.set_zero_linger()?;
                } else {
                    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
                }
            }
            Act::Edit(edit) => {
                self.broken.fetch_add(1, Ordering::SeqCst);
                let edited = [edit.0(&head).as_bytes(), &request[end..]].concat();
                let mut server = self.connect().await?;
                server.write_all(&alone(&edited)).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await?;
            }
            Act::Instead(bytes) => {
                self.broken.fetch_add(1, Ordering::SeqCst);
                let mut server = self.connect().await?;
                server.write_all(&alone(&request)).await?;
                // Not everybody closes a connection when told to.
                let mut answer = Vec::new();
                while !answer.ends_with(b"\r\n0\r\n\r\n") && server.read_buf(&mut answer).await? > 0
                {
                }
                client.write_all(&bytes).await?;
                client.shutdown().await?;
            }
            Act::Once => {
                let mut server = self.connect().await?;
                server.write_all(&alone(&request)).await?;
                let (mut piece, mut answer) = (vec![0; 4096], Vec::new());
                loop {
                    tokio::select! {
                        count = client.read(&mut piece) => match count? {
                            0 => return Ok(()),
                            count => server.write_all(&piece[..count]).await?,
                        },
                        count = server.read_buf(&mut answer) => if count? == 0 { break },
                    }
                }
                let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
                let (head, body) = answer.split_at(head.unwrap_or_default());
                let head = String::from_utf8_lossy(head);
                let kept = head
                    .lines()
                    .filter(|line| !line.eq_ignore_ascii_case("connection: close"));
                let head = kept.collect::<Vec<_>>().join("\r\n");
                client.write_all(head.as_bytes()).await?;
                client.write_all(body).await?;
                client.flush().await?;
                if client.read(&mut piece).await? > 0 {
                    self.broken.fetch_add(1, Ordering::SeqCst);
                }
            }
            Act::Leave => {
                self.broken.fetch_add(1, Ordering::SeqCst);
                self.left.notify_one();
            }
            Act::Echo(text) => {
                self.broken.fetch_add(1, Ordering::SeqCst);
                let token = head.split_once("Bearer ").map_or("", |(_, rest)| rest);
                let token = token.lines().next().unwrap_or_default();
                client
                    .write_all(text.replace("{token}", token).as_bytes())
                    .await?;
                client.shutdown().await?;
            }
            Act::Cut(most) => {
                self.broken.fetch_add(1, Ordering::SeqCst);
                let mut piece = vec![0; 4096];
                let mut come = request.len() - end;
                while come < most {
                    match client.read(&mut piece).await? {
                        0 => break,
                        count => come += count,
                    }
                }
                client.get_ref().0.set_zero_linger()?;
            }
            Act::Say(bytes, end) => {
                self.broken.fetch_add(1, Ordering::SeqCst);
                client.write_all(&bytes).await?;
                client.flush().await?;
                match end {
                    End::Close => client.shutdown().await?,
                    End::Reset => client.get_ref().0.set_zero_linger()?,
                    // Until the other side has enough.
                    End::Hang => while client.read_buf(&mut request).await? > 0 {},
                    End::Again(piece, pause) => loop {
                        client.write_all(&piece).await?;
                        client.flush().await?;
                        tokio::time::sleep(pause).await;
                    },
                }
            }
        }
        Ok(())
    }
}

/// The request as the only one of its connection.
fn alone(request: &[u8]) -> Vec<u8> {
    let end = request
        .windows(2)
        .position(|end| end == b"\r\n")
        .expect("a request line")
        + 2;
    let (line, rest) = request.split_at(end);
    [line, b"Connection: close\r\n", rest].concat()
}

/// Where an exchange can be broken, and how.
pub fn troubles() -> Vec<(&'static str, Act)> {
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let say = |text: &str, end| Act::Say(text.as_bytes().to_vec(), end);
    let second = Duration::from_millis(300);
    vec![
        ("reset before the answer", say("", End::Reset)),
        ("closed before the answer", say("", End::Close)),
        ("reset in the status line", say("HTTP/1.1 2", End::Reset)),
        (
            "reset in the headers",
            say("HTTP/1.1 200 OK\r\nContent-Le", End::Reset),
        ),
        ("reset in the body", say(&(head(100) + "begin"), End::Reset)),
        ("truncated body", say(&(head(100) + "begin"), End::Close)),
        (
            "chunks without end",
            say(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n",
                End::Close,
            ),
        ),
        ("silence", say("", End::Hang)),
        (
            "one byte of the head at a time",
            say("HTTP/1.1 200 OK\r\nX: ", End::Again(b"x".to_vec(), second)),
        ),
        (
            "one byte of the body at a time",
            say(&head(100_000), End::Again(b"x".to_vec(), second)),
        ),
        (
            "an endless body",
            say(
                &head(1 << 40),
                End::Again(vec![b'x'; 1 << 16], Duration::ZERO),
            ),
        ),
        (
            "endless headers",
            say(
                "HTTP/1.1 200 OK\r\n",
                End::Again(b"X-A: b\r\n".repeat(512), Duration::ZERO),
            ),
        ),
        (
            "informational answers without end",
            say(
                "",
                End::Again(
                    b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(64),
                    Duration::ZERO,
                ),
            ),
        ),
        (
            "garbage",
            say("SSH-2.0-OpenSSH_9.2\r\n\0\x01\x02", End::Close),
        ),
        (
            "HTTP/2",
            Act::Say(
                b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec(),
                End::Close,
            ),
        ),
        (
            "two lengths",
            say(
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nbegin12",
                End::Close,
            ),
        ),
        (
            "a negative length",
            say("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", End::Close),
        ),
        ("a bomb", Act::Say(bomb(), End::Close)),
    ]
}

/// What unpacks to a gigabyte: no client of ours unpacks anything.
fn bomb() -> Vec<u8> {
    let zeros =
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xed\xc1\x01\x0d\0\0\0\xc2\xa0\xf7Om\x0e7\xa0".repeat(500);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        zeros.len()
    );
    [head.into_bytes(), zeros].concat()
}
