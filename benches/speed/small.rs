//! The proof, the start, the size; and the relay for whoever wants one.

use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::common::delay::Relay;
use crate::measure::{binary, measure as cost};
use crate::say;
use crate::table::{Page, milliseconds, seconds};

/// Starts, of which the middle one counts.
const STARTS: usize = 20;

pub fn prove(page: &mut Page, quick: bool) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(binary());
    command.arg("prove").current_dir(folder.path());
    if quick {
        command.args(["--fault", "create-*", "--case", "capability.create.*"]);
    }
    let cost = cost(&command);
    let faults = cost.stdout.lines().find_map(faults);
    let row = vec![
        faults.map_or_else(|| "?".into(), |count| count.to_string()),
        seconds(cost.wall),
        seconds(cost.cpu),
        faults.map_or_else(String::new, |count| {
            format!("{:.1}", f64::from(count) / cost.wall.as_secs_f64())
        }),
        format!("{:.0} MB", cost.memory),
        cost.code.to_string(),
    ];
    let header = [
        "faults",
        "wall",
        "CPU",
        "faults per second",
        "memory",
        "exit code",
    ];
    page.table("prove", &header, &[row]);
}

/// `775 faults, …`
fn faults(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace();
    let pairs = words.clone().zip(words.by_ref().skip(1));
    pairs
        .filter(|(_, word)| word.trim_end_matches([',', ':', ';', '.']) == "faults")
        .find_map(|(number, _)| number.parse().ok())
}

pub fn measure(page: &mut Page, quick: bool) {
    let mut starts: Vec<Duration> = (0..if quick { 3 } else { STARTS })
        .map(|_| start())
        .collect();
    starts.sort();
    let middle = starts[starts.len() / 2];
    let bytes = fs::metadata(binary()).map_or(0, |file| file.len());
    let megabytes = f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) * 1.024e-3;
    let rows = [
        vec!["start (list cases)".into(), milliseconds(middle)],
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

fn start() -> Duration {
    let mut command = Command::new(binary());
    command.args(["list", "cases"]);
    let begun = Instant::now();
    let output = command.output().expect("the binary runs");
    let took = begun.elapsed();
    assert!(output.status.success(), "list cases ends with 0");
    took
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
