use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The methods that cases use.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    Get,
    /// Look at.
    Head,
    /// Write.
    Put,
    /// Remove.
    Delete,
    /// Make a collection.
    Mkcol,
    /// Ask for properties.
    Propfind,
    /// Rename.
    Move,
    /// Copy within the service.
    Copy,
    /// Ask what can be asked; the preflight's method.
    Options,
    /// Ask an interface beside WebDAV for something.
    Post,
}

impl Method {
    /// The method on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Mkcol => "MKCOL",
            Self::Propfind => "PROPFIND",
            Self::Move => "MOVE",
            Self::Copy => "COPY",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }

    /// Whether it changes anything when it succeeds.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::Put | Self::Delete | Self::Mkcol | Self::Move | Self::Copy
        )
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The end of an exchange as it came from the network: hostile until checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Names in lower case; values as far as they are text.
    pub headers: Vec<(String, String)>,
    /// The body up to the cap.
    pub body: Vec<u8>,
    /// Whether the body went on beyond the cap.
    pub truncated: bool,
    /// When its head was there.
    pub head: Option<Instant>,
    /// The longest wait for a piece of its body.
    pub pause: Duration,
}

impl Answer {
    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// 2xx.
    pub fn success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why an exchange took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Is the endpoint there at all?
    Preflight,
    /// The observer arranges what a case needs.
    Arrange,
    /// The request that is judged.
    Step,
    /// The same request with the defect removed.
    Control,
    /// The observer looks at what really changed.
    Effect,
    /// The observer removes what was made.
    Teardown,
}

impl Purpose {
    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Arrange => "arrange",
            Self::Step => "step",
            Self::Control => "control",
            Self::Effect => "effect",
            Self::Teardown => "teardown",
        }
    }
}

/// One recorded request and its answer, redacted, capped and ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// Why it took place.
    pub purpose: Purpose,
    /// The method as it stood on the wire.
    pub method: SentMethod,
    /// The first URL that was asked.
    #[serde(deserialize_with = "a_url")]
    pub url: String,
    /// Headers that were sent, without `Authorization`.
    pub request_headers: Vec<(String, String)>,
    /// The body that was sent, where it is text; of a long one, the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    /// The credential, in a form that cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenRef>,
    /// The second credential, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<TokenRef>,
    /// The header lines that carried the credentials, with `$TOKEN` and `$OTHER` in their places, where it
    /// was not done in the usual way; these stand in the URL as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presented: Option<Vec<String>>,
    /// Status of the last answer; `None` if there was none.
    pub status: Option<u16>,
    /// Headers of the last answer.
    pub response_headers: Vec<(String, String)>,
    /// The beginning of the last answer's body.
    pub response_body: String,
    /// How many bytes of the body were read.
    pub response_bytes: u64,
    /// Redirects on the way, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it was sent; more than once only after a transport error without any answer.
    pub attempts: u32,
    /// When it was sent.
    pub started: Timestamp,
    /// Until the body was read.
    pub duration_ms: u64,
}

/// A method as it may stand in a request line (RFC 9110 section 9.1), whether a case has a word for it or not. Records are read
/// from anywhere, and this becomes a word of a command line: it is a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct SentMethod(#[schemars(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))] String);

impl SentMethod {
    /// The method `text`; `None` if no request line can have it.
    pub fn new(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let token = !text.is_empty() && text.bytes().all(legal);
        token.then(|| Self(text.to_owned()))
    }

    /// As it stood there.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Method> for SentMethod {
    fn from(method: Method) -> Self {
        Self(method.as_str().to_owned())
    }
}

impl PartialEq<Method> for SentMethod {
    fn eq(&self, method: &Method) -> bool {
        self.0 == method.as_str()
    }
}

impl fmt::Display for SentMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SentMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "{:?} is no method, such as `GET`",
                beginning(&text)
            ))
        })
    }
}

/// What starts like a URL of a storage element or an issuer; what follows may be as odd as a byte-exact request has it.
fn a_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let url = String::deserialize(deserializer)?;
    let starts = |scheme: &str| url.len() > scheme.len() && url.starts_with(scheme);
    match starts("https://") || starts("http://") {
        true => Ok(url),
        false => Err(D::Error::custom(format!(
            "{:?} is no URL, such as `https://se.example.org/f`",
            beginning(&url)
        ))),
    }
}

/// The beginning, for a message.
fn beginning(text: &str) -> String {
    text.chars().take(100).collect()
}

/// An answer that the server began and did not bring to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokeOff {
    /// Its status.
    pub status: u16,
    /// How many bytes of its body had come, as far as they are kept.
    pub received: usize,
}

impl fmt::Display for BrokeOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, received } = self;
        write!(
            f,
            "was answered {status}, and the answer broke off after {received} bytes"
        )
    }
}

/// One redirect that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// Who answered.
    pub url: String,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Where it pointed.
    pub location: String,
    /// Whether the token went along.
    pub token_forwarded: bool,
}

/// A token as reports may show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenRef {
    /// What it is, in words: scope, audience, alterations.
    pub what: String,
    /// Who issued it.
    pub issuer: String,
    /// Its `jti`, for the logs of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// First 12 hexadecimal digits of the SHA-256 of the token.
    pub hash: String,
    /// How to obtain such a token.
    pub how: String,
}
