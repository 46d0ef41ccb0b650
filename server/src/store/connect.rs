//! Connects to a database: first with one connection, so that the reason of a failure is known, then with a pool.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use sqlx::pool::PoolOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection, Pool};

use super::same_database::SameDatabase;
use super::same_file::SameFile;
use super::{Contents, Database, Engine, Pool as EnginePool, Store, StoreError};
use crate::files::{create_private, real_path};

/// Half a core serves about 4,000 requests a second: a few connections keep it busy, and many pods share one
/// database server.
const CONNECTIONS: u32 = 8;
/// How long the start waits for the first connection.
const WAIT: Duration = Duration::from_secs(10);
/// How long the start waits before it looks for the reason.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a request waits for a connection. A client should learn soon that the database is unavailable.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long an inspection waits for the database.
const LOOK: Duration = Duration::from_secs(5);

type ConnectOptionsOf<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

impl Store {
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer within ten seconds; other errors at once.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        let same = SameDatabase::default();
        let pool = match database {
            Database::Sqlite(options) => {
                make_private(options.get_filename());
                // If the file is removed, open handles are the only way to its data: keep the connections.
                let pool = same.watch(PoolOptions::new()).idle_timeout(None).max_lifetime(None);
                EnginePool::Sqlite(open(pool, options.as_ref()).await?)
            }
            Database::MySql(options) => {
                EnginePool::MySql(open(same.watch(PoolOptions::new()), options.as_ref()).await?)
            }
            Database::Postgres(options) => {
                EnginePool::Postgres(open(same.watch(PoolOptions::new()), options.as_ref()).await?)
            }
        };
        Ok(Self { pool, has_old_tables: Arc::default(), same, file: SameFile::of(database) })
    }

    /// The contents of a database, over a separate connection that writes nothing. A file that does not exist counts as
    /// empty, and is not created.
    ///
    /// # Errors
    /// If it cannot be reached at the first attempt, or is neither empty nor ours.
    pub async fn look_at(database: &Database) -> Result<Contents, StoreError> {
        let Some(store) = Self::open_to_read(database).await? else { return Ok(Contents::Empty) };
        let contents = store.contents().await;
        store.close().await;
        contents
    }

    /// A store over a separate connection, for reading. `None` if the database is a file that does not exist, which is
    /// not created.
    ///
    /// # Errors
    /// If it cannot be reached at the first attempt.
    pub async fn open_to_read(database: &Database) -> Result<Option<Self>, StoreError> {
        let pool = match database {
            Database::Sqlite(_) => match database.file().as_deref().and_then(read_only) {
                Some(options) => EnginePool::Sqlite(open_one(&options).await?),
                None => return Ok(None),
            },
            Database::MySql(options) => EnginePool::MySql(open_one(options.as_ref()).await?),
            Database::Postgres(options) => EnginePool::Postgres(open_one(options.as_ref()).await?),
        };
        let (same, file) = (SameDatabase::default(), SameFile::default());
        Ok(Some(Self { pool, has_old_tables: Arc::default(), same, file }))
    }

    /// From now on, refuses new connections that lead to another database, and does not recreate a removed file. Call
    /// it once the schema exists.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn hold_on(&self, database: &Database) -> Result<(), StoreError> {
        match self.identity().await {
            Ok(Some(identity)) => self.same.set(identity.id),
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            // A later schema may store the identity elsewhere.
            Ok(None) | Err(_) => {}
        }
        self.use_options(database);
        Ok(())
    }

    /// The identity of the database in use.
    pub fn own_identity(&self) -> Option<&str> {
        self.same.identity()
    }

    /// # Errors
    /// If the file of an embedded database was removed or replaced.
    pub fn check_file(&self) -> Result<(), StoreError> {
        self.file.check()
    }

    /// Whether the last new connection led to another database.
    pub fn has_strayed(&self) -> bool {
        self.same.has_strayed()
    }

    /// Uses the address in `database` for new connections; open ones stay.
    ///
    /// # Errors
    /// If the engine is another one.
    pub fn reconnect_as(&self, database: &Database) -> Result<(), String> {
        if self.use_options(database) {
            self.same.is_back();
            return Ok(());
        }
        Err(format!("the engine has changed to {}; restart the server", Engine::of(database).name()))
    }

    /// Returns `false` if the engine is another one.
    fn use_options(&self, database: &Database) -> bool {
        match (&self.pool, database) {
            (EnginePool::Sqlite(pool), Database::Sqlite(options)) => {
                pool.set_connect_options(quiet(options.as_ref()).create_if_missing(false));
            }
            (EnginePool::MySql(pool), Database::MySql(options)) => pool.set_connect_options(quiet(options.as_ref())),
            (EnginePool::Postgres(pool), Database::Postgres(options)) => {
                pool.set_connect_options(quiet(options.as_ref()));
            }
            _ => return false,
        }
        true
    }
}

/// Options that neither create nor change the file; `None` if it is empty or does not exist.
fn read_only(path: &Path) -> Option<SqliteConnectOptions> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size == 0 {
        return None;
    }
    // With a write-ahead log, the file alone is incomplete. Without one, `immutable` keeps SQLite from creating it.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_whole = !Path::new(&log).exists();
    Some(SqliteConnectOptions::new().filename(path).read_only(true).immutable(is_whole))
}

async fn open_one<DB: sqlx::Database>(options: &ConnectOptionsOf<DB>) -> Result<Pool<DB>, StoreError> {
    let options = quiet(options);
    // Connect without the pool first, which would hide the reason of a failure.
    match tokio::time::timeout(LOOK, options.connect()).await {
        Ok(connection) => connection?.close().await?,
        Err(_) => return Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
    }
    Ok(PoolOptions::new().max_connections(1).acquire_timeout(LOOK).connect_lazy_with(options))
}

fn quiet<O: sqlx::ConnectOptions + Clone>(options: &O) -> O {
    options.clone().disable_statement_logging()
}

async fn open<DB: sqlx::Database>(
    pool: PoolOptions<DB>,
    options: &ConnectOptionsOf<DB>,
) -> Result<Pool<DB>, StoreError> {
    let options = quiet(options);
    let pool = pool.max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
    let pool = pool.connect_lazy_with(options.clone());
    // Normally this makes one connection, which is kept: with TLS, it takes most of the start.
    if let Ok(Ok(connection)) = tokio::time::timeout(PATIENCE, pool.acquire()).await {
        drop(connection);
        // A separate task returns it to the pool. Wait for that, or the next request would open another connection.
        for _ in 0..20 {
            if pool.num_idle() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        return Ok(pool);
    }
    // Connect without the pool, which would hide the reason of the failure.
    first(|| async { options.connect().await?.close().await }).await?;
    Ok(pool)
}

/// Creates the file of a new embedded database so that only its owner can read it: it will contain password hashes.
/// Errors are ignored: SQLite reports them when it opens the file.
fn make_private(path: &Path) {
    // The name of an in-memory database is not a path.
    if path.to_string_lossy().starts_with("file:") {
        return;
    }
    let result = create_private(&real_path(path.to_owned()));
    tracing::debug!(path = %path.display(), created = result.is_ok(), "tried to create the database file");
}

/// Tries for ten seconds: the database may be starting at the same time.
async fn first<F, R>(connect: F) -> Result<(), StoreError>
where
    F: Fn() -> R,
    R: Future<Output = Result<(), sqlx::Error>>,
{
    let attempt = || async {
        match tokio::time::timeout(WAIT, connect()).await {
            Ok(result) => result.map_err(StoreError::from),
            Err(_) => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
        }
    };
    let every_second = ConstantBuilder::default().with_delay(Duration::from_secs(1)).with_max_times(10);
    attempt
        .retry(every_second.with_jitter())
        .when(is_temporary)
        .notify(|error, _| tracing::warn!(error = crate::logging::chain(error), "the database does not answer yet"))
        .await
}

/// Whether a retry may help. It does not if the certificate was refused, which rustls reports as invalid data.
fn is_temporary(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(sqlx::Error::Io(error)) => error.kind() != std::io::ErrorKind::InvalidData,
        error => error.is_transient(),
    }
}
