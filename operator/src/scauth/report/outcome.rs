//! The outcome of a reconcile.

use crate::scauth::apply::Applied;
use crate::scauth::resolved::Resolved;
use crate::shared::error::ApplyError;
use crate::shared::refusal::Refusal;

/// The outcome of a reconcile.
#[derive(Debug)]
pub enum Outcome {
    Applied {
        resolved: Box<Resolved>,
        applied: Box<Applied>,
    },
    /// Nothing was applied, because the spec suspends it.
    Suspended {
        resolved: Box<Resolved>,
        /// The kinds of the children that are not in the desired state.
        pending: Vec<String>,
    },
    Refused(Refusal),
    Failed(ApplyError),
}
