use std::fmt::Display;
use std::time::Duration;

use thiserror::Error;

use touchstone_model::redact::Redactor;

use super::client::Answer;

/// How much of what others wrote is repeated in a message.
const LONGEST: usize = 200;

/// Why there is no token: whom was asked, for what, what came, and what to do. It holds no secret.
#[derive(Clone, Debug, Error)]
#[error("{}", self.sentence())]
pub struct TokenError {
    /// What kind of no it is.
    pub kind: TokenErrorKind,
    /// Name of the issuer, and the kind of source.
    pub issuer: String,
    /// What was asked for.
    pub asked: String,
    /// What came instead.
    pub came: String,
    /// What to do about it.
    pub help: String,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenErrorKind {
    /// Such a token is not given: the storage is not to blame, the case does not apply.
    Refused,
    /// Nothing can be said: the issuer is down, slow or broken.
    Unavailable,
    /// The same, whatever is asked for: nobody answers, or the account is not accepted.
    General,
    /// The issuer asks to come again later, and perhaps when.
    Busy(Option<Duration>),
}

impl TokenError {
    /// Whether the issuer answered, and the answer was no.
    pub fn refused(&self) -> bool {
        self.kind == TokenErrorKind::Refused
    }

    fn sentence(&self) -> String {
        let Self {
            issuer,
            asked,
            came,
            help,
            ..
        } = self;
        let begin = match self.kind {
            TokenErrorKind::Refused => format!("the issuer {issuer} did not give what is needed"),
            TokenErrorKind::Unavailable | TokenErrorKind::General | TokenErrorKind::Busy(_) => {
                format!("no token from the issuer {issuer}")
            }
        };
        format!("{begin}: asked for {asked}; {came}; {help}")
    }
}

/// Who is asked, for messages.
#[derive(Clone)]
pub(super) struct Origin {
    name: String,
    redactor: Redactor,
}

impl Origin {
    /// The issuer of that name, asked by that kind of source.
    pub fn new(issuer: &str, source: &str, redactor: &Redactor) -> Self {
        Self {
            name: format!("`{issuer}` ({source})"),
            redactor: redactor.clone(),
        }
    }

    /// A no. `came` and `help` continue the sentence.
    pub fn refused(&self, asked: &(impl Display + ?Sized), came: String, help: &str) -> TokenError {
        self.error(TokenErrorKind::Refused, asked, came, help)
    }

    /// Nothing that could be understood.
    pub fn unavailable(
        &self,
        asked: &(impl Display + ?Sized),
        came: String,
        help: &str,
    ) -> TokenError {
        self.error(TokenErrorKind::Unavailable, asked, came, help)
    }

    /// The same for whatever else may be asked for.
    pub fn general(&self, asked: &(impl Display + ?Sized), came: String, help: &str) -> TokenError {
        self.error(TokenErrorKind::General, asked, came, help)
    }

    pub fn error(
        &self,
        kind: TokenErrorKind,
        asked: &(impl Display + ?Sized),
        came: String,
        help: &str,
    ) -> TokenError {
        TokenError {
            kind,
            issuer: self.name.clone(),
            asked: asked.to_string(),
            came: self.redactor.text(&came),
            help: help.to_owned(),
        }
    }

    /// Where a redirect leads, for messages: the start of its URL, nothing that may be secret.
    pub fn led(&self, answer: &Answer) -> String {
        let url = answer.location.as_deref().map(url::Url::parse);
        match url {
            Some(Ok(url)) if url.has_host() => {
                let origin = self.quoted(&url.origin().ascii_serialization());
                format!(" to {origin}")
            }
            _ => String::new(),
        }
    }

    /// A sentence that repeats what others wrote, fit for a message.
    pub fn quoted_words(&self, text: &str) -> String {
        let shown: String = text
            .chars()
            .take(4 * LONGEST)
            .flat_map(char::escape_debug)
            .collect();
        self.redactor.text(&shown)
    }

    /// What others wrote, fit for a message: one line, not long, nothing secret.
    pub fn quoted(&self, text: &str) -> String {
        let cut: String = text.trim().chars().take(LONGEST).collect();
        let shown: String = cut.chars().flat_map(char::escape_debug).collect();
        let more = if cut.len() < text.trim().len() {
            "…"
        } else {
            ""
        };
        format!("\"{}{more}\"", self.redactor.text(&shown))
    }
}
