//! Which database this is: a random identity, written once, that dumps, standbys and restores keep. It tells a new
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

/// A database's identity, and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Identity {
    #[sqlx(rename = "identity")]
    pub id: String,
    /// The name that it was accepted under while it was empty, or only the old service's.
    pub accepted_as: Option<String>,
    /// The `id` of the Secret that its first Admin was made with.
    pub bootstrap_id: Option<String>,
}

/// What a database without an identity gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIdentity {
    pub identity: String,
    pub accepted_as: Option<String>,
}

/// Whose a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// No tables, or no database at all.
    Empty,
    /// Only those of the service before this one.
    OldService,
    Ours {
        /// The version of the schema; `None` where the first migration was cut short.
        schema: Option<i32>,
        /// `None` in a database of release 0.2 or earlier.
        identity: Option<Identity>,
    },
}

impl Store {
    /// What is in the database; changes nothing.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn contents(&self) -> Result<Contents, StoreError> {
        Ok(self.plan().await?.contents())
    }

    /// The database's identity, as it stands there now.
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

/// The migration's lock is held: replicas that start together agree.
pub(super) async fn write(tx: &mut Tx, new: &NewIdentity) -> Result<(), StoreError> {
    let insert = Query::insert()
        .into_table(ScAuthIdentity::Table)
        .columns([ScAuthIdentity::Id, ScAuthIdentity::Identity, ScAuthIdentity::AcceptedAs])
        .values_panic([1.into(), new.identity.as_str().into(), new.accepted_as.clone().into()])
        .to_owned();
    tx.execute(&insert).await?;
    tracing::info!(identity = new.identity, accepted_as = new.accepted_as, "the database has an identity now");
    Ok(())
}

/// Notes which Secret the first Admin was made with.
pub(super) async fn set_bootstrap(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let update = Query::update()
        .table(ScAuthIdentity::Table)
        .value(ScAuthIdentity::BootstrapId, id)
        .and_where(Expr::col(ScAuthIdentity::Id).eq(1))
        .to_owned();
    tx.execute(&update).await.map(|_| ())
}
