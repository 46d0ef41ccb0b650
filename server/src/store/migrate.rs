//! Migrates the schema to this version, under a lock that ends with its connection, so that all replicas may try.
//!
//! The migration inspects the database and adds what is missing. So an empty database, one of an earlier version, one
//! of the legacy service and one whose migration was interrupted all reach the same schema. SQLite and PostgreSQL
//! migrate in one transaction; MySQL commits each statement, and the next attempt continues.

mod charset;
mod data;
mod inspect;
mod plan;
mod render;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use backon::{ConstantBuilder, Retryable as _};
use tokio_util::sync::CancellationToken;

pub use inspect::Origin;

use super::identity::{Contents, Identity, NewIdentity};
use super::schema::{OLDEST_SERVER, OLDEST_VERSION, VERSION, VERSIONS};
use super::{Engine, Store, StoreError, Tx, identity};
use inspect::Found;

/// How long to wait for another server's migration, in seconds.
const LOCK_TIMEOUT: u32 = 600;
/// How long it waits before it says so.
const NOTICE: Duration = Duration::from_secs(1);

/// What a migration would do.
#[derive(Debug)]
pub struct Plan {
    pub origin: Origin,
    /// The present version of the schema.
    pub from: Option<i32>,
    /// The database's identity; `None` also in a database of release 0.2 or earlier.
    pub identity: Option<Identity>,
    pub statements: Vec<String>,
}

impl Plan {
    /// Whether the schema has this version or a later one.
    pub fn is_done(&self) -> bool {
        let is_complete = self.statements.is_empty() && self.identity.is_some();
        self.from.is_some_and(|from| from > VERSION || (from == VERSION && is_complete))
    }

    /// The kind of data in the database.
    pub fn contents(&self) -> Contents {
        match self.origin {
            Origin::Empty => Contents::Empty,
            Origin::OldService | Origin::Unknown => Contents::OldService,
            Origin::Ours => Contents::Ours { schema: self.from, identity: self.identity.clone() },
        }
    }
}

impl Store {
    /// Migrates the schema to this version, and writes `identity` if the database has none. A newer schema stays
    /// unchanged.
    ///
    /// # Errors
    /// [`StoreError::ForeignTables`] if the tables belong to another service, [`StoreError::Narrow`] if a column has to
    /// be changed manually, [`StoreError::SchemaTooNew`] if a newer server has migrated the schema beyond what this one
    /// supports, [`StoreError::Stopped`] if `stop` was cancelled before it began: once begun, it finishes.
    pub async fn migrate(&self, identity: &NewIdentity, stop: &CancellationToken) -> Result<(), StoreError> {
        let plan = self.plan().await?;
        self.warn_of_encoding().await?;
        if plan.is_done() && !self.has_old_tables() {
            return Ok(());
        }
        let migrate = || Box::pin(self.migrate_once(identity, stop));
        let every_second =
            ConstantBuilder::default().with_delay(Duration::from_secs(1)).with_max_times(LOCK_TIMEOUT as usize);
        migrate.retry(every_second).when(StoreError::is_transient).await
    }

    /// What [`Self::migrate`] would do; changes nothing.
    ///
    /// # Errors
    /// Like [`Self::migrate`].
    pub async fn plan(&self) -> Result<Plan, StoreError> {
        let mut tx = self.begin_read().await?;
        let (plan, found) = look(&mut tx).await?;
        tx.commit().await?;
        self.has_old_tables.store(found.has_old_tables(), Ordering::Relaxed);
        Ok(plan)
    }

    async fn warn_of_encoding(&self) -> Result<(), StoreError> {
        if self.engine() != Engine::Postgres {
            return Ok(());
        }
        let mut tx = self.begin_read().await?;
        if let Some(encoding) = other_encoding(&mut tx).await? {
            tracing::warn!(encoding, "the database cannot store every character; move the data to one with UTF8");
        }
        tx.commit().await
    }

    async fn migrate_once(&self, identity: &NewIdentity, stop: &CancellationToken) -> Result<(), StoreError> {
        let locked = async {
            let mut tx = self.begin().await?;
            lock(&mut tx).await?;
            Ok(tx)
        };
        // Nothing has changed yet, so it may be dropped.
        let mut tx = unless(stop, Box::pin(locked)).await.unwrap_or(Err(StoreError::Stopped))?;
        let result = run(&mut tx, identity).await;
        // Always unlock: the connection returns to the pool, where it would keep the lock.
        unlock(&mut tx).await?;
        result?;
        tx.commit().await
    }
}

/// Waits for the right to migrate; `None` if `stop` is cancelled first.
async fn unless<T>(stop: &CancellationToken, locked: impl Future<Output = T>) -> Option<T> {
    let mut locked = pin!(locked);
    tokio::select! {
        locked = &mut locked => return Some(locked),
        () = stop.cancelled() => return None,
        () = tokio::time::sleep(NOTICE) => tracing::info!("waiting until another process has migrated the database"),
    }
    tokio::select! {
        locked = locked => Some(locked),
        () = stop.cancelled() => None,
    }
}

async fn look(tx: &mut Tx) -> Result<(Plan, Found), StoreError> {
    let found = Found::inspect(tx).await?;
    let origin = found.origin();
    if origin == Origin::Unknown {
        let tables = found.tables.keys().take(5).cloned().collect::<Vec<_>>().join(", ");
        return Err(StoreError::ForeignTables(tables));
    }
    let from = version(tx, &found).await?;
    let identity = if found.has_table(identity::TABLE) { identity::read(tx).await? } else { None };
    let mut statements = charset::statements(tx).await?;
    statements.extend(plan::statements(tx.engine(), &found));
    if !statements.is_empty() {
        statements.splice(..0, charset::row_format(tx).await?);
    }
    Ok((Plan { origin, from, identity, statements }, found))
}

/// The recorded version of the schema.
async fn version(tx: &mut Tx, found: &Found) -> Result<Option<i32>, StoreError> {
    if !found.has_table(VERSIONS.name) {
        return Ok(None);
    }
    let rows: Vec<(i32, i32, String)> =
        tx.raw_rows("SELECT version, oldest_version, oldest_server FROM sc_auth_schema WHERE id = 1").await?;
    let Some((version, oldest_version, oldest_server)) = rows.into_iter().next() else { return Ok(None) };
    if oldest_version > VERSION {
        return Err(StoreError::SchemaTooNew(oldest_server));
    }
    Ok(Some(version))
}

async fn run(tx: &mut Tx, identity: &NewIdentity) -> Result<(), StoreError> {
    let (plan, found) = look(tx).await?;
    if plan.from.is_some_and(|from| from > VERSION) {
        return Ok(());
    }
    check_encoding(tx, plan.origin).await?;
    let count = plan.statements.len();
    for (done, statement) in plan.statements.iter().enumerate() {
        tracing::info!(step = done + 1, of = count, "migrating");
        tracing::debug!(statement, "migrating");
        tx.raw(statement).await?;
    }
    // Before the other rows: on MySQL those commit it while the lock is held, so that no other replica inserts one too.
    if plan.identity.is_none() {
        identity::write(tx, identity).await?;
    }
    data::complete(tx).await?;
    if plan.from != Some(VERSION) {
        data::fill_folds(tx).await?;
        // Last, so that an interrupted migration does not look complete.
        tx.raw("DELETE FROM sc_auth_schema").await?;
        let insert = format!(
            "INSERT INTO sc_auth_schema (id, version, oldest_version, oldest_server) \
             VALUES (1, {VERSION}, {OLDEST_VERSION}, '{OLDEST_SERVER}')"
        );
        tx.raw(&insert).await?;
        tracing::info!(origin = ?plan.origin, version = VERSION, taken_over = found.has_old_tables(), "migrated");
    }
    Ok(())
}

/// A PostgreSQL database with another encoding than UTF8 cannot store most characters. An existing one stays in use: it
/// answers 422 to a text that it cannot store.
async fn check_encoding(tx: &mut Tx, origin: Origin) -> Result<(), StoreError> {
    if tx.engine() != Engine::Postgres {
        return Ok(());
    }
    match other_encoding(tx).await? {
        Some(encoding) if origin == Origin::Empty => Err(StoreError::Encoding(encoding)),
        _ => Ok(()),
    }
}

/// The encoding, unless it is UTF8.
pub(super) async fn other_encoding(tx: &mut Tx) -> Result<Option<String>, StoreError> {
    let rows: Vec<(String,)> = tx.raw_rows("SELECT current_setting('server_encoding')").await?;
    Ok(rows.into_iter().map(|(encoding,)| encoding).find(|encoding| encoding != "UTF8"))
}

/// MySQL's locks belong to the server, not to a database, and their names have at most 64 characters. The digest is the
/// same that releases before 0.3 computed in the database, so that old and new servers wait for each other. MySQL 9.6
/// and later have no SHA1 function without a component.
async fn mysql_lock(tx: &mut Tx) -> Result<String, StoreError> {
    let database: Vec<(Option<String>,)> = tx.raw_rows("SELECT DATABASE()").await?;
    let name = database.into_iter().next().and_then(|(name,)| name).unwrap_or_default();
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, name.as_bytes());
    Ok(digest.as_ref().iter().fold(String::from("sc-auth/"), |name, byte| format!("{name}{byte:02x}")))
}

/// SQLite's transaction is itself the lock.
async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    match tx.engine() {
        Engine::Sqlite => Ok(()),
        Engine::Postgres => tx.raw("SELECT pg_advisory_xact_lock(hashtext('sc-auth/schema'))").await,
        Engine::MySql => {
            let name = mysql_lock(tx).await?;
            let rows: Vec<(Option<i64>,)> = tx.raw_rows(&format!("SELECT GET_LOCK('{name}', {LOCK_TIMEOUT})")).await?;
            if rows == [(Some(1),)] { Ok(()) } else { Err(StoreError::MigrationLock(LOCK_TIMEOUT)) }
        }
    }
}

async fn unlock(tx: &mut Tx) -> Result<(), StoreError> {
    match tx.engine() {
        Engine::Sqlite | Engine::Postgres => Ok(()),
        Engine::MySql => {
            let name = mysql_lock(tx).await?;
            tx.raw(&format!("DO RELEASE_LOCK('{name}')")).await
        }
    }
}
