//! Columns of times that may be NULL. Those that may not are read as the `i64` that they are.

use sc_auth_contract::time::UnixTime;

/// Whether a session is live. It expires without use at `expires_at`, and ends at `ends_at` at the latest.
pub fn is_live(expires_at: UnixTime, ends_at: Option<UnixTime>, now: UnixTime) -> bool {
    expires_at > now && ends_at.is_none_or(|ends_at| ends_at > now)
}

/// The seconds of a [`UnixTime`], or NULL.
#[derive(sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
pub struct Nullable(Option<i64>);

impl From<Nullable> for Option<UnixTime> {
    fn from(Nullable(seconds): Nullable) -> Self {
        seconds.map(UnixTime::from_seconds)
    }
}
