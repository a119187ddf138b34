//! Requests that nobody has answered to the end.

use crate::model::BrokeOff;

/// Why there is no answer to a request.
pub(super) struct Unanswered {
    pub reason: String,
    /// What had come of one.
    pub broke_off: Option<BrokeOff>,
}

impl Unanswered {
    /// Whether an answer had begun, so that it tells something if it ends in the same way once more.
    pub fn again(&self) -> bool {
        self.broke_off.is_some()
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
