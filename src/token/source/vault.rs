//! Vault.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::model::TokenRequest;
use crate::token::error::Origin;
use crate::token::{BrokerError, TokenError};

use super::{Context, Source};

pub(super) struct Vault {
    origin: Origin,
}

impl Vault {
    pub fn new(
        context: &Context<'_>,
        _server: &str,
        _names: (&str, &str, Option<&str>),
        _token: Option<&std::path::Path>,
    ) -> Result<Self, BrokerError> {
        Ok(Self {
            origin: context.origin.clone(),
        })
    }
}

#[async_trait]
impl Source for Vault {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        Err(self
            .origin
            .unavailable(request, "nothing came".into(), "it is not built yet"))
    }

    fn how(&self, _: &TokenRequest) -> String {
        String::new()
    }
}
