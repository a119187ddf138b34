use std::collections::HashMap;
use std::sync::Arc;

use crate::http::TlsError;
use touchstone_model::redact::Redactor;
use touchstone_model::{Endpoint, Inventory, IssuerUse, TokenRef, TokenRequest};

use super::cache::{Age, TokenCache};
use super::error::Origin;
use super::{Renewal, SecretError, Token, TokenError};
use crate::http::RateLimiter;

/// How close a token has to be to what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Exactly that: it is what a step tests.
    Exact,
    /// At least that: an observer or a control only has to succeed.
    AtLeast,
}

/// Obtains each distinct token once, keeps it while enough life is left in it, and looks into it. Clones
/// share what they have.
#[derive(Clone)]
pub struct Broker {
    issuers: Arc<HashMap<String, TokenCache>>,
    redactor: Redactor,
}

/// Why a broker cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A secret is not there.
    #[error("issuer `{0}`: {1}")]
    Secret(String, SecretError),
    /// A test key is no key.
    #[error("issuer `{issuer}`: the test key cannot be used: {reason}")]
    Key {
        /// Name of the issuer.
        issuer: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Whom to trust cannot be read.
    #[error("issuer `{0}`: {1}")]
    Tls(String, TlsError),
}

impl BrokerError {
    /// Whether only an environment variable is missing.
    pub fn unset(&self) -> bool {
        matches!(self, Self::Secret(_, SecretError::Unset(..)))
    }
}

impl Broker {
    /// Reads the secrets of the issuers that are named in `used`, and registers them with `redactor`.
    ///
    /// # Errors
    /// What of the configuration cannot be used, before anything is sent.
    pub fn new(
        inventory: &Inventory,
        used: &[&str],
        redactor: &Redactor,
    ) -> Result<Self, BrokerError> {
        let mut issuers = HashMap::new();
        for issuer in inventory
            .issuers
            .iter()
            .filter(|i| used.contains(&i.name.as_str()))
        {
            issuers.insert(issuer.name.clone(), TokenCache::new(issuer, redactor)?);
        }
        Ok(Self {
            issuers: Arc::new(issuers),
            redactor: redactor.clone(),
        })
    }

    /// Asks these issuers as well, as far as what they need can be read: for partners that nobody judges.
    pub fn also(mut self, inventory: &Inventory, names: &[&str]) -> Self {
        let others = inventory.issuers.iter().filter(|issuer| {
            names.contains(&issuer.name.as_str()) && !self.issuers.contains_key(&issuer.name)
        });
        let others: Vec<_> = others
            .filter_map(|issuer| {
                Some((
                    issuer.name.clone(),
                    TokenCache::new(issuer, &self.redactor).ok()?,
                ))
            })
            .collect();
        if let Some(issuers) = Arc::get_mut(&mut self.issuers) {
            issuers.extend(others);
        }
        self
    }

    /// The token for `request`: one that is at hand, or a new one.
    ///
    /// # Errors
    /// A refusal ([`TokenError::refused`]) when the issuer gives something else; anything else when it gives nothing.
    pub async fn token(&self, request: &TokenRequest, fit: Fit) -> Result<Token, TokenError> {
        self.give(request, fit, Age::Kept).await
    }

    /// The same, always a new one, which [`Token::current`] replaces at each use: for services that refuse a
    /// `jti` that they have seen.
    ///
    /// # Errors
    /// As [`Broker::token`].
    pub async fn fresh(&self, request: &TokenRequest, fit: Fit) -> Result<Token, TokenError> {
        let token = self.give(request, fit, Age::New).await?;
        Ok(self.renewed(token, request, Age::New))
    }

    /// As [`Broker::token`], and [`Token::current`] replaces it when its time is nearly over.
    ///
    /// # Errors
    /// As [`Broker::token`].
    pub async fn lasting(&self, request: &TokenRequest, fit: Fit) -> Result<Token, TokenError> {
        let token = self.give(request, fit, Age::Kept).await?;
        Ok(self.renewed(token, request, Age::Kept))
    }

    /// A token that lasts for as long as something is done at `endpoint`; a new one each time where that refuses one
    /// that it has seen.
    ///
    /// # Errors
    /// As [`Broker::token`].
    pub async fn observers(
        &self,
        endpoint: &Endpoint,
        request: &TokenRequest,
    ) -> Result<Token, TokenError> {
        match endpoint.fresh_tokens {
            true => self.fresh(request, Fit::AtLeast).await,
            false => self.lasting(request, Fit::AtLeast).await,
        }
    }

    fn renewed(&self, mut token: Token, request: &TokenRequest, age: Age) -> Token {
        token.renewal = Some(Box::new(Renewal {
            broker: self.clone(),
            request: request.clone(),
            age,
        }));
        token
    }

    /// Why nobody can verify that token, where its issuer gave it so: whoever refuses it is right.
    pub async fn doubt(&self, token: &TokenRef) -> Option<String> {
        let mut issuers = self.issuers.values();
        let cache = issuers.find(|cache| cache.is(&token.issuer))?;
        cache.doubt(&token.hash).await
    }

    /// Through which everything goes that is sent to that issuer.
    pub fn limiter(&self, issuer: &str) -> Option<Arc<RateLimiter>> {
        self.issuers
            .get(issuer)
            .map(|cache| Arc::clone(&cache.limiter))
    }

    /// How often each issuer was asked, by name.
    pub fn usage(&self) -> Vec<IssuerUse> {
        let mut usage: Vec<_> = self.issuers.values().map(TokenCache::usage).collect();
        usage.retain(|usage| usage.requests > 0);
        usage.sort_by(|one, other| one.issuer.cmp(&other.issuer));
        usage
    }

    async fn give(&self, request: &TokenRequest, fit: Fit, age: Age) -> Result<Token, TokenError> {
        let Some(cache) = self.issuers.get(&request.issuer) else {
            let origin = Origin::new(&request.issuer, "nothing", &self.redactor);
            let came = "nobody was asked".to_owned();
            return Err(origin.unavailable(request, came, "describe it below `issuers`"));
        };
        let signer = request
            .signer
            .as_ref()
            .and_then(|name| self.issuers.get(name));
        let token = cache.token(request, signer, &self.redactor, age).await?;
        cache.check_granted(&token, request, fit)?;
        Ok(token)
    }
}
