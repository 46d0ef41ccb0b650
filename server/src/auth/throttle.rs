//! Slows down guessing: each failure delays the next attempt longer, on every replica.
//!
//! A login is counted in the first of these *lanes* that is open to it:
//! - by the session whose refresh token it sends, if the token is the same user's;
//! - by its network, if the user has logged in from there before;
//! - by the submitted name, together with all other networks.
//!
//! A login with an e-mail address counts under the address too, as one with an address that nobody has: otherwise the
//! counters of `POST /api/v1/accounts/login`, where an address is nobody's name, would reveal whose it is.
//!
//! So a stranger who knows a name can close only the last lane. Names, existing or not, are stored under a keyed hash,
//! so that neither the table nor the answers reveal which names exist. Attempts that come too early extend no delay.

mod counter_key;
mod schedule;

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

use sc_auth_contract::time::UnixTime;

pub use counter_key::{CounterKey, CounterKeys};
pub use schedule::FORGET_AFTER;
use schedule::{Pace, Share};

use super::network;
use crate::account::fold;
use crate::store::{Failures, Proof, Store, StoreError};

/// How often a counter is read again if other requests change it at the same time.
const RETRIES: usize = 10;
/// Networks are forgotten after this time without a login.
pub const FORGET_NETWORK_AFTER: Duration = Duration::from_hours(90 * 24);
/// The time between two updates of a network's last login.
const TOUCH_AFTER: Duration = Duration::from_hours(24);

/// Why an attempt is refused.
#[derive(Debug, thiserror::Error)]
pub enum ThrottleError {
    /// Too many failures with this name.
    #[error("too many failed logins, try again in {0:?}")]
    TooMany(Duration),
    /// Too many wrong passwords of a logged-in user: the session or the old token is about to end.
    #[error("too many wrong passwords")]
    Spent,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A login attempt, as far as its origin is known.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The user's name, or the text that was submitted.
    pub username: &'a str,
    /// Another text under which the attempt counts too, as if it were the name of nobody.
    pub also: Option<&'a str>,
    /// Changes when an Admin clears the user's failures; 0 if the user does not exist.
    pub epoch: i64,
    /// The client's own network, if known.
    pub network: Option<IpAddr>,
    /// The session that the same user's refresh token belongs to.
    pub session: Option<&'a str>,
}

/// The counters of one attempt.
pub struct Throttle<'a> {
    store: &'a Store,
    /// The lanes of each text under which the attempt counts: it needs an open one of each. Empty if throttling is off.
    lanes: Vec<Vec<Lane>>,
    network: Option<Network>,
}

struct Lane {
    pace: Pace,
    id: String,
    /// The id of the client's own failures in a lane that it shares with other networks.
    own: Option<String>,
}

struct Network {
    id: String,
    last_login_at: Option<UnixTime>,
}

/// A lane that was open when it was read.
pub struct Slot<'a> {
    lane: &'a Lane,
    failures: Failures,
    own: Failures,
    /// That of the next text.
    next: Option<Box<Self>>,
}

impl<'a> Throttle<'a> {
    pub async fn new(
        store: &'a Store,
        key: &CounterKey,
        attempt: Attempt<'_>,
        now: UnixTime,
    ) -> Result<Self, StoreError> {
        let network = match attempt.network {
            Some(network) => {
                let id = key.digest(&["known", &network.to_string(), &fold(attempt.username)]);
                let last_login_at = store.known_network(&id).await?;
                Some(Network { id, last_login_at })
            }
            None => None,
        };
        let is_known = network.as_ref().is_some_and(|network| network.last_login_at.is_some());
        let also = attempt.also.map(|also| Attempt { username: also, epoch: 0, ..attempt });
        let lanes = [Some(attempt), also].into_iter().flatten().map(|attempt| lanes(key, attempt, is_known, now));
        Ok(Self { store, lanes: lanes.collect(), network })
    }

    /// A throttle that never delays.
    pub const fn off(store: &'a Store) -> Self {
        Self { store, lanes: Vec::new(), network: None }
    }

    /// The lane that an attempt may use now; `None` if throttling is off.
    ///
    /// # Errors
    /// [`ThrottleError::TooMany`] if no lane is open.
    pub async fn open(&self, now: UnixTime) -> Result<Option<Slot<'_>>, ThrottleError> {
        let mut first = None;
        for lanes in self.lanes.iter().rev() {
            let next = first.map(Box::new);
            first = self.open_of(lanes, now).await?.map(|slot| Slot { next, ..slot });
        }
        Ok(first)
    }

    async fn open_of<'b>(&'b self, lanes: &'b [Lane], now: UnixTime) -> Result<Option<Slot<'b>>, ThrottleError> {
        let mut shortest = None;
        for lane in lanes {
            let slot = lane.read(self.store).await?;
            let wait = schedule::wait(lane.pace, slot.failures, slot.share(now), now);
            if wait.is_zero() {
                return Ok(Some(slot));
            }
            shortest = Some(shortest.map_or(wait, |shortest: Duration| shortest.min(wait)));
        }
        shortest.map_or(Ok(None), |wait| Err(ThrottleError::TooMany(wait)))
    }

    /// Counts a failure, which takes an open slot. Several replicas may do so at once.
    ///
    /// # Errors
    /// [`ThrottleError::TooMany`] if others have taken it: then the client must not learn that the password was wrong.
    pub async fn count(&self, now: UnixTime) -> Result<(), ThrottleError> {
        // All of them, whatever the first one says.
        let mut result = Ok(());
        for lanes in &self.lanes {
            result = result.and(self.count_in(lanes, now).await);
        }
        result
    }

    async fn count_in(&self, lanes: &[Lane], now: UnixTime) -> Result<(), ThrottleError> {
        for _ in 0..RETRIES {
            let Some(slot) = self.open_of(lanes, now).await? else { return Ok(()) };
            if slot.take(self.store, now).await? {
                return Ok(());
            }
        }
        Err(ThrottleError::TooMany(Duration::from_secs(1)))
    }

    /// Clears the failures that preceded a success: all of the lane, or those of the client's own network.
    pub async fn succeed(&self, slot: Option<&Slot<'_>>, user_id: i32, now: UnixTime) -> Result<(), StoreError> {
        let mut next = slot;
        while let Some(slot) = next {
            slot.give_back(self.store).await?;
            next = slot.next.as_deref();
        }
        match &self.network {
            Some(Network { last_login_at: Some(at), .. }) if *at + TOUCH_AFTER > now => Ok(()),
            Some(network) => self.store.remember_network(&network.id, user_id, now).await,
            None => Ok(()),
        }
    }
}

/// The lanes of one text. Each epoch has its own counters.
fn lanes(key: &CounterKey, attempt: Attempt<'_>, is_known_network: bool, now: UnixTime) -> Vec<Lane> {
    let (name, epoch) = (fold(attempt.username), attempt.epoch.to_string());
    let digest = |kind: &str, part: &str| key.digest(&[kind, part, &epoch, &name]);
    let lane = |pace, id| Lane { pace, id, own: None };
    let mut lanes = Vec::new();
    if let Some(session) = attempt.session {
        lanes.push(lane(Pace::Lenient, digest("session", session)));
    }
    if let Some(network) = attempt.network.filter(|_| is_known_network) {
        lanes.push(lane(Pace::Lenient, digest("network", &network.to_string())));
    }
    // Whoever has an IPv6 /48 has 65,536 networks, none of which has failed.
    let own = attempt.network.map(|network| network::site_of(network).unwrap_or(network));
    let own = own.map(|network| digest("own", &network.to_string()));
    let pace = Pace::of_strangers(attempt.epoch, now);
    lanes.push(Lane { pace, id: digest("name", ""), own });
    lanes
}

impl Lane {
    async fn read(&self, store: &Store) -> Result<Slot<'_>, StoreError> {
        let (failures, own) = if let Some(own) = &self.own {
            store.failures([&self.id, own]).await?.into()
        } else {
            let [failures] = store.failures([&self.id]).await?;
            (failures, Failures::default())
        };
        Ok(Slot { lane: self, failures, own, next: None })
    }
}

impl Slot<'_> {
    /// Whether the lane is one of a client that has logged in before.
    pub fn is_of_known_client(&self) -> bool {
        self.lane.pace == Pace::Lenient
    }

    fn share(&self, now: UnixTime) -> Share {
        match self.lane.own {
            Some(_) => Share::OfNetwork(schedule::recent(self.own, now).count),
            None => Share::All,
        }
    }

    /// Returns `false` if another request was faster.
    async fn take(&self, store: &Store, now: UnixTime) -> Result<bool, StoreError> {
        let new = schedule::after_failure(self.lane.pace, self.failures, self.share(now), now);
        if !store.replace_failures(&self.lane.id, self.failures, new).await? {
            return Ok(false);
        }
        if let Some(own) = &self.lane.own {
            increment(store, own, now).await?;
        }
        Ok(true)
    }

    async fn give_back(&self, store: &Store) -> Result<(), StoreError> {
        let Some(own) = self.lane.own.as_deref().filter(|_| self.own.count > 0) else {
            if self.lane.own.is_none() && self.failures != Failures::default() {
                store.forget_failures(&self.lane.id).await?;
            }
            return Ok(());
        };
        for _ in 0..RETRIES {
            let [failures, own_failures] = store.failures([&self.lane.id, own]).await?;
            let is_done = match schedule::without(failures, own_failures.count) {
                Some(rest) => store.replace_failures(&self.lane.id, failures, rest).await?,
                None => store.forget_failures(&self.lane.id).await.map(|()| true)?,
            };
            if is_done {
                break;
            }
        }
        store.forget_failures(own).await
    }
}

/// Adds a failure, and returns the new count.
async fn increment(store: &Store, id: &str, now: UnixTime) -> Result<i32, StoreError> {
    let mut count = 0;
    for _ in 0..RETRIES {
        let [old] = store.failures([id]).await?;
        count = schedule::recent(old, now).count.saturating_add(1);
        let new = Failures { count, last_failed_at: now, retry_at: UnixTime::EPOCH };
        if store.replace_failures(id, old, new).await? {
            break;
        }
    }
    Ok(count)
}

/// The wrong passwords of a logged-in user.
pub struct WrongPasswords<'a> {
    store: &'a Store,
    /// Of the session or the old token.
    own: String,
    /// Of all old tokens of the user.
    of_old_tokens: Option<String>,
}

/// What a wrong password ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    Nothing,
    /// The session or the old token that they came with.
    Bearer,
    /// That, and all old tokens of the user.
    OldTokens,
}

impl<'a> WrongPasswords<'a> {
    /// This many wrong passwords end the session or the old token.
    pub const MAX: i32 = 5;
    /// This many, with any of a user's old tokens, end all of them: the legacy service may issue more meanwhile.
    pub const MAX_OF_OLD_TOKENS: i32 = 20;

    /// Old tokens have no session. Each has its own counter, so that one client does not lock out the user's others,
    /// and all of a user's old tokens share another one. `is_old` is also true for a session that an old refresh token
    /// began.
    pub fn new(store: &'a Store, key: &CounterKey, proof: &Proof, is_old: bool, user_uuid: &str) -> Self {
        let own = match proof {
            Proof::Session(sid) => key.digest(&["password", sid, user_uuid]),
            Proof::OldToken(jti) => key.digest(&["password of old token", user_uuid, jti]),
        };
        Self { store, own, of_old_tokens: is_old.then(|| key.digest(&["password of old tokens", user_uuid])) }
    }

    /// # Errors
    /// [`ThrottleError::Spent`] after too many: the session or the old token is about to end.
    pub async fn check(&self, now: UnixTime) -> Result<(), ThrottleError> {
        let is_over = async |id: &str, most| {
            let [failures] = self.store.failures([id]).await?;
            Ok::<_, StoreError>(schedule::recent(failures, now).count >= most)
        };
        let is_over = is_over(&self.own, Self::MAX).await?
            || match &self.of_old_tokens {
                Some(id) => is_over(id, Self::MAX_OF_OLD_TOKENS).await?,
                None => false,
            };
        if is_over { Err(ThrottleError::Spent) } else { Ok(()) }
    }

    /// Counts a wrong password. Returns what has to end.
    ///
    /// # Errors
    /// Like [`Self::check`]: other requests may have used the remaining attempts.
    pub async fn count(&self, now: UnixTime) -> Result<Ends, ThrottleError> {
        let own = increment(self.store, &self.own, now).await?;
        if own > Self::MAX {
            return Err(ThrottleError::Spent);
        }
        let of_old_tokens = match &self.of_old_tokens {
            Some(id) => increment(self.store, id, now).await?,
            None => 0,
        };
        match of_old_tokens.cmp(&Self::MAX_OF_OLD_TOKENS) {
            Ordering::Greater => Err(ThrottleError::Spent),
            Ordering::Equal => Ok(Ends::OldTokens),
            Ordering::Less if own == Self::MAX => Ok(Ends::Bearer),
            Ordering::Less => Ok(Ends::Nothing),
        }
    }

    /// Clears the counters, after a right password or once all old tokens are revoked.
    pub async fn forget(&self) -> Result<(), StoreError> {
        if let Some(id) = &self.of_old_tokens {
            self.store.forget_failures(id).await?;
        }
        self.store.forget_failures(&self.own).await
    }
}
