//! Database errors, with our own messages: an engine's message never reaches a client.

use sqlx::error::DatabaseError;

/// A column whose values are unique among all users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueField {
    Username,
    Email,
    /// The id of a session.
    Session,
}

impl UniqueField {
    /// The field's name as clients send it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::Session => "session",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another user already has that value.
    #[error("{} is taken", .0.as_str())]
    Taken(UniqueField),
    /// The database cannot be reached, or all connections were busy for too long.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// MySQL's `caching_sha2_password` requires TLS.
    #[error(
        "the database server accepts a password only over an encrypted connection; set DB_TLS, or ssl-mode in the URL, \
         to preferred or higher, and enable TLS in the database server"
    )]
    Unencrypted,
    /// The database aborted a statement that may succeed when sent again.
    #[error("the database aborted a statement")]
    Transient(#[source] sqlx::Error),
    /// Anything else is a bug or a broken database.
    #[error("the database refused a statement")]
    Other(#[source] sqlx::Error),
    /// The change would leave no Admin who can log in.
    #[error("it is the last Admin who can log in")]
    LastAdmin,
    /// The session of the change's actor has ended meanwhile.
    #[error("the session has ended")]
    SessionOver,
    /// The actor of a change is no longer an Admin.
    #[error("not an Admin")]
    NotAdmin,
    /// The password was changed since it was compared.
    #[error("the password was changed meanwhile")]
    PasswordChanged,
    /// The first of the existing tables.
    #[error(
        "the database is not empty, and belongs neither to this service nor to the legacy service (it has the tables \
         {0}); use an empty database"
    )]
    ForeignTables(String),
    /// A column of the legacy service that cannot store every name.
    #[error(
        "the column users.{column} has the character set {charset} and cannot be converted: {why}; change it manually to \
         a VARCHAR of at most 768 characters with the character set utf8mb4"
    )]
    Narrow { column: String, charset: String, why: &'static str },
    /// The oldest release that may use the schema.
    #[error("a newer server has migrated the schema, which now requires release {0} or later; use that release")]
    SchemaTooNew(String),
    /// The seconds spent waiting for another server's migration.
    #[error("another migration did not finish within {0} s")]
    MigrationLock(u32),
}

impl StoreError {
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // A connection that is closed during the handshake is reported as a protocol error.
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed => Self::Unavailable(error),
            sqlx::Error::Configuration(problem) if problem.to_string().starts_with("RSA auth") => Self::Unencrypted,
            sqlx::Error::Database(database) => {
                if let Some(field) = taken(database.as_ref()) {
                    Self::Taken(field)
                } else if is_transient(database.as_ref()) {
                    Self::Transient(error)
                } else if is_unavailable(database.as_ref()) {
                    Self::Unavailable(error)
                } else {
                    Self::Other(error)
                }
            }
            _ => Self::Other(error),
        }
    }
}

/// Only PostgreSQL reports the constraint separately; the others have it, or the column, at the end of their message.
/// MySQL's message also quotes the value, which a client chose: the part before the last `for key` is ignored.
fn taken(error: &dyn DatabaseError) -> Option<UniqueField> {
    if !error.is_unique_violation() {
        return None;
    }
    let message = error.message();
    let place = error.constraint().unwrap_or_else(|| message.rsplit("for key").next().unwrap_or(message));
    if place.contains("username") {
        Some(UniqueField::Username)
    } else if place.contains("email") {
        Some(UniqueField::Email)
    } else if place.contains("sid") {
        Some(UniqueField::Session)
    } else {
        None
    }
}

/// Deadlocks, lock time-outs and serialization failures: MySQL 1213 and 1205, PostgreSQL 40P01 and 40001,
/// SQLite BUSY (5) with its extended codes 261 and 517.
fn is_transient(error: &dyn DatabaseError) -> bool {
    if let Some(mysql) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return matches!(mysql.number(), 1213 | 1205);
    }
    error.code().is_some_and(|code| matches!(code.as_ref(), "40P01" | "40001" | "5" | "261" | "517"))
}

/// A server that shuts down or has no free connection: PostgreSQL classes 57P and 53, MySQL 1040, 1053, 1203 and 3169.
/// A file that was removed: SQLite `CANTOPEN` (14) and `READONLY_DBMOVED` (1032).
fn is_unavailable(error: &dyn DatabaseError) -> bool {
    if let Some(mysql) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return matches!(mysql.number(), 1040 | 1053 | 1203 | 3169);
    }
    if let Some(postgres) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return postgres.code().starts_with("57P") || postgres.code().starts_with("53");
    }
    error.code().is_some_and(|code| matches!(code.as_ref(), "14" | "1032"))
}
