//! Calls of the tape REST API.

use super::diagnostics::Diagnostics;
use super::fields::Fields;
use crate::model::TapeCall;

/// Reads what a step says of it.
pub(super) fn read(_: &mut Diagnostics<'_>, _: &Fields<'_>) -> Option<TapeCall> {
    Some(TapeCall {
        call: String::new(),
    })
}
