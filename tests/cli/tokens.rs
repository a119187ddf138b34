//! What `token inspect` makes of tokens as they are printed in the profile and met in the field, and what
//! `token get` and `issuer export` give.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::common::test_bed::{Ended, TestBed, expect_no_secret, verdicts};
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use touchstone::token_text::text;
use touchstone_engine::token::SignatureCheck;
use touchstone_engine::token::judge::{Inspection, StatementWeight, decode, judge};
use touchstone_model::Profile;
use touchstone_report::style::Style;

/// A token that may read everything, for the endpoint `se`.
const GET: &[&str] = &[
    "token",
    "get",
    "--endpoint",
    "se",
    "--scope",
    "storage.read:/",
];

/// Encodes the claims of a file in `tests/tokens`, and judges them at the moment that it names.
fn inspect(name: &str) -> Inspection {
    let path = format!("{}/tests/tokens/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(path).expect("a token");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    let part = |name: &str| URL_SAFE_NO_PAD.encode(file[name].to_string());
    let token = format!("{}.{}.c2lnbmF0dXJl", part("header"), part("payload"));
    let token = decode(&SecretString::from(token)).expect("a JWT");
    let now = file["at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    judge(
        &token,
        SignatureCheck::unknown("not tried"),
        now,
        Profile::V1_3,
    )
}

fn wrong(inspection: &Inspection) -> Vec<(&str, Option<&str>)> {
    let statements = inspection.statements.iter();
    statements
        .filter(|statement| statement.weight == StatementWeight::Must)
        .map(|statement| (statement.about.as_str(), statement.clause))
        .collect()
}

#[test]
fn the_tokens_of_the_profile_are_explained() {
    for name in [
        "profile-id",
        "profile-groups",
        "profile-scopes",
        "profile-verification",
    ] {
        insta::assert_snapshot!(name, text(&inspect(name), Style::Plain));
    }
    for name in ["profile-id", "profile-groups", "profile-scopes"] {
        assert_eq!(wrong(&inspect(name)), []);
    }
    // Printed without aud, which the same document requires.
    assert_eq!(
        wrong(&inspect("profile-verification")),
        [("aud", Some("JWT-2.1.1-12"))]
    );
}

#[test]
fn the_tokens_of_the_field_are_explained() {
    for name in [
        "scitoken-compute",
        "scitoken-storage",
        "cms-storage",
        "iam-groups",
        "iam-plain",
        "entitlements",
    ] {
        insta::assert_snapshot!(name, text(&inspect(name), Style::Plain));
    }
    for name in [
        "scitoken-compute",
        "scitoken-storage",
        "cms-storage",
        "iam-groups",
    ] {
        assert_eq!(wrong(&inspect(name)), [], "{name}");
    }
    assert!(!inspect("iam-plain").right() && !inspect("entitlements").right());
}

/// A server with a certificate of the laboratory, for as long as the laboratory lives; its origin.
fn serve(
    bed: &TestBed,
    answer: impl Fn(&str) -> Response + Clone + Send + Sync + 'static,
) -> String {
    let app = Router::new().fallback(move |request: Request| {
        let answer = answer(request.uri().path());
        async move { answer }
    });
    let certificate = bed.authority.certificate().expect("a certificate");
    let (pem, key) = (
        certificate.certificate_pem.clone(),
        certificate.key_pem.expose_secret().to_owned(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("nonblocking");
    let address = listener.local_addr().expect("an address");
    bed.runtime.spawn(async move {
        let config = RustlsConfig::from_pem(pem.into_bytes(), key.into_bytes())
            .await
            .expect("a key");
        axum_server::from_tcp_rustls(listener, config)
            .expect("a server")
            .serve(app.into_make_service())
            .await
            .expect("it serves");
    });
    format!("https://localhost:{}", address.port())
}

/// A token of the laboratory's issuer, as scripts obtain it.
fn obtained(bed: &TestBed, more: &[&str]) -> String {
    bed.endpoints(&[("se", "https://localhost:1")], "");
    let arguments = [&["token", "get", "--issuer", "lab"], more].concat();
    let ended = bed.run(&arguments).expect(0);
    assert_eq!(ended.stderr, "");
    let token = ended.stdout.strip_suffix('\n').expect("a line end");
    assert!(token.starts_with("eyJ") && !token.contains(char::is_whitespace));
    token.to_owned()
}

/// A token of `issuer`, whose key is the laboratory's.
fn minted(bed: &TestBed, issuer: &str, kid: &str) -> String {
    let arguments = [
        "token",
        "get",
        "--url",
        "https://localhost:1/a",
        "--issuer",
        issuer,
        "--test-issuer-key",
        "key.pem",
        "--test-issuer-kid",
        kid,
        "--scope",
        "storage.read:/",
    ];
    bed.run(&arguments).expect(0).stdout.trim_end().to_owned()
}

fn inspect_stdin(bed: &TestBed, token: &str, more: &[&str]) -> Ended {
    let arguments = [&["token", "inspect", "-", "--ca", "ca.pem"], more].concat();
    let mut process = bed
        .touchstone(&arguments)
        .env("RUST_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = process.stdin.take().expect("its input");
    // It may stop reading before the end.
    let _ = stdin.write_all(token.as_bytes());
    drop(stdin);
    let output = process.wait_with_output().expect("it ends");
    let ended = Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    canary(bed, token, &ended);
    ended
}

/// Neither the token nor its signature is anywhere.
fn canary(bed: &TestBed, token: &str, ended: &Ended) {
    let signature = token.rsplit('.').next().expect("a last part");
    for text in [&ended.stdout, &ended.stderr] {
        // Words of the reports may be shorter ones.
        assert!(token.len() < 20 || !text.contains(token), "{text}");
        assert!(signature.len() < 20 || !text.contains(signature), "{text}");
    }
    let texts = [("stdout", &ended.stdout), ("stderr", &ended.stderr)];
    expect_no_secret(
        bed,
        &texts.map(|(name, text)| (name.to_owned(), text.clone())),
    );
}

#[test]
fn a_token_goes_to_scripts_and_is_verified_with_the_issuers_keys() {
    let bed = TestBed::new();
    let token = obtained(
        &bed,
        &[
            "--scope",
            "storage.read:/a storage.create:/b",
            "--audience",
            "https://se.example.org",
        ],
    );
    let ended = inspect_stdin(&bed, &token, &["--verify"]).expect(0);
    for text in [
        "This is a WLCG access token",
        "to read /a and everything below it",
        "only at the service that calls itself https://se.example.org",
        "Signature: verified with the issuer's key",
        "Right: no requirement is broken",
    ] {
        assert!(ended.stdout.contains(text), "{text}\n{}", ended.stdout);
    }
    assert!(ended.stderr.len() > 1000, "the log was on");

    let json = inspect_stdin(&bed, &token, &["--format", "json"]).expect(0);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["schema"], "touchstone/token/1");
    assert_eq!(json["signature"]["state"], "verified");
    assert_eq!(json["claims"]["scope"], "storage.read:/a storage.create:/b");

    // Nobody is asked, and that is said.
    let ended = inspect_stdin(&bed, &token, &["--offline"]).expect(0);
    assert!(
        ended.stdout.contains("not verified; --offline"),
        "{}",
        ended.stdout
    );
    // The laboratory's CA is not the system's.
    let mut command = bed.touchstone(&["token", "inspect"]);
    let ended = Ended::of(command.env("BEARER_TOKEN", &token)).expect(0);
    assert!(
        ended
            .stderr
            .contains("the environment variable BEARER_TOKEN")
    );
    assert!(ended.stdout.contains("not verified"), "{}", ended.stdout);
    canary(&bed, &token, &ended);
    let mut command = bed.touchstone(&["token", "inspect", "--verify"]);
    let ended = Ended::of(command.env("BEARER_TOKEN", &token)).expect(3);
    canary(&bed, &token, &ended);

    // The file that discovery looks for, as htgettoken and others leave it.
    let uid = std::os::unix::fs::MetadataExt::uid(&bed.folder.path().metadata().expect("mine"));
    bed.write(&format!("bt_u{uid}"), &format!("\t{token}\n"));
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(bed.path(&format!("bt_u{uid}")), readable).expect("it is mine");
    let mut command = bed.touchstone(&["token", "inspect", "--ca", "ca.pem", "--verify"]);
    command
        .env_remove("BEARER_TOKEN")
        .env_remove("BEARER_TOKEN_FILE")
        .env("XDG_RUNTIME_DIR", bed.folder.path())
        .env("RUST_LOG", "trace");
    let ended = Ended::of(&mut command).expect(0);
    assert!(
        ended
            .stderr
            .contains("others than its owner may use this token")
    );
    canary(&bed, &token, &ended);

    let groups = obtained(&bed, &["--group", "/wlcg/test"]);
    let ended = inspect_stdin(&bed, &groups, &["--verify"]).expect(0);
    assert!(
        ended.stdout.contains("members of /wlcg/test"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_wrong_signature_a_strange_key_and_a_past_are_told() {
    let bed = TestBed::new();
    let token = obtained(&bed, &["--scope", "storage.read:/"]);
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{message}.{first}{}", &signature[1..]);
    let ended = inspect_stdin(&bed, &forged, &[]).expect(1);
    assert!(ended.stdout.contains("(JWT-4.2-01)"), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("nothing, as storage has to refuse it"),
        "{}",
        ended.stdout
    );
    let cut = format!("{message}.{}", &signature[..signature.len() - 4]);
    inspect_stdin(&bed, &cut, &[]).expect(1);

    let strange = minted(&bed, bed.issuer.url(), "strange");
    let ended = inspect_stdin(&bed, &strange, &[]).expect(1);
    assert!(ended.stdout.contains("(JWT-4.2-05)"), "{}", ended.stdout);

    bed.write("old", &token);
    let at = [
        "token",
        "inspect",
        "old",
        "--offline",
        "--at",
        "2999-01-01T00:00:00Z",
    ];
    let ended = bed.run(&at).expect(1);
    assert!(ended.stdout.contains("(JWT-2.1.1-01)"), "{}", ended.stdout);
    canary(&bed, &token, &ended);
}

#[test]
fn issuers_that_do_not_answer_well_are_named_and_blame_nobody() {
    let bed = TestBed::new();
    let origin = Arc::new(Mutex::new(String::new()));
    let own = Arc::clone(&origin);
    let url = serve(&bed, move |path| {
        let own = own.lock().expect("the origin").clone();
        let metadata = |issuer: &str, keys: &str| {
            axum::Json(json!({"issuer": issuer, "jwks_uri": keys})).into_response()
        };
        if path == "/.well-known/openid-configuration/preferred" {
            return metadata(&format!("{own}/preferred"), "http://localhost:1/jwks");
        }
        let Some((case, rest)) = path[1..].split_once('/') else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if case == ".well-known" {
            return StatusCode::NOT_FOUND.into_response();
        }
        match (case, rest) {
            ("html", _) => "<html>\x1b[31mlog in</html>".into_response(),
            ("big", _) => "x".repeat(4 << 20).into_response(),
            ("preferred" | "missing", _) => StatusCode::NOT_FOUND.into_response(),
            ("down", _) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            ("away", _) => (
                StatusCode::FOUND,
                [(header::LOCATION, "https://localhost:1/")],
            )
                .into_response(),
            ("other", _) => metadata(
                "https://other.example.org/\u{202e}",
                "https://localhost:1/jwks",
            ),
            ("plain", _) => metadata(&format!("{own}/plain"), "http://localhost:1/jwks"),
            ("nokeys", "keys") => axum::Json(json!({"keys": "none"})).into_response(),
            ("odd", "keys") => {
                axum::Json(json!({"keys": [{"kid": "k", "kty": "oct", "k": "AAAA"}, 7]}))
                    .into_response()
            }
            (case, _) => metadata(&format!("{own}/{case}"), &format!("{own}/{case}/keys")),
        }
    });
    origin.lock().expect("the origin").clone_from(&url);
    for (case, reason, code) in [
        ("html", "did not answer with metadata in JSON", 0),
        ("big", "larger than", 0),
        ("down", "answered 503", 0),
        ("away", "answered 302", 0),
        // What the issuer breaks is a requirement, too.
        ("other", "ISS-META-02", 1),
        ("slash/", "differ by the slash at the end alone", 1),
        ("plain", "ISS-META-04", 1),
        // Where RFC 8414 has them, found in the second place.
        ("preferred", "ISS-META-04", 1),
        ("missing", "openid-configuration answered 404", 0),
        ("nokeys", "did not answer with a key set in JSON", 0),
    ] {
        let token = minted(&bed, &format!("{url}/{case}"), "k");
        let ended = inspect_stdin(&bed, &token, &[]).expect(code);
        // Whoever cannot be asked is not to blame.
        let blamed = case != "big";
        assert_eq!(
            !ended.stdout.contains("no requirement is broken"),
            blamed,
            "{}",
            ended.stdout
        );
        assert!(
            ended.stdout.contains("Signature: not verified; "),
            "{}",
            ended.stdout
        );
        assert!(ended.stdout.contains(reason), "{reason}\n{}", ended.stdout);
        assert!(
            !ended.stdout.contains(['\x1b', '\u{202e}']),
            "{:?}",
            ended.stdout
        );
        let code = if code == 0 { 3 } else { code };
        inspect_stdin(&bed, &token, &["--verify"]).expect(code);
    }
    // A shared secret in a key set verifies nothing.
    let token = minted(&bed, &format!("{url}/odd"), "k");
    let ended = inspect_stdin(&bed, &token, &[]);
    assert!(
        ended.stdout.contains("Signature: wrong"),
        "{}",
        ended.stdout
    );
    let token = minted(&bed, "https://localhost:1/nobody", "k");
    let ended = inspect_stdin(&bed, &token, &[]).expect(0);
    assert!(ended.stdout.contains("no connection"), "{}", ended.stdout);
}

#[test]
fn what_is_no_jwt_has_its_own_exit_codes() {
    let bed = TestBed::new();
    let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://h"}"#);
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let shared = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k"}"#);
    for (text, code) in [
        ("", 2),
        ("\n", 2),
        ("not a token", 2),
        ("opaque-0123456789-0123456789", 3),
        ("eyJhbGciOiJFUzI1NiJ9.!!!!.AAAA", 1),
        (&format!("{none}.{payload}."), 1),
        (&format!("{shared}.{payload}.{}", "A".repeat(43)), 1),
        (&"A".repeat(3 << 20), 2),
    ] {
        let ended = inspect_stdin(&bed, text.trim(), &[]);
        let shown: String = text.chars().take(40).collect();
        assert_eq!(ended.code, Some(code), "{shown}\n{}", ended.stdout);
    }
    // A token within a token is as secret.
    let inner = format!("{shared}.{payload}.{}", "B".repeat(43));
    let outer = URL_SAFE_NO_PAD
        .encode(json!({"act": {"was": [inner]}, "access_token": "s3cr3t-0paque"}).to_string());
    for format in ["table", "json"] {
        let ended = inspect_stdin(
            &bed,
            &format!("{shared}.{outer}.{}", "A".repeat(43)),
            &["--format", format],
        );
        let ended = ended.expect(1);
        assert!(ended.stdout.contains("[redacted]"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("s3cr3t-0paque"), "{}", ended.stdout);
        assert!(
            !ended.stdout.contains(&inner) && !ended.stdout.contains("BBBB"),
            "{}",
            ended.stdout
        );
    }
    let mut command = bed.touchstone(&["token", "inspect"]);
    let ended = Ended::of(command.env("BEARER_TOKEN", "no token")).expect(2);
    assert!(
        ended.stderr.contains("BEARER_TOKEN holds no bearer token"),
        "{}",
        ended.stderr
    );
    bed.run(&["token", "inspect", "missing"]).expect(2);
    bed.run(&["token", "inspect", "-", "--ca", "missing.pem"])
        .expect(2);
}

#[test]
fn a_terminal_does_not_see_the_token() {
    let bed = TestBed::new();
    let token = obtained(&bed, &["--scope", "storage.read:/"]);
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  lab:\n    url: {}\n    token-env: CANARY\nendpoints:\n  se: {{endpoint: https://localhost:1, paths: {{wlcg: /a}}}}\n",
            bed.issuer.url()
        ),
    );
    let Ok(typescript) = Command::new("script").arg("--version").output() else {
        return;
    };
    assert!(typescript.status.success());
    for (print, code) in [("", 0), (" --print", 0)] {
        let line = format!(
            "{} token get --audience https://wlcg.cern.ch/jwt/v1/any --scope storage.read:/{print}",
            env!("CARGO_BIN_EXE_touchstone")
        );
        let mut command = Command::new("script");
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(bed.folder.path())
            .stdin(Stdio::null())
            .env("CANARY", &token)
            .env("RUST_LOG", "trace");
        let ended = Ended::of(&mut command).expect(code);
        if print.is_empty() {
            canary(&bed, &token, &ended);
            assert!(
                ended.stdout.contains("it is not shown on a terminal"),
                "{}",
                ended.stdout
            );
            assert!(
                ended.stdout.contains("to read everything"),
                "{}",
                ended.stdout
            );
        } else {
            assert!(ended.stdout.contains(&token), "{}", ended.stdout);
        }
    }
}

#[test]
fn what_cannot_be_obtained_is_told() {
    let bed = TestBed::new();
    bed.endpoints(&[("se", "https://localhost:1")], "");
    for (arguments, code, text) in [
        (&["--issuer", "lba"][..], 2, "did you mean `lab`"),
        (&[], 2, "there are several issuers"),
        (&["--endpoint", "es"], 2, "there is no endpoint `es`"),
        (&["--url", "http://localhost/a"], 2, "--url"),
    ] {
        let all = [&["token", "get"], arguments].concat();
        let ended = bed.run(&all).expect(code);
        assert!(ended.stderr.contains(text), "{text}\n{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
    let mut command = bed.touchstone(&[
        "token",
        "get",
        "--issuer",
        "lab",
        "--scope",
        "storage.read:/",
    ]);
    let ended = Ended::of(
        command
            .env(crate::common::test_bed::SECRET, "wrong-secret")
            .env("RUST_LOG", "trace"),
    );
    let ended = ended.expect(3);
    assert!(ended.stderr.contains("invalid_client"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("wrong-secret"));
    assert_eq!(ended.stdout, "");
    // The endpoint's own audience is the default.
    bed.endpoints(
        &[("se", "https://localhost:1")],
        "    audience: https://se.example.org\n",
    );
    let mut command = bed.touchstone(GET);
    let ended = Ended::of(command.env("RUST_LOG", "trace")).expect(0);
    let inspected = inspect_stdin(&bed, ended.stdout.trim_end(), &[]).expect(0);
    let expected = "only at the service that calls itself https://se.example.org";
    assert!(inspected.stdout.contains(expected), "{}", inspected.stdout);
    expect_no_secret(&bed, &[("stderr".into(), ended.stderr)]);
}

#[test]
fn an_exported_issuer_is_trusted_and_the_cases_pass() {
    let bed = TestBed::new();
    let public = bed.path("public");
    let folder = public.clone();
    let origin = serve(&bed, move |path| {
        let file = path.strip_prefix("/site/").map(|path| folder.join(path));
        match file.and_then(|file| std::fs::read(file).ok()) {
            Some(content) => {
                ([(header::CONTENT_TYPE, "application/json")], content).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        }
    });
    let url = format!("{origin}/site/");
    let ended = bed
        .run(&["issuer", "export", "public", "--url", &url])
        .expect(0);
    let key = bed.path("public.key.pem");
    let mode = std::fs::metadata(&key).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let pem = std::fs::read_to_string(&key).expect("a key");
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(!ended.stdout.contains(pem.lines().nth(1).expect("a line")));
    let published = std::fs::read_to_string(public.join("jwks")).expect("keys");
    assert!(!published.contains("\"d\""), "{published}");

    let storage = bed.start(bed.trusting(&url));
    // As it is printed, and what it lacks of the laboratory.
    let at = ended
        .stdout
        .find("issuers:")
        .expect("the lines for endpoints.yaml");
    let lines: Vec<_> = ended.stdout[at..]
        .lines()
        .take_while(|line| !line.is_empty())
        .collect();
    bed.write(
        "endpoints.yaml",
        &format!(
            "{}\n    ca: ca.pem\nendpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: test\n    ca: ca.pem\n",
            lines.join("\n"),
            storage.url()
        ),
    );
    bed.run(&[
        "run",
        "--case",
        "{audience,capability,claim}.*",
        "authentication.expired.read",
    ])
    .expect(0);
    let verdicts = verdicts(&bed.record());
    let count = |wanted: &str| {
        verdicts
            .values()
            .filter(|verdict| *verdict == wanted)
            .count()
    };
    assert!(count("pass") > 40, "{verdicts:?}");
    assert_eq!(
        count("fail") + count("error") + count("warn"),
        0,
        "{verdicts:?}"
    );
    let expired = ("se".to_owned(), "authentication.expired.read".to_owned());
    assert_eq!(verdicts[&expired], "pass");

    // Again: nothing is lost unasked.
    let again = bed
        .run(&["issuer", "export", "public", "--url", &url])
        .expect(2);
    assert!(
        again.stderr.contains("--force replaces it"),
        "{}",
        again.stderr
    );
    let again = bed
        .run(&["issuer", "export", "public", "--url", &url, "--force"])
        .expect(2);
    assert!(
        again.stderr.contains("use it with --key"),
        "{}",
        again.stderr
    );
    bed.run(&[
        "issuer",
        "export",
        "public",
        "--url",
        &url,
        "--force",
        "--key",
        "public.key.pem",
        "--key",
        "rsa.pem",
    ])
    .expect(0);
    assert_eq!(std::fs::read_to_string(&key).expect("a key"), pem);
    let keys = std::fs::read_to_string(public.join("jwks")).expect("keys");
    let keys: Value = serde_json::from_str(&keys).expect("JSON");
    assert_eq!(keys["keys"][0]["alg"], "ES256");
    assert_eq!(keys["keys"][1]["alg"], "RS256");
    for private in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(keys["keys"][1].get(private).is_none());
    }
    // RFC 8037 keys and what is no key are refused, and so is a key that would be served.
    bed.write("public/key.pem", &pem);
    for (arguments, text) in [
        (&["other", "--url", "http://h/"][..], "--url"),
        (
            &["other", "--url", &url, "--key", "ca.pem"],
            "neither an EC P-256 nor an RSA",
        ),
        (&["other", "--url", &url, "--key", "missing"], "missing"),
        (
            &[
                "public",
                "--url",
                &url,
                "--force",
                "--key",
                "public/key.pem",
            ],
            "would be served",
        ),
        (
            &["other", "--url", &url, "--new-key", "other/k.pem"],
            "would be served",
        ),
    ] {
        let all = [&["issuer", "export"], arguments].concat();
        let ended = bed.run(&all).expect(2);
        assert!(ended.stderr.contains(text), "{text}\n{}", ended.stderr);
    }
    assert!(!bed.path("other/jwks").exists());
}

/// Forms in which people have a token: what stands there, and what is said of it.
fn forms(token: &str) -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("quoted", format!("\"{token}\"\n"), "quotes stand around it"),
        (
            "bearer",
            format!("Bearer {token}\n"),
            "`Bearer`, stands before it",
        ),
        (
            "header",
            format!("Authorization: Bearer {token}\n"),
            "`Authorization:`, stands before it",
        ),
        (
            "bom",
            format!("\u{feff}{token}\n"),
            "a byte order mark stands before it",
        ),
        (
            "url",
            format!("https://se.example.org:8443/wlcg?authz=Bearer%20{token}\n"),
            "it stands in a URL, as `authz` of the query",
        ),
        (
            "use",
            format!("{{\"access_token\": \"{token}\", \"expires_in\": 1200}}\n"),
            "the token is its member access_token",
        ),
        (
            "export",
            format!("export BEARER_TOKEN={token}\n"),
            "an assignment of the shell stands before it",
        ),
    ]
}

#[test]
fn other_forms_of_a_token_are_told_and_what_is_inside_is_judged() {
    let bed = TestBed::new();
    let token = obtained(&bed, &["--scope", "storage.read:/"]);
    let good = "to read everything";
    for (name, text, what) in forms(&token) {
        let ended = inspect_stdin(&bed, &text, &[]).expect(2);
        for expected in [
            what,
            good,
            "Signature: verified",
            "Right: no requirement is broken",
        ] {
            assert!(ended.stdout.contains(expected), "{name}: {}", ended.stdout);
        }
        canary(&bed, &token, &ended);
        let ended = inspect_stdin(&bed, &text, &["--format", "json"]).expect(2);
        let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(json["right"], true, "{name}");
        assert!(json["form"]["mend"].is_string(), "{name}");
        // Discovery stops there, and says the same.
        let mut command = bed.touchstone(&["token", "inspect", "--offline"]);
        let ended = Ended::of(command.env("BEARER_TOKEN", text.trim_end())).expect(2);
        assert!(ended.stderr.contains(what), "{name}: {}", ended.stderr);
        canary(&bed, &token, &ended);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url");
    let claims = String::from_utf8(claims).expect("text");
    let pretty: Value = serde_json::from_str(&claims).expect("JSON");
    for text in [claims, format!("{pretty:#}")] {
        let ended = inspect_stdin(&bed, &text, &[]).expect(0);
        for expected in [
            "This is what a token says, decoded",
            good,
            "Signature: not verified; there is none",
            "breaks no requirement",
        ] {
            assert!(ended.stdout.contains(expected), "{}", ended.stdout);
        }
        // Claims open nothing, and are what is to be read.
        assert!(!ended.stdout.contains("redacted"), "{}", ended.stdout);
        inspect_stdin(&bed, &text, &["--verify"]).expect(3);
    }
    let mut broken = pretty.clone();
    broken["wlcg.ver"] = json!(7);
    inspect_stdin(&bed, &broken.to_string(), &[]).expect(1);
    let cut = format!("{}.{}", parts[0], parts[1]);
    let ended = inspect_stdin(&bed, &cut, &[]).expect(1);
    for expected in ["without its signature", good] {
        assert!(ended.stdout.contains(expected), "{}", ended.stdout);
    }
}

#[test]
fn a_source_that_gives_another_form_is_refused_with_what_it_is() {
    let bed = TestBed::new();
    let token = obtained(&bed, &["--scope", "storage.read:/ storage.modify:/"]);
    let check = |source: &str, value: Option<&str>| {
        bed.write(
            "endpoints.yaml",
            &format!(
                "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n    {source}\nendpoints:\n  se: {{endpoint: https://localhost:1, paths: {{wlcg: /wlcg}}}}\n",
                bed.issuer.url()
            ),
        );
        let mut command = bed.touchstone(GET);
        let ended = Ended::of(match value {
            Some(value) => command.env("TOUCHSTONE_TEST_FORM", value),
            None => &mut command,
        });
        let texts = [("stderr".to_owned(), ended.stderr.clone())];
        expect_no_secret(&bed, &texts);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        ended.stderr
    };
    for (name, text, what) in forms(&token) {
        bed.write(name, &text);
        for said in [
            check(&format!("token-file: {name}"), None),
            check("token-env: TOUCHSTONE_TEST_FORM", Some(text.trim_end())),
            check(&format!("command: [cat, {name}]"), None),
        ] {
            assert!(said.contains(what), "{name}: {said}");
        }
    }
    // White space around it is none of these forms.
    bed.write("crlf", &format!("{token}\r\n"));
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  lab: {{url: \"{}\", ca: ca.pem, token-file: crlf}}\nendpoints:\n  se: {{endpoint: https://localhost:1, paths: {{wlcg: /wlcg}}}}\n",
            bed.issuer.url()
        ),
    );
    let ended = bed.run(GET);
    assert_eq!(ended.expect(0).stdout.trim_end(), token);
}

#[test]
fn an_issuer_that_differs_by_its_slash_is_told_as_that() {
    let bed = TestBed::new();
    let token = obtained(&bed, &["--scope", "storage.read:/ storage.modify:/"]);
    bed.write("token", &token);
    let url = bed.issuer.url();
    let other = match url.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{url}/"),
    };
    let said = |source: &str| {
        bed.write(
            "endpoints.yaml",
            &format!(
                "issuers:\n  lab:\n    url: {other}\n    ca: ca.pem\n    {source}\nendpoints:\n  se: {{endpoint: https://localhost:1, paths: {{wlcg: /wlcg}}}}\n"
            ),
        );
        bed.run(GET).stderr
    };
    let client = format!(
        "client-credentials: {{id: {}, secret-env: {}}}",
        bed.issuer.client_id(),
        crate::common::test_bed::SECRET
    );
    for source in ["token-file: token", &client] {
        let told = said(source);
        assert!(
            told.contains("differ by the slash at the end alone"),
            "{told}"
        );
    }
}

#[test]
fn flags_that_would_be_ignored_are_refused() {
    let bed = TestBed::new();
    bed.endpoints(&[("se", "https://localhost:1")], "");
    let secret = crate::common::test_bed::SECRET;
    for flags in [
        &["--client-id", "me", "--client-secret-env", secret][..],
        &["--token-env", "TOUCHSTONE_TEST_FORM"],
        &["--test-issuer-key", "key.pem"],
    ] {
        let ended = bed.run(&[&["check"], flags].concat()).expect(2);
        for expected in [
            flags[0],
            "every issuer in endpoints.yaml has a source of its own",
        ] {
            assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        }
    }
    bed.write(
        "endpoints.yaml",
        "issuers: {bare: {url: \"https://localhost:1/\"}}\nendpoints: {se: {endpoint: \"https://localhost:1\", paths: {wlcg: /wlcg}}}\n",
    );
    let ended = bed.run(&["check"]).expect(0);
    assert!(
        ended
            .stderr
            .contains("se: there is no way to obtain tokens of its issuer `bare`"),
        "{}",
        ended.stderr
    );
    let given = ["check", "--client-id", "me", "--client-secret-env", secret];
    let ended = bed.run(&given).expect(0);
    assert!(!ended.stderr.contains("no way"), "{}", ended.stderr);
    let issuer = ["--issuer", bed.issuer.url()];
    let check = |url: &str| bed.run(&[&["check", "--url", url], &issuer[..]].concat());
    let ended = check("https://localhost:1").expect(2);
    assert!(
        ended.stderr.contains("the URL has no path"),
        "{}",
        ended.stderr
    );
    check("https://localhost:1/").expect(0);
}
