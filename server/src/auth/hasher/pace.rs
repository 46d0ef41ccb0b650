//! A thread that takes no more than its share of a core.
//!
//! Where a container has a CPU quota, one busy thread eats it up, and then every thread of the container stands still
//! until the next period of 100 ms. A thread that rests by itself leaves room for the others.

use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

pub struct Pace {
    /// How much of a core; `None` for all of it.
    share: Option<f64>,
    ready_at: Option<Instant>,
}

impl Pace {
    pub const fn new(share: Option<f64>) -> Self {
        Self { share, ready_at: None }
    }

    /// Sleeps off what the last work has taken too much.
    pub fn rest(&self) {
        if let Some(ready_at) = self.ready_at {
            thread::sleep(ready_at.saturating_duration_since(Instant::now()));
        }
    }

    /// Works, and notes how much of a core it took.
    pub fn work(&mut self, work: impl FnOnce()) {
        let (began, before) = (Instant::now(), cpu_time());
        work();
        if let Some(share) = self.share {
            self.ready_at = Some(began + cpu_time().saturating_sub(before).div_f64(share));
        }
    }
}

/// What this thread has taken of the processor so far.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(duration: Duration) {
        let before = cpu_time();
        while cpu_time() < before + duration {
            std::hint::black_box(0);
        }
    }

    #[test]
    fn work_is_followed_by_as_much_rest_as_the_share_asks_for() {
        let mut pace = Pace::new(Some(0.25));
        let began = Instant::now();
        pace.work(|| busy(Duration::from_millis(20)));
        pace.rest();
        assert!(began.elapsed() >= Duration::from_millis(80));
    }

    #[test]
    fn waiting_costs_nothing() {
        let mut pace = Pace::new(Some(0.25));
        pace.work(|| thread::sleep(Duration::from_millis(20)));
        assert!(pace.ready_at.unwrap() < Instant::now() + Duration::from_millis(20));
    }
}
