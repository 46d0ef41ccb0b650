//! Storage in a database, with one interface to three engines.
//!
//! Statements are written once, with sea-query, and rendered in the dialect of the engine in use. Their texts are few
//! and constant, so that each is prepared once per connection.

mod applications;
mod audit;
mod browser_sessions;
mod connect;
mod consents;
mod counter_keys;
mod declared_clients;
mod error;
mod failures;
mod former_keys;
mod grant_ends;
mod grants;
mod guard;
mod health;
mod heartbeats;
mod identity;
mod known_keys;
mod logout_limits;
mod logout_outbox;
mod logouts;
mod migrate;
mod networks;
mod old_tokens;
mod orphans;
mod parties;
mod permissions;
mod pool;
mod record;
mod rights;
mod roles;
mod same_database;
mod same_file;
mod schema;
mod session_ends;
mod sessions;
mod sweep;
mod target;
#[cfg(test)]
pub mod testing;
mod times;
mod transaction;
mod transfer;
mod trouble;
mod user_groups;
mod users;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use sc_auth_contract::status::Trouble;
use sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder};
use sea_query_sqlx::SqlxBinder;
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, MySql, Postgres, Sqlite};

pub use applications::Application;
pub use audit::{AuditEvent, AuditFilter, NewEvent, Tier};
pub use browser_sessions::{BrowserSession, Renewal};
pub use counter_keys::SealedKey;
pub use error::StoreError;
pub use failures::Failures;
pub use grants::{Chain, Grant, NewGrant, UsedCode};
pub use guard::{Actor, Guard, Proof};
pub use health::Health;
pub use identity::{Contents, Identity, NewIdentity};
pub use logout_outbox::PendingLogout;
pub use migrate::{Origin, Plan};
pub use old_tokens::Revoked;
pub use parties::Party;
pub use permissions::Permissions;
use pool::Pool;
use record::LastTrouble;
pub use roles::{Role, RoleInfo};
use same_database::SameDatabase;
use same_file::SameFile;
pub use session_ends::EndedGrants;
pub use sessions::{Begin, NewSession, Rotation, Session, SessionInfo, SessionLimit};
pub use target::{Database, Place, PostgresServers, SessionAttrs};
pub use times::is_live;
pub use transaction::Tx;
pub use transfer::{ExportedUser, OldRow};
pub use user_groups::GroupsOfUsers;
pub use users::{Changes, Credentials, ListedUser, Names, NewUser, User, UserFilter};

/// The supported engines. MariaDB uses MySQL's dialect.
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

    /// The official name of the engine.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::MySql => "MySQL",
            Self::Postgres => "PostgreSQL",
        }
    }
}

#[derive(Debug, Clone)]
enum Pools {
    Sqlite(Pool<Sqlite>),
    MySql(Pool<MySql>),
    Postgres(Pool<Postgres>),
}

impl Pools {
    fn count(&self) -> (u32, usize) {
        match self {
            Self::Sqlite(pool) => pool.count(),
            Self::MySql(pool) => pool.count(),
            Self::Postgres(pool) => pool.count(),
        }
    }

    async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::MySql(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    fn renew(&self, pause: Duration) {
        match self {
            Self::Sqlite(pool) => pool.renew(pause),
            Self::MySql(pool) => pool.renew(pause),
            Self::Postgres(pool) => pool.renew(pause),
        }
    }
}

/// Connections to one database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pools,
    /// For writing to SQLite, where only one connection can write at a time: if another process holds the lock, those that
    /// wait must not keep the others from reading. The other engines have none.
    writer: Option<Pools>,
    /// Whether the database has the legacy service's tables; known once the schema was inspected.
    has_old_tables: Arc<AtomicBool>,
    same: SameDatabase,
    file: SameFile,
    record: Arc<LastTrouble>,
}

/// Renders a statement in the dialect of the engine and runs it; the first argument is an enum of pools or
/// transactions, with one variant per engine.
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

/// How often connections are replaced while the database accepts no writes. Replacing them all for each statement would
/// be a load of its own, which clients could cause.
const RENEW: Duration = Duration::from_secs(2);

/// The delays before a statement that the engine aborted is sent again.
fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default().with_jitter().with_min_delay(Duration::from_millis(5)).with_max_times(8)
}

impl Store {
    pub const fn engine(&self) -> Engine {
        match self.pool {
            Pools::Sqlite(_) => Engine::Sqlite,
            Pools::MySql(_) => Engine::MySql,
            Pools::Postgres(_) => Engine::Postgres,
        }
    }

    /// Whether this database was taken over from the legacy service, which may still use it.
    pub fn has_old_tables(&self) -> bool {
        self.has_old_tables.load(Ordering::Relaxed)
    }

    /// The numbers of open and of idle connections.
    pub fn connections(&self) -> (u32, usize) {
        self.pools().map(Pools::count).fold((0, 0), |(open, idle), more| (open + more.0, idle + more.1))
    }

    /// The trouble that the last statements met, if it may last.
    pub fn trouble(&self) -> Option<Trouble> {
        self.record.get()
    }

    pub async fn close(&self) {
        for pool in self.pools() {
            pool.close().await;
        }
    }

    fn writer(&self) -> &Pools {
        self.writer.as_ref().unwrap_or(&self.pool)
    }

    fn pools(&self) -> impl Iterator<Item = &Pools> {
        self.writer.iter().chain([&self.pool])
    }

    async fn fetch_optional<R: AnyRow>(&self, statement: &(impl SqlxBinder + Sync)) -> Result<Option<R>, StoreError> {
        Ok(self.fetch(statement, true).await?.into_iter().next())
    }

    async fn fetch_all<R: AnyRow>(&self, statement: &(impl SqlxBinder + Sync)) -> Result<Vec<R>, StoreError> {
        self.fetch(statement, true).await
    }

    /// The same for a statement whose text varies with its parameters. It is not kept prepared: with a full cache, each
    /// statement takes 40 ms on MySQL.
    async fn fetch_varying<R: AnyRow>(&self, statement: &(impl SqlxBinder + Sync)) -> Result<Vec<R>, StoreError> {
        self.fetch(statement, false).await
    }

    async fn fetch<R: AnyRow>(
        &self,
        statement: &(impl SqlxBinder + Sync),
        persistent: bool,
    ) -> Result<Vec<R>, StoreError> {
        let once = || async {
            on_engine!(Pools, &self.pool, statement, |sql, values, pool| {
                let mut connection = pool.acquire().await?;
                // Boxed: many requests may wait for a connection, and few have one.
                let answer = Box::pin(async move {
                    connection.start().await?;
                    let query = sqlx::query_as_with(AssertSqlSafe(sql), values);
                    let query = query.persistent(persistent && connection.keeps_statements());
                    let result = query.fetch_all(connection.inner()?).await;
                    connection.finish(result).await
                });
                Ok(answer.await?)
            })
        };
        let rows = self.attempt(once).await?;
        self.record.has_read();
        Ok(rows)
    }

    /// Runs a statement that writes, and retries it if the engine aborted it. Returns the number of matched rows.
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
            on_engine!(Pools, self.writer(), statement, |sql, values, pool| {
                let mut connection = pool.acquire().await?;
                let answer = Box::pin(async move {
                    connection.start().await?;
                    let query = sqlx::query_with(AssertSqlSafe(sql), values);
                    let query = query.persistent(persistent && connection.keeps_statements());
                    let result = query.execute(connection.inner()?).await;
                    connection.finish(result).await
                });
                Ok(answer.await?.rows_affected())
            })
        };
        let count = self.attempt(once).await?;
        self.record.has_written();
        Ok(count)
    }

    /// Runs `once`, and again if the engine aborted it, or if only its connection was to blame.
    async fn attempt<T, F>(&self, once: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut is_renewed = false;
        let may_retry = |error: &StoreError| match error.is_transient() {
            true => true,
            false if error.blames_connection() && !is_renewed => {
                is_renewed = true;
                self.renew(if error.has_lost_statement() { Duration::ZERO } else { RENEW });
                true
            }
            false => false,
        };
        // Boxed, since it is large: the memory of each request, also of one that waits for its body, includes the future.
        let result = Box::pin(once.retry(backoff()).when(may_retry)).await;
        if let Err(error) = &result {
            self.record.note(error);
        }
        result
    }

    /// Uses no connection again that is as old as one that failed: a pool may otherwise keep connections to a server that
    /// was demoted. Not more often than once in `pause`.
    fn renew(&self, pause: Duration) {
        // If the file is removed, open handles are the only way to its data.
        if self.file.check().is_err() {
            return;
        }
        self.pools().for_each(|pool| pool.renew(pause));
    }
}
