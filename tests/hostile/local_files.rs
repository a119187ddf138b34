//! Files of this machine that are not what they seem, or that more people may read than should.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::common::test_bed::TestBed;

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo runs").success());
}

/// A lab whose endpoint is nowhere: nothing here gets as far as that.
fn bed() -> TestBed {
    let bed = TestBed::new();
    bed.endpoints(&[("se", "https://localhost:1")], "");
    bed
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
        let bed = bed();
        let path = bed.path(place);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        if path.exists() {
            fs::remove_file(&path).expect("a file");
        }
        pipe(&path);
        let more = if command[0] == "run" { &fresh[..] } else { &[] };
        let ended = bed.run(&[command, more].concat());
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
    let bed = TestBed::new();
    fs::create_dir(bed.path("anchors")).expect("a folder");
    fs::copy(bed.path("ca.pem"), bed.path("anchors/a.pem")).expect("a certificate");
    pipe(&bed.path("anchors/z.pem"));
    bed.endpoints(&[("se", "https://localhost:1")], "    ca: anchors\n");
    let ended = bed.run(&["check"]).expect(0);
    assert!(
        ended.stderr.contains("left out") && ended.stderr.contains("z.pem"),
        "{ended:?}"
    );
}

/// What the shell has opened for us is somebody's to write.
#[test]
fn what_the_shell_hands_over_is_read() {
    let bed = bed();
    let binary = env!("CARGO_BIN_EXE_touchstone");
    let script = format!("'{binary}' check -e <(cat endpoints.yaml)");
    let mut shell = bed.touchstone(&[]);
    let environment: Vec<_> = shell
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    shell = Command::new("bash");
    shell
        .args(["-c", &script])
        .current_dir(bed.path(""))
        .envs(environment);
    // Its files lie beside the pipe.
    let ended = crate::common::test_bed::Ended::of(&mut shell);
    assert!(!ended.stderr.contains("no regular file"), "{ended:?}");
    assert!(ended.stderr.contains("ca.pem"), "it was read: {ended:?}");
}

#[test]
fn a_secret_that_everybody_may_read_is_spoken_of() {
    for (mode, told) in [(0o644, true), (0o606, true), (0o640, false), (0o600, false)] {
        let bed = bed();
        let key = bed.path("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("a mode");
        for name in ["rsa.pem", "neighbour.pem"] {
            fs::set_permissions(bed.path(name), fs::Permissions::from_mode(0o600)).expect("a mode");
        }
        let ended = bed.run(&["check"]).expect(0);
        let warning = format!("key.pem has the mode {mode:03o}");
        let lines = ended.stderr.matches("has the mode").count();
        assert_eq!(ended.stderr.contains(&warning), told, "{ended:?}");
        assert_eq!(lines, usize::from(told), "once: {ended:?}");
    }
}
