use std::sync::Arc;

use secrecy::SecretString;

use super::*;
use crate::waiting::still_waits;
use touchstone_model::PeerBehaviour;

struct World {
    authority: Arc<Authority>,
    side: TransferPeerServer,
}

fn world() -> World {
    let authority = Arc::new(Authority::new().unwrap());
    World {
        side: TransferPeerServer::new(TransferPeerOptions {
            host: None,
            port: 0,
            identity: Identity::Authority(Arc::clone(&authority)),
        }),
        authority,
    }
}

impl World {
    async fn scene(&self, part: PeerBehaviour, credential: Option<&str>) -> OpenedPeer {
        let credential = credential.map(SecretString::from);
        let opened = self
            .side
            .open(part, "folder", b"0123456789".to_vec(), credential);
        opened.await.unwrap()
    }

    fn client(&self) -> reqwest::Client {
        server::client(self.authority.ca_pem()).unwrap()
    }
}

#[tokio::test]
async fn a_scene_serves_its_object_to_whoever_has_the_credential() {
    let world = world();
    let scene = world.scene(PeerBehaviour::Good, Some("word")).await;
    let get = || world.client().get(scene.url());
    assert_eq!(get().send().await.unwrap().status(), 401);
    let asked = get().bearer_auth("word").header("Want-Digest", "adler32");
    let answer = asked.header("X-Test", "1").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["digest"], "adler32=0aff020e");
    assert_eq!(answer.bytes().await.unwrap(), "0123456789");
    let part = get().bearer_auth("word").header("Range", "bytes=2-4");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(part.bytes().await.unwrap(), "234");

    let heard = scene.requests();
    assert_eq!(heard.len(), 3);
    assert!(
        heard
            .iter()
            .all(|heard| heard.method == "GET" && heard.secure)
    );
    let named = |name: &str| heard[1].headers.iter().any(|(n, _)| n == name);
    assert!(named("x-test") && named("authorization"));
    assert!(scene.finished().is_some());
}

#[tokio::test]
async fn a_scene_takes_what_is_sent_and_ends_when_dropped() {
    let world = world();
    let scene = world.scene(PeerBehaviour::Good, None).await;
    let url = scene.url().to_owned();
    let put = || world.client().put(&url).body("new").send();
    assert_eq!(put().await.unwrap().status(), 201);
    assert_eq!(put().await.unwrap().status(), 204);
    let heard = scene.requests();
    assert!(
        heard
            .iter()
            .all(|heard| heard.body == b"new" && heard.complete)
    );
    let other = world.scene(PeerBehaviour::Good, None).await;
    assert!(
        other.requests().is_empty(),
        "scenes do not hear one another"
    );
    drop(scene);
    assert_eq!(put().await.unwrap().status(), 404);
}

#[tokio::test]
async fn parts_misbehave_as_they_say() {
    let world = world();
    for (part, status) in [
        (PeerBehaviour::Missing, 404),
        (PeerBehaviour::Unauthorized, 401),
        (PeerBehaviour::Forbidden, 403),
        (PeerBehaviour::Failing, 500),
        (PeerBehaviour::Elsewhere, 307),
        (PeerBehaviour::Cleartext, 307),
        (PeerBehaviour::Circling, 307),
    ] {
        let scene = world.scene(part, None).await;
        let answer = world.client().get(scene.url()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{part}");
        let location = answer.headers().get("location");
        let leads =
            |start: &str| location.is_some_and(|to| to.to_str().unwrap().starts_with(start));
        match part {
            PeerBehaviour::Elsewhere => assert!(leads("https://127.0.0.1:")),
            PeerBehaviour::Cleartext => assert!(leads("http://localhost:")),
            PeerBehaviour::Circling => assert!(leads(scene.url())),
            _ => assert!(location.is_none()),
        }
    }
    let scene = world.scene(PeerBehaviour::Cut, None).await;
    let answer = world.client().get(scene.url()).send().await.unwrap();
    assert_eq!(answer.headers()["content-length"], "10");
    assert!(answer.bytes().await.is_err());
    for (part, header) in [
        (PeerBehaviour::Misdigested, "digest"),
        (PeerBehaviour::Misrepresented, "repr-digest"),
    ] {
        let scene = world.scene(part, None).await;
        let answer = world.client().get(scene.url()).send().await.unwrap();
        assert!(answer.headers().contains_key(header));
        assert_ne!(answer.headers()[header], "adler32=0aff020e");
    }
    let scene = world.scene(PeerBehaviour::Occupied, None).await;
    let put = world.client().put(scene.url()).header("If-None-Match", "*");
    assert_eq!(put.send().await.unwrap().status(), 412);
}

#[tokio::test]
async fn nobody_who_looks_at_certificates_says_a_word() {
    let world = world();
    for part in [
        PeerBehaviour::Untrusted,
        PeerBehaviour::Misnamed,
        PeerBehaviour::Expired,
    ] {
        let scene = world.scene(part, None).await;
        assert!(
            world.client().get(scene.url()).send().await.is_err(),
            "{part}"
        );
        assert!(scene.requests().is_empty(), "{part}");
    }
}

#[tokio::test]
async fn who_hangs_up_is_seen_to_leave() {
    let world = world();
    for part in [
        PeerBehaviour::Stalled,
        PeerBehaviour::Silent,
        PeerBehaviour::Trickling,
    ] {
        let scene = world.scene(part, None).await;
        let asking = world.client().get(scene.url());
        let asking = tokio::spawn(async move { asking.send().await?.bytes().await });
        if part == PeerBehaviour::Stalled {
            scene.halfway().notified().await;
        } else {
            while scene.requests().is_empty() {
                tokio::task::yield_now().await;
            }
        }
        assert!(
            still_waits(scene.is_abandoned()).await,
            "{part}: somebody is there"
        );
        asking.abort();
        scene.is_abandoned().await;
    }
}

#[tokio::test]
async fn a_given_certificate_cannot_play_every_part() {
    let authority = Authority::new().unwrap();
    let certificate = authority.certificate().unwrap();
    let (chain, key) = server::parsed(&certificate).unwrap();
    let side = TransferPeerServer::new(TransferPeerOptions {
        host: Some("localhost".into()),
        port: 0,
        identity: Identity::Given { chain, key },
    });
    // The certificate is for the address of the host as well.
    for part in [PeerBehaviour::Expired, PeerBehaviour::Misnamed] {
        let reason = side
            .open(part, "folder", Vec::new(), None)
            .await
            .err()
            .unwrap();
        assert!(reason.starts_with("our other side has "), "{reason}");
    }
    let scene = side.open(PeerBehaviour::Elsewhere, "folder", b"x".to_vec(), None);
    let scene = scene.await.unwrap();
    let client = server::client(authority.ca_pem()).unwrap();
    let answer = client.get(scene.url()).send().await.unwrap();
    let to = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let from = Url::parse(scene.url()).unwrap();
    assert_eq!(to.host_str(), from.host_str());
    assert_ne!(to.port(), from.port());
    assert_eq!(client.get(to).send().await.unwrap().status(), 200);
    let scene = side
        .open(PeerBehaviour::Good, "folder", b"x".to_vec(), None)
        .await
        .unwrap();
    assert_eq!(client.get(scene.url()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_name_that_a_given_certificate_lacks_is_found() {
    let authority = Authority::new().unwrap();
    let certificate = authority.certificate_for(&["localhost"]).unwrap();
    let (chain, key) = server::parsed(&certificate).unwrap();
    let side = TransferPeerServer::new(TransferPeerOptions {
        host: Some("localhost".into()),
        port: 0,
        identity: Identity::Given { chain, key },
    });
    let scene = side.open(PeerBehaviour::Misnamed, "folder", b"x".to_vec(), None);
    let scene = scene.await.unwrap();
    assert!(
        scene.url().starts_with("https://127.0.0.1:"),
        "{}",
        scene.url()
    );
    let client = server::client(authority.ca_pem()).unwrap();
    assert!(client.get(scene.url()).send().await.is_err());
    let named = scene.url().replace("127.0.0.1", "localhost");
    assert_eq!(client.get(named).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn sources_answer_in_every_form() {
    let world = world();
    let get = async |part: PeerBehaviour, change: fn(&str) -> String| {
        let scene = world.scene(part, None).await;
        let asked = world.client().get(change(scene.url())).send().await;
        let answer = asked.unwrap();
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        (status, headers, answer.bytes().await.unwrap())
    };
    let same = str::to_owned;
    let (status, headers, bytes) = get(PeerBehaviour::Chunked, same).await;
    assert_eq!((status, &bytes[..]), (200, &b"0123456789"[..]));
    assert_eq!(headers["transfer-encoding"], "chunked");
    let (status, headers, bytes) = get(PeerBehaviour::Partial, same).await;
    assert_eq!((status, &bytes[..]), (206, &b"01234"[..]));
    assert_eq!(headers["content-range"], "bytes 0-4/10");
    assert_eq!(get(PeerBehaviour::NoContent, same).await.0, 204);
    assert_eq!(get(PeerBehaviour::Queried, same).await.0, 200);
    for changed in [
        |url: &str| url.split('?').next().unwrap_or_default().to_owned(),
        |url: &str| url.replace("%2F", "/"),
    ] {
        assert_eq!(get(PeerBehaviour::Queried, changed).await.0, 403);
    }
    let scene = world.scene(PeerBehaviour::Plain, None).await;
    assert!(scene.url().starts_with("http://localhost:"));
    let empty = world
        .side
        .open(PeerBehaviour::Empty, "folder", Vec::new(), None);
    let empty = empty.await.unwrap();
    for method in [reqwest::Method::HEAD, reqwest::Method::GET] {
        let asked = world.client().request(method, empty.url());
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-length"], "0");
    }
}
