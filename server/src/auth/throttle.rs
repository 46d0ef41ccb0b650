//! Guessing slowed down: each failure with a name makes the next attempt wait longer, on every replica.
//!
//! Names are kept under a keyed hash, known or not, so that neither the table nor the answers tell who exists. No
//! delay is longer than five minutes, and none is made longer by attempts that come too early.

use super::keys::Keys;
use super::session::SessionError;
use crate::store::{Failures, Store, StoreError, fold};

/// Failures without any delay: people mistype.
const FREE: i32 = 5;
/// The longest delay, in seconds.
const LONGEST: i64 = 300;
/// Failures are forgotten after so many seconds without another one.
pub const FORGET_AFTER: i64 = 86_400;

/// How long to wait, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub i64);

/// The failures of one submitted name.
pub struct Throttle<'a> {
    store: &'a Store,
    id: String,
    is_on: bool,
}

impl<'a> Throttle<'a> {
    pub fn new(store: &'a Store, keys: &Keys, username: &str, is_on: bool) -> Self {
        Self { store, id: keys.digest_of_name(&fold(username)), is_on }
    }

    /// The failures so far.
    ///
    /// # Errors
    /// [`SessionError::TooMany`] where nobody may try this name now.
    pub async fn check(&self, now: i64) -> Result<Option<Failures>, SessionError> {
        if !self.is_on {
            return Ok(None);
        }
        let failures = self.store.failures(&self.id).await?;
        match failures {
            Some(Failures { retry_at, .. }) if retry_at > now => Err(SessionError::TooMany(Wait(retry_at - now))),
            failures => Ok(failures),
        }
    }

    /// Counts a failure. Several replicas may do so at once.
    pub async fn count(&self, now: i64) -> Result<(), StoreError> {
        if !self.is_on {
            return Ok(());
        }
        for _ in 0..10 {
            let old = self.store.failures(&self.id).await?.unwrap_or_default();
            if self.store.replace_failures(&self.id, old, after_failure(old, now)).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    pub async fn forget(&self) -> Result<(), StoreError> {
        self.store.forget_failures(&self.id).await
    }
}

fn after_failure(old: Failures, now: i64) -> Failures {
    let old = if old.last_failed_at.saturating_add(FORGET_AFTER) < now { 0 } else { old.count };
    let count = old.saturating_add(1);
    Failures { count, last_failed_at: now, retry_at: now.saturating_add(delay(count)) }
}

/// 0 for the first five, then 1, 2, 4, … seconds.
fn delay(failures: i32) -> i64 {
    match u32::try_from(failures - FREE) {
        Ok(beyond) if beyond > 0 => 1_i64.checked_shl(beyond - 1).unwrap_or(LONGEST).clamp(1, LONGEST),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_end() {
        let delays: Vec<_> = (1..=16).map(delay).collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(delay(i32::MAX), 300);
    }

    #[test]
    fn failures_are_forgotten_after_a_day_without_another() {
        let old = Failures { count: 20, last_failed_at: 1_000, retry_at: 1_300 };
        assert_eq!(after_failure(old, 1_000 + FORGET_AFTER).count, 21);
        let new = after_failure(old, 1_001 + FORGET_AFTER);
        assert_eq!((new.count, new.retry_at), (1, 1_001 + FORGET_AFTER));
    }
}
