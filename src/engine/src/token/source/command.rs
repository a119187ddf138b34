//! A program that prints a token.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::Semaphore;

use crate::token::error::Origin;
use crate::token::form::{self, Inside};
use crate::token::{BrokerError, TokenError};
use touchstone_model::redact::Redactor;
use touchstone_model::{TokenRequest, shell_word};

use super::{Context, TokenSourceClient};

/// Larger than any token.
const LARGEST: usize = 64 * 1024;
/// Shorter than any token: a word such as "failed" is none.
const SHORTEST: usize = 20;
/// How much of the end of what it complains is repeated.
const COMPLAINT: usize = 4 * 1024;
const LINES: usize = 3;
/// A program may be as heavy as a browser.
const AT_ONCE: usize = 4;
/// What programs need to find their way, and clients of tokens their agents and tickets.
const USUAL: [&str; 7] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "OIDC_SOCK",
    "KRB5CCNAME",
];
/// The same by the beginning of their names.
const FAMILIES: [&str; 2] = ["XDG_", "SSL_CERT_"];
/// How long a killed one may take to be gone.
const DYING: Duration = Duration::from_secs(5);

pub(super) struct Command {
    origin: Origin,
    redactor: Redactor,
    issuer: String,
    words: Vec<String>,
    /// Variables that it gets beside [`USUAL`].
    environment: Vec<String>,
    deadline: Duration,
    turns: Semaphore,
}

/// What a program has done.
struct Ended {
    status: ExitStatus,
    printed: Vec<u8>,
    complained: Vec<u8>,
}

/// The program and all that it started: killed together when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// An agent that it started may stay.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Command {
    pub fn new(
        context: &Context<'_>,
        words: &[String],
        environment: &[String],
    ) -> Result<Self, BrokerError> {
        Ok(Self {
            origin: context.origin.clone(),
            redactor: context.redactor.clone(),
            issuer: context.issuer.url.clone(),
            words: words.to_vec(),
            environment: environment.to_vec(),
            deadline: context.issuer.limits.answer,
            turns: Semaphore::new(AT_ONCE),
        })
    }

    /// The words with what is asked for in the placeholders' places.
    fn words(&self, request: &TokenRequest) -> Vec<String> {
        let scopes = request.all_scopes().join(" ");
        let audience = request.audience.each().join(" ");
        let values = [
            ("{scopes}", scopes.as_str()),
            ("{audience}", &audience),
            ("{issuer}", &self.issuer),
        ];
        self.words
            .iter()
            .map(|word| filled(word, &values))
            .collect()
    }

    /// Whether the program gets the environment variable of that name. Others may hold the secrets of other issuers.
    fn gets(&self, name: &OsStr) -> bool {
        let Some(name) = name.to_str() else {
            return false;
        };
        USUAL.contains(&name)
            || FAMILIES.iter().any(|family| name.starts_with(family))
            || self.environment.iter().any(|other| other == name)
    }

    async fn run(&self, request: &TokenRequest) -> Result<Ended, TokenError> {
        let words = self.words(request);
        let (program, arguments) = words.split_first().map_or(("", &[][..]), |(p, a)| (p, a));
        let spawned = tokio::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| self.gets(name)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|error| {
            let name = self.name();
            let (came, help) = match error.kind() {
                ErrorKind::NotFound => (
                    format!("there is no program {name}"),
                    "install it, or write its path in `command`",
                ),
                _ => (
                    format!("the program {name} cannot be started: {error}"),
                    "see to it that it can be executed, and begins with `#!` if it is a script",
                ),
            };
            self.origin.unavailable(request, came, help)
        })?;
        let group = Group::of(&child);
        let answer = tokio::time::timeout(self.deadline, self.listen(&mut child)).await;
        let reason = match answer {
            Ok(Ok(ended)) => {
                group.leave();
                return Ok(ended);
            }
            Ok(Err(reason)) => reason,
            Err(_) => format!(
                "did not end within {}",
                humantime::format_duration(self.deadline)
            ),
        };
        drop(group);
        if tokio::time::timeout(DYING, child.kill()).await.is_err() {
            tracing::warn!(
                "the program {} is not gone after it was killed",
                self.name()
            );
        }
        let came = format!("the program {} {reason}, and was killed", self.name());
        let help = "see whether it waits for somebody, or for a server that is down; `limits: {answer: …}` says how long it may take";
        Err(self.origin.unavailable(request, came, help))
    }

    async fn listen(&self, child: &mut Child) -> Result<Ended, String> {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (printed, complained, status) =
            tokio::try_join!(whole(out), async { Ok(tail(err).await) }, async {
                let status = child.wait().await;
                status.map_err(|error| format!("cannot be waited for: {error}"))
            })?;
        Ok(Ended {
            status,
            printed,
            complained,
        })
    }

    fn understand(
        &self,
        request: &TokenRequest,
        ended: &Ended,
    ) -> Result<SecretString, TokenError> {
        let text = String::from_utf8_lossy(&ended.printed);
        let text = text.trim();
        // Known before anything of what it wrote is repeated.
        let whole = text.len() >= SHORTEST && form::presentable(text).is_ok();
        let token = whole.then(|| SecretString::from(text));
        let other = match &token {
            Some(_) => None,
            None => form::of(text),
        };
        let inside = other.as_ref().and_then(|form| match &form.inside {
            Inside::Token(token) => Some(token),
            Inside::Said(_) | Inside::Nothing => None,
        });
        if let Some(secret) = token.as_ref().or(inside) {
            self.redactor.add(secret);
        }
        let complaint = match self.complaint(&ended.complained) {
            Some(complaint) => format!("; it complained {complaint}"),
            None => String::new(),
        };
        let name = self.name();
        if !ended.status.success() {
            let came = format!(
                "the program {name} ended with {}{complaint}",
                exit_reason(ended.status)
            );
            let help = format!("see what it does: `{}`", self.shown(request).join(" "));
            return Err(self.origin.unavailable(request, came, &help));
        }
        token.ok_or_else(|| {
            if let Some(form) = other {
                let came = format!(
                    "what the program {name} printed is no token: {}{complaint}",
                    form.what
                );
                let help = format!("it has to print the token alone: {}", form.mend);
                return self.origin.unavailable(request, came, &help);
            }
            let shape = match text.lines().count() {
                0 => "printed nothing".to_owned(),
                1 => format!("printed a line of {} bytes that is no token", text.len()),
                many => format!("printed {many} lines"),
            };
            let came = format!("the program {name} {shape}{complaint}");
            let help = "it has to print a token and nothing else; what is meant for people goes to its stderr";
            self.origin.unavailable(request, came, help)
        })
    }

    /// The last lines of what it wrote to stderr.
    fn complaint(&self, bytes: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(bytes);
        let text = self.redactor.text(&text);
        let lines: Vec<_> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let last = lines
            .get(lines.len().saturating_sub(LINES)..)
            .unwrap_or_default();
        (!last.is_empty()).then(|| self.origin.quoted(&last.join(" / ")))
    }

    fn name(&self) -> String {
        let name = self.words.first().map(String::as_str).unwrap_or_default();
        format!("`{}`", name.escape_debug())
    }

    fn shown(&self, request: &TokenRequest) -> Vec<String> {
        self.words(request)
            .iter()
            .map(|word| shell_word(word))
            .collect()
    }
}

#[async_trait]
impl TokenSourceClient for Command {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let turn = self.turns.acquire().await;
        let ended = self.run(request).await;
        drop(turn);
        self.understand(request, &ended?)
    }

    fn how(&self, request: &TokenRequest) -> String {
        format!("TOKEN=$({})", self.shown(request).join(" "))
    }
}

/// Each placeholder once, from left to right: what stands for one is not looked at again.
fn filled(word: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some((at, name, value)) = values
        .iter()
        .filter_map(|(name, value)| rest.find(name).map(|at| (at, *name, *value)))
        .min()
    {
        text.push_str(&rest[..at]);
        text.push_str(value);
        rest = &rest[at + name.len()..];
    }
    text.push_str(rest);
    text
}

/// All that comes, which must not be much.
async fn whole(stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let mut stream = stream.take(LARGEST as u64 + 1);
        let read = stream.read_to_end(&mut bytes).await;
        read.map_err(|error| format!("cannot be read from: {error}"))?;
    }
    match bytes.len() > LARGEST {
        true => Err("printed more than 64 KiB".into()),
        false => Ok(bytes),
    }
}

/// The end of what comes. All of it is read, for otherwise its writer would wait.
async fn tail(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut last = VecDeque::new();
    let mut piece = [0; COMPLAINT];
    if let Some(mut stream) = stream {
        while let Ok(read @ 1..) = stream.read(&mut piece).await {
            last.extend(&piece[..read]);
            last.drain(..last.len().saturating_sub(COMPLAINT));
        }
    }
    last.into()
}

fn exit_reason(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn placeholders_are_filled_once() {
        let values = [
            ("{scopes}", "a {audience}"),
            ("{audience}", "https://se"),
            ("{issuer}", "https://iss/"),
        ];
        let fill = |word| filled(word, &values);
        assert_eq!(fill("--scope={scopes}"), "--scope=a {audience}");
        assert_eq!(
            fill("{audience}{audience}{issuer}x"),
            "https://sehttps://sehttps://iss/x"
        );
        assert_eq!(fill("{scope} $HOME {}"), "{scope} $HOME {}");
        assert_eq!(fill(""), "");
    }
}
