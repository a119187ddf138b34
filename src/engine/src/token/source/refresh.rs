//! A refresh token (RFC 6749 section 6), which issuers may replace at each use.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use crate::token::shown;
use crate::token::{BrokerError, TokenError};
use touchstone_model::{OAuthClient, SecretRef, TokenRequest};

use super::oauth::{Form, TokenEndpoint, looked_up, wishes};
use super::rotating_secret::{RotatingSecret, RotationProblem};
use super::{Context, TokenSourceClient};

/// A person's consent, kept in a file.
pub(super) struct Refresh {
    user: Arc<User>,
}

struct User {
    endpoint: TokenEndpoint,
    kept: RotatingSecret,
}

impl Refresh {
    pub fn new(
        context: &Context<'_>,
        client: &OAuthClient,
        file: &Path,
    ) -> Result<Self, BrokerError> {
        let renew = format!(
            "the refresh token in {} has expired, was revoked, or another process has used it up; `touchstone token login {}` gets a new one",
            shown(file),
            context.issuer.name
        );
        let user = User {
            endpoint: TokenEndpoint::new(context, client, renew)?,
            kept: RotatingSecret::new(file, "a refresh token", context.redactor),
        };
        Ok(Self {
            user: Arc::new(user),
        })
    }
}

impl User {
    async fn refresh(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let origin = &self.endpoint.origin;
        let trouble = |(came, help): RotationProblem| origin.unavailable(request, came, &help);
        let mut turn = self.kept.lock().await.map_err(trouble)?;
        let login = |(came, help): RotationProblem| {
            let name = &request.issuer;
            trouble((
                came,
                format!("{help}; `touchstone token login {name}` does it"),
            ))
        };
        let old = turn.read().await.map_err(login)?;
        let mut form = form(request);
        form.push(("refresh_token", old.expose_secret().to_owned()));
        let granted = self.endpoint.ask(request, form).await?;
        if let Some(new) = granted.refresh_token
            && new.expose_secret() != old.expose_secret()
        {
            turn.replace(&new).await.map_err(trouble)?;
        }
        granted.access_token
    }
}

fn form(request: &TokenRequest) -> Form {
    let mut form = vec![("grant_type", "refresh_token".to_owned())];
    form.extend(wishes(request));
    form
}

#[async_trait]
impl TokenSourceClient for Refresh {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let (user, asked) = (Arc::clone(&self.user), request.clone());
        // Whoever waits may lose patience; an answer with the next refresh token must not be lost by that.
        let work = tokio::spawn(async move { user.refresh(&asked).await });
        work.await.unwrap_or_else(|_| {
            let (came, help) = ("the refresh broke off".to_owned(), "run it again");
            Err(self.user.endpoint.origin.unavailable(request, came, help))
        })
    }

    fn how(&self, request: &TokenRequest) -> String {
        let file = SecretRef::File(self.user.kept.path().to_owned());
        let secrets = [("refresh_token", looked_up(&file))];
        self.user.endpoint.how(&form(request), &secrets)
    }
}
