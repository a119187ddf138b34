//! What happens while a transfer runs.

use std::time::Duration;

use super::super::TransferOptions;
use super::party::{Deed, Party};
use super::transfer::{CREATE, bytes, options};
use super::*;

/// Sends a byte each 100 ms, and all that remains in the end.
fn trickle(bytes: usize) -> Vec<Deed> {
    let mut deeds = vec![Deed::Send(
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".into(),
    )];
    for _ in 0..bytes {
        deeds.push(Deed::Send("x".into()));
        deeds.push(Deed::Wait(Duration::from_millis(100)));
    }
    deeds.push(Deed::Send("x".repeat(100 - bytes)));
    deeds
}

#[tokio::test]
async fn markers_come_while_the_data_do() {
    let world = World::transferring().await;
    let other = Party::new(&world.authority, |_, _| trickle(8)).await;
    let source = format!("Source: {}", other.url("/x"));
    let url = format!("{}/wlcg/n", world.storage.url());
    let begun = std::time::Instant::now();
    let mut response = world
        .client
        .request(Method::from_bytes(b"COPY").unwrap(), url)
        .bearer_auth(world.token(CREATE))
        .header("Source", source.strip_prefix("Source: ").unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 202);
    let first = response.chunk().await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_millis(700));
    assert_eq!(world.storage.paths().len(), 2, "nothing is there yet");
    let mut body = String::from_utf8(first.to_vec()).unwrap();
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let told = bytes(&body);
    assert!(
        told.len() > 3 && told.is_sorted() && told.last() == Some(&100),
        "{told:?}"
    );
    assert_eq!(body.matches("success: Created\n").count(), 1);
    assert!(body.ends_with("success: Created\n"));

    // Somebody who trickles for ever is not waited for.
    let other = Party::new(&world.authority, |_, _| trickle(99)).await;
    let line = world.pull("/m", &other.url("/x"), &[]).await;
    assert_eq!(line, "failure: the transfer takes too long");
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_transfer() {
    let world = World::with_options(StorageOptions {
        transfer: TransferOptions {
            idle: Duration::from_secs(30),
            ..options().transfer
        },
        ..StorageOptions::default()
    })
    .await;
    let other = Party::new(&world.authority, |_, _| {
        let begun = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nco";
        vec![Deed::Send(begun.into()), Deed::Hang]
    })
    .await;
    let url = format!("{}/wlcg/n", world.storage.url());
    let mut response = world
        .client
        .request(Method::from_bytes(b"COPY").unwrap(), url)
        .bearer_auth(world.token(CREATE))
        .header("Source", other.url("/x"))
        .send()
        .await
        .unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    let closed = tokio::time::timeout(Duration::from_secs(2), other.closed());
    assert!(
        closed.await.is_ok(),
        "the connection to the other side is still open"
    );
    assert_eq!(world.storage.paths().len(), 2);
}

#[tokio::test]
async fn what_appears_meanwhile_is_not_replaced_without_the_right_to() {
    let world = World::transferring().await;
    let other = Party::new(&world.authority, |_, _| trickle(4)).await;
    let pull = async { world.pull("/n", &other.url("/x"), &[]).await };
    let meanwhile = async {
        while other.heard().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.put("/n", "theirs").await;
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
    let other = Party::new(&world.authority, |_, _| trickle(3)).await;
    let source = format!("Source: {}", other.url("/x"));
    let second = async {
        while other.heard().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let token = world.token(CREATE);
        world.send("COPY", "/m", &token, &[&source], "").await
    };
    let from = other.url("/x");
    let (line, second) = tokio::join!(world.pull("/n", &from, &[]), second);
    assert_eq!(line, "success: Created");
    assert_eq!((second.status, second.header("retry-after")), (429, "5"));
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
    let copy = Method::from_bytes(b"COPY").unwrap();
    let sending = world
        .client
        .request(copy, format!("{}/wlcg/n", world.storage.url()))
        .bearer_auth(world.token(CREATE))
        .header("Source", format!("https://localhost:{port}/x"))
        .send();
    let response = tokio::time::timeout(Duration::from_secs(2), sending);
    let response = response.await.unwrap().unwrap();
    assert_eq!(response.status(), 202);
    let body = response.text().await.unwrap();
    assert_eq!(bytes(&body), [0]);
    assert!(
        body.ends_with("End\nfailure: the transfer takes too long\n"),
        "{body}"
    );
}
