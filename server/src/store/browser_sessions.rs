//! Sessions of browsers: rows of `sessions` that are found by the hash of a cookie.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Query, UpdateStatement};
use sqlx::FromRow;

use super::guard::{self, PasswordHash};
use super::schema::{Sessions, Users};
use super::sessions::selection;
use super::times::{Nullable, is_live};
use super::{NewEvent, Store, StoreError, User};

/// A browser's session and its user.
#[derive(Debug, Clone, FromRow)]
pub struct BrowserSession {
    pub sid: String,
    #[sqlx(try_from = "i64")]
    pub created_at: UnixTime,
    #[sqlx(try_from = "i64")]
    pub expires_at: UnixTime,
    #[sqlx(try_from = "Nullable")]
    pub ends_at: Option<UnixTime>,
    #[sqlx(try_from = "Nullable")]
    pub last_used_at: Option<UnixTime>,
    #[sqlx(try_from = "Nullable")]
    auth_time: Option<UnixTime>,
    password_digest: Option<String>,
    /// Of the user's present password.
    #[sqlx(rename = "password", try_from = "PasswordHash")]
    present_digest: Option<String>,
    #[sqlx(flatten)]
    pub user: User,
}

impl BrowserSession {
    /// When the user last gave the password.
    pub fn auth_time(&self) -> UnixTime {
        self.auth_time.unwrap_or(self.created_at)
    }

    pub fn is_live(&self, now: UnixTime) -> bool {
        let has_same_password =
            guard::is_of_present_password(self.password_digest.as_deref(), self.present_digest.as_deref());
        is_live(self.expires_at, self.ends_at, now) && !self.user.disabled && has_same_password
    }
}

/// A new login of the same user in the same browser: the session continues under a new cookie.
#[derive(Debug, Clone)]
pub struct Renewal {
    pub user_id: i32,
    /// The hash that the password was compared with.
    pub compared_hash: String,
    pub from_cookie: String,
    pub to_cookie: String,
    pub now: UnixTime,
    pub expires_at: UnixTime,
    pub ends_at: UnixTime,
}

impl Store {
    pub async fn browser_session(&self, cookie_hash: &str) -> Result<Option<BrowserSession>, StoreError> {
        let select = selection([
            Sessions::Sid,
            Sessions::CreatedAt,
            Sessions::ExpiresAt,
            Sessions::EndsAt,
            Sessions::LastUsedAt,
            Sessions::AuthTime,
            Sessions::PasswordDigest,
        ])
        .column((Users::Table, Users::Password))
        .and_where(Expr::col((Sessions::Table, Sessions::CookieHash)).eq(cookie_hash))
        .to_owned();
        self.fetch_optional(&select).await
    }

    /// Records that a browser used its session, which extends it.
    pub async fn touch_browser_session(
        &self,
        sid: &str,
        now: UnixTime,
        expires_at: UnixTime,
    ) -> Result<(), StoreError> {
        let update = Query::update()
            .table(Sessions::Table)
            .value(Sessions::LastUsedAt, now.seconds())
            .value(Sessions::ExpiresAt, expires_at.seconds())
            .and_where(Expr::col(Sessions::Sid).eq(sid))
            .to_owned();
        self.execute(&update).await.map(|_| ())
    }

    /// Returns `false` if the user's password or the session is no longer the same.
    pub async fn renew_browser_session(&self, renewal: Renewal, event: &NewEvent) -> Result<bool, StoreError> {
        self.transaction(|tx| {
            let (renewal, event) = (renewal.clone(), event.clone());
            Box::pin(async move {
                let user = guard::lock_users(tx, renewal.user_id, None).await?.pop();
                let is_valid = user.is_some_and(|user| !user.disabled && user.has_hash(&renewal.compared_hash));
                if !is_valid || tx.execute_prepared(&renewed(&renewal)).await? == 0 {
                    return Ok(false);
                }
                tx.add_audit_event(&event).await?;
                Ok(true)
            })
        })
        .await
    }
}

fn renewed(renewal: &Renewal) -> UpdateStatement {
    Query::update()
        .table(Sessions::Table)
        .value(Sessions::CookieHash, renewal.to_cookie.as_str())
        .value(Sessions::PasswordDigest, guard::password_digest(&renewal.compared_hash))
        .value(Sessions::AuthTime, renewal.now.seconds())
        .value(Sessions::LastUsedAt, renewal.now.seconds())
        .value(Sessions::ExpiresAt, renewal.expires_at.seconds())
        .value(Sessions::EndsAt, renewal.ends_at.seconds())
        .and_where(Expr::col(Sessions::CookieHash).eq(renewal.from_cookie.as_str()))
        .and_where(Expr::col(Sessions::UserId).eq(renewal.user_id))
        .and_where(Expr::col(Sessions::ExpiresAt).gt(renewal.now.seconds()))
        .to_owned()
}
