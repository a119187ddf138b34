//! The commands, one file each. Only here something is printed, and exit codes are decided.

mod args;
mod check;
mod clean;
mod coverage;
mod demo;
mod explain;
mod generate;
mod inputs;
mod issuer;
mod list;
mod listen;
mod output;
mod progress;
mod prove;
mod run;
mod serve;
mod stage;
mod token;
mod write;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use output::Failed;

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
}

/// Runs the command line and returns the exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe is nobody's business.
            let _ = error.print();
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::OK
            };
            return ExitCode::from(code);
        }
    };
    let redactor = crate::redact::Redactor::default();
    output::log_to_stderr(&redactor);
    output::redact_panics(&redactor);
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
    let result = runtime.block_on(dispatch(arguments.command, &redactor));
    // A name lookup that hangs must not keep the process alive.
    runtime.shutdown_background();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Failed::BrokenPipe) => ExitCode::from(exit::OK),
        Err(Failed::Usage(message)) => {
            output::problem(&redactor.text(&message));
            ExitCode::from(exit::USAGE)
        }
        Err(Failed::Problems(problems)) => {
            output::problems(&problems);
            ExitCode::from(exit::USAGE)
        }
        Err(Failed::Undecided(message)) => {
            output::problem(&redactor.text(&message));
            ExitCode::from(exit::UNDECIDED)
        }
    }
}

async fn dispatch(command: Command, redactor: &crate::redact::Redactor) -> Result<u8, Failed> {
    match command {
        Command::Demo(arguments) => demo::main(&arguments, redactor).await,
        Command::Run(arguments) => run::main(&arguments, redactor).await,
        Command::List(arguments) => list::main(&arguments),
        Command::Explain(arguments) => explain::main(&arguments),
        Command::Check(arguments) => check::main(&arguments, redactor).await,
        Command::Prove(arguments) => prove::main(&arguments, redactor).await,
        Command::Clean(arguments) => clean::main(&arguments, redactor).await,
        Command::Serve(arguments) => serve::main(&arguments).await,
        Command::Token(command) => token::main(&command, redactor).await,
        Command::Generate(command) => generate::main(&command),
        Command::Issuer(command) => issuer::main(&command, redactor),
    }
}
