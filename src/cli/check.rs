use std::fmt::Write;

use crate::http::{Caller, Client, client_config};
use crate::model::{Endpoint, Inventory};
use crate::plan;
use crate::redact::Redactor;
use crate::report::text::line;
use crate::token::{Broker, Fit};

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
    let names: Vec<_> = inventory
        .issuers
        .iter()
        .map(|issuer| issuer.name.as_str())
        .collect();
    let broker = Broker::new(&inventory, &names, redactor)
        .map_err(|error| Failed::Usage(error.to_string()))?;
    let mut text = String::new();
    let mut fine = true;
    for endpoint in &inventory.endpoints {
        let (well, answer) = reach(endpoint, redactor).await;
        fine &= well;
        let _ = writeln!(text, "endpoint {}: {}", endpoint.name, line(&answer));
    }
    for (issuer, (well, answer)) in tokens(&inventory, &broker).await {
        fine &= well;
        let _ = writeln!(text, "issuer {issuer}: {}", line(&answer));
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

/// Asks each issuer that an endpoint names for the observer's token.
async fn tokens(inventory: &Inventory, broker: &Broker) -> Vec<(String, (bool, String))> {
    let mut lines = Vec::new();
    for issuer in &inventory.issuers {
        let request = inventory
            .endpoints
            .iter()
            .filter_map(|endpoint| plan::observer(inventory, endpoint))
            .find(|request| request.issuer == issuer.name);
        let line = match request {
            None if !issuer.abilities().any => {
                (false, "there is no way to obtain its tokens".to_owned())
            }
            None => (true, "no endpoint takes its tokens".to_owned()),
            Some(request) => match broker.token(&request, Fit::AtLeast).await {
                Ok(token) => (true, format!("gives a token: {}", token.shown.what)),
                Err(error) => (false, error.to_string()),
            },
        };
        lines.push((issuer.name.clone(), line));
    }
    lines
}
