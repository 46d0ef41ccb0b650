//! What the pool needs to know of each engine.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

/// An open connection.
#[derive(Debug)]
pub struct Link<D: Driver> {
    pub connection: D::Connection,
    pub made: Instant,
    pub used: Instant,
    /// Whether what one transaction prepares is there in the next: not behind a pooler such as PgBouncer.
    pub keeps_statements: bool,
}

impl<D: Driver> Link<D> {
    pub fn new(connection: D::Connection, keeps_statements: bool) -> Self {
        let now = Instant::now();
        Self { connection, made: now, used: now, keeps_statements }
    }
}

/// An engine.
pub trait Driver: sqlx::Database<Connection: Debug + 'static> {
    /// Where to connect to, and how.
    type Target: Clone + Debug + Send + Sync + 'static;

    fn link(target: &Self::Target) -> impl Future<Output = Result<Link<Self>, sqlx::Error>> + Send;

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

/// What the engines' own types have in common.
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

/// Whether the server offers no encryption at all.
pub(super) fn has_no_tls(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Tls(error) if error.to_string().contains("does not support TLS"))
}

/// Warns once.
pub(super) fn warn_of_plain(is_plain: &AtomicBool, host: &str) {
    if !is_plain.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            host,
            "the connection to the database is NOT encrypted: the server offers no TLS, and the mode is preferred; enable \
             TLS in the database server and set DB_TLS to required or higher, or to disabled if the network is trusted"
        );
    }
}
