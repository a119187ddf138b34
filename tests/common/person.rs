//! Somebody at a terminal, who logs in by the device flow.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use super::test_bed::{Ended, TestBed};

/// Somebody at a terminal.
pub struct Person {
    pub process: Child,
    stderr: BufReader<ChildStderr>,
    /// What was on stderr so far.
    pub seen: String,
}

impl Person {
    /// `token login` for that issuer.
    pub fn at(bed: &TestBed, issuer: &str, arguments: &[&str]) -> Self {
        let mut command = bed.touchstone(&["token", "login", issuer]);
        Self::with(command.args(arguments))
    }

    /// The same with a command of one's own.
    pub fn with(command: &mut Command) -> Self {
        let streams = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = streams.spawn().expect("the binary runs");
        let stderr = BufReader::new(process.stderr.take().expect("its stderr"));
        Self {
            process,
            stderr,
            seen: String::new(),
        }
    }

    /// Waits for the code, and gives it back.
    pub fn code(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("a line");
            assert!(read > 0, "no code: {}", self.seen);
            self.seen.push_str(&line);
            if line.starts_with("Waiting until") {
                break;
            }
        }
        let (_, rest) = self.seen.split_once("enter the code ").expect("a code");
        rest.lines().next().expect("a code").to_owned()
    }

    /// What came of it.
    pub fn end(mut self) -> Ended {
        let mut stderr = std::mem::take(&mut self.seen);
        self.stderr.read_to_string(&mut stderr).expect("its stderr");
        let output = self.process.wait_with_output().expect("it ends");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr,
        }
    }
}
