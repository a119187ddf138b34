//! The files in deploy/, shown to the validators of the systems that they are for; see tests/validate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validate(kind: &str) {
    let output = Command::new(top().join("tests/validate"))
        .arg(kind)
        .output();
    let output = output.expect("tests/validate starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind}: {told}");
}

#[test]
fn shellcheck_takes_the_scripts() {
    validate("scripts");
}

#[test]
fn systemd_takes_the_units_and_finds_them_safe() {
    validate("systemd");
}

#[test]
fn the_crontab_is_well_formed() {
    validate("cron");
}

#[test]
fn the_schema_of_gitlab_takes_the_pipeline() {
    validate("gitlab");
}

#[test]
fn the_schema_of_github_and_an_auditor_take_the_workflow() {
    validate("github");
}

#[test]
fn the_schemas_of_kubernetes_take_the_manifests() {
    validate("kubernetes");
}

#[test]
fn htcondor_reads_the_submit_descriptions() {
    validate("htcondor");
}

#[test]
fn hadolint_takes_the_container_file() {
    validate("container");
}

/// A folder in which `touchstone-daily` runs, with stand-ins for the program and for sendmail.
struct Daily {
    folder: tempfile::TempDir,
}

impl Daily {
    /// `run` and `diff` are the codes with which the stand-in ends.
    fn new(run: i32, diff: i32) -> Self {
        let daily = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        daily.script(
            "touchstone",
            &format!(
                "case $1 in
                run) n=$(ls reports 2>/dev/null | wc -l); mkdir -p reports/run-$n
                     [ {run} -eq 2 ] || ln -sfn run-$n reports/latest; echo the table; exit {run} ;;
                diff) echo \"touchstone: changes from $2 to $3 (run b vs a)\"; exit {diff} ;;
                esac"
            ),
        );
        daily.script("sendmail", "cat >mail");
        daily
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }

    fn run(&self, settings: &[(&str, &str)]) -> Output {
        let folder = self.folder.path();
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new(top().join("deploy/touchstone-daily"))
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", folder.display()))
            .envs(settings.iter().copied())
            .output()
            .expect("the script starts")
    }

    fn mail(&self) -> Option<String> {
        fs::read_to_string(self.mail_path()).ok()
    }

    fn mail_path(&self) -> PathBuf {
        self.folder.path().join("mail")
    }
}

const TO: (&str, &str) = ("TOUCHSTONE_MAIL_TO", "operations@example.org");
const QUIET: (&str, &str) = ("TOUCHSTONE_QUIET", "1");

#[test]
fn the_daily_script_mails_the_table_first_and_then_what_changed() {
    let daily = Daily::new(1, 1);
    let output = daily.run(&[TO]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mail = daily.mail().expect("a mail");
    for text in ["To: operations@example.org\n", "first run", "the table"] {
        assert!(mail.contains(text), "{text}: {mail}");
    }
    daily.run(&[TO, QUIET]);
    let mail = daily.mail().expect("a mail");
    for text in [
        "Subject: [touchstone] changes from previous to latest\n",
        "changes from previous to latest",
    ] {
        assert!(mail.contains(text), "{text}: {mail}");
    }
    assert!(!mail.contains("the table"), "{mail}");
}

#[test]
fn the_daily_script_is_quiet_only_when_nothing_got_worse() {
    let daily = Daily::new(0, 0);
    daily.run(&[TO]);
    fs::remove_file(daily.mail_path()).expect("the first mail");
    assert_eq!(daily.run(&[TO, QUIET]).status.code(), Some(0));
    assert_eq!(daily.mail(), None);
    daily.run(&[TO]);
    assert!(
        daily
            .mail()
            .expect("a mail")
            .contains("changes from previous")
    );
}

#[test]
fn the_daily_script_tells_a_run_that_failed_and_a_mail_that_did() {
    let daily = Daily::new(2, 0);
    let output = daily.run(&[TO, QUIET]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        daily
            .mail()
            .expect("a mail")
            .contains("the run failed with code 2")
    );
    daily.script("sendmail", "exit 75");
    let output = daily.run(&[TO]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("the run failed"),
        "{output:?}"
    );
}

#[test]
fn without_an_address_the_daily_script_prints() {
    let daily = Daily::new(3, 0);
    let output = daily.run(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("the table"),
        "{output:?}"
    );
    assert_eq!(daily.mail(), None);
}
