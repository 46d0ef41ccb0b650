//! When a logout token that an application did not confirm is sent again.

use std::time::Duration;

use sc_auth_contract::time::UnixTime;

/// How long an application that does not confirm a logout is tried.
pub const RETENTION: Duration = Duration::from_hours(24);
/// The wait before the second attempt; each further one is three times as long, up to an hour.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// When to try again after so many attempts; `None` if it is too late then.
pub fn retry_at(created_at: UnixTime, attempts: i32, now: UnixTime) -> Option<UnixTime> {
    Some(now + wait(attempts)).filter(|at| *at < created_at + RETENTION)
}

/// The wait after so many failures.
pub fn wait(failures: i32) -> Duration {
    let exponent = u32::try_from(failures.saturating_sub(1)).unwrap_or(0);
    FIRST_WAIT.saturating_mul(3_u32.saturating_pow(exponent)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_become_rare_and_end_after_a_day() {
        let begin = UnixTime::from_seconds(1_700_000_000);
        let (mut now, mut waits) = (begin, Vec::new());
        for attempt in 1.. {
            let Some(next) = retry_at(begin, attempt, now) else { break };
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits[..7], [5, 15, 45, 135, 405, 1_215, 3_600]);
        assert!((24..40).contains(&waits.len()) && now < begin + RETENTION, "{waits:?}");
        assert!(retry_at(begin, i32::MAX, begin).is_some_and(|at| at == begin + LONGEST_WAIT));
    }
}
