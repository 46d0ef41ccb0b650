//! Sessions: login, refresh and logout.

mod browser;
mod confirm;
mod create;
mod login;
mod recognised;
mod refresh;
mod repeats;

use std::sync::Arc;
use std::time::Duration;

use rand::CryptoRng;
use sc_auth_contract::settings::RefreshTokens;
use sc_auth_contract::time::UnixTime;
use uuid::Uuid;

pub use browser::{Browser, BrowserLogin, Cookie};
pub use login::LoginIds;
pub use recognised::Recognised;
pub use repeats::{RepeatedRefresh, RepeatedRefreshes, network, user_agent};

use super::audit::{self, AuditOutcome, Entry, Event, EventLimiter};
use super::claims::{Claims, Kind, TokenError};
use super::client::Client;
use super::hasher::{Compared, Hasher, HasherError, Standing};
use super::keys::{KeyRing, Keys};
use super::old_tokens::OldTokens;
use super::parties::KnownParties;
use super::password::Form;
use super::throttle::{CounterKeys, ThrottleError};
use super::token::{self, NewAccess, NewRefresh};
use crate::metrics::Metrics;
use crate::store::{Actor, EndedGrants, NewEvent, NewSession, Proof, Session, Store, StoreError, User, is_live};

/// How often a password is compared if another request replaces its hash meanwhile.
pub const COMPARISONS: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The client is not told which.
    #[error("no such user, or wrong password")]
    BadCredentials,
    /// Too many failures with this name.
    #[error("too many failed logins, try again in {0:?}")]
    TooMany(Duration),
    /// The user has the most sessions that a user can have, and all of them were in use a moment ago.
    #[error("the user has {most} sessions, try again in {wait:?}")]
    TooManySessions { most: u32, wait: Duration },
    /// The password was right, but the account is disabled.
    #[error("the account is disabled")]
    Disabled,
    #[error("the token is invalid: {0:?}")]
    Token(TokenError),
    /// The session has ended or does not exist.
    #[error("the session has ended")]
    Revoked,
    #[error(transparent)]
    Hasher(#[from] HasherError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("signing a token: {0}")]
    Signing(anyhow::Error),
}

impl From<ThrottleError> for SessionError {
    fn from(error: ThrottleError) -> Self {
        match error {
            ThrottleError::TooMany(wait) => Self::TooMany(wait),
            ThrottleError::Spent => Self::Revoked,
            ThrottleError::Store(error) => Self::Store(error),
        }
    }
}

/// The user of a request, and the proof of it.
#[derive(Debug)]
pub struct Authenticated {
    pub user: User,
    pub proof: Proof,
}

impl Authenticated {
    /// The id of the session; `None` for the bearer of an old token.
    pub fn sid(&self) -> Option<&str> {
        match &self.proof {
            Proof::Session(sid) => Some(sid),
            Proof::OldToken(_) => None,
        }
    }

    /// The actor of a change. The change takes effect only if the session is still alive by then.
    pub fn actor(&self, now: UnixTime) -> Actor {
        Actor { user_id: self.user.id, proof: self.proof.clone(), is_for_admins: false, now }
    }

    /// The same for changes that only an Admin may make.
    pub fn admin(&self, now: UnixTime) -> Actor {
        Actor { is_for_admins: true, ..self.actor(now) }
    }
}

/// A version 4 UUID (RFC 9562).
pub fn random_uuid(rng: &mut impl CryptoRng) -> Uuid {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

pub struct Lifetimes {
    pub access: Duration,
    /// Of a refresh token. A session that is not refreshed ends with it.
    pub refresh: Duration,
    /// The longest lifetime of a session.
    pub session: Duration,
}

/// The lifetimes of a browser session.
#[derive(Debug, Clone, Copy)]
pub struct BrowserLifetimes {
    /// Without use.
    pub idle: Duration,
    /// However often it is used.
    pub maximum: Duration,
}

pub struct Sessions {
    pub store: Store,
    pub hasher: Hasher,
    pub keys: Arc<KeyRing>,
    /// The keys that failed logins are counted under.
    pub counter_keys: CounterKeys,
    pub parties: KnownParties,
    pub repeated: RepeatedRefreshes,
    pub metrics: Metrics,
    pub lifetimes: Lifetimes,
    pub browser: BrowserLifetimes,
    pub refresh_tokens: RefreshTokens,
    pub old_tokens: Option<OldTokens>,
    /// The format that new passwords are stored in.
    pub form: Form,
    /// Whether failed logins are throttled.
    pub throttles: bool,
    /// How far the clocks of two replicas may differ.
    pub leeway: Duration,
    pub events: EventLimiter,
    /// The most sessions of a user.
    pub most_per_user: u32,
    /// The most sessions of all users, if they are limited.
    pub most: Option<u64>,
}

impl Sessions {
    /// Authenticates the bearer of an access token.
    pub async fn authenticate(&self, token: &str, now: UnixTime) -> Result<Authenticated, SessionError> {
        if let Some(old_tokens) = self.old_tokens.as_ref().filter(|_| OldTokens::is_old(token)) {
            let claims = old_tokens.verify(token, Kind::Access, now, self.leeway).map_err(SessionError::Token)?;
            let user = self.bearer_of_old_token(&claims.jti, Kind::Access, &claims.sub).await?;
            return Ok(Authenticated { user, proof: Proof::OldToken(claims.jti) });
        }
        let claims = self.verify(&self.keys.get(), token, Kind::Access, now).await?;
        let session = self.live_session(&claims.sid, &claims.sub, now).await?;
        Ok(Authenticated { user: session.user, proof: Proof::Session(session.sid) })
    }

    async fn bearer_of_old_token(&self, jti: &str, kind: Kind, uuid: &str) -> Result<User, SessionError> {
        if !self.store.is_old_token_valid(jti, kind.name(), uuid).await? {
            return Err(SessionError::Revoked);
        }
        let user = self.store.user_by_uuid(uuid).await?.filter(|user| !user.disabled);
        user.ok_or(SessionError::Revoked)
    }

    /// The session, if it has neither ended nor expired and its user is not disabled.
    async fn live_session(&self, sid: &str, uuid: &str, now: UnixTime) -> Result<Session, SessionError> {
        let session = self.store.session(sid).await?.ok_or(SessionError::Revoked)?;
        let is_live = is_live(session.expires_at, session.ends_at, now);
        if session.user.uuid != uuid || session.user.disabled || !is_live {
            return Err(SessionError::Revoked);
        }
        Ok(session)
    }

    /// Ends the session: all replicas refuse all of its tokens from now on. With an old token, revokes all of the
    /// user's old tokens and ends the sessions that they began, since nothing relates an old access token to the
    /// refresh token of the same login.
    pub async fn logout(&self, bearer: &Authenticated, client: &Client, now: UnixTime) -> Result<(), SessionError> {
        let event = self.event(client, Entry::new(Event::Logout, AuditOutcome::Success).by(&bearer.user), now);
        if let Some(sid) = bearer.sid() {
            self.store.end_own_session(&bearer.actor(now), sid, EndedGrants::Online, &event).await?;
        } else {
            self.store.revoke_old_tokens(bearer.user.id, &event).await?;
        }
        self.done(&event);
        Ok(())
    }

    /// Ends one of the bearer's sessions. Returns whether it existed.
    pub async fn end(
        &self,
        bearer: &Authenticated,
        sid: &str,
        client: &Client,
        now: UnixTime,
    ) -> Result<bool, SessionError> {
        let entry = Entry::new(Event::SessionEnded, AuditOutcome::Success).by(&bearer.user).detail(sid);
        let event = self.event(client, entry, now);
        let is_ended = self.store.end_own_session(&bearer.actor(now), sid, EndedGrants::All, &event).await?;
        if is_ended {
            self.done(&event);
        }
        Ok(is_ended)
    }

    /// Ends all of the bearer's sessions except this one.
    pub async fn end_others(&self, bearer: &Authenticated, client: &Client, now: UnixTime) -> Result<(), SessionError> {
        let entry = Entry::new(Event::OtherSessionsEnded, AuditOutcome::Success).by(&bearer.user);
        let event = self.event(client, entry, now);
        let count = self.store.end_other_sessions(&bearer.actor(now), &event).await?;
        self.done(&event.about(count, "session"));
        Ok(())
    }

    /// The event of a change, which the change's transaction adds. Call [`Self::done`] after it.
    pub fn event(&self, client: &Client, entry: Entry<'_>, now: UnixTime) -> NewEvent {
        let is_own = entry.is_own();
        let event = entry.event(client, now);
        if is_own { self.events.share(event, client) } else { event }
    }

    /// Logs and counts an event, such as a change that has taken effect.
    pub fn done(&self, event: &NewEvent) {
        self.metrics.count_event(event.event, event.outcome);
        audit::log(event);
    }

    /// Logs and counts what a transaction has recorded. Returns whether it has taken effect.
    pub fn all_done(&self, recorded: Option<&[NewEvent]>) -> bool {
        recorded.into_iter().flatten().for_each(|event| self.done(event));
        recorded.is_some()
    }

    /// Records an event that belongs to no change.
    pub async fn note(&self, client: &Client, entry: Entry<'_>, now: UnixTime) -> Result<(), SessionError> {
        Ok(self.record(self.event(client, entry, now)).await?)
    }

    pub async fn record(&self, event: NewEvent) -> Result<(), StoreError> {
        self.done(&event);
        self.store.add_audit_event(event).await
    }

    async fn verify(&self, keys: &Keys, token: &str, kind: Kind, now: UnixTime) -> Result<Claims, SessionError> {
        let claims = token::verify(keys, token, kind, now, self.leeway).map_err(SessionError::Token)?;
        if !self.parties.accept(&self.store, &claims, now).await? {
            return Err(SessionError::Token(TokenError::UnknownParty));
        }
        Ok(claims)
    }

    /// An access token never outlives its session.
    #[expect(clippy::too_many_arguments, reason = "they are the contents of a token")]
    async fn sign_access(
        &self,
        keys: &Keys,
        user: &User,
        sid: &str,
        jti: &str,
        fresh: bool,
        now: UnixTime,
        session_ends: UnixTime,
    ) -> Result<String, SessionError> {
        let exp = (now + self.lifetimes.access).min(session_ends);
        let parties = self.parties.for_access(&self.store, exp).await?;
        let new = NewAccess { user, sid, jti, fresh, now, exp };
        token::sign_access(keys, parties, new).map_err(SessionError::Signing)
    }
}
