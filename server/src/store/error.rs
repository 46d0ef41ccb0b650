//! Database errors, with our own messages: an engine's message never reaches a client.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use sc_auth_contract::status::TroubleReason;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use super::pool::PoolError;
use super::trouble::{self, Verdict};

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
    /// The database cannot be used at present: it cannot be reached, is read-only, full or damaged, or all connections
    /// were busy for too long.
    #[error("the database is unavailable")]
    Unavailable(#[source] Cause),
    /// The database's user lacks a privilege.
    #[error(
        "the database user lacks a privilege; make it the owner of the database and of its tables (PostgreSQL: ALTER \
         DATABASE name OWNER TO user, and GRANT ALL ON SCHEMA public TO user), or grant it all privileges (MySQL: GRANT \
         ALL ON name.* TO user)"
    )]
    Denied(#[source] Cause),
    /// A pooler, or a server that has prepared a statement before a migration, no longer knows it.
    #[error("the connection has lost a prepared statement")]
    LostStatement(#[source] Cause),
    /// The database's encoding lacks a character.
    #[error("the database's encoding lacks a character of this text")]
    Unstorable(#[source] Cause),
    /// A new database whose encoding lacks most characters.
    #[error(
        "the database has the encoding {0}, which cannot store every name; create the database again with \
         encoding UTF8: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding(String),
    /// MySQL's `caching_sha2_password` requires TLS.
    #[error(
        "the database server accepts a password only over an encrypted connection; set DB_TLS, or ssl-mode in the URL, \
         to preferred or higher, and enable TLS in the database server"
    )]
    Unencrypted,
    /// The database aborted a statement that may succeed when sent again.
    #[error("the database aborted a statement")]
    Transient(#[source] Cause),
    /// Anything else is a bug or a broken database.
    #[error("the database refused a statement")]
    Other(#[source] Cause),
    /// The change would leave no Admin who can log in.
    #[error("it is the last Admin who can log in")]
    LastAdmin,
    /// The session of the change's actor has ended meanwhile.
    #[error("the session has ended")]
    SessionOver,
    /// The actor of a change is no longer an Admin.
    #[error("not an Admin")]
    NotAdmin,
    /// The user has too many sessions, all of them in use; the time until one is idle.
    #[error("the user has too many sessions")]
    NoRoom(Duration),
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
    /// The caller was asked to stop while it waited for another server's migration.
    #[error("stopped before the migration began")]
    Stopped,
    /// The seconds spent waiting for another server's migration.
    #[error("another migration did not finish within {0} s")]
    MigrationLock(u32),
}

impl StoreError {
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// What it says about the database; `None` if the database is well.
    pub fn trouble(&self) -> Option<TroubleReason> {
        match self {
            Self::Unavailable(cause) => Some(cause.reason()),
            Self::Denied(_) | Self::Unencrypted => Some(TroubleReason::AccessDenied),
            Self::Transient(_) | Self::LostStatement(_) => Some(TroubleReason::Unreachable),
            _ => None,
        }
    }

    pub const fn has_lost_statement(&self) -> bool {
        matches!(self, Self::LostStatement(_))
    }

    /// Whether another connection may not have the problem.
    pub fn blames_connection(&self) -> bool {
        self.has_lost_statement() || self.trouble() == Some(TroubleReason::ReadOnly)
    }

    /// No row has a text that the database cannot store.
    pub fn found_nothing<T>(self) -> Result<Vec<T>, Self> {
        if matches!(self, Self::Unstorable(_)) { Ok(Vec::new()) } else { Err(self) }
    }
}

/// An error of the library or the pool, in our words: PostgreSQL's own adds a line of its source.
#[derive(Debug)]
pub struct Cause(PoolError);

impl Cause {
    /// Whether a retry may help. It does not if the certificate was refused, which rustls reports as invalid data.
    pub fn is_temporary(&self) -> bool {
        match &self.0 {
            PoolError::Busy { .. } => true,
            PoolError::Closed => false,
            PoolError::Database(sqlx::Error::Io(error)) => error.kind() != std::io::ErrorKind::InvalidData,
            PoolError::Database(error) => {
                let is_standby = trouble::of(error) == Some(Verdict::Trouble(TroubleReason::ReadOnly));
                is_standby || trouble::is_of_capacity(error) || trouble::is_starting(error)
            }
        }
    }

    fn reason(&self) -> TroubleReason {
        let of_error = || match &self.0 {
            PoolError::Database(error) => trouble::of(error),
            PoolError::Busy { .. } | PoolError::Closed => None,
        };
        match (self.0.reason(), of_error()) {
            (Some(reason), _) | (None, Some(Verdict::Trouble(reason))) => reason,
            _ => TroubleReason::Unreachable,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            PoolError::Database(sqlx::Error::Database(error)) => {
                let code = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
                let code = code.map(|number| number.to_string()).or_else(|| error.code().map(Into::into));
                write!(formatter, "the database says: {} ({})", error.message(), code.unwrap_or_default())
            }
            error => error.fmt(formatter),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            PoolError::Database(sqlx::Error::Database(_)) => None,
            error => error.source(),
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Database(error) => error.into(),
            PoolError::Busy { .. } | PoolError::Closed => Self::Unavailable(Cause(error)),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Configuration(problem) if is_unencrypted(problem.as_ref()) => Self::Unencrypted,
            sqlx::Error::Database(database) if database.is_unique_violation() => match taken(database.as_ref()) {
                Some(field) => Self::Taken(field),
                None => Self::Other(Cause(error.into())),
            },
            _ => Self::judged(trouble::of(&error), error),
        }
    }
}

/// Whether the library lacks what a password over a plain connection needs. It has only a text for it, which a test
/// compares.
fn is_unencrypted(problem: &(dyn Error + 'static)) -> bool {
    problem.to_string().starts_with("RSA auth")
}

impl StoreError {
    fn judged(verdict: Option<Verdict>, error: sqlx::Error) -> Self {
        let lacks_privilege = is_about_privileges(&error);
        let cause = Cause(error.into());
        match verdict {
            Some(Verdict::Retry) => Self::Transient(cause),
            Some(Verdict::LostStatement) => Self::LostStatement(cause),
            Some(Verdict::Trouble(TroubleReason::AccessDenied)) if lacks_privilege => Self::Denied(cause),
            Some(Verdict::Trouble(_)) => Self::Unavailable(cause),
            Some(Verdict::Unstorable) => Self::Unstorable(cause),
            None => Self::Other(cause),
        }
    }
}

/// Whether the user may log in, but not do what it was asked to.
fn is_about_privileges(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        Some(error) => matches!(error.number(), 1044 | 1142 | 1143 | 1227 | 1370),
        None => error.code().as_deref() == Some("42501"),
    }
}

/// Only PostgreSQL reports the constraint separately; the others have it, or the column, at the end of their message.
/// MySQL's message also quotes the value, which a client chose: the part before the last `for key` is ignored.
fn taken(error: &dyn DatabaseError) -> Option<UniqueField> {
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
