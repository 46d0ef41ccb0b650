//! Bounds of the outbox of logout tokens.

use std::collections::BTreeMap;

use sea_query::{Expr, ExprTrait as _, Func, LockType, Order, Query};

use super::schema::LogoutOutbox;
use super::{Store, StoreError, Tx};

/// The most rows of one user, so that repeated logins and logouts cannot fill the table. If there are more, one row for each
/// application replaces them.
pub(super) const MAX_OF_USER: u64 = 100;
/// The `sid` of a row that stands for all sessions of the user.
pub(super) const ALL_SESSIONS: &str = "";
/// The most rows of all users; the oldest are deleted first.
const MAX_ROWS: u64 = 100_000;
/// The most rows to delete in one statement.
const BATCH: usize = 500;

impl Store {
    /// Replaces the rows of users who have too many by one for each application, and deletes the oldest of all if there are
    /// too many. Returns how many were deleted without a replacement.
    pub async fn limit_logouts(&self) -> Result<u64, StoreError> {
        self.limit_logouts_to(MAX_OF_USER, MAX_ROWS).await
    }

    async fn limit_logouts_to(&self, most_of_user: u64, most: u64) -> Result<u64, StoreError> {
        let select = Query::select()
            .column(LogoutOutbox::Sub)
            .from(LogoutOutbox::Table)
            .group_by_col(LogoutOutbox::Sub)
            .and_having(Func::count(Expr::col(LogoutOutbox::Id)).gt(most_of_user))
            .to_owned();
        for (sub,) in self.fetch_all::<(String,)>(&select).await? {
            self.transaction(|tx| {
                let sub = sub.clone();
                Box::pin(async move { merge_waiting(tx, &sub).await })
            })
            .await?;
        }
        self.keep_newest(LogoutOutbox::Table, LogoutOutbox::Id, most).await
    }
}

/// One row of an application for all that wait for a user.
struct Merged {
    ids: Vec<i64>,
    created_at: i64,
    due_at: i64,
    attempts: i32,
}

async fn merge_waiting(tx: &mut Tx, sub: &str) -> Result<(), StoreError> {
    let select = Query::select()
        .columns([
            LogoutOutbox::Id,
            LogoutOutbox::Client,
            LogoutOutbox::CreatedAt,
            LogoutOutbox::DueAt,
            LogoutOutbox::Attempts,
        ])
        .from(LogoutOutbox::Table)
        .and_where(Expr::col(LogoutOutbox::Sub).eq(sub))
        .order_by(LogoutOutbox::Id, Order::Asc)
        .lock(LockType::Update)
        .to_owned();
    let rows: Vec<(i64, String, i64, i64, i32)> = tx.fetch_all(&select).await?;
    let mut by_client: BTreeMap<String, Merged> = BTreeMap::new();
    for (id, client, created_at, due_at, attempts) in rows {
        let new = || Merged { ids: Vec::new(), created_at, due_at, attempts };
        let merged = by_client.entry(client).or_insert_with(new);
        merged.ids.push(id);
        merged.created_at = Ord::max(merged.created_at, created_at);
        merged.due_at = Ord::min(merged.due_at, due_at);
        merged.attempts = Ord::min(merged.attempts, attempts);
    }
    for (client, merged) in by_client.into_iter().filter(|(_, merged)| merged.ids.len() > 1) {
        replace(tx, sub, &client, &merged).await?;
    }
    Ok(())
}

async fn replace(tx: &mut Tx, sub: &str, client: &str, merged: &Merged) -> Result<(), StoreError> {
    for ids in merged.ids.chunks(BATCH) {
        let is_merged = Expr::col(LogoutOutbox::Id).is_in(ids.iter().copied());
        tx.execute(&Query::delete().from_table(LogoutOutbox::Table).and_where(is_merged).to_owned()).await?;
    }
    let insert = Query::insert()
        .into_table(LogoutOutbox::Table)
        .columns([
            LogoutOutbox::Sid,
            LogoutOutbox::Sub,
            LogoutOutbox::Client,
            LogoutOutbox::CreatedAt,
            LogoutOutbox::DueAt,
            LogoutOutbox::Attempts,
        ])
        .values_panic([
            ALL_SESSIONS.into(),
            sub.into(),
            client.into(),
            merged.created_at.into(),
            merged.due_at.into(),
            merged.attempts.into(),
        ])
        .to_owned();
    tx.execute(&insert).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use crate::store::testing::with_logouts;

    #[tokio::test]
    async fn the_newest_rows_stay_also_of_one_second() {
        let rows: Vec<_> = (1..=9).map(|id| (id, "u", "c", 1_000)).collect();
        let (_folder, mut connection, store) = with_logouts(&rows).await;
        for (most, deleted, left) in [
            (9, 0, vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (8, 1, vec![2, 3, 4, 5, 6, 7, 8, 9]),
            (1, 7, vec![9]),
            (0, 1, vec![]),
        ] {
            assert_eq!(store.limit_logouts_to(9, most).await.unwrap(), deleted, "{most}");
            let sql = "SELECT id FROM logout_outbox ORDER BY id";
            let ids: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
            assert_eq!(ids, left, "{most}");
        }
        connection.close().await.unwrap();
        store.close().await;
    }

    #[tokio::test]
    async fn too_many_rows_of_a_user_become_one_for_each_application() {
        let rows = [(1, "u", "a", 30), (2, "u", "a", 20), (3, "u", "b", 40), (4, "u", "a", 50), (5, "v", "a", 60)];
        let (_folder, mut connection, store) = with_logouts(&rows).await;
        let mut rest = async || {
            let sql = "SELECT sid, sub, client, due_at FROM logout_outbox ORDER BY sub, client";
            sqlx::query_as::<_, (String, String, String, i64)>(sql).fetch_all(&mut connection).await.unwrap()
        };
        assert_eq!(store.limit_logouts_to(4, 9).await.unwrap(), 0);
        assert_eq!(rest().await.len(), 5);
        for _ in 0..2 {
            assert_eq!(store.limit_logouts_to(1, 9).await.unwrap(), 0);
            let row = |sid: &str, sub: &str, client: &str, due_at| (sid.into(), sub.into(), client.into(), due_at);
            assert_eq!(rest().await, [row("", "u", "a", 20), row("s3", "u", "b", 40), row("s5", "v", "a", 60)]);
        }
        connection.close().await.unwrap();
        store.close().await;
    }
}
