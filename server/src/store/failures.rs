//! Failed logins, stored under keyed hashes.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query, UpdateStatement};
use sqlx::FromRow;

use super::schema::Users;
use super::{Actor, Guard, NewEvent, Store, StoreError};

#[derive(Iden, Clone, Copy)]
pub(super) enum LoginFailures {
    Table,
    Id,
    Failures,
    LastFailedAt,
    RetryAt,
}

/// The number of wrong passwords. Times are seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Failures {
    #[sqlx(rename = "failures")]
    pub count: i32,
    #[sqlx(try_from = "i64")]
    pub last_failed_at: UnixTime,
    /// When the next attempt may be made.
    #[sqlx(try_from = "i64")]
    pub retry_at: UnixTime,
}

/// The failures under one id.
#[derive(Debug, FromRow)]
struct Counter {
    id: String,
    #[sqlx(flatten)]
    failures: Failures,
}

impl Store {
    /// The failures under each of a few ids.
    pub async fn failures<const N: usize>(&self, ids: [&str; N]) -> Result<[Failures; N], StoreError> {
        let select = Query::select()
            .columns([LoginFailures::Id, LoginFailures::Failures, LoginFailures::LastFailedAt, LoginFailures::RetryAt])
            .from(LoginFailures::Table)
            .and_where(Expr::col(LoginFailures::Id).is_in(ids))
            .to_owned();
        let found: Vec<Counter> = self.fetch_all(&select).await?;
        Ok(ids.map(|id| {
            found.iter().find(|counter| counter.id == id).map(|counter| counter.failures).unwrap_or_default()
        }))
    }

    /// Stores `new` if `old` is still current. Returns whether it was.
    pub async fn replace_failures(&self, id: &str, old: Failures, new: Failures) -> Result<bool, StoreError> {
        if old == Failures::default() {
            let insert = Query::insert()
                .into_table(LoginFailures::Table)
                .columns([
                    LoginFailures::Id,
                    LoginFailures::Failures,
                    LoginFailures::LastFailedAt,
                    LoginFailures::RetryAt,
                ])
                .values_panic([id.into(), 0.into(), 0.into(), 0.into()])
                .on_conflict(OnConflict::column(LoginFailures::Id).do_nothing_on([LoginFailures::Id]).to_owned())
                .to_owned();
            self.execute(&insert).await?;
        }
        let update = Query::update()
            .table(LoginFailures::Table)
            .value(LoginFailures::Failures, new.count)
            .value(LoginFailures::LastFailedAt, new.last_failed_at.seconds())
            .value(LoginFailures::RetryAt, new.retry_at.seconds())
            .and_where(Expr::col(LoginFailures::Id).eq(id))
            .and_where(Expr::col(LoginFailures::Failures).eq(old.count))
            .and_where(Expr::col(LoginFailures::RetryAt).eq(old.retry_at.seconds()))
            .to_owned();
        Ok(self.execute(&update).await? == 1)
    }

    /// Deletes the failures under an id.
    pub async fn forget_failures(&self, id: &str) -> Result<(), StoreError> {
        let delete =
            Query::delete().from_table(LoginFailures::Table).and_where(Expr::col(LoginFailures::Id).eq(id)).to_owned();
        self.execute(&delete).await.map(|_| ())
    }

    /// Clears all failures of a user, on every network, without a key: later logins are counted under other ids.
    pub async fn clear_failures(&self, user_id: i32) -> Result<(), StoreError> {
        self.execute(&clearing(user_id)).await.map(|_| ())
    }

    /// The same for an Admin. Returns whether the user exists.
    ///
    /// # Errors
    /// [`StoreError::SessionOver`] or [`StoreError::NotAdmin`] if the actor is no longer allowed to.
    pub async fn clear_failures_as(&self, user_id: i32, actor: &Actor, event: &NewEvent) -> Result<bool, StoreError> {
        self.transaction(|tx| {
            let (guard, event) = (Guard { actor: Some(actor.clone()), compared_hash: None }, event.clone());
            Box::pin(async move {
                if guard.lock(tx, user_id).await?.is_none() {
                    return Ok(false);
                }
                tx.execute(&clearing(user_id)).await?;
                tx.add_audit_event(&event).await?;
                Ok(true)
            })
        })
        .await
    }

    /// The same, and records the time: for a while, more failures than usual have no delay.
    pub async fn clear_failures_after_reset(&self, user_id: i32, now: UnixTime) -> Result<(), StoreError> {
        let update = Query::update()
            .table(Users::Table)
            .value(Users::LoginEpoch, now.seconds())
            .and_where(Expr::col(Users::Id).eq(user_id))
            .and_where(Expr::col(Users::LoginEpoch).lt(now.seconds()))
            .to_owned();
        // If no row matched, it was done within the same second, or by a replica whose clock is ahead.
        if self.execute(&update).await? == 0 { self.clear_failures(user_id).await } else { Ok(()) }
    }
}

fn clearing(user_id: i32) -> UpdateStatement {
    Query::update()
        .table(Users::Table)
        .value(Users::LoginEpoch, Expr::col(Users::LoginEpoch).add(1))
        .and_where(Expr::col(Users::Id).eq(user_id))
        .to_owned()
}
