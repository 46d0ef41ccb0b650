//! The ScAuths whose servers use this database: distinguishes two ScAuths on one database from two replicas of one.

use std::time::Duration;

use sc_auth_contract::deployment::ScAuthRecord;
use sc_auth_contract::status::Other;
use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Order, Query};

use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
pub(super) enum ScAuthHeartbeats {
    Table,
    Id,
    Scauth,
    Uid,
    CreatedAt,
    LastSeenAt,
}

/// How long the pods of a deleted ScAuth may still run: until they are garbage-collected and have stopped.
const PREDECESSOR: Duration = Duration::from_mins(2);

impl Store {
    /// Records that a server of `scauth` uses this database.
    pub async fn beat(&self, scauth: &ScAuthRecord, now: UnixTime) -> Result<(), StoreError> {
        let update = Query::update()
            .table(ScAuthHeartbeats::Table)
            .value(ScAuthHeartbeats::Scauth, scauth.name.as_str())
            .value(ScAuthHeartbeats::Uid, scauth.uid.as_str())
            .value(ScAuthHeartbeats::CreatedAt, scauth.created.seconds())
            .value(ScAuthHeartbeats::LastSeenAt, now.seconds())
            .and_where(Expr::col(ScAuthHeartbeats::Id).eq(scauth.instance.as_str()))
            .to_owned();
        if self.execute(&update).await? > 0 {
            return Ok(());
        }
        let insert = Query::insert()
            .into_table(ScAuthHeartbeats::Table)
            .columns([
                ScAuthHeartbeats::Id,
                ScAuthHeartbeats::Scauth,
                ScAuthHeartbeats::Uid,
                ScAuthHeartbeats::CreatedAt,
                ScAuthHeartbeats::LastSeenAt,
            ])
            .values_panic([
                scauth.instance.as_str().into(),
                scauth.name.as_str().into(),
                scauth.uid.as_str().into(),
                scauth.created.seconds().into(),
                now.seconds().into(),
            ])
            // Another replica was faster.
            .on_conflict(OnConflict::column(ScAuthHeartbeats::Id).do_nothing_on([ScAuthHeartbeats::Id]).to_owned())
            .to_owned();
        self.execute(&insert).await.map(|_| ())
    }

    /// Other ScAuths with heartbeats here after `since`: those with another Secret and another object. Recreating its
    /// Secret does not make a ScAuth another one. A ScAuth that was deleted before this one was created, such as its
    /// predecessor of the same name, is ignored, because its heartbeats ended about then.
    pub async fn others(&self, scauth: &ScAuthRecord, since: UnixTime) -> Result<Vec<Other>, StoreError> {
        let since = Ord::max(since, scauth.created + PREDECESSOR);
        let select = Query::select()
            .columns([ScAuthHeartbeats::Scauth, ScAuthHeartbeats::Uid, ScAuthHeartbeats::CreatedAt])
            .from(ScAuthHeartbeats::Table)
            .and_where(Expr::col(ScAuthHeartbeats::Id).ne(scauth.instance.as_str()))
            .and_where(Expr::col(ScAuthHeartbeats::Uid).ne(scauth.uid.as_str()))
            .and_where(Expr::col(ScAuthHeartbeats::LastSeenAt).gt(since.seconds()))
            .order_by(ScAuthHeartbeats::CreatedAt, Order::Asc)
            .order_by(ScAuthHeartbeats::Uid, Order::Asc)
            .to_owned();
        let rows: Vec<(String, String, i64)> = self.fetch_all(&select).await?;
        let other = |(name, uid, created): (String, String, i64)| Other { name, uid, created: created.into() };
        let mut others: Vec<_> = rows.into_iter().map(other).collect();
        others.dedup_by(|a, b| a.uid == b.uid);
        Ok(others)
    }
}
