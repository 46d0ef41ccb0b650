//! Delays that differ a little.

use std::time::Duration;

use rand::RngExt as _;

/// A tenth more or less, so that a thousand objects do not come back at once.
pub fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.9..1.1))
}
