use std::fmt::Write;
use std::sync::Arc;

use jiff::Timestamp;

use crate::http::{Caller, Client, client_config};
use crate::model::{Account, Endpoint, Inventory, Issuer, TokenRequest};
use crate::plan;
use crate::redact::Redactor;
use crate::report::text::line;
use crate::token::{Broker, Fit, Token, claims};

use super::args::CheckArgs;
use super::output::{self, Failed};
use super::{exit, inputs};

/// `touchstone check`
pub async fn main(arguments: &CheckArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let catalogue = inputs::catalogue(arguments.files.suites.as_deref())?;
    let inventory = inputs::inventory(&arguments.files, &arguments.target, &catalogue)?;
    let cases: usize = catalogue.suites.iter().map(|suite| suite.cases.len()).sum();
    output::result(&format!(
        "ok: {} endpoints, {} issuers, {} suites with {cases} cases, {} clauses\n",
        inventory.endpoints.len(),
        inventory.issuers.len(),
        catalogue.suites.len(),
        catalogue.clauses.len()
    ))?;
    trust(&inventory)?;
    if !arguments.connect {
        for issuer in &inventory.issuers {
            match Broker::new(&inventory, &[issuer.name.as_str()], redactor) {
                Ok(_) => {}
                // Where files are only looked through, secrets need not be at hand.
                Err(error) if error.unset() => output::note(&format!("note: {error}")),
                Err(error) => return Err(Failed::Usage(error.to_string())),
            }
        }
        return Ok(exit::OK);
    }
    let mut text = String::new();
    let mut fine = true;
    for endpoint in &inventory.endpoints {
        let (well, answer) = reach(endpoint, redactor).await;
        fine &= well;
        let _ = writeln!(text, "endpoint {}: {}", endpoint.name, line(&answer));
    }
    for (well, answer) in tokens(&inventory, redactor).await {
        fine &= well;
        let _ = writeln!(text, "{}", line(&answer));
    }
    output::result(&text)?;
    Ok(if fine { exit::OK } else { exit::UNDECIDED })
}

/// Whether everybody who is to be trusted can be read.
fn trust(inventory: &Inventory) -> Result<(), Failed> {
    let endpoints = inventory.endpoints.iter().map(|e| (&e.name, &e.ca));
    let issuers = inventory
        .issuers
        .iter()
        .map(|issuer| (&issuer.name, &issuer.ca));
    for (name, ca) in endpoints.chain(issuers) {
        client_config(ca).map_err(|error| Failed::Usage(format!("{name}: {error}")))?;
    }
    Ok(())
}

async fn reach(endpoint: &Endpoint, redactor: &Redactor) -> (bool, String) {
    let client = match Client::new(endpoint, redactor) {
        Ok(client) => client,
        Err(error) => return (false, error.to_string()),
    };
    let caller = Caller {
        run: "check",
        case: "preflight",
    };
    match client.preflight(endpoint, caller).await.answer {
        Ok(answer) => (
            true,
            format!(
                "answers ({})",
                answer.header("server").unwrap_or("without a Server header")
            ),
        ),
        Err(failure) => (false, failure.to_string()),
    }
}

/// Asks each account of each issuer for the observer's token, and says what came.
async fn tokens(inventory: &Inventory, redactor: &Redactor) -> Vec<(bool, String)> {
    let mut lines = Vec::new();
    for issuer in &inventory.issuers {
        let request = inventory
            .endpoints
            .iter()
            .flat_map(|endpoint| {
                let second = plan::second_observer(inventory, endpoint);
                plan::observer(inventory, endpoint)
                    .into_iter()
                    .chain(second)
            })
            .find(|request| request.issuer == issuer.name);
        let accounts: Vec<_> = issuer.accounts.iter().map(Some).collect();
        let accounts = match (accounts.is_empty(), issuer.test_keys.is_empty()) {
            (true, true) => {
                let text = format!(
                    "issuer {}: there is no way to obtain its tokens",
                    issuer.name
                );
                lines.push((false, text));
                continue;
            }
            (true, false) => vec![None],
            (false, _) => accounts,
        };
        for account in accounts {
            let name = account.map_or("test-key", |account| &account.name);
            let (well, answer) = one_account(issuer, account, request.as_ref(), redactor).await;
            lines.push((well, format!("issuer {}, {name}: {answer}", issuer.name)));
        }
    }
    lines
}

/// What that account alone gives, of what it may ask for; `None` is the issuer's test key.
async fn one_account(
    issuer: &Issuer,
    account: Option<&Account>,
    request: Option<&TokenRequest>,
    redactor: &Redactor,
) -> (bool, String) {
    let Some(request) = request else {
        return (true, "no endpoint takes its tokens".into());
    };
    let mut request = request.clone();
    let own = |given: &Option<Vec<String>>| given.clone().unwrap_or_default();
    if let Some(Account {
        scopes: Some(scopes),
        ..
    }) = account
    {
        request.scopes.clone_from(scopes);
    }
    request.groups = account
        .map(|account| own(&account.groups))
        .unwrap_or_default();
    let alone = Inventory {
        issuers: vec![Arc::new(Issuer {
            accounts: account.cloned().into_iter().collect(),
            ..issuer.clone()
        })],
        endpoints: Vec::new(),
    };
    let broker = match Broker::new(&alone, &[issuer.name.as_str()], redactor) {
        Ok(broker) => broker,
        Err(error) => return (false, error.to_string()),
    };
    match broker.token(&request, Fit::AtLeast).await {
        Ok(token) => (true, obtained(&token)),
        Err(error) => (false, error.to_string()),
    }
}

/// What is in a token, in a line.
fn obtained(token: &Token) -> String {
    let Ok(claims) = claims(&token.secret) else {
        return format!("gives a token: {}", token.shown.what);
    };
    let mut parts = vec![format!(
        "scope \"{}\"",
        claims.text("scope").unwrap_or_default()
    )];
    for (name, claim) in [("groups", "wlcg.groups"), ("audience", "aud")] {
        let values: Vec<_> = claims.list(claim).into_iter().collect();
        if !values.is_empty() {
            parts.push(format!("{name} {}", values.join(", ")));
        }
    }
    if let Some(expires) = claims.expires() {
        let left = expires.duration_since(Timestamp::now()).as_secs().max(0);
        parts.push(format!("for {} min", left / 60));
    }
    format!("gives a token: {}", parts.join(", "))
}
