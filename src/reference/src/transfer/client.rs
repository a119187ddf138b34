use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use futures_util::stream;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use super::super::probe::Ruled;
use super::super::rules::{ElementHooks, Rules};
use super::super::{ReferenceError, server};
use super::progress::Progress;
use super::{Failure, Task, TransferRules, order};

const CONNECT: Duration = Duration::from_secs(5);
const MAX_REDIRECTS: usize = 5;
/// Of an answer's head.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 100;
/// In which a body is sent.
const CHUNK: usize = 64 << 10;
/// As what it asks.
pub(in super::super) const USER_AGENT: &str =
    concat!("touchstone-reference/", env!("CARGO_PKG_VERSION"));
/// One text for all that can go wrong with a connection: it tells nobody which ports are open.
pub(in super::super) const UNREACHABLE: &str = "there is no trusted connection to the other side";
const SILENT: &str = "the other side is silent";
const BROKE_OFF: &str = "the connection to the other side broke";

/// HTTPS without proxies, cookies or connections kept for later.
pub(super) struct Client {
    tls: TlsConnector,
}

/// What the other side answered; its connection ends with it.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    _connection: JoinSet<()>,
}

/// What the other side said of an object before a transfer.
pub(in super::super) struct Seen {
    pub(in super::super) status: StatusCode,
    pub(in super::super) headers: HeaderMap,
}

impl Client {
    /// Trusts `ca_pem`, and certificates whose defect is forgiven.
    pub(super) fn new(ca_pem: &str, rules: &Arc<Ruled<Rules>>) -> Result<Self, ReferenceError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(server::certificates(ca_pem)?);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let strict =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| ReferenceError::Tls(error.to_string()))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Forgiving {
                strict,
                rules: Arc::clone(rules),
            }))
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Sends a request to the other side of a task and follows redirects.
    pub(super) async fn ask(
        &self,
        task: &Task,
        method: Method,
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<Reply, Failure> {
        let rules = task.rules();
        rules.carries(&task.order.headers)?;
        let first = &task.order.url;
        let mut url = first.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = headers.clone();
            if !rules.entrusts(first, &url) {
                withhold(&mut headers);
            }
            rules.outgoing(&method, &url, &mut headers);
            let reply = self.send(task, &method, &url, headers, body).await?;
            let next = redirected(reply.status, &reply.headers, &url, &method)?;
            let Some(next) = next else {
                return Ok(reply);
            };
            if !rules.follows(&next) {
                return Err("the other side redirects to a place that is not asked".into());
            }
            url = next;
        }
        Err("the other side redirects too often".into())
    }

    /// Asks for an object with HEAD and follows redirects; what was seen of it, if somebody answered.
    pub(super) async fn peek(
        &self,
        rules: ElementHooks<'_, TransferRules>,
        mut url: Url,
        headers: HeaderMap,
    ) -> Option<Seen> {
        let first = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = headers.clone();
            if !rules.entrusts(&first, &url) {
                withhold(&mut headers);
            }
            let seen = self.look(&url, headers).await?;
            match redirected(seen.status, &seen.headers, &url, &Method::HEAD).ok()? {
                Some(next) if rules.follows(&next) => url = next,
                Some(_) => return None,
                None => return Some(seen),
            }
        }
        None
    }

    async fn look(&self, url: &Url, mut headers: HeaderMap) -> Option<Seen> {
        let progress = Progress::default();
        let connecting = self.connect(url, &progress);
        let (mut sender, _connection) = tokio::time::timeout(CONNECT, connecting).await.ok()??;
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        headers.insert(header::HOST, HeaderValue::from_str(authority).ok()?);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let request = Request::head(&url[Position::BeforePath..Position::AfterQuery]);
        let mut request = request.body(Body::empty()).ok()?;
        *request.headers_mut() = headers;
        let (head, _) = sender.send_request(request).await.ok()?.into_parts();
        Some(Seen {
            status: head.status,
            headers: head.headers,
        })
    }

    async fn send(
        &self,
        task: &Task,
        method: &Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<Reply, Failure> {
        let connecting = self.connect(url, &task.progress);
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let (mut sender, connection) = connected.ok().flatten().ok_or(UNREACHABLE)?;
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let host = HeaderValue::from_str(authority).map_err(|_| UNREACHABLE)?;
        headers.entry(header::HOST).or_insert(host);
        let close = HeaderValue::from_static("close");
        headers.entry(header::CONNECTION).or_insert(close);
        let agent = HeaderValue::from_static(USER_AGENT);
        headers.entry(header::USER_AGENT).or_insert(agent);
        let body = match body {
            Some(bytes) => {
                headers.insert(header::CONTENT_LENGTH, bytes.len().into());
                counted(bytes.clone(), Arc::clone(&task.progress))
            }
            None => Body::empty(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .body(body)
            .map_err(|_| "the address of the other side cannot be asked for")?;
        *request.headers_mut() = headers;
        let answering = unless_idle(task, sender.send_request(request));
        let (head, body) = answering.await?.map_err(|_| BROKE_OFF)?.into_parts();
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
            _connection: connection,
        })
    }

    /// The connection is driven by what comes with it and ends with that.
    async fn connect(
        &self,
        url: &Url,
        progress: &Progress,
    ) -> Option<(http1::SendRequest<Body>, JoinSet<()>)> {
        let host = url.host_str()?.trim_matches(['[', ']']);
        let tcp = TcpStream::connect((host, url.port_or_known_default()?)).await;
        let tcp = tcp.ok()?;
        let peer = tcp.peer_addr().ok()?;
        tcp.set_nodelay(true).ok()?;
        let connected = if url.scheme() == "https" {
            let name = ServerName::try_from(host.to_owned()).ok()?;
            let tls = self.tls.connect(name, tcp).await.ok()?;
            handshake(tls).await?
        } else {
            handshake(tcp).await?
        };
        progress.connect(peer);
        Some(connected)
    }
}

async fn handshake<S>(stream: S) -> Option<(http1::SendRequest<Body>, JoinSet<()>)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let mut driver = JoinSet::new();
    driver.spawn(async {
        // What goes wrong shows in the request.
        let _ = connection.await;
    });
    Some((sender, driver))
}

/// What comes of `future`, unless nothing moves for too long.
pub(super) async fn unless_idle<T>(
    task: &Task,
    future: impl Future<Output = T>,
) -> Result<T, Failure> {
    let mut future = std::pin::pin!(future);
    loop {
        let before = task.progress.bytes();
        match tokio::time::timeout(task.options().idle, &mut future).await {
            Ok(output) => return Ok(output),
            Err(_) if task.progress.bytes() == before => return Err(SILENT.into()),
            Err(_) => {}
        }
    }
}

/// Takes out what opens objects.
fn withhold(headers: &mut HeaderMap) {
    headers.remove(header::AUTHORIZATION);
    headers.remove(header::COOKIE);
}

/// Where to ask instead, if an answer says so (RFC 9110 section 15.4).
fn redirected(
    status: StatusCode,
    headers: &HeaderMap,
    url: &Url,
    method: &Method,
) -> Result<Option<Url>, Failure> {
    let location = match status.as_u16() {
        // It would be asked for with GET.
        303 if method == Method::PUT => None,
        301 | 302 | 303 | 307 | 308 => headers.get(header::LOCATION),
        _ => None,
    };
    let Some(location) = location else {
        return Ok(None);
    };
    let next = location.to_str().ok().and_then(|text| url.join(text).ok());
    next.map(Some)
        .ok_or_else(|| "the other side redirects to no address".into())
}

/// Only https, to nobody by name, and to no host that is only for the site itself.
pub(in super::super) fn follows(url: &Url) -> bool {
    url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && !order::internal(url)
}

/// A body that tells how far it has been taken.
fn counted(body: Bytes, progress: Arc<Progress>) -> Body {
    let starts = (0..body.len()).step_by(CHUNK);
    let chunks = starts.map(move |from| {
        let to = body.len().min(from + CHUNK);
        progress.reach(to);
        Ok::<_, Infallible>(body.slice(from..to))
    });
    Body::from_stream(stream::iter(chunks))
}

/// The usual verification, after which a defect may be forgiven.
#[derive(Debug)]
struct Forgiving {
    strict: Arc<WebPkiServerVerifier>,
    rules: Arc<Ruled<Rules>>,
}

impl ServerCertVerifier for Forgiving {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .strict
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verified {
            Err(rustls::Error::InvalidCertificate(defect))
                if self.rules.transfer().forgives(&defect) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}
