//! Limits how often a user changes the own e-mail address: each attempt tells whether another user has an address.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::rate_limits::Discard;

/// The number of users from which on full buckets are discarded.
const MANY: usize = 10_000;
/// How many attempts a user has at once.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
/// The time until the next attempt.
const EVERY: Duration = Duration::from_mins(10);

/// One bucket per user.
pub struct AddressChanges {
    buckets: DefaultKeyedRateLimiter<i32>,
    discard: Discard,
}

impl AddressChanges {
    pub fn new() -> Self {
        let quota = Quota::with_period(EVERY).unwrap_or(Quota::per_hour(NonZeroU32::MIN));
        Self { buckets: RateLimiter::keyed(quota.allow_burst(BURST)), discard: Discard::default() }
    }

    /// # Errors
    /// How long to wait.
    pub fn take(&self, user_id: i32) -> Result<(), Duration> {
        if self.buckets.len() > MANY {
            self.discard.run(|| self.buckets.retain_recent());
        }
        self.buckets.check_key(&user_id).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Duration::from_secs(wait.as_secs().saturating_add(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_five_attempts() {
        let changes = AddressChanges::new();
        for _ in 0..5 {
            changes.take(1).unwrap();
        }
        let wait = changes.take(1).unwrap_err();
        assert!(wait > Duration::from_mins(9) && wait <= EVERY + Duration::from_secs(1), "{wait:?}");
        changes.take(2).unwrap();
    }
}
