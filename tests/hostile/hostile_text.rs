//! Text of others in every output: no control or bidi character gets through, and a log has a line for each event.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::fleet::{Plan, record, usual};
use crate::common::issuer::{METADATA, Reply, ScriptedIssuer, metadata, unsigned_with};
use crate::common::middle::{Middle, answer};
use crate::common::test_bed::{Ended, SECRET, TestBed};
use crate::common::wild::{Act, End, Wild};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response};
use axum_server::tls_rustls::RustlsConfig;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use touchstone_reference::Storage;

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
    for format in touchstone_report::FORMATS {
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
fn storage(bed: &TestBed) -> String {
    let certificate = bed.authority.certificate().expect("a certificate");
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
    bed.runtime.spawn(async move {
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
    let bed = TestBed::new();
    bed.endpoints(&[("hostile", &storage(&bed))], "");
    let mut command = bed.touchstone(&["run", "--case", "{bearer,path,digest,webdav}.*"]);
    let ended = Ended::of(command.env("RUST_LOG", "trace"));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    expect_log(&ended.stderr);
    for (name, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        expect_plain(name, text);
    }
    files(&bed.path("reports"))
        .iter()
        .for_each(|(name, text)| expect_plain(name, text));
}

/// No line of the log is one that somebody else wrote.
fn expect_log(stderr: &str) {
    assert!(
        stderr.lines().any(|line| line.contains(" TRACE ")),
        "{stderr:.2000}"
    );
    expect_unforged(stderr);
}

fn expect_unforged(text: &str) {
    let forged = text.lines().any(|line| line.starts_with("WARN forged"));
    assert!(!forged, "a line is forged: {text:.2000}");
}

/// As in JSON, in ASCII alone: as much as YAML lets stand.
fn quoted(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| match u8::try_from(unit) {
        Ok(byte @ (b' '..=b'~')) if !b"\"\\".contains(&byte) => char::from(byte).to_string(),
        _ => format!("\\u{unit:04x}"),
    });
    format!("\"{}\"", units.collect::<String>())
}

#[test]
fn an_issuer_steers_no_terminal_either() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |asked| {
        let no = json!({"error": HOSTILE, "error_description": HOSTILE});
        (asked.path == "/token").then(|| Reply::json(400, &no))
    });
    let storage = bed.storage(&[]);
    bed.write(
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
        let mut command = bed.touchstone(arguments);
        let ended = Ended::of(command.env("RUST_LOG", "trace"));
        assert!(ended.code != Some(0), "{ended:?}");
        expect_log(&ended.stderr);
        expect_plain("stdout", &ended.stdout);
        expect_plain("stderr", &ended.stderr);
    }
    files(&bed.path("reports"))
        .iter()
        .for_each(|(name, text)| expect_plain(name, text));
}

/// What a PROPFIND answers whose names are hostile, each told as a member of `path`.
fn listing(path: &str) -> Response<Body> {
    // What may stand in a path: the others are refused before anything is sent.
    let hostile: String = HOSTILE.chars().filter(|c| !"/\\?#".contains(*c)).collect();
    let raw: String = hostile.chars().filter(|c| !c.is_control()).collect();
    let raw = raw
        .replace('&', "&amp;")
        .replace(['<', '/'], "&lt;")
        .replace("]]>", "");
    let encoded =
        percent_encoding::utf8_percent_encode(&hostile, percent_encoding::NON_ALPHANUMERIC);
    let members = [
        String::new(),
        encoded.to_string(),
        raw,
        "..%2f..%2fetc".to_owned(),
        format!("touchstone-20200101t000000z-abcdef{encoded}"),
        "touchstone-20200101t000000z-abcdef".to_owned(),
    ];
    let members = members.map(|name| {
        format!("<d:response><d:href>{path}/{name}</d:href><d:propstat><d:prop><d:resourcetype/></d:prop></d:propstat></d:response>")
    });
    let text = format!(
        "<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\">{}</d:multistatus>",
        members.concat()
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = axum::http::StatusCode::MULTI_STATUS;
    response
}

/// Fails unless everything that was said, and every file below `reports`, is plain.
fn expect_all_plain(bed: &TestBed, what: &str, ended: &Ended) {
    expect_plain(&format!("{what}: stdout"), &ended.stdout);
    expect_plain(&format!("{what}: stderr"), &ended.stderr);
    files(&bed.path("reports"))
        .iter()
        .for_each(|(name, text)| expect_plain(&format!("{what}: {name}"), text));
}

#[test]
fn names_in_listings_steer_nothing_in_teardown_and_clean() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let [deleted, told] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let (seen, listed) = (Arc::clone(&deleted), Arc::clone(&told));
    // Nothing can be deleted, and from then on every listing is hostile.
    let middle = Middle::start(&bed, &storage, move |asked| {
        if asked.method == "DELETE" {
            seen.fetch_add(usize::from(asked.path.contains("%1B")), Ordering::SeqCst);
            return Some(answer(409, &[]));
        }
        let hostile =
            asked.method == "PROPFIND" && asked.path.contains("touchstone-") && asked.before > 0;
        listed.fetch_add(usize::from(hostile), Ordering::SeqCst);
        (hostile || asked.path == "/wlcg" && asked.method == "PROPFIND")
            .then(|| listing(&asked.path))
    });
    let more = format!("    audience: {}\n", storage.url());
    bed.endpoints(&[("se", middle.url())], &more);
    for (arguments, code, part) in [
        (
            &["run", "--case", "capability.create.put"][..],
            0,
            "DELETE was answered 409",
        ),
        (&["clean"], 3, "DELETE was answered 409"),
        (
            &["clean", "--older-than", "1s"],
            3,
            "touchstone-20200101t000000z-abcdef",
        ),
        (&["history"], 0, "RUN"),
        (
            &["history", "--endpoint", "se", "--format", "json"],
            0,
            "capability.create.put",
        ),
        (
            &[
                "report",
                "--from",
                "reports/latest/run.json",
                "--format",
                "html",
                "--report-dir",
                "reports/again",
            ],
            0,
            "",
        ),
    ] {
        let mut command = bed.touchstone(arguments);
        let ended = Ended::of(command.env("RUST_LOG", "trace"));
        let what = format!("{arguments:?}");
        assert_eq!(ended.code, Some(code), "{what}: {}", ended.stdout);
        let told = ended.stdout.contains(part) || ended.stderr.contains(part);
        assert!(told, "{what}: {part}: {}", ended.stdout);
        expect_unforged(&ended.stderr);
        expect_all_plain(&bed, &what, &ended);
    }
    assert!(
        told.load(Ordering::SeqCst) > 0 && deleted.load(Ordering::SeqCst) == 0,
        "a name with controls is none of ours"
    );
}

#[test]
fn a_hostile_ledger_is_shown_harmlessly() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let folder = bed.path("reports");
    std::fs::create_dir(&folder).expect("a folder");
    let area = format!("{}/wlcg", storage.url());
    let path = format!("/wlcg/touchstone-20200101t000000z-abcdef/../{HOSTILE}");
    let lines = [
        json!({"endpoint": "se", "area": area, "path": path}),
        json!({"endpoint": HOSTILE, "area": HOSTILE, "path": HOSTILE}),
    ];
    let run = json!({"run": "20200101t000000z-abcdef"}).to_string();
    let lines = lines.map(|line| json!({"create": line}).to_string());
    bed.write(
        "reports/ledger-20200101t000000z-abcdef.jsonl",
        &format!("{run}\n{}\n", lines.join("\n")),
    );
    let ended = bed.run(&["clean"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    expect_plain("stdout", &ended.stdout);
    expect_plain("stderr", &ended.stderr);
    expect_unforged(&ended.stdout);
    expect_unforged(&ended.stderr);
    let told = ended
        .stdout
        .contains("is nothing that this run may make in the places that the configuration names");
    assert!(
        told && ended.stderr.contains("names the endpoint"),
        "{ended:?}"
    );
}

#[test]
fn reason_phrases_and_markers_are_shown_harmlessly() {
    let bed = TestBed::new();
    let [one, two, other] = [(); 3].map(|()| bed.storage(&[]));
    let wild = |storage: &Storage, allowed: fn(char) -> bool| {
        let phrase: String = HOSTILE.chars().filter(|&c| allowed(c)).collect();
        let refused = format!("HTTP/1.1 403 {phrase}\r\nContent-Length: 0\r\n\r\n");
        let marker = format!("Perf Marker\n  Timestamp: {HOSTILE}\n  {HOSTILE}: 0\nEnd\n");
        let accepted = "HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\n";
        let accepted = format!("{accepted}{marker}failure: {HOSTILE}\n");
        Wild::start(&bed, storage.port(), move |method, path| match method {
            "GET" if !path.contains("tpc.") => Act::Say(refused.clone().into_bytes(), End::Close),
            "COPY" => Act::Say(accepted.clone().into_bytes(), End::Close),
            _ => Act::Pass,
        })
    };
    // Clients refuse controls in a reason phrase; the rest they take.
    let [raw, tame] = [
        wild(&one, |c| !matches!(c, '\r' | '\n' | '\0')),
        wild(&two, |c| !c.is_ascii_control()),
    ];
    bed.endpoints(
        &[
            ("raw", raw.url()),
            ("tame", tame.url()),
            ("other", other.url()),
        ],
        "    tpc-partner: other\n",
    );
    let arguments = [
        "run",
        "--endpoint",
        "raw",
        "--endpoint",
        "tame",
        "--case",
        "capability.read.get",
        "--case",
        "bearer.*",
        "--case",
        "tpc.pair.pull",
        "--case",
        "tpc.pair.push",
    ];
    let mut command = bed.touchstone(&arguments);
    let ended = Ended::of(command.env("RUST_LOG", "trace"));
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    expect_log(&ended.stderr);
    expect_all_plain(&bed, "run", &ended);
    let record = bed.record().to_string();
    for part in [
        "invalid HTTP status-code",
        "was answered 403",
        "failure: =1+1",
    ] {
        assert!(record.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(raw.broken() > 0 && tame.broken() > 0);
}

#[test]
fn an_issuers_tokens_and_metadata_are_shown_harmlessly() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let url = server.url();
    server.script(move |asked| {
        let form = asked.form();
        let said = |name: &str| form.get(name).cloned().unwrap_or_default();
        let now = jiff::Timestamp::now().as_second();
        let origin = url.trim_end_matches('/');
        let token = || {
            let claims = json!({
                "iss": url, "sub": HOSTILE, "jti": HOSTILE, "aud": said("audience"), "wlcg.ver": HOSTILE,
                "scope": said("scope"), "iat": now, "nbf": now, "exp": now + 1200, HOSTILE: HOSTILE,
            });
            unsigned_with(&json!({"alg": "ES256", "kid": HOSTILE, "typ": HOSTILE}), &claims)
        };
        match asked.path.as_str() {
            "/token" => Some(Reply::json(200, &json!({"access_token": token(), "token_type": "Bearer", "scope": HOSTILE}))),
            "/jwks" => Some(Reply::json(200, &json!({"keys": [{"kid": HOSTILE, "kty": HOSTILE, "alg": HOSTILE}, {"kid": format!("{HOSTILE}2")}]}))),
            METADATA => {
                let mut document = metadata(origin);
                for name in ["scopes_supported", "grant_types_supported", "introspection_endpoint", HOSTILE] {
                    document[name] = json!([HOSTILE]);
                }
                Some(Reply::json(200, &document))
            }
            _ => None,
        }
    });
    let storage = bed.start(bed.trusting(&server.url()));
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  testing:\n    url: {}\n    ca: ca.pem\n    client-credentials: {{id: me, secret-env: {SECRET}}}\nendpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: testing\n    ca: ca.pem\n",
            server.url(),
            storage.url(),
        ),
    );
    for (arguments, code, part) in [
        (
            &["run", "--case", "capability.read.get"][..],
            3,
            "no storage can verify the token",
        ),
        (
            &["run", "--issuers", "--case", "issuer.*"],
            1,
            "issuer.metadata.",
        ),
        (&["check", "--connect"], 3, "testing"),
        (&["history", "--endpoint", "*"], 0, "issuer.metadata."),
    ] {
        let mut command = bed.touchstone(arguments);
        let ended = Ended::of(command.env("RUST_LOG", "trace"));
        let what = format!("{arguments:?}");
        expect_unforged(&ended.stderr);
        expect_all_plain(&bed, &what, &ended);
        assert_eq!(ended.code, Some(code), "{what}: {}", ended.stdout);
        assert!(ended.stdout.contains(part), "{what}: {}", ended.stdout);
    }
}

#[test]
fn titles_of_somebody_elses_suites_are_shown_harmlessly() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let quoted = quoted(HOSTILE);
    std::fs::create_dir(bed.path("more")).expect("a folder");
    bed.write(
        "more/odd.yaml",
        &format!(
            "suite: odd\nabout: {quoted}\ncases:\n  - id: odd.title\n    title: {quoted}\n    risk: {quoted}\n    clauses: [JWT-2.2.1-38]\n    severity: critical\n    given: [{{file: f}}]\n    steps:\n      - get: f\n        token: openid\n        expect: denied\n        control: \"storage.read:/\"\n"
        ),
    );
    for arguments in [
        &["list", "cases"][..],
        &["list", "cases", "--format", "json"],
        &["list", "clauses"],
        &["explain", "odd.title"],
        &["check"],
        &["run", "--case", "odd.*"],
    ] {
        let ended = bed.run(&[arguments, &["--suites", "more"]].concat());
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        let titled = arguments[0] == "explain" || arguments.contains(&"cases");
        assert!(
            !titled || ended.stdout.contains("1+1"),
            "{arguments:?}: {ended:?}"
        );
    }
}

#[test]
fn a_token_is_looked_into_without_being_obeyed() {
    let bed = TestBed::new();
    let claims =
        json!({"iss": HOSTILE, "sub": HOSTILE, "jti": HOSTILE, "scope": HOSTILE, HOSTILE: HOSTILE});
    bed.write("token", &crate::common::issuer::unsigned(&claims));
    for arguments in [
        &["token", "inspect", "--offline", "token"][..],
        &["token", "inspect", "--offline", "token", "--format", "json"],
    ] {
        let ended = bed.run(arguments);
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
    let bed = TestBed::new();
    let quoted = json!(HOSTILE).to_string();
    bed.write(
        "endpoints.yaml",
        &format!("issuers: {{}}\nendpoints:\n  {quoted}: {{endpoint: {quoted}, {quoted}: 1}}\n"),
    );
    for arguments in [&["check"][..], &["run"], &["list", "endpoints"]] {
        let ended = bed.run(arguments);
        assert!(ended.code != Some(0), "{arguments:?} {ended:?}");
        expect_plain(&format!("{arguments:?} on stdout"), &ended.stdout);
        expect_plain(&format!("{arguments:?} on stderr"), &ended.stderr);
    }
}
