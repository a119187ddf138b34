//! One case at one endpoint: tokens, arrangement, steps, controls, effects.

mod arrange;
mod broken;
mod common_cause;
pub(super) mod cover;
mod credentials;
mod effects;
mod lapse;
mod macaroon;
mod sent;
mod tape;
mod transfer;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::lookup_host;
use tokio::time::timeout_at;
use tracing::Instrument as _;
use url::Url;

use crate::http;
use crate::http::{Caller, Client, KeptConnection, Outgoing};
use crate::token::{Token, TokenError};
use crate::trace::span;
use touchstone_model::{
    Answer, CasePlan, Endpoint, EndpointPlan, Exchange, Expect, Finding, Flavour, Interface,
    Lapsing, Leftover, Marker, Method, Place, Purpose, Script, State, StepPlan, Verdict,
};
use touchstone_protocol::{Judge, Ruling, StepRole};

use broken::repeatable;
use credentials::{Credentials, queue_for_tokens};
use macaroon::{Held, Presenting};

use super::Shared;
use super::callback::{self, CallbackServer};
use super::endpoint::terms::Terms;
use super::ledger::Remaining;
use super::made::Made;
use super::observer::Observer;
use super::present;
use super::unanswered::Unanswered;
pub(super) use common_cause::{plainly, to_plain_http};
use tape::Taped;
pub(super) use tape::{TapeDiscovery, WELL_KNOWN};

/// What is known about the site when its cases run.
pub(super) struct Site<'a> {
    pub shared: &'a Shared,
    pub plan: &'a EndpointPlan,
    /// In what tokens have to differ for the endpoint.
    pub terms: &'a Terms,
    pub client: &'a Client,
    pub wire: &'a http::RawClient,
    pub observer: &'a Token,
    /// The one of the second area.
    pub second: Option<&'a Token>,
    /// Where nothing may be written: the file that is there, and its bytes.
    pub existing: Option<&'a (String, Vec<u8>)>,
    /// Where the tape REST API is, once somebody has asked.
    pub tape: &'a TapeDiscovery,
    /// For all cases of the endpoint.
    pub deadline: Instant,
}

/// How a case ended.
pub(super) struct Outcome {
    pub verdict: Verdict,
    pub reason: Option<String>,
    pub findings: Vec<Finding>,
    pub exchanges: Vec<Exchange>,
    /// What could not be taken back, at a partner or of what no ledger knows.
    pub stayed: Vec<Leftover>,
}

impl Outcome {
    /// One without findings.
    pub fn undecided(verdict: Verdict, reason: String) -> Self {
        Self {
            verdict,
            reason: Some(reason),
            findings: Vec::new(),
            exchanges: Vec::new(),
            stayed: Vec::new(),
        }
    }
}

/// Why a case stops before its last step.
enum Stop {
    /// It does not apply.
    Skip(String),
    /// It cannot be decided.
    Undecided(String),
    /// It is decided: something was wrong.
    Broken,
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Self {
        if error.refused() {
            Self::Skip(error.to_string())
        } else {
            Self::Undecided(error.to_string())
        }
    }
}

/// Runs a case. Whatever it may have created stands in `made` and in the ledger before it is sent.
pub(super) async fn run(site: &Site<'_>, case: &CasePlan, script: &Script, made: &Made) -> Outcome {
    queue_for_tokens(site, &case.case, script)
        .instrument(span!("tokens"))
        .await;
    let mut running = Running::new(site, case, script, made);
    let stop = running.whole(script).await.err();
    let mut stayed = running.take_back_requests().await;
    stayed.extend(running.leave_partner().await);
    running.outcome(script, stop, stayed)
}

struct Running<'a> {
    site: &'a Site<'a>,
    case: &'a CasePlan,
    deadline: Instant,
    made: &'a Made,
    /// What is where, as far as it was arranged or observed; all else is absent, for the directory is ours.
    world: HashMap<String, State>,
    /// The directories that were made for the case, where there are any.
    roots: Vec<String>,
    /// What a transfer that failed has left, which is told and not to be put down to a later step.
    left: HashMap<String, touchstone_protocol::Observed>,
    /// What the failure of the present step means.
    role: StepRole,
    exchanges: Vec<Exchange>,
    findings: Vec<Finding>,
    /// The case's one connection, where steps ask for it.
    connection: Option<KeptConnection>,
    /// Whether the last step was told to go on with its body.
    continued: bool,
    /// What the last step's answer tells whoever is refused.
    last: Option<touchstone_protocol::Outline>,
    /// The strong entity tags that were told of objects, by their paths.
    tags: HashMap<String, String>,
    /// Where the last step was redirected to, without the query.
    place: Option<String>,
    /// Whether a redirect of the last step had its token in the Location.
    carried: bool,
    /// Why the refusal of the last step may be one for want of its token, which did not go along.
    withheld: Option<String>,
    /// Whether a COPY that was to fail was refused before our side heard of it.
    unasked: bool,
    /// The last step that has read something.
    taken: Option<StepPlan>,
    /// The server to which tokens of the case point, where they do.
    callback: Option<Box<dyn CallbackServer>>,
    /// How many connections to it were told already.
    heard: usize,
    /// The partner of its transfers.
    there: Option<transfer::Guest>,
    /// What the case has staged.
    taped: Taped,
    /// The macaroon that was issued last.
    held: Option<Held>,
    /// When the tokens were obtained.
    obtained: Instant,
    /// Whether the last step had its other outcome.
    otherwise: bool,
    /// Whether something was read with a token that everybody reads without one, or looked at.
    public: Option<bool>,
    /// Whether others share what is arranged, so that it is looked at for all of them at once.
    shares: bool,
}

impl<'a> Running<'a> {
    /// A case that begins now.
    fn new(site: &'a Site<'a>, case: &'a CasePlan, script: &Script, made: &'a Made) -> Self {
        Self {
            site,
            case,
            deadline: site.until(script),
            made,
            world: site
                .existing
                .iter()
                .map(|(path, bytes)| (path.clone(), State::File(bytes.clone())))
                .collect(),
            roots: script.directories.clone(),
            left: HashMap::new(),
            role: StepRole::Permitted,
            exchanges: Vec::new(),
            findings: Vec::new(),
            connection: None,
            continued: false,
            last: None,
            tags: HashMap::new(),
            place: None,
            carried: false,
            withheld: None,
            unasked: false,
            taken: None,
            callback: None,
            heard: 0,
            there: None,
            taped: Taped::default(),
            held: None,
            obtained: Instant::now(),
            otherwise: false,
            public: None,
            shares: false,
        }
    }

    /// Listens where tokens point to us, and goes through the script.
    async fn whole(&mut self, script: &Script) -> Result<(), Stop> {
        if !callback::needs_callback(script) {
            return self.script(script).await;
        }
        let failed = |reason: String| Stop::Undecided(format!("nobody can listen: {reason}"));
        let Some(listener) = self.site.shared.listener.clone() else {
            return Err(failed("no listener is set up".into()));
        };
        let opening = timeout_at(self.deadline.into(), listener.open());
        let callback = match opening.await {
            Ok(callback) => callback.map_err(failed)?,
            Err(_) => return Err(failed("its port was not free in time".into())),
        };
        let script = callback::fill_callback(script, callback.origin());
        self.callback = Some(callback);
        self.script(&script).await
    }

    async fn script(&mut self, script: &Script) -> Result<(), Stop> {
        let (mut credentials, timed) = self.credentials(script).await?;
        self.arrange(script).instrument(span!("arrange")).await?;
        if timed {
            (credentials, _) = self.credentials(script).await?;
        }
        self.obtained = Instant::now();
        #[cfg(test)]
        assert_ne!(
            self.case.case.id.as_str(),
            super::tests::PANICS,
            "asked for"
        );
        for (at, (step, credentials)) in script.steps.iter().zip(&credentials).enumerate() {
            self.role = touchstone_protocol::role(&script.steps, at);
            let span = span!("step", name = %step.method, at = %step.at);
            self.step(step, credentials).instrument(span).await?;
        }
        Ok(())
    }

    fn outcome(mut self, script: &Script, stop: Option<Stop>, stayed: Vec<Leftover>) -> Outcome {
        let mode = self.site.shared.plan.mode;
        let decided = touchstone_protocol::verdict(&self.findings, mode);
        // What was proven stays proven, even if something later could not be decided.
        let (verdict, reason) = match stop {
            Some(Stop::Undecided(reason)) if decided != Verdict::Fail => {
                (Verdict::Error, Some(reason))
            }
            Some(Stop::Skip(reason)) if decided != Verdict::Fail => (Verdict::Skip, Some(reason)),
            Some(Stop::Undecided(reason) | Stop::Skip(reason)) => (Verdict::Fail, Some(reason)),
            Some(Stop::Broken) | None => (decided, None),
        };
        self.findings
            .sort_by_key(|finding| !finding.level.binding());
        let outcome = Outcome {
            verdict,
            reason: reason.map(|reason| self.site.shared.redactor.text(&reason)),
            findings: std::mem::take(&mut self.findings),
            exchanges: std::mem::take(&mut self.exchanges),
            stayed,
        };
        self.put_down(script, outcome)
    }

    /// Who makes findings of the exchange with that index, for the line at that place.
    fn judge<'j>(&self, at: &'j Place, exchange: usize) -> Judge<'j>
    where
        'a: 'j,
    {
        Judge {
            case: &self.case.case,
            clauses: &self.site.shared.plan.clauses,
            clause: None,
            at,
            role: self.role,
            exchange,
        }
    }

    /// Whoever judges what came of a step.
    fn judge_of<'j>(&self, step: &'j StepPlan, exchange: usize) -> Judge<'j>
    where
        'a: 'j,
    {
        Judge {
            clause: step.terms.clause.as_ref(),
            ..self.judge(&step.at, exchange)
        }
    }

    /// Index of the newest exchange about `path`.
    fn last_exchange_of(&self, path: &str) -> usize {
        let url = self.site.plan.endpoint.url_of(path);
        let mut exchanges = self.exchanges.iter();
        let found = exchanges.rposition(|exchange| exchange.url == url);
        found.unwrap_or_else(|| self.exchanges.len().saturating_sub(1))
    }

    /// One step, and who connected to us because of it.
    async fn step(&mut self, step: &StepPlan, credentials: &Credentials) -> Result<(), Stop> {
        let ended = self.judged(step, credentials).await;
        // By now the step was answered, and mostly its control too: what it set off has arrived.
        let heard = match &self.callback {
            Some(callback) => callback::settled_contacts(callback.as_ref()).await,
            None => Vec::new(),
        };
        let heard = &heard[self.heard.min(heard.len())..];
        if !heard.is_empty() {
            self.heard += heard.len();
            let own = self.addresses().await;
            let mut steps = self.exchanges.iter();
            let last = steps.rposition(|exchange| exchange.purpose == Purpose::Step);
            let judge = self.judge_of(step, last.unwrap_or_default());
            self.findings
                .extend(touchstone_protocol::fetched(judge, heard, &own));
        }
        ended
    }

    /// The addresses of the endpoint and of the hosts to which it has redirected.
    async fn addresses(&self) -> Vec<IpAddr> {
        let endpoint = &self.site.plan.endpoint;
        let mut places = vec![endpoint.url.clone()];
        for hop in self.exchanges.iter().flat_map(|exchange| &exchange.hops) {
            let place = Url::parse(&hop.url).and_then(|from| from.join(&hop.location));
            places.extend(place);
        }
        let mut found = Vec::from_iter(endpoint.address);
        for place in places {
            let port = place.port_or_known_default().unwrap_or_default();
            let host = place.host_str().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let looked_up = timeout_at(self.deadline.into(), lookup_host((host, port))).await;
            if let Ok(Ok(addresses)) = looked_up {
                found.extend(addresses.map(|address| address.ip()));
            }
        }
        found
    }

    /// One step, its effects, and its control if a refusal was expected and came, or came where none was expected.
    async fn judged(&mut self, step: &StepPlan, credentials: &Credentials) -> Result<(), Stop> {
        if step.terms.otherwise && !self.otherwise {
            return match step.terms.lapse {
                Some(Lapsing::Once) => Err(Stop::Skip(lapse::LEEWAY.to_owned())),
                _ => Ok(()),
            };
        }
        self.otherwise = step.terms.otherwise;
        let before = self.findings.len();
        let held;
        let token = match self.presenting(step)? {
            Presenting::Scripted => &credentials.token,
            Presenting::Held(macaroon) => {
                held = macaroon;
                &held
            }
            Presenting::Nothing => return Ok(()),
        };
        self.withheld = None;
        let opened = self
            .perform(Purpose::Step, step, step.expect, token, &credentials.other)
            .await?;
        if opened {
            return Err(Stop::Broken);
        }
        let granted = !step.expect.harmless();
        let found = binding(&self.findings[before..]);
        if !found && let Err(stop) = self.refused_for_that(step, token).await {
            self.findings.truncate(before);
            return Err(stop);
        }
        // A granted step that was only refused or wrongly answered leaves nothing to build on.
        let broken = !step.expect.refusal() && found;
        // It shows that a refusal means something, or whose fault it is that there was one.
        let control = credentials.control.as_ref();
        let Some(control) = control.filter(|_| granted == broken) else {
            return if broken { Err(Stop::Broken) } else { Ok(()) };
        };
        let doubt = self.withheld.take();
        let reason = match self.controlled(step, control).await {
            Ok(reason) => reason,
            Err(stop) => {
                // Where nobody is served a refusal proves nothing.
                self.findings.truncate(before);
                return Err(stop);
            }
        };
        match reason {
            None if granted => Err(Stop::Broken),
            None => match doubt.filter(|_| !self.served_elsewhere()) {
                None => Ok(()),
                Some(doubt) => {
                    self.findings.truncate(before);
                    Err(Stop::Undecided(doubt))
                }
            },
            Some(reason) => {
                // Without a control that succeeds a refusal proves nothing, a wrong status neither.
                self.findings.truncate(before);
                Err(Stop::Undecided(uncontrolled(step, granted, &reason)))
            }
        }
    }

    /// Whether a refusal without a control can be for what the step is about: the other side of a COPY was asked, and the token is
    /// as good as it was before.
    async fn refused_for_that(
        &mut self,
        step: &StepPlan,
        token: &Option<Token>,
    ) -> Result<(), Stop> {
        if std::mem::take(&mut self.unasked) {
            self.would_be_asked(step, token).await?;
        }
        if step.expect == Expect::Ok && step.method == Method::Get {
            self.taken = Some(step.clone());
        }
        let mut sent = self.exchanges.iter();
        let sent = sent.rfind(|exchange| exchange.purpose == Purpose::Step);
        let unauthenticated = sent.is_some_and(|exchange| exchange.status == Some(401));
        if step.expect != Expect::Refused || step.control.is_some() || !unauthenticated {
            return Ok(());
        }
        let before = self.taken.clone();
        let before = before.filter(|before| before.token == step.token);
        let (Some(before), Some(token)) = (before, token) else {
            return Ok(());
        };
        match self.controlled(&before, token).await? {
            None => Ok(()),
            Some(reason) => Err(Stop::Undecided(format!(
                "{} was answered 401 to a token that is no longer good for what it was good for before, so that the refusal proves nothing: {reason}",
                step.method
            ))),
        }
    }

    /// Sends the request of a step with a token that allows it. Returns what was wrong with what came of it.
    async fn controlled(
        &mut self,
        step: &StepPlan,
        control: &Token,
    ) -> Result<Option<String>, Stop> {
        let proven = self.findings.len();
        let expect = self.granted(step);
        self.role = touchstone_protocol::control(step);
        let token = Some(control.clone());
        let ended = self.perform(Purpose::Control, step, expect, &token, &None);
        match ended.await {
            Ok(_) => Ok(self
                .findings
                .drain(proven..)
                .find(|finding| finding.level.binding())
                .map(|finding| format!("expected {}, but {}", finding.expected, finding.actual))),
            Err(Stop::Undecided(reason)) => Ok(Some(reason)),
            // What it has shown is for other cases to judge.
            Err(Stop::Broken) => {
                let shown = self.findings.drain(proven..).next_back();
                Ok(Some(
                    shown.map_or_else(String::new, |finding| finding.actual),
                ))
            }
            Err(stop) => Err(stop),
        }
    }

    /// The word for the same request when it is allowed.
    fn granted(&self, step: &StepPlan) -> Expect {
        if matches!(step.interface, Interface::Tape(_)) {
            return Expect::Ok;
        }
        let target = step.destination.as_ref().unwrap_or(&step.path);
        match step.method {
            Method::Put | Method::Move | Method::Copy => match self.known(target) {
                State::Absent => Expect::Created,
                State::Directory | State::File(_) => Expect::Replaced,
            },
            Method::Mkcol => Expect::Created,
            Method::Delete if self.tree(&step.path).len() > 1 => Expect::DeletedOrRefused,
            Method::Delete => Expect::Deleted,
            Method::Get | Method::Head | Method::Propfind | Method::Options | Method::Post => {
                Expect::Ok
            }
        }
    }

    /// Sends the step's request and judges status, content and effects. Returns whether it opened
    /// what it should not.
    async fn perform(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        expect: Expect,
        token: &Option<Token>,
        other: &Option<Token>,
    ) -> Result<bool, Stop> {
        if step.redirected && purpose == Purpose::Step && self.place.is_none() {
            return Err(Stop::Skip("the service redirected nothing".into()));
        }
        let mut asked = None;
        match &step.interface {
            Interface::Webdav => {}
            Interface::Transfer(transfer) => {
                return self.transfer(purpose, step, transfer, expect, token).await;
            }
            Interface::Tape(call) => return self.tape(purpose, step, call, expect, token).await,
            Interface::Macaroons(request) => asked = Some(self.asking(step, request).await?),
        }
        let before = self.exchanges.len();
        let sent = Timestamp::now();
        let plain = asked.as_ref().unwrap_or(step);
        let mut ended = self.repeated(purpose, plain, token, other).await;
        let mut after = None;
        let lapse = step.terms.lapse.filter(|_| purpose == Purpose::Step);
        match lapse {
            Some(Lapsing::Polled) => {
                (ended, after) = self.until_noticed(step, token, other, ended).await;
            }
            Some(Lapsing::Once) => after = self.over_since(step),
            None => {}
        }
        let judge = self.judge_of(step, before);
        let hop = self.exchanges.get(before);
        let plainly = self.sent_plainly(judge, hop);
        if let Some(plainly) = plainly.filter(|_| purpose == Purpose::Step) {
            self.findings.push(plainly?);
            return Err(Stop::Broken);
        }
        let answer = match ended {
            Ok(answer) => answer,
            // A cut upload has no answer; what it left is for the next step to see.
            Err(unanswered) => {
                let cut = step.wire.as_ref().is_some_and(|wire| wire.cut.is_some());
                self.go_on().map_err(Stop::Undecided)?;
                let broke = unanswered.broke_off.filter(|_| repeatable(plain));
                return match broke {
                    Some((_, broke)) => self.broken_off(judge, purpose, step, expect, broke).await,
                    None if cut && expect == Expect::Any => Ok(false),
                    None => Err(Stop::Undecided(unanswered.reason)),
                };
            }
        };
        let mut expect = expect;
        if purpose == Purpose::Step
            && let Some((other, finding)) = touchstone_protocol::alternative(judge, step, &answer)
        {
            self.otherwise = true;
            self.findings.extend(finding);
            expect = other;
        }
        if step.optional
            && let Some(reason) = touchstone_protocol::unoffered(step.method, expect, &answer)
        {
            return Err(Stop::Skip(reason));
        }
        let granted = answer.success() && purpose == Purpose::Step;
        if granted && self.for_everybody(step, expect).await {
            return Ok(false);
        }
        let hop = self.exchanges.get(before);
        let known = self.known(&step.path).clone();
        let told = match purpose {
            Purpose::Step => self.credential_findings(judge, step, &answer, token, other),
            _ => Vec::new(),
        };
        if let Some(after) = after {
            let noticed = !answer.success();
            self.findings.extend(match lapse {
                Some(Lapsing::Once) => touchstone_protocol::outlived(judge, after, noticed),
                _ => {
                    let lapse = &self.site.plan.endpoint.limits.lapse;
                    touchstone_protocol::lapsed(judge, after, noticed, lapse)
                }
            });
            if !noticed {
                return Ok(true);
            }
        }
        if purpose == Purpose::Step
            && let Some(told) = touchstone_protocol::condition_told(judge, step, expect, &answer)
        {
            if self.for_everybody(step, expect).await {
                return Ok(false);
            }
            self.findings.push(told);
            return Ok(true);
        }
        let sent_on = hop.is_some_and(sent_elsewhere);
        let ruling = match sent_on && purpose == Purpose::Step {
            true => touchstone_protocol::sent_on(judge, expect, step.method, &known, &answer),
            false => None,
        };
        let ruling = ruling.unwrap_or_else(|| {
            let sent = step.verb.as_deref().unwrap_or(step.method.as_str());
            touchstone_protocol::sent_status(judge, expect, (step.method, sent), &answer)
        });
        if let Ruling::Undecided(_) = ruling
            && purpose == Purpose::Step
            && expect.any_refusal()
            && self.harmed(judge, step, &known, &told, &answer).await?
        {
            return Ok(true);
        }
        let granted = self.ruled(ruling, purpose, expect, answer.success())?;
        self.findings.extend(told);
        let issued = self.issued(judge, purpose, step, &answer, sent)?;
        if purpose == Purpose::Step {
            self.last = Some(touchstone_protocol::Outline::of(step.method, &answer));
            if let Some(tag) = present::strong_tag(&answer) {
                self.tags.insert(step.path.clone(), tag.to_owned());
            }
            let hop = self.exchanges.get(before).and_then(|sent| sent.hops.last());
            self.place = hop.and_then(present::place);
        }
        let mut opened = issued || expect.refusal() && granted;
        if expect.any_refusal() {
            let leak = touchstone_protocol::leak(judge, step.method, &known, &answer);
            opened |= leak.is_some();
            self.findings.extend(leak);
        }
        if expect.refusal() {
            self.findings.extend(self.early_body(judge, purpose, step));
        } else if granted && answer.success() {
            self.findings.extend(touchstone_protocol::read(
                judge, step, expect, &known, &answer,
            ));
        }
        // What others share is looked at when all of them were refused.
        let later = self.shares && purpose == Purpose::Step && !answer.success();
        if step.method.writes() && expect != Expect::Any && (granted || expect.harmless()) && !later
        {
            let effects = self.effects(judge, step, expect, &answer);
            opened |= effects.instrument(span!("effects")).await?;
        }
        Ok(opened)
    }

    /// Whether a request that was to be refused has given something away or changed something, though its status decides
    /// nothing: a gateway that has no patience may stand before a server that has done what was asked.
    async fn harmed(
        &mut self,
        judge: Judge<'_>,
        step: &StepPlan,
        known: &State,
        told: &[Finding],
        answer: &Answer,
    ) -> Result<bool, Stop> {
        let before = self.findings.len();
        self.findings.extend_from_slice(told);
        self.findings
            .extend(touchstone_protocol::leak(judge, step.method, known, answer));
        let binding = |finding: &Finding| finding.level.binding();
        let mut harmed = self.findings[before..].iter().any(binding);
        if step.method.writes() {
            let effects = self.effects(judge, step, step.expect, answer);
            harmed |= effects.instrument(span!("effects")).await?;
        }
        if !harmed {
            self.findings.truncate(before);
        }
        Ok(harmed)
    }

    /// Takes a ruling in. Returns whether the request was granted.
    fn ruled(
        &mut self,
        ruling: Ruling,
        purpose: Purpose,
        expect: Expect,
        succeeded: bool,
    ) -> Result<bool, Stop> {
        match ruling {
            Ruling::Undecided(reason) => Err(Stop::Undecided(reason)),
            Ruling::Unfit(reason) => Err(Stop::Undecided(unproven(purpose, reason))),
            Ruling::Holds(finding) => {
                // With what status something is refused is told by the cases of the lists, once.
                let told = self.case.case.cover.is_some() && expect.harmless();
                self.findings.extend(finding.filter(|_| !told));
                Ok(!expect.harmless())
            }
            Ruling::Broken(finding) => {
                self.findings.push(finding);
                Ok(expect.harmless() && succeeded)
            }
        }
    }

    /// What the answer to a step tells about credentials.
    fn credential_findings(
        &self,
        judge: Judge<'_>,
        step: &StepPlan,
        answer: &Answer,
        token: &Option<Token>,
        other: &Option<Token>,
    ) -> Vec<Finding> {
        let wanted = step.tells.challenge.as_deref();
        let challenge =
            wanted.and_then(|wanted| touchstone_protocol::challenge(judge, wanted, answer));
        let before = self.last.as_ref().filter(|_| step.tells.alike);
        let alike = before
            .and_then(|before| touchstone_protocol::alike(judge, before, step.method, answer));
        let allow = touchstone_protocol::allow(judge, step, answer);
        let echo = present::echo(judge, answer, [token.as_ref(), other.as_ref()]);
        let carried = touchstone_protocol::carried(judge).filter(|_| self.carried);
        let told = challenge.into_iter().chain(alike).chain(allow).chain(echo);
        let shown = touchstone_protocol::shown(judge, step, answer);
        let cacheable = touchstone_protocol::cacheable(judge, answer);
        told.chain(carried).chain(shown).chain(cacheable).collect()
    }

    /// Whether the body of an upload was asked for before it was refused (RFC 9110 section 10.1.1).
    fn early_body(&self, judge: Judge<'_>, purpose: Purpose, step: &StepPlan) -> Option<Finding> {
        let asked =
            purpose == Purpose::Step && step.wire.as_ref().is_some_and(|wire| wire.expect_continue);
        (asked && self.continued).then(|| touchstone_protocol::early_body(judge))
    }

    async fn exchange(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        token: &Option<Token>,
        other: &Option<Token>,
    ) -> Result<Answer, Unanswered> {
        self.go_on()?;
        let place = self.exchanges.len();
        let may_make = self.may_make(purpose, step);
        for path in &may_make {
            self.will_create(path)?;
        }
        if purpose == Purpose::Step && step.wait > 0 {
            self.wait(Duration::from_secs(step.wait)).await?;
        }
        let mut headers = present::headers(&self.site.plan.endpoint, step);
        if purpose == Purpose::Control {
            headers.extend(self.overwriting(step));
        }
        present::fill_tag(&mut headers, self.tags.get(&step.path));
        // A control is the plain request: what is odd about the step is part of its defect.
        let answer = match &step.wire {
            Some(wire) if purpose == Purpose::Step => {
                self.exact(step, wire, headers, token.as_ref(), other.as_ref())
                    .await
            }
            _ => {
                let there = self.place.clone();
                let there = there.filter(|_| step.redirected && purpose == Purpose::Step);
                let url = there.unwrap_or_else(|| self.site.plan.endpoint.url_of(&step.path));
                let outgoing = Outgoing {
                    method: step.method,
                    verb: step.verb.as_deref(),
                    url: &url,
                    headers: &headers,
                    body: step.body.as_deref(),
                    token: token.as_deref(),
                    deadline: self.deadline,
                };
                let client = self.client(step, &url);
                let outcome = client.send(purpose, self.caller(), outgoing).await;
                self.carried = outcome.carried;
                self.exchanges.push(outcome.exchange);
                outcome.answer
            }
        };
        // Where the token could not go along, the control tells whether that was why.
        let answer = match answer {
            Err(failure) if purpose == Purpose::Step && step.expect.refusal() => {
                let answer = failure.answer_without_token();
                answer.map(|(answer, reason)| {
                    self.withheld = Some(format!("{} {}: {reason}", step.method, step.path));
                    if let Some(exchange) = self.exchanges.get_mut(place) {
                        exchange.error = None;
                    }
                    answer
                })
            }
            answer => answer,
        };
        if let Ok(answer) = &answer {
            for path in &may_make {
                self.made.answered(path, answer.status);
            }
        }
        answer.map_err(|failure| Unanswered {
            reason: format!("{} {}: {failure}", step.method, step.path),
            broke_off: failure.broke_off.map(|broke| (step.method, broke)),
        })
    }

    /// Who sends a step to `url`.
    fn client(&self, step: &StepPlan, url: &str) -> Cow<'a, Client> {
        let client = self.site.client;
        let oauth = matches!(&step.interface, Interface::Macaroons(asked) if asked.flavour == Flavour::Oauth);
        match Url::parse(url) {
            // The service has named its token endpoint, which is no file.
            Ok(url) if oauth => Cow::Owned(client.guarded(client.guard().posting(&url))),
            _ => Cow::Borrowed(client),
        }
    }

    /// What may be there after a step that was not there before.
    fn may_make(&self, purpose: Purpose, step: &StepPlan) -> Vec<String> {
        if !step.method.writes() || step.method == Method::Delete {
            return Vec::new();
        }
        let place = step.destination.as_ref().unwrap_or(&step.path);
        let run = &self.site.shared.plan.run;
        let name = Marker::beside(run, self.site.plan.endpoint.listed_name());
        let target = step.wire.as_ref().and_then(|wire| wire.target.as_ref());
        let beside =
            target.filter(|target| purpose == Purpose::Step && target.ends_with(name.as_str()));
        [place].into_iter().chain(beside).cloned().collect()
    }

    async fn wait(&self, duration: Duration) -> Result<(), String> {
        let until = Instant::now() + duration;
        let waiting = async {
            tokio::select! {
                () = tokio::time::sleep_until(until.min(self.deadline).into()) => {}
                () = self.site.shared.cancel.cancelled() => {}
            }
        };
        waiting.instrument(span!("pause")).await;
        self.go_on()
    }

    fn will_create(&self, path: &str) -> Result<(), String> {
        let endpoint = &self.site.plan.endpoint;
        if endpoint.traits.read_only.is_some() {
            return Err("the endpoint is read-only".into());
        }
        if !endpoint.traits.directories {
            // The run's own is removed when no case needs it any more.
            let own = self.site.plan.directory.as_str();
            for above in Marker::above(path).filter(|above| *above != own) {
                self.may_come_to_be(above)?;
            }
        }
        self.may_come_to_be(path)
    }

    fn may_come_to_be(&self, path: &str) -> Result<(), String> {
        let endpoint = &self.site.plan.endpoint;
        let object = Remaining {
            endpoint: endpoint.listed_name().to_owned(),
            area: endpoint.area_url(),
            path: path.to_owned(),
        };
        // What is not sent anyway is nothing to remove.
        let url = endpoint.url_of(path);
        self.site.client.guard().permits(&url)?;
        if !self.made.knows(path) {
            self.site.shared.will_create(&object)?;
        }
        self.made.sending(path);
        Ok(())
    }

    /// Nothing new begins once the run is stopped or the time is over.
    fn go_on(&self) -> Result<(), String> {
        if self.site.shared.cancel.is_cancelled() {
            Err("interrupted".into())
        } else if Instant::now() >= self.deadline {
            Err("the time for this case is over (`limits: {case, endpoint}`)".into())
        } else {
            Ok(())
        }
    }

    fn caller(&self) -> Caller<'a> {
        Caller {
            run: self.site.shared.plan.run.as_str(),
            case: self.case.case.id.as_str(),
        }
    }

    /// Whoever is all-powerful where `path` lies.
    fn observer(&self, path: &str) -> Observer<'_> {
        Observer {
            client: self.site.client,
            endpoint: &self.site.plan.endpoint,
            caller: self.caller(),
            token: self.site.observer_of(path),
            deadline: self.deadline,
        }
    }
}

impl<'a> Site<'a> {
    /// Until when a case with that script may take that begins now.
    fn until(&self, script: &Script) -> Instant {
        let limit = Instant::now() + lapse::limit(script, &self.plan.endpoint.limits);
        limit.min(self.deadline)
    }

    fn observer_of(&self, path: &str) -> &'a Token {
        observer_of(&self.plan.endpoint, path, self.observer, self.second)
    }
}

/// Whether a requirement was missed.
fn binding(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level.binding())
}

/// Why nothing is proven, where a step of the case was not answered as it had to be; of its control another text tells.
fn unproven(purpose: Purpose, reason: String) -> String {
    match purpose {
        Purpose::Control => reason,
        _ => format!("cannot be judged, because {reason}"),
    }
}

/// Why a refusal, or a failure, proves nothing where the control did not succeed.
fn uncontrolled(step: &StepPlan, granted: bool, reason: &str) -> String {
    let what = match granted {
        true => "the case cannot be judged",
        false => "a refusal proves nothing",
    };
    format!(
        "the control, the same {} with a token that allows it, did not succeed, so that {what}: {reason}",
        step.method
    )
}

/// Whether a request ended at another path than the one that was asked for.
fn sent_elsewhere(exchange: &Exchange) -> bool {
    let path = |url: &str| Url::parse(url).ok().map(|url| url.path().to_owned());
    let last = exchange.hops.last().and_then(present::place);
    last.is_some_and(|last| path(&last) != path(&exchange.url))
}

/// How far below the root `path` is.
pub(super) fn depth(path: &str) -> usize {
    path.trim_end_matches('/').matches('/').count()
}

/// The second area's observer for what lies there, otherwise the own one.
pub(super) fn observer_of<'t>(
    endpoint: &Endpoint,
    path: &str,
    own: &'t Token,
    second: Option<&'t Token>,
) -> &'t Token {
    let there = endpoint.second.as_ref().is_some_and(|area| {
        path.strip_prefix(area.path.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    second.filter(|_| there).unwrap_or(own)
}
