//! What is kept, on three engines behind one face.
//!
//! Statements are written once, with sea-query, and rendered in the dialect of the engine in use. Their texts are
//! few and constant, so that each is prepared once a connection.

mod audit;
mod connect;
mod counter_keys;
mod error;
mod failures;
mod guard;
mod health;
mod heartbeats;
mod identity;
mod known_keys;
mod migrate;
mod networks;
mod old_tokens;
mod parties;
mod roles;
mod same_database;
mod same_file;
mod schema;
mod sessions;
mod sweep;
mod target;
mod times;
mod transaction;
mod transfer;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder};
use sea_query_sqlx::SqlxBinder;
use sqlx::mysql::{MySqlPool, MySqlRow};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow};

pub use audit::{AuditEvent, AuditFilter};
pub use counter_keys::SealedKey;
pub use error::StoreError;
pub use failures::Failures;
pub use guard::{Actor, Guard, Proof};
pub use health::Health;
pub use identity::{Contents, Identity, NewIdentity};
pub use migrate::{Origin, Plan};
pub use parties::Party;
pub use roles::{Role, RoleInfo};
use same_database::SameDatabase;
use same_file::SameFile;
pub use sessions::{Begin, NewSession, Rotation, Session, SessionInfo};
pub use target::{Database, Place};
pub use transaction::Tx;
pub use transfer::{ExportedUser, OldRow};
pub use users::{Changes, Credentials, ListedUser, NewUser, User, UserFilter};

/// The engines that are equals here. MariaDB speaks MySQL's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    MySql,
    Postgres,
}

impl Engine {
    pub const fn of(database: &Database) -> Self {
        match database {
            Database::Sqlite(_) => Self::Sqlite,
            Database::MySql(_) => Self::MySql,
            Database::Postgres(_) => Self::Postgres,
        }
    }

    /// The engine's name as its makers write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::MySql => "MySQL",
            Self::Postgres => "PostgreSQL",
        }
    }
}

#[derive(Debug, Clone)]
enum Pool {
    Sqlite(SqlitePool),
    MySql(MySqlPool),
    Postgres(PgPool),
}

/// Connections to one database, of whichever engine.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    /// Whether the old service's tables are here; known once the schema was looked at.
    has_old_tables: Arc<AtomicBool>,
    same: SameDatabase,
    file: SameFile,
}

/// Renders a statement in the dialect of the engine and runs it there; the first argument is an enum of what to run
/// it on, with one variant an engine.
macro_rules! on_engine {
    ($kind:ident, $on:expr, $statement:expr, |$sql:ident, $values:ident, $target:ident| $run:expr) => {
        match $on {
            $kind::Sqlite($target) => {
                let ($sql, $values) = $statement.build_sqlx(SqliteQueryBuilder);
                $run
            }
            $kind::MySql($target) => {
                let ($sql, $values) = $statement.build_sqlx(MysqlQueryBuilder);
                $run
            }
            $kind::Postgres($target) => {
                let ($sql, $values) = $statement.build_sqlx(PostgresQueryBuilder);
                $run
            }
        }
    };
}
use on_engine;

/// A row that can be read from any engine.
pub trait AnyRow:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, MySqlRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> AnyRow for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, MySqlRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

/// When a statement that the engine gave up is sent again.
fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default().with_jitter().with_min_delay(Duration::from_millis(5)).with_max_times(8)
}

impl Store {
    pub const fn engine(&self) -> Engine {
        match self.pool {
            Pool::Sqlite(_) => Engine::Sqlite,
            Pool::MySql(_) => Engine::MySql,
            Pool::Postgres(_) => Engine::Postgres,
        }
    }

    /// Whether this database was taken over from the old service, which may still work on it.
    pub fn has_old_tables(&self) -> bool {
        self.has_old_tables.load(Ordering::Relaxed)
    }

    /// How many connections are open, and how many of them wait for something to do.
    pub fn connections(&self) -> (u32, usize) {
        match &self.pool {
            Pool::Sqlite(pool) => (pool.size(), pool.num_idle()),
            Pool::MySql(pool) => (pool.size(), pool.num_idle()),
            Pool::Postgres(pool) => (pool.size(), pool.num_idle()),
        }
    }

    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::MySql(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    async fn fetch_optional<R: AnyRow>(&self, statement: &(impl SqlxBinder + Sync)) -> Result<Option<R>, StoreError> {
        on_engine!(Pool, &self.pool, statement, |sql, values, pool| {
            Ok(sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_optional(pool).await?)
        })
    }

    async fn fetch_all<R: AnyRow>(&self, statement: &(impl SqlxBinder + Sync)) -> Result<Vec<R>, StoreError> {
        on_engine!(Pool, &self.pool, statement, |sql, values, pool| {
            Ok(sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_all(pool).await?)
        })
    }

    /// The same for a statement whose text varies with what is asked for: it is not kept prepared, since a full cache
    /// costs MySQL 40 ms a statement.
    async fn fetch_varying<R: AnyRow>(&self, statement: &(impl SqlxBinder + Sync)) -> Result<Vec<R>, StoreError> {
        on_engine!(Pool, &self.pool, statement, |sql, values, pool| {
            Ok(sqlx::query_as_with(AssertSqlSafe(sql), values).persistent(false).fetch_all(pool).await?)
        })
    }

    /// Runs a statement that writes, again if the engine gave it up, and returns how many rows it matched.
    async fn execute(&self, statement: &(impl SqlxBinder + Sync)) -> Result<u64, StoreError> {
        self.execute_as(statement, true).await
    }

    /// The same for a statement whose text varies.
    async fn execute_varying(&self, statement: &(impl SqlxBinder + Sync)) -> Result<u64, StoreError> {
        self.execute_as(statement, false).await
    }

    async fn execute_as(&self, statement: &(impl SqlxBinder + Sync), persistent: bool) -> Result<u64, StoreError> {
        let once = || async {
            self.file.check()?;
            on_engine!(Pool, &self.pool, statement, |sql, values, pool| {
                let query = sqlx::query_with(AssertSqlSafe(sql), values).persistent(persistent);
                Ok(query.execute(pool).await?.rows_affected())
            })
        };
        once.retry(backoff()).when(StoreError::is_transient).await
    }
}
