use tokio::sync::mpsc::unbounded_channel;

use super::server::Peer;
use super::*;

/// Answers with what it heard up to the empty line.
async fn echo(mut peer: Peer) {
    loop {
        let head = peer.head().await;
        if head.is_empty() {
            return;
        }
        peer.answer(200, &head).await;
    }
}

/// Takes the body as well, which is so long, and answers with everything.
async fn echo_with(mut peer: Peer, length: usize) {
    let mut heard = peer.head().await;
    heard.push_str(&String::from_utf8(peer.bytes(length).await).unwrap());
    peer.answer(201, &heard).await;
}

#[tokio::test]
async fn targets_are_sent_as_they_are() {
    let server = Server::start(echo).await;
    let wire = wire(&server, Limits::patient());
    for target in [
        "/",
        "/a/../b",
        "/a/./b/.",
        "/a/%2e%2e/b",
        "/a/%252e%252e/b",
        "/a/../%2e%2e/b//c?x=y",
        "//x//y",
        "/a\\..\\b",
        "/a/..;/b",
        "/a/..%2fb",
        "/%00",
        "/a#b",
        "/%zz?%",
        "/{a}|^`\"<>",
        "/ä",
    ] {
        let outcome = send(&wire, get(target)).await;
        let line = body(&outcome).lines().next().unwrap().to_owned();
        assert_eq!(line, format!("GET {target} HTTP/1.1"));
        assert_eq!(
            outcome.exchange.url,
            format!("https://localhost:{}{target}", server.port)
        );
    }
}

#[tokio::test]
async fn headers_keep_their_names_order_and_duplicates() {
    let server = Server::start(echo).await;
    let given = headers(&[
        ("AUTHORIZATION", &format!("Bearer {SECRET}")),
        ("x-One", "1"),
        ("authorization", "Bearer other"),
        ("X-ONE", ""),
        ("x-one", "ü\t2"),
    ]);
    let token = token();
    let request = RawRequest {
        verb: "pRoPfInD",
        headers: &given,
        tokens: &[&token],
        ..raw(Method::Propfind, "/f")
    };
    let outcome = once(&server, request).await;
    let expected = format!(
        "pRoPfInD /f HTTP/1.1\r\nHost: localhost:{}\r\nUser-Agent: touchstone/{} (run r; case c)\r\n\
         AUTHORIZATION: Bearer {SECRET}\r\nx-One: 1\r\nauthorization: Bearer other\r\nX-ONE: \r\nx-one: ü\t2\r\n\r\n",
        server.port,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(body(&outcome), expected);
    let record = &outcome.exchange;
    assert_eq!(
        record.request_headers,
        headers(&[("x-One", "1"), ("X-ONE", ""), ("x-one", "ü\t2")])
    );
    assert_eq!(record.method.as_str(), "pRoPfInD");
    assert_eq!(record.token.as_ref().unwrap(), &token.shown);
    assert_eq!((record.status, record.attempts), (Some(200), 1));
    assert!(!outcome.body_sent && !outcome.continued && !outcome.reused);
}

#[tokio::test]
async fn headers_of_ours_give_way_to_given_ones() {
    let server = Server::start(|peer| echo_with(peer, 3)).await;
    let given = headers(&[
        ("user-agent", "curl"),
        ("content-length", "3"),
        ("host", "other.example"),
        ("expect", "100-Continue"),
    ]);
    let request = RawRequest {
        headers: &given,
        ..put("/f", b"abc")
    };
    assert_eq!(
        body(&once(&server, request).await),
        "PUT /f HTTP/1.1\r\nuser-agent: curl\r\ncontent-length: 3\r\nhost: other.example\r\nexpect: 100-Continue\r\n\r\nabc"
    );
}

#[tokio::test]
async fn bodies_go_with_their_length_or_as_one_chunk() {
    for (content, chunked, expected) in [
        (
            Some(&b"content"[..]),
            false,
            "Content-Length: 7\r\n\r\ncontent",
        ),
        (
            Some(b"content"),
            true,
            "Transfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n",
        ),
        (
            Some(b""),
            true,
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (Some(b""), false, "Content-Length: 0\r\n\r\n"),
        (None, false, "Content-Length: 0\r\n\r\n"),
    ] {
        let length = expected.len() - expected.find("\r\n\r\n").unwrap() - 4;
        let server = Server::start(move |peer| echo_with(peer, length)).await;
        let request = RawRequest {
            body: content,
            chunked,
            ..raw(Method::Put, "/f")
        };
        let outcome = once(&server, request).await;
        assert!(body(&outcome).ends_with(expected), "{}", body(&outcome));
        assert_eq!(outcome.body_sent, content.is_some());
        let text = content.map(|content| str::from_utf8(content).unwrap());
        assert_eq!(outcome.exchange.request_body.as_deref(), text);
        let shown = headers(&[("Transfer-Encoding", "chunked")]);
        assert_eq!(outcome.exchange.request_headers == shown, chunked);
    }
}

#[tokio::test]
async fn what_cannot_be_one_request_is_not_sent() {
    let server = Server::start(echo).await;
    let wire = wire(&server, Limits::patient());
    let header = |name: &str, value: &str| headers(&[(name, value)]);
    let (folded, spaced) = (header("x", "a\r\nb: c"), header("x y", "z"));
    let secret = header("Authorization", &format!("Bearer {SECRET}\n"));
    for (request, expected) in [
        (get("/a b"), "a space or a control character"),
        (get("/a\r\nx: y"), "a space or a control character"),
        (get("/\0"), "a space or a control character"),
        (get("/\x7f"), "a space or a control character"),
        (get("a"), "start with `/`"),
        (get(""), "start with `/`"),
        (
            RawRequest {
                verb: "GE T",
                ..get("/")
            },
            "`GE T` cannot be a method",
        ),
        (
            RawRequest {
                verb: "",
                ..get("/")
            },
            "cannot be a method",
        ),
        (
            RawRequest {
                headers: &folded,
                ..get("/")
            },
            "the header x has characters",
        ),
        (
            RawRequest {
                headers: &spaced,
                ..get("/")
            },
            "`x y` cannot name a header",
        ),
        (
            RawRequest {
                headers: &secret,
                ..get("/")
            },
            "the header Authorization has",
        ),
        (
            RawRequest {
                cut_body_at: Some(1),
                ..get("/")
            },
            "no body that could be cut",
        ),
    ] {
        let outcome = send(&wire, request).await;
        assert!(
            failure(&outcome).contains(expected),
            "{}",
            failure(&outcome)
        );
        assert_eq!(outcome.exchange.attempts, 0);
        assert!(!format!("{outcome:?}").contains(SECRET));
    }
    assert_eq!(server.connections(), 0);
}

fn expecting(body: &[u8]) -> RawRequest<'_> {
    RawRequest {
        expect_continue: true,
        ..put("/f", body)
    }
}

#[tokio::test]
async fn a_refusal_keeps_the_body_back() {
    let (tell, mut told) = unbounded_channel();
    let server = Server::start(move |mut peer: Peer| {
        let tell = tell.clone();
        async move {
            let head = peer.head().await;
            peer.answer(403, "no").await;
            tell.send((head, peer.rest().await)).unwrap();
        }
    })
    .await;
    let wire = wire(&server, Limits::patient());
    let mut connection = wire.connection().await.unwrap();
    let outcome = send_on(&mut connection, expecting(b"content")).await;
    assert_eq!(outcome.exchange.status, Some(403));
    assert!(!connection.open(), "the server may still wait for the body");
    let (head, rest) = told.recv().await.unwrap();
    assert!(head.contains("\r\nExpect: 100-continue\r\nContent-Length: 7\r\n"));
    assert_eq!(rest, b"");
    assert!(!outcome.body_sent && !outcome.continued);
    assert_eq!(
        outcome.exchange.request_headers,
        headers(&[("Expect", "100-continue")])
    );
}

#[tokio::test]
async fn a_hundred_lets_the_body_go() {
    let server = Server::start(async |mut peer: Peer| {
        peer.head().await;
        peer.say("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\nx: y\r\n\r\n")
            .await;
        let content = String::from_utf8(peer.bytes(7).await).unwrap();
        peer.answer(201, &content).await;
    })
    .await;
    // The server's word counts: without it, the body would not come.
    let wire = wire(&server, Limits::patient()).keeping_bodies_back(HANGS);
    let outcome = send(&wire, expecting(b"content")).await;
    assert_eq!(
        (body(&outcome), outcome.exchange.status),
        ("content", Some(201))
    );
    assert!(outcome.body_sent && outcome.continued);
}

#[tokio::test]
async fn a_silent_server_gets_the_body_after_a_second() {
    let server = Server::start(async |mut peer: Peer| {
        peer.head().await;
        let content = String::from_utf8(peer.bytes(7).await).unwrap();
        peer.answer(201, &content).await;
    })
    .await;
    let begun = Instant::now();
    let outcome = once(&server, expecting(b"content")).await;
    assert_eq!(body(&outcome), "content");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert!(outcome.body_sent && !outcome.continued);
}

#[tokio::test]
async fn a_cut_upload_ends_where_it_should() {
    for (chunked, heard) in [(false, "con"), (true, "7\r\ncon")] {
        let (tell, mut told) = unbounded_channel();
        let server = Server::start(move |mut peer: Peer| {
            let tell = tell.clone();
            async move {
                let announced = peer.head().await.contains("Content-Length: 7\r\n");
                tell.send((announced, peer.rest().await)).unwrap();
            }
        })
        .await;
        let request = RawRequest {
            chunked,
            cut_body_at: Some(3),
            ..put("/f", b"content")
        };
        let outcome = once(&server, request).await;
        assert_eq!(
            failure(&outcome),
            "the connection was closed on purpose after 3 of 7 bytes of the body; no answer came"
        );
        assert_eq!(told.recv().await.unwrap(), (!chunked, heard.into()));
        assert!(!outcome.body_sent);
        assert_eq!(outcome.exchange.attempts, 1);
    }
}

#[tokio::test]
async fn an_answer_to_a_cut_upload_is_heard() {
    let server = Server::start(async |mut peer: Peer| {
        peer.head().await;
        peer.rest().await;
        // Longer than a farewell is waited for: a busy server takes its time.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        peer.answer(400, "cut").await;
    })
    .await;
    let wire = wire(&server, Limits::patient());
    let mut connection = wire.connection().await.unwrap();
    let request = RawRequest {
        cut_body_at: Some(0),
        ..put("/f", b"content")
    };
    let outcome = send_on(&mut connection, request).await;
    assert_eq!(
        (body(&outcome), outcome.exchange.status),
        ("cut", Some(400))
    );
    assert!(!connection.open());
}

#[tokio::test]
async fn an_answer_in_the_middle_of_an_upload_counts() {
    let server = Server::start(async |mut peer: Peer| {
        peer.head().await;
        peer.answer(507, "full").await;
        // Whoever reads no further makes the client stop.
        std::future::pending::<()>().await;
    })
    .await;
    let large = vec![b'x'; 32 << 20];
    let outcome = once(&server, put("/f", &large)).await;
    assert_eq!(
        (body(&outcome), outcome.exchange.status),
        ("full", Some(507))
    );
    assert!(!outcome.body_sent);
    // Redacting all of it would cost time before the connection, of which the request has only so much.
    let kept = outcome.exchange.request_body.unwrap();
    assert_eq!(kept.chars().count(), 16 * 1024 + 1);
    assert!(kept.ends_with("x…"));
}
