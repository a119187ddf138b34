//! Requests for macaroons.

use crate::model::{Expect, MacaroonRequest, Purpose, StepPlan};
use crate::token::Token;

use super::{Running, Stop};

impl Running<'_> {
    /// One such step. Returns whether it opened what it should not.
    pub(super) async fn macaroon(
        &mut self,
        _: Purpose,
        _: &StepPlan,
        _: &MacaroonRequest,
        _: Expect,
        _: &Option<Token>,
    ) -> Result<bool, Stop> {
        Err(Stop::Undecided("nobody can do this yet".into()))
    }
}
