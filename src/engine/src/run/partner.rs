//! The other endpoint of a COPY: found healthy once in a run, and tidied up after each case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;

use crate::http::{Caller, Client};
use crate::token::{Fit, Token};
use touchstone_model::{
    Endpoint, Leftover, Marker, Method, PartnerPlan, Purpose, State, TokenRequest,
};

use super::Shared;
use super::endpoint::terms::{Terms, Trial, climb, refuses};
use super::ledger::Remaining;
use super::made::{Made, MadeObject};
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

/// What is stored to see whether a token is taken.
const BYTES: &[u8] = b"made by touchstone to find out which tokens are taken\n";

/// Looks for something that is not there, makes it, and removes it: all that is done at a partner.
struct Looking<'a> {
    shared: &'a Shared,
    client: &'a Client,
    endpoint: &'a Endpoint,
    caller: Caller<'a>,
    deadline: Instant,
    number: usize,
    /// What was made and could not be removed with the token that has made it.
    left: Vec<String>,
}

impl Looking<'_> {
    /// Whether a token is taken for all of that. Who does not answer says nothing about it.
    async fn does_all(&mut self, observer: &Observer<'_>) -> bool {
        self.number += 1;
        let number = self.number.to_string();
        let name = Marker::new(
            &self.shared.plan.run,
            &[&self.endpoint.name, "terms", &number],
        );
        let path = format!("{}/{name}", self.endpoint.area);
        if refused(observer, Method::Head, &path).await {
            return false;
        }
        // What cannot be written down is not made.
        if will_create(self.shared, self.client, self.endpoint, &path).is_err() {
            return true;
        }
        let file = State::File(BYTES.to_vec());
        if let Err(why) = observer.make(&path, &file, &mut Vec::new()).await {
            match why.status {
                Some(400..500) => self.shared.gone(self.endpoint, &path),
                _ => self.left.push(path),
            }
            return !why.status.is_some_and(refuses);
        }
        let mut log = Vec::new();
        let purpose = Purpose::Preflight;
        let sent = observer.send(purpose, Method::Delete, &path, &[], None, &mut log);
        let status = sent.await.map_or(0, |answer| answer.status);
        match status {
            200 | 204 => self.shared.gone(self.endpoint, &path),
            _ => self.left.push(path),
        }
        !refuses(status)
    }
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
        self.does_all(&observer).await
    }
}

/// Tells something of a partner: of the endpoint that it is, or where that is not judged itself of `host`.
fn note_of(shared: &Shared, host: &Endpoint, partner: &Endpoint, note: &str) {
    let mut judged = shared.plan.endpoints.iter();
    match judged.any(|judged| judged.endpoint.name == partner.name) {
        true => shared.note(partner, note),
        false => shared.note(host, &format!("its partner {}: {note}", partner.name)),
    }
}

/// Whether something is answered as if the token were not good enough.
async fn refused(observer: &Observer<'_>, method: Method, path: &str) -> bool {
    let mut log = Vec::new();
    let sent = observer.send(Purpose::Preflight, method, path, &[], None, &mut log);
    sent.await.is_ok_and(|answer| refuses(answer.status))
}

/// Has it written down that `path` may come to be at `endpoint`.
fn will_create(
    shared: &Shared,
    client: &Client,
    endpoint: &Endpoint,
    path: &str,
) -> Result<(), String> {
    let url = endpoint.url_of(path);
    client.guard().permits(&url)?;
    shared.will_create(&Remaining {
        endpoint: endpoint.name.clone(),
        area: endpoint.area_url(),
        path: path.to_owned(),
    })
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
            // Another name for the same door is no other side: a COPY from it to itself is no transfer.
            None => {
                plan.endpoint.name != endpoint.listed_name()
                    && plan.endpoint.origin() != endpoint.origin()
            }
        };
        let mut refused = Vec::new();
        for plan in shared.plan.partners.iter().filter(fits) {
            match self.look(shared, endpoint, plan).await {
                Ok(partner) => return Ok(partner),
                Err(reason) => refused.push(format!("{}: {reason}", plan.endpoint.name)),
            }
        }
        Err(match (refused.as_slice(), wanted) {
            ([], Some(name)) => format!("nothing can be arranged at the partner `{name}`"),
            ([], None) => "there is no second endpoint at another host or port".into(),
            (some, _) => format!("no partner is there: {}", some.join("; ")),
        })
    }

    async fn look(
        &self,
        shared: &Shared,
        endpoint: &Endpoint,
        plan: &Arc<PartnerPlan>,
    ) -> Result<Arc<Partner>, String> {
        let seen = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(plan.endpoint.name.clone()).or_default())
        };
        seen.get_or_init(|| Partner::find(shared, endpoint, plan))
            .await
            .clone()
    }
}

impl Partner {
    /// For the endpoint `host`, whose case is the first to need it.
    async fn find(
        shared: &Shared,
        host: &Endpoint,
        plan: &Arc<PartnerPlan>,
    ) -> Result<Arc<Self>, String> {
        let endpoint = &plan.endpoint;
        let tell = |note: String| note_of(shared, host, endpoint, &note);
        let limiter = shared.limiter.limiter_of(endpoint);
        let guard = shared.guard(endpoint);
        let client = Client::new(endpoint, &limiter, &shared.redactor, guard);
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
            shared,
            client: &client,
            endpoint,
            caller,
            deadline: Instant::now() + endpoint.limits.preflight,
            number: 0,
            left: Vec::new(),
        };
        if !looking.takes(observer.clone()).await {
            let found = climb(shared, endpoint, &plan.observer, &observer, &mut looking).await;
            // Where nothing helps, what is arranged there says so.
            if let Some(found) = found {
                (terms, observer) = found;
            }
        }
        let left = looking.left;
        terms
            .limitations(&shared.plan, None)
            .into_iter()
            .for_each(tell);
        let partner = Self {
            plan: Arc::new(PartnerPlan {
                endpoint: Arc::new(terms.endpoint(endpoint).into_owned()),
                ..PartnerPlan::clone(plan)
            }),
            client,
            observer,
            terms,
        };
        let left: Vec<_> = left.iter().map(|path| MadeObject::at(path)).collect();
        for stayed in partner.rid_of(shared, caller, &left).await {
            tell(format!("{} is still there: {}", stayed.url, stayed.reason));
        }
        Ok(Arc::new(partner))
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
        will_create(shared, &self.client, &self.plan.endpoint, path)
    }

    /// Removes what a case made there.
    pub async fn remove(&self, shared: &Shared, caller: Caller<'_>, made: &Made) -> Vec<Leftover> {
        let made = made.take();
        let objects: Vec<_> = made.iter().map(MadeObject::from).collect();
        self.rid_of(shared, caller, &objects).await
    }

    async fn rid_of(
        &self,
        shared: &Shared,
        caller: Caller<'_>,
        objects: &[MadeObject<'_>],
    ) -> Vec<Leftover> {
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
        let removed = cleaner.remove(objects, None, Some(ledger)).await;
        shared.removed_elsewhere(&self.plan.endpoint, removed.elsewhere);
        removed.stayed
    }
}
