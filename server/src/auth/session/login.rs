//! Logs in: exchanges a password for a session.

use std::future::Future;

use argon2::password_hash::phc::Salt;
use rand::CryptoRng;
use sc_auth_contract::time::UnixTime;
use secrecy::SecretString;

use super::{
    AuditOutcome, COMPARISONS, Client, Compared, Entry, Event, Form, NewRefresh, NewSession, Recognised, SessionError,
    Sessions, Standing, random_uuid, token,
};
use crate::auth::throttle::{Attempt, Slot, Throttle};
use crate::store::{Begin, Credentials, StoreError, User};

/// The tokens that a login returns.
pub struct TokenPair {
    pub access_token: String,
    pub refresh_token: String,
}

/// The random ids of one login.
#[derive(Debug)]
pub struct LoginIds {
    sid: String,
    access_jti: String,
    refresh_jti: String,
}

impl LoginIds {
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Self {
            sid: random_uuid(rng).to_string(),
            access_jti: random_uuid(rng).to_string(),
            refresh_jti: random_uuid(rng).to_string(),
        }
    }
}

/// How a login creates its session: with tokens or with a cookie.
pub trait NewLogin: Sync {
    type Output: Send;

    /// The id of the session that has begun, or continues.
    fn sid<'a>(&'a self, begun: &'a Self::Output) -> &'a str;

    /// The text under which failures count beside the user name, see [`Attempt::also`].
    fn also_counted(&self) -> Option<&str> {
        None
    }

    /// Returns `None` if the user's password is no longer the one that was compared.
    fn create_session(
        &self,
        sessions: &Sessions,
        user: &User,
        compared_hash: &str,
        client: &Client,
        now: UnixTime,
    ) -> impl Future<Output = Result<Option<Self::Output>, SessionError>> + Send;
}

impl Sessions {
    /// Begins a session if the password is right.
    pub async fn login<B: NewLogin>(
        &self,
        username: &str,
        password: SecretString,
        recognised: Option<Recognised>,
        new_login: &B,
        client: &Client,
        now: UnixTime,
    ) -> Result<B::Output, SessionError> {
        self.hasher.check_room()?;
        let credentials = self.store.credentials(username).await?;
        if let Some(found) = &credentials {
            client.caller.claims(&found.user);
        }
        let names = (username, new_login.also_counted());
        let throttle = self.throttle(names, credentials.as_ref(), recognised.as_ref(), client, now).await?;
        let standing = standing(throttle.open(now).await?.as_ref());
        let (user, stored) = credentials.map_or((None, None), |found| (Some(found.user), found.password));
        let compared = self.compare(username, &password, stored.clone(), standing).await?;
        // Others may have failed meanwhile: then the answer must not reveal that the password was right.
        let slot = match throttle.open(now).await {
            Ok(slot) => slot,
            Err(error) => return self.even_out(&compared, Err(error.into())).await,
        };
        let (Some(user), Some(stored), true) = (&user, &stored, compared.verdict.matches) else {
            let failed = self.failed(&throttle, user.as_ref(), client, now).await;
            return self.even_out(&compared, Err(failed)).await;
        };
        if user.disabled {
            self.note(client, Entry::new(Event::Login, AuditOutcome::Denied).by(user).detail("disabled"), now).await?;
            return Err(SessionError::Disabled);
        }
        let begun = self.begin_with(new_login, user, stored, &password, client, now).await;
        if let Err(SessionError::TooManySessions { .. }) = begun {
            let entry = Entry::new(Event::Login, AuditOutcome::Denied).by(user).detail("too many sessions");
            self.note(client, entry, now).await?;
        }
        let (begun, compared_hash) = begun?;
        if let Err(error) = throttle.succeed(slot.as_ref(), user.id, now).await {
            // The user may have been deleted meanwhile. The session has begun in any case.
            tracing::warn!(error = crate::logging::chain(&error), "could not record the network of a login");
        }
        if compared.verdict.may_replace && self.form == Form::Argon2id && compared_hash == *stored {
            self.replace_hash(user.id, stored, password, new_login.sid(&begun), now).await;
        }
        Ok(begun)
    }

    async fn throttle(
        &self,
        (username, also): (&str, Option<&str>),
        credentials: Option<&Credentials>,
        recognised: Option<&Recognised>,
        client: &Client,
        now: UnixTime,
    ) -> Result<Throttle<'_>, StoreError> {
        if !self.throttles {
            return Ok(Throttle::off(&self.store));
        }
        let is_same_user =
            |recognised: &&Recognised| credentials.is_some_and(|found| found.user.uuid == recognised.user_uuid);
        let attempt = Attempt {
            username,
            also,
            epoch: credentials.map_or(0, |found| found.login_epoch),
            network: client.network(),
            session: recognised.filter(is_same_user).map(|recognised| recognised.session.as_str()),
        };
        Throttle::new(&self.store, &self.counter_keys.get(), attempt, now).await
    }

    /// Counts a wrong password, and returns the error to answer with.
    async fn failed(
        &self,
        throttle: &Throttle<'_>,
        user: Option<&User>,
        client: &Client,
        now: UnixTime,
    ) -> SessionError {
        if let Err(error) = throttle.count(now).await {
            return error.into();
        }
        let entry = Entry::new(Event::Login, AuditOutcome::Failure);
        // The audit log does not contain unknown names: one may be a password that was typed into the wrong field.
        let entry = user.map_or_else(
            || Entry::new(Event::Login, AuditOutcome::Failure).detail("no such user"),
            |user| entry.by(user),
        );
        self.note(client, entry, now).await.err().unwrap_or(SessionError::BadCredentials)
    }

    /// Delays a failure as long as the slowest imported hash takes, so that the time does not reveal the kind of hash.
    async fn even_out<T>(&self, compared: &Compared, result: T) -> T {
        tokio::time::sleep_until((compared.began + self.hasher.slowest()).into()).await;
        result
    }

    /// Begins a session with a password that was compared with `stored`. If another login has replaced an imported hash
    /// meanwhile, it compares the password again. Returns the hash that matched last.
    async fn begin_with<B: NewLogin>(
        &self,
        new_login: &B,
        user: &User,
        stored: &str,
        password: &SecretString,
        client: &Client,
        now: UnixTime,
    ) -> Result<(B::Output, String), SessionError> {
        let (mut hash, mut comparisons) = (stored.to_owned(), 1);
        loop {
            if let Some(begun) = new_login.create_session(self, user, &hash, client, now).await? {
                return Ok((begun, hash));
            }
            let present = self.store.password_hash(user.id).await?.filter(|present| *present != hash);
            let Some(present) = present.filter(|_| comparisons < COMPARISONS) else { break };
            let compared = self.compare(user.username(), password, Some(present.clone()), Standing::Known).await?;
            if !compared.verdict.matches {
                break;
            }
            (hash, comparisons) = (present, comparisons + 1);
        }
        Err(SessionError::BadCredentials)
    }

    /// Replaces an imported hash; if the queue is full, a later login does.
    async fn replace_hash(&self, user_id: i32, old: &str, password: SecretString, sid: &str, now: UnixTime) {
        let salt = Salt::from_rng(&mut rand::rng());
        let result = match self.hasher.hash(password, salt, Standing::Known).await {
            Ok(new) => self.store.replace_hash(user_id, old, &new, sid, now).await.map_err(SessionError::from),
            Err(error) => Err(error.into()),
        };
        // It is no error if the password was changed or the session ended meanwhile: then the hash stays.
        if let Err(error) = result {
            tracing::warn!(%error, "could not replace an imported password hash; the next login tries again");
        }
    }
}

impl NewLogin for LoginIds {
    type Output = TokenPair;

    fn sid<'a>(&'a self, _begun: &'a TokenPair) -> &'a str {
        &self.sid
    }

    async fn create_session(
        &self,
        sessions: &Sessions,
        user: &User,
        compared_hash: &str,
        client: &Client,
        now: UnixTime,
    ) -> Result<Option<TokenPair>, SessionError> {
        let keys = sessions.keys.get();
        let ends_at = now + sessions.lifetimes.session;
        let expires_at = (now + sessions.lifetimes.refresh).min(ends_at);
        let new = NewRefresh { user, sid: &self.sid, jti: &self.refresh_jti, iat: now, exp: expires_at };
        let parties = sessions.parties.for_refresh(&sessions.store, expires_at).await?;
        let refresh_token = token::sign_refresh(keys.refresh(), parties, new).map_err(SessionError::Signing)?;
        let access_token =
            sessions.sign_access(&keys, user, &self.sid, &self.access_jti, true, now, expires_at).await?;
        let session = NewSession {
            sid: self.sid.clone(),
            user_id: user.id,
            begin: Begin::Password { compared_hash: compared_hash.to_owned() },
            refresh_jti: self.refresh_jti.clone(),
            refresh_kid: keys.refresh().kid.clone(),
            created_at: now,
            expires_at,
            ends_at,
            address: client.address_text(),
            user_agent: client.user_agent.clone(),
            cookie_hash: None,
        };
        let event = sessions.event(client, Entry::new(Event::Login, AuditOutcome::Success).by(user), now);
        let is_created = sessions.create(session, user, Some(&event), client, now).await?;
        Ok(is_created.then_some(TokenPair { access_token, refresh_token }))
    }
}

/// The places that a login may take in a full queue. A client is known only by a user's existing name, so strangers
/// cannot learn from it whether a name exists.
fn standing(slot: Option<&Slot<'_>>) -> Standing {
    if slot.is_some_and(Slot::is_of_known_client) { Standing::Known } else { Standing::Stranger }
}
