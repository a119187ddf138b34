//! What many cases stumble over, and one of them tells: reads that are for everybody, and redirects to plain HTTP.

use crate::http::Outgoing;
use touchstone_model::{Exchange, Expect, Finding, Method, Purpose, Script, StepPlan, Verdict};
use touchstone_protocol::Judge;

use super::{Outcome, Running, Stop};

/// The clause about tokens on redirects to plain HTTP: the cases that judge it tell of them.
const CLEARTEXT: &str = "RFC6750-13";
/// What is read or looked at without a token is told by these cases.
const NOBODY_READS: [&str; 2] = ["bearer.none.get", "bearer.none.propfind"];

/// Why a redirect is not followed, for all cases in the same words.
pub(in crate::run) fn plainly() -> String {
    "put down to connection.redirect.*: the door redirects to http, where neither tokens nor data are sent; enable https at the pools"
        .to_owned()
}

/// Why nothing is said about a token that reads where everybody does.
pub(super) fn public(declared: bool, looks: bool) -> String {
    if declared {
        return "the endpoint declares that everybody may read (`traits: {public-read: true}`)"
            .to_owned();
    }
    let [reading, looking] = NOBODY_READS;
    let (see, what) = match looks {
        true => (looking, "look"),
        false => (reading, "read"),
    };
    format!(
        "put down to {see}: everybody may {what} here without a token, so that no token is one too few; if that is meant to be so, `traits: {{public-read: true}}` declares it"
    )
}

/// What is told of the endpoint as a whole.
const EVERYBODY: &str = "everybody may read here without a token: what a token does not let its bearer read is not judged";
const EVERYBODY_LOOKS: &str = "everybody may look at objects here without a token: what a token does not let its bearer look at is not judged";

impl Running<'_> {
    /// Whether what ought to be refused and was granted is what everybody gets without a token.
    pub(super) async fn for_everybody(&mut self, step: &StepPlan, expect: Expect) -> bool {
        let reads = matches!(step.method, Method::Get | Method::Head | Method::Propfind);
        let refusal = expect.refusal()
            || matches!(expect, Expect::BadRequest | Expect::Refused)
            || !step.tells.hidden.is_empty();
        if !reads || !refusal {
            return false;
        }
        let declared = self.site.plan.endpoint.traits.public_read;
        let looks = step.method == Method::Propfind;
        let [reading, looking] = NOBODY_READS;
        let told_by = if looks { looking } else { reading };
        if !declared && self.case.case.id.as_str() == told_by {
            return false;
        }
        // It is for everybody where the plain request of that case says so: what is open in another way alone, by HEAD or
        // for a part, is a hole.
        let public = self.open(&step.path, looks).await;
        if public {
            // In the record it would look like an answer to the token.
            self.public = Some(looks);
            if !declared {
                let note = if looks { EVERYBODY_LOOKS } else { EVERYBODY };
                self.site.shared.note(&self.site.plan.endpoint, note);
            }
        }
        public
    }

    /// Whether the object is read without a token, or looked at.
    pub(super) async fn open(&self, path: &str, looks: bool) -> bool {
        let (method, headers) = match looks {
            true => (Method::Propfind, vec![("Depth".to_owned(), "0".to_owned())]),
            false => (Method::Get, Vec::new()),
        };
        let url = self.site.plan.endpoint.url_of(path);
        let outgoing = Outgoing {
            method,
            verb: None,
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
        sent.await.answer.is_ok_and(|answer| answer.success())
    }

    /// The finding about a redirect to plain HTTP, in a case that is about them; in another one it decides nothing.
    pub(super) fn sent_plainly(
        &self,
        judge: Judge<'_>,
        exchange: Option<&Exchange>,
    ) -> Option<Result<Finding, Stop>> {
        let finding = touchstone_protocol::cleartext(judge, exchange?)?;
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
        let hides = self.public.filter(|_| !script.steps.iter().any(writes));
        match (outcome.verdict, hides) {
            (Verdict::Pass | Verdict::Warn, Some(looks)) => Outcome {
                verdict: Verdict::Skip,
                reason: Some(public(self.site.plan.endpoint.traits.public_read, looks)),
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
