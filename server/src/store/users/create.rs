//! New users.

use sc_auth_contract::time::UnixTime;
use sea_query::InsertStatement;

use super::{NewUser, insertion, row};
use crate::store::{Actor, Store, StoreError, identity};

impl Store {
    /// Makes a user, for `actor` or for whoever asks.
    ///
    /// # Errors
    /// [`StoreError::Taken`] where the name or the address belongs to another user, [`StoreError::SessionOver`] and
    /// [`StoreError::NotAdmin`] where the actor may not do so any longer.
    pub async fn create_user(&self, user: NewUser, actor: Option<&Actor>, now: UnixTime) -> Result<(), StoreError> {
        let insertion = self.insertion_of(user, now).await?;
        let Some(actor) = actor else { return self.execute(&insertion).await.map(|_| ()) };
        self.transaction(|tx| {
            let (actor, insertion) = (actor.clone(), insertion.clone());
            Box::pin(async move {
                actor.lock(tx).await?;
                tx.execute(&insertion).await.map(|_| ())
            })
        })
        .await
    }

    /// Makes the first Admin, with the `id` of the Secret that has the password.
    pub async fn create_first_admin(&self, user: NewUser, secret_id: &str, now: UnixTime) -> Result<(), StoreError> {
        let insertion = self.insertion_of(user, now).await?;
        self.transaction(|tx| {
            let (insertion, secret_id) = (insertion.clone(), secret_id.to_owned());
            Box::pin(async move {
                tx.execute(&insertion).await?;
                identity::set_bootstrap(tx, &secret_id).await
            })
        })
        .await
    }

    async fn insertion_of(&self, user: NewUser, now: UnixTime) -> Result<InsertStatement, StoreError> {
        if self.has_old_tables() {
            // One of that name that the old service wrote gets its key now, which then refuses the new one.
            self.credentials(&user.username).await?;
        }
        Ok(insertion(vec![row(user, now)]))
    }
}
