//! How the request of a step is sent where every byte of it counts, and what of it is said once more.

use url::Url;

use crate::http::{Failure, RawRequest};
use crate::token::Token;
use touchstone_model::{
    Answer, Credential, Method, Purpose, RawOptions, State, StepPlan, TokenRequest,
};

use super::super::present;
use super::Running;

impl Running<'_> {
    /// Sends a step byte for byte as the suite has it.
    pub(super) async fn exact(
        &mut self,
        step: &StepPlan,
        wire: &RawOptions<Credential<TokenRequest>>,
        headers: Vec<(String, String)>,
        token: Option<&Token>,
        other: Option<&Token>,
    ) -> Result<Answer, Failure> {
        let (mut lines, target) = present::presented(wire, &step.path, token, other);
        lines.extend(headers);
        let tokens: Vec<_> = token
            .into_iter()
            .chain(other)
            .map(|token| &**token)
            .collect();
        let raw = RawRequest {
            method: step.method,
            verb: step.verb.as_deref().unwrap_or(step.method.as_str()),
            target: &target,
            headers: &lines,
            body: step.body.as_deref(),
            tokens: &tokens,
            expect_continue: wire.expect_continue,
            http_1_0: wire.http_1_0,
            chunked: wire.chunked,
            cut_body_at: wire.cut,
            deadline: self.deadline,
        };
        let caller = self.caller();
        let place = self.exchanges.len();
        let mut outcome = if wire.kept {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.site.wire.connection().await?,
            };
            let mut outcome = connection.send(Purpose::Step, caller, raw).await;
            // A server may end a kept connection at any time. What writes is sent once more if nothing has come of it.
            if outcome.lost && step.method.writes() && self.untouched(step).await {
                outcome = connection.send(Purpose::Step, caller, raw).await;
                outcome.exchange.attempts += 1;
            }
            self.connection = Some(connection);
            outcome
        } else {
            self.site.wire.send(Purpose::Step, caller, raw).await
        };
        self.continued = outcome.continued;
        self.carried = outcome.carried;
        let endpoint = &self.site.plan.endpoint;
        let exchange = &mut outcome.exchange;
        present::show(exchange, endpoint, wire, &step.path, [token, other]);
        // The step comes before what was looked at because of it.
        self.exchanges.insert(place, outcome.exchange);
        outcome.answer
    }

    /// Whether all that a step could change is as it was before.
    async fn untouched(&mut self, step: &StepPlan) -> bool {
        let paths = std::iter::once(&step.path).chain(&step.destination);
        let before: Vec<_> = paths.flat_map(|path| self.tree(path)).collect();
        let objects = before.iter().map(|(path, state)| (path.as_str(), state));
        let seen = self.look(Purpose::Effect, objects).await;
        seen.is_ok_and(|seen| {
            let mut pairs = seen.iter().zip(&before);
            pairs.all(|(seen, (_, state))| seen.is(state))
        })
    }

    /// What a control has to say where something is to be replaced: by itself it is what a MOVE or COPY does (RFC 4918 section
    /// 10.6), and some services do it only when they are told.
    pub(super) fn overwriting(&self, step: &StepPlan) -> Option<(String, String)> {
        let place = step.destination.as_ref()?;
        let mut given = step.headers.iter();
        let said = given.any(|(name, _)| name.eq_ignore_ascii_case("overwrite"));
        let replaces = matches!(step.method, Method::Move | Method::Copy)
            && *self.known(place) != State::Absent;
        (replaces && !said).then(|| ("Overwrite".to_owned(), "T".to_owned()))
    }

    /// Whether the control, which was served, was sent on like the step before it: to the same server, and without its token.
    pub(super) fn served_elsewhere(&self) -> bool {
        let last = |purpose| {
            let mut sent = self.exchanges.iter().rev();
            let sent = sent.find(|exchange| exchange.purpose == purpose)?;
            let hop = sent.hops.iter().find(|hop| !hop.token_forwarded)?;
            let place = Url::parse(&hop.url).ok()?.join(&hop.location).ok()?;
            Some(place.host_str()?.to_owned())
        };
        let step = last(Purpose::Step);
        step.is_some() && step == last(Purpose::Control)
    }
}
