//! From files and flags to an inventory and a catalogue of cases.

use std::path::Path;
use std::sync::Arc;

use touchstone_model::{
    Account, ClientAuthentication, DowntimeSource, Endpoint, Inventory, Issuer, Limits,
    OAuthClient, SecretRef, TestKey, TokenSource, Traits, Trust,
};
use touchstone_suite::config::{self, Catalogue};

use super::args::{Files, Target};
use super::output::{self, Failed};
use super::source_files;

/// The embedded suites, and those below `suites`.
pub fn catalogue(suites: Option<&Path>) -> Result<Catalogue, Failed> {
    let extra = match suites {
        Some(folder) => source_files::read_folder(folder)?,
        None => Vec::new(),
    };
    Ok(config::load_catalogue(&extra)?)
}

/// A message about a name that is none, with the one that was probably meant.
pub fn unknown<S: AsRef<str>>(message: &str, name: &str, names: &[S], listed: &str) -> String {
    let suggestion = touchstone_yaml::suggestion(name, names.iter().map(AsRef::as_ref));
    let hint = suggestion
        .map(|hint| format!("; {hint}"))
        .unwrap_or_default();
    format!("{message}{hint} (see `touchstone list {listed}`)")
}

/// What to judge: the endpoints file, or the one endpoint of the flags.
pub fn inventory(
    files: &Files,
    target: &Target,
    catalogue: &Catalogue,
) -> Result<Inventory, Failed> {
    let mut inventory = match &target.url {
        Some(url) => single(url, target)?,
        None if target.issuer.is_some() => {
            return Err(Failed::Usage(
                "--issuer URL needs --url; the issuers of endpoints.yaml stand there".into(),
            ));
        }
        None => {
            let source = source_files::read(&files.endpoints)?;
            let loaded = config::load_inventory(&source, catalogue)?;
            for note in &loaded.notes {
                output::note(&note.to_string());
            }
            loaded.inventory
        }
    };
    apply(target, &files.endpoints, &mut inventory)?;
    Ok(inventory)
}

/// The endpoint that `--url` describes.
fn single(url: &str, target: &Target) -> Result<Inventory, Failed> {
    let (url, area) = config::split_area_url(url)
        .map_err(|problem| Failed::Usage(format!("--url: {problem}")))?;
    let mut issuers = Vec::new();
    if let Some(issuer) = &target.issuer {
        config::check_issuer_url(issuer)
            .map_err(|problem| Failed::Usage(format!("--issuer: {problem}")))?;
        issuers.push(Arc::new(Issuer::bare("issuer", issuer.clone())));
    }
    let endpoint = Endpoint {
        name: url.host_str().unwrap_or("endpoint").to_owned(),
        description: None,
        software: None,
        url,
        area,
        issuer: issuers.first().map(|issuer| issuer.name.clone()),
        ca: Vec::new(),
        profile: None,
        audience: None,
        traits: Traits::default(),
        known_failures: Vec::new(),
        second: None,
        limits: Limits::default(),
        tpc_partner: None,
        fresh_tokens: false,
        redirect_hosts: Vec::new(),
        address: None,
    };
    Ok(Inventory {
        downtimes: Vec::new(),
        issuers,
        endpoints: vec![Arc::new(endpoint)],
    })
}

/// Gives every issuer without a source of its own the one of the flags, and everybody the CAs.
///
/// # Errors
/// A source is given that nobody needs: with a file it would be ignored, and the run judge with other rights than were meant.
fn apply(target: &Target, file: &Path, inventory: &mut Inventory) -> Result<(), Failed> {
    let source = token_source(target);
    let test_key = target.test_issuer_key.as_ref().map(|path| TestKey {
        pem: SecretRef::File(path.clone()),
        kid: target.test_issuer_kid.clone(),
    });
    if (source.is_some() || test_key.is_some()) && inventory.issuers.is_empty() {
        return Err(Failed::Usage(
            "tokens are given but no issuer; name it with --issuer URL, as it stands in `iss`"
                .into(),
        ));
    }
    let open = |issuer: &Issuer| issuer.accounts.is_empty() && issuer.test_keys.is_empty();
    if let Some(flag) = source_flag(target)
        && !inventory.issuers.iter().any(|issuer| open(issuer))
    {
        return Err(Failed::Usage(format!(
            "{flag}: every issuer in {} has a source of its own there, so that this one would not be used; leave out {flag}, or the source in the file",
            file.display()
        )));
    }
    let trust: Vec<_> = target.ca.iter().cloned().map(Trust::Path).collect();
    for issuer in inventory.issuers.iter_mut().map(Arc::make_mut) {
        if open(issuer) {
            issuer.accounts.extend(source.clone().map(Account::only));
            issuer.test_keys.extend(test_key.clone());
        }
        issuer.ca.extend(trust.iter().cloned());
    }
    for endpoint in inventory.endpoints.iter_mut().map(Arc::make_mut) {
        endpoint.ca.extend(trust.iter().cloned());
    }
    for source in &mut inventory.downtimes {
        if let DowntimeSource::Feed(feed) = source {
            feed.ca.extend(trust.iter().cloned());
        }
    }
    Ok(())
}

/// The flag that says where tokens come from.
fn source_flag(target: &Target) -> Option<&'static str> {
    let client = target.client_id.is_some().then_some("--client-id");
    let token = target.token_env.is_some().then_some("--token-env");
    let key = target
        .test_issuer_key
        .is_some()
        .then_some("--test-issuer-key");
    client.or(token).or(key)
}

fn token_source(target: &Target) -> Option<TokenSource> {
    match (
        &target.client_id,
        &target.client_secret_env,
        &target.token_env,
    ) {
        (Some(id), Some(secret), _) => Some(TokenSource::ClientCredentials(OAuthClient {
            id: SecretRef::Held(id.clone().into()),
            authentication: ClientAuthentication::Basic(SecretRef::Env(secret.clone())),
        })),
        (_, _, Some(token)) => Some(TokenSource::Given {
            token: SecretRef::Env(token.clone()),
        }),
        _ => None,
    }
}
