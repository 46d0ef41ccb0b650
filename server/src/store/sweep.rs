//! What is over is deleted, by one replica at a time and a few rows at once.

use sea_query::{Expr, ExprTrait as _, Func, Iden, IntoIden, OnConflict, Order, Query};

use super::audit::AuditEvents;
use super::failures::LoginFailures;
use super::parties::TokenParties;
use super::sessions::Sessions;
use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
enum Chores {
    Table,
    Id,
    DueAt,
}

/// Rows that are deleted by one statement.
const BATCH: u64 = 500;
/// Names with failures that are kept at most: the oldest go first.
const MAX_FAILURES: u64 = 100_000;

impl Store {
    /// Takes over a chore that is due, and makes it due again in `every` seconds. Returns whether it is the caller's.
    pub async fn claim_chore(&self, name: &str, now: i64, every: i64) -> Result<bool, StoreError> {
        let insert = Query::insert()
            .into_table(Chores::Table)
            .columns([Chores::Id, Chores::DueAt])
            .values_panic([name.into(), 0_i64.into()])
            .on_conflict(OnConflict::column(Chores::Id).do_nothing_on([Chores::Id]).to_owned())
            .to_owned();
        let claim = Query::update()
            .table(Chores::Table)
            .value(Chores::DueAt, now.saturating_add(every))
            .and_where(Expr::col(Chores::Id).eq(name))
            .and_where(Expr::col(Chores::DueAt).lte(now))
            .to_owned();
        let select = Query::select()
            .column(Chores::DueAt)
            .from(Chores::Table)
            .and_where(Expr::col(Chores::Id).eq(name))
            .to_owned();
        match self.fetch_optional::<(i64,)>(&select).await? {
            Some((due_at,)) if due_at > now => return Ok(false),
            Some(_) => {}
            None => drop(self.execute(&insert).await?),
        }
        Ok(self.execute(&claim).await? == 1)
    }

    /// Deletes sessions that have expired.
    pub async fn sweep_sessions(&self, now: i64) -> Result<u64, StoreError> {
        self.sweep::<i64>(Sessions::Table, Sessions::Id, Sessions::ExpiresAt, now).await
    }

    /// Deletes events older than `before`.
    pub async fn sweep_audit_events(&self, before: i64) -> Result<u64, StoreError> {
        self.sweep::<i64>(AuditEvents::Table, AuditEvents::Id, AuditEvents::At, before).await
    }

    /// Deletes failures older than `before`, and the oldest where there are too many.
    pub async fn sweep_failures(&self, before: i64) -> Result<u64, StoreError> {
        let newest_of_too_many = Query::select()
            .column(LoginFailures::LastFailedAt)
            .from(LoginFailures::Table)
            .order_by(LoginFailures::LastFailedAt, Order::Desc)
            .offset(MAX_FAILURES)
            .limit(1)
            .to_owned();
        let newest: Option<(i64,)> = self.fetch_optional(&newest_of_too_many).await?;
        let before = newest.map_or(before, |(newest,)| Ord::max(newest, before));
        let (table, id, at) = (LoginFailures::Table, LoginFailures::Id, LoginFailures::LastFailedAt);
        self.sweep::<String>(table, id, at, before).await
    }

    /// Deletes pairs of issuer and audience whose last token has ended.
    pub async fn sweep_parties(&self, now: i64) -> Result<u64, StoreError> {
        self.sweep::<String>(TokenParties::Table, TokenParties::Id, TokenParties::LastExp, now).await
    }

    /// How many sessions have not expired.
    pub async fn count_sessions(&self, now: i64) -> Result<i64, StoreError> {
        let select = Query::select()
            .expr(Func::count(Expr::col(Sessions::Id)))
            .from(Sessions::Table)
            .and_where(Expr::col(Sessions::ExpiresAt).gt(now))
            .to_owned();
        Ok(self.fetch_optional::<(i64,)>(&select).await?.map_or(0, |(count,)| count))
    }

    /// Deletes the rows of a table whose time has come, in batches by primary key: long locks would hold up logins.
    async fn sweep<K>(
        &self,
        table: impl IntoIden + Copy,
        id: impl IntoIden + Copy,
        at: impl IntoIden + Copy,
        until: i64,
    ) -> Result<u64, StoreError>
    where
        (K,): super::AnyRow,
        K: Into<sea_query::Expr>,
    {
        let mut total = 0;
        loop {
            let select = Query::select()
                .column(id.into_iden())
                .from(table.into_iden())
                .and_where(Expr::col(at.into_iden()).lte(until))
                .limit(BATCH)
                .to_owned();
            let ids: Vec<(K,)> = self.fetch_all(&select).await?;
            let count = ids.len() as u64;
            if count > 0 {
                let delete = Query::delete()
                    .from_table(table.into_iden())
                    .and_where(Expr::col(id.into_iden()).is_in(ids.into_iter().map(|(id,)| id)))
                    .to_owned();
                total += self.execute_varying(&delete).await?;
            }
            if count < BATCH {
                return Ok(total);
            }
        }
    }
}
