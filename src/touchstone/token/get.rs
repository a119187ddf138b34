use std::io::IsTerminal;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::text::brief;
use crate::args::Target;
use crate::output::{self, Failed};
use crate::{exit, inputs};
use touchstone_engine::token::judge::{decode, judge};
use touchstone_engine::token::{Broker, Fit, SignatureCheck};
use touchstone_model::redact::Redactor;
use touchstone_model::{ANY_AUDIENCE, Audience, Endpoint, Inventory, Profile, TokenRequest};
use touchstone_suite::plan;

use super::GetArgs;

/// `touchstone token get`
pub async fn main(arguments: &GetArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let inventory = inventory(arguments)?;
    let request = request(arguments, &inventory)?;
    let broker = Broker::new(&inventory, &[request.issuer.as_str()], redactor)
        .map_err(|error| Failed::Usage(error.to_string()))?;
    let token = broker
        .token(&request, Fit::AtLeast)
        .await
        .map_err(|error| Failed::Undecided(error.to_string()))?;
    if printed(arguments.print, std::io::stdout().is_terminal()) {
        output::result(&format!("{}\n", token.secret.expose_secret()))?;
        return Ok(exit::OK);
    }
    let mut text = format!(
        "The issuer `{}` gave a token; it is not shown on a terminal.\n",
        request.issuer
    );
    if let Ok(decoded) = decode(&token.secret) {
        let proof = SignatureCheck::unknown("not asked for");
        let mut inspection = judge(&decoded, proof, Timestamp::now(), Profile::default());
        inspection.pass(&|text| redactor.text(text));
        text += &brief(&inspection);
    }
    text += "--print shows it; in a script: TOKEN=$(touchstone token get …)\n";
    output::result(&redactor.text(&text))?;
    Ok(exit::OK)
}

/// A token on a terminal stays in its scrollback, and is seen by whoever looks over a shoulder.
fn printed(asked: bool, terminal: bool) -> bool {
    asked || !terminal
}

fn inventory(arguments: &GetArgs) -> Result<Inventory, Failed> {
    let catalogue = inputs::catalogue(arguments.files.suites.as_deref())?;
    if arguments.target.url.is_some() {
        return inputs::inventory(&arguments.files, &arguments.target, &catalogue);
    }
    // Without --url it is the name of an issuer in the file.
    let target = Target {
        issuer: None,
        ..arguments.target.clone()
    };
    inputs::inventory(&arguments.files, &target, &catalogue)
}

fn request(arguments: &GetArgs, inventory: &Inventory) -> Result<TokenRequest, Failed> {
    let endpoint = match (&arguments.endpoint, &arguments.target.url) {
        (Some(name), _) => Some(endpoint(inventory, name)?),
        (None, Some(_)) => inventory.endpoints.first().map(AsRef::as_ref),
        (None, None) => None,
    };
    let issuer = issuer(arguments, inventory, endpoint)?;
    let audience = match arguments.audiences.as_slice() {
        [] => endpoint
            .filter(|endpoint| endpoint.issuer.as_deref() == Some(issuer))
            .and_then(|endpoint| plan::observer(inventory, endpoint))
            .map_or_else(
                || Audience::One(ANY_AUDIENCE.to_owned()),
                |request| request.audience,
            ),
        [one] => Audience::One(one.clone()),
        many => Audience::Many(many.to_vec()),
    };
    let scopes = arguments.scope.split_ascii_whitespace();
    let scopes = scopes.map(ToOwned::to_owned).collect();
    let mut request = TokenRequest::good(issuer.to_owned(), scopes, audience);
    request.groups.clone_from(&arguments.groups);
    Ok(request)
}

fn endpoint<'a>(inventory: &'a Inventory, name: &str) -> Result<&'a Endpoint, Failed> {
    let mut endpoints = inventory.endpoints.iter();
    let found = endpoints.find(|endpoint| endpoint.name == name);
    found.map(AsRef::as_ref).ok_or_else(|| {
        let names = inventory
            .endpoints
            .iter()
            .map(|endpoint| endpoint.name.as_str());
        let names: Vec<_> = names.collect();
        let message = format!("there is no endpoint `{name}`");
        Failed::Usage(inputs::unknown(&message, name, &names, "endpoints"))
    })
}

/// The name of the issuer that is meant.
fn issuer<'a>(
    arguments: &GetArgs,
    inventory: &'a Inventory,
    endpoint: Option<&'a Endpoint>,
) -> Result<&'a str, Failed> {
    let names: Vec<&str> = inventory.issuers.iter().map(|i| i.name.as_str()).collect();
    if arguments.target.url.is_none()
        && let Some(wanted) = &arguments.target.issuer
    {
        let mut issuers = inventory.issuers.iter();
        let found = issuers.find(|issuer| issuer.name == *wanted || issuer.url == *wanted);
        return found.map(|issuer| issuer.name.as_str()).ok_or_else(|| {
            let hint = touchstone_yaml::suggestion(wanted, names.iter().copied());
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Failed::Usage(format!(
                "there is no issuer `{wanted}`{hint}; there are: {}",
                names.join(", ")
            ))
        });
    }
    if let Some(name) = endpoint.and_then(|endpoint| endpoint.issuer.as_deref()) {
        return Ok(name);
    }
    match names.as_slice() {
        [only] => Ok(only),
        [] => Err(Failed::Usage(
            "there is no issuer; name it with --issuer".into(),
        )),
        several => Err(Failed::Usage(format!(
            "there are several issuers; choose one with --issuer: {}",
            several.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_terminal_shows_a_token_only_when_asked() {
        assert!(!super::printed(false, true));
        assert!(super::printed(true, true));
        assert!(super::printed(false, false));
    }
}
