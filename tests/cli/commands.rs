//! The binary as people and scripts meet it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use crate::common::test_bed::{
    Ended, TestBed, expect_no_secret, read_record, sampled, slow, verdicts,
};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response};
use axum_server::tls_rustls::RustlsConfig;
use secrecy::ExposeSecret;

fn touchstone(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_touchstone"));
    Ended::of(command.args(arguments).current_dir(folder))
}

#[test]
fn the_demo_needs_nothing_and_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = touchstone(folder.path(), &["demo"]).expect(0);
    assert!(
        ended.stdout.contains("Statistics by Tag"),
        "{}",
        ended.stdout
    );
    let latest = folder.path().join("reports/latest");
    let record = read_record(&latest.join("run.json"));
    assert_eq!(record["schema"], "touchstone/run/1");
    let verdicts = verdicts(&record);
    assert!(verdicts.len() >= 200);
    let slow = slow();
    let skipped = |row: &str, case: &String| {
        // Only an issuer with a path in its URL has another place for its metadata.
        slow.contains(case)
            // The demo itself is on loopback.
            || case == "tpc.private"
            || (row, case.as_str()) == ("issuer:embedded", "issuer.metadata.inserted")
    };
    for ((row, case), verdict) in &verdicts {
        let expected = if skipped(row, case) { "skip" } else { "pass" };
        assert_eq!(verdict, expected, "{row}: {case}");
    }
    let rows: BTreeSet<_> = verdicts.keys().map(|(row, _)| row.as_str()).collect();
    assert_eq!(
        rows,
        BTreeSet::from(["issuer:embedded", "issuer:neighbour", "reference"])
    );
    let junit = std::fs::read_to_string(latest.join("junit.xml")).expect("junit.xml");
    let document = roxmltree::Document::parse(&junit).expect("well-formed XML");
    let count = |name: &str| {
        document
            .descendants()
            .filter(|n| n.has_tag_name(name))
            .count()
    };
    assert_eq!(count("testcase"), verdicts.len());
    assert_eq!(count("failure") + count("error"), 0);
    let expected = verdicts.keys().filter(|(row, case)| skipped(row, case));
    assert_eq!(count("skipped"), expected.count());
    let table = std::fs::read_to_string(latest.join("table.txt")).expect("table.txt");
    assert!(ended.stdout.contains(table.lines().next().expect("a line")));
    let mut names: Vec<_> = std::fs::read_dir(&latest)
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "junit.xml",
            "report.html",
            "run.json",
            "summary.md",
            "table.txt"
        ],
        "the ledger is gone, for nothing is left, and there is no ticket"
    );
}

#[test]
fn a_faulty_storage_element_is_told_with_clause_and_curl_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = touchstone(
        folder.path(),
        &["demo", "--fault", "scope-prefix-match", "--case", "path.*"],
    )
    .expect(1);
    for text in [
        "path.sibling-prefix.read",
        "JWT-2.2.1-09",
        "curl ",
        "$TOKEN",
        "suites/path.yaml:",
    ] {
        assert!(ended.stdout.contains(text), "{text}\n{}", ended.stdout);
    }
    let record = read_record(&folder.path().join("reports/latest/run.json"));
    let fault = touchstone_reference::fault("scope-prefix-match").expect("it exists");
    for ((endpoint, case), verdict) in verdicts(&record) {
        let caught = endpoint == "faulty" && fault.cases.contains(&case.as_str());
        let expected = if caught { "fail" } else { "pass" };
        assert_eq!(verdict, expected, "{endpoint} {case}");
    }
}

#[test]
fn one_endpoint_that_is_down_does_not_cost_the_others_their_verdicts() {
    let bed = TestBed::new();
    let (one, two, down) = (bed.storage(&[]), bed.storage(&[]), bed.storage(&["down"]));
    let endpoints = [("one", one.url()), ("down", down.url()), ("two", two.url())];
    bed.endpoints(&endpoints, "");
    bed.run(&["run", "--case", "capability.*"]).expect(3);
    let record = bed.record();
    for ((endpoint, case), verdict) in verdicts(&record) {
        let expected = if endpoint == "down" { "error" } else { "pass" };
        assert_eq!(verdict, expected, "{endpoint} {case}");
    }
    assert!(record["endpoints"][1]["unreachable"].is_string());

    let broken = bed.storage(&["create-overwrites"]);
    bed.endpoints(
        &[
            ("one", one.url()),
            ("down", down.url()),
            ("broken", broken.url()),
        ],
        "",
    );
    bed.run(&["run", "--case", "capability.create.*"]).expect(1);
}

#[test]
fn a_known_failure_is_shown_and_does_not_turn_the_run_red() {
    let bed = TestBed::new();
    let storage = bed.storage(&["modify-makes-no-subdirectories"]);
    let known = |expires: &str| {
        format!(
            "    known-failures:\n      - case: capability.modify.create-superset\n        reason: being repaired\n        ticket: GGUS-1\n        expires: {expires}\n      - case: capability.read.get\n        reason: once upon a time\n"
        )
    };
    bed.endpoints(&[("se", storage.url())], &known("2999-01-01"));
    let ended = bed.run(&["run", "--case", "capability.*"]).expect(0);
    assert!(ended.stdout.contains("being repaired"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("once upon a time"),
        "{}",
        ended.stdout
    );
    bed.endpoints(&[("se", storage.url())], &known("2020-01-01"));
    let ended = bed.run(&["run", "--case", "capability.*"]).expect(1);
    let told = "known until 2020-01-01 (GGUS-1): expired; renew the entry at endpoints.yaml:";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    let ended = bed.run(&["check"]).expect(0);
    assert!(
        ended.stderr.contains("expired after 2020-01-01"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_endpoint_without_a_file_is_judged_with_a_test_key() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let url = format!("{}/wlcg", storage.url());
    let arguments = [
        "run",
        "--url",
        &url,
        "--ca",
        "ca.pem",
        "--issuer",
        bed.issuer.url(),
        "--test-issuer-key",
        "key.pem",
    ];
    bed.run(&arguments).expect(0);
    let reasons = [
        "--slow runs it",
        "--intrusive runs it",
        "no authorisation by group",
        "no second area",
        "declares no tape",
        "no `test-key` for RS256",
        "no second `test-key`",
        "which we play; give `--listen",
        "there is no second one that can be written to",
        "no tape",
        "no macaroons",
    ];
    let record = bed.record();
    for result in record["results"].as_array().expect("results") {
        let reason = result["reason"].as_str().unwrap_or_default();
        assert!(
            result["verdict"] == "pass"
                || result["verdict"] == "skip" && reasons.iter().any(|text| reason.contains(text)),
            "{}: {} {reason}",
            result["case"],
            result["verdict"]
        );
    }
}

/// Cases of capabilities and paths whose tokens no real issuer gives.
const UNREAL: [&str; 15] = [
    "capability.any-owner",
    "capability.claim.",
    "capability.host-auth",
    "capability.no-path.",
    "capability.none.absent-scope",
    "capability.separator.",
    "capability.several.any-order",
    "capability.stage.no-get-version-",
    "capability.unknown.",
    "path.area.relative",
    "path.escape.slash",
    "path.letters",
    "path.pattern.broken",
    "path.pattern.character-class",
    "path.scope.",
];

#[test]
fn what_the_token_source_cannot_do_is_skipped_with_a_reason() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let url = format!("{}/wlcg", storage.url());
    let client = bed.issuer.client_id().to_owned();
    let common = ["--ca", "ca.pem", "--issuer", bed.issuer.url()];
    let cases = sampled();
    let with = |more: &[&str]| {
        let mut arguments = vec!["run", "--url", &url];
        arguments.extend(cases.iter().flat_map(|case| ["--case", case.as_str()]));
        arguments.extend(common);
        arguments.extend(more);
        bed.run(&arguments)
    };
    with(&[
        "--client-id",
        &client,
        "--client-secret-env",
        crate::common::test_bed::SECRET,
    ])
    .expect(0);
    let record = bed.record();
    let mut wanting_key = 0;
    for result in record["results"].as_array().expect("results") {
        let text = |key: &str| result[key].as_str().unwrap_or_default();
        let (case, reason) = (text("case"), text("reason"));
        assert!(matches!(text("verdict"), "pass" | "skip"), "{case}");
        if reason.contains("test issuer whose key we hold") {
            wanting_key += 1;
            let suite = text("suite");
            assert!(
                !matches!(suite, "capability" | "path")
                    || UNREAL.iter().any(|prefix| case.starts_with(prefix)),
                "{case}: a real issuer could have given that token"
            );
        }
    }
    assert!(wanting_key > 50, "{wanting_key}");

    // Nothing at all could be judged: that is not green.
    let ended = with(&[]).expect(3);
    assert!(
        ended.stdout.contains("no way to obtain tokens"),
        "{}",
        ended.stdout
    );
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_to_do() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    for (arguments, expected) in [
        (
            &["run", "--case", "capabilty.*"][..],
            "no case matches `capabilty.*`",
        ),
        (&["run", "--endpoint", "sf"], "did you mean `se`?"),
        (&["run", "-e", "missing.yaml"], "missing.yaml"),
        (&["run", "--profile", "2.0"], "1.0, 1.1, 1.2 or 1.3"),
        (
            &["demo", "--fault", "create-overwrite"],
            "create-overwrites",
        ),
        (&["explain", "path.outside.red"], "path.outside.read"),
        (&["frobnicate"], "unrecognized subcommand"),
    ] {
        let ended = bed.run(arguments).expect(2);
        assert!(
            ended.stderr.contains(expected),
            "{arguments:?}\n{}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "");
    }
    let mut without = bed.touchstone(&["run"]);
    let ended = Ended::of(without.env_remove(crate::common::test_bed::SECRET)).expect(2);
    assert!(
        ended.stderr.contains(crate::common::test_bed::SECRET),
        "{}",
        ended.stderr
    );
    assert!(
        !bed.path("reports").exists(),
        "nothing ran, nothing is written"
    );
}

#[test]
fn wrong_files_are_told_with_every_place() {
    let bed = TestBed::new();
    bed.write(
        "endpoints.yaml",
        "issuers:\n  lab: {url: http://plain.example.org/}\nendpoints:\n  se:\n    endpiont: https://se.example.org\n    paths: {wlcg: /wlcg}\n",
    );
    for command in ["check", "run"] {
        let ended = bed.run(&[command]).expect(2);
        for text in [
            "endpoints.yaml:2:",
            "https",
            "endpoints.yaml:5:",
            "did you mean `endpoint`",
        ] {
            assert!(ended.stderr.contains(text), "{text}\n{}", ended.stderr);
        }
    }
}

#[test]
fn check_sends_nothing_unless_asked() {
    let bed = TestBed::new();
    let (storage, down) = (bed.storage(&[]), bed.storage(&["down"]));
    bed.endpoints(&[("se", storage.url()), ("down", down.url())], "");
    bed.run(&["check"]).expect(0);
    let ended = bed.run(&["check", "--connect"]).expect(3);
    assert!(
        ended
            .stdout
            .contains("endpoint se: answers (touchstone-reference/"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("endpoint down: no connection"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("issuer lab, client-credentials: gives a token: scope \"storage.read:/ storage.modify:/\""),
        "{}",
        ended.stdout
    );
}

#[test]
fn lists_and_explanations_come_from_the_suites() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = |what: &str| -> Vec<serde_json::Value> {
        let ended = touchstone(folder.path(), &["list", what, "--format", "json"]).expect(0);
        serde_json::from_str(&ended.stdout).expect("a JSON array")
    };
    let cases = list("cases");
    let ended = touchstone(folder.path(), &["list", "clauses", "--format", "json"]).expect(0);
    let register: serde_json::Value = serde_json::from_str(&ended.stdout).expect("a JSON object");
    let clauses = register["clauses"].as_array().expect("clauses");
    assert!(cases.len() >= 60 && clauses.len() >= 30 && list("faults").len() >= 60);
    // Each of them costs a process, and the unit tests have all of them: a sample will do.
    for case in cases.iter().step_by(90) {
        let id = case["case"].as_str().expect("an id");
        let ended = touchstone(folder.path(), &["explain", id]).expect(0);
        for clause in case["clauses"].as_array().expect("clauses") {
            assert!(
                ended.stdout.contains(clause.as_str().expect("an id")),
                "{id}"
            );
        }
        assert!(
            ended
                .stdout
                .contains(case["risk"].as_str().expect("a risk")),
            "{id}"
        );
    }
    for clause in clauses.iter().step_by(60) {
        let id = clause["id"].as_str().expect("an id");
        let ended = touchstone(folder.path(), &["explain", id]).expect(0);
        assert!(
            ended
                .stdout
                .contains(clause["requirement"].as_str().expect("a sentence"))
        );
        let derived = clause["basis"] == "derived";
        assert_eq!(ended.stdout.contains("our reading"), derived, "{id}");
        if let Some(reason) = clause["untestable"].as_str() {
            assert!(ended.stdout.contains(reason), "{id}");
        }
        for case in clause["cases"].as_array().expect("cases") {
            assert!(ended.stdout.contains(case.as_str().expect("an id")), "{id}");
        }
    }
    counts_are_those_of_the_list(&register);
    let table = touchstone(folder.path(), &["list", "clauses"]).expect(0);
    let row = |id: &str| {
        let mut lines = table.stdout.lines();
        lines
            .find(|line| line.trim_start().starts_with(id))
            .expect("a row")
    };
    assert!(
        row("JWT-2.2.1-09").contains(" path.sibling-prefix.put "),
        "{}",
        row("JWT-2.2.1-09")
    );
    assert!(row("JWT-2.2.1-17").contains("derived"));
    assert!(row("JWT-4.2-20").contains("untestable: The site"));
    assert!(
        table
            .stdout
            .contains(&format!("\n{} clauses: ", clauses.len()))
    );
    let table = touchstone(folder.path(), &["list", "cases"]).expect(0);
    assert!(table.stdout.contains("path.sibling-prefix.read"));
}

/// Counts the clauses of `list clauses` again, and compares with what it says itself.
fn counts_are_those_of_the_list(register: &serde_json::Value) {
    let clauses = register["clauses"].as_array().expect("clauses");
    let (all, binding): (Vec<_>, Vec<_>) = (
        clauses.iter().collect(),
        clauses
            .iter()
            .filter(|clause| {
                clause["level"]
                    .as_str()
                    .is_some_and(|l| l.starts_with("MUST"))
            })
            .collect(),
    );
    let counts = &register["counts"];
    for (clauses, counts) in [(all, counts), (binding, &counts["binding"])] {
        let has_case = |clause: &serde_json::Value| clause["cases"] != serde_json::json!([]);
        let number = |wanted: &dyn Fn(&serde_json::Value) -> bool| {
            clauses.iter().filter(|clause| wanted(clause)).count()
        };
        let covered = number(&has_case);
        let untestable = number(&|clause| !has_case(clause) && clause["untestable"].is_string());
        assert_eq!(counts["clauses"], clauses.len());
        assert_eq!(counts["with-cases"], covered);
        assert_eq!(counts["untestable"], untestable);
        assert_eq!(counts["uncovered"], clauses.len() - covered - untestable);
        if let Some(percent) = counts["covered-percent"].as_f64() {
            let exact = 100.0 * covered as f64 / clauses.len() as f64;
            assert!(percent <= exact && exact - percent < 0.1, "{percent}");
        }
    }
    assert!(counts["binding"]["covered-percent"].is_number());
}

#[test]
fn no_secret_and_no_token_is_anywhere() {
    let bed = TestBed::new();
    let storage = bed.storage(&["denied-leaks", "create-overwrites", "macaroon-cacheable"]);
    bed.endpoints(&[("se", storage.url())], "");
    let mut command = bed.touchstone(&["run"]);
    let ended = Ended::of(command.env("RUST_LOG", "trace")).expect(1);
    assert!(ended.stderr.len() > 10_000, "the log was on");
    let texts = bed.texts(ended);
    expect_no_secret(&bed, &texts);
    assert!(texts.len() >= 5);
    assert!(
        texts
            .iter()
            .any(|(_, text)| text.contains("a macaroon: activity:")),
        "there were macaroons"
    );
}

/// A server that answers everything with a text that means harm.
fn hostile(bed: &TestBed) -> (axum_server::Handle<SocketAddr>, String) {
    let mut body =
        b"]]></system-out><failure>forged</failure>\x00\x07\x1b[31m\xff\xfe &amp; <x".to_vec();
    body.extend(std::iter::repeat_n(b'A', 10 << 20));
    let body = bytes_of(body);
    let app = Router::new().fallback(move || {
        let body = body.clone();
        async move {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = axum::http::StatusCode::FORBIDDEN;
            let header = HeaderValue::from_bytes(b"]]><failure>\x80\xff").expect("a value");
            response.headers_mut().insert("server", header);
            response
        }
    });
    let certificate = bed.authority.certificate().expect("a certificate");
    let (pem, key) = (
        certificate.certificate_pem.clone(),
        certificate.key_pem.expose_secret().to_owned(),
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("nonblocking");
    let address = listener.local_addr().expect("an address");
    let handle = axum_server::Handle::new();
    let serving = handle.clone();
    bed.runtime.spawn(async move {
        let config = RustlsConfig::from_pem(pem.into_bytes(), key.into_bytes())
            .await
            .expect("a key");
        axum_server::from_tcp_rustls(listener, config)
            .expect("a server")
            .handle(serving)
            .serve(app.into_make_service())
            .await
            .expect("it serves");
    });
    (handle, format!("https://localhost:{}", address.port()))
}

fn bytes_of(body: Vec<u8>) -> axum::body::Bytes {
    axum::body::Bytes::from(body)
}

#[test]
fn reports_survive_a_hostile_server() {
    let bed = TestBed::new();
    let (handle, url) = hostile(&bed);
    let storage = bed.storage(&[]);
    bed.endpoints(&[("hostile", &url), ("reference", storage.url())], "");
    let ended = bed
        .run(&["run", "--case", "{bearer,path,digest,webdav}.*"])
        .expect(3);
    handle.shutdown();
    let junit = std::fs::read_to_string(bed.path("reports/latest/junit.xml")).expect("junit.xml");
    let document = roxmltree::Document::parse(&junit).expect("well-formed XML");
    let count = |name: &str| {
        document
            .descendants()
            .filter(|n| n.has_tag_name(name))
            .count()
    };
    let verdicts = verdicts(&bed.record());
    assert_eq!(count("failure"), 0, "no failure is forged");
    let skipped = verdicts.values().filter(|verdict| *verdict == "skip");
    assert_eq!(count("error"), (verdicts.len() - skipped.count()) / 2);
    assert!(junit.len() < 4 << 20, "{} bytes", junit.len());
    for (name, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        assert!(
            !text.contains(['\x1b', '\x07', '\0']),
            "control characters on {name}"
        );
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!(
        "{} list cases | head -n 1; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_touchstone")
    );
    let mut command = std::process::Command::new("bash");
    let ended = Ended::of(command.args(["-c", &script]).current_dir(folder.path())).expect(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn the_embedded_servers_serve_others() {
    use std::io::{BufRead, BufReader};
    let bed = TestBed::new();
    let mut process = bed
        .touchstone(&["serve", "storage", "--dir", "served"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stdout = process.stdout.take().expect("its output");
    let mut said = std::collections::BTreeMap::new();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let (key, value) = line.split_once(':').expect("a key and a value");
        said.insert(key.to_owned(), value.trim().to_owned());
        if said.contains_key("storage") {
            break;
        }
    }
    let arguments = [
        "run",
        "--url",
        &said["storage"],
        "--ca",
        &said["ca"],
        "--issuer",
        &said["issuer"],
        "--test-issuer-key",
        &said["test-key"],
        "--test-issuer-kid",
        &said["test-key-id"],
        "--case",
        "capability.*",
    ];
    let ended = bed.run(&arguments);
    let pid = process.id().to_string();
    let status = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .expect("kill runs");
    assert!(status.success());
    assert!(process.wait().expect("it ends").success());
    ended.expect(0);
}
