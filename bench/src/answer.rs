//! The outcome of a request.

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    /// Refused with 503 and `Retry-After`.
    Later,
}
