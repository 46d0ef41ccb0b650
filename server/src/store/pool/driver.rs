//! What the pool needs to know of each engine.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

/// An open connection.
#[derive(Debug)]
pub struct Connection<D: Driver> {
    pub inner: D::Connection,
    /// When the attempt to connect began: one that began before a failover may lead to the former server.
    pub created_at: Instant,
    pub last_used_at: Instant,
    /// Whether what one transaction prepares is there in the next: not behind a pooler such as PgBouncer.
    pub keeps_statements: bool,
}

pub trait Driver: sqlx::Database<Connection: Debug + 'static> {
    /// Where to connect to, and how.
    type Target: Clone + Send + Sync + 'static;

    /// Returns the connection, and whether it keeps prepared statements.
    fn connect(target: &Self::Target) -> impl Future<Output = Result<(Self::Connection, bool), sqlx::Error>> + Send;

    /// Runs a statement without parameters, as one message.
    fn run(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Rolls back. It is no error if the engine has done so already.
    fn roll_back(connection: &mut Self::Connection) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        Self::run(connection, "ROLLBACK")
    }

    /// The identity of the database that the connection leads to.
    fn identity(connection: &mut Self::Connection) -> impl Future<Output = Result<Option<String>, sqlx::Error>> + Send;
}

/// The methods whose text is the same for each engine, while their types differ.
macro_rules! statements {
    () => {
        async fn run(connection: &mut Self::Connection, sql: &'static str) -> Result<(), sqlx::Error> {
            sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
        }

        async fn identity(connection: &mut Self::Connection) -> Result<Option<String>, sqlx::Error> {
            let row = sqlx::raw_sql(crate::store::same_database::SELECT).fetch_optional(connection).await?;
            row.map(|row| sqlx::Row::try_get(&row, 0)).transpose()
        }
    };
}
pub(super) use statements;

/// The server has not answered an attempt to connect.
pub(super) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database server did not answer in time"))
}

/// Connects as the mode `preferred` asks for: with encryption, or without it and with a warning if the server offers none.
/// `connect` takes whether to encrypt.
pub(super) async fn prefer_tls<C, F>(
    is_plain: &AtomicBool,
    host: &str,
    connect: impl Fn(bool) -> F,
) -> Result<C, sqlx::Error>
where
    F: Future<Output = Result<C, sqlx::Error>>,
{
    if !is_plain.load(Ordering::Relaxed) {
        match connect(true).await {
            Err(error) if has_no_tls(&error) => warn_of_plain(is_plain, host),
            result => return result,
        }
    }
    connect(false).await
}

/// Whether the server offers no encryption at all. The library has only a text for it, which a test compares.
fn has_no_tls(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Tls(error) if error.to_string().contains("does not support TLS"))
}

fn warn_of_plain(is_plain: &AtomicBool, host: &str) {
    if !is_plain.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            host,
            "the connection to the database is NOT encrypted: the server offers no TLS, and the mode is preferred; enable \
             TLS in the database server and set DB_TLS to required or higher, or to disabled if the network is trusted"
        );
    }
}
