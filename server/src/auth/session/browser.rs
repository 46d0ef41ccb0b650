//! Sessions of browsers, which hold a cookie instead of tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use sc_auth_contract::declared::DeclaredClient;
use sc_auth_contract::time::UnixTime;

use super::login::NewLogin;
use super::{AuditOutcome, Client, Entry, Event, NewSession, Recognised, SessionError, Sessions, random_uuid};
use crate::auth::digest::sha256;
use crate::auth::random_text::{SECRET_LENGTH, random_secret};
use crate::store::{Begin, BrowserSession, NewEvent, Renewal, StoreError, User};

/// The time between two updates of a session in use, or half of what it lasts without use.
const TOUCH_AFTER: Duration = Duration::from_mins(5);

/// The secret of a browser: 256 random bits. The database contains only its hash.
pub struct Cookie(String);

impl Cookie {
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Self(random_secret(rng))
    }

    /// A cookie as a browser sent it; `None` if it does not have our format.
    pub fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == SECRET_LENGTH && URL_SAFE_NO_PAD.decode(text).is_ok();
        is_ours.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> String {
        sha256(&self.0)
    }
}

/// A browser with a live session.
pub struct Browser {
    pub sid: String,
    pub user: User,
    /// When the user last gave the password.
    pub auth_time: UnixTime,
}

impl From<BrowserSession> for Browser {
    fn from(session: BrowserSession) -> Self {
        Self { auth_time: session.auth_time(), sid: session.sid, user: session.user }
    }
}

/// A login on a page.
pub struct BrowserLogin<'a> {
    sid: String,
    refresh_jti: String,
    cookie: &'a Cookie,
    /// The browser's present cookie.
    previous: Option<&'a Cookie>,
    also_counted: Option<String>,
}

impl<'a> BrowserLogin<'a> {
    /// `cookie` must be new, against session fixation.
    pub fn new(cookie: &'a Cookie, previous: Option<&'a Cookie>, rng: &mut impl CryptoRng) -> Self {
        let (sid, refresh_jti) = (random_uuid(rng).to_string(), random_uuid(rng).to_string());
        Self { sid, refresh_jti, cookie, previous, also_counted: None }
    }

    /// Failures count under this text too.
    pub fn counting(self, also_counted: Option<String>) -> Self {
        Self { also_counted, ..self }
    }
}

impl NewLogin for BrowserLogin<'_> {
    type Output = Browser;

    fn sid<'a>(&'a self, begun: &'a Browser) -> &'a str {
        &begun.sid
    }

    fn also_counted(&self) -> Option<&str> {
        self.also_counted.as_deref()
    }

    async fn create_session(
        &self,
        sessions: &Sessions,
        user: &User,
        compared_hash: &str,
        client: &Client,
        now: UnixTime,
    ) -> Result<Option<Browser>, SessionError> {
        let event = sessions.event(client, Entry::new(Event::Login, AuditOutcome::Success).by(user), now);
        let logged_in = |sid| Some(Browser { sid, user: user.clone(), auth_time: now });
        let former = self.former(sessions).await?;
        // One that a changed password has ended stays ended.
        if let Some(own) = former.as_ref().filter(|former| former.user.id == user.id && former.is_live(now))
            && self.renew(sessions, user, compared_hash, &event, now).await?
        {
            return Ok(logged_in(own.sid.clone()));
        }
        let session = self.session(sessions, user, compared_hash, client, now);
        if !sessions.create(session, user, Some(&event), client, now).await? {
            return Ok(None);
        }
        // Only now: a login that fails ends no session.
        if let Some(former) = former.filter(|former| former.user.id != user.id) {
            sessions.end_former(&former, client, now).await?;
        }
        Ok(logged_in(self.sid.clone()))
    }
}

impl BrowserLogin<'_> {
    /// The session of the browser before the login.
    async fn former(&self, sessions: &Sessions) -> Result<Option<BrowserSession>, StoreError> {
        match self.previous {
            Some(previous) => sessions.store.browser_session(&previous.hash()).await,
            None => Ok(None),
        }
    }

    /// Continues that session. Returns `false` if it has ended, or the password is no longer the one that was compared.
    async fn renew(
        &self,
        sessions: &Sessions,
        user: &User,
        compared_hash: &str,
        event: &NewEvent,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let Some(previous) = self.previous else { return Ok(false) };
        let renewal = self.renewal(sessions, user, compared_hash, previous, now);
        let is_renewed = sessions.store.renew_browser_session(renewal, event).await?;
        if is_renewed {
            sessions.done(event);
        }
        Ok(is_renewed)
    }

    fn renewal(
        &self,
        sessions: &Sessions,
        user: &User,
        compared_hash: &str,
        previous: &Cookie,
        now: UnixTime,
    ) -> Renewal {
        Renewal {
            user_id: user.id,
            compared_hash: compared_hash.to_owned(),
            from_cookie: previous.hash(),
            to_cookie: self.cookie.hash(),
            now,
            expires_at: now + sessions.browser_idle(),
            ends_at: now + sessions.browser_maximum(),
        }
    }

    fn session(
        &self,
        sessions: &Sessions,
        user: &User,
        compared_hash: &str,
        client: &Client,
        now: UnixTime,
    ) -> NewSession {
        NewSession {
            sid: self.sid.clone(),
            user_id: user.id,
            begin: Begin::Password { compared_hash: compared_hash.to_owned() },
            // Random, and never signed: no refresh token exists.
            refresh_jti: self.refresh_jti.clone(),
            refresh_kid: String::new(),
            created_at: now,
            expires_at: now + sessions.browser_idle(),
            ends_at: now + sessions.browser_maximum(),
            address: client.address_text(),
            user_agent: client.user_agent.clone(),
            cookie_hash: Some(self.cookie.hash()),
        }
    }
}

impl Sessions {
    /// How long a browser's session lasts without use.
    fn browser_idle(&self) -> Duration {
        self.browser.idle.min(self.lifetimes.refresh)
    }

    /// How long a browser's session lasts at most.
    pub fn browser_maximum(&self) -> Duration {
        self.browser.maximum.min(self.lifetimes.session)
    }

    /// The live session of a browser. Using it extends it.
    pub async fn browser(&self, cookie: &Cookie, now: UnixTime) -> Result<Option<Browser>, StoreError> {
        let found = self.store.browser_session(&cookie.hash()).await?.filter(|session| session.is_live(now));
        let Some(session) = found else { return Ok(None) };
        let idle = self.browser_idle();
        let touch_after = TOUCH_AFTER.min(idle / 2);
        if session.last_used_at.is_none_or(|used_at| used_at + touch_after <= now) {
            let ends_at = session.ends_at.unwrap_or(session.created_at + self.browser_maximum());
            self.store.touch_browser_session(&session.sid, now, (now + idle).min(ends_at)).await?;
        }
        Ok(Some(session.into()))
    }

    /// The user of a browser's session, for the counters of failed logins.
    pub fn recognise_browser(browser: &Browser) -> Recognised {
        Recognised { user_uuid: browser.user.uuid.clone(), session: browser.sid.clone() }
    }

    /// The user name that a person logs in with, who may give an e-mail address instead, and the text under which failures
    /// count beside it. A user with exactly that name comes first, as in the API.
    pub async fn name_of_login(&self, given: &str) -> Result<(String, Option<String>), StoreError> {
        if !given.contains('@') || self.store.credentials(given).await?.is_some() {
            return Ok((given.to_owned(), None));
        }
        Ok(match self.store.username_of_address(given).await? {
            Some(name) => (name, Some(given.to_owned())),
            // As much work as for an address that somebody has. No name contains a NUL.
            None => (given.to_owned(), Some(format!("{given}\0"))),
        })
    }

    /// Ends a browser's session, and notifies the applications that it had logged in to.
    pub async fn log_out_browser(&self, browser: &Browser, client: &Client, now: UnixTime) -> Result<(), StoreError> {
        let event = self.event(client, Entry::new(Event::Logout, AuditOutcome::Success).by(&browser.user), now);
        self.store.end_session(&browser.user, &browser.sid, &event).await?;
        self.done(&event);
        Ok(())
    }

    /// Ends what an application may do with a user's account. `application` is the key of its declaration.
    pub async fn revoke_application(
        &self,
        user: &User,
        application: &str,
        client: &Client,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let entry = Entry::new(Event::AccessRevoked, AuditOutcome::Success).by(user);
        let event = self.event(client, entry.detail(DeclaredClient::id_of_key(application)), now);
        if self.store.revoke_application(user, application, &event).await? {
            self.done(&event);
        }
        Ok(())
    }

    /// Another user logs in: the session of the one before ends.
    async fn end_former(&self, former: &BrowserSession, client: &Client, now: UnixTime) -> Result<(), StoreError> {
        let entry = Entry::new(Event::SessionEnded, AuditOutcome::Success).by(&former.user);
        let event = self.event(client, entry.detail("another user logged in"), now);
        self.store.end_session(&former.user, &former.sid, &event).await?;
        self.done(&event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cookies_of_ours_are_looked_up() {
        let cookie = Cookie::random(&mut rand::rng());
        assert_eq!(Cookie::parse(cookie.as_str()).unwrap().hash(), cookie.hash());
        assert!(cookie.hash().len() <= 64 && cookie.hash() != cookie.as_str());
        for bad in ["", "x", &"x".repeat(44), &"%".repeat(43)] {
            assert!(Cookie::parse(bad).is_none(), "{bad}");
        }
    }
}
