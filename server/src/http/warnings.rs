//! Warnings about an invalid configuration, such as that of a proxy.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use sc_auth_contract::time::UnixTime;

/// The most warnings per minute: clients can cause them.
const WARNINGS: u32 = 10;

/// The number of warnings in the current minute.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<(i64, u32)>);

impl Warnings {
    /// Logs the reason for refusing everybody, unless there were too many warnings in this minute.
    pub fn log(&self, problem: &impl Display, now: UnixTime) {
        if self.take(now) {
            tracing::warn!(
                %problem,
                "verify refuses everybody: the address in the proxy's configuration is invalid; it is /api/v1/verify, with \
                 ?role=ROLES or without a query, or begins with /api/v1/verify/any or /api/v1/verify/role/ROLES"
            );
        }
    }

    /// Whether there may be another warning in this minute.
    pub fn take(&self, now: UnixTime) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.minutes();
        if logged.0 != minute {
            *logged = (minute, 0);
        }
        logged.1 = logged.1.saturating_add(1);
        logged.1 <= WARNINGS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_few_in_each_minute() {
        let warnings = Warnings::default();
        let count = |now: i64| (0..1_000).filter(|_| warnings.take(now.into())).count();
        assert_eq!((count(60), count(119), count(120)), (10, 0, 10));
    }
}
