//! oidc-agent over its socket: one JSON object in plain text each way, without any framing. The agent also
//! has an encrypted way, which it takes when the first message is no JSON.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use crate::token::error::{Origin, TokenErrorKind};
use crate::token::{BrokerError, TokenError};
use touchstone_model::{TokenRequest, shell_word};

use super::{Context, TokenSourceClient, denies};
use crate::token::LIFE;

/// Larger than any answer that makes sense.
const LARGEST: usize = 256 * 1024;
/// The agent serves one after another. Whoever waited there behind our own requests would spend the time that it has
/// for an answer on them; and it lets no more than five wait.
const AT_ONCE: usize = 1;
/// How it shows who asks, where the user is to confirm.
const HINT: &str = "touchstone";

pub(super) struct Agent {
    origin: Origin,
    issuer: String,
    account: Option<String>,
    socket: PathBuf,
    /// Who says that it is there.
    says: &'static str,
    deadline: Duration,
    turns: Semaphore,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    access_token: Option<SecretString>,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    info: Option<Value>,
}

/// What went wrong on the way, and what to do.
type Trouble = (String, String);

impl Agent {
    pub fn new(
        context: &Context<'_>,
        account: Option<&str>,
        socket: Option<&Path>,
    ) -> Result<Self, BrokerError> {
        let (socket, says) = match (socket, variable("OIDC_SOCK")) {
            (Some(socket), _) => (socket.to_owned(), "`socket`"),
            (None, Some(socket)) => (socket, "OIDC_SOCK"),
            (None, None) => (
                usual_place(),
                "the agent's custom, for OIDC_SOCK is not set",
            ),
        };
        Ok(Self {
            origin: context.origin.clone(),
            issuer: context.issuer.url.clone(),
            account: account.map(ToOwned::to_owned),
            socket,
            says,
            deadline: context.issuer.limits.answer,
            turns: Semaphore::new(AT_ONCE),
        })
    }

    fn question(&self, request: &TokenRequest) -> Value {
        let mut question = json!({
            "request": "access_token",
            "min_valid_period": LIFE,
            "application_hint": HINT,
            "audience": request.audience.each().join(" "),
        });
        match &self.account {
            Some(account) => question["account"] = account.as_str().into(),
            None => question["issuer"] = self.issuer.as_str().into(),
        }
        let scopes = request.all_scopes().join(" ");
        if !scopes.is_empty() {
            question["scope"] = scopes.into();
        }
        question
    }

    async fn converse(&self, question: &Value) -> Result<Answer, Trouble> {
        let place = format!("{} (so {})", self.socket.display(), self.says);
        let mut stream = UnixStream::connect(&self.socket).await.map_err(|error| {
            let absent = matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            );
            let reason = match absent {
                true => "no agent listens".to_owned(),
                false => format!("no connection: {error};"),
            };
            let came = format!("{reason} at {place}");
            (
                came,
                format!(
                    "start one with `eval $(oidc-agent)`, then `{}`",
                    self.load()
                ),
            )
        })?;
        let broken = |error: std::io::Error| {
            let came = format!("the agent at {place} broke the conversation off: {error}");
            (
                came,
                "see whether it still runs: `oidc-agent --status`".to_owned(),
            )
        };
        // The agent reads once: the question goes out in one piece.
        let text = question.to_string();
        stream.write_all(text.as_bytes()).await.map_err(broken)?;
        let mut bytes = Vec::new();
        loop {
            let read = stream.read_buf(&mut bytes).await.map_err(broken)?;
            if bytes.len() > LARGEST {
                let came = format!("what listens at {place} sent more than {LARGEST} bytes");
                return Err((came, "see what listens there".into()));
            }
            if (read == 0 || bytes.trim_ascii_end().ends_with(b"}"))
                && let Ok(answer) = serde_json::from_slice(&bytes)
            {
                return Ok(answer);
            }
            if read == 0 {
                let came = match bytes.len() {
                    0 => format!("the agent at {place} closed the connection without an answer"),
                    many => format!(
                        "what listens at {place} sent {many} bytes that are no answer of an agent"
                    ),
                };
                return Err((came, "see what listens there: `oidc-agent --status`".into()));
            }
        }
    }

    fn understand(
        &self,
        request: &TokenRequest,
        answer: Answer,
    ) -> Result<SecretString, TokenError> {
        let origin = &self.origin;
        let Some(token) = answer.access_token.filter(|_| answer.status == "success") else {
            return Err(self.refusal(request, &answer.status, answer.error, answer.info));
        };
        // The agent ends the URL with a slash, whatever the issuer does.
        let bare = |url: &str| url.trim_end_matches('/').to_owned();
        match answer.issuer {
            Some(issuer) if bare(&issuer) != bare(&self.issuer) => {
                let came = format!(
                    "its account {}is one at {}, not at `{}`",
                    self.account
                        .as_ref()
                        .map(|name| format!("`{name}` "))
                        .unwrap_or_default(),
                    origin.quoted(&issuer),
                    self.issuer
                );
                let help = "name an account of this issuer; `oidc-add -l` lists them";
                Err(origin.unavailable(request, came, help))
            }
            _ => Ok(token),
        }
    }

    fn refusal(
        &self,
        request: &TokenRequest,
        status: &str,
        error: Option<String>,
        info: Option<Value>,
    ) -> TokenError {
        let origin = &self.origin;
        let error = error.unwrap_or_default();
        let mut came = match error.as_str() {
            "" => format!(
                "the agent answered {} without a token",
                origin.quoted(status)
            ),
            error => format!("the agent answered {}", origin.quoted(error)),
        };
        let info = match info {
            Some(Value::String(info)) => info,
            _ => String::new(),
        };
        if !info.is_empty() {
            came.push_str(&format!(" ({})", origin.quoted(&info)));
        }
        let says = |words: &[&str]| {
            let error = error.to_ascii_lowercase();
            words.iter().any(|word| error.contains(word))
        };
        let name = self.account.as_deref().unwrap_or("ACCOUNT");
        if denies(&error) {
            let help = "ask whoever runs the issuer for these rights, or leave such cases out";
            return origin.refused(request, came, help);
        }
        let help = if says(&["locked"]) {
            "unlock it with `oidc-add -X`".to_owned()
        } else if says(&["not loaded", "no account", "not configured"]) {
            format!(
                "load the account with `{}`; `oidc-add -l` lists those there are",
                self.load()
            )
        } else if says(&["invalid_grant", "invalid_token", "refresh token"]) {
            format!(
                "its refresh token has expired or was revoked: `oidc-gen {name} --reauthenticate`"
            )
        } else if says(&["forbidden", "password", "cancelled"]) {
            "answer the agent's question on the screen, or load the account beforehand".to_owned()
        } else if says(&["bad request"]) {
            "see whether it is an oidc-agent of version 4 or later: `oidc-agent --version`"
                .to_owned()
        } else {
            format!("see what a person gets: `{}`", self.line(request))
        };
        origin.error(TokenErrorKind::Unavailable, request, came, &help)
    }

    fn load(&self) -> String {
        format!(
            "oidc-add {}",
            shell_word(self.account.as_deref().unwrap_or("ACCOUNT"))
        )
    }

    fn line(&self, request: &TokenRequest) -> String {
        let mut words = vec!["oidc-token".to_owned()];
        words.push(shell_word(self.account.as_deref().unwrap_or(&self.issuer)));
        for scope in request.all_scopes() {
            words.push(format!("-s {}", shell_word(&scope)));
        }
        let audience = request.audience.each().join(" ");
        words.push(format!("--aud={}", shell_word(&audience)));
        words.join(" ")
    }
}

#[async_trait]
impl TokenSourceClient for Agent {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let question = self.question(request);
        let turn = self.turns.acquire().await;
        let answer = tokio::time::timeout(self.deadline, self.converse(&question)).await;
        drop(turn);
        let answer = match answer {
            Ok(answer) => answer,
            Err(_) => {
                let came = format!(
                    "the agent at {} gave no answer within {}",
                    self.socket.display(),
                    humantime::format_duration(self.deadline)
                );
                let help = "see whether it waits for you: it may ask for a password or a confirmation; load the account beforehand";
                return Err(self.origin.unavailable(request, came, help));
            }
        };
        let answer =
            answer.map_err(|(came, help)| self.origin.unavailable(request, came, &help))?;
        self.understand(request, answer)
    }

    fn how(&self, request: &TokenRequest) -> String {
        format!("TOKEN=$({})", self.line(request))
    }
}

/// An environment variable that is set and not empty.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Where the agent's own library looks when nobody says anything.
fn usual_place() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    variable("TMPDIR")
        .unwrap_or_else(|| "/tmp".into())
        .join(format!("oidc-agent-service-{uid}/oidc-agent.sock"))
}
