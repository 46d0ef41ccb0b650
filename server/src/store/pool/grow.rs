//! Grows a pool again after the server refused a connection.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::driver::{Driver, timed_out};
use super::error::PoolError;
use super::shared::Shared;

/// How long to wait before asking the server for more connections: at first, and at most.
const PAUSE: (Duration, Duration) = if cfg!(test) {
    (Duration::from_millis(20), Duration::from_millis(80))
} else {
    (Duration::from_secs(5), Duration::from_mins(1))
};

/// Asks for one more connection, then for two, four and so on while the server grants them, until the pool has its size.
/// Requests do not wait for that. Warns whenever the number has changed.
pub async fn grow<D: Driver>(pool: Weak<Shared<D>>) {
    let (mut pause, mut step) = (PAUSE.0, 1);
    let mut reported = None;
    loop {
        sleep(pause).await;
        let Some(shared) = pool.upgrade() else { return };
        shared.report(&mut reported);
        (pause, step) = match shared.extend(step).await {
            Ok(0) => (PAUSE.0, step),
            Ok(_) => (PAUSE.0, step.saturating_mul(2)),
            Err(_) => (Ord::min(pause * 2, PAUSE.1), 1),
        };
        if shared.has_grown() {
            return;
        }
    }
}

impl<D: Driver> Shared<D> {
    fn report(&self, reported: &mut Option<u32>) {
        let (granted, error) = {
            let state = self.lock();
            (state.limit, state.refusal.clone())
        };
        if reported.replace(granted) != Some(granted) {
            let wanted = self.rules.size;
            tracing::warn!(
                granted,
                wanted,
                error,
                "the database server grants fewer connections than the pool may have"
            );
        }
    }

    /// Adds up to `count` connections if all that the server has granted are in use: other clients may need those that this
    /// one would keep idle. Returns how many.
    async fn extend(&self, count: u32) -> Result<u32, PoolError> {
        if self.permits.available_permits() > 0 {
            return Ok(0);
        }
        for added in 0..count {
            let is_needed = {
                let state = self.lock();
                state.limit < self.rules.size && state.open >= state.limit && !state.is_closed
            };
            if !is_needed {
                return Ok(added);
            }
            let attempt = timeout(self.rules.wait, self.connect());
            let connection = attempt.await.unwrap_or_else(|_| Err(timed_out().into()))?;
            self.add(connection);
        }
        Ok(count)
    }

    /// Whether nothing is left to do; a later refusal starts this again.
    fn has_grown(&self) -> bool {
        let mut state = self.lock();
        let is_over = state.limit >= self.rules.size || state.is_closed;
        if is_over {
            state.is_growing = false;
        }
        is_over
    }
}
