//! Creates users.

use sc_auth_contract::time::UnixTime;
use sea_query::InsertStatement;

use super::taken::{lock_names, refuse_taken};
use super::{NewUser, insertion, row};
use crate::store::{Actor, NewEvent, Store, StoreError, identity};

impl Store {
    /// Creates a user. `actor` is the Admin who does it; `None` for a registration or a command. `event` records it.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the name or the address is the name or the address of another user, [`StoreError::SessionOver`] or
    /// [`StoreError::NotAdmin`] if the actor is no longer allowed to.
    pub async fn create_user(
        &self,
        user: NewUser,
        actor: Option<&Actor>,
        event: &NewEvent,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let (username, email) = (user.username.clone(), user.email.clone());
        let insertion = self.insertion_of(user, now).await?;
        self.transaction(|tx| {
            let (actor, insertion, event) = (actor.cloned(), insertion.clone(), event.clone());
            let (username, email) = (username.clone(), email.clone());
            Box::pin(async move {
                lock_names(tx).await?;
                if let Some(actor) = actor {
                    actor.lock(tx).await?;
                }
                refuse_taken(tx, None, Some(&username), email.as_deref()).await?;
                tx.execute(&insertion).await?;
                tx.add_audit_event(&event).await
            })
        })
        .await
    }

    /// Creates the first Admin, and records the `id` of the Secret with the password.
    pub async fn create_first_admin(
        &self,
        user: NewUser,
        secret_id: &str,
        event: &NewEvent,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let (username, email) = (user.username.clone(), user.email.clone());
        let insertion = self.insertion_of(user, now).await?;
        self.transaction(|tx| {
            let (insertion, secret_id, event) = (insertion.clone(), secret_id.to_owned(), event.clone());
            let (username, email) = (username.clone(), email.clone());
            Box::pin(async move {
                lock_names(tx).await?;
                refuse_taken(tx, None, Some(&username), email.as_deref()).await?;
                tx.execute(&insertion).await?;
                tx.add_audit_event(&event).await?;
                identity::set_bootstrap(tx, &secret_id).await
            })
        })
        .await
    }

    async fn insertion_of(&self, user: NewUser, now: UnixTime) -> Result<InsertStatement, StoreError> {
        if self.has_old_tables() {
            // An existing user of that name, written by the legacy service, gets its key now: then the insertion fails.
            self.credentials(&user.username).await?;
        }
        Ok(insertion(vec![row(user, now)]))
    }
}
