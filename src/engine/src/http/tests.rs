use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::token::Token;
use crate::waiting::HANGS;
use touchstone_model::redact::Redactor;
use touchstone_model::{Endpoint, Existing, Limits, Method, Purpose, TokenRef, Traits};
use touchstone_reference::Authority;

pub(crate) const SECRET: &str = "very-secret-token-of-this-test";

/// Headers of the requests that a server saw, `authorization` or nothing.
type Seen = Arc<Mutex<Vec<Option<String>>>>;

struct Server {
    _running: Running,
    port: u16,
    seen: Seen,
}

/// A server until it is dropped.
pub(crate) struct Running {
    handle: Handle<SocketAddr>,
    pub port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// Answers every request with what `answer` makes of it.
async fn serve(authority: &Authority, answer: fn(&Request) -> Response<Body>) -> Server {
    let seen = Seen::default();
    let seeing = Arc::clone(&seen);
    let app = Router::new().fallback(move |request: Request| {
        let value = request.headers().get("authorization");
        let value = value.map(|value| value.to_str().unwrap().to_owned());
        seeing.lock().unwrap().push(value);
        let response = answer(&request);
        async move { response }
    });
    let running = start(authority, app).await;
    let port = running.port;
    Server {
        _running: running,
        port,
        seen,
    }
}

/// A certificate of `authority` for localhost, to serve with.
async fn tls(authority: &Authority) -> RustlsConfig {
    let certificate = authority.certificate().unwrap();
    RustlsConfig::from_pem(
        certificate.certificate_pem.into_bytes(),
        certificate.key_pem.expose_secret().as_bytes().to_vec(),
    )
    .await
    .unwrap()
}

/// Serves `app` over TLS.
pub(crate) async fn start(authority: &Authority, app: Router) -> Running {
    let config = tls(authority).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let handle = Handle::new();
    let server = axum_server::from_tcp_rustls(listener, config)
        .unwrap()
        .handle(handle.clone());
    tokio::spawn(server.serve(app.into_make_service()));
    Running { handle, port }
}

pub(crate) fn endpoint(authority: &Authority, port: u16, limits: Limits) -> Endpoint {
    Endpoint {
        url: format!("https://localhost:{port}").parse().unwrap(),
        ca: vec![Trust::Pem(authority.ca_pem().to_owned())],
        limits,
        ..endpoint_at("")
    }
}

/// One of which nothing but its area matters.
pub(crate) fn endpoint_at(area: &str) -> Endpoint {
    Endpoint {
        name: "se".into(),
        description: None,
        software: None,
        url: "https://se.example.org:8443".parse().unwrap(),
        area: area.into(),
        issuer: None,
        ca: Vec::new(),
        profile: None,
        audience: None,
        traits: Traits::default(),
        known_failures: Vec::new(),
        second: None,
        limits: Limits::patient(),
        tpc_partner: None,
        fresh_tokens: false,
        redirect_hosts: Vec::new(),
        address: None,
    }
}

pub(crate) fn headers_of(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn limiter() -> Arc<HostLimiter> {
    Arc::new(HostLimiter::new(&Limits::default()))
}

pub(crate) fn redactor() -> Redactor {
    let redactor = Redactor::default();
    redactor.add(&SecretString::from(SECRET));
    redactor
}

fn client(authority: &Authority, port: u16, limits: Limits) -> Client {
    Client::new(
        &endpoint(authority, port, limits),
        &limiter(),
        &redactor(),
        Guard::open(),
    )
    .unwrap()
}

pub(crate) fn token() -> Token {
    Token::new(
        SecretString::from(SECRET),
        TokenRef {
            what: "a token".into(),
            issuer: "https://iam.example.org/".into(),
            jti: None,
            hash: "000000000000".into(),
            how: String::new(),
        },
    )
}

async fn send(client: &Client, method: Method, url: &str) -> Outcome {
    let token = token();
    let outgoing = Outgoing {
        method,
        verb: None,
        url,
        headers: &[],
        body: (method == Method::Put).then_some(b"content".as_slice()),
        token: Some(&token),
        deadline: Instant::now() + HANGS,
    };
    client
        .send(
            Purpose::Step,
            Caller {
                run: "r",
                case: "c",
            },
            outgoing,
        )
        .await
}

fn redirect(to: String) -> Response<Body> {
    Response::builder()
        .status(307)
        .header("location", to)
        .body(Body::empty())
        .unwrap()
}

fn whole(body: impl Into<Body>) -> Response<Body> {
    Response::new(body.into())
}

/// `/PORT/…` redirects to that port of localhost, `/ip/PORT/…` to that of 127.0.0.1.
fn by_path(request: &Request) -> Response<Body> {
    let parts: Vec<_> = request.uri().path().split('/').collect();
    match parts.as_slice() {
        ["", "to", port, ..] => redirect(format!("https://localhost:{port}/done")),
        ["", "ip", port, ..] => redirect(format!("https://127.0.0.1:{port}/done")),
        ["", "authz", port, ..] => {
            redirect(format!("https://localhost:{port}/done?authz={SECRET}"))
        }
        ["", "plain", ..] => redirect("http://localhost/".into()),
        ["", "loop", ..] => redirect("/loop".into()),
        _ => whole("done"),
    }
}

/// A server that keeps its connections, of which it answers the first three together, and ends each as soon as it is used once more.
/// It counts a connection with its first request: a client may open one more than it then needs.
async fn fickle(authority: &Authority) -> (u16, Arc<AtomicU32>) {
    let acceptor = TlsAcceptor::from(tls(authority).await.get_inner());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let mut stream = acceptor.accept(tcp).await.unwrap();
                let mut heard = Vec::new();
                while !heard.ends_with(b"\r\n\r\n") {
                    heard.push(stream.read_u8().await.unwrap());
                }
                count.fetch_add(1, Ordering::SeqCst);
                while count.load(Ordering::SeqCst) < 3 {
                    tokio::task::yield_now().await;
                }
                let answer = b"HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                stream.flush().await.unwrap();
                let _ = stream.read_u8().await;
            });
        }
    });
    (port, connections)
}

#[tokio::test]
async fn after_a_kept_connection_has_ended_a_new_one_is_tried_and_no_other_kept_one() {
    let authority = Authority::new().unwrap();
    let (port, connections) = fickle(&authority).await;
    let client = client(&authority, port, Limits::patient());
    let url = format!("https://localhost:{port}/d");
    let token = token();
    let send = async |purpose, method| {
        let outgoing = Outgoing {
            method,
            verb: None,
            url: &url,
            headers: &[],
            body: None,
            token: Some(&token),
            deadline: Instant::now() + HANGS,
        };
        let caller = Caller {
            run: "r",
            case: "c",
        };
        client.send(purpose, caller, outgoing).await
    };
    // Three that are kept.
    let three = futures_util::future::join_all((0..3).map(|_| send(Purpose::Effect, Method::Get)));
    for outcome in three.await {
        assert_eq!(outcome.exchange.status, Some(201));
    }
    for method in [Method::Get, Method::Mkcol] {
        // A connection is kept from a moment after its answer on; until then a new one is made at once.
        for turn in 0.. {
            assert!(turn < 1000, "no connection is kept");
            let before = connections.load(Ordering::SeqCst);
            let outcome = send(Purpose::Arrange, method).await;
            assert_eq!(outcome.exchange.status, Some(201), "{outcome:?}");
            assert_eq!(connections.load(Ordering::SeqCst), before + 1);
            if outcome.exchange.attempts == 2 {
                break;
            }
        }
    }
    // What is judged and writes has a connection of its own.
    let outcome = send(Purpose::Step, Method::Mkcol).await;
    assert_eq!(
        (outcome.exchange.status, outcome.exchange.attempts),
        (Some(201), 1)
    );
}

/// A step of a suite may go where the service has redirected before.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_place_is_asked_for_its_trust_as_well() {
    let authority = Authority::new().unwrap();
    let server = serve(&authority, by_path).await;
    let client = client(&authority, server.port, Limits::patient());
    let own = format!("https://localhost:{}/x", server.port);
    assert!(send(&client, Method::Get, &own).await.answer.is_ok());
    let before = server.seen.lock().unwrap().len();
    let strange = own.replace("localhost", "127.0.0.1");
    for method in [Method::Get, Method::Put] {
        let reason = send(&client, method, &strange).await.answer.unwrap_err();
        let told = "not sent: the token may not go to 127.0.0.1 (`redirect-hosts`)";
        assert_eq!(reason.to_string(), told);
    }
    assert_eq!(server.seen.lock().unwrap().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_and_the_token_stays_with_the_host() {
    let authority = Authority::new().unwrap();
    let (redirector, disk) = (
        serve(&authority, by_path).await,
        serve(&authority, by_path).await,
    );
    let client = client(&authority, redirector.port, Limits::patient());
    let bearer = format!("Bearer {SECRET}");
    for (path, expected) in [("to", Some(bearer)), ("ip", None), ("authz", None)] {
        for method in [Method::Get, Method::Put] {
            let url = format!(
                "https://localhost:{}/{path}/{}/f",
                redirector.port, disk.port
            );
            let outcome = send(&client, method, &url).await;
            assert_eq!(outcome.answer.unwrap().body, b"done", "{path}");
            assert_eq!(
                disk.seen.lock().unwrap().last(),
                Some(&expected),
                "{path} {method}"
            );
            let hop = &outcome.exchange.hops[0];
            assert_eq!((hop.status, hop.token_forwarded), (307, expected.is_some()));
            let shown = format!("{:?}", outcome.exchange);
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
    for (path, expected) in [("plain", "https only"), ("loop", "more than 5 redirects")] {
        let outcome = send(
            &client,
            Method::Get,
            &format!("https://localhost:{}/{path}", redirector.port),
        )
        .await;
        let failure = outcome.answer.unwrap_err().to_string();
        assert!(failure.contains(expected), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_capped_and_kept_in_part() {
    let authority = Authority::new().unwrap();
    let server = serve(&authority, |_| whole(vec![b'x'; 1 << 20])).await;
    let limits = Limits {
        body: 5000,
        ..Limits::patient()
    };
    let client = client(&authority, server.port, limits);
    let outcome = send(
        &client,
        Method::Get,
        &format!("https://localhost:{}/", server.port),
    )
    .await;
    let answer = outcome.answer.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (5000, true));
    assert_eq!(outcome.exchange.response_bytes, 5000);
    assert_eq!(outcome.exchange.response_body.chars().count(), 1025);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends() {
    let authority = Authority::new().unwrap();
    let endless = |_: &Request| {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
        let never = futures_util::stream::pending();
        whole(Body::from_stream(futures_util::StreamExt::chain(
            first, never,
        )))
    };
    let server = serve(&authority, endless).await;
    let limits = Limits {
        idle: Duration::from_millis(200),
        ..Limits::patient()
    };
    let client = client(&authority, server.port, limits);
    let outcome = send(
        &client,
        Method::Get,
        &format!("https://localhost:{}/", server.port),
    )
    .await;
    let failure = outcome.answer.unwrap_err().to_string();
    assert!(failure.contains("stopped for 0.2 s"), "{failure}");
    assert_eq!(outcome.exchange.error.as_deref(), Some(failure.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_the_token_back_does_not_get_it_into_the_record() {
    let authority = Authority::new().unwrap();
    let echo = |request: &Request| {
        let value = request.headers().get("authorization").cloned().unwrap();
        let text = format!("you said {}", value.to_str().unwrap());
        let mut response = whole(text);
        *response.status_mut() = StatusCode::FORBIDDEN;
        response.headers_mut().insert("x-echo", value);
        response
    };
    let server = serve(&authority, echo).await;
    let client = client(&authority, server.port, Limits::patient());
    let outcome = send(
        &client,
        Method::Get,
        &format!("https://localhost:{}/", server.port),
    )
    .await;
    assert_eq!(outcome.exchange.status, Some(403));
    let shown = format!("{:?}", outcome.exchange);
    assert!(
        shown.contains("you said") && !shown.contains(SECRET),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_is_tried_twice_and_told() {
    let authority = Authority::new().unwrap();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let client = client(&authority, port, Limits::patient());
    let outcome = send(&client, Method::Put, &format!("https://localhost:{port}/")).await;
    assert!(
        outcome
            .answer
            .unwrap_err()
            .to_string()
            .starts_with("no connection")
    );
    assert_eq!(outcome.exchange.attempts, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_comes_from_directories_and_nothing_else() {
    let authority = Authority::new().unwrap();
    let server = serve(&authority, |_| whole("done")).await;
    let url = format!("https://localhost:{}/", server.port);
    let folder = tempfile::tempdir().unwrap();
    let trust = [Trust::Path(folder.path().to_owned())];
    assert!(matches!(client_config(&trust), Err(TlsError::Empty(_))));
    let other = Authority::new().unwrap();
    std::fs::write(folder.path().join("5ed36f99.0"), other.ca_pem()).unwrap();
    std::fs::write(
        folder.path().join("broken.pem"),
        "-----BEGIN CERTIFICATE-----\n!\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("broken.r0"), "no list").unwrap();
    std::fs::write(folder.path().join("policy.signing_policy"), "text").unwrap();
    let get = |trust: &[Trust]| plain_client(trust, HANGS).unwrap().get(&url).send();
    let refused = get(&trust).await.unwrap_err();
    assert!(
        explain(&refused).contains("certificate"),
        "{}",
        explain(&refused)
    );
    assert!(
        !explain(&refused).contains(&url),
        "no URL, it may hold a token"
    );
    std::fs::write(folder.path().join("0a1b2c3d.0"), authority.ca_pem()).unwrap();
    assert_eq!(get(&trust).await.unwrap().text().await.unwrap(), "done");
    let missing = [Trust::Path(folder.path().join("missing.pem"))];
    assert!(matches!(
        client_config(&missing),
        Err(TlsError::Read { .. })
    ));
}

/// As Node.js does with a request that reaches it when it is about to close the idle connection.
#[tokio::test]
async fn single_requests_meet_no_connection_that_is_being_closed() {
    let authority = Authority::new().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let acceptor = TlsAcceptor::from(tls(&authority).await.get_inner());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let mut head = [0; 1024];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
                stream.write_all(answer).await.unwrap();
                // Whatever comes next is not answered.
                let _ = stream.read(&mut head).await;
            });
        }
    });
    let trust = [Trust::Pem(authority.ca_pem().to_owned())];
    let client = plain_client(&trust, HANGS).unwrap();
    for _ in 0..3 {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "done");
    }
}

/// What hyper says when the connection ended before a request was sent on it.
async fn not_ready() -> hyper::Error {
    let (ours, _theirs) = tokio::io::duplex(1024);
    let io = hyper_util::rt::TokioIo::new(ours);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    drop(connection);
    let request = hyper::Request::new(http_body_util::Empty::<Bytes>::new());
    sender.send_request(request).await.unwrap_err()
}

/// Even a write: nothing of it was sent.
#[tokio::test]
async fn what_was_not_sent_is_sent_on_another_connection() {
    let authority = Authority::new().unwrap();
    let server = serve(&authority, |_| whole("done")).await;
    let url = format!("https://localhost:{}/", server.port);
    let trust = [Trust::Pem(authority.ca_pem().to_owned())];
    for (closed, arrives) in [
        (0, true),
        (FURTHER_CONNECTIONS, true),
        (FURTHER_CONNECTIONS + 1, false),
    ] {
        let connections = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&connections);
        let client = builder(client_config(&trust).unwrap(), HANGS)
            .connector_layer(MapFutureLayer::new(move |connecting| {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                async move {
                    let connected = connecting.await?;
                    match number < closed {
                        true => Err(not_ready().await.into()),
                        false => Ok(connected),
                    }
                }
            }))
            .build()
            .unwrap();
        let before = server.seen.lock().unwrap().len();
        let answer = client.delete(&url).body("all").send().await;
        let sent = server.seen.lock().unwrap().len() - before;
        assert_eq!((answer.is_ok(), sent), (arrives, usize::from(arrives)));
        let tried = (closed + 1).min(FURTHER_CONNECTIONS + 1);
        assert_eq!(connections.load(Ordering::SeqCst), tried);
    }
}

/// It may have had its effect.
#[tokio::test]
async fn what_broke_on_its_way_counts_as_sent() {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let io = hyper_util::rt::TokioIo::new(ours);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::new(http_body_util::Empty::<Bytes>::new());
    let answer = tokio::spawn(sender.send_request(request));
    assert!(theirs.read(&mut [0; 1024]).await.unwrap() > 0);
    drop(theirs);
    assert!(!unsent(&answer.await.unwrap().unwrap_err()));
}

#[tokio::test]
async fn where_nothing_may_be_written_neither_client_sends_what_could_write() {
    let authority = Authority::new().unwrap();
    let server = serve(&authority, |_| Response::new(Body::empty())).await;
    let mut endpoint = endpoint(&authority, server.port, Limits::patient());
    endpoint.traits.read_only = Some(Existing {
        path: "/d/f".into(),
        adler32: 1,
    });
    let run = "20261122t072848z-4f2a9c".parse().unwrap();
    let guard = Guard::of_run(&endpoint, &run, std::iter::empty());
    let client = Client::new(&endpoint, &limiter(), &redactor(), guard.clone()).unwrap();
    let wire = RawClient::new(&endpoint, &limiter(), &redactor(), guard).unwrap();
    let override_header = [("X-HTTP-Method-Override".to_owned(), "PUT".to_owned())];
    let caller = Caller {
        run: "r",
        case: "c",
    };
    let deadline = Instant::now() + HANGS;
    let url = endpoint.url_of("/d/f");
    let harmless = (Method::Get, None, &[][..], None);
    let attempts = [
        (Method::Put, None, &[][..], Some(&b"x"[..])),
        (Method::Delete, None, &[], None),
        (Method::Mkcol, None, &[], None),
        (Method::Move, None, &[], None),
        (Method::Copy, None, &[], None),
        (Method::Get, Some("PATCH"), &[], None),
        (Method::Get, Some("get"), &[], None),
        (Method::Get, None, &override_header[..], None),
        (Method::Get, None, &[], Some(b"x")),
        harmless,
    ];
    for (method, verb, headers, body) in attempts {
        let outgoing = Outgoing {
            method,
            verb,
            url: &url,
            headers,
            body,
            token: None,
            deadline,
        };
        let raw = RawRequest {
            method,
            verb: verb.unwrap_or(method.as_str()),
            target: "/d/f",
            headers,
            body,
            tokens: &[],
            expect_continue: false,
            http_1_0: false,
            chunked: false,
            cut_body_at: None,
            deadline,
        };
        let before = server.seen.lock().unwrap().len();
        let one = client.send(Purpose::Step, caller, outgoing).await.answer;
        let other = wire.send(Purpose::Step, caller, raw).await.answer;
        let sent = server.seen.lock().unwrap().len() - before;
        if (method, verb, headers, body) == harmless {
            assert!(one.is_ok() && other.is_ok() && sent == 2);
            continue;
        }
        assert_eq!(sent, 0, "{method} {verb:?}");
        for answer in [one, other] {
            let reason = answer.unwrap_err().reason;
            assert!(
                reason.starts_with("not sent: the endpoint is read-only"),
                "{reason}"
            );
        }
    }
}
