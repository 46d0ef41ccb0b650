//! Notifies applications that a session has ended (OpenID Connect Back-Channel Logout). The rows of an outbox name them; a replica
//! claims a row before it sends, so that no two send it at once, and removes it afterwards.

mod address;
mod send;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use sc_auth_contract::declared::{BackchannelUri, DeclaredClient, IdTokenAlgorithm};
use sc_auth_contract::time::UnixTime;
use tokio::time::sleep;

use self::send::Sender;
use super::tokens::{LogoutClaims, sign_logout};
use super::{OpenId, Present};
use crate::auth::session::{Sessions, random_uuid};
use crate::clock::Clock;
use crate::logging;
use crate::store::{Logout, StoreError};

/// How long a logout is sent again to an application that cannot be reached.
pub const KEPT: Duration = Duration::from_hours(24);
/// The most requests at once, and to one application.
const MOST: usize = 8;
const MOST_EACH: usize = 2;
/// The time between two looks at the outbox, and the same after an error of the database.
const PAUSE: Duration = Duration::from_secs(2);
const LONG_PAUSE: Duration = Duration::from_secs(30);
/// How long a replica has to send what it has claimed, several times the limit of a request.
const CLAIM: Duration = Duration::from_mins(1);
/// The time before the second attempt; each further one waits three times as long, up to an hour.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_hours(1);

struct Backchannel {
    sessions: Arc<Sessions>,
    openid: Arc<OpenId>,
    clock: Clock,
    sender: Sender,
}

/// Sends what is due, until it is dropped.
pub async fn run(sessions: Arc<Sessions>, openid: Arc<OpenId>, clock: Clock) {
    let sender = match Sender::new() {
        Ok(sender) => sender,
        Err(error) => return tracing::error!(error = logging::chain(error.as_ref()), "cannot send logouts"),
    };
    let backchannel = Backchannel { sessions, openid, clock, sender };
    let (mut sends, mut busy) = (FuturesUnordered::new(), Vec::new());
    loop {
        let claimed = backchannel.claim(&busy).await;
        let pause = if claimed.is_ok() { PAUSE } else { LONG_PAUSE };
        let log =
            |error: StoreError| tracing::warn!(error = logging::chain(&error), "could not read the outbox of logouts");
        for logout in claimed.map_err(log).unwrap_or_default() {
            busy.push(logout.client.clone());
            sends.push(backchannel.deliver(logout));
        }
        tokio::select! {
            Some(client) = sends.next(), if !sends.is_empty() => {
                if let Some(place) = busy.iter().position(|other| *other == client) {
                    busy.swap_remove(place);
                }
            }
            () = sleep(pause) => {}
        }
    }
}

impl Backchannel {
    /// Claims as much as can be sent at once.
    async fn claim(&self, busy: &[String]) -> Result<Vec<Logout>, StoreError> {
        let room = MOST.saturating_sub(busy.len());
        if room == 0 || self.openid.present().is_none() {
            return Ok(Vec::new());
        }
        let (now, store) = ((self.clock)(), &self.sessions.store);
        let count = |all: &[String], client: &str| all.iter().filter(|other| *other == client).count();
        let mut full: Vec<_> = busy.iter().filter(|client| count(busy, client) >= MOST_EACH).cloned().collect();
        full.sort_unstable();
        full.dedup();
        let (mut claimed, mut clients) = (Vec::new(), busy.to_vec());
        for logout in store.due_logouts(now, &full, MOST as u64).await? {
            let has_room = claimed.len() < room && count(&clients, &logout.client) < MOST_EACH;
            if has_room && store.claim_logout(&logout, now + CLAIM).await? {
                clients.push(logout.client.clone());
                claimed.push(logout);
            }
        }
        Ok(claimed)
    }

    /// Returns the client, which has room for another request now.
    async fn deliver(&self, logout: Logout) -> String {
        let result = match self.send(&logout).await {
            Ok(()) => self.sessions.store.remove_logout(&logout).await,
            Err(error) => self.failed(&logout, &error).await,
        };
        if let Err(error) = result {
            tracing::warn!(error = logging::chain(&error), "could not record that a logout token was sent");
        }
        logout.client
    }

    async fn send(&self, logout: &Logout) -> anyhow::Result<()> {
        let present = self.openid.present().context("the clients or the keys cannot be read")?;
        let client_id = DeclaredClient::id_of_key(&logout.client);
        let declared = present.declared.find(client_id).filter(|client| client.key() == logout.client);
        // It may be declared again in a moment: until then, its former address counts.
        let text = match declared {
            Some(client) => client.backchannel_logout_uri.as_deref(),
            None => Some(logout.uri.as_str()),
        };
        // It no longer declares an address.
        let Some(text) = text else { return Ok(()) };
        let uri = BackchannelUri::parse(text, DeclaredClient::namespace_of_key(&logout.client));
        let algorithm = declared.map_or(IdTokenAlgorithm::RS256, |client| client.id_token_algorithm);
        let token = self.token(&present, logout, client_id, algorithm)?;
        self.sender.post(&uri.context("the address cannot be used")?, &token).await
    }

    /// Each attempt has a token of its own: the application may have seen the one before.
    fn token(
        &self,
        present: &Present,
        logout: &Logout,
        client_id: &str,
        algorithm: IdTokenAlgorithm,
    ) -> anyhow::Result<String> {
        let jti = random_uuid(&mut rand::rng()).to_string();
        let claims = LogoutClaims::new(&self.openid.issuer, client_id, &logout.sub, &logout.sid, jti, (self.clock)());
        sign_logout(present.keys.signing(algorithm), &claims)
    }

    async fn failed(&self, logout: &Logout, error: &anyhow::Error) -> Result<(), StoreError> {
        let (now, store) = ((self.clock)(), &self.sessions.store);
        let (client, attempts) = (DeclaredClient::id_of_key(&logout.client), logout.attempts.saturating_add(1));
        let error = logging::chain(error.as_ref());
        if let Some(until) = retry_at(logout.created_at, attempts, now) {
            tracing::warn!(client, attempts, error, "could not send a logout token to an application; retrying");
            store.postpone_logouts(logout, now, until).await
        } else {
            tracing::warn!(client, attempts, error, "could not send a logout token to an application within a day");
            store.remove_logout(logout).await
        }
    }
}

/// `None` if it is too late then.
fn retry_at(created_at: UnixTime, attempts: i32, now: UnixTime) -> Option<UnixTime> {
    let exponent = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0);
    let wait = FIRST_RETRY.saturating_mul(3_u32.saturating_pow(exponent)).min(LAST_RETRY);
    Some(now + wait).filter(|at| *at < created_at + KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_become_rare_and_end_after_a_day() {
        let begin = UnixTime::from_seconds(1_700_000_000);
        let (mut now, mut waits) = (begin, Vec::new());
        for attempt in 1.. {
            let Some(next) = retry_at(begin, attempt, now) else { break };
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits[..7], [5, 15, 45, 135, 405, 1_215, 3_600]);
        assert!((24..40).contains(&waits.len()) && now < begin + KEPT, "{waits:?}");
        assert!(retry_at(begin, i32::MAX, begin).is_some_and(|at| at == begin + LAST_RETRY));
    }
}
