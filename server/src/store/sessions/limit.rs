//! How many sessions exist: a new one of a user may end expired and idle ones, and a sweep ends idle ones of all users.

use std::time::Duration;

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Func, Order, Query};

use crate::store::schema::Sessions;
use crate::store::session_ends::{self, EndedGrants};
use crate::store::{NewEvent, Store, StoreError, Tx};

/// The most sessions that end at once: a user of an earlier release may have many more than allowed.
const BATCH: u64 = 500;
/// The most batches of one sweep.
const BATCHES: u64 = 200;

/// How many sessions a user may have, and which may end.
#[derive(Debug, Clone)]
pub struct SessionLimit {
    pub most: u32,
    /// A session that was not used for so long has no live access token.
    pub idle_for: Duration,
    /// Records the end of idle sessions.
    pub ended: NewEvent,
}

impl SessionLimit {
    /// Ends sessions that may end, if the user could not have one more otherwise. Returns the event of that.
    ///
    /// Call this with the user's row locked.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`] if too many sessions are in use.
    pub(super) async fn enforce(
        &self,
        tx: &mut Tx,
        user_id: i32,
        now: UnixTime,
    ) -> Result<Option<NewEvent>, StoreError> {
        let excess = (count(tx, user_id).await? + 1).saturating_sub(u64::from(self.most));
        if excess == 0 {
            return Ok(None);
        }
        let oldest = oldest(tx, user_id, now, Ord::min(excess, BATCH)).await?;
        let may_end = |row: &&Row| row.expires_at <= now || row.used_at + self.idle_for <= now;
        let ends: Vec<_> = oldest.iter().filter(may_end).map(|row| row.id).collect();
        if ends.is_empty() {
            let idle_at = oldest.first().map_or(now, |row| (row.used_at + self.idle_for).min(row.expires_at));
            return Err(StoreError::NoRoom(Ord::max(idle_at - now, Duration::from_secs(1))));
        }
        let count = session_ends::end(tx, session_ends::among(ends), EndedGrants::Online, now).await?;
        let event = self.ended.about(count, "idle session");
        tx.add_audit_event(&event).await?;
        Ok(Some(event))
    }
}

impl Store {
    /// Ends sessions that were not used since `idle_since` while there are more than `most`, the oldest first: first
    /// those that were never refreshed, since an attacker who logs in again and again has no use for them. Returns how
    /// many. Each batch has an event.
    pub async fn prune_sessions(&self, most: u64, idle_since: UnixTime, event: &NewEvent) -> Result<u64, StoreError> {
        let excess = self.count_sessions_up_to(most + BATCH * BATCHES).await?.saturating_sub(most);
        let (mut ended, mut after, mut is_refreshed) = (0, 0, false);
        for _ in 0..BATCHES {
            if ended >= excess {
                break;
            }
            let ids = self.idle_sessions(idle_since, is_refreshed, after, Ord::min(excess - ended, BATCH)).await?;
            match ids.last() {
                Some(last) => {
                    after = *last;
                    ended += self.end_idle(ids, idle_since, event).await?;
                }
                None if is_refreshed => break,
                None => (after, is_refreshed) = (0, true),
            }
        }
        Ok(ended)
    }

    async fn count_sessions_up_to(&self, most: u64) -> Result<u64, StoreError> {
        let ids = Query::select().column(Sessions::Id).from(Sessions::Table).limit(most).to_owned();
        let select = Query::select().expr(Func::count(Expr::col(Sessions::Id))).from_subquery(ids, "ids").to_owned();
        let count = self.fetch_optional::<(i64,)>(&select).await?.map_or(0, |(count,)| count);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn idle_sessions(
        &self,
        idle_since: UnixTime,
        is_refreshed: bool,
        after: i64,
        limit: u64,
    ) -> Result<Vec<i64>, StoreError> {
        let last = Expr::col(Sessions::LastUsedAt);
        let first = Expr::col(Sessions::CreatedAt);
        let select = Query::select()
            .column(Sessions::Id)
            .from(Sessions::Table)
            .and_where(Expr::col(Sessions::Id).gt(after))
            .and_where(used_at().lte(idle_since.seconds()))
            .and_where(if is_refreshed { last.gt(first) } else { last.lte(first) })
            .order_by(Sessions::Id, Order::Asc)
            .limit(limit)
            .to_owned();
        let ids: Vec<(i64,)> = self.fetch_varying(&select).await?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }

    /// Ends those that were not used meanwhile either. Returns how many.
    async fn end_idle(&self, ids: Vec<i64>, idle_since: UnixTime, event: &NewEvent) -> Result<u64, StoreError> {
        self.transaction(|tx| {
            let (ids, event) = (ids.clone(), event.clone());
            Box::pin(async move {
                let idle = session_ends::among(ids).add(used_at().lte(idle_since.seconds()));
                let count = session_ends::end(tx, idle, EndedGrants::Online, event.at).await?;
                if count > 0 {
                    tx.add_audit_event(&event.about(count, "idle session")).await?;
                }
                Ok(count)
            })
        })
        .await
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    id: i64,
    #[sqlx(try_from = "i64")]
    used_at: UnixTime,
    #[sqlx(try_from = "i64")]
    expires_at: UnixTime,
}

async fn count(tx: &mut Tx, user_id: i32) -> Result<u64, StoreError> {
    let select = Query::select()
        .expr(Func::count(Expr::col(Sessions::Id)))
        .from(Sessions::Table)
        .and_where(Expr::col(Sessions::UserId).eq(user_id))
        .to_owned();
    let count = tx.fetch_optional::<(i64,)>(&select).await?.map_or(0, |(count,)| count);
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The expired sessions, and then the least recently used ones.
async fn oldest(tx: &mut Tx, user_id: i32, now: UnixTime, limit: u64) -> Result<Vec<Row>, StoreError> {
    let select = Query::select()
        .column(Sessions::Id)
        .expr_as(used_at(), "used_at")
        .column(Sessions::ExpiresAt)
        .from(Sessions::Table)
        .and_where(Expr::col(Sessions::UserId).eq(user_id))
        .order_by_expr(Expr::col(Sessions::ExpiresAt).gt(now.seconds()), Order::Asc)
        .order_by_expr(used_at(), Order::Asc)
        .order_by(Sessions::Id, Order::Asc)
        .limit(limit)
        .to_owned();
    tx.fetch_all(&select).await
}

/// The last login or refresh.
fn used_at() -> Expr {
    Func::coalesce([Expr::col(Sessions::LastUsedAt), Expr::col(Sessions::CreatedAt)]).into()
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use crate::store::testing::{event, migrated};

    #[tokio::test]
    async fn sessions_that_were_never_refreshed_end_first() {
        let (_folder, url, store) = migrated().await;
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = "INSERT INTO users (id, uuid, username, password, role_id) VALUES (1, 'u', 'u', 'x', 2);
            INSERT INTO sessions (id, sid, user_id, refresh_jti, created_at, expires_at, last_used_at) VALUES
                (1, 'refreshed', 1, 'a', 10, 999, 20), (2, 'idle', 1, 'b', 10, 999, 10),
                (3, 'idle too', 1, 'c', 11, 999, 11), (4, 'in use', 1, 'd', 90, 999, 90)";
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
        for (most, left) in [
            (4, vec!["refreshed", "idle", "idle too", "in use"]),
            (3, vec!["refreshed", "idle too", "in use"]),
            (2, vec!["refreshed", "in use"]),
            (0, vec!["in use"]),
        ] {
            store.prune_sessions(most, 50.into(), &event("session_ended")).await.unwrap();
            let sql = "SELECT sid FROM sessions ORDER BY id";
            let sids: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
            assert_eq!(sids, left, "{most}");
        }
        let used_meanwhile = store.end_idle(vec![4], 50.into(), &event("session_ended")).await.unwrap();
        assert_eq!(used_meanwhile, 0, "it is not idle any more");
        let sql = "SELECT detail FROM audit_events ORDER BY id";
        let details: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
        assert_eq!(details, ["1 idle session", "1 idle session", "1 idle session"]);
        connection.close().await.unwrap();
        store.close().await;
    }

    #[tokio::test]
    async fn applications_are_notified_of_the_end_of_idle_sessions() {
        let (_folder, url, store) = migrated().await;
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = "INSERT INTO users (id, uuid, username, password, role_id) VALUES (1, 'u', 'u', 'x', 2);
            INSERT INTO sessions (id, sid, user_id, refresh_jti, created_at, expires_at, last_used_at, cookie_hash) VALUES
                (1, 'idle', 1, 'a', 10, 999, 10, 'x'), (2, 'in use', 1, 'b', 90, 999, 90, 'y');
            INSERT INTO logout_receivers (sid, sub, client) VALUES ('idle', 'u', '//shop'), ('in use', 'u', '//shop')";
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
        assert_eq!(store.prune_sessions(1, 50.into(), &event("session_ended")).await.unwrap(), 1);
        for (table, sid) in [("logout_outbox", "idle"), ("logout_receivers", "in use")] {
            let sql = sqlx::AssertSqlSafe(format!("SELECT sid FROM {table}"));
            let sids: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
            assert_eq!(sids, [sid], "{table}");
        }
        connection.close().await.unwrap();
        store.close().await;
    }
}
