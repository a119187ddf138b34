use async_trait::async_trait;
use secrecy::SecretString;

use crate::model::{SecretRef, TokenRequest};
use crate::token::{BrokerError, TokenError};

use super::{Context, Source};

/// A token that somebody else obtained: it is what it is, whatever is asked for.
pub(super) struct Given {
    token: SecretString,
}

impl Given {
    pub fn new(context: &Context<'_>, token: &SecretRef) -> Result<Self, BrokerError> {
        let token = context.secret(token, "a token")?;
        context.redactor.add(&token);
        Ok(Self { token })
    }
}

#[async_trait]
impl Source for Given {
    async fn obtain(&self, _: &TokenRequest) -> Result<SecretString, TokenError> {
        Ok(self.token.clone())
    }

    fn how(&self, _: &TokenRequest) -> String {
        "it is the token that the run was given".into()
    }
}
