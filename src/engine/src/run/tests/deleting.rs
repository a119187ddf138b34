//! Whatever a ledger or a redirect says, nothing goes but what the run has made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Response};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use secrecy::SecretString;

use super::*;
use crate::http::tests::{Running, endpoint_at, start};
use crate::http::{Caller, Client, Guard, HostLimiter, Outgoing, spiteful_path};
use touchstone_model::{Endpoint, Marker, Method, Purpose, TokenRef};

const RUN: &str = "20261122t072848z-4f2a9c";

/// How many ledgers, and how many redirects.
const TIMES: u32 = 1000;

/// Files and directories (`None`) by path.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// A storage element that asks for no rights, and reads paths as it likes.
#[derive(Clone, Default)]
struct Careless(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tree: Tree,
    /// Which of the liberties with paths it takes, one bit each.
    reading: u8,
    /// What it answers to what writes, instead of doing it: a status and a `Location`.
    onward: Option<(u16, Vec<u8>)>,
}

impl Careless {
    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.0.lock().unwrap())
    }

    async fn answer(self, request: Request) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
        self.with(|state| state.answer(head.method.as_str(), head.uri.path(), body))
    }
}

impl State {
    /// The path as this server reads it.
    fn read(&self, path: &str) -> String {
        let on = |bit: u8| self.reading & bit != 0;
        let mut path = path.to_owned();
        if on(1) {
            path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        }
        if on(2) {
            path = path.split('\0').next().unwrap_or_default().to_owned();
        }
        if on(4) {
            path = path.replace('\\', "/");
        }
        let mut kept: Vec<&str> = Vec::new();
        for name in path.split('/') {
            let name = if on(8) {
                name.split(';').next().unwrap_or_default()
            } else {
                name
            };
            match name {
                "" if on(16) => {}
                "." if on(32) => {}
                ".." if on(32) => {
                    kept.pop();
                }
                name => kept.push(name),
            }
        }
        format!("/{}", kept.join("/").trim_matches('/'))
    }

    fn answer(&mut self, method: &str, path: &str, body: Vec<u8>) -> Response<Body> {
        let mut answer = Response::new(Body::empty());
        let writes = matches!(method, "PUT" | "DELETE" | "MKCOL");
        if let Some((status, to)) = self.onward.take_if(|_| writes)
            && let Ok(to) = HeaderValue::from_bytes(&to)
        {
            *answer.status_mut() = status.try_into().unwrap();
            answer.headers_mut().insert("location", to);
            return answer;
        }
        let path = self.read(path);
        let below = format!("{}/", path.trim_end_matches('/'));
        let there = path == "/" || self.tree.contains_key(&path);
        let status = match method {
            "DELETE" if there => {
                self.tree
                    .retain(|other, _| *other != path && !other.starts_with(&below));
                204
            }
            "PUT" | "MKCOL" => {
                self.tree.insert(path, (method == "PUT").then_some(body));
                201
            }
            "PROPFIND" | "HEAD" | "GET" if there => 200,
            _ => 404,
        };
        *answer.status_mut() = status.try_into().unwrap();
        answer
    }
}

struct World {
    se: Careless,
    endpoint: Endpoint,
    client: Client,
    token: Token,
    runtime: tokio::runtime::Runtime,
    /// The same storage under another name, which is not trusted.
    elsewhere: String,
    _server: Running,
}

/// What is on storage that this run has not made.
fn foreign(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    let ours = |path: &str| {
        let mut names = path.split('/').filter_map(Marker::parse);
        names.any(|marker| marker.run().as_str() == RUN)
    };
    tree.retain(|path, _| !ours(path));
    tree
}

fn full() -> Tree {
    let file = |text: &str| Some(text.as_bytes().to_vec());
    let own = format!("/wlcg/touchstone-{RUN}-0123abcd");
    [
        ("/wlcg".to_owned(), None),
        ("/wlcg/precious".into(), None),
        ("/wlcg/precious/data.root".into(), file("important")),
        ("/wlcg/f".into(), file("other")),
        ("/wlcg/touchstone-notes".into(), None),
        (format!("/wlcg/touchstone-{RUN}.backup-of-physics"), None),
        (
            "/wlcg/touchstone-20991231t235959z-bbbbbb-0123abcd".into(),
            None,
        ),
        ("/othervo".into(), None),
        ("/othervo/f".into(), file("theirs")),
        ("/data.root".into(), file("root")),
        ("/precious".into(), file("root")),
        ("/f".into(), file("root")),
        (own.clone(), None),
        (format!("{own}/f"), file("own")),
    ]
    .into_iter()
    .collect()
}

impl World {
    fn new(guard: Option<Guard>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let authority = Authority::new().unwrap();
        let se = Careless::default();
        let served = se.clone();
        let app = Router::new().fallback(move |request: Request| served.clone().answer(request));
        let server = runtime.block_on(start(&authority, app));
        let port = server.port;
        let endpoint = Endpoint {
            limits: Limits::patient(),
            ca: vec![Trust::Pem(authority.ca_pem().to_owned())],
            url: format!("https://localhost:{port}").parse().unwrap(),
            ..endpoint_at("/wlcg")
        };
        let run: RunId = RUN.parse().unwrap();
        let guard = guard.unwrap_or_else(|| Guard::of_run(&endpoint, &run, std::iter::empty()));
        let limiter = Arc::new(HostLimiter::new(&endpoint.limits));
        let shown = TokenRef {
            what: "a token".into(),
            issuer: "https://iam.example.org/".into(),
            jti: None,
            hash: "000000000000".into(),
            how: String::new(),
        };
        Self {
            client: Client::new(&endpoint, &limiter, &Redactor::default(), guard).unwrap(),
            token: Token::new(SecretString::from("a-token-of-this-test"), shown),
            elsewhere: format!("https://127.0.0.1:{port}"),
            endpoint,
            se,
            runtime,
            _server: server,
        }
    }

    /// `clean` with a ledger that names these paths; whether anything foreign has changed.
    fn ledger(&self, reading: u8, paths: &[String]) -> bool {
        let before = full();
        self.se.with(|state| {
            state.tree = before.clone();
            state.reading = reading;
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut lines = vec![serde_json::json!({ "run": RUN })];
        lines.extend(paths.iter().map(|path| {
            let area = self.endpoint.area_url();
            serde_json::json!({"create": {"endpoint": "se", "area": area, "path": path}})
        }));
        let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let account = Ledger::read(&path).unwrap();
        assert_eq!(account.left.len(), paths.len());
        let objects: Vec<_> = account
            .left
            .iter()
            .map(|one| MadeObject::at(&one.path))
            .collect();
        let cleaner = Cleaner {
            client: &self.client,
            endpoint: &self.endpoint,
            caller: CALLER,
            token: &self.token,
            second: None,
            patience: &Patience::of_teardown(),
        };
        self.runtime.block_on(cleaner.remove(&objects, None, None));
        self.se
            .with(|state| foreign(&state.tree) != foreign(&before))
    }

    /// A request for an object of the run that is redirected to `to`; whether anything foreign has changed.
    fn redirect(&self, (method, status, reading): (Method, u16, u8), to: &str) -> bool {
        let before = full();
        self.se.with(|state| {
            state.tree = before.clone();
            state.reading = reading;
            state.onward = Some((
                status,
                to.replace("ELSEWHERE", &self.elsewhere).into_bytes(),
            ));
        });
        let url = self
            .endpoint
            .url_of(&format!("/wlcg/touchstone-{RUN}-0123abcd/f"));
        let outgoing = Outgoing {
            method,
            verb: None,
            url: &url,
            headers: &[],
            body: (method == Method::Put).then_some(b"changed".as_slice()),
            token: Some(&self.token),
            deadline: Instant::now() + HANGS,
        };
        let sent = self.client.send(Purpose::Arrange, CALLER, outgoing);
        self.runtime.block_on(sent);
        self.se
            .with(|state| foreign(&state.tree) != foreign(&before))
    }
}

const CALLER: Caller<'_> = Caller {
    run: RUN,
    case: "c",
};

/// The same inputs in each run.
fn runner() -> TestRunner {
    let config = Config {
        cases: TIMES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(config, rng)
}

fn ledgers() -> impl Strategy<Value = (u8, Vec<String>)> {
    (any::<u8>(), prop::collection::vec(spiteful_path(), 1..4))
}

fn redirects() -> impl Strategy<Value = ((Method, u16, u8), String)> {
    let method = prop::sample::select(vec![Method::Put, Method::Delete, Method::Mkcol]);
    let status = prop::sample::select(vec![301_u16, 302, 303, 307, 308]);
    let front = prop::sample::select(vec!["", "ELSEWHERE", "//localhost", "https:"]);
    let to = (front, spiteful_path()).prop_map(|(front, path)| format!("{front}{path}"));
    ((method, status, any::<u8>()), to)
}

/// Whether one of the inputs changes what is foreign.
fn harms<S: Strategy>(strategy: &S, changes: impl FnMut(S::Value) -> bool) -> bool {
    let mut runner = runner();
    let inputs = (0..TIMES).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    inputs.into_iter().any(changes)
}

#[test]
fn no_ledger_has_anything_removed_that_the_run_has_not_made() {
    let world = World::new(None);
    let run = |(reading, paths): (u8, Vec<String>)| {
        prop_assert!(!world.ledger(reading, &paths));
        Ok(())
    };
    runner().run(&ledgers(), run).unwrap();
    // With nobody on guard the same ledgers do harm.
    let world = World::new(Some(Guard::open()));
    assert!(harms(&ledgers(), |(reading, paths)| world.ledger(reading, &paths)));
}

#[test]
fn no_redirect_has_anything_changed_that_the_run_has_not_made() {
    let world = World::new(None);
    let run = |(how, to): ((Method, u16, u8), String)| {
        prop_assert!(!world.redirect(how, &to));
        Ok(())
    };
    runner().run(&redirects(), run).unwrap();
    let world = World::new(Some(Guard::open()));
    assert!(harms(&redirects(), |(how, to)| world.redirect(how, &to)));
}
