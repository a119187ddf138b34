//! COPY between two servers: the other side, the request, the report, and what both sides hold afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::http::RawRequest;
use crate::token::{Fit, Token};
use touchstone_model::{
    Answer, CopySide, Direction, Expect, Finding, Interface, Leftover, Marker, Method,
    PeerBehaviour, Purpose, State, StepPlan, TokenRequest, Transfer,
};
use touchstone_protocol::{Ending, Judge, Secrets, Tried};

use super::super::made::Made;
use super::super::observer::Unseen;
use super::super::partner::Partner;
use super::super::present;
use super::super::transfer_peer::{PeerOptions, PeerSession};
use super::super::unanswered::Unanswered;
use super::common_cause::public;
use super::{Running, Stop};

/// What somebody who was hung up on has to leave by (TPC-21), unless the endpoint's transfers are to be
/// quicker than that.
const LEAVING: Duration = Duration::from_secs(60);
/// What is left of a transfer that was hung up on is removed soon.
const SETTLING: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// An object that nobody has (RFC 6761 section 6.4).
const NOBODYS: &str = "https://touchstone.invalid/object";

/// What the name of an object that a control makes has behind that of the step's.
const BESIDE: &str = ".control";

/// Who is at the other end of one COPY.
#[derive(Default)]
struct Other {
    url: Option<String>,
    credential: Option<Token>,
    session: Option<Box<dyn PeerSession>>,
    /// The partner, and the object there.
    partner: Option<(Arc<Partner>, String)>,
}

/// A partner that a case has made something at.
pub(super) struct Guest {
    pub partner: Arc<Partner>,
    pub directory: String,
    pub made: Made,
}

impl Running<'_> {
    /// A `pull` or `push`. Returns whether it opened what it should not.
    pub(super) async fn transfer(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        transfer: &Transfer,
        expect: Expect,
        token: &Option<Token>,
    ) -> Result<bool, Stop> {
        let other = self.other_side(step, transfer).await?;
        let undecided = Stop::Undecided;
        self.go_on().map_err(undecided)?;
        if transfer.direction == Direction::Pull {
            self.will_create(&step.path).map_err(undecided)?;
        }
        if purpose == Purpose::Step && step.wait > 0 {
            let waiting = Duration::from_secs(step.wait);
            self.wait(waiting).await.map_err(undecided)?;
        }
        let exchange = self.exchanges.len();
        let mut answer = self.copy(purpose, step, transfer, &other, token).await;
        // Where a connection breaks once, the network may have done it.
        if answer.as_ref().is_err_and(Unanswered::again) && !transfer.hang_up {
            answer = self.copy(purpose, step, transfer, &other, token).await;
        }
        if let (Direction::Pull, Ok(answer)) = (transfer.direction, &answer) {
            self.made.answered(&step.path, answer.status);
        }
        let judge = self.judge_of(step, exchange);
        let answer = match answer {
            Ok(answer) => answer,
            Err(unanswered) if transfer.hang_up => {
                let reached = |session: &&dyn PeerSession| !session.requests().is_empty();
                let session = other.session.as_deref().filter(reached);
                let session = session.ok_or(Stop::Undecided(unanswered.reason))?;
                return self.hung_up(judge, step, expect, session).await;
            }
            Err(unanswered) => {
                self.go_on().map_err(undecided)?;
                if let Some((_, broke)) = unanswered.broke_off {
                    self.findings
                        .push(touchstone_protocol::untold(judge, broke));
                    return Err(Stop::Broken);
                }
                // Nothing goes over plain http; in other cases the transfer is what cannot be judged then.
                let sent = self.exchanges.get(exchange);
                let sent = sent.filter(|_| transfer.redirecting);
                let Some(redirect) =
                    sent.and_then(|sent| touchstone_protocol::redirected_copy(judge, sent))
                else {
                    return Err(Stop::Undecided(unanswered.reason));
                };
                self.findings.push(redirect);
                return Ok(false);
            }
        };
        let ruling = touchstone_protocol::ended(judge, expect, &answer);
        let succeeded = touchstone_protocol::ending(&answer) == Ending::Succeeded;
        if purpose == Purpose::Step {
            let sent = self.exchanges.get(exchange);
            let redirect = sent.and_then(|sent| touchstone_protocol::redirected_copy(judge, sent));
            if transfer.redirecting && sent.is_some_and(|sent| sent.hops.is_empty()) {
                return Err(Stop::Skip("the service redirected no COPY".into()));
            }
            self.findings.extend(redirect);
            let session = other.session.as_deref();
            let asked = session
                .is_some_and(|session| touchstone_protocol::asked_for_digest(&session.requests()));
            if step.optional && succeeded && !asked {
                let reason =
                    "the service asks the other side for no checksum, so that it verifies none";
                return Err(Stop::Skip(reason.into()));
            }
            let refused = matches!(touchstone_protocol::ending(&answer), Ending::Refused(_));
            self.unasked = expect == Expect::Failed
                && refused
                && session.is_some_and(|session| session.requests().is_empty());
            self.last = Some(touchstone_protocol::Outline::of(step.method, &answer));
            let witnessed = self.witnessed(judge, step, transfer, &other, token, &answer);
            self.findings.extend(witnessed);
            let itself = transfer.side == CopySide::Itself;
            let tried = itself.then(|| touchstone_protocol::tried(judge, &answer));
            self.findings.extend(tried.flatten());
        }
        let granted = self.ruled(ruling, purpose, expect, succeeded)?;
        let mut opened = expect.refusal() && granted;
        if expect != Expect::Any && (granted || expect.harmless()) {
            opened |= self.effects(judge, step, expect, &answer).await?;
            if let Some((partner, path)) = &other.partner {
                let arrived = !expect.harmless();
                let tried = Tried {
                    step,
                    expect,
                    answered: answer.status,
                };
                self.effect_there(judge, tried, transfer, (partner, path), arrived)
                    .await?;
            }
        }
        Ok(opened)
    }

    /// Whether the same COPY succeeds where nothing is wrong with our side: a service that refuses it before it has asked there has
    /// not shown what it makes of what is wrong.
    pub(super) async fn would_be_asked(
        &mut self,
        step: &StepPlan,
        token: &Option<Token>,
    ) -> Result<(), Stop> {
        let Interface::Transfer(transfer) = &step.interface else {
            return Ok(());
        };
        let mut good = step.clone();
        good.interface = Interface::Transfer(Transfer {
            side: CopySide::Ours(PeerBehaviour::Good),
            ..transfer.clone()
        });
        // It may replace what is there only with the right to.
        let request = step.token.token();
        let replaces = matches!(self.known(&step.path), State::File(_))
            && request.is_some_and(|request| request.has("storage.modify"));
        if transfer.direction == Direction::Pull && !replaces {
            good.path.push_str(BESIDE);
        }
        let Some(token) = token else {
            return Ok(());
        };
        match self.controlled(&good, token).await? {
            None => Ok(()),
            Some(reason) => Err(Stop::Undecided(format!(
                "the COPY was refused before the other side was asked, and so is one with nothing wrong there, so that the refusal proves nothing: {reason}"
            ))),
        }
    }

    /// What has to follow once the client has hung up on a transfer that had reached our side.
    async fn hung_up(
        &mut self,
        judge: Judge<'_>,
        step: &StepPlan,
        expect: Expect,
        session: &dyn PeerSession,
    ) -> Result<bool, Stop> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let quick = self.site.plan.endpoint.limits.transfer;
        let patience = LEAVING.min(quick).min(left);
        if !session.is_abandoned(patience).await {
            self.findings
                .push(touchstone_protocol::goes_on(judge, patience));
        }
        self.settle(step).await;
        self.effects(judge, step, expect, &Answer::default()).await
    }

    /// What the answer to a step tells of credentials, what our side heard, and what the report is like.
    fn witnessed(
        &self,
        judge: Judge<'_>,
        step: &StepPlan,
        transfer: &Transfer,
        other: &Other,
        token: &Option<Token>,
        answer: &Answer,
    ) -> Vec<Finding> {
        let credentials = [token.as_ref(), other.credential.as_ref()];
        let repeated = present::repeated(judge, answer, credentials);
        let mut findings: Vec<_> = repeated.into_iter().collect();
        let Some(session) = &other.session else {
            return findings;
        };
        // What a transfer that failed did not bring is told by its failure.
        let brought = transfer.direction == Direction::Push
            && touchstone_protocol::ending(answer) == Ending::Succeeded;
        let known = match self.known(&step.path) {
            State::File(bytes) if brought => Some(&bytes[..]),
            _ => None,
        };
        let [own, theirs] =
            credentials.map(|token| token.map(|token| token.secret.expose_secret()));
        let secrets = Secrets {
            token: own,
            credential: theirs,
        };
        let heard = session.requests();
        let told =
            touchstone_protocol::heard(judge, transfer, step.expect, &heard, &secrets, known);
        findings.extend(told);
        let over = session.finished().zip(answer.head);
        let over = over.map(|(finished, answered)| finished <= answered);
        let now = Timestamp::now();
        findings.extend(touchstone_protocol::reported(
            judge, transfer, answer, over, now,
        ));
        findings
    }

    /// The COPY itself.
    async fn copy(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        transfer: &Transfer,
        other: &Other,
        token: &Option<Token>,
    ) -> Result<Answer, Unanswered> {
        let headers = headers(step, transfer, other, token.as_ref());
        let halfway = other.session.as_ref().map(|session| session.halfway());
        let tokens: Vec<_> = token
            .iter()
            .chain(&other.credential)
            .map(|token| &**token)
            .collect();
        // Some servers compare the names of these headers letter by letter: they go out as they are.
        let raw = RawRequest {
            method: Method::Copy,
            verb: Method::Copy.as_str(),
            target: &step.path,
            headers: &headers,
            body: None,
            tokens: &tokens,
            expect_continue: false,
            http_1_0: false,
            chunked: false,
            cut_body_at: None,
            deadline: self.deadline,
        };
        let hang_up = halfway.as_deref().filter(|_| transfer.hang_up);
        let wire = self.site.wire;
        let outcome = wire.copy(purpose, self.caller(), raw, hang_up).await;
        let mut exchange = outcome.exchange;
        exchange.token = token.as_ref().map(|token| token.shown.clone());
        present::show_other(&mut exchange, token.as_ref(), other.credential.as_ref());
        self.exchanges.push(exchange);
        outcome.answer.map_err(|failure| Unanswered {
            reason: format!("COPY {}: {failure}", step.path),
            broke_off: failure.broke_off.map(|broke| (Method::Copy, broke)),
        })
    }

    /// Puts somebody at the other end, with the object that is to be fetched there.
    async fn other_side(&mut self, step: &StepPlan, transfer: &Transfer) -> Result<Other, Stop> {
        let part = match &transfer.side {
            CopySide::Ours(part) => *part,
            CopySide::Both => PeerBehaviour::Good,
            CopySide::Partner => return self.partner(step, transfer).await,
            CopySide::Itself | CopySide::Own => return self.itself(step, transfer).await,
            CopySide::Url(url) => {
                return Ok(Other {
                    url: Some(url.clone()),
                    ..Other::default()
                });
            }
            CopySide::Nobody => return Ok(Other::default()),
        };
        let Some(side) = self.site.shared.side.clone() else {
            if transfer.side == CopySide::Both {
                return Ok(Other {
                    url: Some(NOBODYS.to_owned()),
                    credential: transfer
                        .there
                        .capability()
                        .map(|_| self.site.shared.made_up.clone()),
                    ..Other::default()
                });
            }
            return Err(Stop::Undecided("no other side of ours is set up".into()));
        };
        let credential = transfer
            .there
            .capability()
            .map(|_| self.site.shared.made_up.clone());
        let options = PeerOptions {
            behaviour: part,
            marker: Marker::new(&self.site.shared.plan.run, &[]),
            content: step.body.clone().unwrap_or_default(),
            credential: credential.as_ref().map(|token| token.secret.clone()),
        };
        let session = side.open(options).await.map_err(Stop::Skip)?;
        Ok(Other {
            url: Some(session.url().to_owned()),
            credential,
            session: Some(session),
            partner: None,
        })
    }

    /// The endpoint at the loopback address of its machine, or by its own URL, with a file of ours that lies beside what the step
    /// asks for, and a token for it.
    async fn itself(&self, step: &StepPlan, transfer: &Transfer) -> Result<Other, Stop> {
        let endpoint = &self.site.plan.endpoint;
        let (directory, _) = step.path.rsplit_once('/').unwrap_or_default();
        let beside = |path: &&String| {
            let rest = path.strip_prefix(directory).unwrap_or_default();
            rest.starts_with('/') && !rest[1..].contains('/') && **path != step.path
        };
        let files = self.world.iter();
        let files = files.filter(|(_, state)| matches!(state, State::File(_)));
        let source = files.map(|(path, _)| path).filter(beside).min();
        let (Some(source), Some(observer)) = (source, &self.site.plan.observer) else {
            return Err(Stop::Undecided("there is no file to ask for".into()));
        };
        let credential = match transfer.there.capability() {
            None => None,
            Some(capability) => {
                let below = directory.strip_prefix(&endpoint.area).unwrap_or(directory);
                let request = TokenRequest::good(
                    observer.issuer.clone(),
                    vec![format!("{capability}:{below}")],
                    observer.audience.clone(),
                );
                Some(self.token(&request, Expect::Ok).await?)
            }
        };
        // Who gives a file to everybody gives it to himself as well.
        if transfer.side == CopySide::Own && credential.is_none() && self.open(source, false).await
        {
            return Err(Stop::Skip(public(endpoint.traits.public_read, false)));
        }
        let port = endpoint.url.port_or_known_default().unwrap_or(443);
        let url = match &transfer.side {
            CopySide::Own => endpoint.url_of(source),
            _ => format!("https://127.0.0.1:{port}{source}"),
        };
        Ok(Other {
            url: Some(url),
            credential,
            ..Other::default()
        })
    }

    async fn partner(&mut self, step: &StepPlan, transfer: &Transfer) -> Result<Other, Stop> {
        let shared = self.site.shared;
        let endpoint = &self.site.plan.endpoint;
        if self.there.is_none() {
            let wanted = self.case.partner.as_deref();
            let partner = shared.partners.choose(shared, endpoint, wanted).await;
            let partner = partner.map_err(Stop::Undecided)?;
            let directory = partner.directory(shared, endpoint, self.case.case.id.as_str());
            self.there = Some(Guest {
                partner,
                directory,
                made: Made::default(),
            });
        }
        let Some(there) = &self.there else {
            return Err(Stop::Undecided("nobody is there".into()));
        };
        let (partner, directory) = (Arc::clone(&there.partner), there.directory.clone());
        let name = step.path.rsplit('/').next().unwrap_or_default();
        let path = format!("{directory}/{name}");
        let failed = |reason: String| {
            Stop::Undecided(format!(
                "what the case needs could not be arranged at {}: {reason}",
                partner.plan.endpoint.name
            ))
        };
        if partner.plan.endpoint.traits.directories {
            self.make_there(&directory, &State::Directory)
                .await
                .map_err(failed)?;
        }
        match (transfer.direction, &step.body) {
            (Direction::Pull, Some(bytes)) => {
                let file = State::File(bytes.clone());
                self.make_there(&path, &file).await.map_err(failed)?;
            }
            _ => self.will_create_there(&path).map_err(failed)?,
        }
        let credential = match transfer.there.capability() {
            None => None,
            Some(capability) => {
                let request = partner.request(capability, &directory);
                let there = &partner.plan.endpoint;
                let request = partner.terms.applied(&request, &self.case.case, Expect::Ok);
                Some(shared.token(there, &request, Fit::Exact).await?)
            }
        };
        Ok(Other {
            url: Some(partner.plan.endpoint.url_of(&path)),
            credential,
            session: None,
            partner: Some((partner, path)),
        })
    }

    /// Makes an object at the partner, unless the case has made it already.
    async fn make_there(&mut self, path: &str, state: &State) -> Result<(), String> {
        self.go_on()?;
        let known = |there: &Guest| there.made.knows(path);
        if *state == State::Directory && self.there.as_ref().is_some_and(known) {
            return Ok(());
        }
        self.will_create_there(path)?;
        let Some(there) = &self.there else {
            return Ok(());
        };
        let mut log = Vec::new();
        let observer = there.partner.observer(self.caller(), self.deadline);
        let made = observer.make(path, state, &mut log).await;
        self.exchanges.append(&mut log);
        made.map_err(|why| {
            if there.made.not_made(path, &why) {
                self.site.shared.gone(&there.partner.plan.endpoint, path);
            }
            why.reason
        })
    }

    fn will_create_there(&mut self, path: &str) -> Result<(), String> {
        let shared = self.site.shared;
        if let Some(there) = &self.there {
            let above = match there.partner.plan.endpoint.traits.directories {
                true => Vec::new(),
                false => Marker::above(path).collect(),
            };
            for path in above.into_iter().chain([path]) {
                if !there.made.knows(path) {
                    there.partner.will_create(shared, path)?;
                }
                there.made.sending(path);
            }
        }
        Ok(())
    }

    /// What a push has really left at the partner.
    async fn effect_there(
        &mut self,
        judge: Judge<'_>,
        tried: Tried<'_>,
        transfer: &Transfer,
        (partner, path): (&Arc<Partner>, &str),
        arrived: bool,
    ) -> Result<(), Stop> {
        if transfer.direction == Direction::Pull {
            return Ok(());
        }
        let expected = match self.known(&tried.step.path) {
            known @ State::File(_) if arrived => known.clone(),
            _ => State::Absent,
        };
        let mut log = Vec::new();
        let observer = partner.observer(self.caller(), self.deadline);
        let seen = observer
            .look(Purpose::Effect, path, &expected, &mut log)
            .await;
        self.exchanges.append(&mut log);
        // Whatever the partner does is not to be told of this endpoint.
        let unseen =
            |why: Unseen| Stop::Undecided(format!("the effect cannot be seen: {}", why.reason));
        let seen = seen.map_err(unseen)?;
        let finding = touchstone_protocol::effect(judge, tried, path, &expected, &seen);
        self.findings.extend(finding);
        Ok(())
    }

    /// Waits until what a broken transfer left is gone, if it goes.
    async fn settle(&mut self, step: &StepPlan) {
        let quick = self.site.plan.endpoint.limits.transfer;
        let until = (Instant::now() + SETTLING.min(quick)).min(self.deadline);
        let known = self.known(&step.path).clone();
        while Instant::now() < until {
            let one = std::iter::once((step.path.as_str(), &known));
            match self.look(Purpose::Effect, one).await.as_deref() {
                Ok([seen]) if !seen.is(&known) => tokio::time::sleep(LOOK_AGAIN).await,
                _ => return,
            }
        }
    }

    /// Removes what the case made at its partner.
    pub(super) async fn leave_partner(&mut self) -> Vec<Leftover> {
        match self.there.take() {
            Some(there) => {
                let caller = self.caller();
                there
                    .partner
                    .remove(self.site.shared, caller, &there.made)
                    .await
            }
            None => Vec::new(),
        }
    }
}

/// The header fields of a COPY; `Credential: none` goes along unless the step has another, an empty one
/// leaves it out.
fn headers(
    step: &StepPlan,
    transfer: &Transfer,
    other: &Other,
    token: Option<&Token>,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    let bearer = |token: &Token| format!("Bearer {}", token.secret.expose_secret());
    if let Some(token) = token {
        add("Authorization", &bearer(token));
    }
    if let Some(url) = &other.url {
        let (way, back) = match transfer.direction {
            Direction::Pull => ("Source", "Destination"),
            Direction::Push => ("Destination", "Source"),
        };
        add(way, url);
        if transfer.side == CopySide::Both {
            add(back, url);
        }
    }
    let given = |name: &str| {
        let mut names = step.headers.iter();
        names.any(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    if !given("credential") {
        add("Credential", "none");
    }
    for (name, value) in &step.headers {
        if !(name.eq_ignore_ascii_case("credential") && value.is_empty()) {
            add(name, value);
        }
    }
    if let Some(credential) = &other.credential {
        add("TransferHeaderAuthorization", &bearer(credential));
    }
    headers
}
