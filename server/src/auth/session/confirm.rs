//! The password once more, from somebody who is logged in.

use sc_auth_contract::time::UnixTime;
use secrecy::SecretString;

use super::{
    AuditOutcome, Authenticated, Client, Compared, Entry, Event, HasherError, Proof, SessionError, Sessions, Standing,
};
use crate::account::fold;
use crate::auth::throttle::{Ends, WrongPasswords};

impl Sessions {
    /// Whether it is the user's password, asked of somebody who is logged in. Returns the hash that it was compared with.
    /// Strangers who guess at logins don't get in its way: wrong passwords are counted by the session or the old token,
    /// which ends after [`WrongPasswords::MOST`].
    pub async fn confirm_password(
        &self,
        bearer: &Authenticated,
        password: &SecretString,
        client: &Client,
        now: UnixTime,
    ) -> Result<String, SessionError> {
        self.hasher.check_room()?;
        let user = &bearer.user;
        let is_old = self.has_begun_with_old_token(bearer).await?;
        let wrong = WrongPasswords::new(&self.store, &self.counter_keys.get(), &bearer.proof, is_old, &user.uuid);
        if self.throttles {
            wrong.check(now).await?;
        }
        let stored = self.store.password_hash(user.id).await?;
        let compared = self.compare(user.username(), password, stored.clone(), Standing::Known).await?;
        if self.throttles {
            // Others may have failed meanwhile: then not even the right password tells anything.
            wrong.check(now).await?;
        }
        if let (Some(stored), true) = (stored, compared.verdict.matches) {
            wrong.forget().await?;
            return Ok(stored);
        }
        let ends = if self.throttles { wrong.count(now).await? } else { Ends::Nothing };
        self.note(client, Entry::new(Event::PasswordChanged, AuditOutcome::Failure).by(user), now).await?;
        self.end_for_guessing(bearer, ends, client, now).await?;
        if ends == Ends::OldTokens {
            // What the user gets from the old service from now on was in nobody else's hands.
            wrong.forget().await?;
        }
        Err(SessionError::BadCredentials)
    }

    /// The id of a session that an old refresh token began is that token's.
    async fn has_begun_with_old_token(&self, bearer: &Authenticated) -> Result<bool, SessionError> {
        match &bearer.proof {
            Proof::Session(sid) => Ok(self.store.is_old_token_good(sid, "refresh", &bearer.user.uuid).await?),
            Proof::OldToken(_) => Ok(true),
        }
    }

    /// Ends the session whose token somebody guesses the password with, or the old token: most likely it was stolen. An old
    /// refresh token that began the session would begin it again, and goes first.
    async fn end_for_guessing(
        &self,
        bearer: &Authenticated,
        ends: Ends,
        client: &Client,
        now: UnixTime,
    ) -> Result<(), SessionError> {
        let (user, Proof::Session(id) | Proof::OldToken(id)) = (&bearer.user, &bearer.proof);
        match ends {
            Ends::Nothing => return Ok(()),
            Ends::Bearer => self.store.revoke_old_token(id, &user.uuid).await?,
            Ends::OldTokens => self.store.revoke_old_tokens(&user.uuid).await?,
        }
        if let Some(sid) = bearer.sid() {
            self.store.end_session(user.id, sid).await?;
        }
        let entry = Entry::new(Event::SessionEnded, AuditOutcome::Denied).by(user);
        self.note(client, entry.detail("too many wrong passwords"), now).await
    }

    /// Compares the password that came with a name. Where there is no hash, or one that cannot be used, nothing matches,
    /// after the same work.
    pub(super) async fn compare(
        &self,
        username: &str,
        password: &SecretString,
        stored: Option<String>,
        standing: Standing,
    ) -> Result<Compared, SessionError> {
        if let Some(stored) = stored {
            match self.hasher.verify(password.clone(), stored, standing).await {
                Err(HasherError::Hash(error)) => {
                    tracing::error!(%error, "a stored password hash cannot be used; the user needs a new password");
                }
                result => return Ok(result?),
            }
        }
        let place = self.counter_keys.get().place(&fold(username));
        Ok(self.hasher.verify_nobody(password.clone(), place, standing).await?)
    }
}
