//! Where tokens come from and what is known of them.
//!
//! A step asks the [`Broker`]; the broker asks a [`TokenSourceClient`] once for each distinct request and looks
//! into what came. A new kind of source is one file in `source/` and an arm in its `open`.

mod altered;
mod broker;
mod cache;
mod cause;
mod circuit_breaker;
mod client;
mod client_authentication;
mod discovery;
mod error;
mod forge;
pub mod form;
mod inspect;
pub mod judge;
mod key;
mod macaroon;
mod mint;
pub mod publish;
mod secret;
mod source;
mod verify;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use secrecy::SecretString;

use cache::Age;
use touchstone_model::{BearerToken, Method, TokenRef, TokenRequest};

/// A token with fewer seconds of life left is asked for again; sources that can be told are told.
const LIFE: u32 = 180;

pub use crate::http::RateLimiter;
pub use altered::{expired, foreign, tampered, unknown_key};
pub use broker::{Broker, BrokerError, Fit};
pub use cause::{Cause, cause, causes};
pub use client::IssuerClient;
pub use client_authentication::{RegisteredClient, RequestAuthentication};
pub use discovery::{DiscoveryError, Found, discover};
pub use error::{TokenError, TokenErrorKind};
pub use inspect::{Claims, claims};
pub use macaroon::{Macaroon, MacaroonError};
use secret::shown;
pub use secret::{SecretError, load, load_bearer};
pub use source::{Agreed, DeviceLogin, Obtained, Prompt, TokenSourceClient};
pub(crate) use source::{RotatingSecret, STAY};
pub(crate) use verify::names_keys;
pub use verify::{SignatureCheck, verify};

#[cfg(test)]
mod tests;

/// A token, and where the tokens come from that are used in its place.
#[derive(Clone, Debug)]
pub struct Token {
    bearer: BearerToken,
    renewal: Option<Box<Renewal>>,
    others: Option<Box<Others>>,
}

/// The tokens for what this one is not for, where a service takes no token for everything.
#[derive(Clone, Debug)]
struct Others {
    write: Token,
    make: Token,
}

/// Where the next one comes from, for a token that is good once, or has to last.
#[derive(Clone)]
struct Renewal {
    broker: Broker,
    request: TokenRequest,
    age: Age,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.request)
    }
}

/// What is sent: all that clients have to know of it.
impl Deref for Token {
    type Target = BearerToken;

    fn deref(&self) -> &BearerToken {
        &self.bearer
    }
}

impl Token {
    /// A token and its description.
    pub fn new(secret: SecretString, shown: TokenRef) -> Self {
        Self {
            bearer: BearerToken { secret, shown },
            renewal: None,
            others: None,
        }
    }

    /// With the tokens that replace and remove, and that make, where a service lets one token do one thing only.
    pub fn with(mut self, write: Self, make: Self) -> Self {
        self.others = Some(Box::new(Others { write, make }));
        self
    }

    /// The token for such requests.
    pub fn of(&self, method: Method) -> &Self {
        match self.others.as_deref() {
            Some(others) if matches!(method, Method::Put | Method::Mkcol) => &others.make,
            Some(others) if method.writes() => &others.write,
            _ => self,
        }
    }

    /// The token to use now: itself, or a new one where it is good once or nearly over. One that is nearly over stays in
    /// use where no other can be had, for the reason that comes with it: the storage says when it is too old.
    ///
    /// # Errors
    /// It is good once, and there is no new one.
    pub async fn current(&self) -> Result<(Cow<'_, Self>, Option<TokenError>), TokenError> {
        match self.renewal.as_deref() {
            None => Ok((Cow::Borrowed(self), None)),
            Some(Renewal {
                broker,
                request,
                age: Age::New,
            }) => Box::pin(broker.fresh(request, Fit::AtLeast))
                .await
                .map(|token| (Cow::Owned(token), None)),
            Some(Renewal {
                broker,
                request,
                age: Age::Kept,
            }) => match Box::pin(broker.token(request, Fit::AtLeast)).await {
                Ok(token) => Ok((Cow::Owned(token), None)),
                Err(error) => {
                    tracing::info!("the token at hand stays in use: {error}");
                    Ok((Cow::Borrowed(self), Some(error)))
                }
            },
        }
    }

    /// A text that is presented as if it were a token.
    pub fn of_text(text: &str) -> Self {
        let shown: String = text.chars().take(40).collect();
        let secret = SecretString::from(text);
        Self::new(
            secret,
            TokenRef {
                what: format!("no token but the text {shown:?} ({} bytes)", text.len()),
                issuer: "nobody".into(),
                jti: None,
                hash: String::new(),
                how: "write it as it is".into(),
            },
        )
    }
}

impl Token {
    /// A credential that is good for a server of ours alone, and different in every run.
    pub fn made_up() -> Self {
        let text = format!("made-up-{}", uuid::Uuid::new_v4().simple());
        Self::new(
            SecretString::from(text),
            TokenRef {
                what: "a credential for touchstone's own other side".into(),
                issuer: "touchstone".into(),
                jti: None,
                hash: String::new(),
                how: "any word that your own server on the other side knows".into(),
            },
        )
    }

    /// A macaroon that an endpoint has issued, or what became of it. `what` may hold what others wrote.
    pub fn of_macaroon(secret: SecretString, endpoint: &str, what: &str, how: &str) -> Self {
        let what = what.chars().take(400).flat_map(char::escape_debug);
        let shown = TokenRef {
            what: what.collect(),
            issuer: endpoint.to_owned(),
            jti: None,
            hash: cache::hash(&secret),
            how: how.to_owned(),
        };
        Self::new(secret, shown)
    }
}

/// The public half of the key that signs where a case asks for one that no issuer has published, as JWK:
/// for a server of ours that nobody trusts.
///
/// # Errors
/// The system gives no randomness.
pub fn rogue_key() -> Result<serde_json::Value, String> {
    let key = key::SigningKey::rogue(jsonwebtoken::Algorithm::ES256)?;
    let mut jwk = key.jwk.clone();
    jwk["kid"] = key.id.as_str().into();
    Ok(jwk)
}
