//! Vault (or OpenBao) with the plugins of htvault-config, read as htgettoken reads it: Vault keeps the user's
//! refresh token, and exchanges what comes of it for a token with the scopes and audiences asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::token::client::Answer;
use crate::token::error::{Origin, TokenErrorKind};
use crate::token::shown;
use crate::token::{BrokerError, IssuerClient, TokenError};
use touchstone_model::redact::Redactor;
use touchstone_model::{TokenRequest, shell_word};

use super::{Context, TokenSourceClient, denies, file};
use crate::token::LIFE;

pub(super) struct Vault {
    origin: Origin,
    redactor: Redactor,
    /// As configured, without a slash at its end.
    server: String,
    /// The issuer's name in Vault.
    issuer: String,
    role: String,
    credkey: Option<String>,
    token: PathBuf,
    http: IssuerClient,
    deadline: Duration,
}

/// A good answer of Vault, as far as it is used.
#[derive(Deserialize)]
struct Secret {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    access_token: SecretString,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

impl Vault {
    pub fn new(
        context: &Context<'_>,
        server: &str,
        (issuer, role, credkey): (&str, &str, Option<&str>),
        token: Option<&Path>,
    ) -> Result<Self, BrokerError> {
        Ok(Self {
            origin: context.origin.clone(),
            redactor: context.redactor.clone(),
            server: server.trim_end_matches('/').to_owned(),
            issuer: issuer.to_owned(),
            role: role.to_owned(),
            credkey: credkey.map(ToOwned::to_owned),
            token: token.map_or_else(usual_token, ToOwned::to_owned),
            http: context.http()?,
            deadline: context.issuer.limits.answer,
        })
    }

    /// The name under which the user's refresh token is kept. htgettoken writes down what Vault told it.
    async fn credkey(&self) -> Result<String, String> {
        if let Some(credkey) = &self.credkey {
            return Ok(credkey.clone());
        }
        let home = std::env::var_os("HOME").unwrap_or_default();
        let name = format!("credkey-{}-{}", self.issuer, self.role);
        let path = PathBuf::from(home).join(".config/htgettoken").join(name);
        let credkey = file::read(&path, "the name of a credential", self.deadline).await?;
        Ok(credkey.expose_secret().to_owned())
    }

    fn url(&self, credkey: &str, request: &TokenRequest) -> Result<Url, String> {
        let wrong = |what: &str| format!("{what} of {} cannot stand in a path", self.server);
        let mut url = Url::parse(&self.server).map_err(|error| error.to_string())?;
        let name: Vec<_> = credkey.split('/').collect();
        let odd = |part: &&str| part.is_empty() || matches!(*part, "." | "..");
        let (Some((last, before)), false) = (name.split_last(), name.iter().any(odd)) else {
            return Err(wrong("the credkey"));
        };
        url.path_segments_mut()
            .map_err(|()| wrong("the URL"))?
            .pop_if_empty()
            .extend(["v1", "secret", "oauth", "sts", &self.issuer])
            .extend(before)
            .push(&format!("{last}:{}", self.role));
        let scopes = request.all_scopes().join(",");
        let mut query = url.query_pairs_mut();
        query.append_pair("minimum_seconds", &LIFE.to_string());
        if !scopes.is_empty() {
            query.append_pair("scopes", &scopes);
        }
        query.append_pair("audiences", &request.audience.each().join(","));
        drop(query);
        Ok(url)
    }

    fn refusal(&self, request: &TokenRequest, answer: &Answer) -> TokenError {
        let origin = &self.origin;
        let server = &self.server;
        let errors = answer
            .json::<Errors>()
            .map(|answer| answer.errors.join("; "));
        let Some(errors) = errors else {
            let came = format!("{server} answered {}, which Vault does not", answer.looks());
            return match answer.status {
                429 | 503 => self.busy(request, answer, came),
                _ => origin.unavailable(request, came, "see what answers at `server`"),
            };
        };
        let mut came = format!("Vault at {server} answered {}", answer.status);
        if !errors.is_empty() {
            let words: Vec<_> = errors.split_whitespace().collect();
            came.push_str(&format!(" {}", origin.quoted(&words.join(" "))));
        }
        let renew = |reason: &str| format!("{reason}: `{}`", self.htgettoken().join(" "));
        match answer.status {
            429 | 503 => self.busy(request, answer, came),
            403 => {
                let reason = format!(
                    "the Vault token in {} has expired, or is none for this issuer and role; get a new one",
                    shown(&self.token)
                );
                origin.unavailable(request, came, &renew(&reason))
            }
            404 => origin.unavailable(
                request,
                came,
                &renew("it keeps no credential under that credkey, issuer and role; store one"),
            ),
            400 if denies(&errors) => origin.refused(
                request,
                came,
                "ask whoever runs the issuer for these rights, or leave such cases out",
            ),
            400 => origin.unavailable(
                request,
                came,
                &renew("the refresh token that Vault keeps may be void; store a new one"),
            ),
            _ => origin.unavailable(request, came, "tell whoever runs Vault"),
        }
    }

    fn busy(&self, request: &TokenRequest, answer: &Answer, came: String) -> TokenError {
        let help = "try again later, or lower `limits: {rate: …}`";
        let kind = TokenErrorKind::Busy(answer.retry_after);
        self.origin.error(kind, request, came, help)
    }

    /// The words of a shell line that obtains a Vault token.
    fn htgettoken(&self) -> Vec<String> {
        let mut words = vec![
            format!("htgettoken -a {}", shell_word(&self.server)),
            format!(
                "-i {} -r {}",
                shell_word(&self.issuer),
                shell_word(&self.role)
            ),
        ];
        if let Some(credkey) = &self.credkey {
            words.push(format!("--credkey={}", shell_word(credkey)));
        }
        if self.token != usual_token() {
            let path = self.token.display().to_string();
            words.push(format!("--vaulttokenfile={}", shell_word(&path)));
        }
        words
    }
}

#[async_trait]
impl TokenSourceClient for Vault {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let origin = &self.origin;
        let absent = |reason: String| {
            let help = format!("get one: `{}`", self.htgettoken().join(" "));
            origin.unavailable(request, reason, &help)
        };
        // Both anew each time: htgettoken may run beside us for hours.
        let token = file::read(&self.token, "a Vault token", self.deadline).await;
        let token = token.map_err(absent)?;
        self.redactor.add(&token);
        let credkey = self.credkey().await.map_err(absent)?;
        let url = self.url(&credkey, request).map_err(|came| {
            origin.unavailable(
                request,
                came,
                "write it as htgettoken has it in its `credkey-…` file",
            )
        })?;
        let answer = self.http.get_with(&url, "x-vault-token", &token).await;
        let answer = answer.map_err(|reason| {
            let came = format!("Vault at {} is silent: {reason}", self.server);
            origin.unavailable(
                request,
                came,
                "see whether Vault is up and reachable from here",
            )
        })?;
        if answer.status != 200 {
            return Err(self.refusal(request, &answer));
        }
        let secret: Option<Secret> = answer.json();
        secret
            .map(|secret| secret.data.access_token)
            .ok_or_else(|| {
                let came = format!(
                    "{} answered {}, no data.access_token in JSON",
                    self.server,
                    answer.looks()
                );
                origin.unavailable(request, came, "see what answers at `server`")
            })
    }

    fn how(&self, request: &TokenRequest) -> String {
        let mut words = self.htgettoken();
        let scopes = request.all_scopes().join(",");
        if !scopes.is_empty() {
            words.push(format!("--scopes={}", shell_word(&scopes)));
        }
        let audiences = request.audience.each().join(",");
        words.push(format!("--audience={}", shell_word(&audiences)));
        words.push("-q -o /dev/stdout".to_owned());
        format!("TOKEN=$({})", words.join(" "))
    }
}

/// Where htgettoken leaves the Vault token, whatever issuer and role.
fn usual_token() -> PathBuf {
    format!("/tmp/vt_u{}", rustix::process::geteuid().as_raw()).into()
}
