//! Counts events of the last minute.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_mins(1);
/// Events within this time share one entry, so that a burst of events takes little memory.
const STEP: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<(Instant, u64)>>);

impl Recent {
    pub fn count(&self, now: Instant) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match steps.back_mut() {
            Some((since, count)) if now.saturating_duration_since(*since) < STEP => *count += 1,
            _ => steps.push_back((now, 1)),
        }
        forget(&mut steps, now);
    }

    pub fn in_last_minute(&self, now: Instant) -> u64 {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut steps, now);
        steps.iter().map(|(_, count)| count).sum()
    }
}

fn forget(steps: &mut VecDeque<(Instant, u64)>, now: Instant) {
    while steps.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) > WINDOW) {
        steps.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minute_counts() {
        let (recent, start) = (Recent::default(), Instant::now());
        for seconds in [0, 0, 0, 30, 50] {
            recent.count(start + Duration::from_secs(seconds));
        }
        let after = |seconds| recent.in_last_minute(start + Duration::from_secs(seconds));
        assert_eq!([50, 60, 61, 95, 200].map(after), [5, 5, 2, 1, 0]);
    }
}
