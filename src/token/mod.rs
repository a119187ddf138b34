//! Where tokens come from and what is known of them.
//!
//! A step asks the [`Broker`]; the broker asks a [`Source`] once for each distinct request and looks
//! into what came. A new kind of source is one file here, and an arm in [`Broker::new`].

mod broker;
mod client_credentials;
mod discovery;
mod forge;
mod given;
mod inspect;
pub mod judge;
mod key;
mod macaroon;
mod mint;
pub mod publish;
mod secret;
mod verify;

use async_trait::async_trait;
use secrecy::SecretString;
use thiserror::Error;

use crate::model::{TokenRef, TokenRequest};

pub use broker::{Broker, Fit, IssuerClient};
pub use discovery::{DiscoveryError, Found, discover};
pub use inspect::{Claims, claims};
pub use macaroon::{Macaroon, MacaroonError};
pub use secret::{SecretError, load};
pub use verify::{Proof, verify};

#[cfg(test)]
mod tests;

/// A token together with what may be shown of it.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub secret: SecretString,
    /// Its description.
    pub shown: TokenRef,
}

impl Token {
    /// A text that is presented as if it were a token.
    pub fn of_text(text: &str) -> Self {
        let shown: String = text.chars().take(40).collect();
        Self {
            secret: SecretString::from(text),
            shown: TokenRef {
                what: format!("no token but the text {shown:?} ({} bytes)", text.len()),
                issuer: "nobody".into(),
                jti: None,
                hash: String::new(),
                how: "write it as it is".into(),
            },
        }
    }
}

impl Token {
    /// A credential that is good for a server of ours alone, and different in every run.
    pub fn made_up() -> Self {
        let text = format!("made-up-{}", uuid::Uuid::new_v4().simple());
        Self {
            secret: SecretString::from(text),
            shown: TokenRef {
                what: "a credential for touchstone's own other side".into(),
                issuer: "touchstone".into(),
                jti: None,
                hash: String::new(),
                how: "any word that your own server on the other side knows".into(),
            },
        }
    }

    /// A macaroon that an endpoint has issued, or what became of it. `what` may hold what others wrote.
    pub fn of_macaroon(secret: SecretString, endpoint: &str, what: &str, how: &str) -> Self {
        let what = what.chars().take(400).flat_map(char::escape_debug);
        Self {
            shown: TokenRef {
                what: what.collect(),
                issuer: endpoint.to_owned(),
                jti: None,
                hash: broker::hash(&secret),
                how: how.to_owned(),
            },
            secret,
        }
    }
}

/// The public half of the key that signs where a case asks for one that no issuer has published, as JWK:
/// for a server of ours that nobody trusts.
///
/// # Errors
/// The system gives no randomness.
pub fn rogue_key() -> Result<serde_json::Value, String> {
    let key = key::SigningKey::rogue()?;
    let mut jwk = key.jwk.clone();
    jwk["kid"] = key.id.as_str().into();
    Ok(jwk)
}

/// Something that obtains tokens.
#[async_trait]
pub trait Source: Send + Sync {
    /// Obtains a token, as the issuer gives it; nobody has looked into it yet.
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError>;

    /// How a person obtains such a token: a shell line or a sentence.
    fn how(&self, request: &TokenRequest) -> String;
}

/// Why there is no token. The messages hold no secret.
#[derive(Clone, Debug, Error)]
pub enum TokenError {
    /// The issuer does not give such a token: the storage is not to blame, the case does not apply.
    #[error("the issuer `{issuer}` did not give what the case needs ({asked}): {reason}")]
    Refused {
        /// Name of the issuer.
        issuer: String,
        /// What was asked for.
        asked: String,
        /// What came instead.
        reason: String,
    },
    /// Nothing can be said: the issuer is down, slow or broken.
    #[error("no token from the issuer `{issuer}`: {reason}")]
    Unavailable {
        /// Name of the issuer.
        issuer: String,
        /// What happened.
        reason: String,
    },
}

impl TokenError {
    /// Whether the issuer answered, and the answer was no.
    pub fn refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}
