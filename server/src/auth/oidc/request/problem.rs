//! Errors that clients get.

/// An error that the client gets (RFC 6749, 4.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OAuthProblem {
    pub error: &'static str,
    pub description: &'static str,
}

pub const fn problem(error: &'static str, description: &'static str) -> OAuthProblem {
    OAuthProblem { error, description }
}
