//! `touchstone generate`: completions, manual pages and schemas, all made from the definitions.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::args::Arguments;
use super::exit;
use super::output::{self, Failed};
use touchstone_report::json;
use touchstone_suite::config::{endpoints_schema, suite_schema};

/// What can be generated.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// Prints completions for a shell
    #[command(after_help = "Examples:
  touchstone generate completions bash > ~/.local/share/bash-completion/completions/touchstone
  touchstone generate completions zsh > ~/.zfunc/_touchstone
  touchstone generate completions fish > ~/.config/fish/completions/touchstone.fish")]
    Completions(CompletionsArgs),
    /// Writes manual pages, one for each command
    #[command(after_help = "Example:\n  touchstone generate man ~/.local/share/man/man1")]
    Man(ManArgs),
    /// Prints the JSON Schema of a kind of file
    #[command(
        after_help = "Example:\n  touchstone generate schema endpoints > endpoints.schema.json"
    )]
    Schema(SchemaArgs),
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where the pages go; it is made if it is missing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    #[arg(value_enum)]
    pub kind: SchemaKind,
}

/// The kinds of file that have a schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemaKind {
    /// endpoints.yaml
    Endpoints,
    /// suites/*.yaml, and registers of clauses
    Suite,
    /// run.json
    Run,
}

/// Generates.
///
/// # Errors
/// When the result cannot be written.
pub fn main(command: &GenerateCommand) -> Result<u8, Failed> {
    match command {
        GenerateCommand::Completions(arguments) => {
            let text = completions(arguments.shell);
            output::result(&String::from_utf8_lossy(&text))?;
        }
        GenerateCommand::Man(arguments) => man(&arguments.folder)?,
        GenerateCommand::Schema(arguments) => output::result(&schema(arguments.kind)?)?,
    }
    Ok(exit::OK)
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    text
}

fn man(folder: &Path) -> Result<(), Failed> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let told = |path: &Path, error: std::io::Error| {
        Failed::Undecided(format!(
            "cannot write {}: {error}; check its permissions, or name another folder",
            path.display()
        ))
    };
    std::fs::create_dir_all(folder).map_err(|error| told(folder, error))?;
    for (name, page) in pages(command).map_err(|error| told(folder, error))? {
        let path = folder.join(name);
        std::fs::write(&path, page).map_err(|error| told(&path, error))?;
    }
    Ok(())
}

/// The pages of a command and of those below it, by the names of their files.
fn pages(command: clap::Command) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        all.extend(pages(inner.clone())?);
    }
    let man = clap_mangen::Man::new(command)
        .manual("touchstone")
        .source(concat!("touchstone ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render(&mut page)?;
    all.push((man.get_filename(), page));
    Ok(all)
}

fn schema(kind: SchemaKind) -> Result<String, Failed> {
    let schema = match kind {
        SchemaKind::Endpoints => endpoints_schema(),
        SchemaKind::Suite => suite_schema(),
        SchemaKind::Run => return Ok(json::schema()),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Failed::Undecided(format!("cannot write the schema: {error}")))?;
    Ok(text + "\n")
}
