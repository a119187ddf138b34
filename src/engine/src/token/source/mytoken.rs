//! mytoken: a long-lived credential of a user, with restrictions, that its server turns into access tokens.
//! It may be rotated with each use: the answer holds the next one, and the old one is void.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use crate::http::RedirectPolicy;
use crate::token::client::Answer;
use crate::token::error::{Origin, TokenErrorKind};
use crate::token::shown;
use crate::token::{BrokerError, IssuerClient, TokenError};
use touchstone_model::redact::Redactor;
use touchstone_model::{MytokenRef, SecretRef, TokenRequest, shell_word};

use super::rotating_secret::{RotatingSecret, RotationProblem};
use super::{Context, TokenSourceClient, denies};

/// A shorter text is no mytoken in any of its forms: transfer codes are (`MinShortTokenLen` of its API).
const SHORTEST: usize = 32;
const WHAT: &str = "a mytoken";
const AGAIN: &str = "get a new one, with the capability AT: `mytoken MT`";

pub(super) struct Mytoken {
    user: Arc<User>,
}

struct User {
    origin: Origin,
    issuer: String,
    server: String,
    place: Place,
    redactor: Redactor,
    trusted: RedirectPolicy,
    http: IssuerClient,
    endpoint: OnceCell<Result<Url, (String, &'static str)>>,
}

/// Where the mytoken is.
enum Place {
    File(RotatingSecret),
    Environment {
        name: String,
        held: Mutex<SecretString>,
        warned: AtomicBool,
    },
}

/// What of `/.well-known/mytoken-configuration` is used.
#[derive(Deserialize)]
struct Configuration {
    access_token_endpoint: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    #[serde(default)]
    token_update: Option<Update>,
}

/// The next mytoken, after a rotation.
#[derive(Deserialize)]
struct Update {
    mytoken: SecretString,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Mytoken {
    pub fn new(
        context: &Context<'_>,
        server: &str,
        mytoken: &MytokenRef,
    ) -> Result<Self, BrokerError> {
        let place = match mytoken {
            MytokenRef::File(path) => {
                Place::File(RotatingSecret::new(path, WHAT, context.redactor))
            }
            MytokenRef::Env(name) => {
                let held = context.secret(&SecretRef::Env(name.clone()), WHAT)?;
                context.redactor.add(&held);
                Place::Environment {
                    name: name.clone(),
                    held: Mutex::new(held),
                    warned: AtomicBool::new(false),
                }
            }
        };
        let user = User {
            origin: context.origin.clone(),
            issuer: context.issuer.url.clone(),
            server: server.trim_end_matches('/').to_owned(),
            place,
            redactor: context.redactor.clone(),
            trusted: RedirectPolicy::of_server(server, context.issuer),
            http: context.http()?,
            endpoint: OnceCell::new(),
        };
        Ok(Self {
            user: Arc::new(user),
        })
    }
}

impl User {
    /// Asked once: a server that is down is found out once, not for each token.
    async fn endpoint(&self, request: &TokenRequest) -> Result<&Url, TokenError> {
        self.endpoint
            .get_or_init(|| self.discover())
            .await
            .as_ref()
            .map_err(|(came, help)| self.origin.unavailable(request, came.clone(), help))
    }

    async fn discover(&self) -> Result<Url, (String, &'static str)> {
        let url = format!("{}/.well-known/mytoken-configuration", self.server);
        let down = "see whether the mytoken server is up and reachable from here";
        let other = "see to `server`: it is the URL of the mytoken server, not of the issuer";
        let reached = self.http.get(&url).await;
        let answer = reached.map_err(|reason| {
            (
                format!("the mytoken server {} is silent: {reason}", self.server),
                down,
            )
        })?;
        if answer.status >= 500 {
            return Err((format!("{url} answered {}", answer.looks()), down));
        }
        let Some(found) = answer
            .json::<Configuration>()
            .filter(|_| answer.status == 200)
        else {
            let came = format!(
                "{url} answered {}, no configuration in JSON",
                answer.looks()
            );
            return Err((came, other));
        };
        match Url::parse(&found.access_token_endpoint) {
            Ok(endpoint) if self.trusted.trusts(&endpoint) => Ok(endpoint),
            _ => Err((
                format!("{url} names no access token endpoint with https at its own host"),
                "a mytoken goes nowhere else; tell whoever runs the server, or name the other host below `credential-hosts` of the issuer",
            )),
        }
    }

    /// Turns a mytoken into an access token, and perhaps into the next mytoken.
    async fn exchange(
        &self,
        request: &TokenRequest,
        mytoken: &SecretString,
    ) -> Result<Granted, TokenError> {
        if mytoken.expose_secret().len() < SHORTEST {
            let came = format!("{} holds something shorter than any mytoken", self.place());
            let help = "a transfer code has to be turned into a mytoken first: `mytoken store`";
            return Err(self.origin.unavailable(request, came, help));
        }
        let endpoint = self.endpoint(request).await?;
        let question = self.question(request, mytoken);
        let answer = self.http.post_json(endpoint, &question).await;
        let answer = answer.map_err(|reason| {
            let came = format!("the mytoken server {} is silent: {reason}", self.server);
            let help = "see whether the mytoken server is up and reachable from here";
            self.origin.unavailable(request, came, help)
        })?;
        if answer.status != 200 {
            return Err(self.refusal(request, &answer));
        }
        answer.json().ok_or_else(|| {
            let came = format!(
                "{endpoint} answered {}, no access_token in JSON",
                answer.looks()
            );
            let help = "see what answers at the mytoken server's access token endpoint";
            self.origin.unavailable(request, came, help)
        })
    }

    fn question(&self, request: &TokenRequest, mytoken: &SecretString) -> Value {
        json!({
            "grant_type": "mytoken",
            "mytoken": mytoken.expose_secret(),
            "oidc_issuer": self.issuer,
            "scope": request.all_scopes().join(" "),
            "audience": request.audience.each().join(" "),
            "comment": "touchstone",
        })
    }

    fn refusal(&self, request: &TokenRequest, answer: &Answer) -> TokenError {
        let origin = &self.origin;
        let server = &self.server;
        if matches!(answer.status, 429 | 503) {
            let kind = TokenErrorKind::Busy(answer.retry_after);
            let came = format!("the mytoken server {server} answered {}", answer.status);
            let help = "try again later, or lower `limits: {rate: …}`";
            return origin.error(kind, request, came, help);
        }
        let Some(refused) = answer.json::<Refused>() else {
            let came = format!("the mytoken server {server} answered {}", answer.looks());
            let help = "see what answers at the mytoken server's access token endpoint";
            return origin.unavailable(request, came, help);
        };
        let mut came = format!(
            "the mytoken server {server} answered {} {}",
            answer.status,
            origin.quoted(&refused.error)
        );
        if !refused.error_description.is_empty() {
            came.push_str(&format!(" ({})", origin.quoted(&refused.error_description)));
        }
        let described = &refused.error_description;
        match refused.error.as_str() {
            "usage_restricted" => origin.refused(
                request,
                came,
                "the restrictions of this mytoken (scope, audience, place, time or number of uses) forbid it; make one that may, or leave such cases out",
            ),
            "oidc_error" if denies(described) => origin.refused(
                request,
                came,
                "ask whoever runs the issuer for these rights, or leave such cases out",
            ),
            "oidc_error" => origin.unavailable(
                request,
                came,
                "the issuer said that to the mytoken server; get a new mytoken if its refresh token is void",
            ),
            "invalid_token" | "expired_token" | "insufficient_capabilities" => {
                origin.unavailable(request, came, AGAIN)
            }
            "invalid_request" => {
                let help = format!(
                    "see whether the mytoken is valid and one for the issuer {}, character by character, and whether {server} knows it",
                    self.issuer
                );
                origin.unavailable(request, came, &help)
            }
            _ => origin.unavailable(request, came, "tell whoever runs the mytoken server"),
        }
    }

    fn place(&self) -> String {
        match &self.place {
            Place::File(kept) => shown(kept.path()),
            Place::Environment { name, .. } => format!("the environment variable {name}"),
        }
    }

    fn trouble(&self, request: &TokenRequest, (came, help): RotationProblem) -> TokenError {
        self.origin.unavailable(request, came, &help)
    }

    /// One after the other: a mytoken that was used twice may be revoked with all that came of it.
    async fn token(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        match &self.place {
            Place::File(kept) => {
                let trouble = |trouble| self.trouble(request, trouble);
                let mut turn = kept.lock().await.map_err(trouble)?;
                let mytoken = turn.read().await.map_err(trouble)?;
                let granted = self.exchange(request, &mytoken).await?;
                if let Some(update) = &granted.token_update {
                    turn.replace(&update.mytoken).await.map_err(trouble)?;
                }
                Ok(granted.access_token)
            }
            Place::Environment { name, held, warned } => {
                let mut held = held.lock().await;
                let granted = self.exchange(request, &held).await?;
                if let Some(update) = granted.token_update {
                    self.redactor.add(&update.mytoken);
                    *held = update.mytoken;
                    if !warned.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            "the mytoken in {name} was rotated: what is there is void now, and the new one ends with this process; use `mytoken-file`, where it is kept"
                        );
                    }
                }
                Ok(granted.access_token)
            }
        }
    }
}

#[async_trait]
impl TokenSourceClient for Mytoken {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let (user, asked) = (Arc::clone(&self.user), request.clone());
        // Whoever waits may lose patience; an answer with the next mytoken must not be lost by that.
        let work = tokio::spawn(async move { user.token(&asked).await });
        work.await.unwrap_or_else(|_| {
            let came = "the request broke off".to_owned();
            Err(self.user.origin.unavailable(request, came, "run it again"))
        })
    }

    fn how(&self, request: &TokenRequest) -> String {
        let mut words = vec!["mytoken AT".to_owned()];
        words.push(match &self.user.place {
            Place::File(kept) => format!("--MT-file={}", shell_word(&shown(kept.path()))),
            Place::Environment { name, .. } => format!("--MT-env={name}"),
        });
        for scope in request.all_scopes() {
            words.push(format!("-s {}", shell_word(&scope)));
        }
        for audience in request.audience.each() {
            words.push(format!("--aud={}", shell_word(audience)));
        }
        format!("TOKEN=$({})", words.join(" "))
    }
}
