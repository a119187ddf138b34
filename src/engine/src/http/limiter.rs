//! How gently a storage element is asked.

use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;
use tracing::Instrument as _;

use crate::trace::span;
use touchstone_model::Limits;

use super::RateLimiter;

/// What a trace calls waiting for it.
const SPAN_NAME: &str = "for a request's turn";

/// Keeps to an endpoint's `jobs` and `rate`: so many requests at the same time, and so many in a second. All
/// clients of an endpoint share it.
#[derive(Debug)]
pub struct HostLimiter {
    permits: Semaphore,
    rate: RateLimiter,
}

impl HostLimiter {
    /// Those that `limits` ask for.
    pub fn new(limits: &Limits) -> Self {
        Self {
            permits: Semaphore::new(limits.jobs.clamp(1, Semaphore::MAX_PERMITS)),
            rate: RateLimiter::new(limits.rate),
        }
    }

    /// Returns when a request may be sent that takes as long as it takes: a COPY between servers. How many of
    /// them there are at the same time, cases bound.
    pub(super) async fn acquire_unbounded(&self, deadline: Instant) {
        // Whose time is over finds out when it is sent.
        let turn = timeout_at(deadline.into(), self.rate.acquire());
        let _ = turn.instrument(span!("queue", name = SPAN_NAME)).await;
    }

    /// Sends nothing for so long, as the service asked.
    pub(super) fn pause(&self, pause: Duration) {
        self.rate.pause(pause);
    }

    /// Returns when a request may be sent, which lasts as long as what is returned; `None` when its time is over.
    pub(super) async fn acquire(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        let turn = async {
            let turn = self.permits.acquire().await.ok();
            self.rate.acquire().await;
            turn
        };
        let turn = timeout_at(deadline.into(), turn);
        let turn = turn.instrument(span!("queue", name = SPAN_NAME)).await;
        turn.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use axum::Router;
    use futures_util::future::join_all;

    use super::*;
    use crate::http::tests::{endpoint, redactor, start};
    use crate::http::{Caller, Client, Guard, Outgoing, RawClient, RawRequest};
    use crate::waiting::HANGS;
    use touchstone_model::{Method, Purpose};
    use touchstone_reference::Authority;

    const CALLER: Caller<'_> = Caller {
        run: "r",
        case: "c",
    };

    #[derive(Default)]
    struct Counted {
        now: AtomicUsize,
        most: AtomicUsize,
        all: AtomicUsize,
        /// So many are waited for before the first is answered.
        together: usize,
    }

    /// Sends so many requests at once through both clients of an endpoint, of which the first are answered when so
    /// many are there together; says how many it saw at the same time, and how long they took.
    async fn flood(limits: Limits, requests: usize, together: usize) -> (usize, Duration) {
        let authority = Authority::new().unwrap();
        let counted = Arc::new(Counted {
            together,
            ..Counted::default()
        });
        let counting = Arc::clone(&counted);
        let app = Router::new().fallback(async move || {
            let now = counting.now.fetch_add(1, SeqCst) + 1;
            counting.most.fetch_max(now, SeqCst);
            counting.all.fetch_add(1, SeqCst);
            while counting.most.load(SeqCst) < counting.together {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Long enough for whoever does not wait for its turn to be seen.
            tokio::time::sleep(Duration::from_millis(20)).await;
            counting.now.fetch_sub(1, SeqCst);
        });
        let server = start(&authority, app).await;
        let endpoint = endpoint(&authority, server.port, limits);
        let limiter = Arc::new(HostLimiter::new(&endpoint.limits));
        let client = Client::new(&endpoint, &limiter, &redactor(), Guard::open()).unwrap();
        let wire = RawClient::new(&endpoint, &limiter, &redactor(), Guard::open()).unwrap();
        let url = endpoint.url_of("/f");
        let begun = Instant::now();
        let deadline = begun + HANGS;
        let plain = (0..requests / 2).map(async |_| {
            let outgoing = Outgoing {
                method: Method::Get,
                verb: None,
                url: &url,
                headers: &[],
                body: None,
                token: None,
                deadline,
            };
            let sent = client.send(Purpose::Step, CALLER, outgoing).await;
            sent.answer.unwrap();
        });
        let exact = (0..requests / 2).map(async |_| {
            let raw = RawRequest {
                method: Method::Get,
                verb: "GET",
                target: "/f",
                headers: &[],
                body: None,
                tokens: &[],
                expect_continue: false,
                http_1_0: false,
                chunked: false,
                cut_body_at: None,
                deadline,
            };
            let sent = wire.send(Purpose::Step, CALLER, raw).await;
            sent.answer.unwrap();
        });
        tokio::join!(join_all(plain), join_all(exact));
        assert_eq!(counted.all.load(SeqCst), requests);
        (counted.most.load(SeqCst), begun.elapsed())
    }

    #[tokio::test]
    async fn no_more_requests_than_jobs_are_under_way() {
        let limits = Limits {
            jobs: 3,
            ..Limits::patient()
        };
        let (most, _) = flood(limits, 40, 3).await;
        assert_eq!(most, 3);
    }

    #[tokio::test]
    async fn no_more_requests_than_the_rate_go_out_in_a_second() {
        let limits = Limits {
            rate: 20,
            ..Limits::patient()
        };
        // Twenty at once, twenty more in steps of 50 ms.
        let (_, took) = flood(limits, 40, 1).await;
        assert!(took >= Duration::from_millis(999), "{took:?}");
    }
}
