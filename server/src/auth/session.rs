//! Logging in, staying in and logging out.

use std::sync::Arc;
use std::time::Duration;

use rand::CryptoRng;
use secrecy::SecretString;
use uuid::Uuid;

use super::hasher::{Hasher, HasherError};
use super::keys::Keys;
use super::parties::KnownParties;
use super::token::{self, Kind, NewAccess, NewRefresh, TokenError};
use crate::store::{NewSession, Store, StoreError, User};

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No such user, or another password: nobody is told which.
    #[error("no such user, or another password")]
    BadCredentials,
    #[error("the token is no good: {0:?}")]
    Token(TokenError),
    /// The session was ended, or there never was one.
    #[error("the session has ended")]
    Revoked,
    #[error(transparent)]
    Hasher(#[from] HasherError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("signing a token: {0}")]
    Signing(anyhow::Error),
}

/// What a login hands out.
pub struct TokenPair {
    pub access_token: String,
    pub refresh_token: String,
}

/// Who a request comes from.
#[derive(Debug)]
pub struct Authenticated {
    pub user: User,
    pub sid: String,
}

/// The random names of one login.
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

/// A version 4 UUID (RFC 9562).
pub fn random_uuid(rng: &mut impl CryptoRng) -> Uuid {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

pub struct Lifetimes {
    pub access: Duration,
    pub refresh: Duration,
}

pub struct Sessions {
    pub store: Store,
    pub hasher: Hasher,
    pub keys: Arc<Keys>,
    pub parties: KnownParties,
    pub lifetimes: Lifetimes,
}

impl Sessions {
    /// Begins a session for whoever knows the password.
    pub async fn login(
        &self,
        username: &str,
        password: SecretString,
        ids: LoginIds,
        now: i64,
    ) -> Result<TokenPair, SessionError> {
        let credentials = self.store.credentials(username).await?;
        let (user, stored) = credentials.map_or((None, None), |found| (Some(found.user), Some(found.password)));
        let matches = self.hasher.verify(password, stored).await?;
        let user = user.filter(|_| matches).ok_or(SessionError::BadCredentials)?;
        self.begin(&user, &ids, now).await
    }

    async fn begin(&self, user: &User, ids: &LoginIds, now: i64) -> Result<TokenPair, SessionError> {
        let expires_at = token::end(now, self.lifetimes.refresh);
        let new = NewRefresh { user, sid: &ids.sid, jti: &ids.refresh_jti, now, exp: expires_at };
        let parties = self.parties.for_refresh(&self.store, expires_at).await?;
        let refresh_token = token::sign_refresh(&self.keys, parties, new).map_err(SessionError::Signing)?;
        let access_token = self.sign_access(user, &ids.sid, &ids.access_jti, true, now, expires_at).await?;
        self.store
            .create_session(NewSession {
                sid: &ids.sid,
                user_id: user.id,
                refresh_jti: &ids.refresh_jti,
                created_at: now,
                expires_at,
            })
            .await?;
        Ok(TokenPair { access_token, refresh_token })
    }

    /// Who the bearer of an access token is.
    pub async fn authenticate(&self, token: &str, now: i64) -> Result<Authenticated, SessionError> {
        let claims = self.verify(token, Kind::Access, now).await?;
        let session = self.store.session(&claims.sid).await?.ok_or(SessionError::Revoked)?;
        if session.user.uuid != claims.sub || session.expires_at <= now {
            return Err(SessionError::Revoked);
        }
        Ok(Authenticated { user: session.user, sid: claims.sid })
    }

    /// A new access token for the bearer of a refresh token.
    pub async fn refresh(&self, token: &str, jti: &str, now: i64) -> Result<String, SessionError> {
        let claims = self.verify(token, Kind::Refresh, now).await?;
        let session = self.store.session(&claims.sid).await?.ok_or(SessionError::Revoked)?;
        if session.user.uuid != claims.sub || session.refresh_jti != claims.jti || session.expires_at <= now {
            return Err(SessionError::Revoked);
        }
        self.sign_access(&session.user, &claims.sid, jti, false, now, session.expires_at).await
    }

    /// Ends the session: all of its tokens are refused from now on, everywhere.
    pub async fn logout(&self, sid: &str) -> Result<(), SessionError> {
        Ok(self.store.end_session(sid).await?)
    }

    async fn verify(&self, token: &str, kind: Kind, now: i64) -> Result<token::Claims, SessionError> {
        let claims = token::verify(&self.keys, token, kind, now).map_err(SessionError::Token)?;
        if !self.parties.accept(&self.store, &claims, now).await? {
            return Err(SessionError::Token(TokenError::UnknownParty));
        }
        Ok(claims)
    }

    /// An access token never outlives its session.
    async fn sign_access(
        &self,
        user: &User,
        sid: &str,
        jti: &str,
        fresh: bool,
        now: i64,
        session_ends: i64,
    ) -> Result<String, SessionError> {
        let exp = token::end(now, self.lifetimes.access).min(session_ends);
        let parties = self.parties.for_access(&self.store, exp).await?;
        let new = NewAccess { user, sid, jti, fresh, now, exp };
        token::sign_access(&self.keys, parties, new).map_err(SessionError::Signing)
    }
}
