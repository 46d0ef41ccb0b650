//! The reasons why a pool returns no connection.

use sc_auth_contract::status::TroubleReason;

use crate::store::trouble;

#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Others used all connections for as long as a caller waits.
    #[error("all connections ({granted}) were in use for too long")]
    Busy { granted: u32, reason: TroubleReason },
    #[error("the connections to the database are closed")]
    Closed,
    /// What the library says about an attempt to connect, or about a statement.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl PoolError {
    /// Whether the server has no connection for this client, while it may have some for others.
    pub fn is_of_capacity(&self) -> bool {
        matches!(self, Self::Database(error) if trouble::is_of_capacity(error))
    }

    /// Whether a server that does not accept a connection may do so in a moment.
    pub fn is_worth_a_wait(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Io(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            Self::Database(error) => trouble::is_of_capacity(error) || trouble::is_starting(error),
            Self::Busy { .. } | Self::Closed => false,
        }
    }

    /// What it says about the database, if it is not an error of a statement.
    pub const fn reason(&self) -> Option<TroubleReason> {
        match self {
            Self::Busy { reason, .. } => Some(*reason),
            Self::Closed => Some(TroubleReason::Unreachable),
            Self::Database(_) => None,
        }
    }
}
