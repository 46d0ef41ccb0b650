//! What an error says about the database: which of its errors mean that the database is in trouble, and of what kind.
//! The tables of the engines' error codes are in the modules below.

mod mysql;
mod postgres;
mod sqlite;
mod verdict;

use sc_auth_contract::status::TroubleReason;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

use super::target::ReadOnlyServer;
pub use verdict::Verdict;

use Verdict::Trouble;

fn verdict(error: &dyn DatabaseError) -> Option<Verdict> {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return mysql::verdict(error.number(), error.message());
    }
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return postgres::verdict(error.code(), error.message());
    }
    sqlite::verdict(error.code()?.parse().ok()?)
}

pub fn of(error: &sqlx::Error) -> Option<Verdict> {
    match error {
        sqlx::Error::Database(error) => verdict(error.as_ref()),
        sqlx::Error::Configuration(problem) if problem.is::<ReadOnlyServer>() => Some(Trouble(TroubleReason::ReadOnly)),
        // A connection that is closed during the handshake is reported as a protocol error.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::WorkerCrashed => Some(Trouble(TroubleReason::Unreachable)),
        _ => None,
    }
}

/// Whether the server has no connection for this client, while it may have some for others.
pub fn is_of_capacity(error: &sqlx::Error) -> bool {
    of(error) == Some(Trouble(TroubleReason::TooManyConnections))
}

/// Whether another connection may not have the problem.
pub fn blames_connection(error: &sqlx::Error) -> bool {
    matches!(of(error), Some(Verdict::LostStatement | Trouble(TroubleReason::ReadOnly)))
}

/// Whether the server is about to start.
pub fn is_starting(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("57P03"))
}
