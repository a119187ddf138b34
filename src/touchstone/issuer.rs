//! `touchstone issuer …`

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};

use touchstone_engine::token::load;
use touchstone_engine::token::publish::{PublicKey, key_set, metadata, new_key};
use touchstone_model::SecretRef;
use touchstone_model::redact::Redactor;
use touchstone_report::text::line;
use touchstone_suite::config;

use super::exit;
use super::output::{self, Failed};
use super::write::{self, WriteError};

const METADATA: &str = ".well-known/openid-configuration";
const KEYS: &str = "jwks";

#[derive(Debug, Subcommand)]
pub enum IssuerCommand {
    /// Writes the files with which any web server is a test issuer whose key is yours
    #[command(after_help = "\
DIR is what a web server has to serve at URL: metadata and the public half of the key. Tokens are made by `touchstone run` with
the private half, which stays with you. docs/test-issuer.md tells how a storage element trusts it for a scratch area.

Example:
  touchstone issuer export public --url https://example.org/touchstone")]
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The folder to be served; it is made if it is missing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The issuer: the https URL at which the folder is served, as it will stand in `iss`
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// A private key at hand, EC P-256 or RSA, PKCS#8 in PEM; may be repeated
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// Where a new key is written, when none is given [default: DIR.key.pem]
    #[arg(long, value_name = "FILE", conflicts_with = "keys")]
    pub new_key: Option<PathBuf>,
    /// Replace files of an earlier export; a key is never replaced
    #[arg(long)]
    pub force: bool,
}

/// `touchstone issuer …`
pub fn main(command: &IssuerCommand, redactor: &Redactor) -> Result<u8, Failed> {
    match command {
        IssuerCommand::Export(arguments) => export(arguments, redactor),
    }
}

fn export(arguments: &ExportArgs, redactor: &Redactor) -> Result<u8, Failed> {
    config::check_issuer_url(&arguments.url)
        .map_err(|problem| Failed::Usage(format!("--url: {problem}")))?;
    let folder = &arguments.folder;
    let places = [folder.join(METADATA), folder.join(KEYS)];
    if !arguments.force
        && let Some(taken) = places.iter().find(|place| place.exists())
    {
        return Err(Failed::Usage(format!(
            "{} is there already; --force replaces it",
            taken.display()
        )));
    }
    for folder in places.iter().filter_map(|place| place.parent()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failed::Usage(format!(
                "cannot make the folder {}: {error}",
                folder.display()
            ))
        })?;
    }
    let made = arguments.keys.is_empty();
    let paths = if made {
        vec![arguments.new_key.clone().unwrap_or_else(|| beside(folder))]
    } else {
        arguments.keys.clone()
    };
    let mut keys = Vec::new();
    for path in &paths {
        outside(folder, path)?;
        let pem = if made { make(path)? } else { read(path)? };
        redactor.add(&pem);
        let key = PublicKey::of(&pem, None)
            .map_err(|reason| Failed::Usage(format!("{}: {reason}", path.display())))?;
        keys.push(key);
    }
    for (place, content) in places
        .iter()
        .zip([metadata(&arguments.url), key_set(&keys)])
    {
        put(place, &format!("{content:#}\n"))?;
    }
    let mut text = String::new();
    for place in &places {
        text += &format!("wrote    {}\n", line(&place.display().to_string()));
    }
    for (path, key) in paths.iter().zip(&keys) {
        let what = if made { "new key " } else { "key     " };
        text += &format!(
            "{what} {} ({}, kid {})\n",
            line(&path.display().to_string()),
            key.algorithm,
            key.kid
        );
    }
    text += &next(&arguments.url, folder, &paths, &keys);
    output::result(&text)?;
    Ok(exit::OK)
}

/// `site` -> `site.key.pem`, beside the folder and not in it.
fn beside(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_else(|| "issuer".as_ref());
    let mut name = name.to_owned();
    name.push(".key.pem");
    match folder.file_name() {
        Some(_) => folder.with_file_name(name),
        // `.` or `..`: its real name has to be known.
        None => match folder.canonicalize() {
            Ok(real) if real.file_name().is_some() => beside(&real),
            _ => PathBuf::from(name),
        },
    }
}

/// A web server would give the key to everybody.
fn outside(folder: &Path, key: &Path) -> Result<(), Failed> {
    let parent = match key.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|error| Failed::Usage(format!("cannot find {}: {error}", path.display())))
    };
    if real(parent)?.starts_with(real(folder)?) {
        return Err(Failed::Usage(format!(
            "the private key {} would be served with the folder {}; keep it elsewhere, for example with --new-key FILE",
            key.display(),
            folder.display()
        )));
    }
    Ok(())
}

fn read(path: &Path) -> Result<SecretString, Failed> {
    load(&SecretRef::File(path.to_owned()), "a private key in PEM")
        .map_err(|error| Failed::Usage(error.to_string()))
}

/// Writes a new key that its owner alone can read, and never over something.
fn make(path: &Path) -> Result<SecretString, Failed> {
    let failed = |error: std::io::Error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                "; use it with --key, or name another with --new-key"
            }
            _ => "",
        };
        Failed::Usage(format!(
            "cannot write the key {}: {error}{advice}",
            path.display()
        ))
    };
    let key = new_key().map_err(|reason| Failed::Undecided(format!("no new key: {reason}")))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(key.expose_secret().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    Ok(key)
}

fn put(place: &Path, content: &str) -> Result<(), Failed> {
    write::write_file(place, content.as_bytes()).map_err(|error| {
        let reason = match error {
            WriteError::File { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        Failed::Undecided(format!("cannot write {}: {reason}", place.display()))
    })
}

/// What is left to do, with the lines for endpoints.yaml.
fn next(url: &str, folder: &Path, paths: &[PathBuf], keys: &[PublicKey]) -> String {
    let entries: Vec<_> = paths
        .iter()
        .zip(keys)
        .map(|(path, key)| {
            let path = path.canonicalize().unwrap_or_else(|_| path.clone());
            // A JSON string is a YAML string.
            let file = serde_json::Value::from(path.display().to_string());
            let kid = serde_json::Value::from(key.kid.as_str());
            format!("      - {{file: {file}, kid: {kid}}}\n")
        })
        .collect();
    format!(
        "
Next:
1. Serve {} at {url} over https, with a certificate that storage elements trust. Both files are
   application/json:
     curl -i {}/{METADATA}
2. Let a scratch area of the storage element trust {url}, and nothing else: docs/test-issuer.md.
3. Name it in endpoints.yaml, and at the endpoint `issuer: test`:

issuers:
  test:
    url: {url}
    test-key:
{}
Whoever has the key can write tokens for that area: keep it, and end the trust when the tests are over.
",
        line(&folder.display().to_string()),
        url.trim_end_matches('/'),
        entries.concat()
    )
}
