//! What a case's verdicts of many runs come to.

use jiff::Timestamp;

use touchstone_model::{CasePast, Verdict};

use super::letter::Found;

/// Follows one case at one endpoint from a verdict back into the past.
pub(super) struct Track {
    verdict: Verdict,
    since: Timestamp,
    ended: bool,
    before: Option<Found>,
    last_good: Option<Timestamp>,
}

impl Track {
    /// Begins with the verdict of the run that began at `started`.
    pub(super) fn new(verdict: Verdict, started: Timestamp) -> Self {
        Self {
            verdict,
            since: started,
            ended: false,
            before: None,
            last_good: None,
        }
    }

    /// Takes in what the next earlier run found that had the case.
    pub(super) fn back(&mut self, found: Found, started: Timestamp) {
        self.before.get_or_insert(found);
        if !self.ended {
            if found.verdict == self.verdict {
                self.since = started;
            } else {
                self.ended = !says_nothing(found.verdict, self.verdict);
            }
        }
        if good(found.verdict) {
            self.last_good.get_or_insert(started);
        }
    }

    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// When it passed last, before the run with which the track began.
    pub(super) fn last_good(&self) -> Option<Timestamp> {
        self.last_good
    }

    /// `None` where no earlier run had the case.
    pub(super) fn past(&self) -> Option<CasePast> {
        self.before.map(|before| CasePast {
            before: before.verdict,
            known: before.known,
            since: self.since,
            last_good: self.last_good,
        })
    }
}

/// Whether a verdict in between leaves a series of others unbroken.
fn says_nothing(between: Verdict, series: Verdict) -> bool {
    match series {
        Verdict::Pass | Verdict::Warn | Verdict::Fail => !decided(between),
        Verdict::Error => between == Verdict::Skip,
        Verdict::Skip => false,
    }
}

/// Whether the endpoint was judged.
pub(super) fn decided(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Error | Verdict::Skip)
}

/// Whether it passed, with or without warnings.
pub(super) fn good(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Pass | Verdict::Warn)
}
