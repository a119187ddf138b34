//! `touchstone token`

mod login;

use clap::{Args, Subcommand};

use super::output::Failed;
use crate::redact::Redactor;

#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    pub what: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Logs a person in, in a browser on any machine, and keeps the refresh token in the account's file
    #[command(after_help = "Example:\n  touchstone token login wlcg --scope 'storage.read:/'")]
    Login(login::LoginArgs),
}

/// `touchstone token`
pub async fn main(arguments: &TokenArgs, redactor: &Redactor) -> Result<u8, Failed> {
    match &arguments.what {
        TokenCommand::Login(arguments) => login::main(arguments, redactor).await,
    }
}
