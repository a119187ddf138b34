use super::*;

#[tokio::test]
async fn files_are_read_whole_and_in_part() {
    let world = World::new().await;
    world.put("/f", "0123456789").await;
    let token = world.token("storage.read:/");
    let reply = world.send("GET", "/f", &token, &[], "").await;
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (200, &b"0123456789"[..])
    );
    assert!(reply.header("server").starts_with("touchstone-reference/"));
    assert!(reply.header("last-modified").ends_with(" GMT"));
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("bytes=x", 200, "0123456789", ""),
    ] {
        let reply = world
            .send("GET", "/f", &token, &[&format!("Range: {range}")], "")
            .await;
        assert_eq!(reply.status, status, "{range}");
        assert_eq!(reply.body, body.as_bytes(), "{range}");
        assert_eq!(reply.header("content-range"), content_range, "{range}");
    }
    assert_eq!(
        world.send("GET", "/missing", &token, &[], "").await.status,
        404
    );
    assert_eq!(
        world
            .send("GET", "/protected", &token, &[], "")
            .await
            .status,
        405
    );
    assert_eq!(world.send("GET", "/f/", &token, &[], "").await.status, 404);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let world = World::new().await;
    world.put("/f", "a").await;
    for scope in [
        "storage.read:/",
        "storage.create:/",
        "storage.modify:/",
        "storage.stage:/",
    ] {
        let token = world.token(scope);
        let want = "Want-Digest: adler32, sha-256";
        let reply = world.send("HEAD", "/f", &token, &[want], "").await;
        assert_eq!(
            (reply.status, reply.header("content-length")),
            (200, "1"),
            "{scope}"
        );
        assert!(
            reply
                .header("digest")
                .starts_with("adler32=00620062,sha-256=")
        );
        assert!(reply.body.is_empty());
        assert_eq!(
            world.send("HEAD", "/missing", &token, &[], "").await.status,
            404
        );
    }
    assert_eq!(world.status("HEAD", "/f", "storage.poll:/").await, 403);
    let token = world.token("storage.read:/");
    let reply = world
        .send(
            "GET",
            "/f",
            &token,
            &["Want-Digest: adler32", "Range: bytes=0-0"],
            "",
        )
        .await;
    assert_eq!(reply.header("digest"), "adler32=00620062");
}

/// Of each response: path, whether it is a collection, size.
fn responses(reply: &Reply) -> Vec<(String, bool, Option<String>)> {
    let text = std::str::from_utf8(&reply.body).unwrap();
    let document = roxmltree::Document::parse(text).unwrap();
    let each = document
        .descendants()
        .filter(|node| node.has_tag_name(("DAV:", "response")));
    each.map(|response| {
        let find = |name| {
            response
                .descendants()
                .find(|node| node.has_tag_name(("DAV:", name)))
        };
        let text = |name| find(name).and_then(|node| node.text()).map(str::to_owned);
        (
            text("href").unwrap(),
            find("collection").is_some(),
            text("getcontentlength"),
        )
    })
    .collect()
}

#[tokio::test]
async fn propfind_tells_of_an_object_and_of_what_is_in_it() {
    let world = World::new().await;
    world.mkcol("/d").await;
    world.mkcol("/d/sub").await;
    world.put("/d/sub/deep", "x").await;
    world.put("/d/%3Ca%20&%22", "123").await;
    let token = world.token("storage.read:/d");
    let file = (
        "/wlcg/d/%3Ca%20%26%22".to_owned(),
        false,
        Some("3".to_owned()),
    );
    let directory = ("/wlcg/d/".to_owned(), true, None);

    let reply = world
        .send("PROPFIND", "/d/%3Ca%20&%22", &token, &["Depth: 0"], "")
        .await;
    assert_eq!((reply.status, responses(&reply)), (207, vec![file.clone()]));
    let reply = world
        .send("PROPFIND", "/d/%3Ca%20&%22", &token, &["Depth: 1"], "")
        .await;
    assert_eq!((reply.status, responses(&reply)), (207, vec![file.clone()]));
    let reply = world
        .send("PROPFIND", "/d/", &token, &["Depth: 0"], "<ignored/>")
        .await;
    assert_eq!(
        (reply.status, responses(&reply)),
        (207, vec![directory.clone()])
    );
    let reply = world
        .send("PROPFIND", "/d", &token, &["Depth: 1"], "")
        .await;
    let sub = ("/wlcg/d/sub/".to_owned(), true, None);
    assert_eq!(
        (reply.status, responses(&reply)),
        (207, vec![directory, file, sub])
    );

    for (path, headers, status) in [
        ("/d", &["Depth: infinity"][..], 403),
        ("/d", &[], 403),
        ("/d", &["Depth: 2"], 400),
        ("/d/missing", &["Depth: 0"], 404),
        ("/d/missing", &["Depth: 1"], 404),
        ("/", &["Depth: 0"], 403),
    ] {
        assert_eq!(
            world
                .send("PROPFIND", path, &token, headers, "")
                .await
                .status,
            status,
            "{path}"
        );
    }
    for (scope, status) in [("create", 403), ("stage", 403), ("modify", 207)] {
        let token = world.token(&format!("storage.{scope}:/"));
        assert_eq!(
            world
                .send("PROPFIND", "/d", &token, &["Depth: 1"], "")
                .await
                .status,
            status
        );
        assert_eq!(
            world
                .send("PROPFIND", "/d", &token, &["Depth: 0"], "")
                .await
                .status,
            207
        );
    }
}

#[tokio::test]
async fn options_and_foreign_methods_need_no_token() {
    let world = World::new().await;
    let reply = world.send("OPTIONS", "/f", "", &[], "").await;
    assert_eq!((reply.status, reply.header("dav")), (200, "1"));
    assert!(reply.header("allow").contains("PROPFIND"));
    for method in ["PATCH", "LOCK", "put"] {
        let reply = world.send(method, "/f", "", &[], "").await;
        assert_eq!(reply.status, 405, "{method}");
        assert!(reply.header("allow").contains("MOVE"), "{method}");
    }
}

#[tokio::test]
async fn a_ticket_of_the_pool_is_good_once_and_for_one_file() {
    let world = World::new().await;
    world.mkcol("/pooled").await;
    for path in ["/pooled/f", "/pooled/g"] {
        world.put(path, "0123456789").await;
    }
    let token = world.token("storage.read:/");
    let location = async |path: &str| {
        let reply = world.send("GET", path, &token, &[], "").await;
        assert_eq!(reply.status, 307);
        reply.header("location").to_owned()
    };
    let get = async |location: &str, token: &str| {
        let url = format!("{}{location}", world.storage.url());
        let request = world.client.get(url).header("range", "bytes=2-4");
        let reply = request.bearer_auth(token).send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    };
    let first = location("/pooled/f").await;
    let (place, ticket) = first.split_once('?').unwrap();
    assert_eq!(get(place, &token).await.0, 401, "a token is no ticket");
    assert_eq!(get(&first, "").await, (206, "234".to_owned()));
    assert_eq!(get(&first, "").await.0, 401, "once");
    let second = location("/pooled/f").await;
    let other = second.replace("pooled/f", "pooled/g");
    assert_eq!(get(&other, "").await.0, 401, "another file");
    assert_eq!(get(&second, "").await.0, 401, "it is gone");
    assert_ne!(
        location("/pooled/f").await.split_once('?').unwrap().1,
        ticket
    );
    for (path, scope, status) in [
        ("/pooled/f", "storage.create:/", 403),
        ("/pooled/f", "storage.read:/other", 403),
        ("/pooled/none", "storage.read:/", 404),
    ] {
        assert_eq!(world.status("GET", path, scope).await, status, "{path}");
    }
    assert_eq!(
        world.status("HEAD", "/pooled/f", "storage.read:/").await,
        200
    );
}
