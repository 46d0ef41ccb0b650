//! One row a session: it is there for as long as its tokens are good.

use sea_query::{Expr, ExprTrait as _, Iden, Query};
use sqlx::FromRow;

use super::users::{self, Users};
use super::{Store, StoreError, User};

#[derive(Iden, Clone, Copy)]
enum Sessions {
    Table,
    Sid,
    UserId,
    RefreshJti,
    CreatedAt,
    ExpiresAt,
}

/// A session that begins now. Times are seconds since 1970-01-01 UTC.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub sid: &'a str,
    pub user_id: i32,
    pub refresh_jti: &'a str,
    pub created_at: i64,
    pub expires_at: i64,
}

/// A session with the user whose it is.
#[derive(Debug, FromRow)]
pub struct Session {
    pub refresh_jti: String,
    pub expires_at: i64,
    #[sqlx(flatten)]
    pub user: User,
}

impl Store {
    pub async fn create_session(&self, session: NewSession<'_>) -> Result<(), StoreError> {
        let insert = Query::insert()
            .into_table(Sessions::Table)
            .columns([Sessions::Sid, Sessions::UserId, Sessions::RefreshJti, Sessions::CreatedAt, Sessions::ExpiresAt])
            .values_panic([
                session.sid.into(),
                session.user_id.into(),
                session.refresh_jti.into(),
                session.created_at.into(),
                session.expires_at.into(),
            ])
            .to_owned();
        self.execute(&insert).await.map(|_| ())
    }

    pub async fn session(&self, sid: &str) -> Result<Option<Session>, StoreError> {
        let select = users::columns(&mut Query::select())
            .column((Sessions::Table, Sessions::RefreshJti))
            .column((Sessions::Table, Sessions::ExpiresAt))
            .from(Sessions::Table)
            .inner_join(Users::Table, Expr::col((Users::Table, Users::Id)).equals((Sessions::Table, Sessions::UserId)))
            .and_where(Expr::col((Sessions::Table, Sessions::Sid)).eq(sid))
            .to_owned();
        self.fetch_optional(&select).await
    }

    /// Ends a session: its tokens are refused by every replica from the next request on.
    pub async fn end_session(&self, sid: &str) -> Result<(), StoreError> {
        let delete = Query::delete().from_table(Sessions::Table).and_where(Expr::col(Sessions::Sid).eq(sid)).to_owned();
        self.execute(&delete).await.map(|_| ())
    }
}
