//! `kill -9`, and ledgers that are not whole.

use std::fs;
use std::thread;

use rustix::process::Signal;

use super::fire::{BUSY, Dice, FEW, Fire, ledgers};

/// Where the runs leave their ledgers, and only what they have to.
const WHERE: [&str; 4] = ["--report-dir", "out", "--format", "json"];
const LANES: u64 = 4;
const ROUNDS: usize = 25;
/// So many are killed in one folder before somebody cleans up.
const TOGETHER: usize = 5;

#[test]
fn clean_finishes_a_hundred_runs_that_were_killed_at_random_moments() {
    let seed = Dice::seed();
    let found: usize = thread::scope(|scope| {
        let lanes = (0..LANES).map(|lane| scope.spawn(move || lane_of_kills(seed + lane)));
        let lanes: Vec<_> = lanes.collect();
        lanes
            .into_iter()
            .map(|lane| lane.join().expect("a lane"))
            .sum()
    });
    assert!(found > 25, "only {found} had left something, seed {seed}");
}

/// Says how many had left something on the storage.
fn lane_of_kills(seed: u64) -> usize {
    let fire = Fire::new();
    let mut dice = Dice::new(seed);
    let whole = fire.whole(&mut fire.run(&BUSY, &WHERE));
    let reports = fire.bed.path("out");
    let mut found = 0;
    for round in 0..ROUNDS / TOGETHER {
        let mut moments = Vec::new();
        for _ in 0..TOGETHER {
            let before = fire.left().len();
            let moment = dice.below(whole);
            moments.push(moment);
            let mut command = fire.run(&BUSY, &WHERE);
            let process = fire.until_request(moment, &mut command, "killed");
            process.signal(Signal::KILL);
            process.wait();
            found += usize::from(fire.left().len() > before);
        }
        let what = format!("seed {seed}, round {round}, after {moments:?} of {whole} requests");
        let mut clean = fire.bed.touchstone(&["clean", "--report-dir", "out"]);
        let ended = fire.ended(&mut clean, "clean").expect(0, &[]);
        let tidy = ended.stdout.contains("nothing is left behind\n");
        assert!(tidy, "{what}: {ended}");
        fire.expect_nothing_left(&reports, &what);
    }
    found
}

#[test]
fn a_ledger_that_is_cut_or_spoilt_still_serves() {
    let fire = Fire::new();
    let reports = fire.bed.path("out");
    let mut command = fire.run(&FEW, &["--report-dir", "out", "--jobs", "1"]);
    let process = fire.busy(&mut command, "killed");
    process.signal(Signal::KILL);
    process.wait();
    let name = &ledgers(&reports)[0];
    let path = reports.join(name);
    let whole = fs::read(&path).expect("the ledger");
    let spoilt = [
        whole.as_slice(),
        b"\xff\xfe\0garbage\n{\"create\": {}}\n",
        br#"{"create":{"endpoint":"se","area":"https://elsewh"#,
    ];
    fs::write(&path, spoilt.concat()).expect("a file");
    for (name, content) in [
        ("ledger-20261122t072848z-00000a.jsonl", ""),
        ("ledger-20261122t072848z-00000b.jsonl", "\0\0\0\0"),
    ] {
        fs::write(reports.join(name), content).expect("a file");
    }
    let foreign = reports.join("ledger-notes.jsonl");
    fs::write(&foreign, "not ours\n").expect("a file");
    let mut clean = fire.bed.touchstone(&["clean", "--report-dir", "out"]);
    let parts = [
        "3 lines could not be read",
        "it does not begin with the name of a run",
    ];
    fire.ended(&mut clean, "clean").expect(3, &parts);
    assert_eq!(fire.left(), [""; 0]);
    assert_eq!(
        ledgers(&reports),
        ["ledger-notes.jsonl"],
        "what is no ledger stays"
    );
}
