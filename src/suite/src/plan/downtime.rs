//! Which endpoints somebody has said to be down.

use std::collections::HashMap;

use globset::Glob;
use jiff::Timestamp;

use touchstone_model::{Affected, Downtime, Endpoint, Inventory};

/// Why endpoints are not judged at `now`, in words, by name.
pub(super) fn all(
    inventory: &Inventory,
    downtimes: &[Downtime],
    now: Timestamp,
) -> HashMap<String, String> {
    let going_on = |one: &&Downtime| one.from <= now && now < one.until;
    let going_on: Vec<&Downtime> = downtimes.iter().filter(going_on).collect();
    let endpoints = inventory.endpoints.iter();
    endpoints
        .filter_map(|endpoint| Some((endpoint.name.clone(), of(endpoint, &going_on)?)))
        .collect()
}

fn of(endpoint: &Endpoint, downtimes: &[&Downtime]) -> Option<String> {
    let downtime = downtimes
        .iter()
        .filter(|downtime| affects(&downtime.of, endpoint))
        .max_by_key(|downtime| downtime.until)?;
    Some(format!(
        "in downtime until {}: {} ({})",
        downtime.until.strftime("%Y-%m-%dT%H:%MZ"),
        downtime.reason,
        downtime.source
    ))
}

fn affects(of: &Affected, endpoint: &Endpoint) -> bool {
    match of {
        Affected::Hosts(hosts) => {
            let own = endpoint.url.host_str().unwrap_or_default();
            let own = own.trim_end_matches('.');
            hosts.iter().any(|host| host.eq_ignore_ascii_case(own))
        }
        Affected::Endpoints(patterns) => patterns.iter().any(|pattern| {
            let glob = Glob::new(pattern).map(|glob| glob.compile_matcher());
            glob.is_ok_and(|glob| glob.is_match(endpoint.listed_name()))
        }),
    }
}
