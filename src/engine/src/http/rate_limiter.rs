//! How many requests per second go somewhere.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

/// Lets so many requests per second through to one service, in the order in which they came, and none while
/// the service asked to be left alone. A second's worth may go at once.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    burst: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next request may go.
    next: Instant,
    /// Nothing goes before that.
    paused_until: Instant,
}

impl RateLimiter {
    /// At most `rate` requests per second; at least one.
    pub fn new(rate: u32) -> Self {
        let between = Duration::from_secs(1) / rate.max(1);
        let burst = Duration::from_secs(1) - between;
        let now = Instant::now();
        // The first second's worth may go at once, too.
        let begin = now.checked_sub(burst).unwrap_or(now);
        Self {
            interval: between,
            burst,
            state: Mutex::new(State {
                next: begin,
                paused_until: begin,
            }),
        }
    }

    /// Returns when the next request may be sent.
    pub async fn acquire(&self) {
        loop {
            let turn = self.reserve(Instant::now());
            sleep_until(turn).await;
            if Instant::now() >= self.state().paused_until {
                break;
            }
        }
    }

    /// Lets nothing through for so long.
    pub fn pause(&self, pause: Duration) {
        let mut state = self.state();
        if let Some(until) = Instant::now().checked_add(pause) {
            state.paused_until = state.paused_until.max(until);
        }
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut state = self.state();
        let turn = state
            .next
            .max(now.checked_sub(self.burst).unwrap_or(now))
            .max(state.paused_until);
        state.next = turn + self.interval;
        turn
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long `Retry-After` asks to wait: seconds, or the time until a date (RFC 9110 section 10.2.3).
pub(crate) fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()?;
    let left = date.duration_since(Timestamp::now());
    Some(Duration::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_seconds_or_dates() {
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Fri, 31 Dec 1999 23:59:59 GMT"),
            Some(Duration::ZERO)
        );
        let far = retry_after("Fri, 31 Dec 2999 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_secs(900 * 365 * 24 * 3600), "{far:?}");
        assert_eq!(retry_after("-1"), None);
        assert_eq!(retry_after("soon"), None);
    }

    #[test]
    fn a_second_s_worth_goes_at_once_and_the_rest_in_its_turn() {
        // From the first moment on, and whenever nobody came for a while.
        for idle in [Duration::from_millis(1), Duration::from_secs(10)] {
            let limiter = RateLimiter::new(5);
            let begin = Instant::now() + idle;
            let turns: Vec<_> = (0..12).map(|_| limiter.reserve(begin)).collect();
            assert!(turns[..5].iter().all(|turn| *turn <= begin), "{turns:?}");
            for (after, turn) in turns[5..].iter().enumerate() {
                let wait = Duration::from_millis(200) * (after as u32 + 1);
                assert_eq!(*turn, begin + wait);
            }
        }
    }

    #[tokio::test]
    async fn nothing_goes_while_it_is_closed() {
        let limiter = RateLimiter::new(1000);
        let begun = Instant::now();
        limiter.pause(Duration::from_millis(150));
        limiter.pause(Duration::ZERO);
        tokio::join!(limiter.acquire(), limiter.acquire(), limiter.acquire());
        assert!(begun.elapsed() >= Duration::from_millis(150));
    }

    #[tokio::test]
    async fn the_rate_is_kept_under_many() {
        let limiter = RateLimiter::new(20);
        let begun = Instant::now();
        futures_util::future::join_all((0..40).map(|_| limiter.acquire())).await;
        // Twenty at once, twenty more in 50 ms steps.
        assert!(begun.elapsed() >= Duration::from_millis(999));
    }
}
