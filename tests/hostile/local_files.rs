//! Files of this machine that are not what they seem, or that more people may read than should.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::common::lab::Lab;

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo runs").success());
}

/// A lab whose endpoint is nowhere: nothing here gets as far as that.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.endpoints(&[("se", "https://localhost:1")], "");
    lab
}

/// Nobody writes into these pipes: whoever opened one as a file would wait for ever.
#[test]
fn a_pipe_in_the_place_of_a_file_keeps_nobody_waiting() {
    const LEDGER: &str = "reports/ledger-20200101t000000z-abcdef.jsonl";
    const WHY: &str = "it is no regular file";
    let fresh = ["--no-history", "--report-dir", "out"];
    for (place, command, code) in [
        ("endpoints.yaml", &["check"][..], 2),
        ("endpoints.yaml", &["run"], 2),
        ("ca.pem", &["check"], 2),
        ("key.pem", &["check"], 2),
        ("suites/x.yaml", &["list", "cases", "--suites", "suites"], 2),
        ("reports/history.sqlite", &["history"], 3),
        (LEDGER, &["clean"], 3),
        ("record.json", &["report", "--from", "record.json"], 2),
        ("record.json", &["diff", "record.json", "record.json"], 2),
        ("record.json", &["merge", "record.json", "record.json"], 2),
        ("feed.json", &["import", "cric", "feed.json"], 2),
        ("token", &["token", "inspect", "token"], 2),
        (
            "listen.pem",
            &[
                "run",
                "--listen",
                "localhost",
                "--listen-certificate",
                "listen.pem",
                "--listen-key",
                "key.pem",
            ],
            2,
        ),
        (
            "listen.pem",
            &[
                "run",
                "--listen",
                "localhost",
                "--listen-certificate",
                "ca.pem",
                "--listen-key",
                "listen.pem",
            ],
            2,
        ),
    ] {
        let lab = lab();
        let path = lab.path(place);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        if path.exists() {
            fs::remove_file(&path).expect("a file");
        }
        pipe(&path);
        let more = if command[0] == "run" { &fresh[..] } else { &[] };
        let ended = lab.run(&[command, more].concat());
        assert_eq!(ended.code, Some(code), "{place}: {ended:?}");
        let name = path.file_name().expect("a name").to_string_lossy();
        let said = &ended.stderr;
        assert!(said.contains(WHY) && said.contains(&*name), "{ended:?}");
        assert!(
            fs::symlink_metadata(&path).is_ok(),
            "{place} is still there"
        );
    }
}

/// One bad file among the certificates of a grid is no reason to trust none.
#[test]
fn a_pipe_among_certificates_is_left_out() {
    let lab = Lab::new();
    fs::create_dir(lab.path("anchors")).expect("a folder");
    fs::copy(lab.path("ca.pem"), lab.path("anchors/a.pem")).expect("a certificate");
    pipe(&lab.path("anchors/z.pem"));
    lab.endpoints(&[("se", "https://localhost:1")], "    ca: anchors\n");
    let ended = lab.run(&["check"]).expect(0);
    assert!(
        ended.stderr.contains("left out") && ended.stderr.contains("z.pem"),
        "{ended:?}"
    );
}

/// What the shell has opened for us is somebody's to write.
#[test]
fn what_the_shell_hands_over_is_read() {
    let lab = lab();
    let binary = env!("CARGO_BIN_EXE_touchstone");
    let script = format!("'{binary}' check -e <(cat endpoints.yaml)");
    let mut shell = lab.touchstone(&[]);
    let environment: Vec<_> = shell
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    shell = Command::new("bash");
    shell
        .args(["-c", &script])
        .current_dir(lab.path(""))
        .envs(environment);
    // Its files lie beside the pipe.
    let ended = crate::common::lab::Ended::of(&mut shell);
    assert!(!ended.stderr.contains("no regular file"), "{ended:?}");
    assert!(ended.stderr.contains("ca.pem"), "it was read: {ended:?}");
}

#[test]
fn a_secret_that_everybody_may_read_is_spoken_of() {
    for (mode, told) in [(0o644, true), (0o606, true), (0o640, false), (0o600, false)] {
        let lab = lab();
        let key = lab.path("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("a mode");
        for name in ["rsa.pem", "neighbour.pem"] {
            fs::set_permissions(lab.path(name), fs::Permissions::from_mode(0o600)).expect("a mode");
        }
        let ended = lab.run(&["check"]).expect(0);
        let warning = format!("key.pem has the mode {mode:03o}");
        let lines = ended.stderr.matches("has the mode").count();
        assert_eq!(ended.stderr.contains(&warning), told, "{ended:?}");
        assert_eq!(lines, usize::from(told), "once: {ended:?}");
    }
}
