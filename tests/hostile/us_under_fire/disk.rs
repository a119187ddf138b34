//! Disks that are full or read-only, and places that take no reports.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::fire::{FEW, Fallen, Fire, ledgers, reasons, record};
use crate::common::test_bed::read_record;

/// Mounts a disk of `$1` bytes over `full` in a namespace of its own, does `$2` there, and runs the rest.
const ON_A_DISK: &str =
    r#"mount -t tmpfs -o "$0,mode=777" none full && eval "$1" && shift && exec "$@""#;
/// Fills it, up to the last byte.
const FILL: &str = "! cat /dev/zero >full/zeros 2>/dev/null";

/// Runs with the folder `full` on a disk of its own, on which `before` was done.
fn on_disk(fire: &Fire, options: &str, before: &str, more: &[&str]) -> Fallen {
    fs::create_dir_all(fire.bed.path("full")).expect("a folder");
    fs::create_dir_all(fire.bed.path("tmp")).expect("a folder");
    // Nobody but root mounts without a namespace of users.
    let own = match rustix::process::getuid().is_root() {
        true => "-m",
        false => "-rm",
    };
    let program = ["unshare", own, "sh", "-c", ON_A_DISK, options, before];
    let mut command = fire.run_by(&program, &FEW, more);
    command.env("TMPDIR", fire.bed.path("tmp"));
    fire.ended(&mut command, "disk")
}

/// The record that was kept elsewhere.
fn kept(fire: &Fire) -> serde_json::Value {
    let entries = fs::read_dir(fire.bed.path("tmp")).expect("the folder");
    let paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    read_record(&paths[0])
}

#[test]
fn without_a_ledger_nothing_is_sent() {
    let fire = Fire::new();
    let ledger = [
        "full/ledger-",
        "nothing is created on storage",
        "--report-dir",
    ];
    let full = ["No space left on device"];
    on_disk(&fire, "size=16k", FILL, &["--report-dir", "full"])
        .expect(3, &[&ledger[..], &full].concat());
    let more = ["--report-dir", "full"];
    on_disk(&fire, "size=16k,ro", "true", &more)
        .expect(3, &[&ledger[..], &["Read-only file system"]].concat());
    let more = ["--report-dir", "full/new"];
    let parts = [
        "cannot make the folder full/new",
        "Read-only",
        "another with --report-dir",
    ];
    on_disk(&fire, "size=16k,ro", "true", &more).expect(3, &parts);
    assert_eq!(fire.requests(), 0);
    assert_eq!(
        fs::read_dir(fire.bed.path("tmp"))
            .expect("the folder")
            .count(),
        0
    );
}

#[test]
fn a_disk_that_fills_up_stops_new_objects_and_not_the_teardown() {
    let fire = Fire::new();
    let ended = on_disk(&fire, "size=4k", "true", &["--report-dir", "full"]);
    let parts = [
        "cannot write full/run.json",
        "No space left",
        "the run record is kept in ",
    ];
    let ended = ended.expect(3, &parts);
    assert!(ended.stdout.contains("Statistics by Tag"), "{ended}");
    let record = kept(&fire);
    let reasons = reasons(&record);
    let full = |reason: &String| {
        reason.starts_with("error")
            && reason.contains("No space left")
            && reason.contains("nothing is created")
    };
    assert!(reasons.iter().all(full), "{reasons:?}");
    assert!(!reasons.is_empty(), "{record}");
    assert_eq!(fire.left(), [""; 0], "{ended}");
}

#[test]
fn reports_that_find_no_room_are_told_one_by_one_and_the_others_written() {
    let fire = Fire::new();
    let formats = ["junit", "html", "csv", "markdown", "table", "prometheus"];
    let named: Vec<_> = formats
        .iter()
        .map(|name| format!("{name}=full/{name}.x"))
        .collect();
    let named = format!("{},json,ticket=full/tickets", named.join(","));
    let more = [
        "--report-dir",
        "out",
        "--format",
        &named,
        "--history",
        "full/history",
        "--trace",
        "full/trace.json",
    ];
    let ended = on_disk(&fire, "size=16k", FILL, &more);
    let mut parts: Vec<_> = formats
        .iter()
        .map(|name| format!("cannot write full/{name}.x: "))
        .collect();
    parts.push("Later runs will not know of this one".into());
    parts.push("cannot write the trace full/trace.json: No space left on device".into());
    parts.push("choose another file with --trace".into());
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    let ended = ended.expect(4, &parts);
    assert!(
        ended
            .stderr
            .matches("check the permissions and the free space")
            .count()
            >= formats.len(),
        "{ended}"
    );
    let record = record(&fire.bed.path("out"));
    assert_eq!(record["run"]["interrupted"], false);
    assert!(ended.stdout.contains("Statistics by Tag"), "{ended}");
    fire.expect_nothing_left(&fire.bed.path("out"), "no room");
}

#[test]
fn files_that_may_not_grow_are_errors_and_not_the_end() {
    let fire = Fire::new();
    fs::create_dir_all(fire.bed.path("tmp")).expect("a folder");
    let mut none = fire.run_by(&["prlimit", "--fsize=0"], &FEW, &["--report-dir", "none"]);
    // Its stderr is a file as well.
    let ended = fire.ended(none.env("TMPDIR", fire.bed.path("tmp")), "none");
    assert_eq!((ended.code, ended.signal), (Some(3), None), "{ended}");
    assert_eq!(fire.requests(), 0, "nothing is sent without a ledger");
    let small = ["prlimit", "--fsize=12000"];
    let mut small = fire.run_by(
        &small,
        &FEW,
        &["--report-dir", "out", "--format", "html,table"],
    );
    let ended = fire.ended(&mut small, "small");
    let parts = [
        "cannot write out/report.html: File too large",
        "the run record cannot be kept",
    ];
    assert!(matches!(ended.code, Some(3 | 4)), "{ended}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{ended}");
    }
    assert!(fire.bed.path("out/table.txt").exists(), "{ended}");
    assert_eq!(fire.left(), [""; 0], "{ended}");
}

#[test]
fn places_that_take_no_report_are_told_and_the_others_are_written() {
    let fire = Fire::new();
    let bed = &fire.bed;
    fs::create_dir_all(bed.path("out/junit.xml/inside")).expect("a folder");
    let fifo = Command::new("mkfifo").arg(bed.path("fifo")).status();
    assert!(fifo.expect("mkfifo runs").success());
    symlink(bed.path("nowhere"), bed.path("dangling.html")).expect("a link");
    let formats = "junit,table,csv=fifo,html=dangling.html,markdown=fifo/summary.md";
    let mut command = fire.run(&FEW, &["--report-dir", "out", "--format", formats]);
    let parts = [
        "cannot write out/junit.xml: Is a directory",
        "cannot write to the pipe fifo: ",
        "is its reader running?",
        "cannot make the folder fifo: ",
    ];
    fire.ended(&mut command, "places").expect(4, &parts);
    assert!(bed.path("out/run.json").exists() && bed.path("out/table.txt").exists());
    assert!(
        fs::read_to_string(bed.path("dangling.html"))
            .expect("the page")
            .contains("<html")
    );
    assert!(!bed.path("nowhere").exists(), "the link is replaced");
    fire.expect_nothing_left(&bed.path("out"), "places");

    let before = fire.requests();
    symlink(bed.path("nowhere"), bed.path("dangling")).expect("a link");
    let mut command = fire.run(&FEW, &["--report-dir", "dangling"]);
    fire.ended(&mut command, "dangling")
        .expect(3, &["cannot make the folder dangling: "]);
    let device = ["/dev/full is neither a file nor a pipe", "--format html"];
    let mut command = fire.run(&FEW, &["--format", "html=/dev/full"]);
    fire.ended(&mut command, "device").expect(2, &device);
    assert_eq!(fire.requests(), before, "nothing is sent");
}

#[test]
fn a_folder_that_vanishes_during_the_run_comes_back_with_the_reports() {
    let fire = Fire::new();
    let mut command = fire.run(&FEW, &["--report-dir", "out/deep", "--jobs", "1"]);
    let process = fire.busy(&mut command, "vanishes");
    fs::remove_dir_all(fire.bed.path("out")).expect("it is gone");
    process.wait().expect(0, &["reports: out/deep"]);
    assert!(fire.bed.path("out/deep/report.html").exists());
    assert_eq!(ledgers(&fire.bed.path("out")), [""; 0]);
    assert_eq!(fire.left(), [""; 0]);
}
