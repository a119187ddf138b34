//! How gently a storage element is asked.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::model::Limits;

use super::Gate;

/// Keeps to an endpoint's `jobs` and `rate`: so many requests at the same time, and so many in a second. All
/// clients of an endpoint share it.
#[derive(Debug)]
pub struct Manners {
    room: Semaphore,
    gate: Gate,
}

impl Manners {
    /// Those that `limits` ask for.
    pub fn new(limits: &Limits) -> Self {
        Self {
            room: Semaphore::new(limits.jobs.clamp(1, Semaphore::MAX_PERMITS)),
            gate: Gate::new(limits.rate),
        }
    }

    /// Returns when a request may be sent that takes as long as it takes: a COPY between servers. How many of
    /// them there are at the same time, cases bound.
    pub(super) async fn long(&self) {
        self.gate.pass().await;
    }

    /// Returns when a request may be sent, which lasts as long as what is returned. `None` never comes: the
    /// semaphore is not closed.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.room.acquire().await.ok();
        self.gate.pass().await;
        turn
    }
}
