//! Limits requests by client address: a token bucket for each address and kind of request, on each replica. An IPv6 /64
//! counts as one address, and all of a /48 together have ten times as much.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};

use super::error::ApiError;
use crate::auth::client::Client;

/// The most addresses that have a bucket of their own, so that an attacker with many cannot fill the memory.
const MAX_ADDRESSES: usize = 50_000;
/// The buckets of all further addresses. A secret hash assigns them: an attacker can neither choose whom to share a bucket
/// with, nor exhaust many of them without as many addresses and requests.
const SHARED_BUCKETS: u64 = 32_768;
/// How much more than one network all networks of an IPv6 /48 have. A provider's customers may share one.
const SITE: u32 = 10;
/// How often full buckets are discarded while there are too many.
const DISCARD: Duration = Duration::from_secs(1);

pub struct RateLimits {
    login: Limit,
    recognised: Limit,
    register: Limit,
    refresh: Limit,
}

/// The limit of one kind of request.
struct Limit {
    networks: Buckets,
    sites: Buckets,
}

/// Discards full buckets once a second at most: it takes time for each bucket.
#[derive(Default)]
pub struct Discard(Mutex<Option<Instant>>);

/// One bucket per address.
struct Buckets {
    own: DefaultKeyedRateLimiter<IpAddr>,
    shared: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
    discard: Discard,
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
            login: Limit::new(20, 2),
            recognised: Limit::new(20, 2),
            register: Limit::new(10, 10),
            refresh: Limit::new(60, 1),
        }
    }

    /// # Errors
    /// If the client has sent too many requests. A client whose own address is unknown is not limited: it may share the
    /// address of a proxy with all others.
    pub fn check(&self, limited: Limited, client: &Client) -> Result<(), ApiError> {
        let Some(network) = client.network() else { return Ok(()) };
        let limit = match limited {
            Limited::Login => &self.login,
            Limited::Recognised => &self.recognised,
            Limited::Register => &self.register,
            Limited::Refresh => &self.refresh,
        };
        // The network first: once it is refused, it takes no more from its /48.
        limit.networks.take(network).map_err(ApiError::TooMany)?;
        client.site().map_or(Ok(()), |site| limit.sites.take(site)).map_err(ApiError::TooMany)
    }
}

impl Limit {
    fn new(burst: u32, seconds_each: u64) -> Self {
        let each = Duration::from_secs(seconds_each);
        Self { networks: Buckets::new(burst, each), sites: Buckets::new(burst * SITE, each / SITE) }
    }
}

impl Discard {
    pub fn run(&self, discard: impl FnOnce()) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= DISCARD) {
            discard();
            *last = Some(Instant::now());
        }
    }
}

impl Buckets {
    fn new(burst: u32, each: Duration) -> Self {
        let quota = Quota::with_period(each).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let quota = quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
        Self {
            own: RateLimiter::keyed(quota),
            shared: RateLimiter::keyed(quota),
            hasher: RandomState::new(),
            discard: Discard::default(),
        }
    }

    /// # Errors
    /// The seconds to wait.
    fn take(&self, address: IpAddr) -> Result<(), Duration> {
        if self.own.len() >= MAX_ADDRESSES && self.is_crowded() {
            return self
                .shared
                .check_key(&(self.hasher.hash_one(address) % SHARED_BUCKETS))
                .map_err(|until| wait(&until));
        }
        self.own.check_key(&address).map_err(|until| wait(&until))
    }

    /// Discards full buckets, and returns whether there are still too many.
    fn is_crowded(&self) -> bool {
        self.discard.run(|| {
            self.own.retain_recent();
            self.shared.retain_recent();
        });
        self.own.len() >= MAX_ADDRESSES
    }
}

fn wait(until: &NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> Duration {
    let wait = until.wait_time_from(DefaultClock::default().now());
    Duration::from_secs(wait.as_secs().saturating_add(1))
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
    fn the_networks_of_a_48_share_a_larger_bucket() {
        let limits = RateLimits::new();
        let subnet = |number: u32| client(&format!("2001:db8:0:{number:x}::1"), true);
        for number in 0..200 {
            limits.check(Limited::Login, &subnet(number)).unwrap();
        }
        // The bucket of the /48 refills while the test runs.
        assert!((200..65_536).any(|number| limits.check(Limited::Login, &subnet(number)).is_err()));
        limits.check(Limited::Login, &client("2001:db8:1::1", true)).unwrap();
    }

    #[test]
    fn a_network_that_is_refused_takes_nothing_from_its_48() {
        let limits = RateLimits::new();
        for _ in 0..1_000 {
            let _ = limits.check(Limited::Register, &client("2001:db8:0:1::1", true));
        }
        limits.check(Limited::Register, &client("2001:db8:0:2::1", true)).unwrap();
    }

    fn address(number: u32) -> Client {
        client(&std::net::Ipv4Addr::from(number).to_string(), true)
    }

    #[test]
    fn addresses_beyond_the_bound_are_limited_without_buckets_of_their_own() {
        let limits = RateLimits::new();
        let max = u32::try_from(MAX_ADDRESSES).unwrap();
        let buckets = &limits.register.networks;
        for number in 0..max + 1_000 {
            limits.check(Limited::Register, &address(number)).unwrap();
        }
        assert!(buckets.own.len() <= MAX_ADDRESSES && buckets.shared.len() <= 1_000);
        // The attacker's own addresses are limited, and few others with them.
        let guesser = address(max + 1_000);
        assert!((0..20).any(|_| limits.check(Limited::Register, &guesser).is_err()));
        let refused = (0..1_000).filter(|number| limits.check(Limited::Register, &address(max + number)).is_err());
        assert!(refused.count() <= 10);
        assert!(limits.register.networks.shared.len() <= usize::try_from(SHARED_BUCKETS).unwrap());
    }

    #[test]
    fn full_buckets_are_discarded_once_a_second_at_most() {
        let (discard, mut count) = (Discard::default(), 0);
        let began = Instant::now();
        for _ in 0..1_000 {
            discard.run(|| count += 1);
        }
        assert!(count >= 1 && count <= 1 + began.elapsed().as_secs(), "{count}");
    }

    #[test]
    fn a_shared_address_is_not_limited() {
        let limits = RateLimits::new();
        for _ in 0..100 {
            limits.check(Limited::Register, &client("10.0.0.1", false)).unwrap();
        }
    }
}
