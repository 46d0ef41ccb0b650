//! Whether a client may repeat a refresh whose answer it lost.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sc_auth_contract::time::UnixTime;
use sha2::{Digest as _, Sha256};

use crate::auth::client::Client;
use crate::store::{Grant, Session};

/// How long a client may repeat a request whose answer it lost.
pub(super) const GRACE: Duration = Duration::from_mins(1);
/// How long any client may: a phone that lost an answer may have lost its network with it.
const GRACE_OF_ANY_CLIENT: Duration = Duration::from_secs(10);
/// The most repeated refreshes to remember, of about 50 bytes each.
const MAX_REPEATED: usize = 4_096;

/// Whether a client may repeat a request whose answer it lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatedRefresh {
    Allowed,
    /// In time, but with another user agent and from another network.
    OtherClient,
    /// Its successor was used, or the minute is over.
    TooLate,
}

/// The last exchange of a chain of refresh tokens.
#[derive(Debug, Clone, Copy)]
pub struct Rotated<'a> {
    pub previous_jti: Option<&'a str>,
    pub at: Option<UnixTime>,
    pub network: Option<&'a str>,
    pub user_agent: Option<&'a str>,
}

impl<'a> From<&'a Session> for Rotated<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            previous_jti: session.previous_jti.as_deref(),
            at: session.rotated_at,
            network: session.rotated_network.as_deref(),
            user_agent: session.rotated_user_agent.as_deref(),
        }
    }
}

impl<'a> From<&'a Grant> for Rotated<'a> {
    fn from(grant: &'a Grant) -> Self {
        Self {
            previous_jti: grant.previous_jti.as_deref(),
            at: grant.rotated_at,
            network: grant.rotated_network.as_deref(),
            user_agent: grant.rotated_user_agent.as_deref(),
        }
    }
}

impl RepeatedRefresh {
    /// What an audit event says about a refusal.
    pub fn detail(self) -> Option<&'static str> {
        (self == Self::OtherClient).then_some("by another client than the one that used the token")
    }

    pub fn of<'a>(rotated: impl Into<Rotated<'a>>, jti: &str, client: &Client, now: UnixTime) -> Self {
        let rotated = rotated.into();
        let rotated_at = rotated.at.filter(|_| rotated.previous_jti == Some(jti));
        match rotated_at {
            Some(rotated_at) if now <= rotated_at + GRACE_OF_ANY_CLIENT => Self::Allowed,
            Some(rotated_at) if now <= rotated_at + GRACE && is_same_client(&rotated, client) => Self::Allowed,
            Some(rotated_at) if now <= rotated_at + GRACE => Self::OtherClient,
            _ => Self::TooLate,
        }
    }
}

/// A server of release 0.2 records no user agent, and lets every client repeat the request.
fn is_same_client(rotated: &Rotated<'_>, client: &Client) -> bool {
    rotated.user_agent.is_none_or(|agent| agent == user_agent(client))
        || network(client).is_some_and(|network| rotated.network == Some(network.as_str()))
}

/// Clients without a user agent have the same, empty one.
pub fn user_agent(client: &Client) -> &str {
    client.user_agent.as_deref().unwrap_or_default()
}

/// `None` if many clients share the address.
pub fn network(client: &Client) -> Option<String> {
    client.network().map(|network| network.to_string())
}

/// The repeated refreshes that this server has recorded, so that a burst of one client is one audit event.
#[derive(Debug, Default)]
pub struct RepeatedRefreshes(Mutex<HashSet<[u8; 32]>>);

impl RepeatedRefreshes {
    /// Whether the client repeats this refresh for the first time.
    pub fn is_first(&self, successor: &str, client: &Client) -> bool {
        let mut repeated = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if repeated.len() >= MAX_REPEATED {
            repeated.clear();
        }
        repeated.insert(digest(successor, client))
    }

    /// For a repetition that could not be recorded.
    pub fn forget(&self, successor: &str, client: &Client) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(successor, client));
    }
}

/// Of the id of the successor, which each refresh changes, and the client.
fn digest(successor: &str, client: &Client) -> [u8; 32] {
    let address = client.address_text().unwrap_or_default();
    Sha256::digest(format!("{successor}\n{address}\n{}", user_agent(client))).into()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::store::User;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    fn client(address: &str, is_own_address: bool, agent: Option<&str>) -> Client {
        let address: IpAddr = address.parse().unwrap();
        Client { address: Some(address), is_own_address, user_agent: agent.map(str::to_owned), ..Client::default() }
    }

    /// Exchanged by that client.
    fn session(by: &Client) -> Session {
        Session {
            sid: "s".into(),
            refresh_jti: "new".into(),
            refresh_iat: Some(NOW),
            refresh_kid: None,
            created_at: NOW,
            expires_at: NOW,
            ends_at: None,
            previous_jti: Some("old".into()),
            rotated_at: Some(NOW),
            rotated_network: network(by),
            rotated_user_agent: Some(user_agent(by).to_owned()),
            user: User::default(),
        }
    }

    #[test]
    fn after_ten_seconds_only_the_same_client_may_repeat() {
        use RepeatedRefresh::{Allowed, OtherClient, TooLate};
        let own = client("203.0.113.7", true, Some("App/1"));
        let repeats = |by: &Client, jti, seconds| {
            RepeatedRefresh::of(&session(&own), jti, by, NOW + Duration::from_secs(seconds))
        };
        let updated = client("203.0.113.7", true, Some("App/2"));
        let moved = client("198.51.100.1", true, Some("App/1"));
        let other = client("198.51.100.1", true, Some("curl"));
        let behind_the_same_proxy = client("203.0.113.7", false, Some("curl"));
        for (client, late) in [
            (&own, Allowed),
            (&updated, Allowed),
            (&moved, Allowed),
            (&other, OtherClient),
            (&behind_the_same_proxy, OtherClient),
        ] {
            let seen = [10, 11, 60, 61].map(|seconds| repeats(client, "old", seconds));
            assert_eq!(seen, [Allowed, late, late, TooLate], "{client:?}");
        }
        assert_eq!(repeats(&own, "older", 1), TooLate);
    }

    #[test]
    fn clients_without_a_user_agent_have_the_same_one_but_no_network_is_not_a_network() {
        let silent = client("203.0.113.7", false, None);
        let at = NOW + Duration::from_secs(30);
        assert_eq!(RepeatedRefresh::of(&session(&silent), "old", &silent, at), RepeatedRefresh::Allowed);
        let named = client("203.0.113.7", false, Some("curl"));
        assert_eq!(RepeatedRefresh::of(&session(&silent), "old", &named, at), RepeatedRefresh::OtherClient);
        let by_release_0_2 = Session { rotated_user_agent: None, ..session(&silent) };
        assert_eq!(RepeatedRefresh::of(&by_release_0_2, "old", &named, at), RepeatedRefresh::Allowed);
    }

    #[test]
    fn a_burst_of_one_client_is_recorded_once() {
        let (own, other) = (client("203.0.113.7", true, Some("App/1")), client("203.0.113.7", true, Some("curl")));
        let repeated = RepeatedRefreshes::default();
        assert_eq!([&own, &own, &other, &other].map(|by| repeated.is_first("new", by)), [true, false, true, false]);
        repeated.forget("new", &own);
        assert!(repeated.is_first("new", &own), "it was not recorded");
        assert!(repeated.is_first("newer", &own), "another refresh");
    }

    #[test]
    fn addresses_of_one_network_are_the_same() {
        let [own, next, other] = ["2001:db8:1:2::1", "2001:db8:1:2::9", "2001:db8:1:3::1"]
            .map(|address| client(address, true, Some(address)));
        let at = NOW + Duration::from_secs(30);
        assert_eq!(RepeatedRefresh::of(&session(&own), "old", &next, at), RepeatedRefresh::Allowed);
        assert_eq!(RepeatedRefresh::of(&session(&own), "old", &other, at), RepeatedRefresh::OtherClient);
    }
}
