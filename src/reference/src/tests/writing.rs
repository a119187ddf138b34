use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn uploads() {
    let world = World::new().await;
    let modify = world.token("storage.modify:/");
    let put = async |path: &str, headers: &[&str], body: &str| {
        world.send("PUT", path, &modify, headers, body).await.status
    };
    assert_eq!(put("/f", &[], "one").await, 201);
    assert_eq!(put("/f", &[], "two").await, 204);
    assert_eq!(put("/f", &["If-None-Match: *"], "three").await, 412);
    assert_eq!(put("/f", &["Content-Range: bytes 0-1/9"], "xx").await, 400);
    assert_eq!(world.content("/f").await.as_deref(), Some("two"));
    assert_eq!(put("/new", &["If-Match: *"], "four").await, 412);
    assert_eq!(put("/new", &["If-None-Match: *"], "").await, 201);
    assert_eq!(world.content("/new").await.as_deref(), Some(""));
    assert_eq!(put("/none/f", &[], "x").await, 409);
    assert_eq!(put("/f/g", &[], "x").await, 409);
    assert_eq!(put("/protected", &[], "x").await, 405);
    assert_eq!(put("/slash/", &[], "x").await, 405);
    assert_eq!(put("/big", &[], &"x".repeat((16 << 20) + 1)).await, 413);
    assert_eq!(
        world.storage.paths(),
        ["/wlcg/", "/wlcg/f", "/wlcg/new", "/wlcg/protected/"]
    );
}

#[tokio::test]
async fn storage_create_adds_and_never_takes_away() {
    let world = World::new().await;
    world.put("/f", "old").await;
    world.mkcol("/d").await;
    let create = world.token("storage.create:/");
    let to = |path: &str| format!("Destination: {}/wlcg{path}", world.storage.url());
    let send = async |method: &str, path: &str, headers: &[&str]| {
        world.send(method, path, &create, headers, "").await.status
    };
    for (method, path, headers, status) in [
        ("PUT", "/f", &[][..], 403),
        ("DELETE", "/f", &[], 403),
        ("DELETE", "/d", &[], 403),
        ("GET", "/f", &[], 403),
        ("MKCOL", "/d", &[], 405),
        ("MOVE", "/d", &[to("/d2").as_str()], 403),
        ("MKCOL", "/d/new", &[], 201),
        ("PUT", "/up.tmp", &[], 201),
        ("MOVE", "/up.tmp", &[to("/f").as_str()], 403),
        ("MOVE", "/up.tmp", &[to("/f").as_str(), "Overwrite: F"], 403),
        ("MOVE", "/up.tmp", &[to("/up").as_str()], 201),
    ] {
        assert_eq!(
            send(method, path, headers).await,
            status,
            "{method} {path} {headers:?}"
        );
    }
    assert_eq!(world.content("/f").await.as_deref(), Some("old"));
    let paths = world.storage.paths();
    assert_eq!(
        paths[1..5],
        ["/wlcg/d/", "/wlcg/d/new/", "/wlcg/f", "/wlcg/protected/"]
    );
    assert_eq!(paths[5..], ["/wlcg/up"]);
}

#[tokio::test]
async fn directories_on_the_way_to_the_path() {
    let world = World::new().await;
    let scope = "storage.create:/p/q/r";
    for (method, path, status) in [
        ("PUT", "/p", 403),
        ("MKCOL", "/p/q", 409),
        ("MKCOL", "/p", 201),
        ("MKCOL", "/pp", 403),
        ("MKCOL", "/p/z", 403),
        ("MKCOL", "/p/q/", 201),
        ("PUT", "/p/q/r", 201),
    ] {
        assert_eq!(
            world.status(method, path, scope).await,
            status,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn collections_are_made_and_removed() {
    let world = World::new().await;
    let modify = world.token("storage.modify:/");
    let reply = world.send("MKCOL", "/d", &modify, &[], "<body/>").await;
    assert_eq!(reply.status, 415);
    for (method, path, status) in [
        ("MKCOL", "/none/d", 409),
        ("MKCOL", "/d/", 201),
        ("MKCOL", "/d", 405),
        ("PUT", "/d/f", 201),
        ("MKCOL", "/d/f", 405),
        ("DELETE", "/d/f/", 404),
        ("DELETE", "/d/f", 204),
        ("DELETE", "/d/f", 404),
        ("PUT", "/d/g", 201),
        ("DELETE", "/d/", 204),
        ("DELETE", "/d/g", 404),
        ("DELETE", "/", 403),
    ] {
        let status_now = world.status(method, path, "storage.modify:/").await;
        assert_eq!(status_now, status, "{method} {path}");
    }
    assert_eq!(world.storage.paths(), ["/wlcg/", "/wlcg/protected/"]);
}

#[tokio::test]
async fn renames() {
    let world = World::new().await;
    world.mkcol("/a").await;
    world.mkcol("/b").await;
    world.put("/a/f", "one").await;
    world.put("/a/g", "two").await;
    let rename = async |scope: &str, from: &str, headers: &[&str]| {
        let token = world.token(scope);
        world.send("MOVE", from, &token, headers, "").await.status
    };
    let modify = "storage.modify:/";
    let to = |path: &str| format!("Destination: {}/wlcg{path}", world.storage.url());
    for (scope, from, headers, status) in [
        (modify, "/a/f", &[][..], 400),
        (modify, "/a/f", &["Destination: x"], 400),
        (modify, "/a/f", &["Destination: /wlcg/b/../f"], 400),
        (
            modify,
            "/a/f",
            &["Destination: https://elsewhere.example.org/wlcg/b/f"],
            502,
        ),
        (modify, "/a/f", &["Destination: /outside/f"], 403),
        (modify, "/a/f", &[to("/none/f").as_str()], 409),
        (modify, "/a/none", &[to("/b/f").as_str()], 404),
        (modify, "/a/f", &[to("/a/g").as_str(), "Overwrite: F"], 412),
        (modify, "/a/f", &[to("/a/g").as_str(), "Overwrite: x"], 400),
        (modify, "/a", &[to("/a/sub").as_str()], 403),
        (modify, "/", &[to("/a/sub").as_str()], 403),
        ("storage.modify:/a", "/a/f", &[to("/b/f").as_str()], 403),
        ("storage.modify:/b", "/a/f", &[to("/b/f").as_str()], 403),
        (
            "storage.read:/a storage.create:/b",
            "/a/f",
            &[to("/b/f").as_str()],
            403,
        ),
        (
            "storage.create:/a storage.create:/b",
            "/a/f",
            &[to("/b/f").as_str()],
            201,
        ),
        (modify, "/b/f", &["Destination: /wlcg/a/f"], 201),
        (modify, "/a/f", &[to("/a/g").as_str(), "Overwrite: T"], 204),
        (modify, "/a", &[to("/c/").as_str()], 201),
    ] {
        assert_eq!(
            rename(scope, from, headers).await,
            status,
            "{scope} {from} {headers:?}"
        );
    }
    assert_eq!(world.content("/c/g").await.as_deref(), Some("one"));
    assert_eq!(
        world.storage.paths(),
        [
            "/wlcg/",
            "/wlcg/b/",
            "/wlcg/c/",
            "/wlcg/c/g",
            "/wlcg/protected/"
        ]
    );
}

/// Sends a request's head over a connection of its own and returns what comes before the body is sent,
/// and after.
async fn expecting(world: &World, token: &str, path: &str, body: &str) -> (String, String) {
    let port: u16 = world
        .storage
        .url()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::pem::PemObject;
    let ca = rustls::pki_types::CertificateDer::from_pem_slice(world.authority.ca_pem().as_bytes());
    roots.add(ca.unwrap()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls));
    let mut stream = connector.connect(name, tcp).await.unwrap();
    let head = format!(
        "PUT /wlcg{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = vec![0; 4096];
    let length = stream.read(&mut first).await.unwrap();
    first.truncate(length);
    let first = String::from_utf8(first).unwrap();
    let mut rest = String::new();
    if first.starts_with("HTTP/1.1 100") {
        stream.write_all(body.as_bytes()).await.unwrap();
        stream.read_to_string(&mut rest).await.unwrap();
    }
    (first, rest)
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_is_wanted() {
    let world = World::new().await;
    world.put("/f", "old").await;
    let create = world.token("storage.create:/");
    let (first, rest) = expecting(&world, &create, "/new", "content").await;
    assert!(first.starts_with("HTTP/1.1 100 "), "{first}");
    assert!(rest.starts_with("HTTP/1.1 201 "), "{rest}");
    assert_eq!(world.content("/new").await.as_deref(), Some("content"));
    for (token, path, status) in [
        (create.as_str(), "/f", "403"),
        ("nonsense", "/f", "401"),
        (create.as_str(), "/none/f", "409"),
        (create.as_str(), "/d/../new2", "400"),
        (create.as_str(), "/d/%2e%2e/new2", "400"),
    ] {
        let (first, _) = expecting(&world, token, path, "content").await;
        assert!(first.starts_with(&format!("HTTP/1.1 {status} ")), "{first}");
    }
    assert_eq!(world.content("/f").await.as_deref(), Some("old"));
}

#[tokio::test]
async fn a_copy_needs_to_read_its_source_and_to_write_its_target() {
    let world = World::new().await;
    for directory in ["/a", "/b"] {
        world.mkcol(directory).await;
    }
    world.put("/a/f", "source").await;
    world.put("/b/old", "old").await;
    let copy = async |scope: &str, to: &str, headers: &[&str]| {
        let to = format!("Destination: {}/wlcg{to}", world.storage.url());
        let headers = [&[to.as_str()], headers].concat();
        let token = world.token(scope);
        let reply = world.send("COPY", "/a/f", &token, &headers, "").await;
        reply.status
    };
    let (create, modify) = (
        "storage.read:/a storage.create:/b",
        "storage.read:/a storage.modify:/b",
    );
    for (scope, to, headers, status) in [
        ("storage.read:/", "/b/n", &[][..], 403),
        ("storage.modify:/", "/b/n", &[], 403),
        ("storage.read:/b storage.modify:/", "/b/n", &[], 403),
        ("storage.read:/ storage.create:/a", "/b/n", &[], 403),
        (create, "/b/old", &[], 403),
        (create, "/b/none/n", &[], 409),
        (create, "/b/n/", &[], 409),
        (create, "/b/n", &["Source: https://elsewhere/f"], 400),
        (create, "/b/n", &["Overwrite: perhaps"], 400),
        (modify, "/b/old", &["Overwrite: F"], 412),
        (create, "/b/n", &["Overwrite: F"], 201),
        (modify, "/b/old", &["Overwrite: T"], 204),
        ("storage.read:/ storage.modify:/", "/a/f", &[], 403),
    ] {
        assert_eq!(copy(scope, to, headers).await, status, "{scope} {to}");
    }
    for path in ["/a/f", "/b/n", "/b/old"] {
        let content = world.content(path).await;
        assert_eq!(content.as_deref(), Some("source"), "{path}");
    }
}

#[tokio::test]
async fn nothing_is_copied_from_nowhere_and_to_other_services() {
    let world = World::new().await;
    world.put("/f", "x").await;
    world.mkcol("/d").await;
    let token = world.token("storage.read:/ storage.modify:/");
    for (path, to, status) in [
        ("/f", "http://elsewhere.example.org/wlcg/g", 400),
        ("/f", "/elsewhere/g", 403),
        ("/none", "/wlcg/g", 404),
        ("/f/", "/wlcg/g", 404),
        ("/f", "g", 400),
    ] {
        let to = format!("Destination: {to}");
        let reply = world.send("COPY", path, &token, &[&to], "").await;
        assert_eq!(reply.status, status, "{path} {to}");
    }
    let reply = world.send("OPTIONS", "/f", "", &[], "").await;
    assert!(reply.header("allow").contains("COPY"));
    let paths = world.storage.paths();
    assert_eq!(paths, ["/wlcg/", "/wlcg/d/", "/wlcg/f", "/wlcg/protected/"]);
}

#[tokio::test]
async fn directories_are_moved_copied_and_replaced_as_a_whole() {
    let world = World::new().await;
    for directory in ["/d", "/d/e", "/full"] {
        world.mkcol(directory).await;
    }
    world.put("/d/e/f", "x").await;
    world.put("/full/old", "old").await;
    let token = world.token(OBSERVER);
    for (method, from, to, headers, status) in [
        ("COPY", "/d", "/c", &["Depth: 1"][..], 400),
        ("MOVE", "/d", "/c", &["Depth: 0"], 400),
        ("DELETE", "/d", "", &["Depth: 1"], 400),
        ("COPY", "/d", "/d/e/c", &[], 403),
        ("COPY", "/d", "/none/c", &[], 409),
        ("COPY", "/d", "/full", &["Overwrite: F"], 412),
        ("MOVE", "/d", "/full", &["Overwrite: F"], 412),
        // Alone, and with all that it holds.
        ("COPY", "/d/", "/alone/", &["Depth: 0"], 201),
        ("COPY", "/d/", "/whole/", &["Depth: infinity"], 201),
        ("COPY", "/d", "/full", &[], 204),
        ("MOVE", "/d", "/moved", &["Depth: infinity"], 201),
        ("MOVE", "/whole", "/moved", &["Overwrite: T"], 204),
        // A file in the place of a directory, which there has to be under such a name.
        ("COPY", "/moved/e/f", "/alone/", &[], 204),
        ("COPY", "/moved/e/f", "/nothing/", &[], 409),
    ] {
        let to = format!("Destination: {}/wlcg{to}", world.storage.url());
        let headers = [&[to.as_str()], headers].concat();
        let reply = world.send(method, from, &token, &headers, "").await;
        assert_eq!(reply.status, status, "{method} {from} {headers:?}");
    }
    assert_eq!(
        world.storage.paths(),
        [
            "/wlcg/",
            "/wlcg/alone",
            "/wlcg/full/",
            "/wlcg/full/e/",
            "/wlcg/full/e/f",
            "/wlcg/moved/",
            "/wlcg/moved/e/",
            "/wlcg/moved/e/f",
            "/wlcg/protected/",
        ]
    );
}

#[tokio::test]
async fn what_is_protected_does_not_go_with_the_directory_above_it() {
    let options = StorageOptions {
        groups: touchstone_model::Groups {
            protected: "/team/secret".into(),
            ..touchstone_model::Groups::default()
        },
        ..StorageOptions::default()
    };
    let world = World::with_options(options).await;
    let member = world.forge("openid", json!({"wlcg.groups": ["/wlcg"]}));
    let reply = world.send("MKCOL", "/mine", &member, &[], "").await;
    assert_eq!(reply.status, 201);
    for (method, from, to) in [
        ("DELETE", "/team", "/n"),
        ("MOVE", "/team", "/n"),
        ("MOVE", "/mine", "/team"),
        ("COPY", "/mine", "/team"),
    ] {
        let to = format!("Destination: /wlcg{to}");
        let reply = world.send(method, from, &member, &[&to], "").await;
        assert_eq!(reply.status, 403, "{method} {from} {to}");
    }
    let reply = world.send("DELETE", "/mine", &member, &[], "").await;
    assert_eq!(reply.status, 204);
    let paths = world.storage.paths();
    assert_eq!(paths, ["/wlcg/", "/wlcg/team/", "/wlcg/team/secret/"]);
}
