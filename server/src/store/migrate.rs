//! The schema, brought to this version under a lock that dies with its connection, so that replicas may all try.
//!
//! What is missing is found by looking, not by remembering: an empty database, one of an earlier version, one of the
//! service that this one succeeds, and one whose migration was cut short are all brought to the same form. SQLite and
//! PostgreSQL do it in one transaction; on MySQL each statement stands for itself and the next attempt goes on.

mod charset;
mod data;
mod inspect;
mod plan;
mod render;

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use backon::{ConstantBuilder, Retryable as _};

pub use inspect::Origin;

use super::identity::{Contents, Identity, NewIdentity};
use super::schema::{OLDEST_SERVER, OLDEST_VERSION, VERSION, VERSIONS};
use super::{Engine, Store, StoreError, Tx, identity};
use inspect::Found;

/// How long another one's migration is waited for, in seconds.
const LOCK_TIMEOUT: u32 = 600;

/// What a migration would do.
#[derive(Debug)]
pub struct Plan {
    pub origin: Origin,
    /// The version of the schema that is there.
    pub from: Option<i32>,
    /// Which database it is; `None` for one of release 0.2 or earlier, too.
    pub identity: Option<Identity>,
    pub statements: Vec<String>,
}

impl Plan {
    /// Whether the schema is at this version, or beyond it.
    pub fn is_done(&self) -> bool {
        let is_complete = self.statements.is_empty() && self.identity.is_some();
        self.from.is_some_and(|from| from > VERSION || (from == VERSION && is_complete))
    }

    /// Whose the database is.
    pub fn contents(&self) -> Contents {
        match self.origin {
            Origin::Empty => Contents::Empty,
            Origin::OldService | Origin::Unknown => Contents::OldService,
            Origin::Ours => Contents::Ours { schema: self.from, identity: self.identity.clone() },
        }
    }
}

impl Store {
    /// Brings the schema to this version, and writes `identity` where the database has none. A schema that is newer
    /// already is left as it is.
    ///
    /// # Errors
    /// [`StoreError::ForeignTables`] where the tables are somebody else's, [`StoreError::Narrow`] where a column
    /// has to be changed by hand, [`StoreError::SchemaTooNew`] where a newer server has brought the schema to where this
    /// one may not work on it.
    pub async fn migrate(&self, identity: &NewIdentity) -> Result<(), StoreError> {
        let plan = self.plan().await?;
        if plan.is_done() && !self.has_old_tables() {
            return Ok(());
        }
        let migrate = || async { self.migrate_once(identity).await };
        let every_second =
            ConstantBuilder::default().with_delay(Duration::from_secs(1)).with_max_times(LOCK_TIMEOUT as usize);
        migrate.retry(every_second).when(StoreError::is_transient).await
    }

    /// What [`Self::migrate`] would do; changes nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn plan(&self) -> Result<Plan, StoreError> {
        let mut tx = self.begin_read().await?;
        let (plan, found) = look(&mut tx).await?;
        tx.commit().await?;
        self.has_old_tables.store(found.has_old_tables(), Ordering::Relaxed);
        Ok(plan)
    }

    async fn migrate_once(&self, identity: &NewIdentity) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        lock(&mut tx).await?;
        let result = bring_up(&mut tx, identity).await;
        // A connection goes back into the pool, with the lock if it is not given back.
        unlock(&mut tx).await?;
        result?;
        tx.commit().await
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

/// The version that the database says it has.
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

async fn bring_up(tx: &mut Tx, identity: &NewIdentity) -> Result<(), StoreError> {
    let (plan, found) = look(tx).await?;
    if plan.from.is_some_and(|from| from > VERSION) {
        return Ok(());
    }
    for statement in &plan.statements {
        tracing::info!(statement, "migrating");
        tx.raw(statement).await?;
    }
    // Before the rest, which on MySQL commits it while the lock is held: another replica's insert would fail.
    if plan.identity.is_none() {
        identity::write(tx, identity).await?;
    }
    data::complete(tx).await?;
    if plan.from != Some(VERSION) {
        // Last, so that a migration that is cut short is not taken for done.
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

/// MySQL's locks are the server's and not the database's, and their names have at most 64 characters. The digest is the
/// one that releases before 0.3 asked the database for, so that they and we wait for each other; MySQL 9.6 and later have
/// no function SHA1 without a component.
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
