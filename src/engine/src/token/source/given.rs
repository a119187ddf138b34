//! A token that somebody else obtained: it is what it is, whatever is asked for.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::token::error::Origin;
use crate::token::shown;
use crate::token::{BrokerError, TokenError, claims};
use touchstone_model::redact::Redactor;
use touchstone_model::{SecretRef, TokenRequest, shell_word};

use super::{Context, TokenSourceClient, file};

pub(super) struct Given {
    origin: Origin,
    redactor: Redactor,
    deadline: Duration,
    token: Mutex<SecretString>,
    /// Where it is renewed.
    file: Option<PathBuf>,
    how: String,
}

impl Given {
    pub fn new(context: &Context<'_>, token: &SecretRef) -> Result<Self, BrokerError> {
        let (file, how) = match token {
            SecretRef::File(path) => (
                file::regular(path).then(|| path.clone()),
                format!("TOKEN=$(cat {})", shell_word(&shown(path))),
            ),
            SecretRef::Env(name) => (None, format!("TOKEN=${name}")),
            SecretRef::Held(_) => (None, "it is the token that the run was given".into()),
        };
        let token = context.bearer(token, "a token")?;
        context.redactor.add(&token);
        Ok(Self {
            origin: context.origin.clone(),
            redactor: context.redactor.clone(),
            deadline: context.issuer.limits.answer,
            token: Mutex::new(token),
            file,
            how,
        })
    }

    fn held(&self) -> SecretString {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.clone()
    }
}

#[async_trait]
impl TokenSourceClient for Given {
    /// Who asks has no good token of it at hand: one that was renewed in between comes from its file. Where
    /// that is being written at this moment, the one from before serves as long as it lives.
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let held = self.held();
        let Some(path) = &self.file else {
            return Ok(held);
        };
        let read = file::bearer(path, "a token", self.deadline).await;
        if let Ok(token) = &read {
            self.redactor.add(token);
        }
        let good = |token: &SecretString| {
            let expires = claims(token).ok().and_then(|claims| claims.expires());
            expires.is_some_and(|expires| expires > Timestamp::now())
        };
        match read {
            Ok(token) if good(&token) || !good(&held) => {
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
                Ok(token)
            }
            _ if good(&held) => Ok(held),
            Ok(token) => Ok(token),
            Err(reason) => {
                let came = format!("{reason}; the token that was in it is not good any more");
                let help = "see to whoever renews it";
                Err(self.origin.unavailable(request, came, help))
            }
        }
    }

    fn how(&self, _: &TokenRequest) -> String {
        self.how.clone()
    }
}
