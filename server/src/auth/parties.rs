//! The issuers and audiences of tokens, current and previous.
//!
//! A new host name or audience must not log users out: each pair of issuer and audience stays accepted, on every
//! replica, until the last token that was signed for it expires. The database keeps the pairs; this is a cache.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use sc_auth_contract::time::UnixTime;

use super::claims::{Audience, Claims, Kind};
use super::digest::sha256;
use super::token::{Parties, REFRESH_AUDIENCE};
use crate::store::{Party, Store, StoreError};

/// How much longer than needed a pair is kept, so that not every login updates its row.
const SLACK: Duration = Duration::from_hours(1);

pub struct KnownParties {
    issuer: String,
    access: Current,
    refresh: Current,
    known: RwLock<HashSet<(String, Audience)>>,
}

/// The audience that one kind of token is signed for.
struct Current {
    audience: Audience,
    /// The seconds of a [`UnixTime`].
    kept_until: AtomicI64,
}

impl Current {
    const fn new(audience: Audience) -> Self {
        Self { audience, kept_until: AtomicI64::new(0) }
    }
}

impl KnownParties {
    pub fn new(issuer: String, audience: Vec<String>) -> Self {
        let access = Audience::from(audience);
        let refresh = Audience::One(REFRESH_AUDIENCE.into());
        let known = [(issuer.clone(), access.clone()), (issuer.clone(), refresh.clone())].into();
        Self { issuer, access: Current::new(access), refresh: Current::new(refresh), known: RwLock::new(known) }
    }

    /// The issuer and audience for an access token that expires at `exp`.
    pub async fn for_access(&self, store: &Store, exp: UnixTime) -> Result<Parties<'_>, StoreError> {
        self.keep(store, &self.access, exp).await
    }

    /// The issuer and audience for a refresh token that expires at `exp`.
    pub async fn for_refresh(&self, store: &Store, exp: UnixTime) -> Result<Parties<'_>, StoreError> {
        self.keep(store, &self.refresh, exp).await
    }

    async fn keep<'a>(&'a self, store: &Store, current: &'a Current, exp: UnixTime) -> Result<Parties<'a>, StoreError> {
        if current.kept_until.load(Ordering::Relaxed) < exp.seconds() {
            let last_exp = exp + SLACK;
            store.keep_party(&party(&self.issuer, &current.audience, last_exp)).await?;
            current.kept_until.fetch_max(last_exp.seconds(), Ordering::Relaxed);
        }
        Ok(Parties { issuer: &self.issuer, audience: &current.audience })
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether tokens of this kind were signed for this pair. Verify the signature first: this may query the database.
    pub async fn accept(&self, store: &Store, claims: &Claims, now: UnixTime) -> Result<bool, StoreError> {
        if !suits(&claims.aud, claims.kind) {
            return Ok(false);
        }
        if self.knows(claims) {
            return Ok(true);
        }
        let stored = store.parties(now).await?;
        let pairs = stored
            .into_iter()
            .filter_map(|party| serde_json::from_str(&party.audience).ok().map(|audience| (party.issuer, audience)));
        self.known.write().unwrap_or_else(PoisonError::into_inner).extend(pairs);
        Ok(self.knows(claims))
    }

    fn knows(&self, claims: &Claims) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|(issuer, audience)| *issuer == claims.iss && *audience == claims.aud)
    }
}

/// Whether a token of that kind can have the audience: refresh tokens are for this service only, access tokens for
/// others.
fn suits(audience: &Audience, kind: Kind) -> bool {
    match (audience, kind) {
        (Audience::One(name), Kind::Refresh) => name == REFRESH_AUDIENCE,
        (Audience::Many(_), Kind::Refresh) => false,
        (Audience::One(name), Kind::Access) => name != REFRESH_AUDIENCE,
        (Audience::Many(names), Kind::Access) => names.iter().all(|name| name != REFRESH_AUDIENCE),
    }
}

fn party(issuer: &str, audience: &Audience, last_exp: UnixTime) -> Party {
    let audience = serde_json::json!(audience).to_string();
    let id = sha256(format!("{issuer}\n{audience}"));
    Party { id, issuer: issuer.to_owned(), audience, last_exp }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_token_has_audiences_of_its_own() {
        let many = |names: &[&str]| Audience::Many(names.iter().map(ToString::to_string).collect());
        for (audience, access, refresh) in [
            (Audience::One("orders".into()), true, false),
            (Audience::One(REFRESH_AUDIENCE.into()), false, true),
            (many(&["orders", "billing"]), true, false),
            (many(&["orders", REFRESH_AUDIENCE]), false, false),
            (many(&[REFRESH_AUDIENCE]), false, false),
        ] {
            assert_eq!((suits(&audience, Kind::Access), suits(&audience, Kind::Refresh)), (access, refresh));
        }
    }
}
