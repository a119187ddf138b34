//! A server over TLS that answers what a test tells it to: an issuer in trouble, or whoever gives tokens.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use touchstone_reference::Authority;

/// Where metadata are.
pub const METADATA: &str = "/.well-known/openid-configuration";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Asked {
    /// The members of a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        pairs(&self.body)
    }

    /// The parameters of the query.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        pairs(&self.query)
    }

    /// The body, where it is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Comes only after this.
    pub after: Duration,
}

impl Reply {
    pub fn json(status: u16, document: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: document.to_string().into_bytes(),
            after: Duration::ZERO,
        }
    }

    pub fn html(status: u16, text: &str) -> Self {
        Self {
            headers: vec![("content-type", "text/html".into())],
            body: text.as_bytes().to_vec(),
            ..Self::json(status, &Value::Null)
        }
    }

    pub fn after(mut self, pause: Duration) -> Self {
        self.after = pause;
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Script = Arc<dyn Fn(&Asked) -> Option<Reply> + Send + Sync>;

/// The server. What its script leaves open is answered with metadata, or 404.
pub struct ScriptedIssuer {
    origin: String,
    handle: Handle<SocketAddr>,
    inner: Arc<Inner>,
}

struct Inner {
    origin: String,
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
}

impl ScriptedIssuer {
    /// On a free port of this machine, with a certificate of `authority`.
    pub fn start(
        runtime: &Runtime,
        authority: &Authority,
        script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let _inside = runtime.enter();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let origin = format!("https://localhost:{port}");
        let certificate = authority.certificate().expect("a certificate");
        let tls = runtime
            .block_on(RustlsConfig::from_pem(
                certificate.certificate_pem.into_bytes(),
                certificate.key_pem.expose_secret().as_bytes().to_vec(),
            ))
            .expect("TLS");
        let inner = Arc::new(Inner {
            origin: origin.clone(),
            script: Mutex::new(Arc::new(script)),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, tls)
            .expect("a server")
            .handle(handle.clone());
        runtime.spawn(async move {
            let _ = server.serve(router.into_make_service()).await;
        });
        Self {
            origin,
            handle,
            inner,
        }
    }

    /// `https://localhost:PORT`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        let port = self.origin.rsplit(':').next();
        port.and_then(|port| port.parse().ok()).expect("a port")
    }

    /// Its identifier, with a slash at its end.
    pub fn url(&self) -> String {
        format!("{}/", self.origin)
    }

    /// Answers otherwise from now on.
    pub fn script(&self, script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) {
        *self.inner.script.lock().expect("a script") = Arc::new(script);
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().expect("a list").clone()
    }

    /// Nobody listens there any more.
    pub fn stop(&self) {
        self.handle.shutdown();
    }
}

impl Drop for ScriptedIssuer {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    inner.asked.lock().expect("a list").push(asked.clone());
    let script = Arc::clone(&*inner.script.lock().expect("a script"));
    let reply = script(&asked).unwrap_or_else(|| match asked.path.as_str() {
        METADATA => Reply::json(200, &metadata(&inner.origin)),
        _ => Reply::json(404, &json!({"error": "not_found"})),
    });
    tokio::time::sleep(reply.after).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response
        .body(Body::from(reply.body))
        .expect("a response that can be sent")
}

/// What an issuer at `origin` says about itself.
pub fn metadata(origin: &str) -> Value {
    json!({
        "issuer": format!("{origin}/"),
        "jwks_uri": format!("{origin}/jwks"),
        "token_endpoint": format!("{origin}/token"),
        "device_authorization_endpoint": format!("{origin}/devicecode"),
    })
}

/// A token with these claims. Its signature is none: nobody here verifies it.
pub fn unsigned(claims: &Value) -> String {
    unsigned_with(&json!({"alg": "ES256", "kid": "k", "typ": "JWT"}), claims)
}

/// The same with another header.
pub fn unsigned_with(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode([7; 64]);
    format!("{}.{}.{signature}", part(header), part(claims))
}
