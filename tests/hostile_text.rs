//! Text of others in every output: no control or bidi character gets through, and a log has a line for each event.

mod common;

use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response};
use axum_server::tls_rustls::RustlsConfig;
use common::fleet::{Plan, record, usual};
use common::issuer::{Reply, ScriptedIssuer};
use common::lab::{Ended, Lab, SECRET};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// Escapes of terminals, controls of both kinds, of direction and of no width; ends of lines; and what has a meaning
/// in XML, HTML, Markdown, CSV, Prometheus, Nagios and shells.
const HOSTILE: &str = "=1+1\x1b[2J\x1b]0;x\x07\x1b]8;;http://h\x1b\\\x1b]52;c;eA==\x07\x1bP1$q\x1b\\\u{80}\u{9b}31m\u{9d}0;x\u{9c}\r\x08\x00\x7f\
    \u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{200b}\u{feff}\u{2028}\u{2029}\nWARN forged=1\r\n]]><script>alert(1)</script>&#x1b;|`x`[a](javascript:1)\"} 1\n|x=1;$(id)'";

fn steering(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Fails where the text would steer a terminal. CSV alone ends its lines with CR LF.
fn expect_plain(what: &str, text: &str) {
    let text = text.replace("\r\n", "\n");
    if let Some(at) = text.find(|c| steering(c) || c == '\r') {
        let start = text.floor_char_boundary(at.saturating_sub(80));
        let end = text.floor_char_boundary(at + 40);
        panic!("{what}: {:?}", &text[start..end]);
    }
}

fn touchstone(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
    Ended::of(
        command
            .args(arguments)
            .current_dir(folder)
            .env_remove("RUST_LOG"),
    )
}

/// Every file below a folder, as text.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            match entry.file_type().expect("its kind") {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => {
                    let bytes = std::fs::read(entry.path()).expect("a file");
                    if !bytes.starts_with(b"SQLite") {
                        texts.push((
                            entry.path().display().to_string(),
                            String::from_utf8_lossy(&bytes).into_owned(),
                        ));
                    }
                }
                _ => {}
            }
        }
    }
    texts
}

#[test]
fn every_format_keeps_hostile_text_in_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let record = record(&Plan {
        endpoints: 3,
        cases: 30,
        text: HOSTILE,
        verdict: usual,
        different: false,
        body: 100,
    });
    let raw = serde_json::to_string(&record).expect("JSON");
    std::fs::write(folder.path().join("run.json"), &raw).expect("a file");
    for format in touchstone::report::FORMATS {
        let arguments = [
            "report",
            "--from",
            "run.json",
            "--format",
            format.name,
            "--report-dir",
            format.name,
        ];
        let ended = touchstone(folder.path(), &arguments);
        assert!(
            ended.code.is_some_and(|code| code < 4),
            "{}: {ended:?}",
            format.name
        );
        expect_plain(&format!("{} on stdout", format.name), &ended.stdout);
        expect_plain(&format!("{} on stderr", format.name), &ended.stderr);
        let made = match folder.path().join(format.name) {
            made if made.is_dir() => files(&made),
            // The line for Nagios is printed only.
            _ => Vec::new(),
        };
        made.iter()
            .for_each(|(name, text)| expect_plain(name, text));
    }
    let back = std::fs::read_to_string(folder.path().join("json/run.json")).expect("a record");
    let [back, raw] = [&back, &raw].map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
    assert_eq!(
        back["endpoints"], raw["endpoints"],
        "the record keeps what came"
    );
    for arguments in [
        &["diff", "run.json", "run.json"][..],
        &["diff", "run.json", "run.json", "--format", "json"],
        &["diff", "run.json", "run.json", "--format", "markdown"],
        &["explain", "a.b\u{1b}[31m\u{202e}\u{9b}c"],
        &["merge", "run.json", "--report-dir", "merged"],
        &["report", "--from", "run.json"],
    ] {
        let ended = touchstone(folder.path(), arguments);
        expect_plain(&format!("{arguments:?} on stdout"), &ended.stdout);
        expect_plain(&format!("{arguments:?} on stderr"), &ended.stderr);
    }
}

/// A storage element that says it wherever a header or a body may hold it.
fn storage(lab: &Lab) -> String {
    let certificate = lab.authority.certificate().expect("a certificate");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    let app = Router::new().fallback(|| async {
        let mut response = Response::new(Body::from(HOSTILE));
        *response.status_mut() = axum::http::StatusCode::FORBIDDEN;
        for name in [
            "server",
            "location",
            "www-authenticate",
            "digest",
            "allow",
            "content-type",
        ] {
            let value = b"Bearer \"]]>|`x`\xc2\x9b31m\xe2\x80\xae\xff\x80=1+1\t<script>";
            let value = HeaderValue::from_bytes(value).expect("a value");
            response.headers_mut().insert(name, value);
        }
        response
    });
    lab.runtime.spawn(async move {
        let pem = certificate.certificate_pem.into_bytes();
        let key = certificate.key_pem.expose_secret().as_bytes().to_vec();
        let tls = RustlsConfig::from_pem(pem, key).await.expect("TLS");
        let server = axum_server::from_tcp_rustls(listener, tls).expect("a server");
        let _ = server.serve(app.into_make_service()).await;
    });
    format!("https://localhost:{port}")
}

#[test]
fn a_storage_element_steers_no_terminal_and_forges_no_line_of_the_log() {
    let lab = Lab::new();
    lab.endpoints(&[("hostile", &storage(&lab))], "");
    let mut command = lab.touchstone(&["run", "--case", "{bearer,path,digest,webdav}.*"]);
    let ended = Ended::of(command.env("RUST_LOG", "trace"));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    expect_log(&ended.stderr);
    for (name, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        expect_plain(name, text);
    }
    files(&lab.path("reports"))
        .iter()
        .for_each(|(name, text)| expect_plain(name, text));
}

/// No line of the log is one that somebody else wrote.
fn expect_log(stderr: &str) {
    assert!(
        stderr.lines().any(|line| line.contains(" TRACE ")),
        "{stderr:.2000}"
    );
    assert!(
        !stderr.lines().any(|line| line.starts_with("WARN forged")),
        "a line is forged"
    );
}

#[test]
fn an_issuer_steers_no_terminal_either() {
    let lab = Lab::new();
    let server = ScriptedIssuer::start(&lab.runtime, &lab.authority, |asked| {
        let no = json!({"error": HOSTILE, "error_description": HOSTILE});
        (asked.path == "/token").then(|| Reply::json(400, &no))
    });
    let storage = lab.storage(&[]);
    lab.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  testing:\n    url: {}\n    ca: ca.pem\n    client-credentials: {{id: me, secret-env: {SECRET}}}\nendpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: testing\n    ca: ca.pem\n",
            server.url(),
            storage.url(),
        ),
    );
    for arguments in [
        &["run", "--case", "capability.read.get"][..],
        &["check", "--connect"],
    ] {
        let mut command = lab.touchstone(arguments);
        let ended = Ended::of(command.env("RUST_LOG", "trace"));
        assert!(ended.code != Some(0), "{ended:?}");
        expect_log(&ended.stderr);
        expect_plain("stdout", &ended.stdout);
        expect_plain("stderr", &ended.stderr);
    }
    files(&lab.path("reports"))
        .iter()
        .for_each(|(name, text)| expect_plain(name, text));
}

#[test]
fn a_token_is_looked_into_without_being_obeyed() {
    let lab = Lab::new();
    let claims =
        json!({"iss": HOSTILE, "sub": HOSTILE, "jti": HOSTILE, "scope": HOSTILE, HOSTILE: HOSTILE});
    lab.write("token", &common::issuer::unsigned(&claims));
    for arguments in [
        &["token", "inspect", "--offline", "token"][..],
        &["token", "inspect", "--offline", "token", "--format", "json"],
    ] {
        let ended = lab.run(arguments);
        expect_plain(&format!("{arguments:?} on stdout"), &ended.stdout);
        expect_plain(&format!("{arguments:?} on stderr"), &ended.stderr);
        assert!(
            ended.stdout.contains("u{1b}") || ended.stdout.contains("u001b"),
            "{ended:?}"
        );
    }
}

#[test]
fn wrong_files_are_quoted_harmlessly() {
    let lab = Lab::new();
    let quoted = json!(HOSTILE).to_string();
    lab.write(
        "endpoints.yaml",
        &format!("issuers: {{}}\nendpoints:\n  {quoted}: {{endpoint: {quoted}, {quoted}: 1}}\n"),
    );
    for arguments in [&["check"][..], &["run"], &["list", "endpoints"]] {
        let ended = lab.run(arguments);
        assert!(ended.code != Some(0), "{arguments:?} {ended:?}");
        expect_plain(&format!("{arguments:?} on stdout"), &ended.stdout);
        expect_plain(&format!("{arguments:?} on stderr"), &ended.stderr);
    }
}
