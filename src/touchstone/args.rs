use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use touchstone_model::{Mode, Profile};
use touchstone_suite::plan::ShardPart;

use super::formats::{Choice, choice};
use super::generate::GenerateCommand;
use super::issuer::IssuerCommand;
use super::servers::Address;
use super::token::TokenCommand;

const AFTER: &str = "\
Exit codes:
  0    everything required passed
  1    at least one MUST failed
  2    wrong usage or configuration; nothing was sent
  3    nothing could be judged, or a part stayed undecided
  4    a report could not be written
  130  interrupted, after teardown
With the Nagios plugin's line on stdout (--format nagios): 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN and wrong usage.

RUST_LOG=touchstone=debug logs every exchange to stderr; NO_COLOR switches colours off.";

/// Judges how WLCG storage treats tokens.
#[derive(Debug, Parser)]
#[command(name = "touchstone", version, after_help = AFTER, max_term_width = 110)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows everything at work: all cases against the embedded issuer and storage element
    #[command(after_help = "Example:\n  touchstone demo --fault scope-prefix-match")]
    Demo(DemoArgs),
    /// Runs cases against storage, removes what it made, and writes the reports
    #[command(after_help = "Examples:
  touchstone run
  touchstone run --endpoint 'se-cern-*' --case 'path.*' --strict
  touchstone run --url https://localhost:8443/data --ca ca.pem \\
      --issuer https://localhost:9000/ --test-issuer-key key.pem
  touchstone run --url https://se.example.org:8443/wlcg --issuer https://iam.example.org/ \\
      --client-id me --client-secret-env IAM_SECRET")]
    Run(Box<RunArgs>),
    /// Joins the records of the shards of a run into one, as if it had been whole
    #[command(
        after_help = "Example:\n  touchstone run --shard 1/2 --report-dir one   # and, elsewhere, 2/2\n  touchstone merge one two"
    )]
    Merge(MergeArgs),
    /// Makes reports again from the record of a run
    #[command(after_help = "Examples:
  touchstone report
  touchstone report --from reports/20261122t072848z-4f2a9c --format csv
  touchstone report --from run.json --format nagios
  touchstone report --from run.json --format junit,badge --report-dir public
  touchstone report --from run.json --lenient")]
    Report(ReportArgs),
    /// Lists cases, endpoints, clauses, faults, imitations of software, or formats of reports
    #[command(after_help = "Example:\n  touchstone list cases --format json")]
    List(ListArgs),
    /// Tells what a case does or a clause says, in plain words
    #[command(after_help = "Example:\n  touchstone explain path.sibling-prefix.read")]
    Explain(ExplainArgs),
    /// Checks every file and sends nothing
    #[command(after_help = "Example:\n  touchstone check --connect")]
    Check(CheckArgs),
    /// Shows that the suite sees: all cases against every fault of the embedded storage element
    #[command(after_help = "\
Prints for each fault the cases that caught it, and lists that have to be empty. Exits with 0 if they are, else with 1.

While the cases run against the faultless storage element and issuer, the faults are asked beside whether they would
have answered otherwise. Then each case runs against the faults that would have; all others cannot change how it ends.
With --all every case runs against every fault; the outcome is the same.

With --pairs services have two faults each. A fault is told if one of the cases that it names fails; otherwise each of
these has to say what keeps it from judging, or one of them to name a case that failed by the other fault. Two faults
that exclude each other are no pair.

Examples:
  touchstone prove
  touchstone prove --all
  touchstone prove --pairs 2000 --seed 7
  touchstone prove --fault 'create-*' --case 'capability.create.*' --format json")]
    Prove(ProveArgs),
    /// Tells what changed between two runs; exits with 1 if there are new failures
    #[command(after_help = "\
A run is its run.json, or a folder that holds one. Exits with 1 if a case fails that did not fail before, with 2 if one
of the two cannot be read, else with 0. The first line of the text can be the subject of a mail.

Examples:
  touchstone diff reports/20261121t050000z-000abc reports/latest
  touchstone diff old/run.json new/run.json --format markdown")]
    Diff(DiffArgs),
    /// Removes from storage what interrupted runs left behind
    #[command(after_help = "Examples:
  touchstone clean
  touchstone clean --older-than 1d")]
    Clean(CleanArgs),
    /// Serves the embedded issuer or storage element until interrupted
    #[command(after_help = "Examples:
  touchstone serve issuer --dir issuer
  touchstone serve storage --fault create-overwrites")]
    Serve(ServeArgs),
    /// Tells what earlier runs found: of all endpoints together, or since when and how steadily of each case
    #[command(after_help = "Examples:
  touchstone history
  touchstone history --endpoint my-se
  touchstone history --case 'path.*' --last 90 --format json
  touchstone history --prune 400d")]
    History(HistoryArgs),
    /// Looks into tokens, obtains one, or logs a person in
    #[command(subcommand)]
    Token(TokenCommand),
    /// Makes an endpoints.yaml of what others publish about storage
    #[command(after_help = "\
robot  variables.yaml of the reference suite
cric   https://wlcg-cric.cern.ch/api/core/service/query/?json&type=SE
osg    https://topology.opensciencegrid.org/osdf/namespaces

Examples:
  touchstone import robot variables.yaml -o endpoints.yaml
  touchstone import cric cric.json -o endpoints.yaml")]
    Import(ImportArgs),
    /// Makes an issuer of static files, for tests
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// Prints shell completions and schemas, and writes manual pages
    #[command(subcommand)]
    Generate(GenerateCommand),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct Files {
    /// The endpoints
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "endpoints.yaml",
        env = "TOUCHSTONE_ENDPOINTS"
    )]
    pub endpoints: PathBuf,
    /// A directory with further suites
    #[arg(long, value_name = "DIR")]
    pub suites: Option<PathBuf>,
}

/// An endpoint without a file, and tokens for issuers that have no source of their own.
#[derive(Clone, Debug, Default, Args)]
pub struct Target {
    /// An endpoint without a file: its https URL with the area as path
    #[arg(long, value_name = "URL", conflicts_with = "endpoints")]
    pub url: Option<String>,
    /// Whose tokens it takes: the issuer's URL as it stands in `iss`
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// Client credentials: the client's id
    #[arg(long, value_name = "ID", requires = "client_secret_env")]
    pub client_id: Option<String>,
    /// Client credentials: the environment variable that holds the secret
    #[arg(long, value_name = "NAME", requires = "client_id")]
    pub client_secret_env: Option<String>,
    /// The environment variable that holds a token
    #[arg(long, value_name = "NAME", conflicts_with = "client_id")]
    pub token_env: Option<String>,
    /// The private key of a test issuer, in PEM: any token can be made with it
    #[arg(long, value_name = "FILE")]
    pub test_issuer_key: Option<PathBuf>,
    /// The key id under which the test issuer publishes its key [default: its thumbprint]
    #[arg(
        long,
        value_name = "KID",
        requires = "test_issuer_key",
        allow_hyphen_values = true
    )]
    pub test_issuer_kid: Option<String>,
    /// CA certificates beside the system's: a PEM file or a directory
    #[arg(long, value_name = "PATH")]
    pub ca: Vec<PathBuf>,
}

/// How much a missed clause weighs.
#[derive(Clone, Copy, Debug, Args)]
pub struct ModeArgs {
    /// Recommendations (SHOULD) count as requirements
    #[arg(long)]
    pub strict: bool,
    /// Requirements that no source states, and that are our reading (derived), count as recommendations
    #[arg(long, conflicts_with = "strict")]
    pub lenient: bool,
}

impl ModeArgs {
    /// The mode that was asked for.
    pub fn mode(self) -> Mode {
        match (self.strict, self.lenient) {
            (true, _) => Mode::Strict,
            (false, true) => Mode::Lenient,
            (false, false) => Mode::Normal,
        }
    }
}

/// How to judge and where to write.
#[derive(Clone, Debug, Args)]
pub struct Judging {
    /// Only the cases whose id matches
    #[arg(long = "case", value_name = "GLOB", num_args = 1..)]
    pub cases: Vec<String>,
    /// Cases at the same time per endpoint [default: 48, or the endpoint's own limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Where the reports go [default: reports/<run id>, with reports/latest pointing to it]
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
    /// The reports to make beside run.json, instead of the usual ones; see `touchstone list formats`. Behind `=` a file
    /// (a folder, where there is a file for each endpoint), or `-` for stdout in place of the tables
    #[arg(long = "format", value_name = "NAME[=PATH],…", value_delimiter = ',', value_parser = choice)]
    pub formats: Vec<Choice>,
    /// Judge by this version of the profile, whatever the endpoints declare
    #[arg(long, value_name = "1.0…1.3")]
    pub profile: Option<Profile>,
    #[command(flatten)]
    pub weight: ModeArgs,
    /// Also run the cases that could hurt a service
    #[arg(long)]
    pub intrusive: bool,
    /// Also run the cases that take long
    #[arg(long)]
    pub slow: bool,
    /// Leave the covers out: the cases that are made from tables, which ask for the same in every way there is
    #[arg(long)]
    pub quick: bool,
    /// Run the cases in another order, to see that none depends on another
    #[arg(long, value_name = "NUMBER")]
    pub shuffle: Option<u64>,
    /// For the whole run; teardown comes after it
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = duration)]
    pub deadline: Duration,
    /// Draws where the time went, for https://ui.perfetto.dev or chrome://tracing, and prints the critical path
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub target: Target,
    /// Only the endpoints whose name matches; an issuer is `issuer:NAME`
    #[arg(long = "endpoint", value_name = "GLOB", num_args = 1..)]
    pub only: Vec<String>,
    /// Judges the issuers as well: those of the endpoints, or all of the file
    #[arg(long)]
    pub issuers: bool,
    /// A name of this machine that every storage element can reach: servers are opened there, for tokens
    /// that point to them, and nobody should connect [default: only for storage on this machine]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub listen: Option<Address>,
    /// A certificate for that name which the storage elements trust, PEM with its chain: for our own other
    /// side of third-party copies
    #[arg(long, value_name = "FILE", requires = "listen_key")]
    pub listen_certificate: Option<PathBuf>,
    /// The key of that certificate, PEM
    #[arg(long, value_name = "FILE", requires = "listen_certificate")]
    pub listen_key: Option<PathBuf>,
    /// Lets every endpoint copy from and to every other one, and shows the matrix
    #[arg(long)]
    pub tpc_matrix: bool,
    /// With `--tpc-matrix`: at most so many ordered pairs; of more, a sample that is another in every run
    #[arg(long, value_name = "N", default_value = "100", requires = "tpc_matrix")]
    pub tpc_pairs: NonZeroUsize,
    /// Judges every address of each endpoint's host on its own, in a row `NAME@ADDRESS`
    #[arg(long)]
    pub each_address: bool,
    /// Only part I of N equal parts of the run, counted from 1; `touchstone merge` joins their records
    #[arg(long, value_name = "I/N")]
    pub shard: Option<ShardPart>,
    #[command(flatten)]
    pub remembering: Remembering,
    #[command(flatten)]
    pub judging: Judging,
}

/// The shards of a run, and where it goes.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The run.json of each shard, or the folder that holds it
    #[arg(value_name = "SHARD", required = true)]
    pub shards: Vec<PathBuf>,
    /// Joins them although shards are missing; their cases are missing then, too
    #[arg(long)]
    pub partial: bool,
    /// Where the reports go [default: reports/<run id>-merged, with reports/latest pointing to it]
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
    /// The reports to make beside run.json, instead of the usual ones; see `touchstone list formats`
    #[arg(long = "format", value_name = "NAME[=PATH],…", value_delimiter = ',', value_parser = choice)]
    pub formats: Vec<Choice>,
    #[command(flatten)]
    pub remembering: Remembering,
}

/// What a run leaves to later ones.
#[derive(Clone, Debug, Args)]
pub struct Remembering {
    /// Compares this run with no other one, and leaves nothing to later ones
    #[arg(long)]
    pub no_history: bool,
    /// The verdicts of all runs [default: reports/history.sqlite; with --report-dir none is kept]
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Forget runs that are older
    #[arg(long, value_name = "DAYS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub history_days: u32,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The cases of the endpoints whose name matches
    #[arg(long = "endpoint", value_name = "GLOB", num_args = 1..)]
    pub endpoints: Vec<String>,
    /// The cases whose id matches
    #[arg(long = "case", value_name = "GLOB", num_args = 1..)]
    pub cases: Vec<String>,
    /// The verdicts of all runs
    #[arg(long, value_name = "FILE", default_value = super::remember::HISTORY)]
    pub history: PathBuf,
    /// So many runs, of each endpoint where cases are told
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub last: u32,
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
    /// Forget the runs that began longer ago than this, and tell nothing
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with_all = ["endpoints", "cases", "last", "format"])]
    pub prune: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Adds a storage element with this misbehaviour; several add up; see `touchstone list faults`
    #[arg(long = "fault", value_name = "NAME")]
    pub faults: Vec<String>,
    /// Adds a storage element that behaves like this software; see `touchstone list likes`
    #[arg(long, value_name = "NAME")]
    pub like: Option<String>,
    #[command(flatten)]
    pub judging: Judging,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run.json of a run, or its folder
    #[arg(long, value_name = "RECORD|FOLDER", default_value = "reports/latest")]
    pub from: PathBuf,
    /// The reports to make; see `touchstone list formats`. Behind `=` a file (a folder, where there is a file for each
    /// endpoint), or `-` for stdout; one alone goes to stdout [default: the tables, to stdout]
    #[arg(long = "format", value_name = "NAME[=PATH],…", value_delimiter = ',', value_parser = choice)]
    pub formats: Vec<Choice>,
    /// Where reports without a path go
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
    #[command(flatten)]
    pub weight: ModeArgs,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[arg(value_enum)]
    pub what: Listed,
    /// Only the clauses that are said to be stated, or to be those of an RFC, and that quote nothing
    #[arg(long)]
    pub unquoted: bool,
    #[command(flatten)]
    pub files: Files,
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    Cases,
    Endpoints,
    Clauses,
    Faults,
    Likes,
    Formats,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum OutputFormat {
    #[default]
    Table,
    Json,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Id of a case or a clause
    #[arg(value_name = "CASE|CLAUSE")]
    pub id: String,
    /// A directory with further suites
    #[arg(long, value_name = "DIR")]
    pub suites: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub target: Target,
    /// Also ask every endpoint whether it is there, and every issuer for a token
    #[arg(long)]
    pub connect: bool,
}

#[derive(Debug, Args)]
pub struct ProveArgs {
    /// Only the faults whose name matches; the faultless storage element is always there
    #[arg(long = "fault", value_name = "GLOB", num_args = 1..)]
    pub faults: Vec<String>,
    /// Only the cases whose id matches
    #[arg(long = "case", value_name = "GLOB", num_args = 1..)]
    pub cases: Vec<String>,
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
    /// Run every case against every fault, also those that cannot end otherwise than without it
    #[arg(long)]
    pub all: bool,
    /// Run so many pairs of faults instead, each at one service, against the cases of both: no fault may hide another
    #[arg(long, value_name = "N", conflicts_with = "all", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub pairs: Option<u32>,
    /// What the pairs are drawn by: the same seed draws the same
    #[arg(long, value_name = "S", requires = "pairs", default_value_t = 1)]
    pub seed: u64,
    /// Cases at the same time per storage element; up to 32 of these are on trial at the same time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// Also write proof.json, proof.txt and run.json, which holds every exchange, to this folder
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Whose file it is
    #[arg(value_enum)]
    pub from: ImportFrom,
    /// The file
    pub file: PathBuf,
    /// Where the endpoints.yaml goes; a file that is there is not replaced [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ImportFrom {
    Robot,
    Cric,
    Osg,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The run before: its run.json, the folder of that, or of the history a run id (its start is enough), `previous`
    /// or `latest`
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The run that is told about, in the same ways
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// The verdicts of all runs
    #[arg(long, value_name = "FILE", default_value = super::remember::HISTORY)]
    pub history: PathBuf,
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum DiffFormat {
    #[default]
    Text,
    Markdown,
    Json,
}

#[derive(Debug, Args)]
pub struct CleanArgs {
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub target: Target,
    /// Where the reports of the runs are
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub report_dir: PathBuf,
    /// Look on the storage itself for what runs left that began longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// Also clean up after runs that seem to go on, because somebody holds a lock on their ledgers
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(subcommand)]
    pub what: Served,
}

#[derive(Debug, Subcommand)]
pub enum Served {
    /// An issuer whose key is yours: discovery, key set, client credentials
    #[command(after_help = "Example:\n  touchstone serve issuer --dir issuer --port 9000")]
    Issuer(ServeIssuerArgs),
    /// A storage element, with an issuer of its own unless --issuer names one
    #[command(
        after_help = "Example:\n  touchstone serve storage --dir embedded --port 8445 --issuer-port 8444\n  touchstone serve storage --like storm-webdav-1.9"
    )]
    Storage(ServeStorageArgs),
}

#[derive(Debug, Args)]
pub struct ServeIssuerArgs {
    /// Port to listen on [default: any free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Where CA, key, client secrets and a refresh token are written [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Misbehave like this; several add up; see `touchstone list faults`
    #[arg(long = "fault", value_name = "NAME")]
    pub faults: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ServeStorageArgs {
    #[command(flatten)]
    pub common: ServeIssuerArgs,
    /// Trust this issuer, its URL as it stands in `iss`
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// CA of that issuer, a PEM file
    #[arg(long, value_name = "FILE", requires = "issuer")]
    pub issuer_ca: Option<PathBuf>,
    /// Port of its own issuer [default: any free one]
    #[arg(
        long,
        default_value_t = 0,
        hide_default_value = true,
        conflicts_with = "issuer"
    )]
    pub issuer_port: u16,
    /// Path prefix of the VO
    #[arg(long, value_name = "PATH", default_value = "/wlcg")]
    pub area: String,
    /// Behave like this software; see `touchstone list likes`
    #[arg(long, value_name = "NAME")]
    pub like: Option<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err("it has to be longer than nothing".into()),
        Err(error) => Err(format!("{error}; expected for example 90s, 10m or 1d")),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn a_key_id_may_begin_with_a_hyphen() {
        // One base64url thumbprint in 64 does.
        let line = "touchstone run --url https://h/a --issuer https://i/ --test-issuer-key k --test-issuer-kid -q9Z";
        let arguments = super::Arguments::try_parse_from(line.split(' ')).unwrap();
        let super::Command::Run(run) = arguments.command else {
            panic!("it is a run");
        };
        assert_eq!(run.target.test_issuer_kid.as_deref(), Some("-q9Z"));
    }
}
