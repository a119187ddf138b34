use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};

use touchstone_engine::files::open_regular;
use touchstone_reference::{
    Authority, IssuerOptions, Like, ReferenceIssuer, Storage, StorageOptions, compatible,
};
use touchstone_suite::config;

use super::args::{ServeArgs, ServeIssuerArgs, ServeStorageArgs, Served};
use super::output::{self, Failed};
use super::{demo, exit, write};

/// `touchstone serve`
pub async fn main(arguments: &ServeArgs) -> Result<u8, Failed> {
    match &arguments.what {
        Served::Issuer(arguments) => issuer(arguments).await,
        Served::Storage(arguments) => storage(arguments).await,
    }
}

async fn issuer(arguments: &ServeIssuerArgs) -> Result<u8, Failed> {
    let faults = demo::faults(&arguments.faults)?;
    let files = Files::new(arguments.dir.as_deref())?;
    let authority = Authority::new().map_err(did_not_start)?;
    let options = IssuerOptions {
        port: arguments.port,
        faults,
        ..IssuerOptions::default()
    };
    let issuer = ReferenceIssuer::start(&authority, options)
        .await
        .map_err(did_not_start)?;
    let mut text = files.certificate(&authority)?;
    text.push_str(&files.issuer(&issuer)?);
    output::result(&text)?;
    until_interrupted().await;
    Ok(exit::OK)
}

async fn storage(arguments: &ServeStorageArgs) -> Result<u8, Failed> {
    let faults = demo::faults(&arguments.common.faults)?;
    let like = arguments.like.as_deref().map(demo::like).transpose()?;
    let of_like = like.map(Like::deviations).unwrap_or_default();
    let of_storage: Vec<_> = of_like.into_iter().chain(faults.clone()).collect();
    compatible(&of_storage).map_err(|why| Failed::Usage(format!("--like and --fault: {why}")))?;
    let files = Files::new(arguments.common.dir.as_deref())?;
    let authority = Authority::new().map_err(did_not_start)?;
    let mut text = files.certificate(&authority)?;
    let own;
    let (url, ca) = match &arguments.issuer {
        Some(url) => {
            config::check_issuer_url(url)
                .map_err(|problem| Failed::Usage(format!("--issuer: {problem}")))?;
            let ca = match &arguments.issuer_ca {
                None => String::new(),
                Some(path) => open_regular(path)
                    .and_then(std::io::read_to_string)
                    .map_err(|error| {
                        Failed::Usage(format!(
                            "cannot read --issuer-ca {}: {error}",
                            path.display()
                        ))
                    })?,
            };
            (url.as_str(), ca)
        }
        None => {
            let options = IssuerOptions {
                port: arguments.issuer_port,
                rs256: like.is_some_and(|like| like.rs256),
                faults,
                ..IssuerOptions::default()
            };
            own = ReferenceIssuer::start(&authority, options)
                .await
                .map_err(did_not_start)?;
            text.push_str(&files.issuer(&own)?);
            (own.url(), authority.ca_pem().to_owned())
        }
    };
    let options = StorageOptions {
        port: arguments.common.port,
        area: arguments.area.clone(),
        issuer: url.to_owned(),
        issuer_ca_pem: ca,
        faults: of_storage,
        ..StorageOptions::default()
    };
    let storage = Storage::start(&authority, options)
        .await
        .map_err(did_not_start)?;
    text.push_str(&format!(
        "storage:        {}{}\n",
        storage.url(),
        arguments.area
    ));
    output::result(&text)?;
    until_interrupted().await;
    Ok(exit::OK)
}

/// What a client of the servers needs, as files.
struct Files {
    folder: PathBuf,
    /// Removes the folder at the end, when nobody chose it.
    _temporary: Option<tempfile::TempDir>,
}

impl Files {
    fn new(chosen: Option<&Path>) -> Result<Self, Failed> {
        if let Some(folder) = chosen {
            write::create_folder(folder).map_err(|error| Failed::Usage(error.to_string()))?;
            return Ok(Self {
                folder: folder.to_owned(),
                _temporary: None,
            });
        }
        let temporary = tempfile::Builder::new()
            .prefix("touchstone-serve-")
            .tempdir()
            .map_err(|error| Failed::Undecided(format!("no temporary directory: {error}")))?;
        Ok(Self {
            folder: temporary.path().to_owned(),
            _temporary: Some(temporary),
        })
    }

    fn certificate(&self, authority: &Authority) -> Result<String, Failed> {
        let path = self.write("ca.pem", authority.ca_pem())?;
        Ok(format!("ca:             {path}\n"))
    }

    /// The secrets go to files, and only where they are is printed.
    fn issuer(&self, issuer: &ReferenceIssuer) -> Result<String, Failed> {
        let key = self.secret("test-key.pem", issuer.test_key_pem())?;
        let secret = self.secret("client-secret", issuer.client_secret())?;
        let narrow = self.secret("narrow-client-secret", issuer.narrow_client_secret())?;
        let token = issuer
            .refresh_token(&issuer.consent())
            .map_err(did_not_start)?;
        let token = self.secret("refresh-token", &token)?;
        let lines = [
            ("issuer:", issuer.url()),
            ("client-id:", issuer.client_id()),
            ("client-secret:", &secret),
            ("narrow-id:", issuer.narrow_client_id()),
            ("narrow-secret:", &narrow),
            ("test-key:", &key),
            ("test-key-id:", issuer.test_key_id()),
            ("user:", issuer.user()),
            ("refresh-token:", &token),
            ("devices:", &issuer.verification_url()),
        ];
        let line = |(name, value): (&str, &str)| format!("{name:<16}{value}\n");
        Ok(lines.map(line).concat())
    }

    /// For nobody else to read.
    fn secret(&self, name: &str, secret: &SecretString) -> Result<String, Failed> {
        let path = self.folder.join(name);
        write::write_secret(&path, secret).map_err(|error| Failed::Undecided(error.to_string()))?;
        Ok(path.display().to_string())
    }

    fn write(&self, name: &str, content: &str) -> Result<String, Failed> {
        let path = self.folder.join(name);
        write::write_file(&path, content.as_bytes())
            .map_err(|error| Failed::Undecided(error.to_string()))?;
        Ok(path.display().to_string())
    }
}

fn did_not_start(error: touchstone_reference::ReferenceError) -> Failed {
    Failed::Undecided(format!("the server did not start: {error}"))
}

async fn until_interrupted() {
    match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        _ => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
