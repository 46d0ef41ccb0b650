//! The key of the failed-login counters, sealed under each refresh key.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query};
use sqlx::FromRow;

use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
enum CounterKeys {
    Table,
    Id,
    Sealed,
    BornAt,
    SealedAt,
}

/// One sealed copy.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SealedKey {
    /// The refresh key that opens it.
    #[sqlx(rename = "id")]
    pub kid: String,
    pub sealed: String,
    /// When the key was generated: if replicas have generated several, the oldest is used.
    #[sqlx(try_from = "i64")]
    pub born_at: UnixTime,
    #[sqlx(try_from = "i64")]
    pub sealed_at: UnixTime,
}

impl Store {
    pub async fn sealed_keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        let select = Query::select()
            .columns([CounterKeys::Id, CounterKeys::Sealed, CounterKeys::BornAt, CounterKeys::SealedAt])
            .from(CounterKeys::Table)
            .to_owned();
        self.fetch_all(&select).await
    }

    /// Stores a copy, unless the refresh key already has one.
    pub async fn add_sealed_key(&self, key: &SealedKey) -> Result<(), StoreError> {
        let insert = Query::insert()
            .into_table(CounterKeys::Table)
            .columns([CounterKeys::Id, CounterKeys::Sealed, CounterKeys::BornAt, CounterKeys::SealedAt])
            .values_panic([
                key.kid.as_str().into(),
                key.sealed.as_str().into(),
                key.born_at.seconds().into(),
                key.sealed_at.seconds().into(),
            ])
            .on_conflict(OnConflict::column(CounterKeys::Id).do_nothing_on([CounterKeys::Id]).to_owned())
            .to_owned();
        self.execute(&insert).await.map(|_| ())
    }

    /// Deletes this copy, unless it was replaced meanwhile.
    pub async fn delete_sealed_key(&self, key: &SealedKey) -> Result<(), StoreError> {
        let delete = Query::delete()
            .from_table(CounterKeys::Table)
            .and_where(Expr::col(CounterKeys::Id).eq(key.kid.as_str()))
            .and_where(Expr::col(CounterKeys::Sealed).eq(key.sealed.as_str()))
            .to_owned();
        self.execute(&delete).await.map(|_| ())
    }
}
