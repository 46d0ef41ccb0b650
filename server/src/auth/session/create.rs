//! Creates a session. A user who has the most sessions loses idle ones first.

use std::time::Duration;

use sc_auth_contract::time::UnixTime;

use super::repeats::GRACE;
use super::{AuditOutcome, Client, Entry, Event, NewEvent, NewSession, SessionError, Sessions};
use crate::store::{SessionLimit, StoreError, User};

impl Sessions {
    /// How long a session without a refresh may have a valid access token. The answer to a refresh may be sent again
    /// for a while, with a new access token.
    fn idle_after(&self) -> Duration {
        self.lifetimes.access + GRACE
    }

    /// Ends idle sessions if there are too many of all users.
    pub async fn prune(&self, now: UnixTime) -> Result<(), StoreError> {
        let Some(most) = self.most else { return Ok(()) };
        let event = Entry::new(Event::SessionEnded, AuditOutcome::Success).event(&Client::default(), now);
        let count = self.store.prune_sessions(most, now - self.idle_after(), &event).await?;
        if count > 0 {
            self.done(&event.about(count, "idle session"));
        }
        Ok(())
    }

    /// `event` records a login. Returns `false` if the session cannot begin any more, see
    /// [`crate::store::Store::create_session`].
    pub(super) async fn create(
        &self,
        session: NewSession,
        user: &User,
        event: Option<&NewEvent>,
        client: &Client,
        now: UnixTime,
    ) -> Result<bool, SessionError> {
        let entry = Entry::new(Event::SessionEnded, AuditOutcome::Success).by(user).detail("idle");
        let ended = self.event(client, entry, now);
        let limit = SessionLimit { most: self.most_per_user, idle_for: self.idle_after(), ended };
        match self.store.create_session(session, event, limit).await {
            Err(StoreError::NoRoom(wait)) => Err(SessionError::TooManySessions { most: self.most_per_user, wait }),
            recorded => Ok(self.all_done(recorded?.as_deref())),
        }
    }
}
