//! What is kept, on three engines behind one face.
//!
//! Statements are written once, with sea-query, and rendered in the dialect of the engine in use. Their texts are
//! few and constant, so that each is prepared once a connection.

mod error;
mod parties;
mod sessions;
mod users;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder};
use sea_query_sqlx::SqlxBinder;
use sqlx::migrate::Migrator;
use sqlx::mysql::{MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow};

pub use error::StoreError;
pub use parties::Party;
pub use sessions::NewSession;
pub use users::{Changes, NewUser, Role, User, fold};

use crate::config::Database;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
static MYSQL_MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/mysql");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

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
    /// Connects once, so that a wrong address or password is known at the start.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where there is no connection within ten seconds.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        // Half a core serves about 4,000 requests a second: a few connections keep it busy, and many pods
        // share one database server.
        const CONNECTIONS: u32 = 8;
        const WAIT: Duration = Duration::from_secs(10);
        let store = match database {
            Database::Sqlite(options) => Self::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(CONNECTIONS)
                    .acquire_timeout(WAIT)
                    .connect_with(options.as_ref().clone())
                    .await?,
            ),
            Database::MySql(options) => Self::MySql(
                MySqlPoolOptions::new()
                    .max_connections(CONNECTIONS)
                    .acquire_timeout(WAIT)
                    .connect_with(options.as_ref().clone())
                    .await?,
            ),
            Database::Postgres(options) => Self::Postgres(
                PgPoolOptions::new()
                    .max_connections(CONNECTIONS)
                    .acquire_timeout(WAIT)
                    .connect_with(options.as_ref().clone())
                    .await?,
            ),
        };
        Ok(store)
    }

    /// Brings the schema to this version, under a lock that dies with its connection. A schema that is newer
    /// already is left as it is.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(pool) => tolerant(&SQLITE_MIGRATIONS).run(pool).await?,
            Self::MySql(pool) => tolerant(&MYSQL_MIGRATIONS).run(pool).await?,
            Self::Postgres(pool) => tolerant(&POSTGRES_MIGRATIONS).run(pool).await?,
        }
        Ok(())
    }

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

fn tolerant(migrator: &Migrator) -> Migrator {
    let mut migrator = Migrator { migrations: migrator.migrations.clone(), ..Migrator::DEFAULT };
    migrator.set_ignore_missing(true);
    migrator
}
