use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::http::TlsError;
use crate::model::{
    Account, Inventory, Issuer, IssuerUse, Means, Signature, TokenRef, TokenRequest,
};
use crate::redact::Redactor;

use super::error::Origin;
use super::forge::{Parts, forge};
use super::gate::Gate;
use super::inspect::{Claims, claims, covers};
use super::key::SigningKey;
use super::mint::{Mint, alterations};
use super::{Refusal, Renewal, SecretError, Source, Token, TokenError, load, source};

/// A token with less life left is asked for again.
const REMAINING: Duration = Duration::from_secs(180);
/// Before an issuer is asked again that was busy and did not say how long; each further time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const NO_KEY: &str = "only a test issuer whose key we hold can make it";
const GIVE_KEY: &str = "give its `test-key`, if it is one";
const ASK_ISSUER: &str = "ask whoever runs the issuer for these rights, or leave such cases out";

/// Whether a token that is at hand will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Kept,
    New,
}

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
    issuers: Arc<HashMap<String, Vault>>,
    redactor: Redactor,
}

/// One issuer's sources, and the tokens that came from them.
struct Vault {
    issuer: Arc<Issuer>,
    origin: Origin,
    accounts: Vec<(Account, Box<dyn Source>)>,
    mint: Option<Mint>,
    gate: Arc<Gate>,
    /// What its sources were asked for.
    asked: Mutex<HashSet<TokenRequest>>,
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
                    Vault::new(issuer, &self.redactor).ok()?,
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
    /// [`TokenError::Refused`] when the issuer gives something else; [`TokenError::Unavailable`] when
    /// it gives nothing.
    pub async fn token(&self, request: &TokenRequest, fit: Fit) -> Result<Token, TokenError> {
        self.give(request, fit, Age::Kept).await
    }

    /// The same, always a new one, which [`Token::current`] replaces at each use: for services that refuse a
    /// `jti` that they have seen.
    ///
    /// # Errors
    /// As [`Broker::token`].
    pub async fn fresh(&self, request: &TokenRequest, fit: Fit) -> Result<Token, TokenError> {
        let mut token = self.give(request, fit, Age::New).await?;
        token.renewal = Some(Renewal {
            broker: self.clone(),
            request: request.clone(),
        });
        Ok(token)
    }

    /// Through which everything goes that is sent to that issuer.
    pub fn gate(&self, issuer: &str) -> Option<Arc<Gate>> {
        self.issuers
            .get(issuer)
            .map(|vault| Arc::clone(&vault.gate))
    }

    /// How often each issuer was asked, by name.
    pub fn usage(&self) -> Vec<IssuerUse> {
        let mut usage: Vec<_> = self.issuers.values().map(Vault::usage).collect();
        usage.retain(|usage| usage.requests > 0);
        usage.sort_by(|one, other| one.issuer.cmp(&other.issuer));
        usage
    }

    async fn give(&self, request: &TokenRequest, fit: Fit, age: Age) -> Result<Token, TokenError> {
        let Some(vault) = self.issuers.get(&request.issuer) else {
            let origin = Origin::new(&request.issuer, "nothing", &self.redactor);
            let came = "nobody was asked".to_owned();
            return Err(origin.unavailable(request, came, "describe it below `issuers`"));
        };
        let signer = request
            .signer
            .as_ref()
            .and_then(|name| self.issuers.get(name));
        let token = vault.token(request, signer, &self.redactor, age).await?;
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
            gate: Arc::new(Gate::new(issuer.limits.rate)),
            asked: Mutex::default(),
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
        for (account, source) in self.accounts.iter().filter(|(a, _)| may_ask(a, request)) {
            match self.ask(account, source.as_ref(), request).await {
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

    /// Asks a source in its turn, and again while it is busy.
    async fn ask(
        &self,
        account: &Account,
        source: &dyn Source,
        request: &TokenRequest,
    ) -> Result<SecretString, TokenError> {
        if !account.source.remote() {
            return source.obtain(request).await;
        }
        lock(&self.asked).insert(request.clone());
        let patience = self.issuer.limits.patience;
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut times = 0;
        loop {
            self.gate.pass().await;
            times += 1;
            let mut error = match source.obtain(request).await {
                Err(error) => error,
                token => return token,
            };
            let Refusal::Busy(after) = error.kind else {
                return Err(error);
            };
            let wait = after.unwrap_or_default().max(pause);
            if begun.elapsed() + wait > patience {
                let told = after.map_or(String::new(), |after| {
                    format!(", and asks to wait {}", humantime::format_duration(after))
                });
                error
                    .came
                    .push_str(&format!("{told} (asked {times} times)"));
                return Err(error);
            }
            tracing::info!(issuer = self.issuer.name, ?wait, "busy");
            self.gate.close(wait);
            pause *= 2;
        }
    }

    fn usage(&self) -> IssuerUse {
        IssuerUse {
            issuer: self.issuer.name.clone(),
            requests: self.gate.passed(),
            distinct: lock(&self.asked).len(),
        }
    }

    /// At most one request at the same time for the same token.
    async fn token(
        &self,
        request: &TokenRequest,
        signer: Option<&Self>,
        redactor: &Redactor,
        age: Age,
    ) -> Result<Token, TokenError> {
        if age == Age::New || request.timed() {
            let made = self.obtain(request, signer, redactor, age).await;
            return made.map(|(token, _)| token);
        }
        let slot = self.slot(request);
        let kept = slot
            .get_or_init(|| self.obtain(request, signer, redactor, age))
            .await;
        kept.clone().map(|(token, _)| token)
    }

    fn slot(&self, request: &TokenRequest) -> Arc<Slot> {
        let mut kept = lock(&self.kept);
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
        age: Age,
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
                self.tampered(request, key, redactor, age).await?
            }
            Means::SecondKey => {
                let mint = signer.and_then(|signer| signer.mint.as_ref());
                let key = mint.and_then(|mint| mint.key(Signature::Good).ok());
                self.tampered(request, key, redactor, age).await?
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
        Ok((Token::new(secret, shown), expires))
    }

    /// A good token, taken apart and put together otherwise.
    async fn tampered(
        &self,
        request: &TokenRequest,
        key: Option<&SigningKey>,
        redactor: &Redactor,
        age: Age,
    ) -> Result<(SecretString, String), TokenError> {
        let honest = request.honest();
        let good = Box::pin(self.token(&honest, None, redactor, age)).await?;
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
            let help = match self.issuer.abilities().scopes {
                true => ASK_ISSUER,
                false => "its source gives what it has; use one that can be asked for scopes",
            };
            Err(self.refused(request, self.origin.quoted_words(&problem), help))
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// First 12 hexadecimal digits of the SHA-256.
pub(super) fn hash(secret: &SecretString) -> String {
    Sha256::digest(secret.expose_secret().as_bytes())
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
