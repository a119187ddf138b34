//! Tokens of OAuth clients, through the real binary, real sockets and TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::common::issuer::{Reply, ScriptedIssuer, metadata};
use crate::common::test_bed::{Ended, SECRET, TestBed, expect_no_secret};
use crate::common::trouble::{Account, Came, Row, expect_sense, usual};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret;
use serde_json::json;
use touchstone_reference::{IssuerOptions, ReferenceIssuer, Storage};

/// A server whose token endpoint gives what `came` says.
fn answers(server: &ScriptedIssuer, came: Came) {
    let url = server.url();
    server.script(move |asked| {
        if asked.path != "/token" {
            return None;
        }
        let form = asked.form();
        let said = |name: &str| form.get(name).cloned().unwrap_or_default();
        let token = came.token(&url, &said("scope"), &said("audience"));
        let good = json!({"access_token": token, "token_type": "Bearer", "expires_in": 1200});
        let no = json!({"error": "invalid_scope", "error_description": "not for you"});
        Some(came.reply(&good, Reply::json(400, &no)))
    });
}

fn client_credentials(_: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    answers(server, came);
    Account {
        yaml: format!("    client-credentials: {{id: me, secret-env: {SECRET}}}\n"),
        ..Account::default()
    }
}

fn refresh_token(bed: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    answers(server, came);
    bed.write("refresh", "a-refresh-token-of-this-test\n");
    Account {
        yaml: "    refresh-token: {file: refresh, id: me, authentication: none}\n".into(),
        ..Account::default()
    }
}

fn token_exchange(_: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    answers(server, came);
    let subject = Came::Html.token(&server.url(), "openid", "me");
    Account {
        yaml: format!(
            "    token-exchange: {{subject-env: SUBJECT, id: me, secret-env: {SECRET}}}\n"
        ),
        environment: vec![("SUBJECT".into(), subject)],
        ..Account::default()
    }
}

#[test]
fn whatever_comes_is_told_and_blamed_on_nobody_else() {
    let bed = TestBed::new();
    let row = |name, arrange| Row {
        name,
        arrange,
        says: &usual,
    };
    expect_sense(
        &bed,
        &[
            row("client-credentials", &client_credentials),
            row("refresh-token", &refresh_token),
            row("token-exchange", &token_exchange),
        ],
    );
}

/// What reads and writes with a few distinct tokens.
const CASES: [&str; 3] = [
    "capability.read.*",
    "capability.create.*",
    "capability.modify.*",
];
const SCOPE: &str = "openid offline_access wlcg wlcg.groups wlcg.groups:/wlcg/test storage.read:/ storage.create:/ storage.modify:/ storage.stage:/";

fn run() -> Vec<&'static str> {
    ["run", "--case"].into_iter().chain(CASES).collect()
}

/// The endpoints file, with these lines for the source.
fn write(bed: &TestBed, issuer: &str, storage: &str, yaml: &str) {
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  testing:\n    url: {issuer}\n    ca: ca.pem\n{yaml}endpoints:\n  se:\n    endpoint: {storage}\n    paths: {{wlcg: /wlcg}}\n    issuer: testing\n    ca: ca.pem\n"
        ),
    );
}

/// An issuer and a storage element that trusts it.
struct Site {
    issuer: ReferenceIssuer,
    storage: Storage,
}

impl Site {
    fn new(bed: &TestBed, options: IssuerOptions) -> Self {
        let issuer = bed
            .runtime
            .block_on(ReferenceIssuer::start(&bed.authority, options))
            .expect("an issuer");
        let storage = bed.start(bed.trusting(issuer.url()));
        Self { issuer, storage }
    }

    fn write(&self, bed: &TestBed, yaml: &str) {
        write(bed, self.issuer.url(), self.storage.url(), yaml);
    }

    fn run(&self, bed: &TestBed) -> Command {
        let secret = self.issuer.client_secret().expose_secret();
        let mut command = bed.touchstone(&run());
        command.env(SECRET, secret);
        command
    }

    /// Runs cases with tokens from that source. They pass, and nothing secret is told.
    fn expect_pass(
        &self,
        bed: &TestBed,
        yaml: &str,
        environment: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        self.write(bed, yaml);
        let mut command = self.run(bed);
        let ended = Ended::of(command.envs(environment.iter().copied())).expect(0);
        let record = bed.record();
        let results = record["results"].as_array().expect("results");
        let passed = results.iter().filter(|result| result["verdict"] == "pass");
        assert!(passed.count() > 10, "{results:?}");
        let texts = bed.texts(ended);
        expect_no_secret(bed, &texts);
        for (name, text) in &texts {
            for secret in [self.issuer.client_secret().expose_secret(), "PRIVATE KEY"] {
                assert!(!text.contains(secret), "a secret is in {name}");
            }
        }
        texts
    }
}

fn reproduced(texts: &[(String, String)], line: &str) {
    let mut records = texts.iter().filter(|(name, _)| name.ends_with("run.json"));
    let told = records.any(|(_, text)| text.contains(line));
    assert!(told, "{line} is not in any run.json");
}

#[test]
fn clients_authenticate_in_every_way() {
    let bed = TestBed::new();
    let pair = rcgen::KeyPair::generate().expect("a key");
    bed.write("client.pem", &pair.serialize_pem());
    let site = Site::new(
        &bed,
        IssuerOptions {
            client_key_pem: Some(pair.public_key_pem()),
            ..IssuerOptions::default()
        },
    );
    let id = site.issuer.client_id();
    for (keys, how) in [
        (
            format!("secret-env: {SECRET}"),
            r#"-u \"$CLIENT_ID:$CLIENT_SECRET\""#,
        ),
        (
            format!("secret-env: {SECRET}, authentication: body"),
            r#"--data-urlencode \"client_secret=$CLIENT_SECRET\""#,
        ),
        (
            "key-file: client.pem, kid: any".into(),
            r#"--data-urlencode \"client_assertion=$ASSERTION\""#,
        ),
    ] {
        let yaml = format!("    client-credentials: {{id: {id}, {keys}}}\n");
        let texts = site.expect_pass(&bed, &yaml, &[]);
        reproduced(&texts, how);
    }
}

#[test]
fn a_refresh_token_is_used_once_and_the_next_one_kept() {
    let bed = TestBed::new();
    let site = Site::new(&bed, IssuerOptions::default());
    let token = site.issuer.refresh_token(SCOPE).expect("a refresh token");
    std::fs::create_dir(bed.path("kept")).expect("a folder");
    bed.write("kept/refresh", token.expose_secret());
    std::os::unix::fs::symlink("kept/refresh", bed.path("refresh")).expect("a link");
    let yaml = format!(
        "    refresh-token: {{file: refresh, id: {}, secret-env: {SECRET}}}\n",
        site.issuer.client_id()
    );
    let mut seen = vec![token.expose_secret().to_owned()];
    for _ in 0..2 {
        let texts = site.expect_pass(&bed, &yaml, &[]);
        reproduced(&texts, r#"refresh_token=$(cat refresh)"#);
        let now = std::fs::read_to_string(bed.path("kept/refresh")).expect("a refresh token");
        let now = now.trim().to_owned();
        assert!(!seen.contains(&now), "another one is kept after each run");
        for (name, text) in &texts {
            for token in seen.iter().chain([&now]) {
                assert!(
                    !text.contains(token.as_str()),
                    "a refresh token is in {name}"
                );
            }
        }
        seen.push(now);
    }
    let mode = std::fs::metadata(bed.path("kept/refresh"))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(bed.path("refresh").is_symlink());
}

/// An issuer at which every refresh token is good for one use. What was used is in `used`.
struct Strict {
    server: ScriptedIssuer,
    used: Arc<Mutex<Vec<String>>>,
}

impl Strict {
    fn new(bed: &TestBed) -> Self {
        let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
        let pair = rcgen::KeyPair::generate().expect("a key");
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a key");
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public key");
        public.common.key_id = Some("k".into());
        let used = Arc::new(Mutex::new(Vec::new()));
        let (url, past) = (server.url(), Arc::clone(&used));
        server.script(move |asked| match asked.path.as_str() {
            "/jwks" => Some(Reply::json(200, &json!({"keys": [public]}))),
            "/token" => Some(grant(&asked.form(), &url, &key, &past)),
            _ => None,
        });
        Self { server, used }
    }
}

fn grant(
    form: &BTreeMap<String, String>,
    issuer: &str,
    key: &EncodingKey,
    used: &Mutex<Vec<String>>,
) -> Reply {
    let given = form["refresh_token"].clone();
    let mut used = used.lock().expect("a list");
    let good = given == format!("refresh-token-number-{}", used.len());
    used.push(given);
    if !good {
        return Reply::json(400, &json!({"error": "invalid_grant"}));
    }
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "wlcg.ver": "1.0", "iss": issuer, "sub": "me", "aud": form["audience"],
        "scope": form["scope"], "jti": uuid::Uuid::new_v4().to_string(),
        "iat": now, "nbf": now, "exp": now + 1200,
    });
    let header = Header {
        kid: Some("k".into()),
        ..Header::new(Algorithm::ES256)
    };
    let token = jsonwebtoken::encode(&header, &claims, key).expect("a token");
    let next = format!("refresh-token-number-{}", used.len());
    Reply::json(
        200,
        &json!({"access_token": token, "token_type": "Bearer", "refresh_token": next}),
    )
}

#[test]
fn two_processes_use_no_refresh_token_twice() {
    let bed = TestBed::new();
    let strict = Strict::new(&bed);
    let storage = bed.start(bed.trusting(&strict.server.url()));
    bed.write("refresh", "refresh-token-number-0");
    let yaml = "    refresh-token: {file: refresh, id: me, authentication: none}\n";
    write(&bed, &strict.server.url(), storage.url(), yaml);
    let mut running: Vec<_> = ["one", "two"]
        .iter()
        .map(|name| {
            let mut command = bed.touchstone(&run());
            let command = command.args(["--report-dir", name]);
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("the binary runs")
        })
        .collect();
    for child in &mut running {
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
    }
    let used = strict.used.lock().expect("a list").clone();
    let each: BTreeSet<_> = used.iter().collect();
    assert!(used.len() > 10, "{used:?}");
    assert_eq!(used.len(), each.len(), "{used:?}");
    let kept = std::fs::read_to_string(bed.path("refresh")).expect("the file");
    assert_eq!(kept.trim(), format!("refresh-token-number-{}", used.len()));

    // What was used is void, and the message says what to do.
    bed.write("refresh", "refresh-token-number-0");
    Ended::of(&mut bed.touchstone(&run())).expect(3);
    let reason = bed.record()["results"][0]["reason"].to_string();
    assert!(reason.contains("invalid_grant"), "{reason}");
    assert!(
        reason.contains("touchstone token login testing"),
        "{reason}"
    );
    assert!(!reason.contains("refresh-token-number"), "{reason}");
}

#[test]
fn a_refresh_token_that_cannot_be_kept_is_told() {
    let bed = TestBed::new();
    let site = Site::new(&bed, IssuerOptions::default());
    let token = site.issuer.refresh_token(SCOPE).expect("a refresh token");
    bed.write("refresh", token.expose_secret());
    // Root may write everywhere, but not replace a folder by a file.
    std::fs::create_dir_all(bed.path(".refresh.new/x")).expect("a folder");
    let yaml = format!(
        "    refresh-token: {{file: refresh, id: {}, secret-env: {SECRET}}}\n",
        site.issuer.client_id()
    );
    site.write(&bed, &yaml);
    let ended = Ended::of(&mut site.run(&bed)).expect(3);
    let record = bed.record();
    for result in record["results"].as_array().expect("results") {
        assert!(
            result["verdict"] == "error" || result["verdict"] == "skip",
            "{result}"
        );
    }
    let text = record.to_string();
    assert!(text.contains("could not be kept"), "{text}");
    assert!(
        text.contains("in the memory of this process alone"),
        "{text}"
    );
    expect_no_secret(&bed, &bed.texts(ended));
}

#[test]
fn a_token_is_exchanged_for_others() {
    let bed = TestBed::new();
    let site = Site::new(&bed, IssuerOptions::default());
    let id = site.issuer.client_id();
    let subject = subject(&bed, &site.issuer);
    let keys = format!("id: {id}, secret-env: {SECRET}");
    let yaml = format!("    token-exchange: {{subject-env: SUBJECT, {keys}}}\n");
    let texts = site.expect_pass(&bed, &yaml, &[("SUBJECT", &subject)]);
    reproduced(&texts, r#"subject_token=$SUBJECT"#);

    bed.write("subject", &subject);
    let yaml = format!("    token-exchange: {{subject-file: subject, {keys}}}\n");
    site.expect_pass(&bed, &yaml, &[]);

    let old = Came::Expired.token(site.issuer.url(), SCOPE, "any");
    bed.write("subject", &old);
    let ended = Ended::of(&mut site.run(&bed)).expect(3);
    let reason = bed.record()["results"][0]["reason"].to_string();
    assert!(reason.contains("has expired at"), "{reason}");
    assert!(reason.contains("put a new access token into"), "{reason}");
    expect_no_secret(&bed, &bed.texts(ended));
}

/// An access token with everything in it.
fn subject(bed: &TestBed, issuer: &ReferenceIssuer) -> String {
    let (id, secret) = (issuer.client_id(), issuer.client_secret().expose_secret());
    let ended = Ended::of(
        Command::new("curl")
            .current_dir(bed.folder.path())
            .args(["-s", "--cacert", "ca.pem", "-u", &format!("{id}:{secret}")])
            .args(["-d", "grant_type=client_credentials"])
            .args(["--data-urlencode", &format!("scope={SCOPE}")])
            .arg(format!("{}token", issuer.url())),
    );
    let answer: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let token = answer["access_token"].as_str();
    token.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn hostile_answers_are_told_apart() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let good = |token: &str| json!({"access_token": token, "token_type": "Bearer"});
    let token = |reply: Reply| ("/token", reply);
    let metadata = |change: fn(&mut serde_json::Value, &str)| {
        let mut document = metadata(server.origin());
        change(&mut document, server.origin());
        (
            "/.well-known/openid-configuration",
            Reply::json(200, &document),
        )
    };
    let elsewhere = "https://elsewhere.example/a?b=c";
    let rows = [
        (
            token(Reply::json(400, &json!({"error": 7}))),
            "answered 400 with",
        ),
        (
            token(Reply::json(
                401,
                &json!({"error": "invalid_client", "error_description": [1]}),
            )),
            "\"invalid_client\"; check client id",
        ),
        (
            token(Reply::json(400, &json!({"error": "x\u{1b}[31m\nerror: y"}))),
            r#""x\u{1b}[31m\nerror: y""#,
        ),
        (
            token(Reply::json(200, &json!({"error": "access_denied"}))),
            "200 \"access_denied\"",
        ),
        (token(Reply::html(200, &"x".repeat(5 << 20))), "larger than"),
        (
            token(Reply::json(307, &json!({})).header("location", elsewhere)),
            "a redirect to \"https://elsewhere.example\"",
        ),
        (
            token(Reply::json(200, &good("a\nb"))),
            "cannot stand in a header",
        ),
        (
            token(Reply::json(200, &good(&"x".repeat(200_000)))),
            "200000 bytes",
        ),
        (
            token(Reply::json(200, &json!({"access_token": ["x"]}))),
            "no access_token that is a string",
        ),
        (
            token(Reply::json(
                200,
                &json!({"access_token": "x", "token_type": "mac"}),
            )),
            "a token of type \"mac\" came",
        ),
        (
            token(Reply::json(500, &json!({"error": "server_error"}))),
            "500 \"server_error\"",
        ),
        (
            metadata(|document, _| document["token_endpoint"] = json!("http://localhost:1/token")),
            "no token endpoint with https",
        ),
        (
            metadata(|document, _| document["issuer"] = json!("https://a.example/")),
            "it calls itself",
        ),
        (
            (
                "/.well-known/openid-configuration",
                Reply::html(302, "").header("location", elsewhere),
            ),
            "answered 302 to \"https://elsewhere.example\"",
        ),
        (
            ("/.well-known/openid-configuration", Reply::html(200, "<p>")),
            "no metadata in JSON",
        ),
    ];
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  testing:\n    url: {}\n    ca: ca.pem\n    client-credentials: {{id: me, secret-env: {SECRET}}}\nendpoints:\n  se:\n    endpoint: https://localhost:1\n    paths: {{wlcg: /wlcg}}\n    limits: {{preflight: 1s}}\n",
            server.url()
        ),
    );
    for ((path, reply), says) in rows {
        server.script(move |asked| (asked.path == path).then(|| reply.clone()));
        let ended = bed.run(&["check", "--connect"]).expect(3);
        assert!(
            ended.stdout.contains(says),
            "{says:?} is not in: {}",
            ended.stdout
        );
        assert!(
            ended.stdout.contains("`testing` (client-credentials)"),
            "{}",
            ended.stdout
        );
        assert!(ended.stdout.len() < 4000, "{}", ended.stdout.len());
    }
}

/// Asks once, with this account, an issuer whose token endpoint gives `answer`; says what came of it.
fn asked(bed: &TestBed, account: &str, answer: serde_json::Value) -> String {
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, move |asked| {
        (asked.path == "/token").then(|| Reply::json(200, &answer))
    });
    write(bed, &server.url(), "https://localhost:1", account);
    let mut command = bed.touchstone(&["check", "--connect"]);
    let subject = Came::Html.token(&server.url(), "openid", "me");
    Ended::of(command.env("SUBJECT", subject)).expect(3).stdout
}

#[test]
fn a_refresh_token_is_kept_even_if_the_token_with_it_is_of_no_use() {
    let bed = TestBed::new();
    let account = "    refresh-token: {file: refresh, id: me, authentication: none}\n";
    let said = asked(&bed, account, json!({}));
    assert!(said.contains("cannot read"), "{said}");
    assert!(
        said.contains("`touchstone token login testing` does it"),
        "{said}"
    );
    bed.write("refresh", "the-old-refresh-token");
    let answer = json!({
        "access_token": "x", "token_type": "mac", "refresh_token": "the-new-refresh-token"
    });
    let said = asked(&bed, account, answer);
    assert!(said.contains("a token of type \"mac\" came"), "{said}");
    let kept = std::fs::read_to_string(bed.path("refresh")).expect("the file");
    assert_eq!(kept, "the-new-refresh-token\n");
}

#[test]
fn an_exchange_gives_an_access_token_or_nothing() {
    let bed = TestBed::new();
    let account = "    token-exchange: {subject-env: SUBJECT, id: me, authentication: none}\n";
    let answer = json!({
        "access_token": "x", "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token",
    });
    let said = asked(&bed, account, answer);
    let what = "a token of type \"urn:ietf:params:oauth:token-type:refresh_token\" came";
    assert!(said.contains(what), "{said}");
}
