use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use crate::args::{Files, Target};
use crate::output::{self, Failed};
use crate::{exit, inputs};
use touchstone_engine::token::{Agreed, DeviceLogin, Obtained, Prompt, TokenError};
use touchstone_model::redact::Redactor;
use touchstone_model::{Inventory, Issuer, OAuthClient, TokenSource};

/// Without it there is no refresh token (OpenID Connect Core section 11).
const ALWAYS: &str = "openid offline_access";

#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Name of the issuer in the endpoints file; it needs an account of the kind `refresh-token`
    #[arg(value_name = "ISSUER")]
    pub issuer: String,
    /// What the refresh token is good for, beside `openid offline_access`
    #[arg(
        long,
        value_name = "SCOPES",
        default_value = "wlcg wlcg.groups storage.read:/ storage.modify:/"
    )]
    pub scope: String,
    /// Which of several accounts of the kind `refresh-token`
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Where the refresh token goes [default: the account's file]
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub files: Files,
}

/// `touchstone token login`
pub async fn main(arguments: &LoginArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let catalogue = inputs::catalogue(arguments.files.suites.as_deref())?;
    let inventory = inputs::inventory(&arguments.files, &Target::default(), &catalogue)?;
    let issuer = issuer(&inventory, &arguments.issuer)?;
    let (client, file) = account(issuer, arguments.account.as_deref())?;
    let file = arguments.file.as_deref().unwrap_or(file);
    let scope = scope(&arguments.scope);
    let login = DeviceLogin::new(issuer, client, file, &scope, redactor)
        .map_err(|error| Failed::Usage(error.to_string()))?;
    let agreed = tokio::select! {
        agreed = agree(&login) => agreed?,
        _ = tokio::signal::ctrl_c() => {
            output::note("stopped; nothing was written");
            return Ok(exit::INTERRUPTED);
        }
    };
    // From here on a signal would lose what the person has agreed to.
    let obtained = login.keep(agreed).await.map_err(failed)?;
    output::result(&confirmation(&obtained, file, &scope))?;
    Ok(exit::OK)
}

async fn agree(login: &DeviceLogin) -> Result<Agreed, Failed> {
    let prompt = login.begin().await.map_err(failed)?;
    output::note(&invitation(&prompt));
    login.wait(&prompt).await.map_err(failed)
}

fn failed(error: TokenError) -> Failed {
    Failed::Undecided(error.to_string())
}

fn issuer<'i>(inventory: &'i Inventory, name: &str) -> Result<&'i Issuer, Failed> {
    let mut issuers = inventory.issuers.iter();
    issuers
        .find(|issuer| issuer.name == name || issuer.url == name)
        .map(AsRef::as_ref)
        .ok_or_else(|| {
            let names: Vec<_> = inventory.issuers.iter().map(|i| i.name.as_str()).collect();
            Failed::Usage(format!(
                "no issuer is named `{name}`; the endpoints file has: {}",
                names.join(", ")
            ))
        })
}

/// Client and file of the account that is meant.
fn account<'i>(
    issuer: &'i Issuer,
    name: Option<&str>,
) -> Result<(&'i OAuthClient, &'i Path), Failed> {
    let accounts: Vec<_> = issuer
        .accounts
        .iter()
        .filter_map(|account| match &account.source {
            TokenSource::RefreshToken { client, file } => Some((account, client, file)),
            _ => None,
        })
        .filter(|(account, ..)| name.is_none_or(|name| account.name == name))
        .collect();
    match (accounts.as_slice(), name) {
        ([(_, client, file)], _) => Ok((client, file)),
        ([], Some(name)) => Err(Failed::Usage(format!(
            "the issuer `{}` has no account `{name}` of the kind `refresh-token`",
            issuer.name
        ))),
        ([], None) => Err(Failed::Usage(format!(
            "the issuer `{}` has no account of the kind `refresh-token`; add `refresh-token: {{file: …, id: …}}` to it",
            issuer.name
        ))),
        (several, _) => {
            let names: Vec<_> = several.iter().map(|(a, ..)| a.name.as_str()).collect();
            Err(Failed::Usage(format!(
                "say which account with --account: {}",
                names.join(", ")
            )))
        }
    }
}

/// Every word once.
fn scope(chosen: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in ALWAYS.split(' ').chain(chosen.split_ascii_whitespace()) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" ")
}

fn invitation(prompt: &Prompt) -> String {
    let mut text = format!("Open {} and enter the code {}", prompt.page, prompt.code);
    if let Some(complete) = &prompt.complete {
        let _ = write!(text, "\nor open {complete}");
    }
    let _ = write!(text, "\nWaiting until {:.0}; Ctrl-C ends it.", prompt.until);
    text
}

fn confirmation(obtained: &Obtained, file: &Path, asked: &str) -> String {
    let mut text = format!("A refresh token is in {}", file.display());
    match obtained.refresh_until {
        Some(until) => {
            let _ = writeln!(text, ", good until {until:.0}.");
        }
        None => text.push_str("; the issuer does not say how long it is good.\n"),
    }
    if let Some(until) = obtained
        .access_until
        .filter(|until| *until > Timestamp::now())
    {
        let _ = writeln!(text, "An access token came along, good until {until:.0}.");
    }
    match &obtained.scope {
        None => {
            let _ = writeln!(
                text,
                "The issuer does not say for which scopes; asked: {asked}"
            );
        }
        Some(scope) => {
            let got: Vec<_> = scope.split_ascii_whitespace().collect();
            let lacking = |word: &&str| !got.contains(word);
            let missing: Vec<_> = asked.split(' ').filter(lacking).collect();
            let shown: String = scope
                .chars()
                .take(1000)
                .flat_map(char::escape_debug)
                .collect();
            let _ = writeln!(text, "Scope: {shown}");
            if !missing.is_empty() {
                let _ = writeln!(text, "Not granted: {}", missing.join(" "));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_always_asked_for() {
        assert_eq!(
            scope("openid  storage.read:/ storage.read:/"),
            "openid offline_access storage.read:/"
        );
        assert_eq!(scope(""), ALWAYS);
    }
}
