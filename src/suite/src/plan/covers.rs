//! What covers may ask an ordinary issuer for: nothing that the other cases do not ask for as well.

use std::collections::HashSet;

use touchstone_model::{Action, CasePlan, Credential, Means, Script, TokenRequest};

use super::Site;

/// Whether the endpoint's issuer is one whose key we hold.
pub(super) fn has_key(site: &Site<'_>) -> bool {
    let issuer = site.endpoint.issuer.as_deref();
    let issuer = issuer.and_then(|name| site.inventory.issuer(name));
    issuer.is_some_and(|issuer| !issuer.test_keys.is_empty())
}

/// Leaves out the cells for which an issuer would have to be asked for tokens that nothing else needs.
pub(super) fn spare_issuer(
    site: &Site<'_>,
    cases: &mut [CasePlan],
    observer: Option<&TokenRequest>,
) {
    if has_key(site) {
        return;
    }
    let mut asked: HashSet<TokenRequest> = observer.cloned().into_iter().collect();
    for planned in cases.iter().filter(|planned| planned.case.cover.is_none()) {
        if let Action::Run(script) = &planned.action {
            asked.extend(tokens(script).map(TokenRequest::honest));
        }
    }
    let fresh = site.endpoint.fresh_tokens;
    let cells = cases
        .iter_mut()
        .filter(|planned| planned.case.cover.is_some());
    for planned in cells {
        let Action::Run(script) = &planned.action else {
            continue;
        };
        let more = tokens(script).any(|token| fresh || !asked.contains(&token.honest()));
        if more {
            planned.action = Action::Skip(
                "an issuer would be asked for tokens that no other case needs; a `test-key` of it makes them".into(),
            );
        }
    }
}

/// What of the tokens of a script an issuer gives.
fn tokens(script: &Script) -> impl Iterator<Item = &TokenRequest> {
    let tokens = script.steps.iter().flat_map(|step| {
        let other = step.wire.as_ref().map(|wire| &wire.other);
        let credentials = [Some(&step.token), other].into_iter().flatten();
        let tokens = credentials.filter_map(Credential::token);
        tokens.chain(&step.control)
    });
    tokens.filter(|token| !matches!(token.means(), Means::Key | Means::EcKey | Means::RsaKey))
}
