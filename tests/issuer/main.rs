//! The program with an issuer that nobody here wrote: Keycloak. One server stands for all tests of the group; `tests/run issuer`
//! puts it into place, and has the tests run in one process.

#[path = "../common/mod.rs"]
mod common;

mod server;
mod storage;
mod tokens;
mod verdicts;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use common::person::Person;
use common::test_bed::{Ended, TestBed};
use common::waiting::NEVER;
use server::{CLIENT, KEYCLOAK, NARROW, USER};

/// The environment variable in which the binary finds the secret of the clients.
const SECRET: &str = "TOUCHSTONE_TEST_KEYCLOAK";

/// A folder of what is built or installed.
fn target(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(folder)
}

/// Somebody with the binary and an inventory.
struct KeycloakSetup {
    bed: TestBed,
}

impl KeycloakSetup {
    /// With these lines for `accounts:`, indented by six, and these for `endpoints:`, by two.
    fn new(accounts: &str, endpoints: &str) -> Self {
        let setup = Self {
            bed: TestBed::new(),
        };
        setup.write(accounts, endpoints);
        setup
    }

    fn write(&self, accounts: &str, endpoints: &str) {
        self.bed.write("keycloak.pem", KEYCLOAK.authority.ca_pem());
        self.bed.write(
            "endpoints.yaml",
            &format!(
                "issuers:\n  keycloak:\n    url: {}\n    ca: keycloak.pem\n    limits: {{rate: 10000, answer: {NEVER}}}\n    accounts:\n{accounts}endpoints:\n{endpoints}",
                KEYCLOAK.url()
            ),
        );
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bed.touchstone(arguments);
        command.env(SECRET, &KEYCLOAK.secret);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    /// Logs the user in for the account `person`, in a browser.
    fn log_in(&self, arguments: &[&str]) -> Ended {
        // Keycloak fails where one user allows the same twice at the same time.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = vec!["token", "login", "keycloak", "--account", "person"];
        all.extend(arguments);
        let mut person = Person::with(&mut self.command(&all));
        let code = person.code();
        let page = format!("{}/device?user_code={code}", KEYCLOAK.url());
        assert!(person.seen.contains(&page), "{}", person.seen);
        assert_eq!(approve(&page), "Device Login Successful");
        person.end().expect(0)
    }

    /// What came must not say more than it may.
    fn expect_no_secret(&self, ended: Ended) {
        let texts = self.bed.texts(ended);
        common::test_bed::expect_no_secret(&self.bed, &texts);
        for (name, text) in texts {
            assert!(!text.contains(&KEYCLOAK.secret), "the secret is in {name}");
        }
    }
}

/// The account of a service that may ask for everything.
fn service() -> String {
    format!("      service:\n        client-credentials: {{id: {CLIENT}, secret-env: {SECRET}}}\n")
}

/// That of a client for one path.
fn narrow() -> String {
    format!(
        "      narrow:\n        client-credentials: {{id: {NARROW}, secret-env: {SECRET}}}\n        scopes: [\"storage.read:/narrow\"]\n"
    )
}

/// That of a person, whose refresh token is in the file `person`.
fn person() -> String {
    format!(
        "      person:\n        refresh-token: {{id: {CLIENT}, secret-env: {SECRET}, file: person}}\n"
    )
}

/// An endpoint of which nobody asks anything.
const NOBODY: &str = "  se: {endpoint: \"https://localhost:1\", paths: {wlcg: /wlcg}}\n";

/// The user with a browser: logs in on that page and says yes. The heading of the page at the end.
fn approve(page: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuer/approve.mjs");
    let folder = target("browser");
    assert!(
        folder.join("node_modules").is_dir(),
        "the driver of the browser is not installed in {}: run tests/run issuer",
        folder.display()
    );
    // Its modules are looked up where it is.
    let script = folder.join("approve.mjs");
    std::fs::copy(source, &script).expect("a copy of the script");
    let output = Command::new("node")
        .arg(script)
        .args([page, USER])
        .env("USER_PASSWORD", &KEYCLOAK.password)
        .output()
        .expect("node runs (Debian package nodejs)");
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}
