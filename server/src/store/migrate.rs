//! The schema, brought to this version under a lock that dies with its connection, so that replicas may all try.

use sqlx::migrate::Migrator;
use sqlx::{MySqlConnection, PgPool, SqlitePool};

use super::{Store, StoreError};

static SQLITE: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
static MYSQL: Migrator = sqlx::migrate!("src/store/migrations/mysql");
static POSTGRES: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// How long another one's migration is waited for, in seconds.
const LOCK_TIMEOUT: u32 = 600;

impl Store {
    /// Brings the schema to this version. One that is newer already is left as it is.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(pool) => sqlite(pool).await,
            Self::MySql(pool) => mysql(&mut *pool.acquire().await?).await,
            Self::Postgres(pool) => postgres(pool).await,
        }
    }
}

/// All of it in one transaction that holds SQLite's write lock.
async fn sqlite(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    tolerant(&SQLITE, false).run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

/// The library's own lock waits for ever, which MariaDB's `GET_LOCK` takes for not at all.
async fn mysql(connection: &mut MySqlConnection) -> Result<(), StoreError> {
    // Locks are the server's and not the database's, and their names have at most 64 characters.
    const NAME: &str = "CONCAT('sc-auth/', SHA1(DATABASE()))";
    let lock = sqlx::AssertSqlSafe(format!("SELECT GET_LOCK({NAME}, {LOCK_TIMEOUT})"));
    let locked: Option<i64> = sqlx::query_scalar(lock).fetch_one(&mut *connection).await?;
    if locked != Some(1) {
        return Err(StoreError::MigrationLock(LOCK_TIMEOUT));
    }
    let result = tolerant(&MYSQL, false).run_direct(None, &mut *connection, false).await;
    let unlock = sqlx::AssertSqlSafe(format!("DO RELEASE_LOCK({NAME})"));
    sqlx::query(unlock).execute(connection).await?;
    Ok(result?)
}

/// The library's own advisory lock.
async fn postgres(pool: &PgPool) -> Result<(), StoreError> {
    Ok(tolerant(&POSTGRES, true).run(pool).await?)
}

/// A server may meet a schema that a newer one has brought further.
fn tolerant(migrator: &Migrator, locking: bool) -> Migrator {
    let mut migrator = Migrator { migrations: migrator.migrations.clone(), ..Migrator::DEFAULT };
    migrator.set_ignore_missing(true).set_locking(locking);
    migrator
}
