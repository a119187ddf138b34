//! The proof, the start, the size; and the relay for whoever wants one.

use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::common::delay::Relay;
use crate::measure::{binary, measure as cost};
use crate::say;
use crate::table::{Page, each, milliseconds, seconds};

/// Starts, of which the middle one counts.
const STARTS: usize = 20;

/// What a proof may take on two cores.
const PROOF: Duration = Duration::from_secs(90);

pub fn prove(page: &mut Page, quick: bool) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |subcommand: &str, more: &[&str]| {
        let mut command = Command::new(binary());
        command.arg(subcommand).current_dir(folder.path());
        if quick {
            command.args(["--case", "capability.create.*"]).args(more);
        }
        cost(&command)
    };
    let demo = run("demo", &[]);
    let proof = run("prove", &["--fault", "create-*"]);
    let faults = proof.stdout.lines().find_map(faults).unwrap_or(0);
    let rows = [("demo", &demo, 1), ("prove", &proof, faults)].map(|(name, cost, services)| {
        vec![
            name.to_owned(),
            services.to_string(),
            seconds(cost.wall),
            seconds(cost.cpu),
            seconds(each(cost.wall, services)),
            format!("{:.0} MB", cost.memory),
            cost.code.to_string(),
        ]
    });
    let header = [
        "",
        "services on trial",
        "wall",
        "CPU",
        "each",
        "memory",
        "exit code",
    ];
    page.table("Demo and proof", &header, &rows);
    page.target(
        "prove",
        &seconds(PROOF),
        seconds(proof.wall),
        proof.wall < PROOF,
    );
}

/// `775 faults, …`
fn faults(line: &str) -> Option<usize> {
    let words: Vec<_> = line.split_whitespace().collect();
    let pairs = words.windows(2);
    pairs
        .filter(|pair| pair[1].trim_end_matches([',', ':', ';', '.']) == "faults")
        .find_map(|pair| pair[0].parse().ok())
}

pub fn measure(page: &mut Page, quick: bool) {
    let starts = if quick { 3 } else { STARTS };
    let middle = start(starts, &[]);
    let many = ten_times_the_suites();
    let folder = many.path().display().to_string();
    let middle_of_many = start(starts, &["--suites", &folder]);
    let bytes = fs::metadata(binary()).map_or(0, |file| file.len());
    let megabytes = f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) * 1.024e-3;
    let rows = [
        vec!["start (list cases)".into(), milliseconds(middle)],
        // Ten times as long, and a little; what grows with the square of the suites would show here.
        vec![
            "start with ten times the suites more".into(),
            milliseconds(middle_of_many),
        ],
        vec!["size of the binary".into(), format!("{megabytes:.1} MB")],
    ];
    page.table("Small things", &["", ""], &rows);
    page.target(
        "start (list cases)",
        "20 ms",
        milliseconds(middle),
        middle < Duration::from_millis(20),
    );
    page.target(
        "size of the binary",
        "16 MB",
        format!("{megabytes:.1} MB"),
        megabytes < 16.0,
    );
}

/// The middle one of so many starts.
fn start(times: usize, more: &[&str]) -> Duration {
    let one = || {
        let mut command = Command::new(binary());
        command.args(["list", "cases"]).args(more);
        let begun = Instant::now();
        let output = command.output().expect("the binary runs");
        let took = begun.elapsed();
        assert!(output.status.success(), "list cases ends with 0");
        took
    };
    let mut starts: Vec<_> = (0..times).map(|_| one()).collect();
    starts.sort();
    starts[times / 2]
}

/// A folder with ten copies of each built-in suite, each under a name of its own.
fn ten_times_the_suites() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for suite in touchstone_suite::config::builtin_suites() {
        let name = suite.name.rsplit('/').next().unwrap_or_default();
        let name = name.trim_end_matches(".yaml");
        for copy in 'a'..='j' {
            let other = format!("{name}{copy}");
            let text = suite
                .text
                .replace(&format!("suite: {name}"), &format!("suite: {other}"))
                .replace(&format!("id: {name}."), &format!("id: {other}."));
            fs::write(folder.path().join(format!("{other}.yaml")), text).expect("a file");
        }
    }
    folder
}

/// Stands in front of a port of this machine until it is interrupted.
pub fn relay(port: &str, round_trip: &str) -> ExitCode {
    let (Ok(port), Ok(time)) = (port.parse::<u16>(), humantime::parse_duration(round_trip)) else {
        say("a port and a round trip are needed, such as: relay 8443 40ms");
        return ExitCode::from(2);
    };
    let runtime = Runtime::new().expect("a runtime");
    let relay = match Relay::start(&runtime, ([127, 0, 0, 1], port).into(), time) {
        Ok(relay) => relay,
        Err(error) => {
            say(&format!("no relay: {error}"));
            return ExitCode::FAILURE;
        }
    };
    say(&relay.origin());
    let _ = runtime.block_on(tokio::signal::ctrl_c());
    say(&format!("{:?}", relay.counters()));
    ExitCode::SUCCESS
}
