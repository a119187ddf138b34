//! A laboratory whose storage is looked at, and processes that are ended before their time.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use touchstone_reference::{Storage, StorageOptions};

use crate::common::test_bed::{TestBed, read_record};
use crate::common::waiting::{wait_telling, wait_until};

/// Cases that write, move, copy and transfer.
pub const BUSY: [&str; 4] = [
    "capability.create.*",
    "webdav.move*",
    "webdav.copy*",
    "tpc.pair.*",
];
/// A few of them.
pub const FEW: [&str; 1] = ["capability.create.*"];

/// Two storage elements, which remember their requests, and what is in them from the start.
pub struct Fire {
    pub bed: TestBed,
    pub storages: [Storage; 2],
    before: [Vec<String>; 2],
}

impl Fire {
    pub fn new() -> Self {
        let bed = TestBed::new();
        let storages = [storage(&bed), storage(&bed)];
        let urls = [("se", storages[0].url()), ("partner", storages[1].url())];
        bed.endpoints(&urls, "");
        let before = [storages[0].paths(), storages[1].paths()];
        Self {
            bed,
            storages,
            before,
        }
    }

    /// `touchstone run` of these cases at the first storage element.
    pub fn run(&self, cases: &[&str], more: &[&str]) -> Command {
        self.bed.touchstone(&arguments(cases, more))
    }

    /// The same, begun by another program such as `sh -c`, which finds it in its arguments.
    pub fn run_by(&self, program: &[&str], cases: &[&str], more: &[&str]) -> Command {
        let inner = self.run(cases, more);
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(self.bed.folder.path());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// How many objects there are that were not there from the start.
    pub fn left(&self) -> Vec<String> {
        let left = self.storages.iter().zip(&self.before);
        left.flat_map(|(storage, before)| {
            let paths = storage.paths().into_iter();
            paths.filter(|path| !before.contains(path))
        })
        .collect()
    }

    /// Fails if anything is on the storage that was not there from the start, or a ledger in the folder.
    pub fn expect_nothing_left(&self, reports: &Path, what: &str) {
        assert_eq!(self.left(), [""; 0], "left on the storage: {what}");
        assert_eq!(ledgers(reports), [""; 0], "left in the folder: {what}");
    }

    /// How many requests the storage elements have seen.
    pub fn requests(&self) -> usize {
        self.storages.iter().map(Storage::request_count).sum()
    }

    /// Runs these cases to their end; how many requests that takes.
    pub fn whole(&self, command: &mut Command) -> u64 {
        let before = self.requests();
        self.ended(command, "whole").expect(0, &[]);
        u64::try_from(self.requests() - before).expect("it is small")
    }

    /// Begins a run, and waits until the storage elements have seen so many requests of it, or it has ended.
    pub fn until_request(&self, number: u64, command: &mut Command, name: &str) -> Process {
        let before = self.requests();
        let mut process = Process::start(command, &self.bed.path(name));
        let number = usize::try_from(number).expect("it is small");
        wait_until("requests", || {
            self.requests() >= before + number || state(&mut process.child).is_some()
        });
        process
    }

    /// Runs it to its end with its streams in files.
    pub fn ended(&self, command: &mut Command, name: &str) -> Fallen {
        Process::start(command, &self.bed.path(name)).wait()
    }

    /// Begins a run, and waits until it has made something.
    pub fn busy(&self, command: &mut Command, name: &str) -> Process {
        let mut process = Process::start(command, &self.bed.path(name));
        process.until(|| !self.left().is_empty());
        process
    }
}

fn arguments<'a>(cases: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["run", "--endpoint", "se"];
    for case in cases {
        arguments.extend(["--case", case]);
    }
    arguments.extend(more);
    arguments
}

fn storage(bed: &TestBed) -> Storage {
    bed.start(StorageOptions {
        recorded: true,
        ..bed.two_areas()
    })
}

/// The files in `reports` and the folders below it that are, or were to be, ledgers.
pub fn ledgers(reports: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(reports).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(ledgers(&entry.path())),
            _ if name.contains("ledger-") => found.push(name),
            _ => {}
        }
    }
    found
}

/// A process whose streams go to files, ended when it is dropped.
pub struct Process {
    child: Child,
    streams: [PathBuf; 2],
}

impl Process {
    pub fn start(command: &mut Command, place: &Path) -> Self {
        let streams = ["out", "err"].map(|end| place.with_extension(end));
        let [out, err] = streams
            .each_ref()
            .map(|path| File::create(path).expect("a file"));
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the binary runs");
        Self { child, streams }
    }

    pub fn signal(&self, signal: Signal) {
        // It may have ended, and stays a zombie until it is waited for.
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// Waits until `there`, and fails when the process ends before.
    pub fn until(&mut self, there: impl Fn() -> bool) {
        let told = |streams: &[PathBuf; 2]| {
            format!("what is waited for never came: {}", text(&streams[1]))
        };
        wait_telling(
            || told(&self.streams),
            || {
                let ended = state(&mut self.child);
                assert!(
                    ended.is_none(),
                    "it has ended: {ended:?}\n{}",
                    text(&self.streams[1])
                );
                there()
            },
        );
    }

    pub fn wait(mut self) -> Fallen {
        let mut status = None;
        let told = self.streams[1].clone();
        let told = || format!("the process does not end: {}", text(&told));
        wait_telling(told, || {
            status = state(&mut self.child);
            status.is_some()
        });
        let status = status.expect("it has ended");
        Fallen {
            code: status.code(),
            signal: status.signal(),
            stdout: text(&self.streams[0]),
            stderr: text(&self.streams[1]),
        }
    }
}

/// How it has ended, if it has.
fn state(child: &mut Child) -> Option<ExitStatus> {
    child.try_wait().expect("its state")
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Fallen {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Fallen {
    /// Fails with both streams unless it ended with `code`, said all of `parts`, and did not panic.
    pub fn expect(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing: {self}");
        }
        assert!(!self.stderr.contains("panicked"), "{self}");
        self
    }
}

impl std::fmt::Display for Fallen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            signal,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "code {code:?}, signal {signal:?}\nstdout:\n{stdout}\nstderr:\n{stderr}"
        )
    }
}

fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The reasons of the cases that are not passed.
pub fn reasons(record: &Value) -> Vec<String> {
    let results = record["results"].as_array().expect("results").iter();
    let open = results.filter(|result| result["verdict"] != "pass");
    open.map(|result| {
        format!(
            "{} {}: {}",
            result["verdict"].as_str().unwrap_or_default(),
            result["case"].as_str().unwrap_or_default(),
            result["reason"].as_str().unwrap_or_default()
        )
    })
    .collect()
}

/// The record in a folder of reports.
pub fn record(reports: &Path) -> Value {
    read_record(&reports.join("run.json"))
}

/// Numbers without order (xorshift64*), the same for the same seed.
pub struct Dice(u64);

impl Dice {
    /// `TOUCHSTONE_TEST_SEED` or the time; whoever fails prints it.
    pub fn seed() -> u64 {
        let told = std::env::var("TOUCHSTONE_TEST_SEED").ok();
        told.and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 16)
    }

    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit
    }
}
