//! The identity of the database: random, written once, and kept by dumps, standbys and restores. It distinguishes a new
//! address of the same data from another database.

use sea_query::{Expr, ExprTrait as _, Iden, Query};
use sqlx::FromRow;

use super::{Store, StoreError, Tx};

#[derive(Iden, Clone, Copy)]
pub(super) enum ScAuthIdentity {
    Table,
    Id,
    Identity,
    AcceptedAs,
    BootstrapId,
}

pub(super) const TABLE: &str = "sc_auth_identity";

/// A database's identity, and related data.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Identity {
    #[sqlx(rename = "identity")]
    pub id: String,
    /// The name that it was accepted under while it was empty, or had only the legacy service's tables.
    pub accepted_as: Option<String>,
    /// The `id` of the Secret that its first Admin was created from.
    pub bootstrap_id: Option<String>,
}

/// The identity for a database that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIdentity {
    pub identity: String,
    pub accepted_as: Option<String>,
}

/// The kind of data in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// No tables, or no file.
    Empty,
    /// Only tables of the legacy service.
    OldService,
    Ours {
        /// The version of the schema; `None` if the first migration was interrupted.
        schema: Option<i32>,
        /// `None` in a database of release 0.2 or earlier.
        identity: Option<Identity>,
    },
}

impl Store {
    /// The contents of the database; changes nothing.
    ///
    /// # Errors
    /// Like [`Store::migrate`].
    pub async fn contents(&self) -> Result<Contents, StoreError> {
        Ok(self.plan().await?.contents())
    }

    /// The identity that is currently in the database.
    pub async fn identity(&self) -> Result<Option<Identity>, StoreError> {
        self.fetch_optional(&select()).await
    }
}

fn select() -> sea_query::SelectStatement {
    Query::select()
        .columns([ScAuthIdentity::Identity, ScAuthIdentity::AcceptedAs, ScAuthIdentity::BootstrapId])
        .from(ScAuthIdentity::Table)
        .and_where(Expr::col(ScAuthIdentity::Id).eq(1))
        .to_owned()
}

pub(super) async fn read(tx: &mut Tx) -> Result<Option<Identity>, StoreError> {
    tx.fetch_optional(&select()).await
}

/// Call this with the migration's lock held, so that replicas that start together agree.
pub(super) async fn write(tx: &mut Tx, new: &NewIdentity) -> Result<(), StoreError> {
    let insert = Query::insert()
        .into_table(ScAuthIdentity::Table)
        .columns([ScAuthIdentity::Id, ScAuthIdentity::Identity, ScAuthIdentity::AcceptedAs])
        .values_panic([1.into(), new.identity.as_str().into(), new.accepted_as.clone().into()])
        .to_owned();
    tx.execute(&insert).await?;
    tracing::info!(identity = new.identity, accepted_as = new.accepted_as, "assigned an identity to the database");
    Ok(())
}

/// Locks the row until the transaction ends. It writes the row: a lock alone would let a transaction with one snapshot,
/// which a database may default to, go on without seeing what its predecessor wrote.
pub(super) async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    let update = Query::update()
        .table(ScAuthIdentity::Table)
        .value(ScAuthIdentity::Identity, Expr::col(ScAuthIdentity::Identity))
        .and_where(Expr::col(ScAuthIdentity::Id).eq(1))
        .to_owned();
    tx.execute_prepared(&update).await.map(|_| ())
}

/// Records the Secret that the first Admin was created from.
pub(super) async fn set_bootstrap(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let update = Query::update()
        .table(ScAuthIdentity::Table)
        .value(ScAuthIdentity::BootstrapId, id)
        .and_where(Expr::col(ScAuthIdentity::Id).eq(1))
        .to_owned();
    tx.execute(&update).await.map(|_| ())
}
