//! Connections to a database: one at first, so that whatever is wrong is known and said, then a pool.

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
/// How long a start waits for the first of them.
const WAIT: Duration = Duration::from_secs(10);
/// After so long a start looks for the reason.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a request waits for one of them: a client is better told soon that the database is away.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long a look at a database waits for its answer.
const LOOK: Duration = Duration::from_secs(5);

type ConnectOptionsOf<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

impl Store {
    /// # Errors
    /// [`StoreError::Unavailable`] where the database does not answer within ten seconds, any other at once.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        let same = SameDatabase::default();
        let pool = match database {
            Database::Sqlite(options) => {
                make_private(options.get_filename());
                // The last handle on a file that was removed is the last way to what was in it.
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

    /// What is in a database, by one connection of its own that writes nothing. A file that is not there is empty, and
    /// is not made.
    ///
    /// # Errors
    /// Where it cannot be reached, after one attempt, or is neither empty nor ours.
    pub async fn look_at(database: &Database) -> Result<Contents, StoreError> {
        let pool = match database {
            Database::Sqlite(_) => match database.file().as_deref().and_then(read_only) {
                Some(options) => EnginePool::Sqlite(open_one(&options).await?),
                None => return Ok(Contents::Empty),
            },
            Database::MySql(options) => EnginePool::MySql(open_one(options.as_ref()).await?),
            Database::Postgres(options) => EnginePool::Postgres(open_one(options.as_ref()).await?),
        };
        let store =
            Self { pool, has_old_tables: Arc::default(), same: SameDatabase::default(), file: SameFile::default() };
        let contents = store.contents().await;
        store.close().await;
        contents
    }

    /// From now on new connections that lead to another database than this one are not used, and a file that was
    /// removed is not made again. Called once the schema is there.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn hold_on(&self, database: &Database) -> Result<(), StoreError> {
        match self.identity().await {
            Ok(Some(identity)) => self.same.set(identity.id),
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            // A later schema that keeps it elsewhere.
            Ok(None) | Err(_) => {}
        }
        self.use_options(database);
        Ok(())
    }

    /// The identity of the database that is in use.
    pub fn own_identity(&self) -> Option<&str> {
        self.same.identity()
    }

    /// # Errors
    /// Where the file of an embedded database was removed or replaced.
    pub fn check_file(&self) -> Result<(), StoreError> {
        self.file.check()
    }

    /// Whether the last new connection led to another database.
    pub fn has_strayed(&self) -> bool {
        self.same.has_strayed()
    }

    /// Makes further connections as `database` says; those that are open stay.
    ///
    /// # Errors
    /// Where it is another engine.
    pub fn reconnect_as(&self, database: &Database) -> Result<(), String> {
        if self.use_options(database) {
            self.same.is_back();
            return Ok(());
        }
        Err(format!("it is a {} database now; restart the server", Engine::of(database).name()))
    }

    /// Returns whether it is the same engine.
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

/// Options that neither make a file nor change one; `None` where there is none.
fn read_only(path: &Path) -> Option<SqliteConnectOptions> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size == 0 {
        return None;
    }
    // With a log beside it, the file alone is not the whole; without one, SQLite would make one.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_whole = !Path::new(&log).exists();
    Some(SqliteConnectOptions::new().filename(path).read_only(true).immutable(is_whole))
}

async fn open_one<DB: sqlx::Database>(options: &ConnectOptionsOf<DB>) -> Result<Pool<DB>, StoreError> {
    let options = quiet(options);
    // A pool hides why it cannot connect.
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
    // Where all is well, one connection is made, which is kept: with TLS it is most of a start.
    if let Ok(Ok(connection)) = tokio::time::timeout(PATIENCE, pool.acquire()).await {
        drop(connection);
        // It goes back on a task of its own: whoever asks before it is there would have another one made.
        for _ in 0..20 {
            if pool.num_idle() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        return Ok(pool);
    }
    // A pool hides why it cannot connect.
    first(|| async { options.connect().await?.close().await }).await?;
    Ok(pool)
}

/// Makes the file of a new embedded database, so that only its owner can read it: it will hold hashes of passwords.
/// Whatever goes wrong here goes wrong again when SQLite opens the file, and is told then.
fn make_private(path: &Path) {
    // A database in memory has a name that is no path.
    if path.to_string_lossy().starts_with("file:") {
        return;
    }
    let result = create_private(&real_path(path.to_owned()));
    tracing::debug!(path = %path.display(), made = result.is_ok(), "the database's file");
}

/// Tries for ten seconds: a database may start at the same time as we do.
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
        .when(may_pass)
        .notify(|error, _| tracing::warn!(error = crate::logging::chain(error), "the database does not answer yet"))
        .await
}

/// Whether it may be otherwise in a moment. A certificate that is refused stays so; rustls calls it invalid data.
fn may_pass(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(sqlx::Error::Io(error)) => error.kind() != std::io::ErrorKind::InvalidData,
        error => error.is_transient(),
    }
}
