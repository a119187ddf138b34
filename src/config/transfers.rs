//! COPY between two servers.

use super::diagnostics::Diagnostics;
use super::fields::Fields;
use crate::model::{Credential, TokenTemplate, Transfer};

/// Reads what a step says of it.
pub(super) fn read(
    _: &mut Diagnostics<'_>,
    _: &Fields<'_>,
) -> Option<Transfer<Credential<TokenTemplate>>> {
    Some(Transfer {
        credential: Credential::None,
    })
}
