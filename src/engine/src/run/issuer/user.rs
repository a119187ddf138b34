//! Who asks the issuer: its accounts with their secrets, each read once.

use std::collections::HashMap;

use secrecy::SecretString;

use crate::token::{RegisteredClient, RotatingSecret};
use touchstone_model::redact::Redactor;
use touchstone_model::{Account, Issuer, TokenSource};

/// The accounts of an issuer that are OAuth clients.
pub(super) struct Users {
    clients: HashMap<String, Result<RegisteredClient, String>>,
    /// The user's own refresh token: it is used, never revoked, and kept when it is replaced.
    kept: Option<RotatingSecret>,
}

impl Users {
    pub fn new(issuer: &Issuer, redactor: &Redactor) -> Self {
        let client = |account: &Account| match &account.source {
            TokenSource::ClientCredentials(client)
            | TokenSource::RefreshToken { client, .. }
            | TokenSource::TokenExchange { client, .. } => {
                let loaded = RegisteredClient::load(client, &issuer.name, redactor);
                let loaded = loaded.map_err(|error| error.to_string());
                Some((account.name.clone(), loaded))
            }
            _ => None,
        };
        let mut files = issuer
            .accounts
            .iter()
            .filter_map(|account| match &account.source {
                TokenSource::RefreshToken { file, .. } => Some(file),
                _ => None,
            });
        Self {
            clients: issuer.accounts.iter().filter_map(client).collect(),
            kept: files
                .next()
                .map(|file| RotatingSecret::new(file, "a refresh token", redactor)),
        }
    }

    /// The client of an account.
    pub fn client(&self, account: &Account) -> Result<&RegisteredClient, String> {
        match self.clients.get(&account.name) {
            Some(Ok(client)) => Ok(client),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(format!("the account `{}` is no OAuth client", account.name)),
        }
    }

    /// The user's refresh token and what to do with it.
    pub fn kept(&self) -> Result<&RotatingSecret, String> {
        self.kept
            .as_ref()
            .ok_or_else(|| "there is no account with a refresh token".to_owned())
    }
}

/// A text that looks like a secret and is none.
pub(super) fn wrong_secret() -> SecretString {
    SecretString::from(format!("wrong-{}", uuid::Uuid::new_v4().simple()))
}
