//! The real oidc-agent of Debian, with an account on the built-in issuer over TLS.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::site::{ask, expect_parts, site, told};
use crate::common::test_bed::{Ended, TestBed, expect_no_secret, verdicts};
use crate::common::waiting::wait_until;
use secrecy::ExposeSecret;
use touchstone_engine::token::claims;
use touchstone_model::TokenSource;

const ACCOUNT: &str = "wlcg";
const PASSWORD: &str = "a-password-of-this-test";
const SCOPES: &str =
    "openid offline_access storage.read:/ storage.modify:/ storage.create:/ wlcg.groups";

/// The agent and its folder; ends when it is dropped.
struct Agent {
    child: Child,
    home: PathBuf,
}

impl Agent {
    /// Starts one with an account for the lab's test user.
    fn start(bed: &TestBed) -> Self {
        let home = bed.path("home");
        std::fs::create_dir_all(home.join("config")).expect("a folder");
        let mut command = Command::new("oidc-agent");
        command
            .args(["--console", "--no-autoreauthenticate", "-a"])
            .arg(home.join("agent.sock"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = own(&mut command, &home).spawn();
        let agent = Self {
            child: child.expect("oidc-agent runs; tests/run installs it"),
            home,
        };
        wait_until("oidc-agent does not listen", || {
            UnixStream::connect(agent.socket()).is_ok()
        });
        agent.account(bed);
        agent
    }

    fn socket(&self) -> PathBuf {
        self.home.join("agent.sock")
    }

    /// `oidc-add --lock` needs a terminal; this is what it sends.
    fn lock(&self) {
        let mut stream = UnixStream::connect(self.socket()).expect("the agent");
        let question = format!(r#"{{"request":"lock","password":"{PASSWORD}"}}"#);
        stream.write_all(question.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.contains("success"), "{answer}");
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn stop(&mut self) {
        self.kill();
        // A process of its own holds the socket until it notices.
        wait_until("it still listens", || {
            UnixStream::connect(self.socket()).is_err()
        });
    }

    fn source(&self, account: &str) -> TokenSource {
        TokenSource::OidcAgent {
            account: Some(account.into()),
            socket: Some(self.socket()),
        }
    }

    fn account(&self, bed: &TestBed) {
        let token = bed.issuer.refresh_token(SCOPES).expect("a refresh token");
        let mut command = Command::new("oidc-gen");
        command
            .args([
                ACCOUNT,
                "--manual",
                "--flow=refresh",
                "--rt-env=RT",
                "--pw-env=PW",
            ])
            .args(["--prompt=none", "--confirm-default"])
            .arg(format!("--issuer={}", bed.issuer.url()))
            .arg(format!("--client-id={}", bed.issuer.client_id()))
            .arg(format!(
                "--client-secret={}",
                bed.issuer.client_secret().expose_secret()
            ))
            .arg(format!("--scope={SCOPES}"))
            .arg(format!("--cert-path={}", bed.path("ca.pem").display()))
            .env("RT", token.expose_secret())
            .env("PW", PASSWORD)
            .stdin(Stdio::null());
        Ended::of(own(&mut command, &self.home).env("OIDC_SOCK", self.socket())).expect(0);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Nothing of the tester's own agent and accounts.
fn own<'c>(command: &'c mut Command, home: &Path) -> &'c mut Command {
    command
        .env("HOME", home)
        .env("TMPDIR", home)
        .env("OIDC_CONFIG_DIR", home.join("config"))
        .env_remove("OIDC_SOCK")
        .env_remove("DISPLAY")
}

fn run(bed: &TestBed, agent: &Agent, cases: &[&str]) -> Ended {
    let arguments = [&["run", "--case"], cases].concat();
    let mut command = bed.touchstone(&arguments);
    Ended::of(
        command
            .env("OIDC_SOCK", agent.socket())
            .env("RUST_LOG", "trace"),
    )
}

#[test]
fn the_real_agent_gives_tokens_of_chosen_scope_and_audience() {
    let bed = TestBed::new();
    let agent = Agent::start(&bed);
    // Few: the agent takes a second for each token of an issuer that rotates refresh tokens.
    for (source, cases) in [
        (
            format!("oidc-agent: {{account: {ACCOUNT}}}"),
            "capability.{read,create}.*",
        ),
        // The agent chooses an account of this issuer.
        ("oidc-agent: {}".to_owned(), "path.sibling-prefix.*"),
    ] {
        let _storage = site(&bed, &source);
        let ended = run(&bed, &agent, &[cases]);
        let record = bed.record();
        let verdicts = verdicts(&record);
        let passed = verdicts
            .values()
            .filter(|verdict| *verdict == "pass")
            .count();
        assert!(passed > 3, "{source}: {verdicts:#?}\n{}", ended.stderr);
        for (case, verdict) in &verdicts {
            assert!(
                matches!(verdict.as_str(), "pass" | "skip"),
                "{source}: {case:?} {verdict}\n{record}"
            );
        }
        expect_no_secret(&bed, &bed.texts(ended));
    }
}

#[test]
fn what_the_real_agent_refuses_is_told_with_what_to_do() {
    let bed = TestBed::new();
    let mut agent = Agent::start(&bed);
    for (scope, audience) in [
        ("storage.read:/a", "https://one.example.org"),
        (
            "storage.read:/a storage.create:/b",
            "https://two.example.org",
        ),
    ] {
        let token = ask(&bed, agent.source(ACCOUNT), scope, audience).expect("a token");
        let claims = claims(&token.secret).expect("claims");
        assert_eq!(claims.text("scope"), Some(scope));
        assert_eq!(claims.text("aud"), Some(audience));
    }

    let unknown = told(&bed, agent.source("no-such-account"));
    expect_parts(
        &unknown,
        &["No account configured", "oidc-add no-such-account"],
    );

    // The user agreed to fewer scopes.
    let wide = ask(
        &bed,
        agent.source(ACCOUNT),
        "compute.create",
        "https://se.example.org",
    );
    let wide = wide.expect_err("no token");
    assert!(wide.refused(), "{wide}");
    expect_parts(
        &wide.to_string(),
        &["compute.create", "leave such cases out"],
    );

    agent.lock();
    let locked = told(&bed, agent.source(ACCOUNT));
    expect_parts(&locked, &["Agent locked", "oidc-add -X"]);

    agent.stop();
    let gone = told(&bed, agent.source(ACCOUNT));
    expect_parts(
        &gone,
        &["no agent listens", "eval $(oidc-agent)", "oidc-add wlcg"],
    );
}

#[test]
fn cases_with_an_unknown_account_are_no_failures_of_the_storage() {
    let bed = TestBed::new();
    let agent = Agent::start(&bed);
    let _storage = site(&bed, "oidc-agent: {account: wlgc}");
    let ended = run(&bed, &agent, &["capability.read.*"]).expect(3);
    let record = bed.record();
    for result in record["results"].as_array().expect("results") {
        assert_eq!(result["verdict"], "error", "{result}");
        let reason = result["reason"].as_str().expect("a reason");
        expect_parts(
            reason,
            &["`lab` (oidc-agent)", "storage.read:/", "oidc-add wlgc"],
        );
    }
    expect_no_secret(&bed, &bed.texts(ended));
}
