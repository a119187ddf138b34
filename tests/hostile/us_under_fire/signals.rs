//! Signals at random moments, and terminals and pipes that go away.

use std::net::TcpListener;
use std::path::Path;
use std::thread;

use rustix::process::Signal;

use super::fire::{BUSY, Dice, FEW, Fallen, Fire, Process, record};
use crate::common::test_bed::TestBed;
use crate::common::waiting::NEVER;

const LANES: u64 = 4;
const ROUNDS: usize = 25;
/// What is sent; the last one goes to a process that has to ignore it.
const SIGNALS: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::PIPE];

#[test]
fn a_hundred_signals_at_random_moments_leave_nothing_behind() {
    let seed = Dice::seed();
    let interrupted: usize = thread::scope(|scope| {
        let lanes = (0..LANES).map(|lane| scope.spawn(move || lane_of_signals(seed + lane)));
        let lanes: Vec<_> = lanes.collect();
        lanes
            .into_iter()
            .map(|lane| lane.join().expect("a lane"))
            .sum()
    });
    assert!(
        interrupted > 25,
        "only {interrupted} came in the middle, seed {seed}"
    );
}

/// Says how many runs were interrupted in the middle.
fn lane_of_signals(seed: u64) -> usize {
    let fire = Fire::new();
    let mut dice = Dice::new(seed);
    let whole = fire.whole(&mut fire.run(&BUSY, &["--report-dir", "whole", "--format", "json"]));
    let mut interrupted = 0;
    for round in 0..ROUNDS {
        let signal = SIGNALS[usize::try_from(dice.below(4)).expect("it is small")];
        // Until the process ignores it, which it does before its first request, SIGPIPE ends it.
        let earliest = u64::from(signal == Signal::PIPE);
        let moment = dice.below(whole).max(earliest);
        let name = format!("round-{round}");
        let reports = fire.bed.path(&name);
        let mut command = fire.run(&BUSY, &["--report-dir", &name, "--format", "json"]);
        let process = fire.until_request(moment, &mut command, &name);
        process.signal(signal);
        let ended = process.wait();
        let what = format!("seed {seed}, {signal:?} after {moment} of {whole} requests: {ended}");
        interrupted += usize::from(judge(&ended, signal, &reports, &what));
        fire.expect_nothing_left(&reports, &what);
    }
    interrupted
}

/// Whether it came in the middle.
fn judge(ended: &Fallen, signal: Signal, reports: &Path, what: &str) -> bool {
    assert!(!ended.stderr.contains("panicked"), "{what}");
    match ended.code {
        Some(130) if !reports.join("run.json").exists() => {
            assert!(ended.stderr.contains("before anything was sent"), "{what}");
            false
        }
        Some(130) => {
            assert_eq!(record(reports)["run"]["interrupted"], true, "{what}");
            assert!(
                ended.stderr.contains("stopping: running cases end"),
                "{what}"
            );
            assert!(ended.stdout.contains("Statistics by Tag"), "{what}");
            true
        }
        // It came before anybody listened, or when all was done.
        None => {
            assert_eq!(ended.signal, Some(signal.as_raw()), "{what}");
            assert!(signal != Signal::PIPE && !reports.exists(), "{what}");
            false
        }
        Some(0) => {
            assert_eq!(record(reports)["run"]["interrupted"], false, "{what}");
            false
        }
        _ => panic!("{what}"),
    }
}

/// A server that takes connections and says nothing.
fn silent(bed: &TestBed) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let limits = format!("    limits: {{preflight: {NEVER}, connect: {NEVER}}}\n");
    bed.endpoints(&[("se", &format!("https://{address}"))], &limits);
    listener
}

#[test]
fn nobody_waits_for_silent_storage_after_a_signal() {
    let fire = Fire::new();
    let listener = silent(&fire.bed);
    let mut command = fire.run(&FEW, &["--report-dir", "out"]);
    let process = Process::start(&mut command, &fire.bed.path("silent"));
    let _connection = listener.accept().expect("a connection");
    process.signal(Signal::TERM);
    // Whoever waited for the storage would tell that it is not there, or hang.
    process.wait().expect(130, &["stopping: running cases end"]);
    let reports = fire.bed.path("out");
    assert_eq!(record(&reports)["run"]["interrupted"], true);
    fire.expect_nothing_left(&reports, "silent");
}

#[test]
fn the_second_signal_ends_at_once_and_clean_does_the_rest() {
    let fire = Fire::new();
    let mut command = fire.run(&["*"], &["--report-dir", "out", "--jobs", "1"]);
    let process = fire.busy(&mut command, "twice");
    process.signal(Signal::INT);
    process.signal(Signal::HUP);
    // One after the other even if both came before anybody looked.
    let told = fire.bed.path("twice.err");
    let stopped = || std::fs::read_to_string(&told).is_ok_and(|text| text.contains("stopped; "));
    let ended = match stopped() {
        true => process.wait(),
        false => {
            process.signal(Signal::TERM);
            process.wait()
        }
    };
    let ended = ended.expect(
        130,
        &["stopping: ", "once more", "stopped; ", "`touchstone clean`"],
    );
    assert_eq!(ended.stdout, "", "nothing is judged");
    assert!(!fire.bed.path("out/run.json").exists());
    fire.bed.run(&["clean", "--report-dir", "out"]).expect(0);
    fire.expect_nothing_left(&fire.bed.path("out"), "after clean");
}

/// Runs its arguments on a terminal that is closed once there is something on it; the code follows.
const ON_A_TERMINAL: &str = "
import os, pty, sys
process, terminal = pty.fork()
if process == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
while b' cases, ' not in seen:
    seen += os.read(terminal, 4096)
os.close(terminal)
_, status = os.waitpid(process, 0)
print(os.waitstatus_to_exitcode(status))
";

#[test]
fn a_closed_terminal_stops_the_run_and_teardown_happens() {
    let fire = Fire::new();
    let python = ["python3", "-c", ON_A_TERMINAL];
    let mut command = fire.run_by(&python, &BUSY, &["--report-dir", "out", "--jobs", "1"]);
    command.env("TERM", "xterm");
    let ended = fire.ended(&mut command, "terminal").expect(0, &[]);
    assert_eq!(ended.stdout.trim(), "130", "{ended}");
    let reports = fire.bed.path("out");
    assert_eq!(record(&reports)["run"]["interrupted"], true);
    fire.expect_nothing_left(&reports, "a closed terminal");
}
