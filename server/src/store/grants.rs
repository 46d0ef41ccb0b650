//! Grants: what a user allowed an application at one login, with its code and its chain of refresh tokens.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, InsertStatement, Query, SelectStatement, UpdateStatement};
use sqlx::FromRow;

use super::consents;
use super::grant_ends;
use super::guard::{self, PasswordHash};
use super::logouts;
use super::permissions::Permissions;
use super::schema::{Grants, Sessions, Users};
use super::sessions::Rotation;
use super::times::Nullable;
use super::users;
use super::{NewEvent, Store, StoreError, User};

/// The most grants of a user for one client that have a refresh token: without a limit, an application could fill the
/// table.
const MAX_OFFLINE_GRANTS: u64 = 50;
/// The most others, which a browser could fill it with: codes, and grants without a refresh token.
const MAX_ONLINE_GRANTS: u64 = 100;

/// A grant that begins with a code.
#[derive(Debug, Clone)]
pub struct NewGrant {
    pub grant_id: String,
    pub user_id: i32,
    pub sid: String,
    pub client: String,
    /// Separated by blanks.
    pub scopes: String,
    /// A JSON array.
    pub audiences: String,
    pub is_offline: bool,
    pub auth_time: UnixTime,
    pub created_at: UnixTime,
    /// Of the code.
    pub expires_at: UnixTime,
    pub code_hash: String,
    pub code_challenge: Option<String>,
    pub redirect_uri: String,
    pub nonce: Option<String>,
    /// A JSON object.
    pub claims: Option<String>,
}

/// A grant and its user.
#[derive(Debug, Clone, FromRow)]
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub struct Grant {
    pub grant_id: String,
    pub sid: String,
    pub client: String,
    pub scopes: String,
    pub audiences: String,
    pub is_offline: bool,
    is_detached: bool,
    password_digest: Option<String>,
    #[sqlx(try_from = "i64")]
    pub auth_time: UnixTime,
    #[sqlx(try_from = "i64")]
    pub created_at: UnixTime,
    #[sqlx(try_from = "i64")]
    pub expires_at: UnixTime,
    #[sqlx(try_from = "Nullable")]
    pub code_used_at: Option<UnixTime>,
    pub code_challenge: Option<String>,
    pub redirect_uri: String,
    pub nonce: Option<String>,
    pub claims: Option<String>,
    pub refresh_jti: Option<String>,
    #[sqlx(try_from = "Nullable")]
    pub refresh_iat: Option<UnixTime>,
    pub refresh_kid: Option<String>,
    pub previous_jti: Option<String>,
    #[sqlx(try_from = "Nullable")]
    pub rotated_at: Option<UnixTime>,
    pub rotated_network: Option<String>,
    pub rotated_user_agent: Option<String>,
    /// When its session ends; `None` if it has ended.
    #[sqlx(try_from = "Nullable")]
    session_expires_at: Option<UnixTime>,
    /// The latest end of its session, however often that is used.
    #[sqlx(try_from = "Nullable")]
    pub session_ends_at: Option<UnixTime>,
    /// Of the user's present password.
    #[sqlx(rename = "password", try_from = "PasswordHash")]
    present_digest: Option<String>,
    #[sqlx(flatten)]
    pub user: User,
}

impl Grant {
    /// Whether its tokens are accepted.
    pub fn is_live(&self, now: UnixTime) -> bool {
        let outlives = match self.session_expires_at {
            Some(expires_at) => self.is_offline || expires_at > now,
            // A server of release 0.2 ends a session without detaching its grants.
            None => self.is_offline && self.is_detached,
        };
        let has_same_password =
            guard::is_of_present_password(self.password_digest.as_deref(), self.present_digest.as_deref());
        self.expires_at > now && !self.user.disabled && has_same_password && outlives
    }
}

/// The first refresh token of a grant.
#[derive(Debug, Clone)]
pub struct Chain {
    pub jti: String,
    pub kid: String,
}

/// What a grant becomes when its code is used.
#[derive(Debug, Clone)]
pub struct UsedCode {
    /// `None` without a refresh token.
    pub chain: Option<Chain>,
    pub now: UnixTime,
    /// Of the last token.
    pub expires_at: UnixTime,
    /// Whether the client is notified when the session ends.
    pub is_notified: bool,
    /// Records the least recently used grants, which end if there are too many.
    pub ended: NewEvent,
}

impl Store {
    /// Creates a grant, and records what the user allows without being asked again. `ended` records the
    /// least recently used grants, which end if there are too many. Returns the events that it recorded, or `None` if the
    /// session has ended meanwhile.
    pub async fn create_grant(
        &self,
        grant: NewGrant,
        consent: Option<&Permissions>,
        event: Option<&NewEvent>,
        ended: &NewEvent,
    ) -> Result<Option<Vec<NewEvent>>, StoreError> {
        self.transaction(|tx| {
            let (grant, consent, event) = (grant.clone(), consent.cloned(), event.cloned());
            let ended = ended.clone();
            Box::pin(async move {
                let user = guard::lock_users(tx, grant.user_id, None).await?.pop();
                let Some(user) = user.filter(|user| !user.disabled) else { return Ok(None) };
                if !guard::has_session(tx, &grant.sid, grant.user_id, grant.created_at).await? {
                    return Ok(None);
                }
                if let Some(consent) = consent {
                    consents::give(tx, grant.user_id, &grant.client, &consent, grant.created_at).await?;
                }
                if let Some(event) = &event {
                    tx.add_audit_event(event).await?;
                }
                let (user_id, client) = (grant.user_id, grant.client.clone());
                tx.execute_prepared(&insertion(grant, user.password_digest())).await?;
                let ended = grant_ends::least_used(tx, user_id, &client, false, MAX_ONLINE_GRANTS, &ended).await?;
                Ok(Some(event.into_iter().chain(ended).collect()))
            })
        })
        .await
    }

    pub async fn grant_of_code(&self, code_hash: &str) -> Result<Option<Grant>, StoreError> {
        self.fetch_optional(selection().and_where(Expr::col((Grants::Table, Grants::CodeHash)).eq(code_hash))).await
    }

    pub async fn grant(&self, grant_id: &str) -> Result<Option<Grant>, StoreError> {
        self.fetch_optional(selection().and_where(Expr::col((Grants::Table, Grants::GrantId)).eq(grant_id))).await
    }

    /// Returns the events that it recorded, or `None` if the code was used before, or the grant has ended.
    pub async fn use_code(&self, grant: &Grant, used: &UsedCode) -> Result<Option<Vec<NewEvent>>, StoreError> {
        let update = use_of_code(grant, used);
        self.transaction(|tx| {
            let (update, used) = (update.clone(), used.clone());
            let (sid, sub) = (grant.sid.clone(), grant.user.uuid.clone());
            let (user_id, client) = (grant.user.id, grant.client.clone());
            Box::pin(async move {
                guard::lock_users(tx, user_id, None).await?;
                if tx.execute_prepared(&update).await? == 0 {
                    return Ok(None);
                }
                if used.is_notified {
                    logouts::add_receiver(tx, &sid, &sub, &client).await?;
                }
                if used.chain.is_none() {
                    return Ok(Some(Vec::new()));
                }
                let ended = grant_ends::least_used(tx, user_id, &client, true, MAX_OFFLINE_GRANTS, &used.ended).await?;
                Ok(Some(ended.into_iter().collect()))
            })
        })
        .await
    }

    /// Exchanges a refresh token. Returns `false` if another request was faster.
    pub async fn rotate_grant(&self, rotation: Rotation<'_>) -> Result<bool, StoreError> {
        let update = Query::update()
            .table(Grants::Table)
            .value(Grants::PreviousJti, rotation.from_jti)
            .value(Grants::RefreshJti, rotation.to_jti)
            .value(Grants::RefreshIat, rotation.now.seconds())
            .value(Grants::RefreshKid, rotation.kid)
            .value(Grants::RotatedAt, rotation.now.seconds())
            .value(Grants::RotatedNetwork, rotation.network)
            .value(Grants::RotatedUserAgent, rotation.user_agent)
            .value(Grants::ExpiresAt, rotation.expires_at.seconds())
            .and_where(Expr::col(Grants::GrantId).eq(rotation.id))
            .and_where(Expr::col(Grants::RefreshJti).eq(rotation.from_jti))
            .to_owned();
        Ok(self.execute(&update).await? == 1)
    }

    /// Ends a grant: its tokens are refused from the next request on. Returns whether it existed.
    pub async fn end_grant(&self, grant_id: &str, event: &NewEvent) -> Result<bool, StoreError> {
        self.transaction(|tx| {
            let (grant_id, event) = (grant_id.to_owned(), event.clone());
            Box::pin(async move {
                let delete = Query::delete()
                    .from_table(Grants::Table)
                    .and_where(Expr::col(Grants::GrantId).eq(grant_id))
                    .to_owned();
                let is_ended = tx.execute_prepared(&delete).await? > 0;
                if is_ended {
                    tx.add_audit_event(&event).await?;
                }
                Ok(is_ended)
            })
        })
        .await
    }

    /// Ends all grants of a client. Returns how many there were.
    pub(super) async fn delete_grants_of(&self, client: &str) -> Result<u64, StoreError> {
        let is_of_client = Expr::col(Grants::Client).eq(client);
        self.delete_where::<i64>(Grants::Table, Grants::Id, &is_of_client).await
    }

    /// Deletes grants whose code or last token has expired.
    pub async fn sweep_grants(&self, now: UnixTime) -> Result<u64, StoreError> {
        self.sweep::<i64>(Grants::Table, Grants::Id, Grants::ExpiresAt, now).await
    }
}

fn use_of_code(grant: &Grant, used: &UsedCode) -> UpdateStatement {
    let (chain, now) = (used.chain.as_ref(), used.now.seconds());
    Query::update()
        .table(Grants::Table)
        .value(Grants::CodeUsedAt, now)
        .value(Grants::ExpiresAt, used.expires_at.seconds())
        .value(Grants::RefreshJti, chain.map(|chain| chain.jti.clone()))
        .value(Grants::RefreshIat, chain.map(|_| now))
        .value(Grants::RefreshKid, chain.map(|chain| chain.kid.clone()))
        .and_where(Expr::col(Grants::GrantId).eq(grant.grant_id.as_str()))
        .and_where(Expr::col(Grants::CodeUsedAt).is_null())
        .and_where(Expr::col(Grants::ExpiresAt).gt(now))
        .to_owned()
}

fn selection() -> SelectStatement {
    let mut select = Query::select();
    for column in [
        Grants::GrantId,
        Grants::Sid,
        Grants::Client,
        Grants::Scopes,
        Grants::Audiences,
        Grants::IsOffline,
        Grants::IsDetached,
        Grants::PasswordDigest,
        Grants::AuthTime,
        Grants::CreatedAt,
        Grants::ExpiresAt,
        Grants::CodeUsedAt,
        Grants::CodeChallenge,
        Grants::RedirectUri,
        Grants::Nonce,
        Grants::Claims,
        Grants::RefreshJti,
        Grants::RefreshIat,
        Grants::RefreshKid,
        Grants::PreviousJti,
        Grants::RotatedAt,
        Grants::RotatedNetwork,
        Grants::RotatedUserAgent,
    ] {
        select.column((Grants::Table, column));
    }
    let of_user = Expr::col((Users::Table, Users::Id)).equals((Grants::Table, Grants::UserId));
    let of_session = Expr::col((Sessions::Table, Sessions::Sid))
        .equals((Grants::Table, Grants::Sid))
        .and(Expr::col((Sessions::Table, Sessions::UserId)).equals((Grants::Table, Grants::UserId)));
    select
        .expr_as(Expr::col((Sessions::Table, Sessions::ExpiresAt)), "session_expires_at")
        .expr_as(Expr::col((Sessions::Table, Sessions::EndsAt)), "session_ends_at")
        .column((Users::Table, Users::Password))
        .from(Grants::Table)
        .inner_join(Users::Table, of_user)
        .left_join(Sessions::Table, of_session);
    users::columns(&mut select).and_where(Expr::col((Users::Table, Users::Uuid)).is_not_null()).to_owned()
}

fn insertion(grant: NewGrant, password_digest: Option<String>) -> InsertStatement {
    let row: [(Grants, Expr); 17] = [
        (Grants::GrantId, grant.grant_id.into()),
        (Grants::UserId, grant.user_id.into()),
        (Grants::Sid, grant.sid.into()),
        (Grants::Client, grant.client.into()),
        (Grants::Scopes, grant.scopes.into()),
        (Grants::Audiences, grant.audiences.into()),
        (Grants::IsOffline, grant.is_offline.into()),
        (Grants::PasswordDigest, password_digest.into()),
        (Grants::AuthTime, grant.auth_time.seconds().into()),
        (Grants::CreatedAt, grant.created_at.seconds().into()),
        (Grants::ExpiresAt, grant.expires_at.seconds().into()),
        (Grants::CodeHash, grant.code_hash.into()),
        (Grants::CodeChallenge, grant.code_challenge.into()),
        (Grants::RedirectUri, grant.redirect_uri.into()),
        (Grants::Nonce, grant.nonce.into()),
        (Grants::Claims, grant.claims.into()),
        (Grants::CodeUsedAt, Option::<i64>::None.into()),
    ];
    Query::insert()
        .into_table(Grants::Table)
        .columns(row.each_ref().map(|(column, _)| *column))
        .values_panic(row.map(|(_, value)| value))
        .to_owned()
}
