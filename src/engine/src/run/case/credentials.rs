//! The tokens of a case, obtained before anything is sent.

use std::collections::HashMap;

use futures_util::future::join_all;
use tracing::Instrument as _;

use crate::token::{Fit, Token, TokenError};
use crate::trace::span;
use touchstone_model::{Case, Credential, Expect, Method, Script, TokenRequest};
use touchstone_protocol::StepRole;

use super::{Running, Site};

/// Those of a step.
pub(super) struct Credentials {
    pub token: Option<Token>,
    pub other: Option<Token>,
    pub control: Option<Token>,
}

/// Obtains what the case needs before its clock starts: where many cases wait for one issuer, the wait says
/// nothing about the storage. What cannot be had, the steps find out.
pub(super) async fn queue_for_tokens(site: &Site<'_>, case: &Case, script: &Script) {
    if site.plan.endpoint.fresh_tokens {
        return;
    }
    let tokens = script.steps.iter().flat_map(|step| {
        let other = step.wire.as_ref().and_then(|wire| wire.other.token());
        let own = step.token.token().into_iter().chain(other);
        let own = own.map(|request| site.terms.applied(request, case, step.expect));
        let control = step.control.iter();
        own.chain(control.map(|request| site.terms.enough(request, step.method)))
    });
    let kept = tokens.filter(|request| !request.timed());
    let obtained = kept.map(async |request| {
        let token = site.shared.broker.token(&request, Fit::AtLeast);
        token.await
    });
    tokio::select! {
        _ = join_all(obtained) => {}
        () = site.shared.cancel.cancelled() => {}
        () = tokio::time::sleep_until(site.deadline.into()) => {}
    }
}

impl Running<'_> {
    /// The tokens of all steps, and whether some of them say something about the time. Steps with the
    /// same request have the same token.
    pub(super) async fn credentials(
        &self,
        script: &Script,
    ) -> Result<(Vec<Credentials>, bool), TokenError> {
        let obtaining = self.obtained(script);
        obtaining.instrument(span!("tokens")).await
    }

    async fn obtained(&self, script: &Script) -> Result<(Vec<Credentials>, bool), TokenError> {
        let mut timed = HashMap::new();
        let mut credentials = Vec::new();
        for (at, step) in script.steps.iter().enumerate() {
            let other = step
                .wire
                .as_ref()
                .map_or(&Credential::None, |wire| &wire.other);
            credentials.push(Credentials {
                token: match self.asked_for(script, at) {
                    Some(request) => Some(self.token(&request, step.expect).await?),
                    None => {
                        self.credential(&step.token, step.expect, &mut timed)
                            .await?
                    }
                },
                other: self.credential(other, step.expect, &mut timed).await?,
                control: match &step.control {
                    Some(request) => Some(self.enough(request, step.method).await?),
                    None => None,
                },
            });
        }
        Ok((credentials, !timed.is_empty()))
    }

    async fn credential<'s>(
        &self,
        credential: &'s Credential<TokenRequest>,
        expect: Expect,
        timed: &mut HashMap<&'s TokenRequest, Token>,
    ) -> Result<Option<Token>, TokenError> {
        let request = match credential {
            // A macaroon comes into being on the way.
            Credential::None | Credential::Macaroon(_) => return Ok(None),
            Credential::Text(text) => return Ok(Some(Token::of_text(text))),
            Credential::Token(request) => request,
        };
        if let Some(token) = timed.get(request) {
            return Ok(Some(token.clone()));
        }
        let token = self.token(request, expect).await?;
        if request.timed() {
            timed.insert(request, token.clone());
        }
        Ok(Some(token))
    }

    /// What is asked for instead of the token of `steps[at]`, where the service honours fewer scopes than it has to: the cases
    /// about capabilities tell that, and what others want to be allowed is allowed by those that it honours.
    fn asked_for(&self, script: &Script, at: usize) -> Option<TokenRequest> {
        let step = script.steps.get(at)?;
        let request = step.token.token().filter(|request| !request.timed())?;
        let enough = match touchstone_protocol::role(&script.steps, at) {
            StepRole::Permitted | StepRole::Control(_) | StepRole::Witness(_) => true,
            // What is wrong with the request has to be what it is refused for.
            StepRole::Forbidden => !step.expect.refusal(),
            StepRole::Open(_) => false,
        };
        if !enough || self.case.case.suite == "capability" {
            return None;
        }
        let enough = self.site.terms.enough(request, step.method);
        let other = match step.method {
            // It needs a right to read and one to write.
            Method::Copy => enough.scopes.len() > request.scopes.len(),
            _ => enough.scopes != request.scopes,
        };
        other.then(|| TokenRequest {
            scopes: enough.scopes.clone(),
            ..request.clone()
        })
    }

    /// The very token that a step has.
    pub(super) async fn token(
        &self,
        request: &TokenRequest,
        expect: Expect,
    ) -> Result<Token, TokenError> {
        let (terms, case) = (self.site.terms, &self.case.case);
        let endpoint = terms.endpoint_for(&self.site.plan.endpoint, case);
        let request = terms.applied(request, case, expect);
        let token = self.site.shared.token(&endpoint, &request, Fit::Exact);
        token.await
    }

    /// A token that only has to succeed.
    pub(super) async fn enough(
        &self,
        request: &TokenRequest,
        method: Method,
    ) -> Result<Token, TokenError> {
        let endpoint = &self.site.plan.endpoint;
        let request = self.site.terms.enough(request, method);
        let token = self.site.shared.token(endpoint, &request, Fit::AtLeast);
        token.await
    }
}
