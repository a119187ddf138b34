//! Who asks an endpoint shares its limits with all others who do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::HostLimiter;
use touchstone_model::Endpoint;

/// The limiter of each service, whoever asks there: as the endpoint on trial, or as the partner of another.
#[derive(Default)]
pub(super) struct LimiterPool(Mutex<HashMap<String, Arc<HostLimiter>>>);

impl LimiterPool {
    /// Those at `endpoint`, all its addresses together.
    pub fn limiter_of(&self, endpoint: &Endpoint) -> Arc<HostLimiter> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = all.entry(endpoint.listed_name().to_owned());
        Arc::clone(limiter.or_insert_with(|| Arc::new(HostLimiter::new(&endpoint.limits))))
    }
}
