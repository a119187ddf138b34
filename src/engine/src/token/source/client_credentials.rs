//! Client credentials (RFC 6749 section 4.4).

use async_trait::async_trait;
use secrecy::SecretString;

use crate::token::{BrokerError, TokenError};
use touchstone_model::{OAuthClient, TokenRequest};

use super::oauth::{Form, TokenEndpoint, wishes};
use super::{Context, TokenSourceClient};

/// A registered client that asks in its own name.
pub(super) struct ClientCredentials {
    endpoint: TokenEndpoint,
}

impl ClientCredentials {
    pub fn new(context: &Context<'_>, client: &OAuthClient) -> Result<Self, BrokerError> {
        let renew = "check client id, secret or key".to_owned();
        let endpoint = TokenEndpoint::new(context, client, renew)?;
        Ok(Self { endpoint })
    }
}

fn form(request: &TokenRequest) -> Form {
    let mut form = vec![("grant_type", "client_credentials".to_owned())];
    form.extend(wishes(request));
    form
}

#[async_trait]
impl TokenSourceClient for ClientCredentials {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        self.endpoint
            .ask(request, form(request))
            .await?
            .access_token
    }

    fn how(&self, request: &TokenRequest) -> String {
        self.endpoint.how(&form(request), &[])
    }
}
