use super::*;
use touchstone_model::Tape;

const STAGE: &str = "storage.stage:/nearline";

async fn world(faults: &[&str]) -> World {
    let options = StorageOptions {
        faults: faults.iter().map(|name| fault(name).unwrap()).collect(),
        tape: Some(Tape {
            path: "/nearline".into(),
            file: "/nearline/some-file".into(),
        }),
        ..StorageOptions::default()
    };
    World::with_options(options).await
}

impl World {
    /// A call with a good token of that scope; nothing is sent where the body is null.
    async fn call(
        &self,
        method: &str,
        path: &str,
        scope: &str,
        body: Value,
    ) -> (u16, Value, String) {
        let url = format!("{}{path}", self.storage.url());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, url);
        if !scope.is_empty() {
            request = request.bearer_auth(self.token(scope));
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let location = response.headers().get("location");
        let location = location
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap();
        (
            status,
            serde_json::from_slice(&body).unwrap_or_default(),
            location,
        )
    }

    async fn stage(&self, scope: &str, paths: &[&str]) -> (u16, String) {
        let files: Vec<_> = paths.iter().map(|path| json!({"path": path})).collect();
        let body = json!({"files": files});
        let (status, answer, location) = self.call("POST", "/api/v1/stage", scope, body).await;
        let id = answer["requestId"].as_str().unwrap_or_default().to_owned();
        if status == 201 {
            let expected = format!("{}/api/v1/stage/{id}", self.storage.url());
            assert_eq!(location, expected);
        }
        (status, id)
    }

    /// What a poll says of each file.
    async fn states(&self, scope: &str, id: &str) -> Vec<String> {
        let path = format!("/api/v1/stage/{id}");
        let (status, body, _) = self.call("GET", &path, scope, Value::Null).await;
        assert_eq!((status, &body["id"]), (200, &json!(id)));
        let state = |file: &Value| match file["onDisk"].as_bool() {
            Some(_) => "onDisk".to_owned(),
            None => file["state"].as_str().unwrap().to_owned(),
        };
        body["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(state)
            .collect()
    }

    /// Where files are, or what is wrong with each.
    async fn localities(&self, scope: &str, paths: &[&str]) -> (u16, Vec<String>) {
        let body = json!({"paths": paths});
        let (status, told, _) = self.call("POST", "/api/v1/archiveinfo", scope, body).await;
        let text = |entry: &Value| {
            let word = entry["locality"].as_str().or(entry["error"].as_str());
            word.unwrap().to_owned()
        };
        let entries = told.as_array().map(|all| all.iter().map(text).collect());
        (status, entries.unwrap_or_default())
    }
}

#[tokio::test]
async fn tape_is_found_without_a_token() {
    let world = world(&[]).await;
    let well_known = "/.well-known/wlcg-tape-rest-api";
    let (status, document, _) = world.call("GET", well_known, "", Value::Null).await;
    assert_eq!(status, 200);
    let uri = format!("{}/api/v1", world.storage.url());
    assert_eq!(document["endpoints"][0]["uri"], json!(uri));
    assert_eq!(document["endpoints"][0]["version"], "v1");
    let without = World::new().await;
    assert_eq!(
        without.call("GET", well_known, "", Value::Null).await.0,
        401
    );
}

#[tokio::test]
async fn a_request_lives_from_stage_to_delete() {
    let world = world(&[]).await;
    let file = "/wlcg/nearline/some-file";
    assert_eq!(
        world.localities(STAGE, &[file]).await,
        (200, vec!["TAPE".into()])
    );
    let (status, id) = world
        .stage(STAGE, &["//wlcg/nearline/./some-file", file])
        .await;
    assert_eq!(status, 201);
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.extend(world.states(STAGE, &id).await);
    }
    let expected = [
        "SUBMITTED",
        "STARTED",
        "STARTED",
        "STARTED",
        "STARTED",
        "COMPLETED",
        "COMPLETED",
    ];
    assert_eq!(
        seen, expected,
        "one entry for the file that was named twice"
    );
    assert_eq!(world.localities(STAGE, &[file]).await.1, ["DISK_AND_TAPE"]);
    let (_, second) = world.stage(STAGE, &[file]).await;
    assert_eq!(world.states(STAGE, &second).await, ["onDisk"]);
    let paths = || json!({"paths": [file]});
    let release = async |id: &str| {
        let path = format!("/api/v1/release/{id}");
        world.call("POST", &path, STAGE, paths()).await.0
    };
    assert_eq!(release(&id).await, 200);
    assert_eq!(
        world.localities(STAGE, &[file]).await.1,
        ["DISK_AND_TAPE"],
        "still held"
    );
    assert_eq!((release(&second).await, release("none").await), (200, 404));
    assert_eq!(world.localities(STAGE, &[file]).await.1, ["TAPE"]);
    let path = format!("/api/v1/stage/{id}");
    for status in [200, 404] {
        assert_eq!(
            world.call("DELETE", &path, STAGE, Value::Null).await.0,
            status
        );
    }
}

#[tokio::test]
async fn what_cannot_be_staged_has_an_error_of_its_own() {
    let world = world(&[]).await;
    world.put("/nearline/empty", "").await;
    world.put("/disk", "x").await;
    let scope = "storage.stage:/";
    let (status, id) = world
        .stage(
            scope,
            &[
                "/wlcg/nearline",
                "/wlcg/nearline/empty",
                "/wlcg/nearline/none",
                "/wlcg/disk",
            ],
        )
        .await;
    assert_eq!(status, 201);
    assert_eq!(
        world.states(scope, &id).await,
        ["FAILED", "FAILED", "FAILED", "onDisk"]
    );
    let (_, told) = world
        .localities(
            scope,
            &["/wlcg/nearline/empty", "/wlcg/disk", "/wlcg/none", "/else"],
        )
        .await;
    let expected = [
        "NONE",
        "DISK",
        "no such file",
        "the token does not allow this",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn only_the_right_capability_for_the_cleaned_path_counts() {
    let world = world(&[]).await;
    for directory in ["/nearline/a", "/nearline/b"] {
        world.mkcol(directory).await;
        world.put(&format!("{directory}/f"), "x").await;
    }
    let [a, b, around] = [
        "/wlcg/nearline/a/f",
        "/wlcg/nearline/b/f",
        "/wlcg/nearline/a/../b/f",
    ];
    for (scope, status) in [
        ("storage.stage:/nearline/a", 201),
        ("storage.poll:/", 403),
        ("storage.read:/ storage.modify:/ storage.create:/", 403),
        ("compute.create", 403),
        ("storage.stage:/nearline/b", 403),
        ("openid", 403),
        ("", 401),
    ] {
        assert_eq!(world.stage(scope, &[a]).await.0, status, "{scope}");
    }
    let only_a = "storage.stage:/nearline/a";
    assert_eq!(world.stage(only_a, &[around]).await.0, 403);
    let (_, mixed) = world.stage(only_a, &[a, b]).await;
    assert_eq!(world.states(only_a, &mixed).await, ["SUBMITTED", "FAILED"]);
    let (status, told) = world
        .localities("storage.poll:/nearline/a", &[a, b, around])
        .await;
    let no = "the token does not allow this";
    assert_eq!(
        (status, told),
        (200, vec!["TAPE".into(), no.into(), no.into()])
    );
    for scope in [
        "storage.read:/",
        "storage.create:/",
        "storage.modify:/",
        "storage.stage:/",
    ] {
        assert_eq!(world.localities(scope, &[a]).await.0, 200, "{scope}");
    }
    let path = format!("/api/v1/stage/{mixed}");
    for (method, path, body) in [
        ("GET", path.clone(), Value::Null),
        ("DELETE", path.clone(), Value::Null),
        ("POST", format!("{path}/cancel"), json!({"paths": [a]})),
        (
            "POST",
            format!("/api/v1/release/{mixed}"),
            json!({"paths": [a]}),
        ),
    ] {
        for scope in ["storage.stage:/nearline/b", "storage.read:/"] {
            assert_eq!(
                world.call(method, &path, scope, body.clone()).await.0,
                403,
                "{path}"
            );
        }
        assert_eq!(world.call(method, &path, "", body).await.0, 401, "{path}");
    }
    assert_eq!(
        world.states(only_a, &mixed).await[0],
        "STARTED",
        "it goes on"
    );
}

#[tokio::test]
async fn a_cancel_with_a_stranger_cancels_nothing() {
    let file = "/wlcg/nearline/some-file";
    for (faults, after) in [(&[][..], "STARTED"), (&["tape-cancel-half"], "CANCELLED")] {
        let world = world(faults).await;
        let (_, id) = world.stage(STAGE, &[file]).await;
        let path = format!("/api/v1/stage/{id}/cancel");
        let cancel = async |paths: &[&str]| {
            let body = json!({"paths": paths});
            world.call("POST", &path, STAGE, body).await.0
        };
        assert_eq!(cancel(&[file, "/wlcg/nearline/other"]).await, 400);
        world.states(STAGE, &id).await;
        assert_eq!(world.states(STAGE, &id).await, [after]);
        assert_eq!(cancel(&[file]).await, 200);
        assert_eq!(world.states(STAGE, &id).await, ["CANCELLED"]);
    }
}

#[tokio::test]
async fn nonsense_is_refused_by_rfc_7807() {
    let world = world(&[]).await;
    let long = "x".repeat(3 << 20);
    for (path, body, status) in [
        ("/api/v1/stage", json!({}), 400),
        ("/api/v1/stage", json!({"files": []}), 400),
        ("/api/v1/stage", json!({"files": "x"}), 400),
        ("/api/v1/stage", json!({"files": [{"path": 1}]}), 400),
        (
            "/api/v1/stage",
            json!({"files": [{"path": "relative"}]}),
            400,
        ),
        (
            "/api/v1/stage",
            json!({"files": [{"path": "/a\u{0}"}]}),
            400,
        ),
        ("/api/v1/stage", json!([[[]]]), 400),
        (
            "/api/v1/stage",
            json!({"files": vec![json!({"path": "/a"}); 10_001]}),
            400,
        ),
        ("/api/v1/stage", json!({"files": [{"path": long}]}), 413),
        ("/api/v1/archiveinfo", json!({"paths": []}), 400),
        ("/api/v1/stage/none/cancel", json!({"paths": ["/a"]}), 404),
        ("/api/v1/release/..%2f..", json!({"paths": ["/a"]}), 404),
    ] {
        let (found, told, _) = world.call("POST", path, "storage.stage:/", body).await;
        assert_eq!(found, status, "{path}");
        assert_eq!(told["status"], json!(status), "{path}");
        assert!(told["title"].is_string());
    }
}

#[tokio::test]
async fn tokens_are_verified_as_everywhere() {
    let world = world(&[]).await;
    let scope = "storage.poll:/";
    let body = json!({"paths": ["/wlcg/nearline/some-file"]}).to_string();
    let url = format!("{}/api/v1/archiveinfo", world.storage.url());
    for (changes, status) in [
        (json!({}), 200),
        (json!({"aud": world.storage.url()}), 200),
        (json!({"aud": "https://other.example.org"}), 401),
        (json!({"aud": null}), 401),
        (json!({"exp": 1000}), 401),
        (json!({"iss": "https://other.example.org/"}), 401),
        (json!({"wlcg.ver": "2.0"}), 401),
    ] {
        let request = world.client.post(&url).body(body.clone());
        let request = request.bearer_auth(world.forge(scope, changes.clone()));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{changes}");
        let challenge = response.headers().contains_key("www-authenticate");
        assert_eq!(challenge, status == 401, "{changes}");
    }
}
