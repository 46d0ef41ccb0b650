//! Why a spec cannot be applied.

use super::reasons::Reason;

/// Why the spec cannot be applied now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
    /// Whether only a change of the spec can fix it.
    pub is_final: bool,
}
