//! Columns of times that may be NULL. Those that may not are read as the `i64` that they are.

use sc_auth_contract::time::UnixTime;

/// The seconds of a [`UnixTime`], or NULL.
#[derive(sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
pub struct Nullable(Option<i64>);

impl From<Nullable> for Option<UnixTime> {
    fn from(Nullable(seconds): Nullable) -> Self {
        seconds.map(UnixTime::from_seconds)
    }
}
