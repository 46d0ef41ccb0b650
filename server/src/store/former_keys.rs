//! The keys that servers of this database no longer use: they were retired, revoked or lost. A server that starts later
//! answers their tokens like revoked ones.

use std::time::Duration;

use sc_auth_contract::keys::{Purpose, RotationRules};
use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query};

use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
pub(super) enum ScAuthFormerKeys {
    Table,
    Id,
    GoneAt,
}

/// How long a token of such a key may be in use: the longest lifetime of a refresh token.
const KEPT_FOR: Duration = RotationRules::of(Purpose::Refresh).retire_for;

impl Store {
    pub(super) async fn former_keys(&self) -> Result<Vec<String>, StoreError> {
        let select = Query::select().column(ScAuthFormerKeys::Id).from(ScAuthFormerKeys::Table).to_owned();
        let kids: Vec<(String,)> = self.fetch_all(&select).await?;
        Ok(kids.into_iter().map(|(kid,)| kid).collect())
    }

    /// Records that servers no longer use these keys.
    pub async fn add_former_keys(&self, kids: &[String], now: UnixTime) -> Result<(), StoreError> {
        for kid in kids {
            self.add_former_key(kid, now).await?;
        }
        Ok(())
    }

    async fn add_former_key(&self, kid: &str, now: UnixTime) -> Result<(), StoreError> {
        // A key that was restored from a backup may go again.
        let update = Query::update()
            .table(ScAuthFormerKeys::Table)
            .value(ScAuthFormerKeys::GoneAt, now.seconds())
            .and_where(Expr::col(ScAuthFormerKeys::Id).eq(kid))
            .to_owned();
        if self.execute(&update).await? > 0 {
            return Ok(());
        }
        let insert = Query::insert()
            .into_table(ScAuthFormerKeys::Table)
            .columns([ScAuthFormerKeys::Id, ScAuthFormerKeys::GoneAt])
            .values_panic([kid.into(), now.seconds().into()])
            // Another replica was faster.
            .on_conflict(OnConflict::column(ScAuthFormerKeys::Id).do_nothing_on([ScAuthFormerKeys::Id]).to_owned())
            .to_owned();
        self.execute(&insert).await.map(|_| ())
    }

    /// Deletes keys whose last token has expired.
    pub async fn sweep_former_keys(&self, now: UnixTime) -> Result<u64, StoreError> {
        let (table, id, at) = (ScAuthFormerKeys::Table, ScAuthFormerKeys::Id, ScAuthFormerKeys::GoneAt);
        self.sweep::<String>(table, id, at, now - KEPT_FOR).await
    }
}
