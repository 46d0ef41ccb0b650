//! Networks that a user has logged in from, stored under a keyed hash of the user's name and the network.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Order, Query};

use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
pub(super) enum KnownNetworks {
    Table,
    Id,
    UserId,
    LastLoginAt,
}

/// The most networks to remember per user; the least recently used are deleted first.
const MAX_PER_USER: u64 = 16;

impl Store {
    /// The last login from the network; `None` without a login.
    pub async fn known_network(&self, id: &str) -> Result<Option<UnixTime>, StoreError> {
        let select = Query::select()
            .column(KnownNetworks::LastLoginAt)
            .from(KnownNetworks::Table)
            .and_where(Expr::col(KnownNetworks::Id).eq(id))
            .to_owned();
        Ok(self.fetch_optional::<(i64,)>(&select).await?.map(|(at,)| at.into()))
    }

    /// Remembers a network that the user has just logged in from.
    pub async fn remember_network(&self, id: &str, user_id: i32, now: UnixTime) -> Result<(), StoreError> {
        let update = Query::update()
            .table(KnownNetworks::Table)
            .value(KnownNetworks::LastLoginAt, now.seconds())
            .and_where(Expr::col(KnownNetworks::Id).eq(id))
            .to_owned();
        if self.execute(&update).await? > 0 {
            return Ok(());
        }
        let insert = Query::insert()
            .into_table(KnownNetworks::Table)
            .columns([KnownNetworks::Id, KnownNetworks::UserId, KnownNetworks::LastLoginAt])
            .values_panic([id.into(), user_id.into(), now.seconds().into()])
            .on_conflict(OnConflict::column(KnownNetworks::Id).do_nothing_on([KnownNetworks::Id]).to_owned())
            .to_owned();
        self.execute(&insert).await?;
        self.trim_networks(user_id, id).await
    }

    /// The network of the present login stays: others may have been used within the same second.
    async fn trim_networks(&self, user_id: i32, present: &str) -> Result<(), StoreError> {
        let select = Query::select()
            .column(KnownNetworks::Id)
            .from(KnownNetworks::Table)
            .and_where(Expr::col(KnownNetworks::UserId).eq(user_id))
            .and_where(Expr::col(KnownNetworks::Id).ne(present))
            .order_by(KnownNetworks::LastLoginAt, Order::Desc)
            .order_by(KnownNetworks::Id, Order::Asc)
            .offset(MAX_PER_USER - 1)
            .limit(100)
            .to_owned();
        let ids: Vec<(String,)> = self.fetch_all(&select).await?;
        let ids = ids.into_iter().map(|(id,)| id).collect();
        self.delete_all(KnownNetworks::Table, KnownNetworks::Id, ids).await.map(|_| ())
    }
}
