//! Metadata that lie and endpoints that send elsewhere: the client's secret stays with the issuer's host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::site::{FEW, GOOD, ONE, Site, side_by_side};
use crate::common::issuer::{Asked, METADATA, Reply, ScriptedIssuer};
use crate::common::test_bed::TestBed;

/// Who listens elsewhere, and hears whatever is sent there.
struct Others {
    tls: ScriptedIssuer,
    plain: u16,
    heard: Arc<AtomicUsize>,
}

impl Others {
    /// Their certificate is signed by the authority that the client trusts.
    fn listen(bed: &TestBed) -> Self {
        let no = |_: &Asked| Some(Reply::json(400, &json!({"error": "invalid_client"})));
        let tls = ScriptedIssuer::start(&bed.runtime, &bed.authority, no);
        let (plain, heard) = plain(&bed.runtime);
        Self { tls, plain, heard }
    }

    /// This text with their ports.
    fn fill(&self, text: &str) -> String {
        text.replace("TLS", &self.tls.port().to_string())
            .replace("PLAIN", &self.plain.to_string())
    }

    fn expect_silence(&self, what: &str) {
        let heard: Vec<_> = self.tls.asked();
        assert!(heard.is_empty(), "{what}: {heard:?}");
        assert_eq!(self.heard.load(Ordering::SeqCst), 0, "{what}: over http");
    }
}

/// A port without TLS, and how many have connected to it.
fn plain(runtime: &Runtime) -> (u16, Arc<AtomicUsize>) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let heard: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&heard);
    runtime.spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, heard)
}

/// A site whose metadata say this of `member`, and those who listen elsewhere.
fn saying<'l>(bed: &'l TestBed, member: &'static str, value: &Value) -> (Site<'l>, Arc<Others>) {
    let others = Arc::new(Others::listen(bed));
    let value: Value = serde_json::from_str(&others.fill(&value.to_string())).expect("JSON");
    let site = Site::new(bed, move |_, signer, asked| {
        let mut document = signer.metadata();
        document[member] = value.clone();
        (asked.path == METADATA).then(|| Reply::json(200, &document))
    });
    (site, others)
}

#[test]
fn metadata_that_lie_send_the_secret_nowhere() {
    const HTTPS: [&str; 2] = [
        "no token endpoint with https",
        "tell whoever runs the issuer",
    ];
    const OTHER: [&str; 2] = [
        "a token endpoint at \"https://127.0.0.1:",
        "name it below `credential-hosts`",
    ];
    const URL: &str = "write its URL in the endpoints file character by character";
    let endpoint = |text: &'static str, says| ("token_endpoint", json!(text), says);
    let rows: Vec<(&'static str, Value, [&str; 2])> = vec![
        endpoint("http://localhost:PLAIN/token", HTTPS),
        endpoint("HTTP://localhost:PLAIN/token", HTTPS),
        endpoint("http:/localhost:PLAIN/token", HTTPS),
        endpoint("file:///etc/passwd", HTTPS),
        endpoint("data:,x", HTTPS),
        endpoint("//127.0.0.1:TLS/token", HTTPS),
        endpoint("/token", HTTPS),
        endpoint("https://", HTTPS),
        endpoint("https://me:it@localhost:TLS/token", HTTPS),
        endpoint("", HTTPS),
        ("token_endpoint", Value::Null, HTTPS),
        ("token_endpoint", json!(7), HTTPS),
        (
            "token_endpoint",
            json!(["https://127.0.0.1:TLS/token"]),
            HTTPS,
        ),
        endpoint("https://127.0.0.1:TLS/token", OTHER),
        endpoint("https:\\\\127.0.0.1:TLS\\token", OTHER),
        endpoint("https://localhost@127.0.0.1:TLS/token", HTTPS),
        (
            "token_endpoint",
            json!("x".repeat(1 << 20)),
            ["larger than 262144 bytes", "see whether the issuer is up"],
        ),
        (
            "issuer",
            json!("https://127.0.0.1:TLS/"),
            ["it calls itself", URL],
        ),
        ("issuer", Value::Null, ["no metadata in JSON", URL]),
    ];
    side_by_side(&rows, |bed, (member, value, says)| {
        let what = format!("{member}: {:.80}", value.to_string());
        let (site, others) = saying(bed, member, value);
        let came = site.run(&ONE);
        came.expect(&what, 3, says);
        others.expect_silence(&what);
        assert_eq!(site.asked(), 0, "{what}");
        came.expect_nothing_left(&what);
        came.expect_no_secret();
    });
}

#[test]
fn metadata_that_are_no_metadata_send_the_secret_nowhere() {
    const URL: &str = "write its URL in the endpoints file character by character";
    let rows = [
        (
            Reply::html(200, "<h1>Welcome</h1>"),
            "text/html, no metadata in JSON",
        ),
        (Reply::html(404, ""), "answered 404"),
        (Reply::json(200, &json!([])), "no metadata in JSON"),
        (
            Reply::html(302, "").header("location", "https://127.0.0.1:TLS/metadata"),
            "answered 302 to \"https://127.0.0.1:",
        ),
        (
            Reply::html(307, "").header("location", "http://localhost:PLAIN/metadata"),
            "answered 307 to \"http://localhost:",
        ),
    ];
    side_by_side(&rows, |bed, (reply, says)| {
        let others = Others::listen(bed);
        let reply = filled(reply, &others);
        let site = Site::new(bed, move |_, _, asked| {
            (asked.path == METADATA).then(|| reply.clone())
        });
        let came = site.run(&ONE);
        came.expect(says, 3, &[says, URL]);
        others.expect_silence(says);
        assert_eq!(site.asked(), 0, "{says}");
        came.expect_nothing_left(says);
        came.expect_no_secret();
    });
}

/// The answer with the ports of those who listen.
fn filled(reply: &Reply, others: &Others) -> Reply {
    let mut reply = reply.clone();
    for (_, value) in &mut reply.headers {
        *value = others.fill(value);
    }
    reply
}

#[test]
fn another_port_of_the_host_and_a_host_that_is_allowed_hear_the_secret() {
    let rows = [
        ("https://localhost:TLS/token", ""),
        (
            "https://127.0.0.1:TLS/token",
            "    credential-hosts: ['127.0.0.?']\n",
        ),
    ];
    side_by_side(&rows, |bed, (url, allowed)| {
        let (mut site, others) = saying(bed, "token_endpoint", &json!(url));
        site.of_issuer = (*allowed).to_owned();
        let came = site.run(&ONE);
        came.expect(url, 3, &["\"invalid_client\"", "check client id"]);
        let heard = others.tls.asked();
        let secret = |asked: &Asked| asked.headers.contains_key("authorization");
        assert!(!heard.is_empty() && heard.iter().all(secret), "{url}");
        assert_eq!(site.asked(), 0, "{url}");
        came.expect_no_secret();
    });
}

#[test]
fn a_redirect_of_the_token_endpoint_takes_no_secret_along() {
    let places = [
        "https://127.0.0.1:TLS/token",
        "http://localhost:PLAIN/token",
    ];
    let statuses = [301, 302, 303, 307, 308];
    let rows: Vec<_> = statuses
        .iter()
        .enumerate()
        .flat_map(|(at, status)| places.map(|to| (*status, to, if at % 2 == 0 { 0 } else { GOOD })))
        .collect();
    side_by_side(&rows, |bed, (status, to, good)| {
        let (status, good) = (*status, *good);
        let others = Others::listen(bed);
        let reply = filled(&Reply::html(status, "").header("location", to), &others);
        let site = Site::new(bed, move |number, _, asked| {
            (asked.path == "/token" && number >= good).then(|| reply.clone())
        });
        let what = format!("{status} to {to} after {good}");
        let came = site.run(&FEW);
        let place = others.fill(to.trim_end_matches("/token"));
        let told = format!("answered {status}, a redirect to \"{place}\"");
        came.expect(&what, 3, &[&told, "credentials follow none"]);
        others.expect_silence(&what);
        came.expect_nothing_left(&what);
        came.expect_no_secret();
    });
}

#[test]
fn an_issuer_that_is_judged_hears_the_secret_at_its_own_host_only() {
    let rows = [
        (
            "https://127.0.0.1:TLS/token",
            "name it below `credential-hosts`",
        ),
        (
            "http://localhost:PLAIN/token",
            "its token_endpoint is no https URL",
        ),
    ];
    side_by_side(&rows, |bed, (url, says)| {
        let (site, others) = saying(bed, "token_endpoint", &json!(url));
        let came = site.run(&["--issuers", "--case", "issuer.token.*"]);
        came.expect(url, 3, &[says]);
        others.expect_silence(url);
        assert_eq!(site.asked(), 0, "{url}");
        came.expect_no_secret();
    });
}
