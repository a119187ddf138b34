//! The kinds of token source, one file each.

mod agent;
mod assertion;
mod client_credentials;
mod command;
mod device;
mod discovery;
mod exchange;
mod file;
mod given;
mod metadata;
mod mytoken;
mod oauth;
mod refresh;
mod rotating_secret;
mod vault;

use async_trait::async_trait;
use secrecy::SecretString;

use touchstone_model::redact::Redactor;
use touchstone_model::{Account, Issuer, TokenRequest, TokenSource};

use super::error::Origin;
use super::{BrokerError, IssuerClient, TokenError};

pub(super) use assertion::assertion;
pub use device::{Agreed, DeviceLogin, Obtained, Prompt};
pub(crate) use metadata::STAY;
pub(crate) use rotating_secret::RotatingSecret;

/// Something that obtains tokens. What it can express stands in [`TokenSource::expresses`].
#[async_trait]
pub trait TokenSourceClient: Send + Sync {
    /// Obtains a token, as the issuer gives it; nobody has looked into it yet. One that is asked to come
    /// again later says so ([`super::TokenErrorKind::Busy`]) and leaves the waiting to the broker.
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError>;

    /// How a person obtains such a token: a shell line or a sentence.
    fn how(&self, request: &TokenRequest) -> String;
}

/// What every source needs to know.
pub(super) struct Context<'a> {
    pub issuer: &'a Issuer,
    pub redactor: &'a Redactor,
    pub origin: Origin,
}

impl Context<'_> {
    fn http(&self) -> Result<IssuerClient, BrokerError> {
        IssuerClient::new(self.issuer, self.redactor)
            .map_err(|error| BrokerError::Tls(self.issuer.name.clone(), error))
    }

    fn secret(
        &self,
        secret: &touchstone_model::SecretRef,
        what: &'static str,
    ) -> Result<SecretString, BrokerError> {
        super::load(secret, what)
            .map_err(|error| BrokerError::Secret(self.issuer.name.clone(), error))
    }

    /// The same for what is presented as it is.
    fn bearer(
        &self,
        secret: &touchstone_model::SecretRef,
        what: &'static str,
    ) -> Result<SecretString, BrokerError> {
        super::load_bearer(secret, what)
            .map_err(|error| BrokerError::Secret(self.issuer.name.clone(), error))
    }
}

/// The source of an account, its secrets read and known to `redactor`.
///
/// # Errors
/// What of the configuration cannot be used, before anything is sent.
pub(super) fn open(
    issuer: &Issuer,
    account: &Account,
    redactor: &Redactor,
) -> Result<Box<dyn TokenSourceClient>, BrokerError> {
    let context = Context {
        issuer,
        redactor,
        origin: Origin::new(&issuer.name, &account.name, redactor),
    };
    Ok(match &account.source {
        TokenSource::ClientCredentials(client) => Box::new(
            client_credentials::ClientCredentials::new(&context, client)?,
        ),
        TokenSource::RefreshToken { client, file } => {
            Box::new(refresh::Refresh::new(&context, client, file)?)
        }
        TokenSource::TokenExchange { client, subject } => {
            Box::new(exchange::Exchange::new(&context, client, subject)?)
        }
        TokenSource::OidcAgent { account, socket } => Box::new(agent::Agent::new(
            &context,
            account.as_deref(),
            socket.as_deref(),
        )?),
        TokenSource::BearerDiscovery => Box::new(discovery::Discovery::new(&context)?),
        TokenSource::Mytoken { server, mytoken } => {
            Box::new(mytoken::Mytoken::new(&context, server, mytoken)?)
        }
        TokenSource::Vault {
            server,
            issuer,
            role,
            credkey,
            token,
        } => Box::new(vault::Vault::new(
            &context,
            server,
            (issuer, role, credkey.as_deref()),
            token.as_deref(),
        )?),
        TokenSource::Command { words, environment } => {
            Box::new(command::Command::new(&context, words, environment)?)
        }
        TokenSource::Given { token } => Box::new(given::Given::new(&context, token)?),
    })
}

/// Whether others say that such a token is not given: the codes of RFC 6749 sections 4.1.2.1 and 5.2, and of
/// RFC 8707 section 2.
fn denies(text: &str) -> bool {
    ["invalid_scope", "invalid_target", "access_denied"]
        .iter()
        .any(|code| text.contains(code))
}
