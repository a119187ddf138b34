use super::server::Peer;
use super::*;

/// Answers `many` requests with the numbers of the connection and of the request, then hangs up.
async fn count(mut peer: Peer, many: usize) {
    for request in 0..many {
        if peer.head().await.is_empty() {
            return;
        }
        let text = format!("{}.{request}", peer.number);
        peer.answer(200, &text).await;
    }
}

async fn until_closed(connection: &KeptConnection) {
    let closed = async {
        while connection.open() {
            tokio::task::yield_now().await;
        }
    };
    awaited("the end of the connection is not noticed", closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_follow_one_another_on_one_connection() {
    let server = Server::start(|peer| count(peer, 3)).await;
    let wire = wire(&server, Limits::patient());
    let mut connection = wire.connection().await.unwrap();
    assert!(connection.open());
    for (expected, reused) in [("0.0", false), ("0.1", true), ("0.2", true)] {
        let outcome = send_on(&mut connection, get("/f")).await;
        assert_eq!((body(&outcome), outcome.reused), (expected, reused));
    }
    // The server's end is seen, and the next request says that it had to go elsewhere.
    until_closed(&connection).await;
    for (expected, reused) in [("1.0", false), ("1.1", true)] {
        let outcome = send_on(&mut connection, put("/f", b"")).await;
        assert_eq!((body(&outcome), outcome.reused), (expected, reused));
        assert_eq!(outcome.exchange.attempts, 1);
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn each_lone_request_has_its_own_connection() {
    let server = Server::start(|peer| count(peer, 9)).await;
    let wire = wire(&server, Limits::patient());
    for expected in ["0.0", "1.0"] {
        let wire = wire.clone();
        let other = tokio::spawn(async move { send(&wire, get("/f")).await });
        let outcome = other.await.unwrap();
        assert_eq!((body(&outcome), outcome.reused), (expected, false));
    }
}

#[tokio::test]
async fn only_harmless_requests_are_sent_again() {
    // The first connection ends when its second request is there; nobody knows whether it counted.
    let script = async |mut peer: Peer| {
        peer.head().await;
        peer.answer(200, "first").await;
        if !peer.head().await.is_empty() && peer.number > 0 {
            peer.answer(200, "second").await;
        }
    };
    for (request, attempts) in [
        (get("/f"), 2),
        (put("/f", b""), 1),
        (
            RawRequest {
                verb: "DELETE",
                ..get("/f")
            },
            1,
        ),
    ] {
        let server = Server::start(script).await;
        let wire = wire(&server, Limits::patient());
        let mut connection = wire.connection().await.unwrap();
        assert_eq!(body(&send_on(&mut connection, get("/f")).await), "first");
        let outcome = send_on(&mut connection, request).await;
        assert_eq!(outcome.exchange.attempts, attempts);
        assert_eq!(outcome.reused, attempts == 1);
        // Who has sent it may find out what came of it, and send it again.
        assert_eq!(outcome.lost, attempts == 1);
        match attempts {
            1 => assert!(
                failure(&outcome).starts_with("the exchange broke"),
                "{}",
                failure(&outcome)
            ),
            _ => assert_eq!(body(&outcome), "first"),
        }
    }
}

#[tokio::test]
async fn answers_end_where_they_end() {
    let server = Server::start(async |mut peer: Peer| {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-trailer: y\r\n\r\n",
            "HTTP/1.1 307 Nowhere\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        ] {
            peer.head().await;
            peer.say(answer).await;
        }
        peer.farewell().await;
    })
    .await;
    let wire = wire(&server, Limits::patient());
    let mut connection = wire.connection().await.unwrap();
    let answers = [
        (raw(Method::Head, "/f"), 200, ""),
        (raw(Method::Delete, "/f"), 204, ""),
        (get("/f"), 200, "abc"),
        (get("/f"), 307, ""),
        (get("/f"), 200, "until the end"),
    ];
    for (number, (request, status, text)) in answers.into_iter().enumerate() {
        let outcome = send_on(&mut connection, request).await;
        assert_eq!(
            (outcome.exchange.status, body(&outcome)),
            (Some(status), text)
        );
        assert_eq!(outcome.reused, number > 0);
        assert_eq!(outcome.exchange.hops, []);
    }
    assert_eq!(server.connections(), 1);
    until_closed(&connection).await;
}

#[tokio::test]
async fn a_server_that_asks_to_close_is_obeyed() {
    let server = Server::start(async |mut peer: Peer| {
        peer.head().await;
        peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
            .await;
        peer.rest().await;
    })
    .await;
    let wire = wire(&server, Limits::patient());
    let mut connection = wire.connection().await.unwrap();
    for _ in 0..2 {
        let outcome = send_on(&mut connection, get("/f")).await;
        assert_eq!((body(&outcome), outcome.reused), ("x", false));
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_literal_address_is_a_host() {
    let Ok(server) = Server::at("[::1]:0", |peer| count(peer, 1)).await else {
        return; // no IPv6 on this machine
    };
    let mut endpoint = endpoint(&server.authority, server.port, Limits::patient());
    endpoint.url = format!("https://[::1]:{}", server.port).parse().unwrap();
    let wire = RawClient::new(&endpoint, &limiter(), &redactor(), Guard::open()).unwrap();
    let outcome = send(&wire, get("/f")).await;
    assert_eq!(body(&outcome), "0.0");
    assert_eq!(
        outcome.exchange.url,
        format!("https://[::1]:{}/f", server.port)
    );
}
