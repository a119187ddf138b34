use async_trait::async_trait;
use secrecy::SecretString;

use crate::model::TokenRequest;

use super::{Source, TokenError};

/// A token that somebody else obtained: it is what it is, whatever is asked for.
pub(super) struct Given {
    pub token: SecretString,
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
