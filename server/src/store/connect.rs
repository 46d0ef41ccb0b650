//! Connections to a database: one at first, so that whatever is wrong is known and said, then a pool.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use sqlx::pool::PoolOptions;
use sqlx::{ConnectOptions as _, Connection, Pool};

use super::{Pool as EnginePool, Store, StoreError};
use crate::config::Database;
use crate::files::create_private;

/// Half a core serves about 4,000 requests a second: a few connections keep it busy, and many pods share one
/// database server.
const CONNECTIONS: u32 = 8;
/// How long a start waits for the first of them.
const WAIT: Duration = Duration::from_secs(10);
/// After so long a start looks for the reason.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a request waits for one of them: a client is better told soon that the database is away.
const ACQUIRE: Duration = Duration::from_secs(3);

type ConnectOptionsOf<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

impl Store {
    /// # Errors
    /// [`StoreError::Unavailable`] where the database does not answer within ten seconds, any other at once.
    pub async fn connect(database: &Database) -> Result<Self, StoreError> {
        let pool = match database {
            Database::Sqlite(options) => {
                make_private(options.get_filename());
                EnginePool::Sqlite(open(options.as_ref()).await?)
            }
            Database::MySql(options) => EnginePool::MySql(open(options.as_ref()).await?),
            Database::Postgres(options) => EnginePool::Postgres(open(options.as_ref()).await?),
        };
        Ok(Self { pool, has_old_tables: Arc::default() })
    }
}

impl Store {
    /// Makes further connections as `database` says; those that are open stay.
    ///
    /// # Errors
    /// Where it is another engine.
    pub fn reconnect_as(&self, database: &Database) -> Result<(), String> {
        match (&self.pool, database) {
            (EnginePool::Sqlite(pool), Database::Sqlite(options)) => pool.set_connect_options(quiet(options.as_ref())),
            (EnginePool::MySql(pool), Database::MySql(options)) => pool.set_connect_options(quiet(options.as_ref())),
            (EnginePool::Postgres(pool), Database::Postgres(options)) => {
                pool.set_connect_options(quiet(options.as_ref()));
            }
            _ => return Err("it is a database of another kind now; restart the server".into()),
        }
        Ok(())
    }
}

fn quiet<O: sqlx::ConnectOptions + Clone>(options: &O) -> O {
    options.clone().disable_statement_logging()
}

async fn open<DB: sqlx::Database>(options: &ConnectOptionsOf<DB>) -> Result<Pool<DB>, StoreError> {
    let options = quiet(options);
    let pool = PoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
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
    let result = create_private(path);
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
