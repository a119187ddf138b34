//! The other side of transfers, which does what a script says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::super::{Authority, server};

/// What is done after a request has come.
pub(super) enum Deed {
    Send(String),
    /// So long nothing is sent.
    Wait(Duration),
    /// Until it is told to go on.
    Await(Arc<Notify>),
    /// Until the other end closes, which is noted.
    Hang,
    /// The connection ends without the usual goodbye.
    Cut,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) head: String,
    pub(super) body: String,
}

type Script = Arc<dyn Fn(usize, &Heard) -> Vec<Deed> + Send + Sync>;

/// Listens for as long as it lives.
pub(super) struct Party {
    pub(super) port: u16,
    scheme: &'static str,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<Mutex<usize>>,
    closed: Arc<Notify>,
    _serving: JoinSet<()>,
}

impl Party {
    /// With a certificate for `localhost`; `script` is told how many requests came before.
    pub(super) async fn new(
        authority: &Authority,
        script: impl Fn(usize, &Heard) -> Vec<Deed> + Send + Sync + 'static,
    ) -> Self {
        let tls = server::server_tls(authority).unwrap();
        Self::at("127.0.0.1", Some(tls), script).await
    }

    /// Without TLS if there is none.
    pub(super) async fn at(
        address: &str,
        tls: Option<ServerConfig>,
        script: impl Fn(usize, &Heard) -> Vec<Deed> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let connections = Arc::<Mutex<usize>>::default();
        let closed = Arc::<Notify>::default();
        let script: Script = Arc::new(script);
        let mut serving = JoinSet::new();
        let (on_request, counts, closes) = (heard.clone(), connections.clone(), closed.clone());
        serving.spawn(async move {
            let mut each = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                *counts.lock().unwrap() += 1;
                let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
                let (on_request, closes) = (Arc::clone(&on_request), Arc::clone(&closes));
                each.spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(tcp).await {
                                serve(stream, on_request, script, closes).await;
                            }
                        }
                        None => serve::<TcpStream>(tcp, on_request, script, closes).await,
                    }
                });
            }
        });
        Self {
            port,
            scheme,
            heard,
            connections,
            closed,
            _serving: serving,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.port)
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// Until a request has come.
    pub(super) async fn asked(&self) {
        while self.heard().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Until somebody hung up on it.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }
}

async fn serve<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    mut stream: S,
    on_request: Arc<Mutex<Vec<Heard>>>,
    script: Script,
    closes: Arc<Notify>,
) {
    let Some(heard) = read(&mut stream).await else {
        return;
    };
    let before = {
        let mut all = on_request.lock().unwrap();
        all.push(heard.clone());
        all.len() - 1
    };
    for deed in script(before, &heard) {
        match deed {
            Deed::Send(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.flush().await;
            }
            Deed::Await(go) => go.notified().await,
            Deed::Wait(time) => tokio::time::sleep(time).await,
            Deed::Hang => {
                while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
                closes.notify_one();
            }
            Deed::Cut => return,
        }
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Heard> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        let value = line.strip_prefix("content-length: ")?;
        value.parse::<usize>().ok()
    });
    while bytes.len() < end + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end..].to_vec()).unwrap();
    Some(Heard { head, body })
}

/// An answer with a body of the announced length.
pub(super) fn answer(status: &str, headers: &[&str], body: &str) -> Vec<Deed> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    vec![Deed::Send(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))]
}

impl Heard {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}
