//! Requests that nobody has answered to the end.

use touchstone_model::{BrokeOff, Method};

/// Why there is no answer to a request.
#[derive(Clone, Debug)]
pub(super) struct Unanswered {
    pub reason: String,
    /// What had come of one, and to which method; of what is asked more than once, each time.
    pub broke_off: Option<(Method, BrokeOff)>,
}

impl Unanswered {
    /// Whether an answer had begun, so that it tells something if it ends in the same way once more.
    pub fn again(&self) -> bool {
        self.broke_off.is_some()
    }

    /// The same with what it keeps from being done.
    pub fn keeping(self, what: &str) -> Self {
        Self {
            reason: format!("{what}: {}", self.reason),
            ..self
        }
    }
}

impl From<String> for Unanswered {
    fn from(reason: String) -> Self {
        Self {
            reason,
            broke_off: None,
        }
    }
}
