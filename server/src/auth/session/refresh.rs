//! Exchanges a refresh token for an access token and the next refresh token.
//!
//! A refresh token can be used once (RFC 9700, 4.14.2). A client that lost the answer may repeat the request within a
//! minute, as long as the new token is unused: the server signs the same token again. After the first seconds, only a
//! client with the same user agent or from the same network may. Any other use of a used token means that a copy
//! exists, in the hands of the sender or of somebody else, so the session ends.

use sc_auth_contract::settings::RefreshTokens;
use sc_auth_contract::time::UnixTime;

use super::repeats::{RepeatedRefresh, network, user_agent};
use super::{
    AuditOutcome, Client, Entry, Event, Kind, NewRefresh, NewSession, OldTokens, Session, SessionError, Sessions, token,
};
use crate::auth::claims::Claims;
use crate::auth::keys::Keys;
use crate::store::{Begin, Rotation, StoreError};

/// The tokens that a refresh returns.
pub struct Refreshed {
    pub access_token: String,
    /// The next refresh token; `None` if the present one stays valid.
    pub refresh_token: Option<String>,
}

/// The next refresh token, as a session's row describes it.
struct Successor<'a> {
    jti: &'a str,
    iat: UnixTime,
    exp: UnixTime,
    kid: Option<&'a str>,
}

impl Sessions {
    /// `access_jti` and `refresh_jti` are new and random.
    pub async fn refresh(
        &self,
        token: &str,
        access_jti: &str,
        refresh_jti: &str,
        client: &Client,
        now: UnixTime,
    ) -> Result<Refreshed, SessionError> {
        let keys = self.keys.get();
        if self.old_tokens.is_some() && OldTokens::is_old(token) {
            return self.refresh_with_old_token(&keys, token, access_jti, client, now).await;
        }
        let claims = self.verify(&keys, token, Kind::Refresh, now).await?;
        let session = self.live_session(&claims.sid, &claims.sub, now).await?;
        if self.refresh_tokens == RefreshTokens::Reusable && session.refresh_jti == claims.jti {
            if !self.store.touch_session(&claims.sid, now).await? {
                return Err(SessionError::Revoked);
            }
            let access_token =
                self.sign_access(&keys, &session.user, &claims.sid, access_jti, false, now, session.expires_at).await?;
            return Ok(Refreshed { access_token, refresh_token: None });
        }
        self.exchange(&keys, &claims, session, access_jti, refresh_jti, client, now).await
    }

    #[expect(clippy::too_many_arguments, reason = "they are the parts of a refresh")]
    async fn exchange(
        &self,
        keys: &Keys,
        claims: &Claims,
        session: Session,
        access_jti: &str,
        refresh_jti: &str,
        client: &Client,
        now: UnixTime,
    ) -> Result<Refreshed, SessionError> {
        if session.refresh_jti == claims.jti {
            let exp = self.next_end(&session, now);
            let kid = keys.refresh().kid.as_str();
            let rotation = Rotation {
                id: &claims.sid,
                from_jti: &claims.jti,
                to_jti: refresh_jti,
                kid,
                network: network(client),
                user_agent: user_agent(client),
                now,
                expires_at: exp,
            };
            if self.store.rotate(rotation).await? {
                let successor = Successor { jti: refresh_jti, iat: now, exp, kid: Some(kid) };
                return self.hand_out(keys, &session, &successor, access_jti, now).await;
            }
        }
        // The token was used before, or another request was faster: read the row again.
        let session = self.live_session(&claims.sid, &claims.sub, now).await?;
        match RepeatedRefresh::of(&session, &claims.jti, client, now) {
            RepeatedRefresh::Allowed => self.repeat(keys, &session, access_jti, client, now).await,
            refused => Err(self.end_replayed(&session, refused, client, now).await),
        }
    }

    /// Hands out the same refresh token again.
    async fn repeat(
        &self,
        keys: &Keys,
        session: &Session,
        access_jti: &str,
        client: &Client,
        now: UnixTime,
    ) -> Result<Refreshed, SessionError> {
        if self.repeated.is_first(&session.refresh_jti, client) {
            let entry = Entry::new(Event::RefreshRepeated, AuditOutcome::Success).by(&session.user);
            self.note(client, entry, now).await.inspect_err(|_| self.repeated.forget(&session.refresh_jti, client))?;
        }
        let successor = Successor {
            jti: &session.refresh_jti,
            iat: session.refresh_iat.unwrap_or(session.created_at),
            exp: session.expires_at,
            kid: session.refresh_kid.as_deref(),
        };
        self.hand_out(keys, session, &successor, access_jti, now).await
    }

    /// Ends a session whose refresh token was used again. Returns the error to answer with.
    async fn end_replayed(
        &self,
        session: &Session,
        why: RepeatedRefresh,
        client: &Client,
        now: UnixTime,
    ) -> SessionError {
        let mut entry = Entry::new(Event::RefreshReplayed, AuditOutcome::Denied).by(&session.user);
        if let Some(detail) = why.detail() {
            entry = entry.detail(detail);
        }
        let event = self.event(client, entry, now);
        if let Err(error) = self.store.end_session(&session.user, &session.sid, &event).await {
            return error.into();
        }
        self.done(&event);
        SessionError::Revoked
    }

    async fn hand_out(
        &self,
        keys: &Keys,
        session: &Session,
        successor: &Successor<'_>,
        access_jti: &str,
        now: UnixTime,
    ) -> Result<Refreshed, SessionError> {
        // If the key was revoked meanwhile, the current one signs.
        let key = successor.kid.and_then(|kid| keys.find(kid)).unwrap_or_else(|| keys.refresh());
        let new = NewRefresh {
            user: &session.user,
            sid: &session.sid,
            jti: successor.jti,
            iat: successor.iat,
            exp: successor.exp,
        };
        let parties = self.parties.for_refresh(&self.store, successor.exp).await?;
        let refresh_token = token::sign_refresh(key, parties, new).map_err(SessionError::Signing)?;
        let access_token =
            self.sign_access(keys, &session.user, &session.sid, access_jti, false, now, successor.exp).await?;
        Ok(Refreshed { access_token, refresh_token: Some(refresh_token) })
    }

    /// The expiry of the next refresh token: each refresh extends it, up to the end of the session.
    fn next_end(&self, session: &Session, now: UnixTime) -> UnixTime {
        let ends_at = session.ends_at.unwrap_or_else(|| session.created_at + self.lifetimes.session);
        (now + self.lifetimes.refresh).min(ends_at)
    }

    /// An old refresh token stays valid until it expires. Its first use begins a session with the token's id, which can
    /// be listed and ended like any other.
    async fn refresh_with_old_token(
        &self,
        keys: &Keys,
        token: &str,
        access_jti: &str,
        client: &Client,
        now: UnixTime,
    ) -> Result<Refreshed, SessionError> {
        let Some(old_tokens) = &self.old_tokens else { return Err(SessionError::Revoked) };
        let claims = old_tokens.verify(token, Kind::Refresh, now, self.leeway).map_err(SessionError::Token)?;
        let user = self.bearer_of_old_token(&claims.jti, Kind::Refresh, &claims.sub).await?;
        let is_live = if self.store.session(&claims.jti).await?.is_some() {
            self.store.touch_session(&claims.jti, now).await?
        } else {
            let new = NewSession {
                sid: claims.jti.clone(),
                user_id: user.id,
                begin: Begin::OldToken { jti: claims.jti.clone() },
                refresh_jti: claims.jti.clone(),
                refresh_kid: String::new(),
                created_at: now,
                expires_at: claims.exp,
                ends_at: claims.exp,
                address: client.address_text(),
                user_agent: client.user_agent.clone(),
                cookie_hash: None,
            };
            match self.create(new, &user, None, client, now).await {
                // Another request with the same token was faster.
                Err(SessionError::Store(StoreError::Taken(_))) => true,
                result => result?,
            }
        };
        if !is_live {
            return Err(SessionError::Revoked);
        }
        let access_token = self.sign_access(keys, &user, &claims.jti, access_jti, false, now, claims.exp).await?;
        Ok(Refreshed { access_token, refresh_token: None })
    }
}
