use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::http::TlsError;
use crate::model::{Account, Inventory, Issuer, Means, Signature, TokenRef, TokenRequest};
use crate::redact::Redactor;

use super::error::Origin;
use super::forge::{Parts, forge};
use super::inspect::{Claims, claims, covers};
use super::key::SigningKey;
use super::mint::{Mint, alterations};
use super::{SecretError, Source, Token, TokenError, load, source};

/// A token with less life left is asked for again.
const REMAINING: Duration = Duration::from_secs(180);
const NO_KEY: &str = "only a test issuer whose key we hold can make it";
const GIVE_KEY: &str = "give its `test-key`, if it is one";
const ASK_ISSUER: &str = "ask whoever runs the issuer for these rights, or leave such cases out";

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
    origin: Origin,
    accounts: Vec<(Account, Box<dyn Source>)>,
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
            let origin = Origin::new(&request.issuer, "nothing", &self.redactor);
            let came = "nobody was asked".to_owned();
            return Err(origin.unavailable(request, came, "describe it below `issuers`"));
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
        let mut accounts = Vec::new();
        for account in &issuer.accounts {
            accounts.push((account.clone(), source::open(issuer, account, redactor)?));
        }
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
        let origin = |source| Origin::new(&issuer.name, source, redactor);
        let mint = (!keys.is_empty()).then(|| Mint::new(origin("test-key"), &issuer.url, keys));
        let kinds: Vec<_> = accounts.iter().map(|(a, _)| a.name.as_str()).collect();
        Ok(Self {
            issuer: Arc::clone(issuer),
            origin: origin(&kinds.join(", ")),
            accounts,
            mint,
            kept: Mutex::default(),
        })
    }

    /// What the issuer gives: of several accounts, the first whose token is exactly what was asked for,
    /// otherwise the first that is at least that.
    async fn honest(&self, request: &TokenRequest) -> Result<(SecretString, String), TokenError> {
        if let (true, Some(mint)) = (self.accounts.is_empty(), &self.mint) {
            return Ok((mint.obtain(request).await?, mint.how(request)));
        }
        let mut wide = None;
        let mut error = None;
        for (_, source) in self.accounts.iter().filter(|(a, _)| may_ask(a, request)) {
            match source.obtain(request).await {
                Ok(token) => {
                    let read = claims(&token);
                    let exact = |claims: &Claims| claims.differs(request).is_none();
                    if self.accounts.len() == 1 || read.as_ref().is_ok_and(exact) {
                        return Ok((token, source.how(request)));
                    }
                    let enough = |claims: &Claims| claims.lacks(request).is_none();
                    let better = read.as_ref().is_ok_and(enough);
                    if wide.is_none() || better {
                        wide = Some((token, source.how(request)));
                    }
                }
                Err(one) => error = error.or(Some(one)),
            }
        }
        match (wide, error) {
            (Some(found), _) => Ok(found),
            (None, Some(error)) => Err(error),
            (None, None) => Err(self.refused(
                request,
                "no account is there that may ask for it".into(),
                "add one below `accounts`, or widen its `scopes` and `groups`",
            )),
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
            Means::Honest => self.honest(request).await?,
            Means::Key | Means::EcKey | Means::RsaKey => {
                let mint = self
                    .mint
                    .as_ref()
                    .ok_or_else(|| self.refused(request, NO_KEY.into(), GIVE_KEY))?;
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
            Err(reason) => Err(self.refused(request, reason, GIVE_KEY)),
        }
    }

    fn refused(&self, request: &TokenRequest, came: String, help: &str) -> TokenError {
        self.origin.refused(request, came, help)
    }

    fn look_into(&self, token: &Token, request: &TokenRequest, fit: Fit) -> Result<(), TokenError> {
        if request.means() != Means::Honest {
            return Ok(());
        }
        let claims = claims(&token.secret).map_err(|reason| {
            let help = "see what the source gives with `touchstone token inspect`";
            self.refused(
                request,
                format!("what came is no token to look into: {reason}"),
                help,
            )
        })?;
        if claims.text("iss") != Some(&self.issuer.url) {
            let came = format!(
                "the token is of the issuer {}, not of `{}`",
                self.origin.quoted(claims.text("iss").unwrap_or_default()),
                self.issuer.url
            );
            let help =
                "write the issuer's URL character by character as its tokens have it in `iss`";
            return Err(self.refused(request, came, help));
        }
        if claims
            .expires()
            .is_none_or(|expires| expires <= Timestamp::now())
        {
            let came = "the token has expired".to_owned();
            return Err(self.refused(
                request,
                came,
                "get a new one, and see whether the clocks agree",
            ));
        }
        let problem = match fit {
            Fit::AtLeast if !self.chooses_audience() && claims.for_everybody() => {
                let mut wide = request.clone();
                wide.audience = crate::model::Audience::One(crate::model::ANY_AUDIENCE.into());
                claims.lacks(&wide)
            }
            Fit::AtLeast => claims.lacks(request),
            Fit::Exact => claims.differs(request),
        };
        problem.map_or(Ok(()), |problem| {
            Err(self.refused(request, self.origin.quoted_words(&problem), ASK_ISSUER))
        })
    }

    /// Where no account can, more rights than a control needs are no reason to skip.
    fn chooses_audience(&self) -> bool {
        self.issuer.abilities().audience
    }
}

/// Whether the account's entry lets it ask for all of that.
fn may_ask(account: &Account, request: &TokenRequest) -> bool {
    let scopes = account.scopes.as_ref().is_none_or(|entitled| {
        let mut asked = request.scopes.iter();
        asked.all(|asked| entitled.iter().any(|wide| covers(wide, asked)))
    });
    let groups = account
        .groups
        .as_ref()
        .is_none_or(|known| request.groups.iter().all(|group| known.contains(group)));
    scopes && groups
}

/// First 12 hexadecimal digits of the SHA-256.
pub(super) fn hash(secret: &SecretString) -> String {
    Sha256::digest(secret.expose_secret().as_bytes())
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
