//! How gently issuers are asked, and which of several accounts is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::test_bed::{SECRET, TestBed, expect_no_secret, verdicts};
use crate::common::waiting::HANGS;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use touchstone_engine::token::{Broker, Fit};
use touchstone_model::redact::Redactor;
use touchstone_model::{
    ANY_AUDIENCE, Account, Audience, ClientAuthentication, Inventory, Issuer, IssuerLimits,
    OAuthClient, SecretRef, TokenRequest, TokenSource, Trust,
};
use touchstone_reference::{Authority, Storage, StorageOptions};

/// An issuer that counts, and is busy as often as it is told.
struct Counting {
    url: String,
    authority: Authority,
    state: Arc<Counted>,
    handle: axum_server::Handle<std::net::SocketAddr>,
}

#[derive(Default)]
struct Counted {
    url: Mutex<String>,
    requests: AtomicUsize,
    /// So many requests are answered `429` first, with that header.
    busy: AtomicUsize,
    retry_after: Mutex<Option<String>>,
}

impl Counting {
    async fn new() -> Self {
        let authority = Authority::new().expect("an authority");
        let certificate = authority.certificate().expect("a certificate");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("https://localhost:{port}/");
        let state = Arc::new(Counted::default());
        state.url.lock().expect("a lock").clone_from(&url);
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/token", post(token))
            .with_state(Arc::clone(&state));
        let tls = axum_server::tls_rustls::RustlsConfig::from_pem(
            certificate.certificate_pem.into_bytes(),
            certificate.key_pem.expose_secret().as_bytes().to_vec(),
        )
        .await
        .expect("TLS");
        let handle = axum_server::Handle::new();
        let server = axum_server::from_tcp_rustls(listener, tls).expect("a server");
        tokio::spawn(
            server
                .handle(handle.clone())
                .serve(router.into_make_service()),
        );
        Self {
            url,
            authority,
            state,
            handle,
        }
    }

    fn broker(&self, limits: IssuerLimits, accounts: Vec<Account>) -> Broker {
        let issuer = Issuer {
            accounts,
            ca: vec![Trust::Pem(self.authority.ca_pem().to_owned())],
            limits,
            ..Issuer::bare("counting", self.url.clone())
        };
        let inventory = Inventory {
            downtimes: Vec::new(),
            issuers: vec![Arc::new(issuer)],
            endpoints: Vec::new(),
        };
        Broker::new(&inventory, &["counting"], &Redactor::default()).expect("a broker")
    }

    fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    fn busy(&self, times: usize, retry_after: Option<&str>) {
        self.state.busy.store(times, Ordering::SeqCst);
        *self.state.retry_after.lock().expect("a lock") = retry_after.map(str::to_owned);
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

async fn metadata(State(state): State<Arc<Counted>>) -> Json<Value> {
    let url = state.url.lock().expect("a lock").clone();
    Json(json!({"issuer": url, "token_endpoint": format!("{url}token")}))
}

async fn token(
    State(state): State<Arc<Counted>>,
    Form(form): Form<std::collections::HashMap<String, String>>,
) -> Response {
    let number = state.requests.fetch_add(1, Ordering::SeqCst);
    let left = |busy: usize| busy.checked_sub(1);
    if state
        .busy
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
        .is_ok()
    {
        let after = state.retry_after.lock().expect("a lock").clone();
        return match after {
            Some(after) => {
                (StatusCode::TOO_MANY_REQUESTS, [("retry-after", after)]).into_response()
            }
            None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        };
    }
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "iss": *state.url.lock().expect("a lock"), "sub": form.get("client_id"), "jti": number.to_string(),
        "aud": form["audience"], "scope": form["scope"], "iat": now, "exp": now + 1200,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.c2ln", part(&json!({"alg": "none"})), part(&claims));
    Json(json!({"access_token": token, "token_type": "Bearer"})).into_response()
}

fn account(name: &str, scopes: Option<&[&str]>) -> Account {
    Account {
        name: name.into(),
        scopes: scopes.map(|scopes| scopes.iter().map(|s| (*s).to_owned()).collect()),
        ..Account::only(TokenSource::ClientCredentials(OAuthClient {
            id: SecretRef::Held(name.into()),
            authentication: ClientAuthentication::Body(SecretRef::Held("a-secret-word".into())),
        }))
    }
}

fn request(scope: &str) -> TokenRequest {
    let audience = Audience::One(ANY_AUDIENCE.into());
    TokenRequest::good("counting".into(), vec![scope.into()], audience)
}

fn at_once() -> IssuerLimits {
    IssuerLimits {
        rate: 10_000,
        answer: HANGS,
        ..IssuerLimits::default()
    }
}

#[tokio::test]
async fn two_hundred_requests_for_ten_tokens_are_ten_requests() {
    let issuer = Counting::new().await;
    let broker = issuer.broker(at_once(), vec![account("one", None)]);
    let asked: Vec<_> = (0..200)
        .map(|n| request(&format!("storage.read:/d{}", n % 10)))
        .collect();
    let tokens = asked
        .iter()
        .map(|request| broker.token(request, Fit::Exact));
    let ids: BTreeSet<_> = futures_util::future::join_all(tokens)
        .await
        .into_iter()
        .map(|token| token.expect("a token").shown.jti.clone())
        .collect();
    assert_eq!(ids.len(), 10);
    assert_eq!(issuer.requests(), 10);
    let usage = broker.usage();
    assert_eq!((usage[0].requests, usage[0].distinct), (10, 10));
}

#[tokio::test]
async fn no_more_than_the_rate_goes_out() {
    let issuer = Counting::new().await;
    let limits = IssuerLimits {
        rate: 10,
        ..IssuerLimits::default()
    };
    let broker = issuer.broker(limits, vec![account("one", None)]);
    let begun = Instant::now();
    let asked: Vec<_> = (0..20)
        .map(|n| request(&format!("storage.read:/d{n}")))
        .collect();
    let tokens = asked
        .iter()
        .map(|request| broker.token(request, Fit::Exact));
    for token in futures_util::future::join_all(tokens).await {
        token.expect("a token");
    }
    // Ten at once, ten more at 100 ms each.
    assert!(
        begun.elapsed() >= Duration::from_millis(999),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_busy_issuer_is_left_alone_for_as_long_as_it_asks() {
    let issuer = Counting::new().await;
    let broker = issuer.broker(at_once(), vec![account("one", None)]);
    issuer.busy(1, Some("1"));
    let begun = Instant::now();
    broker
        .token(&request("storage.read:/"), Fit::Exact)
        .await
        .expect("a token");
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(issuer.requests(), 2);

    issuer.busy(2, None);
    broker
        .token(&request("storage.read:/two"), Fit::Exact)
        .await
        .expect("a token");
    assert_eq!(issuer.requests(), 5);
    assert_eq!(
        (broker.usage()[0].requests, broker.usage()[0].distinct),
        (5, 2)
    );
}

#[tokio::test]
async fn patience_has_an_end() {
    let issuer = Counting::new().await;
    let limits = IssuerLimits {
        patience: Duration::from_millis(1200),
        ..at_once()
    };
    let broker = issuer.broker(limits, vec![account("one", None)]);
    issuer.busy(100, None);
    let error = broker
        .token(&request("storage.read:/"), Fit::Exact)
        .await
        .expect_err("busy");
    assert!(!error.refused(), "the storage's cases stay undecided");
    let text = error.to_string();
    // How often that was depends on how fast the issuer answers.
    let times = format!("(asked {} times)", issuer.requests());
    for part in [
        "`counting`",
        "storage.read:/",
        "answered 503",
        &times,
        "try again later",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    issuer.busy(100, Some("3600"));
    // Whoever waited for it would hang.
    let error = broker
        .token(&request("storage.read:/a"), Fit::Exact)
        .await
        .expect_err("busy");
    assert!(
        error
            .to_string()
            .contains("answered 429, and asks to wait 1h"),
        "{error}"
    );
}

#[tokio::test]
async fn the_account_is_asked_that_may_ask() {
    let issuer = Counting::new().await;
    let reader = account("reader", Some(&["storage.read:/"]));
    let mut member = account("member", None);
    member.groups = Some(vec!["/wlcg".into()]);
    let writer = account("writer", Some(&["storage.read:/", "storage.modify:/w"]));
    let broker = issuer.broker(at_once(), vec![reader, writer, member]);
    let who = async |request: TokenRequest| {
        let token = broker
            .token(&request, Fit::AtLeast)
            .await
            .map_err(|e| e.to_string())?;
        let claims = touchstone_engine::token::claims(&token.secret)?;
        Ok::<_, String>(claims.text("sub").unwrap_or_default().to_owned())
    };
    assert_eq!(
        who(request("storage.read:/a")).await.as_deref(),
        Ok("reader")
    );
    assert_eq!(
        who(request("storage.create:/w/x")).await.as_deref(),
        Ok("writer")
    );
    assert_eq!(
        who(request("storage.modify:/")).await.as_deref(),
        Ok("member")
    );
    assert_eq!(issuer.requests(), 3, "nobody else was asked");

    let narrow = issuer.broker(
        at_once(),
        vec![account("reader", Some(&["storage.read:/a"]))],
    );
    let error = narrow
        .token(&request("storage.read:/ab"), Fit::Exact)
        .await
        .expect_err("no");
    assert!(error.refused());
    assert!(
        error
            .to_string()
            .contains("no account is there that may ask for it"),
        "{error}"
    );
}

/// A storage element that refuses every token that it has seen.
fn single_use(bed: &TestBed) -> Storage {
    bed.start(StorageOptions {
        single_use: true,
        ..bed.trusting(bed.issuer.url())
    })
}

#[test]
fn each_request_gets_a_token_of_its_own_where_that_is_needed() {
    let bed = TestBed::new();
    let storage = single_use(&bed);
    let cases = [
        "capability.read.get",
        "capability.create.no-overwrite",
        "path.sibling-prefix.read",
    ];
    let mut arguments = vec!["run", "--case"];
    arguments.extend(cases);

    bed.endpoints(&[("once", storage.url())], "");
    let found_out = bed.run(&arguments).expect(0).stdout;
    assert!(
        found_out.contains("it does not take a token that it has seen before"),
        "{found_out}"
    );
    assert!(
        verdicts(&bed.record())
            .values()
            .all(|verdict| verdict == "pass")
    );

    let storage = single_use(&bed);
    bed.endpoints(&[("once", storage.url())], "    fresh-tokens: true\n");
    bed.run(&arguments).expect(0);
    let verdicts = verdicts(&bed.record());
    assert_eq!(verdicts.len(), cases.len());
    assert!(
        verdicts.values().all(|verdict| verdict == "pass"),
        "{verdicts:?}"
    );
    assert_eq!(
        storage.paths(),
        ["/wlcg/", "/wlcg/protected/"],
        "teardown did its work"
    );
}

#[test]
fn a_whole_run_asks_once_for_each_distinct_token_and_says_so() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let ended = bed.run(&["run", "--quick"]).expect(0);
    let record = bed.record();
    let lab_use = &record["run"]["issuers"][0];
    assert_eq!(lab_use["issuer"], "lab");
    assert_eq!(lab_use["requests"], lab_use["distinct"]);
    let distinct = lab_use["distinct"].as_u64().expect("a number");
    assert!(distinct > 100, "{distinct}");
    let line = format!("Token requests: {distinct} to lab, for {distinct} distinct tokens");
    assert!(ended.stdout.contains(&line), "{}", ended.stdout);
}

#[test]
fn two_vos_with_issuers_of_their_own_are_judged_in_one_run() {
    let bed = TestBed::new();
    let one = bed.storage(&[]);
    let other = bed.start(bed.trusting(bed.neighbour.url()));
    bed.endpoints(&[("one", one.url())], "");
    let mut text = std::fs::read_to_string(bed.path("endpoints.yaml")).expect("a file");
    text.push_str(&format!(
        "  other:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: neighbour\n    ca: ca.pem\n",
        other.url()
    ));
    bed.write("endpoints.yaml", &text);
    bed.run(&["run", "--case", "capability.read.*"]).expect(0);
    let verdicts = verdicts(&bed.record());
    let of = |name: &str| {
        let mine = verdicts
            .iter()
            .filter(|((endpoint, _), _)| endpoint == name);
        mine.map(|(_, verdict)| verdict.as_str())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        (of("one"), of("other")),
        (BTreeSet::from(["pass"]), BTreeSet::from(["pass"]))
    );
}

#[test]
fn check_says_what_each_account_obtains() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let text = std::fs::read_to_string(bed.path("endpoints.yaml")).expect("a file");
    let client = format!(
        "client-credentials: {{id: {}, secret-env: {SECRET}}}",
        bed.issuer.client_id()
    );
    let single = format!(
        "    client-credentials:\n      id: {}\n      secret-env: {SECRET}\n",
        bed.issuer.client_id()
    );
    assert!(text.contains(&single), "{text}");
    let stranger = format!("client-credentials: {{id: nobody, secret-env: {SECRET}}}");
    let several = format!(
        "    accounts:\n      reader: {{{client}, scopes: ['storage.read:/']}}\n      member: {{{client}, groups: [/wlcg]}}\n      stranger: {{{stranger}}}\n"
    );
    bed.write("endpoints.yaml", &text.replace(&single, &several));
    let ended = bed.run(&["check", "--connect"]).expect(3);
    for part in [
        "issuer lab, reader: gives a token: scope \"storage.read:/\", audience https://wlcg.cern.ch/jwt/v1/any, for ",
        "issuer lab, member: gives a token: scope \"storage.read:/ storage.modify:/ wlcg.groups:/wlcg\", groups /wlcg, ",
        "issuer lab, stranger: no token from the issuer `lab` (stranger): asked for scope \"storage.read:/ storage.modify:/\"",
        "401 \"invalid_client\"",
        "check client id",
        "issuer neighbour, test-key: gives a token: ",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    expect_no_secret(&bed, &[("stdout".into(), ended.stdout)]);
}
