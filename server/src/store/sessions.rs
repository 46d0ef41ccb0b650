//! One row a session: it is there for as long as its tokens are good. No token is in it, only what one is known by.

use sea_query::{Expr, ExprTrait as _, Iden, LockType, Order, Query};
use sqlx::FromRow;

use super::users::{self, Users};
use super::{Store, StoreError, User};

#[derive(Iden, Clone, Copy)]
pub(super) enum Sessions {
    Table,
    Id,
    Sid,
    UserId,
    RefreshJti,
    RefreshIat,
    RefreshKid,
    CreatedAt,
    ExpiresAt,
    EndsAt,
    PreviousJti,
    RotatedAt,
    LastUsedAt,
    Address,
    UserAgent,
}

/// A session that begins now. Times are seconds since 1970-01-01 UTC.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub sid: &'a str,
    pub user_id: i32,
    /// The hash that the password was compared with.
    pub password_hash: &'a str,
    pub refresh_jti: &'a str,
    pub refresh_kid: &'a str,
    pub created_at: i64,
    pub expires_at: i64,
    pub ends_at: i64,
    pub address: Option<&'a str>,
    pub user_agent: Option<&'a str>,
}

/// A session with the user whose it is.
#[derive(Debug, Clone, FromRow)]
pub struct Session {
    pub sid: String,
    pub refresh_jti: String,
    pub refresh_iat: Option<i64>,
    pub refresh_kid: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub ends_at: Option<i64>,
    pub previous_jti: Option<String>,
    pub rotated_at: Option<i64>,
    #[sqlx(flatten)]
    pub user: User,
}

/// The exchange of a refresh token for its successor.
#[derive(Debug)]
pub struct Rotation<'a> {
    pub sid: &'a str,
    pub from_jti: &'a str,
    pub to_jti: &'a str,
    pub kid: &'a str,
    pub now: i64,
    pub expires_at: i64,
}

/// A session as its user sees it.
#[derive(Debug, FromRow)]
pub struct SessionInfo {
    pub sid: String,
    pub created_at: i64,
    pub last_used_at: Option<i64>,
    pub expires_at: i64,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

impl Store {
    /// Begins a session, unless the user was disabled or deleted or got another password since the old one was
    /// compared. Returns whether it was begun.
    pub async fn create_session(&self, session: NewSession<'_>) -> Result<bool, StoreError> {
        // The lock makes it wait for whoever is changing the user.
        let select = Query::select()
            .expr(Expr::val(session.sid))
            .column(Users::Id)
            .expr(Expr::val(session.refresh_jti))
            .expr(Expr::val(session.created_at))
            .expr(Expr::val(session.refresh_kid))
            .expr(Expr::val(session.created_at))
            .expr(Expr::val(session.expires_at))
            .expr(Expr::val(session.ends_at))
            .expr(Expr::val(session.created_at))
            .expr(Expr::val(session.address))
            .expr(Expr::val(session.user_agent))
            .from(Users::Table)
            .and_where(Expr::col(Users::Id).eq(session.user_id))
            .and_where(Expr::col(Users::Password).eq(session.password_hash))
            .and_where(Expr::col(Users::Disabled).eq(false))
            .lock(LockType::Update)
            .to_owned();
        let mut insert = Query::insert();
        insert.into_table(Sessions::Table).columns([
            Sessions::Sid,
            Sessions::UserId,
            Sessions::RefreshJti,
            Sessions::RefreshIat,
            Sessions::RefreshKid,
            Sessions::CreatedAt,
            Sessions::ExpiresAt,
            Sessions::EndsAt,
            Sessions::LastUsedAt,
            Sessions::Address,
            Sessions::UserAgent,
        ]);
        insert.select_from(select).map_err(|_| StoreError::Statement)?;
        Ok(self.execute(&insert).await? > 0)
    }

    pub async fn session(&self, sid: &str) -> Result<Option<Session>, StoreError> {
        let mut select = Query::select();
        for column in [
            Sessions::Sid,
            Sessions::RefreshJti,
            Sessions::RefreshIat,
            Sessions::RefreshKid,
            Sessions::CreatedAt,
            Sessions::ExpiresAt,
            Sessions::EndsAt,
            Sessions::PreviousJti,
            Sessions::RotatedAt,
        ] {
            select.column((Sessions::Table, column));
        }
        let of_session = Expr::col((Users::Table, Users::Id)).equals((Sessions::Table, Sessions::UserId));
        select.from(Sessions::Table).inner_join(Users::Table, of_session);
        let select = users::columns(&mut select).and_where(Expr::col((Sessions::Table, Sessions::Sid)).eq(sid));
        self.fetch_optional(select).await
    }

    /// Exchanges a refresh token. Returns whether it was this caller who did.
    pub async fn rotate(&self, rotation: Rotation<'_>) -> Result<bool, StoreError> {
        let update = Query::update()
            .table(Sessions::Table)
            .value(Sessions::PreviousJti, rotation.from_jti)
            .value(Sessions::RefreshJti, rotation.to_jti)
            .value(Sessions::RefreshIat, rotation.now)
            .value(Sessions::RefreshKid, rotation.kid)
            .value(Sessions::RotatedAt, rotation.now)
            .value(Sessions::LastUsedAt, rotation.now)
            .value(Sessions::ExpiresAt, rotation.expires_at)
            .and_where(Expr::col(Sessions::Sid).eq(rotation.sid))
            .and_where(Expr::col(Sessions::RefreshJti).eq(rotation.from_jti))
            .to_owned();
        Ok(self.execute(&update).await? == 1)
    }

    /// Notes that a session was used, where its refresh token stays the same.
    pub async fn touch_session(&self, sid: &str, now: i64) -> Result<(), StoreError> {
        let update = Query::update()
            .table(Sessions::Table)
            .value(Sessions::LastUsedAt, now)
            .and_where(Expr::col(Sessions::Sid).eq(sid))
            .to_owned();
        self.execute(&update).await.map(|_| ())
    }

    /// A user's sessions, the oldest first.
    pub async fn sessions(&self, user_id: i32, now: i64) -> Result<Vec<SessionInfo>, StoreError> {
        let select = Query::select()
            .columns([
                Sessions::Sid,
                Sessions::CreatedAt,
                Sessions::LastUsedAt,
                Sessions::ExpiresAt,
                Sessions::Address,
                Sessions::UserAgent,
            ])
            .from(Sessions::Table)
            .and_where(Expr::col(Sessions::UserId).eq(user_id))
            .and_where(Expr::col(Sessions::ExpiresAt).gt(now))
            .order_by(Sessions::Id, Order::Asc)
            .limit(1_000)
            .to_owned();
        self.fetch_all(&select).await
    }

    /// Ends a session: its tokens are refused by every replica from the next request on. Returns whether it was one
    /// of that user's.
    pub async fn end_session(&self, user_id: i32, sid: &str) -> Result<bool, StoreError> {
        let delete = Query::delete()
            .from_table(Sessions::Table)
            .and_where(Expr::col(Sessions::Sid).eq(sid))
            .and_where(Expr::col(Sessions::UserId).eq(user_id))
            .to_owned();
        Ok(self.execute(&delete).await? > 0)
    }

    /// Ends all of a user's sessions but one, and returns how many.
    pub async fn end_other_sessions(&self, user_id: i32, keep: &str) -> Result<u64, StoreError> {
        let delete = Query::delete()
            .from_table(Sessions::Table)
            .and_where(Expr::col(Sessions::UserId).eq(user_id))
            .and_where(Expr::col(Sessions::Sid).ne(keep))
            .to_owned();
        self.execute(&delete).await
    }
}
