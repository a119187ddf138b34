//! The other endpoint of a COPY: found healthy once in a run, and tidied up after each case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;

use crate::http::{Caller, Client};
use crate::model::{Endpoint, Leftover, Marker, PartnerPlan, TokenRequest};
use crate::token::{Fit, Token};

use super::Shared;
use super::ledger::Remaining;
use super::made::{Made, Object};
use super::observer::Observer;
use super::teardown::{Cleaner, Patience};

/// An endpoint that is there, and where we are the observer.
pub(super) struct Partner {
    pub plan: Arc<PartnerPlan>,
    client: Client,
    observer: Token,
}

/// Who was looked at already.
#[derive(Default)]
pub(super) struct Partners(Mutex<HashMap<String, Seen>>);

type Seen = Arc<OnceCell<Result<Arc<Partner>, String>>>;

impl Partners {
    /// The endpoint `wanted`; without one the first that is there, and is not `endpoint` itself.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn choose(
        &self,
        shared: &Shared,
        endpoint: &Endpoint,
        wanted: Option<&str>,
    ) -> Result<Arc<Partner>, String> {
        let fits = |plan: &&Arc<PartnerPlan>| match wanted {
            Some(name) => plan.endpoint.name == name,
            None => plan.endpoint.name != endpoint.listed_name(),
        };
        let mut refused = Vec::new();
        for plan in shared.plan.partners.iter().filter(fits) {
            match self.look(shared, plan).await {
                Ok(partner) => return Ok(partner),
                Err(reason) => refused.push(format!("{}: {reason}", plan.endpoint.name)),
            }
        }
        Err(match (refused.as_slice(), wanted) {
            ([], Some(name)) => format!("nothing can be arranged at the partner `{name}`"),
            ([], None) => "there is no second endpoint".into(),
            (some, _) => format!("no partner is there: {}", some.join("; ")),
        })
    }

    async fn look(&self, shared: &Shared, plan: &Arc<PartnerPlan>) -> Result<Arc<Partner>, String> {
        let seen = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(plan.endpoint.name.clone()).or_default())
        };
        seen.get_or_init(|| Partner::find(shared, plan))
            .await
            .clone()
    }
}

impl Partner {
    async fn find(shared: &Shared, plan: &Arc<PartnerPlan>) -> Result<Arc<Self>, String> {
        let endpoint = &plan.endpoint;
        let manners = shared.manners.at(endpoint);
        let guard = shared.guard(endpoint);
        let client = Client::new(endpoint, &manners, &shared.redactor, guard);
        let client = client.map_err(|error| error.to_string())?;
        let caller = Caller {
            run: shared.plan.run.as_str(),
            case: "partner",
        };
        let outcome = client.preflight(endpoint, caller).await;
        outcome.answer.map_err(|failure| failure.reason)?;
        let token = shared.token(endpoint, &plan.observer, Fit::AtLeast).await;
        Ok(Arc::new(Self {
            plan: Arc::clone(plan),
            client,
            observer: token.map_err(|error| error.to_string())?,
        }))
    }

    /// Where a case that runs at `endpoint` has its objects here: the directory, absolute on the service.
    pub fn directory(&self, shared: &Shared, endpoint: &Endpoint, case: &str) -> String {
        let here = &self.plan.endpoint;
        let name = Marker::new(&shared.plan.run, &[&here.name, &endpoint.name, case]);
        format!("{}/{name}", here.area)
    }

    /// A token for what is below `directory`.
    pub fn request(&self, capability: &str, directory: &str) -> TokenRequest {
        let endpoint = &self.plan.endpoint;
        let below = directory.strip_prefix(&endpoint.area).unwrap_or(directory);
        TokenRequest::good(
            self.plan.observer.issuer.clone(),
            vec![format!("{capability}:{below}")],
            self.plan.audience.clone(),
        )
    }

    /// The all-powerful look.
    pub fn observer<'a>(&'a self, caller: Caller<'a>, deadline: Instant) -> Observer<'a> {
        Observer {
            client: &self.client,
            endpoint: &self.plan.endpoint,
            caller,
            token: &self.observer,
            deadline,
        }
    }

    /// Has it written down that `path` may come to be there.
    pub fn will_create(&self, shared: &Shared, path: &str) -> Result<(), String> {
        let url = self.plan.endpoint.url_of(path);
        self.client.guard().permits(&url)?;
        shared.will_create(&Remaining {
            endpoint: self.plan.endpoint.name.clone(),
            area: self.plan.endpoint.area_url(),
            path: path.to_owned(),
        })
    }

    /// Removes what a case made there.
    pub async fn remove(&self, shared: &Shared, caller: Caller<'_>, made: &Made) -> Vec<Leftover> {
        let Some(ledger) = &shared.ledger else {
            return Vec::new();
        };
        let cleaner = Cleaner {
            client: &self.client,
            endpoint: &self.plan.endpoint,
            caller,
            token: &self.observer,
            second: None,
            patience: &Patience::of_teardown(),
        };
        let made = made.take();
        let objects: Vec<_> = made.iter().map(Object::from).collect();
        let removed = cleaner.remove(&objects, None, Some(ledger)).await;
        shared.removed_elsewhere(&self.plan.endpoint, removed.elsewhere);
        removed.stayed
    }
}
