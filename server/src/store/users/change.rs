//! Changes and deletes users, together with their sessions and tokens.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, LockType, Order, Query};

use super::super::grant_ends;
use super::super::guard::{Guard, LockedUser, has_session};
use super::super::old_tokens::revoke_old_tokens;
use super::super::schema::{Roles, Tokens, Users};
use super::super::session_ends::{self, EndedGrants};
use super::super::user_groups;
use super::super::{NewEvent, Role, Store, StoreError, Tx};
use super::taken::{lock_names, refuse_taken};
use super::{Changes, to_datetime};
use crate::account::NO_PASSWORD;

impl Store {
    /// Returns whether the user exists. A new password, and disabling the user, end the user's sessions.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the address belongs to another user, [`StoreError::LastAdmin`] if no Admin could log in
    /// afterwards, and the errors of [`Guard`].
    pub async fn change_user(
        &self,
        user_id: i32,
        changes: Changes,
        guard: Guard,
        event: &NewEvent,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let has_old_tables = self.has_old_tables();
        self.transaction(|tx| {
            let (changes, guard, event) = (changes.clone(), guard.clone(), event.clone());
            Box::pin(async move {
                let exists = change(tx, user_id, &changes, &guard, now, has_old_tables).await?;
                if exists {
                    tx.add_audit_event(&event).await?;
                }
                Ok(exists)
            })
        })
        .await
    }

    /// Deletes a user with all of that user's sessions. Returns whether the user existed.
    ///
    /// # Errors
    /// [`StoreError::LastAdmin`] if no Admin could log in afterwards, and the errors of [`Guard`].
    pub async fn delete_user(&self, user_id: i32, guard: Guard, event: &NewEvent) -> Result<bool, StoreError> {
        let has_old_tables = self.has_old_tables();
        self.transaction(|tx| {
            let (guard, event) = (guard.clone(), event.clone());
            Box::pin(async move {
                refuse_last_admin(tx, user_id).await?;
                let Some(user) = guard.lock(tx, user_id).await? else { return Ok(false) };
                if let (true, Some(uuid)) = (has_old_tables, &user.uuid) {
                    let delete = Query::delete()
                        .from_table(Tokens::Table)
                        .and_where(Expr::col(Tokens::UserUuid).eq(uuid))
                        .to_owned();
                    tx.execute(&delete).await?;
                }
                session_ends::end(tx, session_ends::of_user(user_id, None), EndedGrants::All, event.at).await?;
                grant_ends::of_user(tx, &user, None, event.at).await?;
                let delete =
                    Query::delete().from_table(Users::Table).and_where(Expr::col(Users::Id).eq(user_id)).to_owned();
                tx.execute(&delete).await?;
                tx.add_audit_event(&event).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Replaces a hash with a stronger one of the same password, which was compared to begin the session `sid`. Returns
    /// `false` if the password was changed or the session ended meanwhile.
    pub async fn replace_hash(
        &self,
        user_id: i32,
        old: &str,
        new: &str,
        sid: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        self.transaction(|tx| {
            let (old, new, sid) = (old.to_owned(), new.to_owned(), sid.to_owned());
            Box::pin(async move {
                let Some(user) = Guard::default().lock(tx, user_id).await? else { return Ok(false) };
                if user.disabled || !user.has_hash(&old) || !has_session(tx, &sid, user_id, now).await? {
                    return Ok(false);
                }
                let update = Query::update()
                    .table(Users::Table)
                    .value(Users::Password, new.as_str())
                    .and_where(Expr::col(Users::Id).eq(user_id))
                    .to_owned();
                let is_replaced = tx.execute(&update).await? > 0;
                grant_ends::keep_with_hash(tx, &user, &new).await?;
                Ok(is_replaced)
            })
        })
        .await
    }
}

async fn change(
    tx: &mut Tx,
    user_id: i32,
    changes: &Changes,
    guard: &Guard,
    now: UnixTime,
    has_old_tables: bool,
) -> Result<bool, StoreError> {
    if changes.email.is_some() {
        lock_names(tx).await?;
    }
    if changes.takes_power() {
        refuse_last_admin(tx, user_id).await?;
    }
    let Some(user) = guard.lock(tx, user_id).await? else { return Ok(false) };
    if let Some(email) = &changes.email {
        refuse_taken(tx, Some(user_id), None, Some(email)).await?;
    }
    let update = Query::update()
        .table(Users::Table)
        .value(Users::UpdatedAt, to_datetime(now))
        .values(changes.columns())
        .values(verified(changes, &user))
        .and_where(Expr::col(Users::Id).eq(user_id))
        .to_owned();
    tx.execute(&update).await?;
    if let Some(groups) = &changes.groups {
        user_groups::set(tx, user_id, groups).await?;
    }
    if changes.ends_sessions() {
        end_sessions(tx, &user, changes.keep_session.as_deref(), has_old_tables, now).await?;
    }
    if let Some(hash) = &changes.password_hash {
        grant_ends::keep_with_hash(tx, &user, hash).await?;
    }
    Ok(true)
}

/// The column of the verified address with its value, if that changes.
fn verified(changes: &Changes, user: &LockedUser) -> Option<(Users, Expr)> {
    let is_new = changes.email.is_some() && changes.email != user.email;
    let address = match changes.email_verified {
        Some(true) => changes.email.clone().or_else(|| user.email.clone()),
        Some(false) => None,
        None if is_new => None,
        None => return None,
    };
    Some((Users::VerifiedEmail, address.into()))
}

/// Call this with the user's row locked, so that no other request creates a session meanwhile.
pub(in crate::store) async fn end_sessions(
    tx: &mut Tx,
    user: &LockedUser,
    keep: Option<&str>,
    has_old_tables: bool,
    now: UnixTime,
) -> Result<u64, StoreError> {
    let count = session_ends::end(tx, session_ends::of_user(user.id, keep), EndedGrants::All, now).await?;
    // Those too whose session has ended before.
    grant_ends::of_user(tx, user, keep, now).await?;
    if let (true, Some(uuid)) = (has_old_tables, &user.uuid) {
        tx.execute(&revoke_old_tokens(uuid)).await?;
    }
    Ok(count)
}

/// Locks all Admins who can log in, so that two Admins who remove each other do so one after the other. Roles are not
/// locked, because giving a user a role needs them.
async fn refuse_last_admin(tx: &mut Tx, user_id: i32) -> Result<(), StoreError> {
    let roles = Query::select()
        .column(Roles::Id)
        .from(Roles::Table)
        .and_where(Expr::col(Roles::Name).eq(Role::Admin.name()))
        .to_owned();
    let roles: Vec<(i32,)> = tx.fetch_all(&roles).await?;
    let mut admins = Query::select();
    admins
        .column(Users::Id)
        .from(Users::Table)
        .and_where(Expr::col(Users::RoleId).is_in(roles.into_iter().map(|(id,)| id)))
        .and_where(Expr::col(Users::Disabled).eq(false))
        .order_by(Users::Id, Order::Asc)
        .lock(LockType::Update);
    // In a table of the legacy service these may be NULL: such users cannot log in.
    for column in [Users::Uuid, Users::Username, Users::Password] {
        admins.and_where(Expr::col(column).is_not_null());
    }
    admins.and_where(Expr::col(Users::Password).ne(NO_PASSWORD));
    let admins: Vec<(i32,)> = tx.fetch_varying(&admins).await?;
    if admins == [(user_id,)] { Err(StoreError::LastAdmin) } else { Ok(()) }
}
