//! Changing and deleting users, with what has to happen at the same time.

use sea_query::{Expr, ExprTrait as _, LockType, Query};
use time::OffsetDateTime;

use super::super::sessions::Sessions;
use super::super::{Store, StoreError, Tx};
use super::{Changes, Role, Roles, Tokens, Users, fold, of_user, to_datetime};

impl Store {
    /// Returns whether there is such a user. A new password and disabling end the user's sessions.
    ///
    /// # Errors
    /// [`StoreError::Taken`] where the address belongs to another user, [`StoreError::LastAdmin`] where nobody would
    /// be left to undo it.
    pub async fn change_user(&self, uuid: &str, changes: Changes, now: OffsetDateTime) -> Result<bool, StoreError> {
        let has_old_tables = self.has_old_tables();
        self.transaction(|tx| {
            let (uuid, changes) = (uuid.to_owned(), changes.clone());
            Box::pin(async move { change(tx, &uuid, &changes, now, has_old_tables).await })
        })
        .await
    }

    /// Deletes a user with all of that user's sessions. Returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::LastAdmin`] where nobody would be left to manage users.
    pub async fn delete_user(&self, uuid: &str) -> Result<bool, StoreError> {
        let has_old_tables = self.has_old_tables();
        self.transaction(|tx| {
            let uuid = uuid.to_owned();
            Box::pin(async move {
                refuse_last_admin(tx, &uuid).await?;
                if has_old_tables {
                    let delete = Query::delete()
                        .from_table(Tokens::Table)
                        .and_where(Expr::col(Tokens::UserUuid).eq(uuid.as_str()))
                        .to_owned();
                    tx.execute(&delete).await?;
                }
                let delete =
                    Query::delete().from_table(Users::Table).and_where(Expr::col(Users::Uuid).eq(uuid)).to_owned();
                Ok(tx.execute(&delete).await? > 0)
            })
        })
        .await
    }
}

async fn change(
    tx: &mut Tx,
    uuid: &str,
    changes: &Changes,
    now: OffsetDateTime,
    has_old_tables: bool,
) -> Result<bool, StoreError> {
    if changes.takes_power() {
        refuse_last_admin(tx, uuid).await?;
    }
    let mut update = Query::update();
    update.table(Users::Table).value(Users::UpdatedAt, to_datetime(now)).and_where(Expr::col(Users::Uuid).eq(uuid));
    if let Some(name) = &changes.name {
        update.value(Users::Name, name.as_str());
    }
    if let Some(email) = &changes.email {
        update.value(Users::EmailKey, fold(email)).value(Users::Email, email.as_str());
    }
    if let Some(hash) = &changes.password_hash {
        update.value(Users::Password, hash.as_str());
    }
    if let Some(role) = changes.role {
        update.value(Users::RoleId, role.id_query());
    }
    if let Some(disabled) = changes.disabled {
        update.value(Users::Disabled, disabled);
    }
    let is_found = tx.execute(&update).await? > 0;
    if is_found && changes.ends_sessions() {
        end_sessions(tx, uuid, changes.keep_session.as_deref(), has_old_tables).await?;
    }
    Ok(is_found)
}

/// After the row of the user was changed, which whoever begins a session has to wait for.
async fn end_sessions(tx: &mut Tx, uuid: &str, keep: Option<&str>, has_old_tables: bool) -> Result<(), StoreError> {
    let user_id =
        Query::select().column(Users::Id).from(Users::Table).and_where(Expr::col(Users::Uuid).eq(uuid)).to_owned();
    let mut delete = Query::delete();
    delete.from_table(Sessions::Table).and_where(Expr::col(Sessions::UserId).in_subquery(user_id));
    if let Some(sid) = keep {
        delete.and_where(Expr::col(Sessions::Sid).ne(sid));
    }
    tx.execute(&delete).await?;
    if has_old_tables {
        tx.execute(&revoke_old_tokens(uuid)).await?;
    }
    Ok(())
}

pub fn revoke_old_tokens(user_uuid: &str) -> sea_query::UpdateStatement {
    Query::update()
        .table(Tokens::Table)
        .value(Tokens::Revoked, true)
        .and_where(Expr::col(Tokens::UserUuid).eq(user_uuid))
        .to_owned()
}

/// Locks all Admins who can log in, so that two who each take the other's power do so one after the other.
async fn refuse_last_admin(tx: &mut Tx, uuid: &str) -> Result<(), StoreError> {
    let admins = Query::select()
        .column((Users::Table, Users::Uuid))
        .from(Users::Table)
        .inner_join(Roles::Table, of_user())
        .and_where(Expr::col((Roles::Table, Roles::Name)).eq(Role::Admin.name()))
        .and_where(Expr::col((Users::Table, Users::Disabled)).eq(false))
        .lock(LockType::Update)
        .to_owned();
    let admins: Vec<(String,)> = tx.fetch_all(&admins).await?;
    if admins.len() == 1 && admins[0].0 == uuid { Err(StoreError::LastAdmin) } else { Ok(()) }
}
