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
    /// Nothing was applied.
    Paused {
        resolved: Box<Resolved>,
        why: Pause,
    },
    Refused(Refusal),
    Failed(ApplyError),
}

/// Why the operator changes nothing.
#[derive(Debug)]
pub enum Pause {
    /// The spec suspends it.
    Suspended {
        /// The kinds of the children that are not in the desired state.
        pending: Vec<String>,
    },
    /// It is being deleted, and finalizers keep it.
    Terminating {
        /// What will be deleted, and what stays.
        fate: String,
    },
}
