//! The addresses behind the names of endpoints.

use core::net::IpAddr;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use touchstone_model::Endpoint;

use super::output;

/// At the same time: each one keeps a thread.
const LOOKUPS: usize = 32;
/// Of one host; each is a row.
const MOST: usize = 64;

/// The addresses of each endpoint's host, by the name of the endpoint: IPv4 first, in ascending order, so
/// that shards agree. A host that has none, or is an address itself, is missing; why is said on stderr.
pub async fn of(endpoints: &[&Arc<Endpoint>]) -> HashMap<String, Vec<IpAddr>> {
    let room = Arc::new(Semaphore::new(LOOKUPS));
    let mut looking = JoinSet::new();
    for endpoint in endpoints {
        let Some(url::Host::Domain(host)) = endpoint.url.host() else {
            continue;
        };
        let (name, host, room) = (endpoint.name.clone(), host.to_owned(), Arc::clone(&room));
        let wait = endpoint.limits.connect;
        looking.spawn(async move {
            // The semaphore is never closed.
            let _permit = room.acquire_owned().await;
            let found = look_up(&host, wait).await;
            (name, host, found)
        });
    }
    let mut addresses = HashMap::new();
    let mut notes = Vec::new();
    for (name, host, found) in looking.join_all().await {
        match found {
            Ok(found) => {
                addresses.insert(name, found);
            }
            Err(reason) => notes.push(format!("{name}: no address of {host}: {reason}")),
        }
    }
    notes.sort();
    for note in notes {
        output::note(&note);
    }
    addresses
}

async fn look_up(host: &str, wait: Duration) -> Result<Vec<IpAddr>, String> {
    let seconds = wait.as_secs_f32();
    let found = timeout(wait, lookup_host((host, 0)))
        .await
        .map_err(|_| format!("no answer within {seconds} s"))?
        .map_err(|error| error.to_string())?;
    let mut found: Vec<_> = found.map(|address| address.ip()).collect();
    found.sort();
    found.dedup();
    match found.len() {
        0 => Err("there is none".into()),
        many if many > MOST => Err(format!(
            "it has {many}, and {MOST} are the most; judged as one"
        )),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::HANGS;

    #[tokio::test]
    async fn names_have_addresses_in_order_and_addresses_have_none() {
        let found = look_up("localhost", HANGS).await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
        assert!(found.is_sorted() && !found.is_empty());
        let nobody = look_up("no name", HANGS).await;
        assert!(nobody.is_err(), "{nobody:?}");
    }
}
