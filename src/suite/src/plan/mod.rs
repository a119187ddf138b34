//! Endpoints times cases, selected, filled in and ordered: everything that a run will do.
//!
//! Pure: what comes out depends on what goes in alone, the run's name and its start included.

mod covers;
mod downtime;
mod existing;
mod expand;
mod issuers;
mod macaroons;
mod needs;
mod pairs;
mod select;
mod shard;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use touchstone_model::{
    ANY_AUDIENCE, Action, Audience, Case, CasePlan, Clause, Endpoint, EndpointPlan, Inventory,
    KnownFailure, Marker, PartnerPlan, Plan, Portion, Profile, RunId, Suite, TokenRequest,
};

pub use select::{Selection, SelectionError, patterns, pick};
pub use shard::ShardPart;

/// The suites and the register that they cite.
pub struct Material<'a> {
    /// Cases by suite.
    pub suites: &'a [Suite],
    /// The register of clauses.
    pub clauses: &'a Arc<[Clause]>,
}

/// Decides what a run named `run`, begun at `started`, does.
///
/// # Errors
/// A pattern of the selection that matches nothing, so that a typing error does not look like a run
/// in which nothing was wrong.
pub fn plan(
    inventory: &Inventory,
    material: &Material<'_>,
    selection: &Selection,
    run: &RunId,
    started: Timestamp,
) -> Result<Plan, SelectionError> {
    let cases: Vec<&Arc<Case>> = material.suites.iter().flat_map(|s| &s.cases).collect();
    let endpoints = selection.endpoints(inventory)?;
    let all = cases.len();
    let mut cases = selection.cases(&cases)?;
    cases.retain(|case| !selection.quick || case.cover.is_none());
    // On the stage of a trial others only play along.
    let trial = !selection.on_trial.is_empty();
    let fewer = !trial && endpoints.len() < inventory.endpoints.len();
    // Whoever chooses cases about issuers alone wants issuers judged, and no storage.
    let alone = cases.iter().all(|case| !case.asks.is_empty());
    let endpoints = if alone { Vec::new() } else { endpoints };
    if let Some(seed) = selection.shuffle {
        cases.sort_by_cached_key(|case| shuffled(seed, case));
    }
    let down = downtime::all(inventory, &selection.downtimes, started);
    let is_up = |endpoint: &Arc<Endpoint>| !down.contains_key(&endpoint.name);
    // Nobody copies from or to an endpoint that is down.
    let up: Vec<_> = endpoints.iter().copied().filter(|one| is_up(one)).collect();
    let awake = Inventory {
        endpoints: inventory
            .endpoints
            .iter()
            .filter(|one| is_up(one))
            .cloned()
            .collect(),
        ..inventory.clone()
    };
    let today = started.to_zoned(TimeZone::UTC).date();
    let with_each = selection.pairs.map(|_| {
        // No other case has anything to do with a second endpoint.
        cases.retain(|case| pairs::about(case));
        // Shards are runs of their own, and have to agree on the sample.
        let seed = match selection.shard {
            Some(_) => selection.shuffle.unwrap_or_default().to_string(),
            None => run.to_string(),
        };
        pairs::all(inventory, &up, selection, &seed)
    });
    let portions = [
        (cases.len() < all).then_some(Portion::Cases),
        fewer.then_some(Portion::Endpoints),
    ];
    let issuers = match with_each {
        Some(_) => Vec::new(),
        None => issuers::plans(inventory, &cases, selection, alone, material.clauses, today)?,
    };
    cases.retain(|case| case.asks.is_empty());
    let endpoints: Vec<EndpointPlan> = endpoints
        .into_iter()
        .flat_map(|endpoint| selection.at_each_address(endpoint))
        .map(|endpoint| {
            let endpoint = &endpoint;
            let site = Site::new(endpoint, &awake, selection, run);
            let downtime = down.get(&endpoint.name).cloned();
            let partner_down = |partner: &str| {
                let reason = down.get(partner)?;
                Some(format!("its partner `{partner}` is {reason}"))
            };
            let planned = |case: &Arc<Case>, partner: Option<&str>| {
                let (known, expired) = known_failure(&endpoint.known_failures, case, today);
                CasePlan {
                    case: Arc::clone(case),
                    partner: partner.map(ToOwned::to_owned),
                    known,
                    expired,
                    needs: needs::all(case),
                    action: match downtime.clone().or_else(|| partner_down(partner?)) {
                        Some(reason) => Action::Skip(reason),
                        None => action(&site, case, partner, material.clauses, selection),
                    },
                }
            };
            let chosen = selection.chosen.get(&endpoint.name);
            let is_chosen = |case: &&&Arc<Case>| chosen.is_none_or(|ids| ids.contains(&case.id));
            let cases = cases.iter().filter(is_chosen);
            let planned = cases.flat_map(|case| match &with_each {
                Some((pairs, _)) => pairs
                    .iter()
                    .filter(|(one, _)| *one == endpoint.listed_name())
                    .map(|(_, other)| planned(case, Some(other)))
                    .collect(),
                None => {
                    let prescribed = endpoint.tpc_partner.as_deref();
                    vec![planned(case, prescribed.filter(|_| pairs::about(case)))]
                }
            });
            let mut cases: Vec<_> = planned.collect();
            let observer = observer(inventory, endpoint);
            covers::spare_issuer(&site, &mut cases, observer.as_ref());
            EndpointPlan {
                endpoint: Arc::clone(endpoint),
                profile: site.profile,
                observer,
                second: second_observer(inventory, endpoint),
                tape: tape_observer(inventory, endpoint),
                directory: format!("{}{}", endpoint.area, site.directory),
                cases,
                downtime: downtime.clone(),
            }
        })
        .collect();
    let with_partner = |planned: &CasePlan| {
        matches!(planned.action, Action::Run(_)) && pairs::about(&planned.case)
    };
    let mut planned = endpoints.iter().flat_map(|endpoint| &endpoint.cases);
    let partners = match planned.any(with_partner) {
        true => partners(&awake),
        false => Vec::new(),
    };
    let mut plan = Plan {
        run: run.clone(),
        started,
        mode: selection.mode,
        ordered: selection.shuffle.is_some(),
        clauses: Arc::clone(material.clauses),
        endpoints,
        issuers,
        partners,
        pairs: with_each.map(|(_, counted)| counted),
        chosen: portions.into_iter().flatten().collect(),
        shard: None,
        notes: Vec::new(),
    };
    if let Some(part) = selection.shard {
        shard::deal(&mut plan, part);
    }
    Ok(plan)
}

/// Every endpoint of the inventory, selected or not, where something can be arranged.
fn partners(inventory: &Inventory) -> Vec<Arc<PartnerPlan>> {
    let partner = |endpoint: &Arc<Endpoint>| {
        Some(Arc::new(PartnerPlan {
            endpoint: Arc::clone(endpoint),
            observer: observer(inventory, endpoint)?,
            audience: usual_audience(endpoint),
        }))
    };
    inventory
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.traits.read_only.is_none())
        .filter_map(partner)
        .collect()
}

/// The token with which `endpoint`'s objects are arranged and seen: it reads the whole area, and writes
/// there unless that is forbidden. `None` when nobody gives one.
pub fn observer(inventory: &Inventory, endpoint: &Endpoint) -> Option<TokenRequest> {
    everything(inventory, endpoint, endpoint.issuer.as_ref()?)
}

/// The same for the second area.
pub fn second_observer(inventory: &Inventory, endpoint: &Endpoint) -> Option<TokenRequest> {
    everything(inventory, endpoint, &endpoint.second.as_ref()?.issuer)
}

/// The token with which requests to the tape REST API are looked at and taken back.
fn tape_observer(inventory: &Inventory, endpoint: &Endpoint) -> Option<TokenRequest> {
    let issuer = endpoint.issuer.as_ref()?;
    endpoint.traits.tape.as_ref()?;
    let scopes = ["storage.stage:/", "storage.poll:/"].map(ToOwned::to_owned);
    let can = inventory.issuer(issuer)?.abilities().any;
    can.then(|| TokenRequest::good(issuer.clone(), scopes.to_vec(), usual_audience(endpoint)))
}

fn everything(inventory: &Inventory, endpoint: &Endpoint, issuer: &str) -> Option<TokenRequest> {
    let scopes: &[&str] = match endpoint.traits.read_only {
        Some(_) => &["storage.read:/"],
        None => &["storage.read:/", "storage.modify:/"],
    };
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let can = inventory.issuer(issuer)?.abilities().any;
    can.then(|| TokenRequest::good(issuer.to_owned(), scopes, usual_audience(endpoint)))
}

/// Whom ordinary tokens for `endpoint` are for.
fn usual_audience(endpoint: &Endpoint) -> Audience<String> {
    let declared = endpoint.audience.iter().flatten().next();
    Audience::One(match declared {
        Some(audience) => audience.clone(),
        None if endpoint.traits.any_audience => ANY_AUDIENCE.to_owned(),
        None => endpoint.origin(),
    })
}

/// A place in the order that belongs to `seed`, the same in every run.
fn shuffled(seed: u64, case: &Case) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, case.id.as_str()).hash(&mut hasher);
    hasher.finish()
}

/// One endpoint with all that its cases have in common.
struct Site<'a> {
    endpoint: &'a Endpoint,
    inventory: &'a Inventory,
    profile: Profile,
    run: &'a RunId,
    directory: String,
    audience: Audience<String>,
}

impl<'a> Site<'a> {
    fn new(
        endpoint: &'a Endpoint,
        inventory: &'a Inventory,
        selection: &Selection,
        run: &'a RunId,
    ) -> Self {
        Self {
            endpoint,
            inventory,
            profile: selection.profile.or(endpoint.profile).unwrap_or_default(),
            run,
            directory: format!("/{}", Marker::new(run, &[&endpoint.name])),
            audience: usual_audience(endpoint),
        }
    }
}

fn action(
    site: &Site<'_>,
    case: &Case,
    partner: Option<&str>,
    clauses: &[Clause],
    selection: &Selection,
) -> Action {
    if let Some(reason) = needs::lacking(site, case, clauses, selection) {
        return Action::Skip(reason);
    }
    let beside = partner.filter(|_| selection.pairs.is_some());
    let script = expand::script(site, case, beside);
    let fit = match &site.endpoint.traits.read_only {
        Some(file) => existing::onto(site, file, case, &script),
        None => Ok(script),
    };
    fit.map_or_else(Action::Skip, Action::Run)
}

/// The entry about `case`: the first one holds, the second one did until its last day was over.
fn known_failure(
    entries: &[KnownFailure],
    case: &Case,
    today: Date,
) -> (Option<KnownFailure>, Option<KnownFailure>) {
    let entry = entries.iter().find(|entry| entry.case == case.id).cloned();
    match entry {
        Some(entry) if entry.expired(today) => (None, Some(entry)),
        entry => (entry, None),
    }
}

#[cfg(test)]
mod tests;
