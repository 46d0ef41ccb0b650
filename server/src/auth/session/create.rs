//! Creates a session. A user who has the most sessions loses idle ones first.

use std::time::Duration;

use sc_auth_contract::time::UnixTime;

use super::repeats::GRACE;
use super::{AuditOutcome, Client, Entry, Event, NewEvent, NewSession, SessionError, Sessions};
use crate::store::{Engine, Room, StoreError, User};

/// The most sessions of all users in an embedded database: about 400 MB.
const MOST_EMBEDDED: u64 = 1_000_000;

impl Sessions {
    /// How long a session without a refresh may have a valid access token. The answer to a refresh may be sent again
    /// for a while, with a new access token.
    fn idle_after(&self) -> Duration {
        self.lifetimes.access + GRACE
    }

    /// Ends idle sessions if an embedded database has too many: its volume must not become full.
    pub async fn prune(&self, now: UnixTime) -> Result<(), StoreError> {
        if self.store.engine() != Engine::Sqlite {
            return Ok(());
        }
        let event = Entry::new(Event::SessionEnded, AuditOutcome::Success).event(&Client::default(), now);
        let count = self.store.prune_sessions(MOST_EMBEDDED, now - self.idle_after(), &event).await?;
        if count > 0 {
            self.done(&event.about(count, "idle sessions"));
        }
        Ok(())
    }

    /// Returns `false` if the session cannot begin any more, see [`crate::store::Store::create_session`].
    pub(super) async fn create(
        &self,
        session: NewSession,
        user: &User,
        event: Option<&NewEvent>,
        client: &Client,
        now: UnixTime,
    ) -> Result<bool, SessionError> {
        let entry = Entry::new(Event::SessionEnded, AuditOutcome::Success).by(user).detail("idle");
        let room =
            Room { most: self.most_per_user, idle_for: self.idle_after(), ended: self.event(client, entry, now) };
        match self.store.create_session(session, event, room).await {
            Err(StoreError::NoRoom(wait)) => Err(SessionError::TooManySessions { most: self.most_per_user, wait }),
            result => Ok(result?),
        }
    }
}
