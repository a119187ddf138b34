//! `token login`: the device flow through the real binary.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::issuer::{Reply, ScriptedIssuer};
use crate::common::person::Person;
use crate::common::test_bed::{Ended, SECRET, TestBed, expect_no_secret};
use crate::common::trouble::Came;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use touchstone_reference::{IssuerOptions, ReferenceIssuer};

fn issuer(bed: &TestBed, lifetime: u64) -> ReferenceIssuer {
    let options = IssuerOptions {
        device_lifetime: Duration::from_secs(lifetime),
        device_interval: Duration::from_secs(1),
        client_secret: bed.issuer.client_secret().clone(),
        ..IssuerOptions::default()
    };
    let issuer = bed
        .runtime
        .block_on(ReferenceIssuer::start(&bed.authority, options))
        .expect("an issuer");
    write(bed, issuer.url(), issuer.client_id());
    issuer
}

fn write(bed: &TestBed, url: &str, client: &str) {
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  testing:\n    url: {url}\n    ca: ca.pem\n    accounts:\n      mine:\n        refresh-token: {{file: mine, id: {client}, secret-env: {SECRET}}}\n      robot:\n        client-credentials: {{id: {client}, secret-env: {SECRET}}}\nendpoints:\n  se:\n    endpoint: https://localhost:1\n    paths: {{wlcg: /wlcg}}\n    issuer: testing\n    limits: {{preflight: 1s}}\n"
        ),
    );
}

fn expect_nothing_secret(bed: &TestBed, ended: &Ended, file: &str) {
    let texts = [ended.stdout.clone(), ended.stderr.clone()].map(|text| ("it".to_owned(), text));
    expect_no_secret(bed, &texts);
    let token = std::fs::read_to_string(bed.path(file)).expect("a refresh token");
    assert!(texts.iter().all(|(_, text)| !text.contains(token.trim())));
}

#[test]
fn a_person_gets_a_refresh_token_that_works() {
    let bed = TestBed::new();
    let issuer = issuer(&bed, 60);
    let mut person = Person::at(&bed, "testing", &[]);
    let code = person.code();
    let page = issuer.verification_url();
    assert!(
        person.seen.contains(&format!("Open {page} ")),
        "{}",
        person.seen
    );
    assert!(
        person.seen.contains(&format!("{page}?user_code={code}")),
        "{}",
        person.seen
    );
    assert!(issuer.approve(&code));
    let ended = person.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in [
        "A refresh token is in ",
        "good until",
        "Scope: openid offline_access wlcg wlcg.groups storage.read:/ storage.modify:/",
    ] {
        assert!(
            ended.stdout.contains(part),
            "{part} is not in {}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains("Not granted"), "{}", ended.stdout);
    expect_nothing_secret(&bed, &ended, "mine");
    let mode = std::fs::metadata(bed.path("mine"))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // The person approves on the page this time, and another file is named.
    let arguments = [
        "--file",
        "other",
        "--account",
        "mine",
        "--scope",
        "storage.read:/a",
    ];
    let mut person = Person::at(&bed, "testing", &arguments);
    let code = person.code();
    let form = format!("user_code={code}&decision=approve");
    let posted = Command::new("curl")
        .current_dir(bed.folder.path())
        .args([
            "-sf", "-o", "page", "--cacert", "ca.pem", "-d", &form, &page,
        ])
        .status();
    assert!(posted.expect("curl runs").success());
    let ended = person.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("Scope: openid offline_access storage.read:/a\n"),
        "{ended:?}"
    );
    expect_nothing_secret(&bed, &ended, "other");

    let ended = bed.run(&[
        "token",
        "get",
        "--issuer",
        "testing",
        "--scope",
        "storage.read:/",
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.trim().matches('.').count(), 2, "a token");
}

#[test]
fn a_no_and_silence_are_told() {
    let bed = TestBed::new();
    let issuer = issuer(&bed, 3);
    bed.write("mine", "the-old-refresh-token");
    let mut person = Person::at(&bed, "testing", &[]);
    let code = person.code();
    assert!(issuer.deny(&code));
    let ended = person.end();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for part in [
        "`testing` (token login)",
        "a refresh token with scope",
        "said no",
        "begin anew",
    ] {
        assert!(
            ended.stderr.contains(part),
            "{part} is not in {}",
            ended.stderr
        );
    }

    let ended = Person::at(&bed, "testing", &[]).end();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.stderr.contains("nobody agreed in time"),
        "{}",
        ended.stderr
    );

    let mut person = Person::at(&bed, "testing", &[]);
    person.code();
    let id = person.process.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .expect("kill runs")
            .success()
    );
    let ended = person.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(
        ended.stderr.ends_with("stopped; nothing was written\n"),
        "{}",
        ended.stderr
    );
    let kept = std::fs::read_to_string(bed.path("mine")).expect("the file");
    assert_eq!(kept, "the-old-refresh-token");
}

#[test]
fn a_wrong_call_sends_nothing() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    write(&bed, &server.url(), "me");
    let wrong = |arguments: &[&str]| {
        let ended = bed.run(&[&["token", "login"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        ended.stderr
    };
    assert!(wrong(&["nobody"]).contains("the endpoints file has: testing"));
    let stderr = wrong(&["testing", "--account", "robot"]);
    assert!(
        stderr.contains("no account `robot` of the kind `refresh-token`"),
        "{stderr}"
    );
    let ended = bed.run(&["token", "login", "testing", "--file", "no/where"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot write no/where"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        server.asked().len(),
        0,
        "nobody is asked before the file can be written"
    );
}

fn invitation() -> Value {
    json!({
        "device_code": "the-device-code-of-this-test",
        "user_code": "ABCD-EFGH",
        "verification_uri": "https://localhost/device",
        "expires_in": 600,
        "interval": 1,
    })
}

#[test]
fn who_asks_too_often_slows_down() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    write(&bed, &server.url(), "me");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (times, url) = (Arc::clone(&asked), server.url());
    server.script(move |request| match request.path.as_str() {
        "/devicecode" => {
            let mut invitation = invitation();
            invitation["interval"] = json!(6);
            Some(Reply::json(200, &invitation))
        }
        "/token" => {
            let mut times = times.lock().expect("a list");
            times.push(Instant::now());
            let no = |error: &str| Some(Reply::json(400, &json!({"error": error})));
            match times.len() {
                1 => no("authorization_pending"),
                2 => no("slow_down"),
                _ => {
                    let token = Came::Html.token(&url, "storage.read:/\u{1b}[2J", "any");
                    Some(Reply::json(
                        200,
                        &json!({"access_token": token, "refresh_token": "the-new-refresh-token"}),
                    ))
                }
            }
        }
        _ => None,
    });
    let ended = Person::at(&bed, "testing", &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let asked = asked.lock().expect("a list");
    assert!(
        asked[1] - asked[0] > Duration::from_secs(6),
        "as it was told, which is more than who is told nothing waits"
    );
    assert!(
        asked[2] - asked[1] > Duration::from_secs(11),
        "five seconds more"
    );
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("does not say how long"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("Not granted: openid offline_access"),
        "{}",
        ended.stdout
    );
    expect_nothing_secret(&bed, &ended, "mine");
    let form = server.asked().last().expect("a request").form();
    assert_eq!(form["device_code"], "the-device-code-of-this-test");
}

#[test]
fn hostile_invitations_are_not_shown() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    write(&bed, &server.url(), "me");
    for (name, value, says) in [
        (
            "verification_uri",
            json!("http://localhost/"),
            "no usable verification_uri with https",
        ),
        (
            "verification_uri",
            json!("https://me@evil.example/"),
            "no usable verification_uri",
        ),
        (
            "verification_uri",
            json!("https://:me@localhost/"),
            "no usable verification_uri",
        ),
        (
            "verification_uri",
            json!("https://localhost/?code=the-device-code-of-this-test"),
            "no usable verification_uri",
        ),
        ("user_code", json!("A\u{1b}[2J"), "no usable user_code"),
        ("user_code", json!(7), "no usable user_code"),
        ("device_code", json!(""), "no usable device_code"),
        ("expires_in", json!("soon"), "no usable expires_in"),
        ("error", json!("invalid_scope"), "\"invalid_scope\""),
    ] {
        let mut document = invitation();
        document[name] = value;
        let status = if name == "error" { 400 } else { 200 };
        server.script(move |asked| {
            (asked.path == "/devicecode").then(|| Reply::json(status, &document))
        });
        let ended = Person::at(&bed, "testing", &[]).end();
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(
            ended.stderr.contains(says),
            "{says} is not in {}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("Open "), "{}", ended.stderr);
        assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    }
    let secret = bed.issuer.client_secret().expose_secret();
    let asked = server.asked();
    assert!(
        asked.iter().all(|asked| !asked.body.contains(secret)),
        "it goes into a header"
    );
}

/// A page that carries the device code would show it to the person's browser and to whoever sees its history.
#[test]
fn a_page_with_the_device_code_is_not_shown() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    write(&bed, &server.url(), "me");
    for (complete, shown) in [
        ("https://localhost/device?user_code=ABCD-EFGH", true),
        (
            "https://localhost/device?d=the-device-code-of-this-test",
            false,
        ),
        (
            "https://localhost/device?d=the%2Ddevice%2Dcode-of-this-test",
            false,
        ),
        ("https://me:too@localhost/device?user_code=ABCD-EFGH", false),
    ] {
        server.script(move |asked| match asked.path.as_str() {
            "/devicecode" => {
                let mut document = invitation();
                document["verification_uri_complete"] = json!(complete);
                Some(Reply::json(200, &document))
            }
            "/token" => Some(Reply::json(400, &json!({"error": "access_denied"}))),
            _ => None,
        });
        let ended = Person::at(&bed, "testing", &[]).end();
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(said.contains(complete), shown, "{said}");
        assert!(said.contains("https://localhost/device"), "{said}");
        assert!(!said.contains("code-of-this-test"), "{said}");
    }
}
