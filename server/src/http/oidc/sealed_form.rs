//! What the server puts into a form of a page, encrypted for one browser and one purpose, and gets back with the form.

use rand::CryptoRng;
use sc_auth_contract::time::UnixTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::auth::keys::Keys;
use crate::auth::session::Cookie;
use crate::http::body::limits::PENDING_MAX;

/// How long a form is valid, in seconds.
const FORM_SECONDS: u64 = 15 * 60;

/// What a form is for. No other form is accepted in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    AuthorizeLogin,
    Consent,
    /// A login without an application.
    AccountLogin,
    Logout,
    RevokeApplication,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SealedForm<T> {
    pub purpose: Purpose,
    /// The session that the form is for; `None` before a login.
    pub sid: Option<String>,
    /// When the form was created.
    pub at: UnixTime,
    /// The language of the page.
    pub lang: String,
    pub content: T,
}

impl<T: Serialize> SealedForm<T> {
    /// `None` if it is too long.
    pub fn seal(&self, keys: &Keys, form: &Cookie, rng: &mut impl CryptoRng) -> anyhow::Result<Option<String>> {
        let text = serde_json::to_string(self)?;
        if text.len() > PENDING_MAX {
            return Ok(None);
        }
        keys.seal_request(&text, form.as_str(), rng).map(Some)
    }
}

impl<T: DeserializeOwned> SealedForm<T> {
    /// `None` if it is too old, has another purpose, or was sealed for another browser.
    pub fn open(keys: &Keys, sealed: &str, form: &Cookie, purpose: Purpose, now: UnixTime) -> Option<Self> {
        let opened: Self = serde_json::from_str(&keys.open_request(sealed, form.as_str())?).ok()?;
        let age = (now - opened.at).as_secs();
        (opened.purpose == purpose && age <= FORM_SECONDS).then_some(opened)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use sc_auth_contract::keys::{Algorithm, KeySet, Purpose as KeyPurpose};

    use super::*;

    fn form(content: &str, at: UnixTime) -> SealedForm<String> {
        let (sid, lang) = (Some("sid".to_owned()), "en".to_owned());
        SealedForm { purpose: Purpose::Consent, sid, at, lang, content: content.to_owned() }
    }

    #[test]
    fn a_form_expires_and_outlives_a_rotation_of_the_key() {
        let (now, rng) = (UnixTime::from_seconds(1_700_000_000), &mut rand::rng());
        let mut set = KeySet::generate(Algorithm::ES256, now, rng).unwrap();
        let keys = |set: &KeySet| Keys::new(set, Arc::default()).unwrap();
        let cookie = Cookie::random(rng);
        let sealed = form("content", now).seal(&keys(&set), &cookie, rng).unwrap().unwrap();
        let open_as = |set: &KeySet, cookie: &Cookie, purpose, minutes| {
            SealedForm::<String>::open(&keys(set), &sealed, cookie, purpose, now + Duration::from_mins(minutes))
        };
        let open = |set: &KeySet, cookie: &Cookie, minutes| open_as(set, cookie, Purpose::Consent, minutes);
        let opened = open(&set, &cookie, 15).unwrap();
        assert_eq!((opened.content.as_str(), opened.sid.as_deref()), ("content", Some("sid")));
        assert!(open(&set, &cookie, 16).is_none());
        assert!(open(&set, &Cookie::random(rng), 1).is_none());
        for other in [Purpose::AuthorizeLogin, Purpose::AccountLogin, Purpose::Logout, Purpose::RevokeApplication] {
            assert!(open_as(&set, &cookie, other, 1).is_none(), "{other:?}");
        }
        set.rotate_now(KeyPurpose::Refresh, None, now, rng).unwrap();
        assert!(open(&set, &cookie, 1).is_some(), "the key is retired");
        let other = KeySet::generate(Algorithm::ES256, now, rng).unwrap();
        assert!(open(&other, &cookie, 1).is_none());
        assert!(form(&"n".repeat(PENDING_MAX), now).seal(&keys(&set), &cookie, rng).unwrap().is_none());
    }
}
