//! What many cases stumble over, and one of them tells: reads that are for everybody, and redirects to plain HTTP.

use crate::check::{self, Judge};
use crate::http::Outgoing;
use crate::model::{Exchange, Expect, Finding, Method, Purpose, Script, StepPlan, Verdict};

use super::{Outcome, Running, Stop, present};

/// The clause about tokens on redirects to plain HTTP: the cases that judge it tell of them.
const CLEARTEXT: &str = "RFC6750-13";
/// What is read without a token is told by this case.
const NOBODY_READS: &str = "bearer.none.get";

/// Why a redirect is not followed, for all cases in the same words.
pub(in crate::run) fn plainly() -> String {
    "put down to connection.redirect.*: the door redirects to http, where neither tokens nor data are sent; enable https at the pools"
        .to_owned()
}

/// Why nothing is said about a token that reads where everybody does.
fn public(declared: bool) -> String {
    if declared {
        return "the endpoint declares that everybody may read (`traits: {public-read: true}`)"
            .to_owned();
    }
    format!(
        "put down to {NOBODY_READS}: everybody may read here without a token, so that no token is one too few; if that is meant to be so, `traits: {{public-read: true}}` declares it"
    )
}

/// What is told of the endpoint as a whole.
const EVERYBODY: &str = "everybody may read here without a token: what a token does not let its bearer read is not judged";

impl Running<'_> {
    /// Whether what ought to be refused and was granted is what everybody gets without a token. Something was `presented`,
    /// or nothing at all.
    pub(super) async fn for_everybody(
        &mut self,
        step: &StepPlan,
        expect: Expect,
        presented: bool,
    ) -> bool {
        let reads = matches!(step.method, Method::Get | Method::Head | Method::Propfind);
        let refusal = expect.refusal() || matches!(expect, Expect::BadRequest | Expect::Refused);
        if !reads || !refusal {
            return false;
        }
        let declared = self.site.plan.endpoint.traits.public_read;
        // One case is there to tell it.
        if !declared && self.case.case.id.as_str() == NOBODY_READS {
            return false;
        }
        // Where nothing was presented, that case says whether it is so for what a GET reads.
        let method = match presented {
            true => step.method,
            false => Method::Get,
        };
        let headers = present::headers(&self.site.plan.endpoint, step);
        let url = self.site.plan.endpoint.url_of(&step.path);
        let outgoing = Outgoing {
            method,
            verb: step.verb.as_deref(),
            url: &url,
            headers: &headers,
            body: None,
            token: None,
            deadline: self.deadline,
        };
        let sent = self
            .site
            .client
            .send(Purpose::Control, self.caller(), outgoing);
        let outcome = sent.await;
        let public = outcome.answer.is_ok_and(|answer| answer.success());
        if public {
            // In the record it would look like an answer to the token.
            self.public = true;
            if !declared {
                self.site.shared.note(&self.site.plan.endpoint, EVERYBODY);
            }
        }
        public
    }

    /// The finding about a redirect to plain HTTP, in a case that is about them; in another one it decides nothing.
    pub(super) fn sent_plainly(
        &self,
        judge: Judge<'_>,
        exchange: Option<&Exchange>,
    ) -> Option<Result<Finding, Stop>> {
        let finding = check::cleartext(judge, exchange?)?;
        Some(
            match self
                .case
                .case
                .clauses
                .iter()
                .any(|clause| clause.as_str() == CLEARTEXT)
            {
                true => Ok(finding),
                false => Err(Stop::Undecided(plainly())),
            },
        )
    }

    /// How the case ends if what keeps it from being decided is what keeps many from it.
    pub(super) fn put_down(&self, script: &Script, outcome: Outcome) -> Outcome {
        let plain = outcome.exchanges.iter().any(to_plain_http);
        if outcome.verdict == Verdict::Error && plain {
            return Outcome {
                reason: Some(plainly()),
                ..outcome
            };
        }
        let writes = |step: &StepPlan| step.expect.refusal() && step.method.writes();
        let hides = self.public && !script.steps.iter().any(writes);
        match outcome.verdict {
            Verdict::Pass | Verdict::Warn if hides => Outcome {
                verdict: Verdict::Skip,
                reason: Some(public(self.site.plan.endpoint.traits.public_read)),
                findings: Vec::new(),
                ..outcome
            },
            _ => outcome,
        }
    }
}

/// Whether an exchange ended at a redirect to plain HTTP, which is not followed.
pub(in crate::run) fn to_plain_http(exchange: &Exchange) -> bool {
    let refused = exchange.error.is_some();
    let last = exchange.hops.last().filter(|_| refused);
    let last = last.map(|hop| hop.location.as_str());
    // A request that goes out byte for byte may be left at its answer.
    let redirect = exchange
        .status
        .is_some_and(|status| (300..400).contains(&status));
    let mut headers = exchange.response_headers.iter().filter(|_| redirect);
    let named = headers.find(|(name, _)| name == "location");
    let place = last.or(named.map(|(_, value)| value.as_str()));
    let scheme = place.and_then(|place| place.trim_start().get(..5));
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"))
}
