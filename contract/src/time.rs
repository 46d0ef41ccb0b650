//! Times, as tokens, tables and the files between operator and server hold them.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01 UTC. Sums and differences stop at the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);

    /// So many seconds after [`Self::EPOCH`].
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// The seconds since [`Self::EPOCH`].
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The whole minutes since [`Self::EPOCH`].
    #[must_use]
    pub const fn minutes(self) -> i64 {
        self.0.div_euclid(60)
    }
}

impl From<i64> for UnixTime {
    fn from(seconds: i64) -> Self {
        Self(seconds)
    }
}

/// Parts of a second do not count.
impl Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.as_secs()))
    }
}

/// Parts of a second do not count.
impl Sub<Duration> for UnixTime {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(duration.as_secs()))
    }
}

/// How much later it is than another time; zero where it is earlier.
impl Sub for UnixTime {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        let is_later = self > earlier;
        Duration::from_secs(if is_later { self.0.abs_diff(earlier.0) } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn sums_and_differences_stop_at_the_limits() {
        let time = UnixTime::from_seconds(100);
        assert_eq!((time + MINUTE, time - MINUTE), (UnixTime::from(160), UnixTime::from(40)));
        assert_eq!((time + MINUTE - time, time - (time + MINUTE)), (MINUTE, Duration::ZERO));
        let (first, last) = (UnixTime::from_seconds(i64::MIN), UnixTime::from_seconds(i64::MAX));
        assert_eq!((last + MINUTE, first - MINUTE, time + Duration::MAX), (last, first, last));
        assert_eq!(last - first, Duration::from_secs(u64::MAX));
    }

    #[test]
    fn it_is_a_number_in_json() {
        assert_eq!(serde_json::to_string(&UnixTime::from_seconds(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<UnixTime>("-7").unwrap(), UnixTime::from_seconds(-7));
    }
}
