use tokio::net::TcpListener;

use super::server::Peer;
use super::*;
use touchstone_reference::Authority;

/// Takes a request, says this, and waits for the client to go.
async fn says(text: &'static str) -> Server {
    Server::start(move |mut peer: Peer| async move {
        peer.head().await;
        peer.say(text).await;
        peer.rest().await;
    })
    .await
}

#[tokio::test]
async fn informational_answers_are_counted() {
    let server = Server::start(async |mut peer: Peer| {
        peer.head().await;
        while peer.say("HTTP/1.1 100 Continue\r\n\r\n").await {}
    })
    .await;
    let outcome = once(&server, get("/f")).await;
    assert_eq!(
        failure(&outcome),
        "more than 16 informational responses and no answer"
    );
    let server = Server::start(async |mut peer: Peer| {
        peer.head().await;
        peer.say(&"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(16))
            .await;
        peer.answer(200, "at last").await;
    })
    .await;
    assert_eq!(body(&once(&server, get("/f")).await), "at last");
}

#[tokio::test]
async fn an_endless_head_is_not_kept() {
    for line in ["x: y\r\n", "y"] {
        let server = Server::start(move |mut peer: Peer| async move {
            peer.head().await;
            peer.say("HTTP/1.1 200 OK\r\nx: ").await;
            while peer.say(&line.repeat(4096)).await {}
        })
        .await;
        let outcome = once(&server, get("/f")).await;
        assert!(
            failure(&outcome).contains("too large"),
            "{}",
            failure(&outcome)
        );
        assert_eq!(outcome.exchange.attempts, 1);
    }
}

#[tokio::test]
async fn garbage_is_told_and_not_asked_for_again() {
    for text in [
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "\0\0\0\0",
    ] {
        let server = says(text).await;
        let outcome = once(&server, get("/f")).await;
        assert!(
            failure(&outcome).starts_with("the exchange broke: "),
            "{}",
            failure(&outcome)
        );
        assert_eq!(
            outcome.exchange.error.as_deref(),
            Some(failure(&outcome).as_str())
        );
        assert_eq!(server.connections(), 1);
    }
    let server = says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").await;
    let outcome = once(&server, get("/f")).await;
    assert!(
        failure(&outcome).starts_with("the answer's body broke off: "),
        "{}",
        failure(&outcome)
    );
}

#[tokio::test]
async fn secrets_do_not_reach_the_record() {
    let server = Server::start(async |mut peer: Peer| {
        let head = peer.head().await;
        let line = head.lines().next().unwrap();
        peer.say(&format!(
            "HTTP/1.1 403 No\r\nX-Echo: {line}\r\nContent-Length: {}\r\n\r\n{head}",
            head.len()
        ))
        .await;
    })
    .await;
    let escaped: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let given = headers(&[
        ("Cookie", &format!("token={SECRET}")),
        ("x-Token", SECRET),
        ("authorization", &format!("bearer {SECRET}")),
    ]);
    let form = format!("access_token={SECRET}");
    let target = format!("/f?authz=Bearer%20{SECRET}&x={escaped}");
    let request = RawRequest {
        headers: &given,
        ..put(&target, form.as_bytes())
    };
    let outcome = once(&server, request).await;
    assert!(body(&outcome).contains(SECRET), "it was sent");
    let shown = format!("{:?}", outcome.exchange);
    assert!(
        shown.contains("/f?authz=") && shown.contains("x-Token"),
        "{shown}"
    );
    assert!(
        !shown.contains(SECRET) && !shown.contains(&escaped),
        "{shown}"
    );
    let verb = format!("{SECRET} x");
    let request = RawRequest {
        verb: &verb,
        ..get("/")
    };
    let refused = once(&server, request).await;
    assert_eq!(failure(&refused), "`[redacted] x` cannot be a method");
    assert!(!format!("{refused:?}").contains(SECRET));
}

#[tokio::test]
async fn bodies_are_capped() {
    let server = says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789").await;
    let limits = Limits {
        body: 5,
        ..Limits::patient()
    };
    let wire = wire(&server, limits);
    let mut connection = wire.connection().await.unwrap();
    let answer = send_on(&mut connection, get("/f")).await.answer.unwrap();
    assert_eq!(
        (answer.body.as_slice(), answer.truncated),
        (&b"12345"[..], true)
    );
    assert!(!connection.open(), "the rest is still in it");
}

#[tokio::test]
async fn waiting_ends() {
    let short = Duration::from_millis(200);
    let silent = says("").await;
    let limits = Limits {
        first_byte: short,
        ..Limits::patient()
    };
    let outcome = send(&wire(&silent, limits), get("/f")).await;
    assert_eq!(failure(&outcome), "no answer within 0.2 s");
    assert_eq!(
        outcome.exchange.attempts, 1,
        "patience is not asked for twice"
    );

    // The connection is there before: its part of the time would tell something else.
    let mut connection = wire(&silent, Limits::patient()).connection().await.unwrap();
    let request = RawRequest {
        deadline: Instant::now() + short,
        ..get("/f")
    };
    let outcome = send_on(&mut connection, request).await;
    assert!(
        failure(&outcome).starts_with("no answer within 0."),
        "{}",
        failure(&outcome)
    );

    let stalled = says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1").await;
    let limits = Limits {
        idle: short,
        ..Limits::patient()
    };
    let outcome = send(&wire(&stalled, limits), get("/f")).await;
    assert_eq!(failure(&outcome), "the answer's body stopped for 0.2 s");
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let authority = Authority::new().unwrap();
    let limits = Limits {
        connect: Duration::from_millis(200),
        ..Limits::patient()
    };
    let mute = RawClient::new(
        &endpoint(&authority, port, limits),
        &limiter(),
        &redactor(),
        Guard::open(),
    )
    .unwrap();
    assert_eq!(
        mute.connection().await.err().unwrap().to_string(),
        "no connection in time"
    );
    drop(listener);

    let nobody = endpoint(&authority, port, Limits::patient());
    let nobody = RawClient::new(&nobody, &limiter(), &redactor(), Guard::open()).unwrap();
    let outcome = send(&nobody, put("/f", b"x")).await;
    assert!(
        failure(&outcome).starts_with("no connection: "),
        "{}",
        failure(&outcome)
    );
    assert_eq!(
        outcome.exchange.attempts, 2,
        "nothing was sent, so nothing could change"
    );

    let server = says("").await;
    let stranger = endpoint(&authority, server.port, Limits::patient());
    let stranger = RawClient::new(&stranger, &limiter(), &redactor(), Guard::open()).unwrap();
    let reason = stranger.connection().await.err().unwrap().to_string();
    assert!(reason.contains("certificate"), "{reason}");
}
