//! A person's login without a browser on this machine (RFC 8628): how a refresh token gets into its file.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use crate::token::error::{Origin, TokenErrorKind};
use crate::token::{BrokerError, TokenError, claims};
use touchstone_model::redact::Redactor;
use touchstone_model::{Issuer, OAuthClient};

use super::Context;
use super::oauth::{Denied, Form, Granted, TokenEndpoint, members, refused};
use super::rotating_secret::{RotatingSecret, RotationProblem};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 section 3.2, where the issuer says nothing; and by how much section 3.5 slows down.
const INTERVAL: Duration = Duration::from_secs(5);
const SLOWEST: Duration = Duration::from_secs(60);
/// Nobody takes longer to log in.
const LONGEST: Duration = Duration::from_secs(3600);
/// A shorter time than this between two questions helps nobody.
const SHORTEST: Duration = Duration::from_secs(1);
/// How often in a row the issuer may be out of reach.
const MISSES: u32 = 3;
const TELL: &str = "tell whoever runs the issuer";

/// A login that may begin.
pub struct DeviceLogin {
    endpoint: TokenEndpoint,
    kept: RotatingSecret,
    redactor: Redactor,
    /// What is asked for, in words.
    asked: String,
    scope: String,
}

/// What the person has to do.
#[derive(Debug)]
pub struct Prompt {
    /// Where to go, with https.
    pub page: Url,
    /// The same with the code in it.
    pub complete: Option<Url>,
    /// What to type there; printable.
    pub code: String,
    /// When it is too late.
    pub until: Timestamp,
    device_code: SecretString,
    interval: Duration,
}

/// The person has agreed; nothing is written yet.
pub struct Agreed {
    granted: Granted,
    refresh_token: SecretString,
}

/// What has come of it. It holds no secret.
#[derive(Debug)]
pub struct Obtained {
    /// The scopes, as the issuer tells them; what others wrote.
    pub scope: Option<String>,
    /// When the access token ends that came along.
    pub access_until: Option<Timestamp>,
    /// When the refresh token ends, where that can be told.
    pub refresh_until: Option<Timestamp>,
}

impl DeviceLogin {
    /// A login of `client` at `issuer`; what comes of it goes into `file`.
    ///
    /// # Errors
    /// What of the configuration cannot be used, before anything is sent.
    pub fn new(
        issuer: &Issuer,
        client: &OAuthClient,
        file: &Path,
        scope: &str,
        redactor: &Redactor,
    ) -> Result<Self, BrokerError> {
        let context = Context {
            issuer,
            redactor,
            origin: Origin::new(&issuer.name, "token login", redactor),
        };
        Ok(Self {
            endpoint: TokenEndpoint::new(&context, client, "begin anew".into())?,
            kept: RotatingSecret::new(file, "a refresh token", redactor),
            redactor: redactor.clone(),
            asked: format!("a refresh token with scope \"{scope}\""),
            scope: scope.to_owned(),
        })
    }

    /// Asks for a code, once it is clear that the file can be written.
    ///
    /// # Errors
    /// The file cannot be written, or the issuer gives no code.
    pub async fn begin(&self) -> Result<Prompt, TokenError> {
        self.kept
            .writable()
            .await
            .map_err(|trouble| self.trouble(trouble))?;
        let asked = &self.asked;
        let origin = &self.endpoint.origin;
        let metadata = self.endpoint.metadata(asked).await?;
        let Some(url) = &metadata.device_endpoint else {
            let came =
                "its metadata name no device_authorization_endpoint with https at its own host"
                    .into();
            let help = "obtain a refresh token in another way, and put it into the file";
            return Err(origin.unavailable(asked, came, help));
        };
        let form = vec![("scope", self.scope.clone())];
        let token_endpoint = &metadata.token_endpoint;
        let answer = self.endpoint.send(asked, url, form, token_endpoint).await?;
        let members = members(&answer).unwrap_or_default();
        if let Some(refusal) = refused(answer.status, &members) {
            return Err(self.endpoint.in_words(asked, &refusal));
        }
        if answer.status != 200 {
            let came = format!("its device endpoint answered {}", answer.looks());
            return Err(origin.unavailable(asked, came, TELL));
        }
        self.prompt(&members).map_err(|what| {
            let came = format!("its device endpoint gave no usable {what}");
            origin.unavailable(asked, came, TELL)
        })
    }

    fn prompt(&self, members: &Map<String, Value>) -> Result<Prompt, &'static str> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let device_code = text("device_code").filter(|code| !code.is_empty());
        let device_code = SecretString::from(device_code.ok_or("device_code")?);
        self.redactor.add(&device_code);
        // Where a person is to log in has to be the issuer's, and nobody's on the way.
        let page = |name| {
            let url = Url::parse(text(name)?).ok()?;
            let plain = url.scheme() == "https" && url.as_str().len() < 2000;
            let user = !url.username().is_empty() || url.password().is_some();
            // It goes to a screen and into the history of a browser: no place for the device code.
            let clean = self.redactor.text(url.as_str()) == url.as_str();
            (plain && !user && clean).then_some(url)
        };
        let seconds = |name: &str| {
            let seconds = members.get(name)?.as_u64()?;
            Some(Duration::from_secs(seconds))
        };
        let printable = |code: &&str| {
            (1..=64).contains(&code.len())
                && code.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        };
        let life = seconds("expires_in").ok_or("expires_in")?.min(LONGEST);
        Ok(Prompt {
            page: page("verification_uri").ok_or("verification_uri with https")?,
            complete: page("verification_uri_complete"),
            code: text("user_code")
                .filter(printable)
                .ok_or("user_code")?
                .to_owned(),
            until: after(life),
            device_code,
            interval: seconds("interval")
                .unwrap_or(INTERVAL)
                .clamp(SHORTEST, SLOWEST),
        })
    }

    /// Waits until the person has agreed.
    ///
    /// # Errors
    /// The person says no, or nothing until it is too late; or the issuer fails.
    pub async fn wait(&self, prompt: &Prompt) -> Result<Agreed, TokenError> {
        let asked = &self.asked;
        let origin = &self.endpoint.origin;
        let late = || {
            let came = "nobody agreed in time".to_owned();
            origin.unavailable(asked, came, "begin anew")
        };
        let mut pause = prompt.interval;
        let mut misses = 0;
        loop {
            if after(pause) > prompt.until {
                return Err(late());
            }
            tokio::time::sleep(pause).await;
            let refusal = match self.endpoint.attempt(asked, form(prompt)).await {
                Ok(granted) => return self.agreed(granted),
                Err(Denied::Said(refusal)) => refusal,
                Err(Denied::Otherwise(error)) => {
                    misses += 1;
                    if misses == MISSES {
                        return Err(error);
                    }
                    pause = match error.kind {
                        TokenErrorKind::Busy(Some(wanted)) => wanted.clamp(pause, SLOWEST),
                        _ => (pause * 2).min(SLOWEST),
                    };
                    continue;
                }
            };
            misses = 0;
            match refusal.error.as_str() {
                "authorization_pending" => {}
                "slow_down" => pause = (pause + INTERVAL).min(SLOWEST),
                "expired_token" => return Err(late()),
                "access_denied" => {
                    let came = "the person who was asked said no".to_owned();
                    return Err(origin.refused(asked, came, "begin anew if that was a mistake"));
                }
                _ => return Err(self.endpoint.in_words(asked, &refusal)),
            }
        }
    }

    fn agreed(&self, granted: Granted) -> Result<Agreed, TokenError> {
        match granted.refresh_token.clone() {
            Some(refresh_token) => Ok(Agreed {
                granted,
                refresh_token,
            }),
            None => {
                let came = "an access token came without a refresh token".to_owned();
                let help = "ask whoever runs the issuer to let the client have the scope offline_access and the grant refresh_token";
                Err(self.endpoint.origin.refused(&self.asked, came, help))
            }
        }
    }

    /// Writes the refresh token into its file.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn keep(&self, agreed: Agreed) -> Result<Obtained, TokenError> {
        let token = &agreed.refresh_token;
        let written = async { self.kept.lock().await?.replace(token).await };
        written.await.map_err(|trouble| self.trouble(trouble))?;
        let members = &agreed.granted.members;
        let seconds = |name: &str| members.get(name).and_then(Value::as_u64);
        let end = |seconds: u64| after(Duration::from_secs(seconds));
        let access = agreed.granted.access_token.as_ref().ok();
        let access = access.and_then(|token| claims(token).ok());
        let told = members.get("scope").and_then(Value::as_str);
        let told = told.or_else(|| access.as_ref()?.text("scope"));
        Ok(Obtained {
            scope: told.map(|scope| self.redactor.text(scope)),
            access_until: access
                .as_ref()
                .and_then(|access| access.expires())
                .or_else(|| seconds("expires_in").map(end)),
            refresh_until: seconds("refresh_expires_in")
                .filter(|seconds| *seconds > 0)
                .map(end)
                .or_else(|| claims(token).ok()?.expires()),
        })
    }

    fn trouble(&self, (came, help): RotationProblem) -> TokenError {
        self.endpoint.origin.unavailable(&self.asked, came, &help)
    }
}

fn form(prompt: &Prompt) -> Form {
    vec![
        ("grant_type", GRANT.to_owned()),
        ("device_code", prompt.device_code.expose_secret().to_owned()),
    ]
}

/// That long from now; far away is the end of time.
fn after(pause: Duration) -> Timestamp {
    SignedDuration::try_from(pause)
        .ok()
        .and_then(|pause| Timestamp::now().checked_add(pause).ok())
        .unwrap_or(Timestamp::MAX)
}
