//! Conditions that must still hold when a change takes effect. A request checks its session first, and may then hash
//! for a second: meanwhile an Admin may end the session, or somebody may change the password.
//!
//! Rows of users are locked before anything else but names (`users/taken.rs`), in the order of their ids, so that two
//! requests that change a user or end that user's sessions run one after the other. Only then is the session checked again.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, LockType, Order, Query};
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;

use super::schema::{Roles, Sessions, Users};
use super::times::is_live;
use super::{Role, StoreError, Tx, old_tokens};

/// The user who makes a change, and the proof of it.
#[derive(Debug, Clone)]
pub struct Actor {
    pub user_id: i32,
    pub proof: Proof,
    /// Whether only an Admin may make the change.
    pub is_for_admins: bool,
    pub now: UnixTime,
}

/// How a request was authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The id of a session.
    Session(String),
    /// The id of an access token of the legacy service.
    OldToken(String),
}

/// The conditions of a change; empty by default.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    pub actor: Option<Actor>,
    /// The hash that the present password was compared with.
    pub compared_hash: Option<String>,
}

/// A user's row, locked until the transaction ends.
#[derive(Debug, FromRow)]
pub(super) struct LockedUser {
    pub id: i32,
    pub uuid: Option<String>,
    pub email: Option<String>,
    pub password: Option<String>,
    pub role_id: Option<i32>,
    pub disabled: bool,
}

impl Guard {
    /// Locks the user with the id `target`, and the actor. Returns the user, if it exists.
    ///
    /// # Errors
    /// [`StoreError::SessionOver`], [`StoreError::NotAdmin`] or [`StoreError::PasswordChanged`] if a condition no
    /// longer holds.
    pub(super) async fn lock(&self, tx: &mut Tx, target: i32) -> Result<Option<LockedUser>, StoreError> {
        let actor_id = self.actor.as_ref().map(|actor| actor.user_id);
        let locked = lock_users(tx, target, actor_id).await?;
        if let Some(actor) = &self.actor {
            let user = locked.iter().find(|user| user.id == actor.user_id).ok_or(StoreError::SessionOver)?;
            actor.check(tx, user).await?;
        }
        let target = locked.into_iter().find(|user| user.id == target);
        if let (Some(user), Some(compared)) = (&target, &self.compared_hash)
            && !user.has_hash(compared)
        {
            return Err(StoreError::PasswordChanged);
        }
        Ok(target)
    }
}

impl Actor {
    /// Locks the actor of a change that affects no other user.
    pub(super) async fn lock(&self, tx: &mut Tx) -> Result<LockedUser, StoreError> {
        let guard = Guard { actor: Some(self.clone()), compared_hash: None };
        guard.lock(tx, self.user_id).await?.ok_or(StoreError::SessionOver)
    }

    async fn check(&self, tx: &mut Tx, user: &LockedUser) -> Result<(), StoreError> {
        if user.disabled || !self.proof.is_valid(tx, user, self.now).await? {
            return Err(StoreError::SessionOver);
        }
        if self.is_for_admins && !is_admin(tx, user).await? {
            return Err(StoreError::NotAdmin);
        }
        Ok(())
    }
}

impl Proof {
    async fn is_valid(&self, tx: &mut Tx, user: &LockedUser, now: UnixTime) -> Result<bool, StoreError> {
        match self {
            Self::Session(sid) => has_session(tx, sid, user.id, now).await,
            Self::OldToken(jti) => is_old_token_valid(tx, jti, "access", user.uuid.as_deref()).await,
        }
    }
}

impl LockedUser {
    /// `None` without a password.
    pub(super) fn password_digest(&self) -> Option<String> {
        self.password.as_deref().map(password_digest)
    }

    /// Compares byte by byte, regardless of collations.
    pub fn has_hash(&self, hash: &str) -> bool {
        let own = self.password.as_deref().unwrap_or_default();
        self.password.is_some() && verify_slices_are_equal(own.as_bytes(), hash.as_bytes()).is_ok()
    }
}

/// A password hash as the table has it.
#[derive(sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
pub(super) struct PasswordHash(Option<String>);

/// Sessions and grants are printed: they must not contain the hash.
impl From<PasswordHash> for Option<String> {
    fn from(PasswordHash(hash): PasswordHash) -> Self {
        hash.as_deref().map(password_digest)
    }
}

/// Whether the digest that a session or a grant keeps is that of the user's present password. Servers of release 0.2 and the
/// legacy service change a password without ending either.
pub(super) fn is_of_present_password(kept: Option<&str>, present: Option<&str>) -> bool {
    present.is_some() && kept == present
}

/// What browsers' sessions and grants keep of a password hash, to see that it has changed.
pub(super) fn password_digest(hash: &str) -> String {
    Sha256::digest(hash).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Locks one or two rows by their primary key: any other condition could lock the whole table on MySQL.
pub(super) async fn lock_users(tx: &mut Tx, id: i32, other: Option<i32>) -> Result<Vec<LockedUser>, StoreError> {
    let select = Query::select()
        .columns([Users::Id, Users::Uuid, Users::Email, Users::Password, Users::RoleId, Users::Disabled])
        .from(Users::Table)
        .and_where(Expr::col(Users::Id).is_in([id, other.unwrap_or(id)]))
        .order_by(Users::Id, Order::Asc)
        .lock(LockType::Update)
        .to_owned();
    tx.fetch_all(&select).await
}

/// The lock makes MySQL read the current row, not the one from the beginning of the transaction.
pub(super) async fn has_session(tx: &mut Tx, sid: &str, user_id: i32, now: UnixTime) -> Result<bool, StoreError> {
    let select = Query::select()
        .columns([Sessions::ExpiresAt, Sessions::EndsAt])
        .from(Sessions::Table)
        .and_where(Expr::col(Sessions::Sid).eq(sid))
        .and_where(Expr::col(Sessions::UserId).eq(user_id))
        .lock(LockType::Update)
        .to_owned();
    let session: Option<(i64, Option<i64>)> = tx.fetch_optional(&select).await?;
    Ok(session.is_some_and(|(expires_at, ends_at)| is_live(expires_at.into(), ends_at.map(UnixTime::from), now)))
}

/// Whether a token of the legacy service was issued to that user and not revoked.
pub(super) async fn is_old_token_valid(
    tx: &mut Tx,
    jti: &str,
    kind: &str,
    user_uuid: Option<&str>,
) -> Result<bool, StoreError> {
    let Some(user_uuid) = user_uuid else { return Ok(false) };
    let select = old_tokens::revocation(jti, kind, user_uuid).lock(LockType::Update).to_owned();
    Ok(tx.fetch_optional::<(Option<bool>,)>(&select).await? == Some((Some(false),)))
}

async fn is_admin(tx: &mut Tx, user: &LockedUser) -> Result<bool, StoreError> {
    let select = Query::select()
        .column(Roles::Name)
        .from(Roles::Table)
        .and_where(Expr::col(Roles::Id).eq(user.role_id))
        .to_owned();
    let name = tx.fetch_optional::<(Option<String>,)>(&select).await?.and_then(|(name,)| name);
    Ok(name.as_deref() == Some(Role::Admin.name()))
}
