//! The only place that reads the system clock.

use sc_auth_contract::time::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns the current time; passed as an argument to code that needs it.
pub type Clock = fn() -> UnixTime;

/// The system's clock.
#[expect(clippy::disallowed_methods, reason = "all other code receives a Clock")]
pub fn system() -> UnixTime {
    OffsetDateTime::now_utc().unix_timestamp().into()
}

/// Date and time in UTC; 1970 begins where the calendar has no such date.
pub fn to_calendar(time: UnixTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The time as RFC 3339 writes it.
pub fn to_rfc3339(time: UnixTime) -> Result<String, time::error::Format> {
    to_calendar(time).format(&Rfc3339)
}

/// The time that RFC 3339 writes so.
pub fn from_rfc3339(text: &str) -> Option<UnixTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(|time| time.unix_timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_and_read_in_any_zone() {
        let time = UnixTime::from_seconds(1_769_821_323);
        assert_eq!(to_rfc3339(time).unwrap(), "2026-01-31T01:02:03Z");
        assert_eq!(from_rfc3339("2026-01-31T03:02:03.9+02:00"), Some(time));
        assert_eq!(from_rfc3339("2026-01-31"), None);
        assert_eq!(to_rfc3339(UnixTime::from_seconds(i64::MAX)).unwrap(), "1970-01-01T00:00:00Z");
    }
}
