//! The second place of the storage element, which hands out data as pools do: GET of certain files is
//! redirected there, with a ticket that is good once and for a short while.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::request::Parts;

use super::answers::{Outcome, Refusal};
use super::element::{Ambiguous, Element, Visit};
use super::path::End;
use super::rules::Memory;
use super::token::Bearer;
use touchstone_model::Method;

/// Files right in a directory of this name are fetched from the pool.
pub(super) const POOLED: &str = "pooled";
/// Where the pool's paths start.
const PLACE: &str = "/.pool";
const TICKET: &str = "ticket=";
const LIFETIME: Duration = Duration::from_secs(60);

/// Stands for a request that was allowed.
pub(super) struct Ticket {
    /// As it stands in the request.
    path: String,
    pub(super) bearer: Bearer,
    until: Instant,
}

/// The path on the service of what a request asks of the pool; `None` if it asks the service itself.
pub(super) fn asked(parts: &Parts) -> Option<&str> {
    let path = parts.uri.path().strip_prefix(PLACE)?;
    path.starts_with('/').then_some(path)
}

/// Whose request it was that this ticket for `path` stands for, if it is a good one; gone afterwards.
pub(super) fn redeem(memory: &mut Memory, path: &str, ticket: Option<&str>) -> Option<Bearer> {
    let ticket = memory.tickets.remove(ticket?)?;
    (ticket.path == path && Instant::now() < ticket.until).then_some(ticket.bearer)
}

impl Element {
    /// Sends on to the pool who may GET a file that is there.
    pub(super) fn sent_on(&self, visit: &Visit, parts: &Parts, outcome: Outcome) -> Outcome {
        let directory = visit.target.below.parent();
        let pooled = directory.is_some_and(|directory| {
            let name = directory.names().last();
            name.is_some_and(|name| name == POOLED)
        });
        let content = matches!(outcome, Outcome::Content(_));
        let pooled = pooled && self.rules.own().has_pool();
        if !(pooled && content && visit.method == Method::Get) {
            return outcome;
        }
        let path = parts.uri.path();
        let name = uuid::Uuid::new_v4().simple().to_string();
        let location = format!("{PLACE}{path}?{TICKET}{name}");
        let ticket = Ticket {
            path: path.to_owned(),
            bearer: visit.bearer.clone(),
            until: Instant::now() + LIFETIME,
        };
        let tickets = &mut self.memory().tickets;
        tickets.retain(|_, ticket| Instant::now() < ticket.until);
        tickets.insert(name, ticket);
        Outcome::Elsewhere(location)
    }

    /// What the pool answers, whatever token comes along.
    pub(super) async fn pool_answer(&self, path: &str, parts: &Parts) -> Outcome {
        if parts.method != axum::http::Method::GET {
            return Outcome::NotAllowed("GET");
        }
        let ticket = parts.uri.query().and_then(|query| {
            let mut pairs = query.split('&');
            pairs.find_map(|pair| pair.strip_prefix(TICKET))
        });
        let redeemed = self.rules.own().redeems(&mut self.memory(), path, ticket);
        let Some(bearer) = redeemed else {
            return Refusal::NoToken.into();
        };
        match self.locate(path, End::Target(Method::Get)) {
            Ok(Some(target)) => {
                let visit = Visit {
                    method: Method::Get,
                    bearer,
                    target,
                };
                self.serve(&visit, &parts.headers, Body::empty()).await
            }
            Ok(None) | Err(Ambiguous) => Outcome::missing(),
        }
    }
}
