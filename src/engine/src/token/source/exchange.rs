//! Token exchange (RFC 8693): an access token is turned into others.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::token::{BrokerError, TokenError, claims, load_bearer};
use touchstone_model::redact::Redactor;
use touchstone_model::{OAuthClient, SecretRef, TokenRequest};

use super::oauth::{Form, TokenEndpoint, looked_up, wishes};
use super::{Context, TokenSourceClient};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693 section 3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const WHAT: &str = "an access token";

/// A client that exchanges the token of somebody.
pub(super) struct Exchange {
    endpoint: TokenEndpoint,
    place: SecretRef,
    subject: Mutex<SecretString>,
    redactor: Redactor,
}

impl Exchange {
    pub fn new(
        context: &Context<'_>,
        client: &OAuthClient,
        subject: &SecretRef,
    ) -> Result<Self, BrokerError> {
        let renew = format!("put a new access token into {}", subject);
        let token = context.bearer(subject, WHAT)?;
        context.redactor.add(&token);
        Ok(Self {
            endpoint: TokenEndpoint::new(context, client, renew)?,
            place: subject.clone(),
            subject: Mutex::new(token),
            redactor: context.redactor.clone(),
        })
    }

    /// The token that is exchanged; one that has expired is looked up again.
    async fn subject(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let mut subject = self.subject.lock().await;
        let Some(_) = expired(&subject) else {
            return Ok(subject.clone());
        };
        let help = format!("put a new access token into {}", self.place);
        let unavailable = |came: String| {
            let origin = &self.endpoint.origin;
            Err(origin.unavailable(request, came, &help))
        };
        let again = self.place.clone();
        match tokio::task::spawn_blocking(move || load_bearer(&again, WHAT)).await {
            Ok(Ok(token)) => {
                self.redactor.add(&token);
                *subject = token;
            }
            Ok(Err(error)) => return unavailable(error.to_string()),
            Err(_) => return unavailable("reading it broke off".into()),
        }
        match expired(&subject) {
            None => Ok(subject.clone()),
            Some(when) => unavailable(format!(
                "the token that is exchanged, in {}, has expired at {when}",
                self.place
            )),
        }
    }
}

/// Since when it has, as far as it can be read.
fn expired(token: &SecretString) -> Option<Timestamp> {
    let expires = claims(token).ok()?.expires()?;
    (expires <= Timestamp::now()).then_some(expires)
}

fn form(request: &TokenRequest) -> Form {
    let mut form = vec![
        ("grant_type", GRANT.to_owned()),
        ("subject_token_type", ACCESS_TOKEN.to_owned()),
    ];
    form.extend(wishes(request));
    form
}

#[async_trait]
impl TokenSourceClient for Exchange {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let subject = self.subject(request).await?;
        let mut form = form(request);
        form.push(("subject_token", subject.expose_secret().to_owned()));
        let granted = self.endpoint.ask(request, form).await?;
        match granted.members.get("issued_token_type") {
            None => granted.access_token,
            Some(Value::String(kind)) if kind == ACCESS_TOKEN || kind == JWT => {
                granted.access_token
            }
            Some(other) => {
                let origin = &self.endpoint.origin;
                let other = other.as_str().map_or(other.to_string(), str::to_owned);
                let came = format!("a token of type {} came", origin.quoted(&other));
                Err(origin.unavailable(request, came, "tell whoever runs the issuer"))
            }
        }
    }

    fn how(&self, request: &TokenRequest) -> String {
        let secrets = [("subject_token", looked_up(&self.place))];
        self.endpoint.how(&form(request), &secrets)
    }
}
