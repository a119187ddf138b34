//! A relay in the clear that brings a token along: clients of WebDAV that know nothing of tokens can judge storage through it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use secrecy::{ExposeSecret, SecretString};
use touchstone_engine::http::client_config;
use touchstone_model::Trust;
use touchstone_reference::Storage;

use super::test_bed::TestBed;

/// Longer than anything that is sent through it.
const MAX_BODY: usize = 1 << 20;

/// What is for one connection only, or told anew (RFC 9110 section 7.6.1).
const OWN: [header::HeaderName; 6] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::EXPECT,
];

/// Stands in front of storage for as long as it lives.
pub struct Bearer {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    _running: tokio::task::JoinSet<()>,
}

/// Whom it speaks for.
#[derive(Clone)]
struct Way {
    client: reqwest::Client,
    storage: String,
    here: String,
    authorization: HeaderValue,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Bearer {
    /// Sends what comes on to `storage`, with `token`.
    pub fn start(bed: &TestBed, storage: &Storage, token: &SecretString) -> Self {
        let trust = [Trust::Pem(bed.authority.ca_pem().to_owned())];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(&trust).expect("TLS"))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let bearer = format!("Bearer {}", token.expose_secret());
        let mut authorization = HeaderValue::try_from(bearer).expect("a header");
        authorization.set_sensitive(true);
        let way = Way {
            client,
            storage: storage.url().to_owned(),
            here: format!("http://localhost:{port}"),
            authorization,
            asked: Arc::default(),
        };
        let (url, asked) = (way.here.clone(), Arc::clone(&way.asked));
        let app = Router::new().fallback(move |request: Request| {
            let way = way.clone();
            async move { way.forward(request).await }
        });
        let mut running = tokio::task::JoinSet::new();
        bed.runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            running.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        });
        Self {
            url,
            asked,
            _running: running,
        }
    }

    /// Its URL, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Each request so far with the status of its answer.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

impl Way {
    async fn forward(&self, request: Request) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await.expect("a body");
        let url = format!("{}{}", self.storage, head.uri);
        let mut headers = passed(&head.headers);
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        if let Some(there) = headers.get("destination").and_then(|to| self.there(to)) {
            headers.insert("destination", there);
        }
        let sent = self.client.request(head.method.clone(), url);
        let answer = sent.headers(headers).body(body).send().await;
        let answer = answer.expect("the storage answers");
        let line = format!("{} {} {}", head.method, head.uri, answer.status());
        self.asked.lock().expect("a lock").push(line);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        *response.headers_mut() = passed(answer.headers());
        *response.body_mut() = answer.bytes().await.expect("a body").into();
        response
    }

    /// The same object at the storage.
    fn there(&self, destination: &HeaderValue) -> Option<HeaderValue> {
        let path = destination.to_str().ok()?.strip_prefix(&self.here)?;
        HeaderValue::try_from(format!("{}{path}", self.storage)).ok()
    }
}

fn passed(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for own in OWN {
        headers.remove(own);
    }
    headers
}
