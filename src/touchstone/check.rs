use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use touchstone_engine::http::{
    Caller, Client, Guard, HostLimiter, Outgoing, client_config, software,
};
use touchstone_engine::token::{Broker, Fit, Token, cause, claims};
use touchstone_model::redact::Redactor;
use touchstone_model::{
    Account, Answer, DowntimeSource, Endpoint, ISSUER, Inventory, Issuer, Method, Purpose,
    TokenRequest,
};
use touchstone_report::text::{count, line};
use touchstone_suite::plan;

use super::args::CheckArgs;
use super::output::{self, Failed};
use super::{downtimes, exit, inputs};

/// Days before its last one on which a known failure is spoken of.
const SOON: i64 = 14;

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
    let now = Timestamp::now();
    for note in expiries(&inventory, now)
        .into_iter()
        .chain(over(&inventory, now))
        .chain(shared(&inventory))
        .chain(without_tokens(&inventory))
    {
        output::note(&note);
    }
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
        let (reached, answer) = reach(endpoint, redactor).await;
        fine &= reached;
        let _ = writeln!(text, "endpoint {}: {}", endpoint.name, line(&answer));
        if let (true, Some(request)) = (reached, plan::observer(&inventory, endpoint)) {
            let (well, answer) = used(&inventory, endpoint, &request, redactor).await;
            fine &= well;
            let _ = writeln!(text, "endpoint {}: {}", endpoint.name, line(&answer));
        }
    }
    for (well, answer) in tokens(&inventory, redactor).await {
        fine &= well;
        let _ = writeln!(text, "{}", line(&answer));
    }
    if !inventory.downtimes.is_empty() {
        let (outages, unknown) = downtimes::all(&inventory).await;
        fine &= unknown.is_empty();
        let _ = writeln!(text, "downtimes: {} known", count(outages.len(), "outage"));
    }
    output::result(&text)?;
    Ok(if fine { exit::OK } else { exit::UNDECIDED })
}

/// Known failures that protect no longer, or soon will not.
fn expiries(inventory: &Inventory, now: Timestamp) -> Vec<String> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let soon = today.saturating_add(SOON.days());
    let endpoints = inventory.endpoints.iter();
    let issuers = inventory.issuers.iter();
    let all = endpoints
        .flat_map(|endpoint| {
            let entries = endpoint.known_failures.iter();
            entries.map(|entry| (endpoint.name.clone(), entry))
        })
        .chain(issuers.flat_map(|issuer| {
            let entries = issuer.known_failures.iter();
            entries.map(|entry| (format!("{ISSUER}{}", issuer.name), entry))
        }));
    all.filter_map(|(name, entry)| {
        let last = entry.expires.filter(|last| *last <= soon)?;
        let what = match entry.expired(today) {
            true => format!("expired after {last} and protects no longer"),
            false => format!("expires after {last}"),
        };
        Some(format!(
            "note: {}: the known failure of {} at {name} {what}; renew the entry or remove it",
            entry.at, entry.case
        ))
    })
    .collect()
}

/// Declared downtimes that came to their end.
fn over(inventory: &Inventory, now: Timestamp) -> Vec<String> {
    let declared = inventory
        .downtimes
        .iter()
        .filter_map(|source| match source {
            DowntimeSource::Declared(downtime) => Some(downtime),
            DowntimeSource::Feed(_) => None,
        });
    declared
        .filter(|downtime| downtime.until <= now)
        .map(|downtime| {
            format!(
                "note: {}: this downtime is over; remove it",
                downtime.source
            )
        })
        .collect()
}

/// Endpoints that may be one storage under two names.
fn shared(inventory: &Inventory) -> Vec<String> {
    let mut by_place: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for endpoint in &inventory.endpoints {
        let place = (endpoint.url.host_str().unwrap_or_default(), &endpoint.area);
        by_place.entry(place).or_default().push(&endpoint.name);
    }
    let several = by_place.into_iter().filter(|(_, names)| names.len() > 1);
    several
        .map(|((host, area), names)| {
            format!(
                "note: {} have the host {host} and the area {area} in common; each is judged in a directory of its own, and what the storage does wrong is told for each of them",
                names.join(" and "),
                area = if area.is_empty() { "/" } else { area },
            )
        })
        .collect()
}

/// Endpoints whose cases will all be skipped, for nobody gives tokens for them.
fn without_tokens(inventory: &Inventory) -> Vec<String> {
    let any = |name: &str| {
        let issuer = inventory.issuer(name);
        issuer.is_some_and(|issuer| issuer.abilities().any)
    };
    let mut notes = Vec::new();
    for endpoint in &inventory.endpoints {
        let name = &endpoint.name;
        match endpoint.issuer.as_deref() {
            None => notes.push(format!(
                "note: {name}: there is no way to obtain tokens, for it has no issuer; describe one under `issuers`"
            )),
            Some(issuer) if !any(issuer) => notes.push(format!(
                "note: {name}: there is no way to obtain tokens of its issuer `{issuer}`; give it a source such as `client-credentials` or `token-file`, a `test-key`, or flags such as --client-id"
            )),
            Some(_) => {}
        }
        if let Some(second) = &endpoint.second
            && !any(&second.issuer)
        {
            notes.push(format!(
                "note: {name}: there is no way to obtain tokens of the issuer `{}` of its second area; cases that need them will be skipped",
                second.issuer
            ));
        }
    }
    notes
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
    let limiter = Arc::new(HostLimiter::new(&endpoint.limits));
    let client = match Client::new(endpoint, &limiter, redactor, Guard::nothing()) {
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
                software(&answer.headers).unwrap_or("without a Server header".into())
            ),
        ),
        Err(failure) => (false, failure.to_string()),
    }
}

/// Uses the observer's token for a look at the area, which changes nothing, and says what came of it.
async fn used(
    inventory: &Inventory,
    endpoint: &Endpoint,
    request: &TokenRequest,
    redactor: &Redactor,
) -> (bool, String) {
    let broker = match Broker::new(inventory, &[request.issuer.as_str()], redactor) {
        Ok(broker) => broker,
        Err(error) => return (false, error.to_string()),
    };
    let token = match broker.token(request, Fit::AtLeast).await {
        Ok(token) => token,
        Err(error) => return (false, format!("there is no token for it: {error}")),
    };
    let limiter = Arc::new(HostLimiter::new(&endpoint.limits));
    let client = match Client::new(endpoint, &limiter, redactor, Guard::nothing()) {
        Ok(client) => client,
        Err(error) => return (false, error.to_string()),
    };
    let looked = look(&client, endpoint, &token).await;
    let (method, answer) = match looked {
        Ok(looked) => looked,
        Err(reason) => return (false, format!("a look at its area with a token: {reason}")),
    };
    let asked = format!("{method} of its area with a token of {}", request.issuer);
    let answered = format!(
        "{asked} was answered {}",
        touchstone_protocol::reason(answer.status)
    );
    if !matches!(answer.status, 400 | 401 | 403 | 500..) {
        return (true, answered);
    }
    let said = touchstone_protocol::said(&answer);
    let cause = cause(&token, said.as_deref());
    let words = said.map_or(String::new(), |said| format!(": {said}"));
    let cause = cause.map_or(String::new(), |cause| format!("; {cause}"));
    (false, redactor.text(&format!("{answered}{words}{cause}")))
}

/// PROPFIND of the area, or HEAD where that is not there; of the one file where nothing else may be read.
async fn look(
    client: &Client,
    endpoint: &Endpoint,
    token: &Token,
) -> Result<(Method, Answer), String> {
    let depth = [("Depth".to_owned(), "0".to_owned())];
    let area = format!("{}/", endpoint.area_url());
    let file = endpoint.existing().map(|path| endpoint.url_of(&path));
    let ways: &[(Method, &[_])] = match (&file, endpoint.traits.propfind) {
        (None, true) => &[(Method::Propfind, &depth), (Method::Head, &[])],
        _ => &[(Method::Head, &[])],
    };
    let mut last = Err("nothing was sent".to_owned());
    for (method, headers) in ways {
        let outgoing = Outgoing {
            method: *method,
            verb: None,
            url: file.as_deref().unwrap_or(&area),
            headers,
            body: None,
            token: Some(token),
            deadline: Instant::now() + endpoint.limits.preflight,
        };
        let caller = Caller {
            run: "check",
            case: "token",
        };
        let sent = client.send(Purpose::Preflight, caller, outgoing).await;
        last = sent
            .answer
            .map(|answer| (*method, answer))
            .map_err(|failure| failure.to_string());
        match &last {
            Ok((_, answer)) if matches!(answer.status, 405 | 501) => {}
            _ => break,
        }
    }
    last
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
        downtimes: Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_model::{KnownFailure, Place};

    #[test]
    fn known_failures_are_spoken_of_when_their_time_ends() {
        let days = ["2026-01-31", "2026-02-01", "2026-02-15", "2026-02-16", ""];
        let entry = |(line, day): (usize, &str)| KnownFailure {
            case: "issuer.discovery.reachable".parse().unwrap(),
            reason: "being repaired".into(),
            ticket: None,
            expires: day.parse().ok(),
            at: Place {
                file: "endpoints.yaml".into(),
                line,
            },
        };
        let issuer = Issuer {
            known_failures: days.into_iter().enumerate().map(entry).collect(),
            ..Issuer::bare("one", "https://one.example.org/")
        };
        let inventory = Inventory {
            downtimes: Vec::new(),
            issuers: vec![Arc::new(issuer)],
            ..Inventory::default()
        };
        let notes = expiries(&inventory, "2026-02-01T12:00:00Z".parse().unwrap());
        insta::assert_snapshot!(notes.join("\n"), @"
        note: endpoints.yaml:0: the known failure of issuer.discovery.reachable at issuer:one expired after 2026-01-31 and protects no longer; renew the entry or remove it
        note: endpoints.yaml:1: the known failure of issuer.discovery.reachable at issuer:one expires after 2026-02-01; renew the entry or remove it
        note: endpoints.yaml:2: the known failure of issuer.discovery.reachable at issuer:one expires after 2026-02-15; renew the entry or remove it
        ");
    }
}
