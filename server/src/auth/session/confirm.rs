//! The password once more, from somebody who is logged in.

use secrecy::SecretString;

use super::{AuditOutcome, Client, Compared, Entry, Event, HasherError, SessionError, Sessions};
use crate::auth::throttle::Throttle;
use crate::store::User;

impl Sessions {
    /// Whether it is the user's password, asked of somebody who is logged in. Returns the hash that it was compared with.
    pub async fn confirm_password(
        &self,
        user: &User,
        password: &SecretString,
        client: &Client,
        now: i64,
    ) -> Result<String, SessionError> {
        self.hasher.check_room()?;
        let keys = self.keys.get();
        let throttle = Throttle::new(&self.store, &keys, user.username(), self.throttles);
        throttle.check(now).await?;
        let stored = self.store.password_hash(user.id).await?;
        let compared = self.compare(password, stored.clone()).await?;
        throttle.check(now).await?;
        if let (Some(stored), true) = (stored, compared.verdict.matches) {
            return Ok(stored);
        }
        throttle.count(now).await?;
        self.note(client, Entry::new(Event::PasswordChanged, AuditOutcome::Failure).by(user), now).await?;
        Err(SessionError::BadCredentials)
    }

    /// Compares a password. A hash that cannot be used is one that nothing matches, after the same work.
    pub(super) async fn compare(
        &self,
        password: &SecretString,
        stored: Option<String>,
    ) -> Result<Compared, SessionError> {
        match self.hasher.verify(password.clone(), stored).await {
            Err(HasherError::Hash(error)) => {
                tracing::error!(%error, "a stored password hash cannot be used; the user needs a new password");
                Ok(self.hasher.verify(password.clone(), None).await?)
            }
            result => Ok(result?),
        }
    }
}
