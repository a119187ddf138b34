//! Requests for macaroons.

use super::diagnostics::Diagnostics;
use super::fields::Fields;
use crate::model::MacaroonRequest;

/// Reads what a step says of it.
pub(super) fn read(_: &mut Diagnostics<'_>, _: &Fields<'_>) -> Option<MacaroonRequest> {
    Some(MacaroonRequest {
        activities: Vec::new(),
    })
}
