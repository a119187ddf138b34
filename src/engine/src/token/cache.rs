//! One issuer: its accounts, its test key, and the tokens that came from them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use touchstone_model::redact::Redactor;
use touchstone_model::{Account, Issuer, IssuerUse, Means, Signature, TokenRef, TokenRequest};

use super::circuit_breaker::CircuitBreaker;
use super::error::Origin;
use super::forge::{Parts, forge};
use super::inspect::{Claims, claims, covers};
use super::judge::decode;
use super::key::SigningKey;
use super::mint::{Mint, alterations};
use super::verify::{BY_SLASH, by_slash, unverifiable};
use super::{
    BrokerError, Fit, IssuerClient, LIFE, Token, TokenError, TokenErrorKind, TokenSourceClient,
    load, source,
};
use crate::http::RateLimiter;
use crate::trace::span;

/// Before an issuer is asked again that was busy and did not say how long; each further time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// With less life a token may end on its way, and its refusal would be blamed on the storage.
const LEAST: SignedDuration = SignedDuration::from_secs(5);
/// What servers usually grant when they compare times.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);
const TIME: &str =
    "get a new one, and see whether the clocks agree, that of the issuer and that of this machine";
const NO_KEY: &str = "only a test issuer whose key we hold can make it";
const GIVE_KEY: &str = "give its `test-key`, if it is one";
const ASK_ISSUER: &str = "ask whoever runs the issuer for these rights, or leave such cases out";

/// Whether a token that is at hand will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Kept,
    New,
}

/// One issuer's sources, and the tokens that came from them.
pub(super) struct TokenCache {
    issuer: Arc<Issuer>,
    origin: Origin,
    accounts: Vec<(Account, Box<dyn TokenSourceClient>, CircuitBreaker)>,
    mint: Option<Mint>,
    pub limiter: Arc<RateLimiter>,
    /// What its sources were asked for.
    asked: Mutex<HashSet<TokenRequest>>,
    /// How often they were.
    requests: AtomicUsize,
    kept: Mutex<HashMap<TokenRequest, Arc<Slot>>>,
    /// Asks for its keys.
    http: Option<IssuerClient>,
    /// By the name of a key, why nobody can verify what it has signed.
    doubts: Mutex<HashMap<String, Arc<OnceCell<Option<String>>>>>,
}

/// A token, and when it is time for the next one; or why there is none, and since when.
type Slot = OnceCell<Result<(Token, Option<Timestamp>), (TokenError, Instant)>>;

impl TokenCache {
    pub fn new(issuer: &Arc<Issuer>, redactor: &Redactor) -> Result<Self, BrokerError> {
        let secret = |error| BrokerError::Secret(issuer.name.clone(), error);
        let mut accounts = Vec::new();
        for account in &issuer.accounts {
            let source = source::open(issuer, account, redactor)?;
            accounts.push((account.clone(), source, CircuitBreaker::default()));
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
        let mut kinds: Vec<_> = accounts.iter().map(|(a, ..)| a.name.as_str()).collect();
        if kinds.is_empty() {
            kinds.push(mint.as_ref().map_or("no source", |_| "test-key"));
        }
        Ok(Self {
            issuer: Arc::clone(issuer),
            origin: origin(&kinds.join(", ")),
            accounts,
            mint,
            limiter: Arc::new(RateLimiter::new(issuer.limits.rate)),
            asked: Mutex::default(),
            requests: AtomicUsize::new(0),
            kept: Mutex::default(),
            http: IssuerClient::new(issuer, redactor).ok(),
            doubts: Mutex::default(),
        })
    }

    /// What the issuer gives: of several accounts, the first whose token is exactly what was asked for,
    /// otherwise the first that is at least that.
    async fn honest(&self, request: &TokenRequest) -> Result<(SecretString, String), TokenError> {
        // No account can be asked for a kind of key.
        let minted = self.accounts.is_empty() || request.key.is_some();
        if let (true, Some(mint)) = (minted, &self.mint) {
            return Ok((mint.obtain(request).await?, mint.how(request)));
        }
        let mut wide: Option<(SecretString, String, bool)> = None;
        let mut error = None;
        for (account, source, rest) in self.accounts.iter().filter(|(a, ..)| may_ask(a, request)) {
            match self.ask(account, source.as_ref(), rest, request).await {
                Ok(token) => {
                    let read = claims(&token);
                    let exact = |claims: &Claims| claims.differs(request).is_none();
                    if self.accounts.len() == 1 || read.as_ref().is_ok_and(exact) {
                        return Ok((token, source.how(request)));
                    }
                    let enough = |claims: &Claims| claims.lacks(request).is_none();
                    let enough = read.as_ref().is_ok_and(enough);
                    let good = wide.as_ref().is_some_and(|(.., good)| *good);
                    if wide.is_none() || (enough && !good) {
                        wide = Some((token, source.how(request), enough));
                    }
                }
                Err(one) => error = error.or(Some(one)),
            }
        }
        match (wide, error) {
            (Some((token, how, _)), _) => Ok((token, how)),
            (None, Some(error)) => Err(error),
            (None, None) => Err(self.refused(
                request,
                "no account is there that may ask for it".into(),
                "add one below `accounts`, or widen its `scopes` and `groups`",
            )),
        }
    }

    /// Asks a source, unless it is to be left alone.
    async fn ask(
        &self,
        account: &Account,
        source: &dyn TokenSourceClient,
        rest: &CircuitBreaker,
        request: &TokenRequest,
    ) -> Result<SecretString, TokenError> {
        if !account.source.remote() {
            return source.obtain(request).await;
        }
        let came = self.ask_with_retry(source, rest, request).await;
        if let Ok(came) = &came {
            rest.record(came.as_ref().err(), self.issuer.limits.patience);
        }
        came.unwrap_or_else(Err)
    }

    /// Asks a source in its turn, and again while it is busy; the outer error says that it was not asked.
    async fn ask_with_retry(
        &self,
        source: &dyn TokenSourceClient,
        rest: &CircuitBreaker,
        request: &TokenRequest,
    ) -> Result<Result<SecretString, TokenError>, TokenError> {
        let alone = || rest.rejection(request).map_or(Ok(()), Err);
        alone()?;
        lock(&self.asked).insert(request.clone());
        let patience = self.issuer.limits.patience;
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut times = 0;
        loop {
            let turn = span!("queue", name = "for the issuer's rate");
            self.limiter.acquire().instrument(turn).await;
            alone()?;
            self.requests.fetch_add(1, Ordering::Relaxed);
            times += 1;
            let asking = span!("token", name = %self.issuer.name, asked = %request);
            let mut error = match source.obtain(request).instrument(asking).await {
                Err(error) => error,
                token => return Ok(token),
            };
            let TokenErrorKind::Busy(after) = error.kind else {
                return Ok(Err(error));
            };
            let wait = after.unwrap_or_default().max(pause);
            if begun.elapsed().saturating_add(wait) > patience {
                let told = after.map_or(String::new(), |after| {
                    format!(", and asks to wait {}", humantime::format_duration(after))
                });
                error
                    .came
                    .push_str(&format!("{told} (asked {times} times)"));
                return Ok(Err(error));
            }
            tracing::info!(issuer = self.issuer.name, ?wait, "busy");
            self.limiter.pause(wait);
            pause *= 2;
        }
    }

    /// Whether it is the issuer with that identifier.
    pub fn is(&self, url: &str) -> bool {
        self.issuer.url == url
    }

    pub fn usage(&self) -> IssuerUse {
        IssuerUse {
            issuer: self.issuer.name.clone(),
            requests: self.requests.load(Ordering::Relaxed),
            distinct: lock(&self.asked).len(),
        }
    }

    /// Why nobody can verify the token with that hash, which the issuer has given; each of its keys is looked for once.
    pub async fn doubt(&self, hash: &str) -> Option<String> {
        let token = self.given(hash)?;
        let token = decode(&token.secret).ok()?;
        let kid = token.header("kid").map(ToString::to_string);
        let found = Arc::clone(
            lock(&self.doubts)
                .entry(kid.unwrap_or_default())
                .or_default(),
        );
        let look = async || {
            self.limiter.acquire().await;
            let reason = unverifiable(&token, self.http.as_ref()?).await?;
            let name = &self.issuer.name;
            Some(format!(
                "no storage can verify the token, which the issuer `{name}` gave: {}; tell whoever runs the issuer",
                self.origin.quoted_words(&reason)
            ))
        };
        found.get_or_init(look).await.clone()
    }

    /// A token at hand that is as its issuer made it.
    fn given(&self, hash: &str) -> Option<Token> {
        let kept = lock(&self.kept);
        let mut honest = kept
            .iter()
            .filter(|(request, _)| request.means() == Means::Honest)
            .filter_map(|(_, slot)| slot.get()?.as_ref().ok());
        let found = honest.find(|(token, _)| token.shown.hash == hash);
        found.map(|(token, _)| token.clone())
    }

    /// At most one request at the same time for the same token.
    pub async fn token(
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
            .get_or_init(|| async {
                let made = self.obtain(request, signer, redactor, age).await;
                made.map_err(|error| (error, Instant::now()))
            })
            .await;
        match kept {
            Ok((token, _)) => Ok(token.clone()),
            Err((error, _)) => Err(error.clone()),
        }
    }

    fn slot(&self, request: &TokenRequest) -> Arc<Slot> {
        let mut kept = lock(&self.kept);
        let slot = kept.entry(request.clone()).or_default();
        // What is said about its end is what is tested.
        let ages = !request.claims.contains_key("exp");
        let over = match slot.get() {
            Some(Ok((_, Some(renew)))) => ages && *renew < Timestamp::now(),
            // A no stays the same for the whole run; who did not answer may be back, and what is broken be repaired.
            Some(Err((error, since))) => match error.kind {
                TokenErrorKind::Refused => false,
                TokenErrorKind::Unavailable => since.elapsed() > self.issuer.limits.patience,
                TokenErrorKind::General | TokenErrorKind::Busy(_) => true,
            },
            Some(Ok((_, None))) | None => false,
        };
        if over {
            *slot = Arc::default();
        }
        Arc::clone(slot)
    }

    /// The token, and when it is to be asked for anew.
    pub async fn obtain(
        &self,
        request: &TokenRequest,
        signer: Option<&Self>,
        redactor: &Redactor,
        age: Age,
    ) -> Result<(Token, Option<Timestamp>), TokenError> {
        // A token that was altered may not tell its end; it is no better than what it was made of.
        let mut made_of_ends = None;
        let (secret, how) = match request.means() {
            Means::Honest => self.honest(request).await?,
            Means::Key | Means::EcKey | Means::RsaKey => {
                let mint = self
                    .mint
                    .as_ref()
                    .ok_or_else(|| self.refused(request, NO_KEY.into(), GIVE_KEY))?;
                made_of_ends = mint.expiry(Timestamp::now());
                (mint.obtain(request).await?, mint.how(request))
            }
            means @ (Means::Tampering | Means::EcToken | Means::PublicKey | Means::SecondKey) => {
                let good = self.honest_of(request, redactor, age).await?;
                made_of_ends = claims(&good.secret)
                    .ok()
                    .and_then(|claims| claims.expires());
                let key = match means {
                    Means::SecondKey => signer
                        .and_then(|signer| signer.mint.as_ref())
                        .and_then(|mint| mint.key(Signature::Good, None).ok()),
                    _ => self.key_about(request, &good),
                };
                self.tampered(request, &good, key)?
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
        let own = claims.and_then(|claims| claims.expires());
        let renew = own.into_iter().chain(made_of_ends).min().map(|expires| {
            // Of a short life, half: otherwise a new one would be asked for at each use.
            let left = expires.duration_since(Timestamp::now());
            let before = SignedDuration::from_secs(LIFE.into())
                .min(left / 2)
                .max(LEAST);
            expires.checked_sub(before).unwrap_or(expires)
        });
        Ok((Token::new(secret, shown), renew))
    }

    /// The key that a token is about which is made of a good one: the one that has signed that, where it is at hand, or another
    /// one.
    fn key_about(&self, request: &TokenRequest, good: &Token) -> Option<&SigningKey> {
        let mint = self.mint.as_ref()?;
        let parts = Parts::of(good.secret.expose_secret()).ok();
        let id = parts.as_ref().and_then(Parts::key_id);
        match request.signature {
            Signature::Other => mint.other(id?),
            signature => id
                .and_then(|id| mint.named(id))
                .or_else(|| mint.key(signature, request.key).ok()),
        }
    }

    /// The good token of which that one is made. What is about the numbers of an ES256 signature begins with one, where a key
    /// for that is at hand.
    async fn honest_of(
        &self,
        request: &TokenRequest,
        redactor: &Redactor,
        age: Age,
    ) -> Result<Token, TokenError> {
        let mut honest = request.honest();
        let has = |mint: &Mint| mint.key(Signature::Es256, None).is_ok();
        if request.means() == Means::EcToken
            && honest.key.is_none()
            && self.mint.as_ref().is_some_and(has)
        {
            honest.key = Some(Signature::Es256);
        }
        let good = Box::pin(self.token(&honest, None, redactor, age)).await?;
        self.check_granted(&good, &honest, Fit::AtLeast)?;
        Ok(good)
    }

    /// A good token, taken apart and put together otherwise.
    fn tampered(
        &self,
        request: &TokenRequest,
        good: &Token,
        key: Option<&SigningKey>,
    ) -> Result<(SecretString, String), TokenError> {
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

    pub fn check_granted(
        &self,
        token: &Token,
        request: &TokenRequest,
        fit: Fit,
    ) -> Result<(), TokenError> {
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
            let named = claims.text("iss").unwrap_or_default();
            let (quoted, url) = (self.origin.quoted(named), &self.issuer.url);
            let came = match by_slash(named, url) {
                true => {
                    format!("the token is of the issuer {quoted}, and not of `{url}`: {BY_SLASH}")
                }
                false => format!("the token is of the issuer {quoted}, not of `{url}`"),
            };
            let help =
                "write the issuer's URL character by character as its tokens have it in `iss`";
            return Err(self.refused(request, came, help));
        }
        // A clock is wrong, or a file is old: that is no reason to leave cases out in silence.
        if let Some(came) = untimely(&claims, Timestamp::now()) {
            return Err(self.origin.unavailable(request, came, TIME));
        }
        let problem = match fit {
            Fit::AtLeast if !self.chooses_audience() && claims.for_everybody() => {
                let mut wide = request.clone();
                wide.audience =
                    touchstone_model::Audience::One(touchstone_model::ANY_AUDIENCE.into());
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

/// Why the token cannot be used now, with how far its times are from ours.
fn untimely(claims: &Claims, now: Timestamp) -> Option<String> {
    let far = |time: Timestamp| {
        let far = time.duration_since(now).unsigned_abs().as_secs();
        humantime::format_duration(Duration::from_secs(far))
    };
    let issued = claims.time("iat");
    for (time, what) in [(issued, "issued"), (claims.time("nbf"), "valid")] {
        if let Some(time) = time.filter(|time| time.duration_since(now) > CLOCKS) {
            return Some(format!("the token is {what} only in {}", far(time)));
        }
    }
    let issued = issued.map_or(String::new(), |time| format!(", issued {} ago", far(time)));
    let Some(expires) = claims.expires() else {
        return Some("the token does not say when it expires".into());
    };
    let left = expires.duration_since(now);
    match left.as_secs() {
        ..1 => Some(format!(
            "the token has expired {} ago{issued}",
            far(expires)
        )),
        seconds if left <= LEAST => Some(format!(
            "the token has {seconds} s of life left{issued}, too few to be used"
        )),
        _ => None,
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
