//! Threads that leave the rest of the server its share of the processor.
//!
//! Where a container has a CPU quota, one busy thread eats it up, and then every thread of the container stands still
//! until the next period of 100 ms. A thread that rests by itself leaves room for the others: it waits until the whole
//! process has taken no more than the quota since its last work began.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};

/// How much of the quota the process is to take: the kernel hands it out in slices, of which some are left over.
const OF_QUOTA: f64 = 0.9;
/// How much of it hashing may take whatever the others do, so that a storm of other requests cannot stop all logins.
const AT_LEAST: f64 = 0.4;

/// How much hashing steps back: on Linux a thread has a nice value of its own.
const NICE: i32 = 10;

pub struct Pace {
    /// In cores; `None` where there is no quota that could be exhausted.
    quota: Option<f64>,
    /// What the last work was, and how much this thread took for it.
    last: Option<(Instant, Duration, Duration)>,
}

impl Pace {
    pub const fn new(quota: Option<f64>) -> Self {
        Self { quota, last: None }
    }

    /// Sleeps until the process is within its quota again.
    pub fn rest(&self) {
        let (Some(quota), Some((began, before, own))) = (self.quota, self.last) else { return };
        loop {
            let taken = cpu_time(ClockId::ProcessCPUTime).saturating_sub(before);
            let pause = (began + wait(quota, taken, own)).saturating_duration_since(Instant::now());
            if pause.is_zero() {
                return;
            }
            // The others go on working meanwhile.
            thread::sleep(pause);
        }
    }

    /// Works, and notes what it took.
    pub fn work(&mut self, work: impl FnOnce()) {
        let (began, before) = (Instant::now(), cpu_time(ClockId::ProcessCPUTime));
        let own = cpu_time(ClockId::ThreadCPUTime);
        work();
        self.last = Some((began, before, cpu_time(ClockId::ThreadCPUTime).saturating_sub(own)));
    }
}

/// How long after its last work began a thread may work again, where it has taken `own` of the processor since then and
/// the whole process `taken`.
fn wait(quota: f64, taken: Duration, own: Duration) -> Duration {
    taken.div_f64(quota * OF_QUOTA).min(own.div_f64(quota * AT_LEAST))
}

/// Lets other threads go first where all want the processor at once.
pub fn give_way() {
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::debug!(%error, "the priority of a hashing thread stays as it is");
    }
}

/// What this thread or this process has taken of the processor so far.
fn cpu_time(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn work_is_followed_by_as_much_rest_as_the_quota_asks_for() {
        assert_eq!(wait(0.5, 18 * MS, 18 * MS), 40 * MS);
    }

    #[test]
    fn others_can_put_it_off_but_not_for_ever() {
        assert_eq!(wait(0.5, 27 * MS, 18 * MS), 60 * MS);
        assert_eq!(wait(0.5, 1_000 * MS, 18 * MS), 90 * MS);
    }

    #[test]
    fn a_thread_that_worked_rests_and_one_without_a_quota_does_not() {
        let mut pace = Pace::new(Some(0.25));
        let began = Instant::now();
        pace.work(|| while cpu_time(ClockId::ThreadCPUTime) < 20 * MS {});
        let own = pace.last.unwrap().2;
        pace.rest();
        assert!(began.elapsed() >= own.div_f64(0.25));
        let mut free = Pace::new(None);
        free.work(|| {});
        free.rest();
    }
}
