//! When an account is left alone: what does not answer at all is not asked for every token of a run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{TokenError, TokenErrorKind};

/// So many failures in a row that have nothing to do with what was asked for.
const FAILURES: u32 = 3;

/// The failures of one account in a row, and what the last of them was.
#[derive(Debug, Default)]
pub(super) struct CircuitBreaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until then nobody asks, and hears this instead.
    last: Option<(Instant, TokenError)>,
}

impl CircuitBreaker {
    /// What to say instead of asking, in the words of the last failure.
    pub fn rejection(&self, asked: &impl ToString) -> Option<TokenError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, last) = state.last.as_ref()?;
        (Instant::now() < *until).then(|| TokenError {
            asked: asked.to_string(),
            came: format!(
                "{} (that {} times in a row: it is left alone)",
                last.came, state.failures
            ),
            ..last.clone()
        })
    }

    /// Remembers how it went. After the last failure that is borne nobody asks for so long.
    pub fn record(&self, failed: Option<&TokenError>, pause: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let general =
            |e: &&TokenError| matches!(e.kind, TokenErrorKind::General | TokenErrorKind::Busy(_));
        let Some(error) = failed.filter(general) else {
            *state = State::default();
            return;
        };
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            let now = Instant::now();
            state.last = Some((now.checked_add(pause).unwrap_or(now), error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::error::Origin;
    use touchstone_model::redact::Redactor;

    const LONG: Duration = Duration::from_secs(3600);

    fn error(kind: TokenErrorKind) -> TokenError {
        let origin = Origin::new("vo", "test", &Redactor::default());
        origin.error(kind, "storage.read:/", "no connection".into(), "look")
    }

    #[test]
    fn the_third_failure_in_a_row_is_the_last_for_a_while() {
        let rest = CircuitBreaker::default();
        let general = error(TokenErrorKind::General);
        rest.record(Some(&general), LONG);
        rest.record(Some(&general), LONG);
        rest.record(None, LONG);
        rest.record(Some(&error(TokenErrorKind::Busy(None))), LONG);
        rest.record(Some(&general), LONG);
        assert!(rest.rejection(&"storage.create:/").is_none());
        rest.record(Some(&general), LONG);
        let said = rest.rejection(&"storage.create:/").unwrap().to_string();
        for part in [
            "`vo`",
            "storage.create:/",
            "no connection (that 3 times in a row",
            "look",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn what_concerns_one_token_does_not_count_and_a_rest_has_an_end() {
        let rest = CircuitBreaker::default();
        for kind in [TokenErrorKind::Refused, TokenErrorKind::Unavailable] {
            for _ in 0..10 {
                rest.record(Some(&error(kind)), LONG);
            }
            assert!(rest.rejection(&"a").is_none());
        }
        for _ in 0..4 {
            rest.record(Some(&error(TokenErrorKind::General)), Duration::ZERO);
        }
        assert!(rest.rejection(&"a").is_none());
    }
}
