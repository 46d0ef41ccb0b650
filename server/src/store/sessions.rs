//! Sessions, one row each: the row exists as long as the session's tokens are valid. It contains no token, only ids.

mod limit;

use sc_auth_contract::limits::MAX_SESSIONS_MAX;
use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, InsertStatement, Order, Query, SelectStatement};
use sqlx::FromRow;

use super::guard::{self, Actor, Proof};
use super::old_tokens::{Revoked, revoke, revoke_old_tokens};
use super::schema::{Sessions, Users};
use super::session_ends::{self, EndedGrants};
use super::times::Nullable;
use super::users::{self, end_sessions};
use super::{NewEvent, Store, StoreError, User};
pub use limit::SessionLimit;

/// A session that begins now.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub sid: String,
    pub user_id: i32,
    pub begin: Begin,
    pub refresh_jti: String,
    pub refresh_kid: String,
    pub created_at: UnixTime,
    pub expires_at: UnixTime,
    pub ends_at: UnixTime,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    /// The hash of the cookie of a browser's session.
    pub cookie_hash: Option<String>,
}

/// What a session begins with. It must still be valid when the session is created.
#[derive(Debug, Clone)]
pub enum Begin {
    /// The hash that the password was compared with.
    Password { compared_hash: String },
    /// The id of a refresh token of the legacy service.
    OldToken { jti: String },
}

/// A session and its user.
#[derive(Debug, Clone, FromRow)]
pub struct Session {
    pub sid: String,
    pub refresh_jti: String,
    #[sqlx(try_from = "Nullable")]
    pub refresh_iat: Option<UnixTime>,
    pub refresh_kid: Option<String>,
    #[sqlx(try_from = "i64")]
    pub created_at: UnixTime,
    #[sqlx(try_from = "i64")]
    pub expires_at: UnixTime,
    #[sqlx(try_from = "Nullable")]
    pub ends_at: Option<UnixTime>,
    pub previous_jti: Option<String>,
    #[sqlx(try_from = "Nullable")]
    pub rotated_at: Option<UnixTime>,
    pub rotated_network: Option<String>,
    pub rotated_user_agent: Option<String>,
    #[sqlx(flatten)]
    pub user: User,
}

/// The exchange of a refresh token for its successor, in a session or a grant.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// The `sid` or the `grant_id`.
    pub id: &'a str,
    pub from_jti: &'a str,
    pub to_jti: &'a str,
    pub kid: &'a str,
    /// The client that exchanges it.
    pub network: Option<String>,
    pub user_agent: &'a str,
    pub now: UnixTime,
    pub expires_at: UnixTime,
}

/// A session, as listed to its user.
#[derive(Debug, FromRow)]
pub struct SessionInfo {
    pub sid: String,
    #[sqlx(try_from = "i64")]
    pub created_at: UnixTime,
    #[sqlx(try_from = "Nullable")]
    pub last_used_at: Option<UnixTime>,
    #[sqlx(try_from = "i64")]
    pub expires_at: UnixTime,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

impl Store {
    /// Creates a session, unless the user was disabled or deleted meanwhile, or the password or token is no longer
    /// valid: then it returns `None`, otherwise the events that it recorded. `event` is that of a login.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`] if the user has too many sessions.
    pub async fn create_session(
        &self,
        session: NewSession,
        event: Option<&NewEvent>,
        limit: SessionLimit,
    ) -> Result<Option<Vec<NewEvent>>, StoreError> {
        self.transaction(|tx| {
            let (session, event, limit) = (session.clone(), event.cloned(), limit.clone());
            Box::pin(async move {
                // The lock waits for concurrent changes of the user.
                let user = guard::lock_users(tx, session.user_id, None).await?.pop();
                let Some(user) = user.filter(|user| !user.disabled) else { return Ok(None) };
                let is_valid = match &session.begin {
                    Begin::Password { compared_hash } => user.has_hash(compared_hash),
                    Begin::OldToken { jti } => {
                        guard::is_old_token_valid(tx, jti, "refresh", user.uuid.as_deref()).await?
                    }
                };
                if !is_valid {
                    return Ok(None);
                }
                let ended = limit.enforce(tx, user.id, session.created_at).await?;
                tx.execute_prepared(&insertion(session)).await?;
                if let Some(event) = &event {
                    tx.add_audit_event(event).await?;
                }
                Ok(Some(ended.into_iter().chain(event).collect()))
            })
        })
        .await
    }

    pub async fn session(&self, sid: &str) -> Result<Option<Session>, StoreError> {
        let select = selection([
            Sessions::Sid,
            Sessions::RefreshJti,
            Sessions::RefreshIat,
            Sessions::RefreshKid,
            Sessions::CreatedAt,
            Sessions::ExpiresAt,
            Sessions::EndsAt,
            Sessions::PreviousJti,
            Sessions::RotatedAt,
            Sessions::RotatedNetwork,
            Sessions::RotatedUserAgent,
        ])
        .and_where(Expr::col((Sessions::Table, Sessions::Sid)).eq(sid))
        .to_owned();
        self.fetch_optional(&select).await
    }

    /// Exchanges a refresh token. Returns `false` if another request was faster.
    pub async fn rotate(&self, rotation: Rotation<'_>) -> Result<bool, StoreError> {
        let update = Query::update()
            .table(Sessions::Table)
            .value(Sessions::PreviousJti, rotation.from_jti)
            .value(Sessions::RefreshJti, rotation.to_jti)
            .value(Sessions::RefreshIat, rotation.now.seconds())
            .value(Sessions::RefreshKid, rotation.kid)
            .value(Sessions::RotatedAt, rotation.now.seconds())
            .value(Sessions::RotatedNetwork, rotation.network)
            .value(Sessions::RotatedUserAgent, rotation.user_agent)
            .value(Sessions::LastUsedAt, rotation.now.seconds())
            .value(Sessions::ExpiresAt, rotation.expires_at.seconds())
            .and_where(Expr::col(Sessions::Sid).eq(rotation.id))
            .and_where(Expr::col(Sessions::RefreshJti).eq(rotation.from_jti))
            .to_owned();
        Ok(self.execute(&update).await? == 1)
    }

    /// Records that a session was used without changing its refresh token. Returns whether it still exists.
    pub async fn touch_session(&self, sid: &str, now: UnixTime) -> Result<bool, StoreError> {
        let update = Query::update()
            .table(Sessions::Table)
            .value(Sessions::LastUsedAt, now.seconds())
            .and_where(Expr::col(Sessions::Sid).eq(sid))
            .to_owned();
        Ok(self.execute(&update).await? > 0)
    }

    /// A user's sessions, the oldest first.
    pub async fn sessions(&self, user_id: i32, now: UnixTime) -> Result<Vec<SessionInfo>, StoreError> {
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
            .and_where(Expr::col(Sessions::ExpiresAt).gt(now.seconds()))
            .order_by(Sessions::Id, Order::Asc)
            .limit(u64::from(MAX_SESSIONS_MAX))
            .to_owned();
        self.fetch_all(&select).await
    }

    /// Ends a session: every replica refuses its tokens from the next request on. What applications got in it ends too, except
    /// what is offline.
    pub async fn end_session(&self, user: &User, sid: &str, event: &NewEvent) -> Result<(), StoreError> {
        self.end(user, Some(sid), None, event).await
    }

    /// Ends the session or the old token that a client guesses a password with. `revoked` are the old tokens that could
    /// begin it again.
    pub async fn end_guessing(
        &self,
        user: &User,
        sid: Option<&str>,
        revoked: Revoked,
        event: &NewEvent,
    ) -> Result<(), StoreError> {
        self.end(user, sid, self.has_old_tables().then_some(revoked), event).await
    }

    async fn end(
        &self,
        user: &User,
        sid: Option<&str>,
        revoked: Option<Revoked>,
        event: &NewEvent,
    ) -> Result<(), StoreError> {
        self.transaction(|tx| {
            let (id, uuid, revoked, event) = (user.id, user.uuid.clone(), revoked.clone(), event.clone());
            let sid = sid.map(str::to_owned);
            Box::pin(async move {
                guard::lock_users(tx, id, None).await?;
                if revoked == Some(Revoked::All) {
                    session_ends::end(tx, session_ends::of_old_tokens(id), EndedGrants::Online, event.at).await?;
                }
                if let Some(revoked) = revoked {
                    revoke(tx, revoked, &uuid).await?;
                }
                if let Some(sid) = sid {
                    session_ends::end(tx, session_ends::one(id, &sid), EndedGrants::Online, event.at).await?;
                }
                tx.add_audit_event(&event).await
            })
        })
        .await
    }

    /// Ends one of the actor's sessions with these grants. If an old refresh token began it, all old tokens of the user are
    /// revoked, because they could begin it again. Returns whether the session existed.
    ///
    /// # Errors
    /// [`StoreError::SessionOver`] if the actor's own session has ended meanwhile.
    pub async fn end_own_session(
        &self,
        actor: &Actor,
        sid: &str,
        grants: EndedGrants,
        event: &NewEvent,
    ) -> Result<bool, StoreError> {
        let has_old_tables = self.has_old_tables();
        self.transaction(|tx| {
            let (actor, sid, event) = (actor.clone(), sid.to_owned(), event.clone());
            Box::pin(async move {
                let user = actor.lock(tx).await?;
                let is_old =
                    has_old_tables && guard::is_old_token_valid(tx, &sid, "refresh", user.uuid.as_deref()).await?;
                if is_old {
                    tx.execute(&revoke_old_tokens(user.uuid.as_deref().unwrap_or_default())).await?;
                }
                let is_ended = session_ends::end(tx, session_ends::one(user.id, &sid), grants, actor.now).await? > 0;
                if is_ended || is_old {
                    tx.add_audit_event(&event).await?;
                }
                Ok(is_ended)
            })
        })
        .await
    }

    /// Ends all other sessions of the actor, and revokes the user's old tokens unless the actor uses one of them.
    /// Returns how many sessions were ended, which the event says too.
    ///
    /// # Errors
    /// [`StoreError::SessionOver`] if the actor's own session has ended meanwhile.
    pub async fn end_other_sessions(&self, actor: &Actor, event: &NewEvent) -> Result<u64, StoreError> {
        let has_old_tables = self.has_old_tables();
        self.transaction(|tx| {
            let (actor, event) = (actor.clone(), event.clone());
            Box::pin(async move {
                let user = actor.lock(tx).await?;
                let count = match &actor.proof {
                    Proof::Session(sid) => end_sessions(tx, &user, Some(sid), has_old_tables, actor.now).await?,
                    Proof::OldToken(_) => end_sessions(tx, &user, None, false, actor.now).await?,
                };
                tx.add_audit_event(&event.about(count, "session")).await?;
                Ok(count)
            })
        })
        .await
    }

    /// Revokes all of a user's old tokens, and ends the sessions that old refresh tokens began.
    pub async fn revoke_old_tokens(&self, user_id: i32, event: &NewEvent) -> Result<(), StoreError> {
        let has_old_tables = self.has_old_tables();
        self.transaction(|tx| {
            let event = event.clone();
            Box::pin(async move {
                // The lock waits for a refresh that begins such a session.
                let user = guard::lock_users(tx, user_id, None).await?.pop();
                if let Some(user) = user.filter(|_| has_old_tables) {
                    tx.execute(&revoke_old_tokens(user.uuid.as_deref().unwrap_or_default())).await?;
                    session_ends::end(tx, session_ends::of_old_tokens(user.id), EndedGrants::Online, event.at).await?;
                }
                tx.add_audit_event(&event).await
            })
        })
        .await
    }
}

/// Selects these columns of sessions, and their users.
pub(super) fn selection(columns: impl IntoIterator<Item = Sessions>) -> SelectStatement {
    let mut select = Query::select();
    for column in columns {
        select.column((Sessions::Table, column));
    }
    let of_session = Expr::col((Users::Table, Users::Id)).equals((Sessions::Table, Sessions::UserId));
    select.from(Sessions::Table).inner_join(Users::Table, of_session);
    users::columns(&mut select).and_where(Expr::col((Users::Table, Users::Uuid)).is_not_null()).to_owned()
}

fn insertion(session: NewSession) -> InsertStatement {
    let password_digest = match &session.begin {
        Begin::Password { compared_hash } if session.cookie_hash.is_some() => {
            Some(guard::password_digest(compared_hash))
        }
        _ => None,
    };
    let row: [(Sessions, Expr); 14] = [
        (Sessions::Sid, session.sid.into()),
        (Sessions::UserId, session.user_id.into()),
        (Sessions::RefreshJti, session.refresh_jti.into()),
        (Sessions::RefreshIat, session.created_at.seconds().into()),
        (Sessions::RefreshKid, session.refresh_kid.into()),
        (Sessions::CreatedAt, session.created_at.seconds().into()),
        (Sessions::ExpiresAt, session.expires_at.seconds().into()),
        (Sessions::EndsAt, session.ends_at.seconds().into()),
        (Sessions::LastUsedAt, session.created_at.seconds().into()),
        (Sessions::Address, session.address.into()),
        (Sessions::UserAgent, session.user_agent.into()),
        (Sessions::AuthTime, session.cookie_hash.as_ref().map(|_| session.created_at.seconds()).into()),
        (Sessions::CookieHash, session.cookie_hash.into()),
        (Sessions::PasswordDigest, password_digest.into()),
    ];
    Query::insert()
        .into_table(Sessions::Table)
        .columns(row.each_ref().map(|(column, _)| *column))
        .values_panic(row.map(|(_, value)| value))
        .to_owned()
}
