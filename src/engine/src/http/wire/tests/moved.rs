use std::sync::{Arc, OnceLock};

use super::server::Peer;
use super::*;
use touchstone_model::BearerToken;

/// Sends on what is asked for below `/to`, to what `place` makes of the port, and answers the rest with what it heard.
async fn connector(mut peer: Peer, port: Arc<OnceLock<u16>>, place: fn(u16) -> String) {
    loop {
        let head = peer.head().await;
        let target = head.split(' ').nth(1).unwrap_or_default();
        let text = match target {
            "" => return,
            target if target.starts_with("/to") => {
                let place = place(*port.get().unwrap());
                format!("HTTP/1.1 307 Elsewhere\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")
            }
            "/denied" => "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
            _ => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}",
                head.len()
            ),
        };
        peer.say(&text).await;
    }
}

async fn start(place: fn(u16) -> String) -> Server {
    let port = Arc::new(OnceLock::new());
    let known = Arc::clone(&port);
    let server = Server::start(move |peer| connector(peer, Arc::clone(&known), place)).await;
    port.set(server.port).unwrap();
    server
}

/// A client that takes tokens to these hosts beside its own.
fn to(server: &Server, hosts: &[&str]) -> RawClient {
    let mut endpoint = endpoint(&server.authority, server.port, Limits::patient());
    endpoint.redirect_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    RawClient::new(&endpoint, &limiter(), &redactor(), Guard::open()).unwrap()
}

fn authorized() -> Vec<(String, String)> {
    headers(&[
        ("AUTHORIZATION", &format!("Bearer {SECRET}")),
        ("x-Odd", "1"),
        ("x-odd", "2"),
    ])
}

fn with<'a>(given: &'a [(String, String)], tokens: &'a [&'a BearerToken]) -> RawRequest<'a> {
    RawRequest {
        verb: "pRoPfInD",
        headers: given,
        tokens,
        ..raw(Method::Propfind, "/to/x")
    }
}

#[tokio::test]
async fn a_request_goes_on_byte_for_byte() {
    let server = start(|port| format!("https://127.0.0.1:{port}//a/../%2e%2E/f?&x=1#part")).await;
    let wire = to(&server, &["127.0.0.1"]);
    let (given, token) = (authorized(), token());
    let outcome = send(&wire, with(&given, &[&token])).await;
    assert_eq!(
        body(&outcome),
        format!(
            "pRoPfInD //a/../%2e%2E/f?&x=1 HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: touchstone/{} (run r; case c)\r\n\
             AUTHORIZATION: Bearer {SECRET}\r\nx-Odd: 1\r\nx-odd: 2\r\n\r\n",
            server.port,
            env!("CARGO_PKG_VERSION")
        )
    );
    let record = &outcome.exchange;
    assert_eq!(
        record.url,
        format!("https://localhost:{}/to/x", server.port)
    );
    assert_eq!(record.method.as_str(), "pRoPfInD");
    assert_eq!((record.hops.len(), record.attempts), (1, 1));
    assert_eq!(
        (record.hops[0].status, record.hops[0].token_forwarded),
        (307, true)
    );
    assert!(!outcome.carried);
}

#[tokio::test]
async fn credentials_stay_where_they_may_be() {
    let server = start(|port| format!("https://127.0.0.1:{port}/f")).await;
    let (given, token) = (authorized(), token());
    let outcome = send(&to(&server, &[]), with(&given, &[&token])).await;
    let heard = body(&outcome).to_lowercase();
    assert!(
        heard.contains("x-odd: 2") && !heard.contains("authorization"),
        "{heard}"
    );
    assert!(!outcome.exchange.hops[0].token_forwarded);

    // What was refused for want of the token says nothing about it.
    let server = start(|port| format!("https://127.0.0.1:{port}/denied")).await;
    let outcome = send(&to(&server, &[]), with(&given, &[&token])).await;
    assert_eq!(
        failure(&outcome),
        "it redirects to 127.0.0.1, to which the token may not go (`redirect-hosts`), and what is refused there without it decides nothing; \
         `redirect-hosts: [127.0.0.1]` at the endpoint would allow it"
    );
    let (answer, reason) = outcome.answer.unwrap_err().answer_without_token().unwrap();
    assert_eq!(answer.status, 403);
    assert!(reason.contains("refused there without it"), "{reason}");
    let outcome = send(&to(&server, &[]), raw(Method::Get, "/to/x")).await;
    assert_eq!(
        outcome.exchange.status,
        Some(403),
        "there was none to withhold"
    );
}

#[tokio::test]
async fn a_place_with_the_token_in_it_is_one_of_a_host_that_may_have_it() {
    let place = |port| format!("https://127.0.0.1:{port}/f?authz=Bearer%20{SECRET}");
    let server = start(place).await;
    let (given, token) = (authorized(), token());
    let refused = send(&to(&server, &[]), with(&given, &[&token])).await;
    let told = failure(&refused);
    assert!(
        told.ends_with("`redirect-hosts: [127.0.0.1]` at the endpoint would allow it"),
        "{told}"
    );
    assert!(told.contains("with the token in the URL"), "{told}");
    assert_eq!(server.connections(), 1);
    assert!(!format!("{:?}", refused.exchange).contains(SECRET));
    // It is presented once (RFC 6750 section 2), and the place is told of.
    let outcome = send(&to(&server, &["127.*"]), with(&given, &[&token])).await;
    let heard = body(&outcome);
    assert!(
        heard.contains(&format!("/f?authz=Bearer%20{SECRET} ")),
        "{heard}"
    );
    assert!(!heard.contains("AUTHORIZATION"), "{heard}");
    assert!(outcome.carried);
    // That was in the query already.
    let target = format!("/to/x?authz={SECRET}");
    let request = RawRequest {
        tokens: &[&token],
        ..get(&target)
    };
    let outcome = send(&to(&server, &["127.*"]), request).await;
    assert!(body(&outcome).contains(SECRET) && !outcome.carried);
}

#[tokio::test]
async fn what_was_sent_on_over_a_kept_connection_keeps_another() {
    let server = start(|port| format!("https://127.0.0.1:{port}/f")).await;
    let wire = to(&server, &["127.0.0.1"]);
    let mut connection = wire.connection().await.unwrap();
    for reused in [false, true, true] {
        let outcome = send_on(&mut connection, get("/to/x")).await;
        assert_eq!(
            (outcome.exchange.status, outcome.reused),
            (Some(200), reused)
        );
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn uploads_are_looked_for_where_a_303_says_and_nothing_turns_in_circles() {
    let server = Server::start(async |mut peer: Peer| {
        while let Some(verb) = peer.head().await.split(' ').next().map(str::to_owned) {
            match verb.as_str() {
                "" => return,
                "PUT" => {
                    peer.bytes(4).await;
                    peer.say("HTTP/1.1 303 There\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")
                        .await
                }
                "DELETE" => {
                    peer.say("HTTP/1.1 308 Here\r\nLocation: /f\r\nContent-Length: 0\r\n\r\n")
                        .await
                }
                verb => {
                    peer.answer(200, verb).await;
                    true
                }
            };
        }
    })
    .await;
    let outcome = once(&server, put("/f", b"data")).await;
    assert_eq!((body(&outcome), outcome.exchange.hops.len()), ("GET", 1));
    let outcome = once(&server, raw(Method::Delete, "/f")).await;
    assert!(failure(&outcome).starts_with("more than 5 redirects, and still one from"));
    assert_eq!(outcome.exchange.hops.len(), 5);
}
