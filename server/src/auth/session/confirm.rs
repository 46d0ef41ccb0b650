//! Confirms the password of a logged-in user.

use sc_auth_contract::time::UnixTime;
use secrecy::SecretString;

use super::{
    AuditOutcome, Authenticated, Client, Compared, Entry, Event, HasherError, Proof, SessionError, Sessions, Standing,
};
use crate::account::{NO_PASSWORD, fold};
use crate::auth::throttle::{Ends, WrongPasswords};
use crate::store::Revoked;

impl Sessions {
    /// Verifies the password of a logged-in user. Returns the hash that it was compared with. Strangers who guess at
    /// logins don't interfere: wrong passwords are counted by the session or the old token, which ends after
    /// [`WrongPasswords::MAX`].
    pub async fn confirm_password(
        &self,
        bearer: &Authenticated,
        password: &SecretString,
        needed_for: Event,
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
            // Others may have failed meanwhile: then the answer must not reveal that the password was right.
            wrong.check(now).await?;
        }
        if let (Some(stored), true) = (stored, compared.verdict.matches) {
            wrong.forget().await?;
            return Ok(stored);
        }
        let ends = if self.throttles { wrong.count(now).await? } else { Ends::Nothing };
        self.note(client, Entry::new(needed_for, AuditOutcome::Failure).by(user), now).await?;
        self.end_for_guessing(bearer, ends, client, now).await?;
        if ends == Ends::OldTokens {
            // Tokens that the legacy service issues from now on have not been stolen: they start with a new count.
            wrong.forget().await?;
        }
        Err(SessionError::BadCredentials)
    }

    /// A session that an old refresh token began has that token's id.
    async fn has_begun_with_old_token(&self, bearer: &Authenticated) -> Result<bool, SessionError> {
        match &bearer.proof {
            Proof::Session(sid) => Ok(self.store.is_old_token_valid(sid, "refresh", &bearer.user.uuid).await?),
            Proof::OldToken(_) => Ok(true),
        }
    }

    /// Ends the session or the old token that a client guesses the password with: it was most likely stolen. An old
    /// refresh token that began the session could begin it again, so it is revoked first.
    async fn end_for_guessing(
        &self,
        bearer: &Authenticated,
        ends: Ends,
        client: &Client,
        now: UnixTime,
    ) -> Result<(), SessionError> {
        let (user, Proof::Session(id) | Proof::OldToken(id)) = (&bearer.user, &bearer.proof);
        let revoked = match ends {
            Ends::Nothing => return Ok(()),
            Ends::Bearer => Revoked::One(id.clone()),
            Ends::OldTokens => Revoked::All,
        };
        let entry = Entry::new(Event::SessionEnded, AuditOutcome::Denied).by(user);
        let event = self.event(client, entry.detail("too many wrong passwords"), now);
        self.store.end_guessing(user, bearer.sid(), revoked, &event).await?;
        self.done(&event);
        Ok(())
    }

    /// Compares the password that was submitted with a user name. Without a usable hash it does the same work, and
    /// nothing matches.
    pub(super) async fn compare(
        &self,
        username: &str,
        password: &SecretString,
        stored: Option<String>,
        standing: Standing,
    ) -> Result<Compared, SessionError> {
        if let Some(stored) = stored.filter(|stored| stored != NO_PASSWORD) {
            match self.hasher.verify(password.clone(), stored, standing).await {
                Err(HasherError::Hash(error)) => {
                    tracing::error!(%error, "cannot use a stored password hash; the user needs a new password");
                }
                result => return Ok(result?),
            }
        }
        let place = self.counter_keys.get().place(&fold(username));
        Ok(self.hasher.verify_unknown(password.clone(), place, standing).await?)
    }
}
