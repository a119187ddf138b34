//! Copies that would never end: each is over at its deadline or limit, says why, and costs little memory.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::common::test_bed::{TestBed, expect_no_objects, outcomes};
use crate::common::waiting::{HANGS, wait_until};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use futures_util::stream;
use secrecy::ExposeSecret;
use touchstone_reference::{Storage, StorageOptions, TransferOptions};

/// What no run may take, in kilobytes.
const MEMORY: u64 = 100 << 10;
/// A file that is there before.
const GIVEN: &str = "  given: [{file: f}]\n";
/// The limit of a case that would never end, or of a report that never comes; the other one does not matter.
const CASE: &str = "case: 4s, transfer: 10m";
const TRANSFER: &str = "case: 10m, transfer: 3s";
const NEITHER: &str = "case: 10m, transfer: 10m";

/// Runs a case of our own at `url` within `limits`: what came of it, and the most memory in kilobytes.
fn run(bed: &TestBed, url: &str, limits: &str, given: &str, step: &str) -> (String, u64) {
    std::fs::create_dir_all(bed.path("more")).expect("a folder");
    let head = "suite: endless\nabout: x\ncases:\n- id: endless.one\n  title: t\n  risk: r\n  clauses: [TPC-06]\n  severity: critical\n";
    let suite = format!("{head}{given}  steps:\n  - {step}\n");
    bed.write("more/endless.yaml", &suite);
    bed.endpoints(&[("se", url)], &format!("    limits: {{{limits}}}\n"));
    let mut command = bed.touchstone(&["run", "--case", "endless.*", "--suites", "more"]);
    command.args(bed.listening());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let most = watch(&mut child.expect("the binary runs"));
    let outcome = outcomes(&bed.record()).remove("endless.one");
    (outcome.expect("its outcome"), most)
}

/// Waits for the end, and looks at the peak of the memory until then.
fn watch(child: &mut Child) -> u64 {
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut most = 0;
    wait_until("the run does not end", || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok());
        most = most.max(peak.unwrap_or(0));
        child.try_wait().expect("it can be asked").is_some()
    });
    most
}

fn storage(bed: &TestBed) -> Storage {
    bed.start(StorageOptions {
        transfer: TransferOptions {
            idle: HANGS * 2,
            total: HANGS * 2,
            ..TransferOptions::default()
        },
        ..bed.trusting(bed.issuer.url())
    })
}

#[test]
fn a_source_that_trickles_for_ever_ends_with_the_time_of_the_case() {
    let bed = TestBed::new();
    let storage = storage(&bed);
    let step = "{pull: new, side: trickling, token: 'storage.create:{dir}', expect: created}";
    let (outcome, memory) = run(&bed, storage.url(), CASE, GIVEN, step);
    assert!(
        outcome.starts_with("error") && outcome.contains("`limits: {case"),
        "{outcome}"
    );
    assert!(memory > 0 && memory < MEMORY, "{memory} kB");
    expect_no_objects(&storage);
}

#[test]
fn a_sink_that_never_answers_ends_with_the_time_of_the_case() {
    let bed = TestBed::new();
    let storage = storage(&bed);
    let step = "{push: f, side: silent, token: 'storage.read:{dir}', expect: created}";
    let (outcome, memory) = run(&bed, storage.url(), CASE, GIVEN, step);
    assert!(
        outcome.starts_with("error") && outcome.contains("`limits: {case"),
        "{outcome}"
    );
    assert!(memory > 0 && memory < MEMORY, "{memory} kB");
    expect_no_objects(&storage);
}

/// How a COPY is answered by a storage element that otherwise says yes to everything.
#[derive(Clone, Copy)]
enum Report {
    /// Markers as fast as they are read.
    Markers,
    /// A last line of a gigabyte.
    LongLine,
    /// The head, and then nothing.
    Nothing,
    /// Not even the head.
    Silence,
}

/// A storage element that reports so.
struct Endless {
    url: String,
    handle: Handle<std::net::SocketAddr>,
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

fn endless(bed: &TestBed, report: Report) -> Endless {
    let certificate = bed.authority.certificate().expect("a certificate");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().expect("an address").port()
    );
    listener.set_nonblocking(true).expect("a listener");
    let handle = Handle::new();
    let router = Router::new().fallback(move |request: Request| answer(report, request));
    let serving = {
        let handle = handle.clone();
        async move {
            let tls = RustlsConfig::from_pem(
                certificate.certificate_pem.into_bytes(),
                certificate.key_pem.expose_secret().as_bytes().to_vec(),
            );
            let tls = tls.await.expect("TLS");
            let server = axum_server::from_tcp_rustls(listener, tls).expect("a server");
            server
                .handle(handle)
                .serve(router.into_make_service())
                .await
        }
    };
    bed.runtime.spawn(serving);
    Endless { url, handle }
}

async fn answer(report: Report, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let method = request.method().as_str().to_owned();
    let (status, body) = match method.as_str() {
        "MKCOL" | "PUT" => (StatusCode::CREATED, Body::empty()),
        "PROPFIND" => (
            StatusCode::MULTI_STATUS,
            format!("<d:multistatus xmlns:d='DAV:'><d:response><d:href>{path}</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>").into(),
        ),
        "DELETE" => (StatusCode::NO_CONTENT, Body::empty()),
        "COPY" => (StatusCode::ACCEPTED, reporting(report).await),
        _ => (StatusCode::OK, Body::empty()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

async fn reporting(report: Report) -> Body {
    let marker = "Perf Marker\n\tTimestamp: 1700000000\n\tStripe Index: 0\n\tStripe Bytes Transferred: 1\n\tTotal Stripe Count: 1\nEnd\n";
    let piece = match report {
        Report::Markers => Bytes::from(marker.repeat(100)),
        Report::LongLine => Bytes::from(vec![b'x'; 1 << 16]),
        Report::Nothing => return Body::from_stream(stream::pending::<std::io::Result<Bytes>>()),
        Report::Silence => std::future::pending().await,
    };
    let pieces = (1 << 30) / piece.len();
    Body::from_stream(stream::iter((0..pieces).map(move |index| {
        std::io::Result::Ok(match index {
            0 => Bytes::from("success: "),
            _ => piece.clone(),
        })
    })))
}

fn judged(report: Report) -> String {
    let bed = TestBed::new();
    let server = endless(&bed, report);
    let step = "{pull: new, token: 'storage.create:{dir}', expect: created}";
    let limits = match report {
        Report::Markers | Report::LongLine => NEITHER,
        Report::Nothing | Report::Silence => TRANSFER,
    };
    let (outcome, memory) = run(&bed, &server.url, limits, "", step);
    assert!(memory > 0 && memory < MEMORY, "{memory} kB");
    outcome
}

#[test]
fn markers_without_end_are_a_failure_at_the_limit() {
    let outcome = judged(Report::Markers);
    assert!(outcome.starts_with("fail "), "{outcome}");
    assert!(
        outcome.contains(
            "TPC-06: COPY was answered 202, and the report was not over after 2097152 bytes"
        ),
        "{outcome}"
    );
}

#[test]
fn a_last_line_of_a_gigabyte_is_a_failure_at_the_limit() {
    let outcome = judged(Report::LongLine);
    assert!(outcome.starts_with("fail "), "{outcome}");
    assert!(
        outcome.contains("not over after 2097152 bytes"),
        "{outcome}"
    );
}

#[test]
fn a_report_that_never_comes_is_undecided_at_the_limit() {
    for (report, told) in [
        (Report::Nothing, "the answer's body stopped for 3.0 s"),
        (Report::Silence, "no answer within 3.0 s"),
    ] {
        let outcome = judged(report);
        assert!(outcome.starts_with("error"), "{outcome}");
        assert!(outcome.contains(told), "{outcome}");
    }
}
