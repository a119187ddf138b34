//! The other endpoint of a COPY: found healthy once in a run, and tidied up after each case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;

use crate::http::{Caller, Client};
use crate::model::{Endpoint, Leftover, Marker, Method, PartnerPlan, Purpose, TokenRequest};
use crate::token::{Fit, Token};

use super::Shared;
use super::endpoint::terms::{Terms, Trial, climb};
use super::ledger::Remaining;
use super::made::{Made, Object};
use super::observer::Observer;
use super::teardown::{Cleaner, Patience};

/// An endpoint that is there, and where we are the observer.
pub(super) struct Partner {
    pub plan: Arc<PartnerPlan>,
    client: Client,
    observer: Token,
    /// In what tokens have to differ for it.
    pub terms: Terms,
}

/// Looks for something that is not there, and removes it: who may not is told so, and nothing is changed.
struct Looking<'a> {
    client: &'a Client,
    endpoint: &'a Endpoint,
    caller: Caller<'a>,
    deadline: Instant,
    path: String,
}

impl Trial for Looking<'_> {
    async fn takes(&mut self, token: Token) -> bool {
        let observer = Observer {
            client: self.client,
            endpoint: self.endpoint,
            caller: self.caller,
            token: &token,
            deadline: self.deadline,
        };
        for method in [Method::Head, Method::Delete] {
            let mut log = Vec::new();
            let sent = observer.send(Purpose::Preflight, method, &self.path, &[], None, &mut log);
            // Who does not answer says nothing about the token.
            if sent
                .await
                .is_ok_and(|answer| matches!(answer.status, 400 | 401 | 403 | 500))
            {
                return false;
            }
        }
        true
    }
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
        let mut observer = token.map_err(|error| error.to_string())?;
        let mut terms = Terms::default();
        let mut looking = Looking {
            client: &client,
            endpoint,
            caller,
            deadline: Instant::now() + endpoint.limits.preflight,
            path: format!(
                "{}/{}",
                endpoint.area,
                Marker::new(&shared.plan.run, &[&endpoint.name, "terms"])
            ),
        };
        if !looking.takes(observer.clone()).await {
            let found = climb(shared, endpoint, &plan.observer, &observer, &mut looking).await;
            // Where nothing helps, what is arranged there says so.
            if let Some(found) = found {
                (terms, observer) = found;
            }
        }
        for line in terms.told(&shared.plan, None) {
            shared.note(endpoint, &line);
        }
        Ok(Arc::new(Self {
            plan: Arc::new(PartnerPlan {
                endpoint: Arc::new(terms.endpoint(endpoint).into_owned()),
                ..PartnerPlan::clone(plan)
            }),
            client,
            observer,
            terms,
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
