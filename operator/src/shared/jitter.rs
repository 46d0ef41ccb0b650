//! Random variation of delays.

use std::time::Duration;

use rand::RngExt as _;

/// Varies a delay by up to a tenth, so that a thousand objects are not reconciled at the same time.
pub fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.9..1.1))
}
