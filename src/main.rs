//! The `touchstone` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    touchstone::cli::main()
}
