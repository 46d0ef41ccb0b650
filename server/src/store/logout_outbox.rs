//! The outbox of logout tokens: what is still to be sent to applications.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Func, Order, Query, SelectStatement, UpdateStatement};
use sqlx::FromRow;

use super::schema::LogoutOutbox;
use super::{Store, StoreError};

/// The most rows to change in one statement.
const BATCH: u64 = 500;

/// A logout to send to an application.
#[derive(Debug, Clone, FromRow)]
pub struct PendingLogout {
    id: i64,
    sid: String,
    pub sub: String,
    /// The key of the declaration.
    pub client: String,
    #[sqlx(try_from = "i64")]
    pub created_at: UnixTime,
    /// Once it is claimed, the end of the lease.
    #[sqlx(try_from = "i64")]
    due_at: UnixTime,
    /// With the present one, once it is claimed.
    pub attempts: i32,
}

impl PendingLogout {
    /// The session that has ended; `None` stands for all sessions of the user.
    pub fn sid(&self) -> Option<&str> {
        Some(self.sid.as_str()).filter(|sid| !sid.is_empty())
    }
}

impl Store {
    /// What is due, except for some clients; the longest due first.
    pub async fn due_logouts(
        &self,
        now: UnixTime,
        except: &[String],
        most: u64,
    ) -> Result<Vec<PendingLogout>, StoreError> {
        let mut select = due(now);
        if !except.is_empty() {
            select.and_where(Expr::col(LogoutOutbox::Client).is_not_in(except));
        }
        self.fetch_varying(&select.limit(most).to_owned()).await
    }

    /// Claims a row until then, for one attempt. Returns `None` if another replica was faster.
    pub async fn claim_logout(
        &self,
        logout: PendingLogout,
        until: UnixTime,
    ) -> Result<Option<PendingLogout>, StoreError> {
        let attempts = logout.attempts.saturating_add(1);
        let claim = Query::update()
            .table(LogoutOutbox::Table)
            .value(LogoutOutbox::DueAt, until.seconds())
            .value(LogoutOutbox::Attempts, attempts)
            .and_where(Expr::col(LogoutOutbox::Id).eq(logout.id))
            .and_where(Expr::col(LogoutOutbox::DueAt).eq(logout.due_at.seconds()))
            .and_where(Expr::col(LogoutOutbox::Attempts).eq(logout.attempts))
            .to_owned();
        let is_claimed = self.execute(&claim).await? == 1;
        Ok(is_claimed.then_some(PendingLogout { due_at: until, attempts, ..logout }))
    }

    /// Removes what was sent, or will never be.
    pub async fn remove_logout(&self, logout: &PendingLogout) -> Result<(), StoreError> {
        let delete = Query::delete()
            .from_table(LogoutOutbox::Table)
            .and_where(Expr::col(LogoutOutbox::Id).eq(logout.id))
            .to_owned();
        self.execute(&delete).await.map(|_| ())
    }

    /// After a failure: sends a claimed row not before `until`, unless another replica has claimed it meanwhile.
    pub async fn postpone_logout(&self, logout: &PendingLogout, until: UnixTime) -> Result<(), StoreError> {
        let postponement = postponement(until, logout.attempts)
            .and_where(Expr::col(LogoutOutbox::Id).eq(logout.id))
            .and_where(Expr::col(LogoutOutbox::DueAt).eq(logout.due_at.seconds()))
            .and_where(Expr::col(LogoutOutbox::Attempts).eq(logout.attempts))
            .to_owned();
        self.execute(&postponement).await.map(|_| ())
    }

    /// Sends what is due of the client of a claimed row not before `until`, so that a receiver that is down does not keep those
    /// of other clients waiting.
    pub async fn postpone_others(
        &self,
        logout: &PendingLogout,
        now: UnixTime,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        let is_due = Expr::col(LogoutOutbox::DueAt).lte(now.seconds());
        let select = Query::select()
            .column(LogoutOutbox::Id)
            .from(LogoutOutbox::Table)
            .and_where(Expr::col(LogoutOutbox::Client).eq(logout.client.as_str()))
            .and_where(is_due.clone())
            .limit(BATCH)
            .to_owned();
        let postponement = postponement(until, Expr::col(LogoutOutbox::Attempts));
        loop {
            let ids: Vec<(i64,)> = self.fetch_all(&select).await?;
            let is_last = (ids.len() as u64) < BATCH;
            if !ids.is_empty() {
                let is_other = Expr::col(LogoutOutbox::Id).is_in(ids.into_iter().map(|(id,)| id));
                self.execute_varying(postponement.clone().and_where(is_other).and_where(is_due.clone())).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The number of logouts that wait.
    pub async fn count_logouts(&self) -> Result<i64, StoreError> {
        let select =
            Query::select().expr(Func::count(Expr::col(LogoutOutbox::Id))).from(LogoutOutbox::Table).to_owned();
        Ok(self.fetch_optional::<(i64,)>(&select).await?.map_or(0, |(count,)| count))
    }

    /// Deletes what was not sent since `before`. Returns how many rows.
    pub async fn delete_logouts_before(&self, before: UnixTime) -> Result<u64, StoreError> {
        self.sweep::<i64>(LogoutOutbox::Table, LogoutOutbox::Id, LogoutOutbox::CreatedAt, before).await
    }
}

/// Of the rows of one time, those with the fewest attempts come first: one that always fails must not keep the others waiting.
fn postponement(until: UnixTime, attempts: impl Into<Expr>) -> UpdateStatement {
    let due_at = Expr::val(until.seconds()).add(attempts);
    Query::update().table(LogoutOutbox::Table).value(LogoutOutbox::DueAt, due_at).to_owned()
}

fn due(now: UnixTime) -> SelectStatement {
    Query::select()
        .columns([
            LogoutOutbox::Id,
            LogoutOutbox::Sid,
            LogoutOutbox::Sub,
            LogoutOutbox::Client,
            LogoutOutbox::CreatedAt,
            LogoutOutbox::DueAt,
            LogoutOutbox::Attempts,
        ])
        .from(LogoutOutbox::Table)
        .and_where(Expr::col(LogoutOutbox::DueAt).lte(now.seconds()))
        .order_by(LogoutOutbox::DueAt, Order::Asc)
        .order_by(LogoutOutbox::Id, Order::Asc)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;
    use crate::store::testing::with_logouts;

    const NOW: UnixTime = UnixTime::from_seconds(1_000);

    #[tokio::test]
    async fn a_failure_postpones_what_is_due_of_the_client_and_no_claim_of_another_replica() {
        let mut rows: Vec<_> = (10..10 + 2 * i64::try_from(BATCH).unwrap()).map(|id| (id, "u", "c", 1_000)).collect();
        rows.extend([(1, "u", "c", 900), (2, "u", "other", 1_000), (3, "u", "c", 1_001)]);
        let (_folder, mut connection, store) = with_logouts(&rows).await;
        let logout = store.due_logouts(NOW, &[], 1).await.unwrap().remove(0);
        let lease = UnixTime::from_seconds(1_060);
        assert!(store.claim_logout(logout.clone(), lease).await.unwrap().is_some_and(|claimed| claimed.attempts == 1));
        assert!(store.claim_logout(logout.clone(), lease).await.unwrap().is_none(), "claimed before");
        sqlx::raw_sql("UPDATE logout_outbox SET attempts = 7 WHERE id = 10").execute(&mut connection).await.unwrap();
        let claimed = PendingLogout { due_at: lease, attempts: 1, ..logout };
        store.postpone_others(&claimed, NOW, UnixTime::from_seconds(1_050)).await.unwrap();
        let sql = "SELECT id, due_at FROM logout_outbox ORDER BY id";
        let times: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
        assert_eq!(times[..4], [(1, 1_060), (2, 1_000), (3, 1_001), (10, 1_057)], "the one that often failed is later");
        assert!(times[4..].iter().all(|(_, due_at)| *due_at == 1_050), "{times:?}");
        store.postpone_logout(&claimed, UnixTime::from_seconds(1_100)).await.unwrap();
        let first: (i64, i64) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
        assert_eq!(first, (1, 1_101));
        // This replica was paused, and another one has claimed the row meanwhile.
        sqlx::raw_sql("UPDATE logout_outbox SET due_at = 2000 WHERE id = 1").execute(&mut connection).await.unwrap();
        store.postpone_logout(&claimed, UnixTime::from_seconds(1_200)).await.unwrap();
        let first: (i64, i64) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
        assert_eq!(first, (1, 2_000));
        connection.close().await.unwrap();
        store.close().await;
    }
}
