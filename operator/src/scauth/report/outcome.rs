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
    /// Nothing was applied, since it must not be.
    Refused {
        refusal: Refusal,
        /// For what exists; `None` if that is unknown.
        resolved: Option<Box<Resolved>>,
    },
    /// Not all of it was applied.
    Blocked {
        resolved: Box<Resolved>,
        /// With the live objects of what was not applied.
        applied: Box<Applied>,
        error: ApplyError,
    },
    /// Nothing is known.
    Failed(ApplyError),
}

impl Outcome {
    pub fn error(&self) -> Option<&ApplyError> {
        match self {
            Self::Failed(error) | Self::Blocked { error, .. } => Some(error),
            Self::Applied { .. } | Self::Paused { .. } | Self::Refused { .. } => None,
        }
    }
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
