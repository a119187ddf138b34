//! Somebody between touchstone and good storage, who answers some requests himself.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use axum_server::tls_rustls::RustlsConfig;
use futures_util::{StreamExt, stream};
use secrecy::ExposeSecret;
use touchstone_engine::http::client_config;
use touchstone_model::Trust;
use touchstone_reference::Storage;

use super::test_bed::TestBed;

/// A request as the one in the middle sees it.
pub struct Asked {
    pub method: String,
    /// Path on the service.
    pub path: String,
    /// How often the same was asked before.
    pub before: usize,
}

type Answering = dyn Fn(&Asked) -> Option<Response<Body>> + Send + Sync;
type Breaking = dyn Fn(&Asked) -> bool + Send + Sync;
type Rewriting = dyn Fn(&Parts, Response<Vec<u8>>) -> Response<Vec<u8>> + Send + Sync;

/// What becomes of requests and answers.
#[derive(Clone)]
struct Way {
    answer: Arc<Answering>,
    rewrite: Arc<Rewriting>,
    breaks: Arc<Breaking>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            answer: Arc::new(|_| None),
            rewrite: Arc::new(|_, response| response),
            breaks: Arc::new(|_| false),
        }
    }
}

/// Stands in front of storage for as long as it lives.
pub struct Middle {
    url: String,
    handle: axum_server::Handle<SocketAddr>,
    asked: Arc<Mutex<HashMap<(String, String), usize>>>,
}

impl Middle {
    /// What `answer` does not answer goes to `storage`.
    pub fn start(
        bed: &TestBed,
        storage: &Storage,
        answer: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        let way = Way {
            answer: Arc::new(answer),
            ..Way::default()
        };
        Self::serve(bed, storage, way)
    }

    /// Everything goes to `storage`, and the answers that `which` names break off in the middle of their bodies.
    pub fn breaking(
        bed: &TestBed,
        storage: &Storage,
        which: impl Fn(&Asked) -> bool + Send + Sync + 'static,
    ) -> Self {
        let way = Way {
            breaks: Arc::new(which),
            ..Way::default()
        };
        Self::serve(bed, storage, way)
    }

    /// Everything goes to `storage`, and what comes back is rewritten.
    pub fn rewriting(
        bed: &TestBed,
        storage: &Storage,
        rewrite: impl Fn(&Parts, Response<Vec<u8>>) -> Response<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let way = Way {
            rewrite: Arc::new(rewrite),
            ..Way::default()
        };
        Self::serve(bed, storage, way)
    }

    fn serve(bed: &TestBed, storage: &Storage, way: Way) -> Self {
        let trust = [Trust::Pem(bed.authority.ca_pem().to_owned())];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(&trust).expect("TLS"))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let asked: Arc<Mutex<HashMap<_, usize>>> = Arc::default();
        let origin = storage.url().to_owned();
        let seen = Arc::clone(&asked);
        let app = Router::new().fallback(move |request: Request| {
            let (way, client, origin) = (way.clone(), client.clone(), origin.clone());
            let request_now = {
                let key = (
                    request.method().to_string(),
                    request.uri().path().to_owned(),
                );
                let mut seen = seen.lock().expect("a lock");
                let before = seen.entry(key.clone()).or_default();
                *before += 1;
                Asked {
                    method: key.0,
                    path: key.1,
                    before: *before - 1,
                }
            };
            async move {
                let response = match (way.answer)(&request_now) {
                    Some(response) => response,
                    None => forward(&client, &origin, request, &*way.rewrite).await,
                };
                match (way.breaks)(&request_now) {
                    true => breaking_off(response),
                    false => response,
                }
            }
        });
        let certificate = bed.authority.certificate().expect("a certificate");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let handle = axum_server::Handle::new();
        bed.runtime.block_on(async {
            let config = RustlsConfig::from_pem(
                certificate.certificate_pem.into_bytes(),
                certificate.key_pem.expose_secret().as_bytes().to_vec(),
            );
            let config = config.await.expect("TLS");
            let server = axum_server::from_tcp_rustls(listener, config).expect("a server");
            tokio::spawn(server.handle(handle.clone()).serve(app.into_make_service()));
        });
        Self {
            url: format!("https://localhost:{port}"),
            handle,
            asked,
        }
    }

    /// Its URL, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests with that method came.
    pub fn count(&self, method: &str) -> usize {
        let asked = self.asked.lock().expect("a lock");
        let of_method = asked.iter().filter(|((seen, _), _)| seen == method);
        of_method.map(|(_, count)| count).sum()
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

async fn forward(
    client: &reqwest::Client,
    origin: &str,
    request: Request,
    rewrite: &Rewriting,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 4 << 20).await else {
        // The client has gone in the middle of it.
        return answer(400, &[]);
    };
    // Of the absolute form the storage is told the path.
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let url = format!("{origin}{target}");
    let sent = client
        .request(head.method.clone(), url)
        .headers(passed(&head.headers));
    let answer = sent.body(body).send().await.expect("the storage answers");
    let mut response = Response::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = passed(answer.headers());
    *response.body_mut() = answer.bytes().await.expect("a body").into();
    rewrite(&head, response).map(Body::from)
}

/// Without those that are for one connection only.
fn passed(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for own in ["host", "connection", "content-length", "transfer-encoding"] {
        headers.remove(own);
    }
    headers
}

/// An answer without a body.
pub fn answer(status: u16, headers: &[(&'static str, &str)]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        let value = value.parse().expect("a value");
        response.headers_mut().insert(*name, value);
    }
    response
}

/// The same answer with a body that ends in the middle of it.
pub fn breaking_off(mut response: Response<Body>) -> Response<Body> {
    let begun = stream::iter([Ok(Bytes::from("Perf"))]);
    let gone = stream::once(async {
        // What stands before it goes out while nothing more is there.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("gone"))
    });
    // That one has no body.
    if response.status() == StatusCode::NO_CONTENT {
        *response.status_mut() = StatusCode::OK;
    }
    response.headers_mut().remove("content-length");
    *response.body_mut() = Body::from_stream(begun.chain(gone));
    response
}
