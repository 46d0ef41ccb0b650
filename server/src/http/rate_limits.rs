//! Limits requests by client address: a token bucket for each address and kind of request, on each replica.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::error::ApiError;
use crate::auth::client::Client;

/// The most addresses that have a bucket. Buckets would not stop an attacker with more addresses, who must neither fill
/// the memory nor exhaust a shared bucket: further addresses are not limited.
const MAX_ADDRESSES: usize = 50_000;
/// How often full buckets are discarded while there are too many.
const SHRINK: Duration = Duration::from_secs(1);

pub struct RateLimits {
    login: Buckets,
    recognised: Buckets,
    register: Buckets,
    refresh: Buckets,
}

/// One bucket per address.
struct Buckets {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    shrunk_at: Mutex<Option<Instant>>,
}

/// The kind of request, which determines its bucket.
#[derive(Debug, Clone, Copy)]
pub enum Limited {
    Login,
    /// A password from a client that has sent a token of ours: strangers on its network don't exhaust its bucket.
    Recognised,
    Register,
    Refresh,
}

impl RateLimits {
    /// 20 logins, then one every 2 s; 10 registrations, then one every 10 s; 60 refreshes, then one per second.
    pub fn new() -> Self {
        Self {
            login: Buckets::new(20, 2),
            recognised: Buckets::new(20, 2),
            register: Buckets::new(10, 10),
            refresh: Buckets::new(60, 1),
        }
    }

    /// # Errors
    /// If the client has sent too many requests. A client whose own address is unknown is not limited: it may share the
    /// address of a proxy with all others.
    pub fn check(&self, limited: Limited, client: &Client) -> Result<(), ApiError> {
        let Some(network) = client.network() else { return Ok(()) };
        let buckets = match limited {
            Limited::Login => &self.login,
            Limited::Recognised => &self.recognised,
            Limited::Register => &self.register,
            Limited::Refresh => &self.refresh,
        };
        buckets.take(network).map_err(ApiError::TooMany)
    }
}

impl Buckets {
    fn new(burst: u32, seconds_each: u64) -> Self {
        let quota = Quota::with_period(Duration::from_secs(seconds_each)).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let limiter = RateLimiter::keyed(quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN)));
        Self { limiter, shrunk_at: Mutex::new(None) }
    }

    /// # Errors
    /// The seconds to wait.
    fn take(&self, address: IpAddr) -> Result<(), Duration> {
        if self.limiter.len() >= MAX_ADDRESSES && self.is_crowded() {
            return Ok(());
        }
        self.limiter.check_key(&address).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Duration::from_secs(wait.as_secs().saturating_add(1))
        })
    }

    /// Discards full buckets, and returns whether there are still too many.
    fn is_crowded(&self) -> bool {
        let mut shrunk_at = self.shrunk_at.lock().unwrap_or_else(PoisonError::into_inner);
        if shrunk_at.is_none_or(|shrunk_at| shrunk_at.elapsed() >= SHRINK) {
            self.limiter.retain_recent();
            *shrunk_at = Some(Instant::now());
        }
        self.limiter.len() >= MAX_ADDRESSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, is_own_address: bool) -> Client {
        Client { address: Some(address.parse().unwrap()), is_own_address, ..Client::default() }
    }

    #[test]
    fn each_address_has_a_bucket_for_each_kind() {
        let limits = RateLimits::new();
        let first = client("203.0.113.1", true);
        for _ in 0..20 {
            limits.check(Limited::Login, &first).unwrap();
        }
        let Err(ApiError::TooMany(wait)) = limits.check(Limited::Login, &first) else { panic!() };
        assert!((1..=3).contains(&wait.as_secs()), "{wait:?}");
        limits.check(Limited::Login, &client("203.0.113.2", true)).unwrap();
        limits.check(Limited::Refresh, &first).unwrap();
        limits.check(Limited::Recognised, &first).unwrap();
    }

    #[test]
    fn one_subscribers_network_has_one_bucket() {
        let limits = RateLimits::new();
        for number in 0..20 {
            limits.check(Limited::Login, &client(&format!("2001:db8::{number}"), true)).unwrap();
        }
        assert!(limits.check(Limited::Login, &client("2001:db8::ffff:1", true)).is_err());
        limits.check(Limited::Login, &client("2001:db8:0:1::1", true)).unwrap();
    }

    #[test]
    fn the_number_of_buckets_is_bounded_and_further_addresses_are_not_limited() {
        let limits = RateLimits::new();
        for number in 0..u32::try_from(MAX_ADDRESSES).unwrap() + 1_000 {
            let address = std::net::Ipv4Addr::from(number).to_string();
            limits.check(Limited::Login, &client(&address, true)).unwrap();
        }
        assert_eq!(limits.login.limiter.len(), MAX_ADDRESSES);
    }

    #[test]
    fn a_shared_address_is_not_limited() {
        let limits = RateLimits::new();
        for _ in 0..100 {
            limits.check(Limited::Register, &client("10.0.0.1", false)).unwrap();
        }
    }
}
