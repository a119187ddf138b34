//! Pulls from another side that misbehaves.

use super::party::{Deed, Heard, Party, answer};
use super::transfer::{MODIFY, last};
use super::*;

#[tokio::test]
async fn what_is_not_complete_and_right_never_appears() {
    let world = World::transferring().await;
    let cut = |text: &str| vec![Deed::Send(text.into()), Deed::Cut];
    let needed = "RequireChecksumVerification: true";
    let not_needed = "RequireChecksumVerification: false";
    let good = "Repr-Digest: adler=:C8sC/A==:";
    let scripts: Vec<(&str, Vec<Deed>, &str)> = vec![
        ("status 404", answer("404 Not Found", &[], "<html>"), ""),
        ("status 401", answer("401 Unauthorized", &[], "no"), ""),
        ("status 500", answer("500 Oh", &[], "no"), ""),
        ("status 202", answer("202 Accepted", &[], "<html>"), ""),
        (
            "status 206",
            answer(
                "206 Partial Content",
                &["Content-Range: bytes 0-6/9"],
                "content",
            ),
            "",
        ),
        (
            "broke off",
            cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncontent"),
            "",
        ),
        (
            "broke off",
            vec![Deed::Send(
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncontent".into(),
            )],
            "",
        ),
        (
            "broke off",
            cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n"),
            "",
        ),
        ("broke off", cut("HTTP/1.1 200 OK\r\n\r\ncontent"), ""),
        (
            "connection to the other side broke",
            cut("HTTP/1.1 200"),
            "",
        ),
        (
            "connection to the other side broke",
            cut("nonsense\r\n\r\n"),
            "",
        ),
        (
            "too long",
            cut("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx"),
            "",
        ),
        (
            "encoded",
            answer("200 OK", &["Content-Encoding: gzip"], "content"),
            "",
        ),
        (
            "checksum mismatch",
            answer("200 OK", &["Digest: adler32=00000001"], "content"),
            "",
        ),
        (
            "checksum mismatch",
            answer("200 OK", &["Digest: adler32=00000001"], "content"),
            not_needed,
        ),
        (
            "checksum mismatch",
            answer("200 OK", &["Repr-Digest: adler=:AAAAAQ==:"], "content"),
            needed,
        ),
        (
            "checksum mismatch",
            answer("200 OK", &["Digest: SHA-256=AAAA"], "content"),
            needed,
        ),
        (
            "there is no checksum",
            answer("200 OK", &["Digest: md5=x"], "content"),
            needed,
        ),
        (
            "checksum mismatch",
            answer("200 OK", &[], "other content"),
            good,
        ),
    ];
    for (reason, script, headers) in scripts {
        let script = std::sync::Mutex::new(script);
        let other = Party::new(&world.authority, move |_, _| {
            std::mem::take(&mut *script.lock().unwrap())
        })
        .await;
        let headers: Vec<&str> = headers.split_terminator('\n').collect();
        let line = world.pull("/n", &other.url("/x"), &headers).await;
        let told = line.starts_with("failure: ") && line.contains(reason);
        assert!(told, "{line} instead of {reason}");
        assert_eq!(
            world.storage.paths(),
            ["/wlcg/", "/wlcg/protected/"],
            "{reason}"
        );
    }
    // A transfer that succeeds at last, with a token that only creates.
    for (path, header) in [
        ("/a", "Digest: adler32=0bcb02fc"),
        ("/b", "Repr-Digest: adler=:C8sC/A==:"),
    ] {
        let other = Party::new(&world.authority, move |_, _| {
            answer("200 OK", &[header], "content")
        })
        .await;
        let line = world.pull(path, &other.url("/x"), &[needed, good]).await;
        assert_eq!(line, "success: Created", "{header}");
    }
}

#[tokio::test]
async fn an_old_file_outlives_a_pull_that_fails() {
    let world = World::transferring().await;
    world.put("/f", "old").await;
    let other = Party::new(&world.authority, |_, _| {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nne";
        vec![Deed::Send(half.into()), Deed::Cut]
    })
    .await;
    let source = format!("Source: {}", other.url("/x"));
    let (_, body) = world.copy("/f", MODIFY, &[&source]).await;
    assert_eq!(last(&body), "failure: the file broke off");
    assert_eq!(world.content("/f").await.as_deref(), Some("old"));
}

#[tokio::test]
async fn the_other_side_has_to_be_who_it_is() {
    let world = World::transferring().await;
    let stranger = Authority::new().unwrap();
    let ok = |_: usize, _: &Heard| answer("200 OK", &[], "content");
    let unknown = Party::new(&stranger, ok).await;
    let tls = server::server_tls(&world.authority).unwrap();
    let misnamed = Party::at("127.0.0.2", Some(tls), ok).await;
    let header = "TransferHeaderAuthorization: Bearer xyz";
    for (party, url) in [
        (&unknown, unknown.url("/x")),
        (&misnamed, format!("https://127.0.0.2:{}/x", misnamed.port)),
    ] {
        let line = world.pull("/n", &url, &[header]).await;
        assert_eq!(
            line,
            "failure: there is no trusted connection to the other side"
        );
        assert_eq!((party.connections(), party.heard().len()), (1, 0));
    }
    // Nobody is told whether somebody listens there at all.
    let gone = unknown.url("/x");
    drop(unknown);
    let line = world.pull("/n", &gone, &[header]).await;
    assert_eq!(
        line,
        "failure: there is no trusted connection to the other side"
    );
}

#[tokio::test]
async fn redirects_are_followed_over_https_and_credentials_stay_with_their_origin() {
    let world = World::transferring().await;
    let target = Party::new(&world.authority, |_, _| answer("200 OK", &[], "content")).await;
    let plain = Party::at("127.0.0.1", None, |_, _| answer("200 OK", &[], "content")).await;
    let header = "TransferHeaderAuthorization: Bearer xyz";
    let other_host = format!("https://127.0.0.1:{}/y", target.port);
    for (path, location, right) in [
        ("/a", target.url("/y"), "success: Created"),
        ("/b", other_host, "success: Created"),
        (
            "/c",
            plain.url("/y"),
            "failure: the other side redirects to a place that is not asked",
        ),
        (
            "/d",
            "file:///etc/hostname".into(),
            "failure: the other side redirects to a place that is not asked",
        ),
        (
            "/e",
            "/again".into(),
            "failure: the other side redirects too often",
        ),
    ] {
        let location = format!("Location: {location}");
        let first = Party::new(&world.authority, move |_, _| {
            answer("302 Found", &[&location], "")
        })
        .await;
        let line = world.pull(path, &first.url("/x"), &[header]).await;
        assert_eq!(line, right, "{path}");
        assert!(first.connections() <= 6);
    }
    assert_eq!(plain.connections(), 0);
    let sent: Vec<_> = target
        .heard()
        .iter()
        .map(|heard| heard.header("authorization").map(str::to_owned))
        .collect();
    // Another port is another origin.
    assert_eq!(sent, [None::<String>, None]);
}
