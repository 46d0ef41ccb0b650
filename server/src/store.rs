//! What is kept, on three engines behind one face.
//!
//! Statements are written once, with sea-query, and rendered in the dialect of the engine in use. Their texts are
//! few and constant, so that each is prepared once a connection.

mod connect;
mod error;
mod migrate;
mod parties;
mod sessions;
mod users;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder};
use sea_query_sqlx::SqlxBinder;
use sqlx::mysql::{MySqlPool, MySqlRow};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow};

pub use error::StoreError;
pub use parties::Party;
pub use sessions::NewSession;
pub use users::{Changes, NewUser, Role, User, fold};

/// Connections to one database, of whichever engine.
#[derive(Debug, Clone)]
pub enum Store {
    Sqlite(SqlitePool),
    MySql(MySqlPool),
    Postgres(PgPool),
}

/// Renders a statement in the dialect of the pool's engine and runs it.
macro_rules! on_engine {
    ($store:expr, $statement:expr, |$sql:ident, $values:ident, $pool:ident| $run:expr) => {
        match $store {
            Store::Sqlite($pool) => {
                let ($sql, $values) = $statement.build_sqlx(SqliteQueryBuilder);
                $run
            }
            Store::MySql($pool) => {
                let ($sql, $values) = $statement.build_sqlx(MysqlQueryBuilder);
                $run
            }
            Store::Postgres($pool) => {
                let ($sql, $values) = $statement.build_sqlx(PostgresQueryBuilder);
                $run
            }
        }
    };
}

/// A row that can be read from any engine.
pub trait AnyRow:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, MySqlRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> AnyRow for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, MySqlRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl Store {
    /// The engine's name as its makers write it.
    pub const fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::MySql(_) => "MySQL",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::MySql(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    async fn fetch_optional<R: AnyRow>(&self, statement: &(impl SqlxBinder + Sync)) -> Result<Option<R>, StoreError> {
        on_engine!(self, statement, |sql, values, pool| {
            Ok(sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_optional(pool).await?)
        })
    }

    async fn fetch_all<R: AnyRow>(&self, statement: &(impl SqlxBinder + Sync)) -> Result<Vec<R>, StoreError> {
        on_engine!(self, statement, |sql, values, pool| {
            Ok(sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_all(pool).await?)
        })
    }

    /// Runs a statement that writes, again if the engine gave it up, and returns how many rows it matched.
    async fn execute(&self, statement: &(impl SqlxBinder + Sync)) -> Result<u64, StoreError> {
        let once = || async {
            on_engine!(self, statement, |sql, values, pool| {
                Ok(sqlx::query_with(AssertSqlSafe(sql), values).execute(pool).await?.rows_affected())
            })
        };
        let backoff =
            ExponentialBuilder::default().with_jitter().with_min_delay(Duration::from_millis(5)).with_max_times(5);
        once.retry(backoff).when(StoreError::is_transient).await
    }
}
