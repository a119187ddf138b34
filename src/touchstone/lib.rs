//! The program: a file for each command. Only here something is printed, and exit codes are decided.
//!
//! | modules | what they do |
//! |---|---|
//! | `args` | the command line of every command |
//! | `run`, `demo`, `prove`, `check`, `clean`, `merge`, `report`, `diff`, `history`, `list`, `explain`, `token`, `import`, `issuer`, `serve`, `generate` | the commands |
//! | `inputs`, `source_files`, `addresses`, `downtimes` | what a run starts from: files, flags, names of hosts, lists |
//! | `test_bed`, `servers` | the embedded servers, and ours beside a real endpoint |
//! | `formats`, `write`, `remember` | reports, files and the history after a run |
//! | `output`, `progress`, `stop`, `trace` | the terminal, signals, and where the time went |
//! | `process`, `core_dumps` | what the process asks of the system |

mod addresses;
mod args;
mod check;
mod clean;
mod core_dumps;
mod coverage;
mod demo;
mod diff;
mod downtimes;
mod explain;
mod formats;
mod generate;
mod history;
mod import;
mod inputs;
mod issuer;
mod list;
mod merge;
mod output;
mod process;
mod progress;
mod prove;
mod remember;
mod report;
mod run;
mod serve;
mod servers;
mod source_files;
mod stop;
mod test_bed;
mod token;
mod trace;
mod write;

#[cfg(test)]
#[path = "../../tests/common/waiting.rs"]
#[allow(dead_code, reason = "the tests outside use other parts of it")]
mod waiting;

use std::process::ExitCode;

use clap::Parser;
use tracing::Instrument as _;

use args::{Arguments, Command};
use output::Failed;
use trace::Trace;

use touchstone_engine::trace::span;

pub use token::text as token_text;

/// What the process says with its exit code.
pub mod exit {
    /// Everything required passed.
    pub const OK: u8 = 0;
    /// At least one MUST failed that nobody has announced.
    pub const FAILED: u8 = 1;
    /// Wrong usage or configuration; nothing was sent.
    pub const USAGE: u8 = 2;
    /// Nothing could be judged, or a part stayed undecided.
    pub const UNDECIDED: u8 = 3;
    /// A report could not be written.
    pub const REPORT: u8 = 4;
    /// Stopped by a signal, after teardown.
    pub const INTERRUPTED: u8 = 130;
    /// As a Nagios plugin: nothing can be said.
    pub const PLUGIN_UNKNOWN: u8 = 3;
}

/// Runs the command line and returns the exit code.
pub fn main() -> ExitCode {
    core_dumps::disable();
    let plugin = formats::plugin(std::env::args_os());
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe is nobody's business.
            let _ = error.print();
            if plugin && error.use_stderr() {
                let told = error.to_string();
                let first = told.lines().next().unwrap_or_default();
                return unknown(first.trim_start_matches("error: "));
            }
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::OK
            };
            return ExitCode::from(code);
        }
    };
    let redactor = touchstone_model::redact::Redactor::default();
    let trace = Trace::of(&arguments.command);
    output::log_to_stderr(&redactor, trace.as_ref().map(Trace::collector));
    output::redact_panics(&redactor);
    process::raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::problem(&format!("no runtime: {error}"));
            return ExitCode::from(exit::UNDECIDED);
        }
    };
    let result = runtime.block_on(async {
        process::survive_large_files();
        let work = dispatch(arguments.command, &redactor);
        work.instrument(span!("run")).await
    });
    // A name lookup that hangs must not keep the process alive.
    runtime.shutdown_background();
    // However the run ended, its trace is whole.
    let drawn = trace.is_none_or(|trace| trace.write(&redactor));
    let (code, message) = match result {
        Ok(exit::OK) if !drawn => return ExitCode::from(exit::REPORT),
        Ok(code) => return ExitCode::from(code),
        Err(Failed::BrokenPipe) => return ExitCode::from(exit::OK),
        Err(Failed::Interrupted) => (
            exit::INTERRUPTED,
            "interrupted before anything was sent to storage".to_owned(),
        ),
        Err(Failed::Usage(message)) => (exit::USAGE, redactor.text(&message)),
        Err(Failed::Undecided(message)) => (exit::UNDECIDED, redactor.text(&message)),
        Err(Failed::Problems(problems)) => {
            output::problems(&problems);
            if plugin {
                let told = problems.to_string();
                return unknown(told.lines().next().unwrap_or_default());
            }
            return ExitCode::from(exit::USAGE);
        }
    };
    output::problem(&message);
    if plugin {
        return unknown(&message);
    }
    ExitCode::from(code)
}

/// Ends as a Nagios plugin that could not do its work: who runs it reads stdout.
fn unknown(reason: &str) -> ExitCode {
    let _ = output::result(&touchstone_report::nagios::unknown(reason));
    ExitCode::from(exit::PLUGIN_UNKNOWN)
}

async fn dispatch(
    command: Command,
    redactor: &touchstone_model::redact::Redactor,
) -> Result<u8, Failed> {
    match command {
        Command::Demo(arguments) => demo::main(&arguments, redactor).await,
        Command::Run(arguments) => run::main(&arguments, redactor).await,
        Command::Merge(arguments) => merge::main(&arguments).await,
        Command::List(arguments) => list::main(&arguments),
        Command::Explain(arguments) => explain::main(&arguments),
        Command::Report(arguments) => report::main(&arguments).await,
        Command::Check(arguments) => check::main(&arguments, redactor).await,
        Command::Prove(arguments) => prove::main(&arguments, redactor).await,
        Command::Diff(arguments) => diff::main(&arguments),
        Command::Clean(arguments) => clean::main(&arguments, redactor).await,
        Command::Serve(arguments) => serve::main(&arguments).await,
        Command::History(arguments) => history::main(&arguments),
        Command::Token(command) => token::main(&command, redactor).await,
        Command::Import(arguments) => import::main(&arguments),
        Command::Generate(command) => generate::main(&command),
        Command::Issuer(command) => issuer::main(&command, redactor),
    }
}
