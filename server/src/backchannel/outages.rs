//! Applications that are down: how long this replica sends them nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::retries::wait;

/// The longest pause. It is short, since an application that fails for one user only seems to be down too, and must not keep
/// the logouts of others waiting for long.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// By the key of the declaration.
#[derive(Default)]
pub struct Outages(Mutex<HashMap<String, Outage>>);

struct Outage {
    failures: i32,
    /// The end of the pause.
    until: Instant,
}

impl Outages {
    /// Notes a failure. Returns how long the pause lasts from now on.
    pub fn note(&self, client: &str, now: Instant) -> Duration {
        let mut outages = self.lock();
        let outage = outages.entry(client.to_owned()).or_insert(Outage { failures: 0, until: now });
        // Requests that were in progress at the same time fail together.
        if outage.until <= now {
            outage.failures = outage.failures.saturating_add(1);
            outage.until = now + wait(outage.failures).min(LONGEST_PAUSE);
        }
        outage.until - now
    }

    /// The application has answered.
    pub fn end(&self, client: &str) {
        self.lock().remove(client);
    }

    /// The applications to send nothing to.
    pub fn clients(&self, now: Instant) -> Vec<String> {
        let mut outages = self.lock();
        // One that nobody has tried for a while after its pause.
        outages.retain(|_, outage| now < outage.until + LONGEST_PAUSE);
        outages.iter().filter(|(_, outage)| now < outage.until).map(|(client, _)| client.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Outage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_become_longer_until_the_application_answers() {
        let (outages, begin) = (Outages::default(), Instant::now());
        let seconds = |now| outages.note("shop", now).as_secs();
        assert_eq!((seconds(begin), seconds(begin + Duration::from_secs(2))), (5, 3), "they failed together");
        assert!(outages.clients(begin + Duration::from_secs(5)).is_empty());
        let (mut now, mut pauses) = (begin, Vec::new());
        for _ in 0..6 {
            now += LONGEST_PAUSE;
            pauses.push(seconds(now));
        }
        assert_eq!(pauses, [15, 45, 135, 300, 300, 300]);
        assert_eq!(outages.clients(now), ["shop"]);
        outages.end("shop");
        assert!(outages.clients(now).is_empty());
        assert_eq!(seconds(now), 5);
        assert!(outages.clients(now + 2 * LONGEST_PAUSE).is_empty() && outages.lock().is_empty(), "it is forgotten");
    }
}
