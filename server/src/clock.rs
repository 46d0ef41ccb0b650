//! The one place that asks the system for the time.

use time::OffsetDateTime;

/// Tells the time; passed to whoever needs it.
pub type Clock = fn() -> OffsetDateTime;

/// The system's clock.
#[expect(clippy::disallowed_methods, reason = "everything else is given a Clock")]
pub fn system() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
