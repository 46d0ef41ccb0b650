//! Connects to a database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sc_auth_contract::status::TroubleReason;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::time::{Instant, sleep};

use super::pool::{Driver, MySqlServer, Pool, Rules};
use super::record::LastTrouble;
use super::same_database::SameDatabase;
use super::same_file::SameFile;
use super::{Contents, Database, Engine, Pools, Store, StoreError};
use crate::files::{create_private, real_path};

/// How long the start waits for the first connection, and how long between two attempts.
const WAIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);
/// How long a request waits for a connection. A client should learn soon that the database is unavailable.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long an inspection waits for the database.
const LOOK: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_mins(10);
const LIFETIME: Duration = Duration::from_mins(30);

impl Store {
    /// Connects with at most `size` connections.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer within ten seconds; other errors at once.
    pub async fn connect(database: &Database, size: u32) -> Result<Self, StoreError> {
        let same = SameDatabase::default();
        let rules = Rules {
            size,
            wait: ACQUIRE,
            idle: Some(IDLE),
            lifetime: Some(LIFETIME),
            is_patient: true,
            busy: TroubleReason::Busy,
        };
        let pool = match quiet(database) {
            Database::Sqlite(options) => {
                make_private(options.get_filename());
                // If the file is removed, open handles are the only way to its data: keep the connections.
                let rules = Rules { idle: None, lifetime: None, ..rules };
                let pool = Pools::Sqlite(open(Pool::new(options.clone(), rules, same.clone())).await?);
                let writer = Pools::Sqlite(Pool::new(
                    options,
                    Rules { size: 1, busy: TroubleReason::Locked, ..rules },
                    same.clone(),
                ));
                return Ok(Self::of(pool, Some(writer), same, SameFile::of(database)));
            }
            Database::MySql(options) => {
                Pools::MySql(open(Pool::new(MySqlServer::new(options), rules, same.clone())).await?)
            }
            Database::Postgres(servers) => Pools::Postgres(open(Pool::new(servers, rules, same.clone())).await?),
        };
        Ok(Self::of(pool, None, same, SameFile::of(database)))
    }

    fn of(pool: Pools, writer: Option<Pools>, same: SameDatabase, file: SameFile) -> Self {
        Self { pool, writer, has_old_tables: Arc::default(), same, file, record: Arc::new(LastTrouble::default()) }
    }

    /// The contents of a database, over a separate connection that writes nothing. A file that does not exist counts as
    /// empty, and is not created.
    ///
    /// # Errors
    /// If it cannot be reached at the first attempt, or is neither empty nor ours.
    pub async fn look_at(database: &Database) -> Result<Contents, StoreError> {
        let Some(store) = Self::open_to_read(database) else { return Ok(Contents::Empty) };
        let contents = store.contents().await;
        store.close().await;
        contents
    }

    /// A store with a single connection, for reading. `None` if the database is a file that does not exist, which is
    /// not created.
    pub fn open_to_read(database: &Database) -> Option<Self> {
        let rules =
            Rules { size: 1, wait: LOOK, idle: None, lifetime: None, is_patient: false, busy: TroubleReason::Busy };
        let same = SameDatabase::default;
        let pool = match quiet(database) {
            Database::Sqlite(_) => match database.file().as_deref().and_then(read_only) {
                Some(options) => Pools::Sqlite(Pool::new(Box::new(options.disable_statement_logging()), rules, same())),
                None => return None,
            },
            Database::MySql(options) => Pools::MySql(Pool::new(MySqlServer::new(options), rules, same())),
            Database::Postgres(servers) => Pools::Postgres(Pool::new(servers, rules, same())),
        };
        Some(Self::of(pool, None, same(), SameFile::default()))
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
        match (&self.pool, quiet(database)) {
            (Pools::Sqlite(pool), Database::Sqlite(options)) => {
                let options = Box::new(options.create_if_missing(false));
                if let Some(Pools::Sqlite(writer)) = &self.writer {
                    writer.set_target(options.clone());
                }
                pool.set_target(options);
            }
            (Pools::MySql(pool), Database::MySql(options)) => pool.set_target(MySqlServer::new(options)),
            (Pools::Postgres(pool), Database::Postgres(servers)) => pool.set_target(servers),
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

/// The same database, without a log of each statement.
fn quiet(database: &Database) -> Database {
    match database {
        Database::Sqlite(options) => Database::Sqlite(Box::new(options.as_ref().clone().disable_statement_logging())),
        Database::MySql(options) => Database::MySql(Box::new(options.as_ref().clone().disable_statement_logging())),
        Database::Postgres(servers) => Database::Postgres(Arc::new(servers.quiet())),
    }
}

/// Waits for the first connection, which is kept: with TLS, it takes most of the start. The database may be starting at
/// the same time.
async fn open<D: Driver>(pool: Pool<D>) -> Result<Pool<D>, StoreError> {
    let started = Instant::now();
    loop {
        let error = match pool.acquire().await {
            Ok(_) => return Ok(pool),
            Err(error) => StoreError::from(error),
        };
        if !is_temporary(&error) || started.elapsed() + PAUSE > WAIT {
            return Err(error);
        }
        tracing::warn!(error = crate::logging::chain(&error), "the database does not answer yet");
        sleep(PAUSE).await;
    }
}

fn is_temporary(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(cause) => cause.is_temporary(),
        error => error.is_transient(),
    }
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
