//! Several processes in one folder.

use std::fs;

use super::fire::{BUSY, FEW, Fire, Process, record};

#[test]
fn two_runs_with_one_folder_leave_the_reports_of_one() {
    let fire = Fire::new();
    let names = ["one", "two"];
    let processes = names.map(|name| {
        let mut command = fire.run(&FEW, &["--report-dir", "out"]);
        Process::start(&mut command, &fire.bed.path(name))
    });
    for process in processes {
        process.wait().expect(0, &["reports: out"]);
    }
    let reports = fire.bed.path("out");
    let run = record(&reports)["run"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let page = fs::read_to_string(reports.join("report.html")).expect("the page");
    let summary = fs::read_to_string(reports.join("summary.md")).expect("the summary");
    assert!(
        page.contains(&run) && summary.contains(&run),
        "not some of each"
    );
    fire.expect_nothing_left(&reports, "two runs");
}

#[test]
fn two_runs_without_a_folder_both_go_into_the_history() {
    let fire = Fire::new();
    let names = ["one", "two", "three"];
    let processes = names.map(|name| {
        let mut command = fire.run(&FEW, &[]);
        Process::start(&mut command, &fire.bed.path(name))
    });
    for process in processes {
        process.wait().expect(0, &["reports: reports/"]);
    }
    let reports = fire.bed.path("reports");
    let index = fs::read_to_string(reports.join("index.html")).expect("the index");
    let mut runs = 0;
    for entry in fs::read_dir(&reports).expect("reports") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its kind").is_dir() {
            let name = entry.file_name().into_string().expect("a name");
            assert!(index.contains(&name), "{name} is not in the index");
            runs += 1;
        }
    }
    assert_eq!(runs, names.len());
    assert!(reports.join("latest/run.json").exists());
    fire.expect_nothing_left(&reports, "runs side by side");
}

#[test]
fn clean_leaves_a_living_run_alone() {
    let fire = Fire::new();
    let mut command = fire.run(&BUSY, &["--report-dir", "out", "--jobs", "1"]);
    let process = fire.busy(&mut command, "living");
    // It stays in the middle for as long as somebody cleans up.
    process.signal(rustix::process::Signal::STOP);
    let before = fire.left();
    let old = ["clean", "--report-dir", "out", "--older-than", "1h"];
    let mut clean = fire.bed.touchstone(&old);
    let ended = fire.ended(&mut clean, "clean").expect(3, &["left alone"]);
    assert!(
        ended
            .stdout
            .contains("nothing is left behind but by the run that seems to go on"),
        "{ended}"
    );
    assert_eq!(fire.left(), before);
    process.signal(rustix::process::Signal::CONT);
    let ended = process.wait().expect(0, &[]);
    fire.expect_nothing_left(&fire.bed.path("out"), &ended.stdout);
}
