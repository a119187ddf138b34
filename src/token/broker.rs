use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use url::Url;

use crate::http::{self, TlsError};
use crate::model::{
    Inventory, Issuer, Means, Signature, TokenRef, TokenRequest, TokenSource, Trust,
};
use crate::redact::Redactor;

use super::client_credentials::ClientCredentials;
use super::forge::{Parts, forge};
use super::given::Given;
use super::inspect::claims;
use super::key::SigningKey;
use super::mint::{Mint, alterations};
use super::{SecretError, Source, Token, TokenError, load};

/// A token with less life left is asked for again.
const REMAINING: Duration = Duration::from_secs(180);
/// For one request to an issuer, answer included.
const DEADLINE: Duration = Duration::from_secs(20);
/// Larger than any answer of an issuer that makes sense.
const LARGEST: usize = 256 * 1024;

const NO_KEY: &str = "only a test issuer whose key we hold can make it";

/// How close a token has to be to what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Exactly that: it is what a step tests.
    Exact,
    /// At least that: an observer or a control only has to succeed.
    AtLeast,
}

/// Obtains each distinct token once, keeps it while enough life is left in it, and looks into it.
pub struct Broker {
    issuers: HashMap<String, Vault>,
    redactor: Redactor,
}

/// One issuer's sources, and the tokens that came from them.
struct Vault {
    issuer: Arc<Issuer>,
    source: Option<Box<dyn Source>>,
    /// A given token cannot be chosen, so that more rights than a control needs are no reason to skip.
    chosen: bool,
    mint: Option<Mint>,
    kept: Mutex<HashMap<TokenRequest, Arc<Slot>>>,
}

type Slot = OnceCell<Result<(Token, Option<Timestamp>), TokenError>>;

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
            issuers.insert(issuer.name.clone(), Vault::new(issuer, redactor)?);
        }
        Ok(Self {
            issuers,
            redactor: redactor.clone(),
        })
    }

    /// Asks these issuers as well, as far as what they need can be read: for partners that nobody judges.
    pub fn also(mut self, inventory: &Inventory, names: &[&str]) -> Self {
        for issuer in &inventory.issuers {
            if names.contains(&issuer.name.as_str())
                && !self.issuers.contains_key(&issuer.name)
                && let Ok(vault) = Vault::new(issuer, &self.redactor)
            {
                self.issuers.insert(issuer.name.clone(), vault);
            }
        }
        self
    }

    /// The token for `request`: one that is at hand, or a new one.
    ///
    /// # Errors
    /// [`TokenError::Refused`] when the issuer gives something else; [`TokenError::Unavailable`] when
    /// it gives nothing.
    pub async fn token(&self, request: &TokenRequest, fit: Fit) -> Result<Token, TokenError> {
        let Some(vault) = self.issuers.get(&request.issuer) else {
            return Err(TokenError::Unavailable {
                issuer: request.issuer.clone(),
                reason: "it is not configured".into(),
            });
        };
        let signer = request
            .signer
            .as_ref()
            .and_then(|name| self.issuers.get(name));
        let token = vault.token(request, signer, &self.redactor).await?;
        vault.look_into(&token, request, fit)?;
        Ok(token)
    }
}

impl Vault {
    fn new(issuer: &Arc<Issuer>, redactor: &Redactor) -> Result<Self, BrokerError> {
        let secret = |error| BrokerError::Secret(issuer.name.clone(), error);
        let mut chosen = true;
        let source: Option<Box<dyn Source>> = match &issuer.source {
            None => None,
            Some(TokenSource::Given { token }) => {
                let token = load(token, "a token").map_err(secret)?;
                redactor.add(&token);
                chosen = false;
                Some(Box::new(Given { token }))
            }
            Some(TokenSource::ClientCredentials {
                id,
                secret: key,
                authentication,
            }) => {
                let id = load(id, "a client id").map_err(secret)?;
                let key = load(key, "a client secret").map_err(secret)?;
                redactor.add_pair(id.expose_secret(), &key);
                Some(Box::new(ClientCredentials {
                    name: issuer.name.clone(),
                    issuer: issuer.url.clone(),
                    id,
                    secret: key,
                    authentication: *authentication,
                    http: IssuerClient::new(issuer, redactor)
                        .map_err(|error| BrokerError::Tls(issuer.name.clone(), error))?,
                    token_endpoint: OnceCell::new(),
                }))
            }
        };
        let mut keys = Vec::new();
        for key in &issuer.test_keys {
            let pem = load(&key.pem, "a private key in PEM").map_err(secret)?;
            redactor.add(&pem);
            let key =
                SigningKey::new(&pem, key.kid.clone()).map_err(|reason| BrokerError::Key {
                    issuer: issuer.name.clone(),
                    reason,
                })?;
            keys.push(key);
        }
        let mint = (!keys.is_empty()).then(|| Mint::new(&issuer.name, &issuer.url, keys));
        Ok(Self {
            issuer: Arc::clone(issuer),
            source,
            chosen,
            mint,
            kept: Mutex::default(),
        })
    }

    /// Honest tokens come from the source; all of an issuer without one are minted.
    fn source(&self) -> Option<&dyn Source> {
        match (&self.source, &self.mint) {
            (Some(source), _) => Some(source.as_ref()),
            (None, Some(mint)) => Some(mint),
            (None, None) => None,
        }
    }

    /// At most one request at the same time for the same token.
    async fn token(
        &self,
        request: &TokenRequest,
        signer: Option<&Self>,
        redactor: &Redactor,
    ) -> Result<Token, TokenError> {
        if request.timed() {
            let made = self.obtain(request, signer, redactor).await;
            return made.map(|(token, _)| token);
        }
        let slot = self.slot(request);
        let kept = slot
            .get_or_init(|| self.obtain(request, signer, redactor))
            .await;
        kept.clone().map(|(token, _)| token)
    }

    fn slot(&self, request: &TokenRequest) -> Arc<Slot> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = kept.entry(request.clone()).or_default();
        // What is said about its end is what is tested, and a failure stays the same for the whole run.
        let ages = !request.claims.contains_key("exp");
        if let Some(Ok((_, Some(expires)))) = slot.get()
            && ages
            && *expires < Timestamp::now() + REMAINING
        {
            *slot = Arc::default();
        }
        Arc::clone(slot)
    }

    async fn obtain(
        &self,
        request: &TokenRequest,
        signer: Option<&Self>,
        redactor: &Redactor,
    ) -> Result<(Token, Option<Timestamp>), TokenError> {
        let (secret, how) = match request.means() {
            Means::Honest => {
                let source = self
                    .source()
                    .ok_or_else(|| self.refused(request, NO_KEY.into()))?;
                (source.obtain(request).await?, source.how(request))
            }
            Means::Key | Means::EcKey | Means::RsaKey => {
                let mint = self
                    .mint
                    .as_ref()
                    .ok_or_else(|| self.refused(request, NO_KEY.into()))?;
                (mint.obtain(request).await?, mint.how(request))
            }
            Means::Tampering | Means::EcToken | Means::PublicKey => {
                let key = self
                    .mint
                    .as_ref()
                    .and_then(|mint| mint.key(request.signature).ok());
                self.tampered(request, key, redactor).await?
            }
            Means::SecondKey => {
                let mint = signer.and_then(|signer| signer.mint.as_ref());
                let key = mint.and_then(|mint| mint.key(Signature::Good).ok());
                self.tampered(request, key, redactor).await?
            }
        };
        redactor.add(&secret);
        let claims = claims(&secret).ok();
        tracing::debug!(issuer = self.issuer.name, asked = %request, "token obtained");
        let shown = TokenRef {
            what: request.to_string(),
            issuer: self.issuer.url.clone(),
            jti: claims
                .as_ref()
                .and_then(|claims| claims.text("jti"))
                .map(|jti| redactor.text(jti)),
            hash: hash(&secret),
            how,
        };
        let expires = claims.and_then(|claims| claims.expires());
        Ok((Token { secret, shown }, expires))
    }

    /// A good token, taken apart and put together otherwise.
    async fn tampered(
        &self,
        request: &TokenRequest,
        key: Option<&SigningKey>,
        redactor: &Redactor,
    ) -> Result<(SecretString, String), TokenError> {
        let honest = request.honest();
        let good = Box::pin(self.token(&honest, None, redactor)).await?;
        self.look_into(&good, &honest, Fit::AtLeast)?;
        let made =
            Parts::of(good.secret.expose_secret()).and_then(|parts| forge(parts, request, key));
        match made {
            Ok(token) => Ok((
                token.into(),
                format!("{}{}", good.shown.how, alterations(request)),
            )),
            Err(reason) => Err(self.refused(request, reason)),
        }
    }

    fn refused(&self, request: &TokenRequest, reason: String) -> TokenError {
        TokenError::Refused {
            issuer: self.issuer.name.clone(),
            asked: request.to_string(),
            reason,
        }
    }

    fn look_into(&self, token: &Token, request: &TokenRequest, fit: Fit) -> Result<(), TokenError> {
        if request.means() != Means::Honest {
            return Ok(());
        }
        let refused = |reason: String| self.refused(request, reason);
        let claims = claims(&token.secret).map_err(&refused)?;
        if claims.text("iss") != Some(&self.issuer.url) {
            return Err(refused(format!(
                "the token is of the issuer `{}`, not of `{}`",
                claims.text("iss").unwrap_or_default(),
                self.issuer.url
            )));
        }
        if claims
            .expires()
            .is_none_or(|expires| expires <= Timestamp::now())
        {
            return Err(refused("the token has expired".into()));
        }
        let problem = match fit {
            Fit::AtLeast if !self.chosen && claims.for_everybody() => {
                let mut wide = request.clone();
                wide.audience = crate::model::Audience::One(crate::model::ANY_AUDIENCE.into());
                claims.lacks(&wide)
            }
            Fit::AtLeast => claims.lacks(request),
            Fit::Exact => claims.differs(request),
        };
        problem.map_or(Ok(()), |problem| Err(refused(problem)))
    }
}

/// First 12 hexadecimal digits of the SHA-256.
pub(super) fn hash(secret: &SecretString) -> String {
    Sha256::digest(secret.expose_secret().as_bytes())
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// HTTP to one issuer: no redirects, answers capped, errors without secrets.
pub struct IssuerClient {
    http: reqwest::Client,
    redactor: Redactor,
}

impl IssuerClient {
    /// A client that trusts what the issuer's configuration says.
    ///
    /// # Errors
    /// Whom to trust cannot be read.
    pub fn new(issuer: &Issuer, redactor: &Redactor) -> Result<Self, TlsError> {
        Self::trusting(&issuer.ca, redactor)
    }

    /// A client that trusts these beside the system's roots.
    ///
    /// # Errors
    /// Whom to trust cannot be read.
    pub fn trusting(ca: &[Trust], redactor: &Redactor) -> Result<Self, TlsError> {
        Ok(Self {
            http: http::plain_client(ca, DEADLINE)?,
            redactor: redactor.clone(),
        })
    }

    pub(super) async fn get(&self, url: &str) -> Result<(u16, Vec<u8>), String> {
        self.send(self.http.get(url)).await
    }

    pub(super) async fn post_form(
        &self,
        url: &Url,
        form: &[(&str, String)],
        basic: Option<(&SecretString, &SecretString)>,
    ) -> Result<(u16, Vec<u8>), String> {
        let mut request = self.http.post(url.clone()).form(form);
        if let Some((id, secret)) = basic {
            // RFC 6749 section 2.3.1: both are form-encoded before they become user and password.
            let encode = |text: &SecretString| -> String {
                url::form_urlencoded::byte_serialize(text.expose_secret().as_bytes()).collect()
            };
            request = request.basic_auth(encode(id), Some(encode(secret)));
        }
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), String> {
        let request = request.header("accept", "application/json");
        let work = async {
            let mut response = request
                .send()
                .await
                .map_err(|error| http::explain(&error))?;
            let status = response.status().as_u16();
            let mut body = Vec::new();
            while let Some(piece) = response
                .chunk()
                .await
                .map_err(|error| http::explain(&error))?
            {
                if body.len() + piece.len() > LARGEST {
                    return Err(format!("its answer is larger than {LARGEST} bytes"));
                }
                body.extend_from_slice(&piece);
            }
            Ok((status, body))
        };
        match tokio::time::timeout(DEADLINE, work).await {
            Ok(result) => result.map_err(|reason| self.redactor.text(&reason)),
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        }
    }
}
