//! Hashing threads leave CPU time to the rest of the server.
//!
//! In a container with a CPU quota, one busy thread exhausts it, and then the kernel stops every thread of the
//! container until the next period of 100 ms. A hashing thread therefore rests on its own: it waits until the whole
//! process is within the quota again, counted from the start of the thread's last job.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};

/// The part of the quota that the process aims for: the kernel assigns it in slices, some of which stay unused.
const TARGET: f64 = 0.9;
/// The part of the quota that hashing may always take, so that a storm of other requests cannot stop all logins.
const GUARANTEED: f64 = 0.4;

/// The nice value of a hashing thread: Linux has one for each thread.
const NICE: i32 = 10;

pub struct Pace {
    /// In cores; `None` without a quota that the process can exhaust.
    quota: Option<f64>,
    /// The last job: when it began, the CPU time of the process until then, and the thread's CPU time for the job.
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
            // Other threads use CPU time meanwhile, so check again.
            thread::sleep(pause);
        }
    }

    /// Runs the job and measures its CPU time.
    pub fn work(&mut self, work: impl FnOnce()) {
        let (began, before) = (Instant::now(), cpu_time(ClockId::ProcessCPUTime));
        let own = cpu_time(ClockId::ThreadCPUTime);
        work();
        self.last = Some((began, before, cpu_time(ClockId::ThreadCPUTime).saturating_sub(own)));
    }
}

/// How long after the start of its last job a thread may take another, if the job has used `own` CPU time and the whole
/// process has used `taken` since.
fn wait(quota: f64, taken: Duration, own: Duration) -> Duration {
    taken.div_f64(quota * TARGET).min(own.div_f64(quota * GUARANTEED))
}

/// Gives other threads precedence when the CPU is busy.
pub fn lower_priority() {
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::debug!(%error, "could not lower the priority of a hashing thread");
    }
}

/// The CPU time that this thread or this process has used so far.
fn cpu_time(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_job_is_followed_by_the_rest_that_the_quota_requires() {
        assert_eq!(wait(0.5, 18 * MS, 18 * MS), 40 * MS);
    }

    #[test]
    fn other_work_delays_hashing_only_up_to_a_limit() {
        assert_eq!(wait(0.5, 27 * MS, 18 * MS), 60 * MS);
        assert_eq!(wait(0.5, 1_000 * MS, 18 * MS), 90 * MS);
    }

    #[test]
    fn a_thread_rests_after_a_job_only_if_it_has_a_quota() {
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
