//! A process, measured from outside, and what its run record counts.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tempfile::TempDir;

/// Names another build to be measured.
const OTHER: &str = "TOUCHSTONE_MEASURED";

/// What is measured: the build that belongs to this benchmark, unless the environment names another one.
pub fn binary() -> PathBuf {
    let other = std::env::var_os(OTHER).map(PathBuf::from);
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_touchstone").into())
}

/// This process serves thousands of connections; what is measured keeps the limit that users have.
static DESCRIPTORS: OnceLock<Option<u64>> = OnceLock::new();

/// Lets this process open as many files as it ever may.
pub fn raise_descriptors() {
    DESCRIPTORS.get_or_init(|| {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        setrlimit(Resource::Nofile, raised).ok().and(limit.current)
    });
}

/// Runs the words behind it with the streams in files. Prints the process id; then wall clock, exit code, and what
/// `times` says of the children. A shell knows processor time to the millisecond, /proc only to ten.
const SHELL: &str = r#"
ulimit -S -n "$MEASURED_DESCRIPTORS"
begun=$EPOCHREALTIME
"$@" >"$MEASURED_STDOUT" 2>"$MEASURED_STDERR" </dev/null &
echo $!
wait $!
code=$?
ended=$EPOCHREALTIME
echo "$begun $ended $code"
times
"#;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Every how many looks the sockets are counted: there may be thousands.
const SOCKETS: usize = 10;

/// What a process cost.
#[derive(Clone, Debug)]
pub struct Cost {
    pub wall: Duration,
    /// User and system together.
    pub cpu: Duration,
    /// The most memory that it held, in MB.
    pub memory: f64,
    /// The most sockets that it had open when somebody looked.
    pub sockets: usize,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` to its end; its environment and folder are kept.
pub fn measure(command: &Command) -> Cost {
    let folder = TempDir::new().expect("a temporary folder");
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let mut shell = Command::new("bash");
    shell.args(["-c", SHELL, "measure"]);
    shell.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("LC_ALL", "C");
    let descriptors = DESCRIPTORS.get().copied().flatten();
    let descriptors = descriptors.map_or_else(|| "unlimited".into(), |limit| limit.to_string());
    shell.env("MEASURED_DESCRIPTORS", descriptors);
    shell.env("MEASURED_STDOUT", &stdout);
    shell.env("MEASURED_STDERR", &stderr);
    let mut child = shell.stdout(Stdio::piped()).spawn().expect("bash runs");
    let mut output = child.stdout.take().expect("its output");
    let mut text = String::new();
    while !text.ends_with('\n') {
        let mut byte = [0];
        output.read_exact(&mut byte).expect("a process id");
        text.push(char::from(byte[0]));
    }
    let process = format!("/proc/{}", text.trim());
    let (mut memory, mut sockets, mut looks) = (0, 0, 0);
    while child.try_wait().expect("bash").is_none() {
        memory = memory.max(peak(&process));
        if looks % SOCKETS == 0 {
            sockets = sockets.max(open_sockets(&process));
        }
        looks += 1;
        sleep(LOOK);
    }
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("its times");
    let read = |path: &Path| fs::read(path).unwrap_or_default();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [begun, ended, code, _, _, user, system] = words[..] else {
        panic!("unexpected times: {rest:?}");
    };
    let clock = |text: &str| text.replace(',', ".").parse::<f64>().expect("a time");
    Cost {
        wall: Duration::from_secs_f64((clock(ended) - clock(begun)).max(0.0)),
        cpu: minutes(user) + minutes(system),
        memory: f64::from(u32::try_from(memory).unwrap_or(u32::MAX)) / 1024.0,
        sockets,
        code: code.parse().expect("an exit code"),
        stdout: String::from_utf8_lossy(&read(&stdout)).into_owned(),
        stderr: String::from_utf8_lossy(&read(&stderr)).into_owned(),
    }
}

/// As `times` has it: `0m1.234s`.
fn minutes(text: &str) -> Duration {
    let (minutes, seconds) = text.split_once('m').expect("minutes");
    let seconds = seconds.trim_end_matches('s').replace(',', ".");
    let number = |text: &str| text.parse::<f64>().expect("a number");
    Duration::from_secs_f64(number(minutes) * 60.0 + number(&seconds))
}

/// In kB; 0 once it is gone.
fn peak(process: &str) -> u64 {
    let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn open_sockets(process: &str) -> usize {
    let Ok(entries) = fs::read_dir(format!("{process}/fd")) else {
        return 0;
    };
    let targets = entries
        .flatten()
        .flat_map(|entry| fs::read_link(entry.path()));
    let socket = |target: &std::path::PathBuf| target.to_string_lossy().starts_with("socket:");
    targets.filter(socket).count()
}

/// What a run record counts; everything else in it is passed over, for it may be large.
#[derive(Debug, Default, Deserialize)]
pub struct Counts {
    run: RunCounts,
    results: Vec<ResultCounts>,
}

#[derive(Debug, Default, Deserialize)]
struct RunCounts {
    #[serde(default)]
    issuers: Vec<IssuerCounts>,
}

#[derive(Debug, Deserialize)]
struct IssuerCounts {
    requests: usize,
}

#[derive(Debug, Deserialize)]
struct ResultCounts {
    verdict: String,
    exchanges: Vec<IgnoredAny>,
}

impl Counts {
    /// Of a run.json.
    pub fn read(path: &Path) -> Self {
        let file = File::open(path).expect("a run record");
        serde_json::from_reader(BufReader::new(file)).expect("a run record in JSON")
    }

    /// The exchanges of all cases; teardown and preflight are not among them.
    pub fn exchanges(&self) -> usize {
        let all = self.results.iter();
        all.map(|result| result.exchanges.len()).sum()
    }

    pub fn token_requests(&self) -> usize {
        self.run.issuers.iter().map(|issuer| issuer.requests).sum()
    }

    /// Cases that ran.
    pub fn ran(&self) -> usize {
        self.results.len() - self.of("skip")
    }

    /// `6 pass, 1 fail`
    pub fn verdicts(&self) -> String {
        let kinds = ["pass", "warn", "fail", "error", "skip"];
        let some = kinds.map(|kind| (kind, self.of(kind)));
        let some = some.iter().filter(|(_, count)| *count > 0);
        let words: Vec<_> = some
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        words.join(", ")
    }

    fn of(&self, verdict: &str) -> usize {
        let all = self.results.iter();
        all.filter(|result| result.verdict == verdict).count()
    }
}
