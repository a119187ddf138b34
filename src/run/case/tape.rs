//! Calls of the tape REST API.

use crate::model::{Expect, Purpose, StepPlan, TapeCall};
use crate::token::Token;

use super::{Running, Stop};

impl Running<'_> {
    /// One such step. Returns whether it opened what it should not.
    pub(super) async fn tape(
        &mut self,
        _: Purpose,
        _: &StepPlan,
        _: &TapeCall,
        _: Expect,
        _: &Option<Token>,
    ) -> Result<bool, Stop> {
        Err(Stop::Undecided("nobody can do this yet".into()))
    }
}
