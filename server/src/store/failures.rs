//! Failed logins, kept under a keyed hash of the submitted name.

use sea_query::{Expr, ExprTrait as _, Iden, OnConflict, Query};
use sqlx::FromRow;

use super::{Store, StoreError};

#[derive(Iden, Clone, Copy)]
pub(super) enum LoginFailures {
    Table,
    Id,
    Failures,
    LastFailedAt,
    RetryAt,
}

/// How often a name was given with a wrong password. Times are seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Failures {
    #[sqlx(rename = "failures")]
    pub count: i32,
    pub last_failed_at: i64,
    /// Until then nobody may try again.
    pub retry_at: i64,
}

impl Store {
    pub async fn failures(&self, id: &str) -> Result<Option<Failures>, StoreError> {
        let select = Query::select()
            .columns([LoginFailures::Failures, LoginFailures::LastFailedAt, LoginFailures::RetryAt])
            .from(LoginFailures::Table)
            .and_where(Expr::col(LoginFailures::Id).eq(id))
            .to_owned();
        self.fetch_optional(&select).await
    }

    /// Keeps `new` in the place of `old`. Returns whether nobody else was faster.
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
            .value(LoginFailures::LastFailedAt, new.last_failed_at)
            .value(LoginFailures::RetryAt, new.retry_at)
            .and_where(Expr::col(LoginFailures::Id).eq(id))
            .and_where(Expr::col(LoginFailures::Failures).eq(old.count))
            .to_owned();
        Ok(self.execute(&update).await? == 1)
    }

    pub async fn forget_failures(&self, id: &str) -> Result<(), StoreError> {
        let delete =
            Query::delete().from_table(LoginFailures::Table).and_where(Expr::col(LoginFailures::Id).eq(id)).to_owned();
        self.execute(&delete).await.map(|_| ())
    }
}
