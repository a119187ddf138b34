//! Calls of the tape REST API: discovery, the call itself, and what it changed.

mod discovery;
mod effects;

use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::http::Outgoing;
use crate::token::Token;
use touchstone_model::{
    Answer, Expect, Leftover, Method, Purpose, StepPlan, TapeCall, TapeOperation, TapeRequest,
};
use touchstone_protocol::{Judge, Ruling, Transitions};

use super::super::present;
use super::{Running, Stop, unproven};

pub(in crate::run) use discovery::{TapeDiscovery, WELL_KNOWN};

/// An id that nobody has given.
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
/// Longer ids are nobody's.
const MAX_ID: usize = 256;
/// All but the unreserved characters (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Until nothing of a request is open, at most; and between two looks, at first and later.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(2)];
/// For taking all requests of a case back.
const TEARDOWN: Duration = Duration::from_secs(20);

/// What a case has staged.
#[derive(Default)]
pub(super) struct Taped {
    /// Every request that the service has named, to be taken back.
    ids: Vec<String>,
    /// The last one that was granted.
    last: Option<Request>,
    /// Whether a service has refused as a whole what it may refuse in part.
    whole: bool,
}

/// A request that was staged.
#[derive(Clone)]
struct Request {
    id: String,
    files: Vec<String>,
    /// What its files were seen to be.
    seen: Transitions,
}

/// Waits a little longer each time, until it is over.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn new(deadline: Instant, most: Duration) -> Self {
        let now = Instant::now();
        let half = deadline.saturating_duration_since(now) / 2;
        Self {
            until: now + half.min(most),
            pause: PAUSE[0],
        }
    }

    /// How long to wait before the next look; `None` once it is over.
    fn next(&mut self) -> Option<Duration> {
        let pause = self.pause;
        self.pause = pause.mul_f64(1.5).min(PAUSE[1]);
        (Instant::now() + pause < self.until).then_some(pause)
    }
}

impl Running<'_> {
    /// One such step. Returns whether it opened what it should not.
    pub(super) async fn tape(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        call: &TapeCall,
        expect: Expect,
        token: &Option<Token>,
    ) -> Result<bool, Stop> {
        self.go_on().map_err(Stop::Undecided)?;
        if purpose == Purpose::Step && step.wait > 0 {
            let wait = self.wait(Duration::from_secs(step.wait)).await;
            wait.map_err(Stop::Undecided)?;
        }
        let request = self.about(call)?;
        let before = self.state_before(call, expect, request.as_ref()).await?;
        let index = self.exchanges.len();
        let answer = self
            .call(purpose, step, call, request.as_ref(), token)
            .await?;
        let judge = self.judge_of(step, index);
        let ruling = touchstone_protocol::tape_status(judge, expect, call, &answer);
        // Whatever the service says it has queued is taken back, refused or not.
        let (id, named) = match call.operation {
            TapeOperation::Stage => touchstone_protocol::staged(judge, &answer),
            _ => (None, Vec::new()),
        };
        self.remember(call, id.clone(), &answer);
        let judged = self.findings.len();
        let granted = match ruling {
            Ruling::Undecided(reason) => return Err(Stop::Undecided(reason)),
            Ruling::Unfit(reason) => return Err(Stop::Undecided(unproven(purpose, reason))),
            Ruling::Holds(finding) => {
                self.findings.extend(finding);
                !expect.harmless() && answer.success()
            }
            Ruling::Broken(finding) => {
                self.findings.push(finding);
                expect.harmless() && answer.success()
            }
        };
        self.findings
            .extend(present::echo(judge, &answer, [token.as_ref(), None]));
        if call.problem && answer.status >= 400 {
            self.findings
                .extend(touchstone_protocol::problem(judge, &answer));
        }
        let mut opened = expect.refusal() && granted;
        let success = answer.success();
        if expect == Expect::Ok && success {
            self.findings.extend(named);
            self.granted_call(judge, purpose, step, call, token, answer)
                .await?;
        } else if expect.harmless() && call.operation == TapeOperation::Archiveinfo {
            opened |= self.given_away(judge, call, &answer);
        }
        // What was wrongly answered leaves nothing to build on.
        let broken = |finding: &touchstone_model::Finding| finding.level.binding();
        if expect == Expect::Ok && self.findings[judged..].iter().any(broken) {
            return Ok(opened);
        }
        let request = self.about(call)?;
        opened |= self
            .tape_effects(judge, call, expect, (before, request, id), success)
            .await?;
        Ok(opened)
    }

    /// The request that a call is about; none where it is about files.
    fn about(&self, call: &TapeCall) -> Result<Option<Request>, Stop> {
        if !call.operation.by_id() || call.request == TapeRequest::Unknown {
            return Ok(None);
        }
        match &self.taped.last {
            Some(request) => Ok(Some(request.clone())),
            None if self.taped.whole => Err(Stop::Skip(
                "the service refuses a request as a whole where some of its files may not be staged, which it may; the rest of the case is about requests that it takes in part".into(),
            )),
            None => Err(Stop::Undecided("nothing was staged before".into())),
        }
    }

    fn remember(&mut self, call: &TapeCall, id: Option<String>, answer: &Answer) {
        let stage = call.operation == TapeOperation::Stage;
        if stage && call.whole && !answer.success() {
            self.taped.whole = true;
            // What follows is about what was refused here, and not about an earlier request.
            self.taped.last = None;
        }
        let Some(id) = id.filter(|id| usable(id)) else {
            return;
        };
        if !self.taped.ids.contains(&id) {
            self.taped.ids.push(id.clone());
        }
        if answer.success() {
            self.taped.last = Some(Request {
                id,
                files: call.files.clone(),
                seen: Transitions::new(),
            });
        }
    }

    /// Judges what a granted call was answered with.
    async fn granted_call(
        &mut self,
        judge: Judge<'_>,
        purpose: Purpose,
        step: &StepPlan,
        call: &TapeCall,
        token: &Option<Token>,
        answer: Answer,
    ) -> Result<(), Stop> {
        match call.operation {
            TapeOperation::Discover => self
                .findings
                .extend(touchstone_protocol::discovery(judge, &answer)),
            TapeOperation::Archiveinfo => {
                let alike = step.tells.alike;
                let found = touchstone_protocol::archiveinfo(judge, call, alike, &answer);
                self.findings.extend(found);
            }
            TapeOperation::Poll => {
                return self.polled(judge, purpose, step, call, token, answer).await;
            }
            TapeOperation::Stage
            | TapeOperation::Cancel
            | TapeOperation::Release
            | TapeOperation::Delete => {}
        }
        Ok(())
    }

    /// Judges a poll, and where that is asked for polls on until nothing is open.
    async fn polled(
        &mut self,
        judge: Judge<'_>,
        purpose: Purpose,
        step: &StepPlan,
        call: &TapeCall,
        token: &Option<Token>,
        mut answer: Answer,
    ) -> Result<(), Stop> {
        let Some(mut request) = self.about(call)? else {
            return Ok(());
        };
        let mut patience = Patience::new(self.deadline, PATIENCE);
        let early = TapeCall {
            settled: false,
            ..call.clone()
        };
        let mut judge = judge;
        loop {
            let open = call.settled
                && touchstone_protocol::read_progress(&answer)
                    .is_ok_and(|progress| !progress.settled());
            let asked = (request.id.as_str(), request.files.as_slice());
            let how = if open { &early } else { call };
            let found =
                touchstone_protocol::progress(judge, how, asked, &answer, &mut request.seen);
            let wrong = !found.is_empty();
            self.findings.extend(found);
            self.taped.last = Some(request.clone());
            if !open || wrong {
                return Ok(());
            }
            let Some(pause) = patience.next() else {
                return Err(Stop::Skip(
                    "the files were not staged within the time that a case has for it".into(),
                ));
            };
            self.wait(pause).await.map_err(Stop::Undecided)?;
            judge.exchange = self.exchanges.len();
            answer = self
                .call(purpose, step, call, Some(&request), token)
                .await?;
            if !answer.success() {
                let finding = judge.own("200 OK, as before", format!("{}", answer.status));
                self.findings.push(finding);
                return Ok(());
            }
        }
    }

    /// Whether a refusal tells where files are.
    fn given_away(&mut self, judge: Judge<'_>, call: &TapeCall, answer: &Answer) -> bool {
        let told = touchstone_protocol::localities(answer).unwrap_or_default();
        let mut leaks = told.iter().filter(|(_, told)| told.locality.is_some());
        let Some((path, _)) = leaks.next() else {
            return false;
        };
        let expected = format!("{} without a locality", call.operation);
        let finding = judge.own(expected, format!("one for `{}`", path.escape_debug()));
        self.findings.push(finding);
        true
    }

    /// Sends a step's call.
    async fn call(
        &mut self,
        purpose: Purpose,
        step: &StepPlan,
        call: &TapeCall,
        request: Option<&Request>,
        token: &Option<Token>,
    ) -> Result<Answer, Stop> {
        let url = match call.operation {
            TapeOperation::Discover => self.site.plan.endpoint.url_of(discovery::WELL_KNOWN),
            operation => {
                let id = request.map_or(UNKNOWN, |request| &request.id);
                self.tape_endpoint().await?.url(operation, id)
            }
        };
        let body = match (call.operation.method(), &step.body) {
            (Method::Post, Some(content)) => Some(content.clone()),
            (Method::Post, None) => Some(usual_body(call).to_string().into_bytes()),
            _ => None,
        };
        self.send_tape(
            purpose,
            call.operation,
            &url,
            &step.headers,
            body,
            token.as_ref(),
        )
        .await
        .map_err(Stop::Undecided)
    }

    async fn send_tape(
        &mut self,
        purpose: Purpose,
        operation: TapeOperation,
        url: &str,
        headers: &[(String, String)],
        body: Option<Vec<u8>>,
        token: Option<&Token>,
    ) -> Result<Answer, String> {
        self.go_on()?;
        let mut headers = headers.to_vec();
        let typed = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if body.is_some() && !headers.iter().any(typed) {
            headers.push(("content-type".into(), "application/json".into()));
        }
        let outgoing = Outgoing {
            method: operation.method(),
            verb: None,
            url,
            headers: &headers,
            body: body.as_deref(),
            token: token.map(|token| &**token),
            deadline: self.deadline,
        };
        let api = self.site.tape.found();
        let client = api.as_ref().map_or(self.site.client, |api| &api.client);
        let sent = client.send(purpose, self.caller(), outgoing).await;
        self.exchanges.push(sent.exchange);
        sent.answer
            .map_err(|failure| format!("{} {operation}: {failure}", operation.method()))
    }

    /// Gives every request up that the service has named, however the case ended; says what stayed.
    pub(super) async fn take_back_requests(&mut self) -> Vec<Leftover> {
        let mut stayed = Vec::new();
        let ids = std::mem::take(&mut self.taped.ids);
        // Storage that is thrown away afterwards has no ledger, and nothing is removed there.
        if ids.is_empty() || self.site.shared.ledger.is_none() {
            return stayed;
        }
        let deadline = Instant::now() + TEARDOWN;
        for id in ids {
            let (url, gone) = self.take_back(&id, deadline).await;
            if let Err(reason) = gone {
                stayed.push(Leftover { url, reason });
            }
        }
        stayed
    }

    async fn take_back(&self, id: &str, deadline: Instant) -> (String, Result<(), String>) {
        let (api, token) = match (self.site.tape.found(), self.tape_token().await) {
            (Some(api), Ok(token)) => (api, token),
            (None, _) => return (String::new(), Err("nobody knows where the API is".into())),
            (_, Err(reason)) => return (discovery::shown(id), Err(reason)),
        };
        let url = api.url(TapeOperation::Delete, id);
        let outgoing = Outgoing {
            method: Method::Delete,
            verb: None,
            url: &url,
            headers: &[],
            body: None,
            token: Some(&token),
            deadline,
        };
        let sent = api.client.send(Purpose::Teardown, self.caller(), outgoing);
        let sent = sent.await;
        let gone = match sent.answer {
            Ok(answer) if answer.success() || matches!(answer.status, 404 | 410) => Ok(()),
            Ok(answer) => Err(format!("DELETE was answered {}", answer.status)),
            Err(failure) => Err(failure.to_string()),
        };
        (url, gone)
    }
}

/// Whether an id can stand in a URL as one component.
fn usable(id: &str) -> bool {
    let dots = id.chars().all(|c| c == '.');
    !dots && id.len() <= MAX_ID && !id.chars().any(char::is_control)
}

/// One component of a path.
fn component(id: &str) -> String {
    utf8_percent_encode(id, RESERVED).to_string()
}

/// What the API expects to be sent.
fn usual_body(call: &TapeCall) -> Value {
    if let Some(json) = &call.json {
        return json.clone();
    }
    let first = call.files.first().map_or("", String::as_str);
    let further = (1..=call.further).map(|number| format!("{first}-{number}"));
    let files: Vec<String> = call.files.iter().cloned().chain(further).collect();
    match call.operation {
        TapeOperation::Stage => {
            let files: Vec<_> = files.iter().map(|path| json!({"path": path})).collect();
            json!({"files": files})
        }
        _ => json!({"paths": files}),
    }
}
