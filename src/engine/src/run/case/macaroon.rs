//! Requests for macaroons, and the macaroon that a case holds.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::http::Outgoing;
use crate::token::{Macaroon, MacaroonError, Token};
use touchstone_model::{
    Answer, Credential, Endpoint, Expect, Flavour, Interface, MacaroonRequest, Method, Presented,
    Purpose, StepPlan,
};
use touchstone_protocol::Judge;

use super::{Running, Stop, unproven};

/// Where a service says how its token endpoint is found (RFC 8414 section 3).
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// The macaroon that was issued last.
pub(super) struct Held {
    text: SecretString,
    /// Taken apart, so that its holder can do something to it.
    parsed: Result<Macaroon, MacaroonError>,
    /// How it was asked for, in words.
    how: String,
}

/// What a step presents.
pub(super) enum Presenting {
    /// What the script says.
    Scripted,
    /// The macaroon that the case holds, or what became of it.
    Held(Option<Token>),
    /// There is none, so that there is nothing to refuse.
    Nothing,
}

impl Running<'_> {
    /// The request as it is sent. The form of OAuth goes to where the service says.
    pub(super) async fn asking(
        &mut self,
        step: &StepPlan,
        request: &MacaroonRequest,
    ) -> Result<StepPlan, Stop> {
        let mut plain = step.clone();
        if request.flavour == Flavour::Oauth {
            plain.path = self.token_endpoint().await?;
        }
        Ok(plain)
    }

    /// The path of the service's own token endpoint.
    async fn token_endpoint(&mut self) -> Result<String, Stop> {
        self.go_on().map_err(Stop::Undecided)?;
        let endpoint = &self.site.plan.endpoint;
        let url = endpoint.url_of(METADATA);
        let outgoing = Outgoing::bare(Method::Get, &url, self.deadline);
        let client = self.site.client;
        let outcome = client.send(Purpose::Arrange, self.caller(), outgoing).await;
        self.exchanges.push(outcome.exchange);
        let answer = outcome
            .answer
            .map_err(|failure| Stop::Undecided(format!("GET {METADATA}: {failure}")))?;
        own_endpoint(endpoint, &answer).ok_or_else(|| {
            Stop::Skip(format!(
                "the service names no token endpoint of its own at {METADATA}"
            ))
        })
    }

    /// Judges what was issued, and keeps it. Returns whether it came against the expectation.
    pub(super) fn issued(
        &mut self,
        judge: Judge<'_>,
        purpose: Purpose,
        step: &StepPlan,
        answer: &Answer,
        sent: Timestamp,
    ) -> Result<bool, Stop> {
        let Interface::Macaroons(request) = &step.interface else {
            return Ok(false);
        };
        if !answer.success() {
            return Ok(false);
        }
        let Some(text) = touchstone_protocol::macaroon_in(request.flavour, answer) else {
            if step.expect == Expect::Ok {
                match touchstone_protocol::no_macaroon(judge) {
                    Ok(finding) => self.findings.push(finding),
                    Err(reason) => return Err(Stop::Undecided(unproven(purpose, reason))),
                }
            }
            return Ok(false);
        };
        let secret = SecretString::from(text.as_str());
        self.site.shared.redactor.add(&secret);
        self.redact_again();
        let parsed = Macaroon::parse(&text);
        if purpose == Purpose::Step {
            if step.expect == Expect::Ok {
                let caveats = parsed.as_ref().ok().map(Macaroon::caveats);
                let told = touchstone_protocol::macaroon(
                    judge, request, &step.path, caveats, answer, sent,
                );
                self.findings.extend(told);
                // Without what it was asked for the macaroon shows nothing in the steps to come.
                let lacks = caveats.and_then(|caveats| {
                    touchstone_protocol::macaroon_lacks(judge, request, caveats)
                });
                match lacks {
                    Some(Ok(finding)) => self.findings.push(finding),
                    Some(Err(reason)) => return Err(Stop::Skip(reason)),
                    None => {}
                }
            }
            let how = format!(
                "what POST {} was answered with",
                self.site.plan.endpoint.url_of(&step.path)
            );
            self.held = Some(Held {
                text: secret,
                parsed,
                how,
            });
        }
        Ok(step.expect.refusal())
    }

    /// The last exchange, in which something stands that was no known secret when it was written down.
    fn redact_again(&mut self) {
        let redactor = &self.site.shared.redactor;
        if let Some(exchange) = self.exchanges.last_mut() {
            exchange.response_body = redactor.text(&exchange.response_body);
            exchange.response_headers = redactor.headers(&exchange.response_headers);
        }
    }

    /// What the step presents, if that was not known before the case began.
    pub(super) fn presenting(&self, step: &StepPlan) -> Result<Presenting, Stop> {
        let Credential::Macaroon(presented) = &step.token else {
            return Ok(Presenting::Scripted);
        };
        match &self.held {
            Some(held) => self.altered(held, presented).map(Presenting::Held),
            None if step.expect.harmless() => Ok(Presenting::Nothing),
            None => Err(Stop::Undecided("no macaroon was issued".into())),
        }
    }

    fn altered(&self, held: &Held, presented: &Presented) -> Result<Option<Token>, Stop> {
        let endpoint = &self.site.plan.endpoint.name;
        let described = |caveats: &[String], text: SecretString| {
            let what = format!("a macaroon: {}", caveats.join("; "));
            let special = presented.to_string();
            let how = match special.as_str() {
                "" => held.how.clone(),
                special => format!("{}{special}", held.how),
            };
            Token::of_macaroon(text, endpoint, &what, &how)
        };
        if *presented == Presented::default() {
            let caveats = held.parsed.as_ref().map_or(&[][..], Macaroon::caveats);
            return Ok(Some(described(caveats, held.text.clone())));
        }
        let unfit = |reason: MacaroonError| {
            Stop::Skip(format!(
                "what the service issues cannot be taken apart: {reason}"
            ))
        };
        let mut macaroon = held.parsed.clone().map_err(unfit)?;
        for caveat in &presented.add {
            macaroon.add(caveat).map_err(unfit)?;
        }
        if let Some(tampering) = presented.tamper {
            macaroon = macaroon.tampered(tampering);
        }
        let text = SecretString::from(macaroon.text());
        self.site.shared.redactor.add(&text);
        Ok(Some(described(macaroon.caveats(), text)))
    }
}

/// The path of the token endpoint that the metadata names, if it is on the service itself: nobody else
/// gets the token.
fn own_endpoint(endpoint: &Endpoint, answer: &Answer) -> Option<String> {
    let metadata: Value = serde_json::from_slice(&answer.body).ok()?;
    let named = Url::parse(metadata.get("token_endpoint")?.as_str()?).ok()?;
    (answer.status == 200 && named.origin() == endpoint.url.origin())
        .then(|| named.path().to_owned())
}
