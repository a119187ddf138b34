//! `touchstone token …`

mod get;
mod inspect;
mod login;
pub mod text;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use touchstone_model::Profile;
use touchstone_model::redact::Redactor;

use super::args::{Files, OutputFormat, Target};
use super::output::Failed;

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Obtains a token as a run would; prints it to a pipe or file, and to a terminal with --print only
    #[command(
        mut_arg("issuer", |arg| arg
            .value_name("NAME|URL")
            .help("Which issuer of the file; with --url, whose tokens it takes: the URL as it stands in `iss`")),
        after_help = "Examples:
  export BEARER_TOKEN=$(touchstone token get --endpoint my-se --scope 'storage.read:/')
  touchstone token get --issuer my-vo --scope 'storage.read:/ storage.create:/scratch' \\
      --audience https://se.example.org:8443"
    )]
    Get(Box<GetArgs>),
    /// Tells what a token is, what is wrong with it by the profile, and what it allows; never shows it
    #[command(after_help = "\
Without FILE the token is looked for as WLCG Bearer Token Discovery says: BEARER_TOKEN, BEARER_TOKEN_FILE,
$XDG_RUNTIME_DIR/bt_u<uid>, /tmp/bt_u<uid>.

To verify the signature, the issuer that the token names is asked for its metadata and keys, over https; the token is not sent.
With --offline nobody is asked.

A text that holds a token and is none (in quotes, behind `Bearer `, JSON with access_token, a URL with authz=) is told with how
to mend it, and what is inside is judged; so are claims that somebody has decoded, without their signature.

Exit codes: 0 no requirement is broken; 1 one is; 2 there is no token, or not the token alone; 3 it is a credential that cannot be
read, or with --verify its signature could not be verified.

Examples:
  touchstone token inspect
  oidc-token my-vo | touchstone token inspect -
  touchstone token inspect --at 2026-11-20T12:00:00Z old-token.txt")]
    Inspect(InspectArgs),
    /// Logs a person in, in a browser on any machine, and keeps the refresh token in the account's file
    #[command(after_help = "Example:\n  touchstone token login my-vo --scope 'storage.read:/'")]
    Login(login::LoginArgs),
}

#[derive(Debug, Args)]
pub struct GetArgs {
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub target: Target,
    /// For this endpoint of the file: its issuer and audience, unless others are named
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    pub endpoint: Option<String>,
    /// Scopes, separated by spaces
    #[arg(long, value_name = "SCOPES", default_value = "")]
    pub scope: String,
    /// Whom the token is for; may be repeated [default: the endpoint, or everybody]
    #[arg(long = "audience", value_name = "AUDIENCE")]
    pub audiences: Vec<String>,
    /// A group to ask for; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// Print the token to a terminal as well
    #[arg(long)]
    pub print: bool,
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file that holds the token; `-` is stdin [default: found by discovery]
    #[arg(value_name = "FILE|-")]
    pub file: Option<PathBuf>,
    /// CA certificates beside the system's, for the issuer: a PEM file or a directory
    #[arg(long, value_name = "PATH")]
    pub ca: Vec<PathBuf>,
    /// Judge by this version of the profile
    #[arg(long, value_name = "1.0…1.3", default_value_t)]
    pub profile: Profile,
    /// Judge as of this moment [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Ask nobody: the signature is not verified
    #[arg(long)]
    pub offline: bool,
    /// End with 3 unless the signature could be verified
    #[arg(long, conflicts_with = "offline")]
    pub verify: bool,
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// `touchstone token …`
pub async fn main(command: &TokenCommand, redactor: &Redactor) -> Result<u8, Failed> {
    match command {
        TokenCommand::Get(arguments) => get::main(arguments, redactor).await,
        TokenCommand::Inspect(arguments) => inspect::main(arguments, redactor).await,
        TokenCommand::Login(arguments) => login::main(arguments, redactor).await,
    }
}
