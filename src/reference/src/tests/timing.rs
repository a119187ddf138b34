//! What happens while a transfer runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::super::TransferOptions;
use super::party::{Deed, Heard, Party};
use super::transfer::{CREATE, READ, bytes, last, options};
use super::*;
use crate::waiting::awaited;

/// Sends the first half of a file of 100 bytes, and the second half once it may go on.
fn halves(go: &Arc<Notify>) -> Vec<Deed> {
    let half = "x".repeat(50);
    vec![
        Deed::Send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{half}"
        )),
        Deed::Await(Arc::clone(go)),
        Deed::Send(half),
    ]
}

impl World {
    /// A pull that is under way.
    async fn pulling(&self, source: String) -> reqwest::Response {
        let copy = Method::from_bytes(b"COPY").unwrap();
        let request = self
            .client
            .request(copy, format!("{}/wlcg/n", self.storage.url()));
        let request = request.bearer_auth(self.token(CREATE));
        request.header("Source", source).send().await.unwrap()
    }
}

#[tokio::test]
async fn markers_come_while_the_data_do() {
    let world = World::transferring().await;
    let go = Arc::<Notify>::default();
    let gate = Arc::clone(&go);
    let other = Party::new(&world.authority, move |_, _| halves(&gate)).await;
    let mut response = world.pulling(other.url("/x")).await;
    assert_eq!(response.status(), 202);
    let mut body = String::new();
    while body.matches("Transferred: 50\n").count() < 3 {
        let chunk = response.chunk().await.unwrap().unwrap();
        body.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert_eq!(world.storage.paths().len(), 2, "nothing is there yet");
    go.notify_one();
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let told = bytes(&body);
    assert!(told.is_sorted() && told.last() == Some(&100), "{told:?}");
    assert_eq!(body.matches("success: Created\n").count(), 1);
    assert!(body.ends_with("success: Created\n"));
}

#[tokio::test]
async fn who_trickles_for_ever_is_not_waited_for() {
    let world = World::with_options(StorageOptions {
        transfer: TransferOptions {
            total: Duration::from_secs(1),
            ..options().transfer
        },
        ..StorageOptions::default()
    })
    .await;
    let other = Party::new(&world.authority, |_, _| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        let trickle = (0..900).flat_map(|_| {
            let pause = Duration::from_millis(50);
            [Deed::Send("x".into()), Deed::Wait(pause)]
        });
        std::iter::once(Deed::Send(head.into()))
            .chain(trickle)
            .collect()
    })
    .await;
    let line = world.pull("/n", &other.url("/x"), &[]).await;
    assert_eq!(line, "failure: the transfer takes too long");
    assert_eq!(world.storage.paths().len(), 2);
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_transfer() {
    let world = World::transferring().await;
    let other = Party::new(&world.authority, |_, _| {
        let begun = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nco";
        vec![Deed::Send(begun.into()), Deed::Hang]
    })
    .await;
    let mut response = world.pulling(other.url("/x")).await;
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    let what = "the connection to the other side is still open";
    awaited(what, other.closed()).await;
    assert_eq!(world.storage.paths().len(), 2);
}

#[tokio::test]
async fn what_appears_meanwhile_is_not_replaced_without_the_right_to() {
    let world = World::transferring().await;
    let go = Arc::<Notify>::default();
    let gate = Arc::clone(&go);
    let other = Party::new(&world.authority, move |_, _| halves(&gate)).await;
    let pull = async { world.pull("/n", &other.url("/x"), &[]).await };
    let meanwhile = async {
        other.asked().await;
        world.put("/n", "theirs").await;
        go.notify_one();
    };
    let (line, ()) = tokio::join!(pull, meanwhile);
    assert_eq!(line, "failure: refused here: 403 Forbidden");
    assert_eq!(world.content("/n").await.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn too_many_transfers_at_once_are_put_off() {
    let world = World::with_options(StorageOptions {
        transfer: TransferOptions {
            at_once: 1,
            ..options().transfer
        },
        ..StorageOptions::default()
    })
    .await;
    let go = Arc::<Notify>::default();
    let gate = Arc::clone(&go);
    let other = Party::new(&world.authority, move |_, _| halves(&gate)).await;
    let source = format!("Source: {}", other.url("/x"));
    let second = async {
        other.asked().await;
        let token = world.token(CREATE);
        let reply = world.send("COPY", "/m", &token, &[&source], "").await;
        go.notify_one();
        reply
    };
    let from = other.url("/x");
    let (line, second) = tokio::join!(world.pull("/n", &from, &[]), second);
    assert_eq!(line, "success: Created");
    assert_eq!((second.status, second.header("retry-after")), (429, "5"));
    go.notify_one();
    assert_eq!(world.pull("/o", &from, &[]).await, "success: Created");
}

#[tokio::test]
async fn the_answer_does_not_wait_for_the_other_side() {
    let world = World::with_options(StorageOptions {
        transfer: TransferOptions {
            interval: Duration::from_secs(30),
            ..options().transfer
        },
        ..StorageOptions::default()
    })
    .await;
    // Connections are made, and nobody ever speaks over them.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = mute.local_addr().unwrap().port();
    let response = world.pulling(format!("https://localhost:{port}/x")).await;
    assert_eq!(response.status(), 202);
    // By then nobody has given the other side up: its connection has no end yet.
    let (other, _) = mute.accept().await.unwrap();
    other.readable().await.unwrap();
    let ended = loop {
        match other.try_read(&mut [0; 4096]) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(_) => break false,
        }
    };
    assert!(!ended, "the answer came after the other side was given up");
    let body = response.text().await.unwrap();
    assert_eq!(bytes(&body), [0]);
    assert!(
        body.ends_with("End\nfailure: there is no trusted connection to the other side\n"),
        "{body}"
    );
}

#[tokio::test]
async fn who_is_silent_is_not_waited_for() {
    let world = World::with_options(StorageOptions {
        transfer: TransferOptions {
            idle: Duration::from_millis(200),
            ..options().transfer
        },
        ..StorageOptions::default()
    })
    .await;
    world.put("/f", "content").await;
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nco"] {
        let silent = move |_: usize, _: &Heard| vec![Deed::Send(begun.into()), Deed::Hang];
        let other = Party::new(&world.authority, silent).await;
        let line = world.pull("/n", &other.url("/x"), &[]).await;
        assert_eq!(line, "failure: the other side is silent");
        assert_eq!(world.content("/n").await, None);
        if begun.is_empty() {
            let to = format!("Destination: {}", other.url("/x"));
            let (_, body) = world.copy("/f", READ, &[&to]).await;
            assert_eq!(last(&body), "failure: the other side is silent");
        }
    }
}
