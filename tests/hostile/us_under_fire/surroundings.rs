//! Streams, folders and variables that a process usually has.

use super::fire::{FEW, Fire, record};
use crate::common::test_bed::expect_no_objects;
use crate::common::test_bed::{SECRET, expect_no_secret};

#[test]
fn a_run_needs_no_streams() {
    let fire = Fire::new();
    for (name, closed) in [
        ("in", "<&-"),
        ("out", ">&-"),
        ("err", "2>&-"),
        ("all", "<&- >&- 2>&-"),
    ] {
        let script = format!(r#"exec "$0" "$@" {closed}"#);
        let folder = format!("reports/{name}");
        let mut command = fire.run_by(&["sh", "-c", &script], &FEW, &["--report-dir", &folder]);
        // What is logged has to go nowhere.
        command.env("RUST_LOG", "debug");
        let ended = fire.ended(&mut command, name).expect(0, &[]);
        assert_eq!(record(&fire.bed.path(&folder))["run"]["interrupted"], false);
        let texts = vec![
            (name.to_owned(), ended.stderr),
            (name.to_owned(), ended.stdout),
        ];
        expect_no_secret(&fire.bed, &texts);
    }
    fire.expect_nothing_left(&fire.bed.path("reports"), "no streams");
}

#[test]
fn a_reader_who_has_enough_changes_no_verdict() {
    let fire = Fire::new();
    // The reader is gone before anything is written, and the code is that of the run.
    let script = r#"{ "$0" "$@"; echo $? >code; } | true"#;
    let sh = ["bash", "-c", script];
    let storage = fire.bed.storage(&["create-overwrites"]);
    fire.bed.endpoints(&[("se", storage.url())], "");
    let mut command = fire.run_by(&sh, &FEW, &["--report-dir", "pipe"]);
    let ended = fire
        .ended(&mut command, "pipe")
        .expect(0, &["reports: pipe"]);
    let code = std::fs::read_to_string(fire.bed.path("code")).expect("a code");
    assert_eq!(code.trim(), "1", "{ended}");
    expect_no_objects(&storage);
}

#[test]
fn a_stdout_without_room_is_told_and_the_reports_are_there() {
    let fire = Fire::new();
    let script = r#"exec "$0" "$@" >/dev/full"#;
    let mut command = fire.run_by(&["sh", "-c", script], &FEW, &["--report-dir", "out"]);
    let parts = ["cannot write to stdout: No space left", "reports: out"];
    fire.ended(&mut command, "full").expect(4, &parts);
    assert!(fire.bed.path("out/table.txt").exists());
    let script = r#"exec "$0" "$@" 2>/dev/full"#;
    let mut command = fire.run_by(&["sh", "-c", script], &FEW, &["--report-dir", "out"]);
    command.env("RUST_LOG", "debug");
    fire.ended(&mut command, "full").expect(0, &[]);
}

#[test]
fn odd_surroundings_change_nothing() {
    let fire = Fire::new();
    let mut bare = fire.run(&FEW, &["--report-dir", "out/bare"]);
    let kept = bare.get_envs().find(|(name, _)| *name == SECRET);
    let kept = kept
        .and_then(|(_, value)| value)
        .expect("the secret")
        .to_owned();
    bare.env_clear().env(SECRET, &kept);
    fire.ended(&mut bare, "bare").expect(0, &[]);
    let mut odd = fire.run(&FEW, &["--report-dir", "out/odd"]);
    odd.env_remove("HOME")
        .env("TERM", "dumb")
        .env("LC_ALL", "POSIX")
        .env("TMPDIR", "/nonexistent");
    fire.ended(&mut odd, "odd").expect(0, &[]);
    // Names of 255 bytes are the longest, and paths of 4095.
    let long = format!("out/{}", vec!["x".repeat(200); 17].join("/"));
    let mut command = fire.run(&FEW, &["--report-dir", &long]);
    fire.ended(&mut command, "long").expect(0, &[]);
    let before = fire.requests();
    for (name, path) in [("name", "x".repeat(300)), ("path", "x/".repeat(2200))] {
        let mut command = fire.run(&FEW, &["--report-dir", &path]);
        let parts = [
            "cannot make the folder",
            "File name too long",
            "--report-dir",
        ];
        fire.ended(&mut command, name).expect(3, &parts);
    }
    assert_eq!(fire.requests(), before, "nothing is sent");
    fire.expect_nothing_left(&fire.bed.path("out"), "odd surroundings");
}

#[test]
fn a_folder_that_is_gone_or_closed_is_told_before_anything_is_sent() {
    let fire = Fire::new();
    let gone = r#"mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@""#;
    let file = fire.bed.path("endpoints.yaml").display().to_string();
    let mut command = fire.run_by(&["sh", "-c", gone], &FEW, &["-e", &file]);
    let parts = ["cannot make the folder reports/", "--report-dir"];
    fire.ended(&mut command, "gone").expect(3, &parts);
    assert_eq!(fire.requests(), 0);
    let out = fire.bed.path("out").display().to_string();
    let mut command = fire.run_by(
        &["sh", "-c", gone],
        &FEW,
        &["-e", &file, "--report-dir", &out],
    );
    fire.ended(&mut command, "gone").expect(0, &[]);
    let closed = r#"umask 777 && exec "$0" "$@""#;
    let mut command = fire.run_by(&["sh", "-c", closed], &FEW, &["--report-dir", "umask/out"]);
    let ended = fire.ended(&mut command, "umask");
    // Root may do everything; others cannot enter the folder that they made.
    match rustix::process::getuid().is_root() {
        true => ended.expect(0, &[]),
        false => ended.expect(3, &["Permission denied"]),
    };
    assert_eq!(fire.left(), [""; 0]);
}
