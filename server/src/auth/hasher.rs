//! Hashing on dedicated threads, with memory that is allocated once, behind a bounded queue with a deadline.
//!
//! A hash takes 19 MiB and about 20 ms of a core. Tokio's blocking pool would run hundreds at once; here a storm of
//! logins waits in the queue, and logins that no longer fit are refused before any work is done.

mod decoys;
mod pace;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::Salt;
use rand::CryptoRng;
use secrecy::SecretString;
use tokio::sync::oneshot;

use super::password::{self, Caps, Form, HashError, Memory, Stored, Verdict};
use crate::limits::Limits;
use crate::metrics::HashMetrics;
pub use decoys::{Decoys, Kinds};
use pace::Pace;
pub use queue::Standing;
use queue::{Queue, Weight};

/// The places in the queue: about two seconds of work at half a core. Further jobs are answered with 503.
const QUEUE: usize = 64;
/// Jobs that have waited longer are answered with 503: the client has most likely gone.
const DEADLINE: Duration = Duration::from_secs(5);
const MAX_THREADS: usize = 4;
/// The longest that the answer to a failed login is delayed to hide how long its hash took.
const SLOWEST: Duration = Duration::from_secs(2);
/// An imported hash is costly if it takes more work than this many of ours: about 160 ms of a core.
const COSTLY: u64 = 8;
/// Memory for the rest of the server under heavy load, in bytes.
const RESERVED: u64 = 48 << 20;
/// Memory for the rest of the server without which it does not start, in bytes.
const RESERVED_MIN: u64 = 24 << 20;

#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// The queue is full, or the job waited in it for too long.
    #[error("too many logins at once")]
    Busy,
    /// The server is stopping.
    #[error("the hashing threads have stopped")]
    Stopped,
    #[error(transparent)]
    Hash(#[from] HashError),
}

type Answer<T> = Result<T, HasherError>;

#[derive(Debug, Clone, Copy)]
pub struct HasherSettings {
    /// The number of threads; `None` for as many as fit.
    pub threads: Option<usize>,
    pub form: Form,
    pub caps: Caps,
}

/// The verdict of a comparison, and when it began.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    pub verdict: Verdict,
    pub began: Instant,
}

enum Work {
    Hash { password: SecretString, salt: Salt, reply: oneshot::Sender<Answer<String>> },
    Verify { password: SecretString, stored: String, reply: oneshot::Sender<Answer<Compared>> },
}

struct Queued {
    work: Work,
    since: Instant,
}

/// The state that all threads share.
struct Shared {
    queue: Queue<Queued>,
    metrics: HashMetrics,
    settings: HasherSettings,
    /// The longest that a comparison with an imported hash has taken, in microseconds.
    slowest: AtomicU64,
}

/// A handle to the hashing threads; they end with its last clone.
#[derive(Clone)]
pub struct Hasher {
    handle: Arc<Handle>,
    /// The places in the queue.
    room: i64,
    /// The hashes to compare with for user names that do not exist.
    pub decoys: Arc<Decoys>,
}

/// Ends the threads when the last handle is dropped.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl Hasher {
    /// Starts the threads: the number from the settings, or as many as fit the container.
    ///
    /// # Errors
    /// If that number, or a single thread, does not fit.
    pub fn start(settings: HasherSettings, metrics: HashMetrics, rng: &mut impl CryptoRng) -> anyhow::Result<Self> {
        let limits = Limits::read();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = threads(settings.threads, limits, cores)?;
        let quota = quota(limits, cores);
        tracing::info!(
            threads,
            queue = QUEUE,
            memory_kib_each = password::MEMORY_KIB,
            cpu_quota = limits.cpu,
            memory_limit_mib = limits.memory.map(|bytes| bytes >> 20),
            paced = quota.is_some(),
            "hashing threads started"
        );
        Ok(Self::with(threads, QUEUE, quota, settings, metrics, rng)?)
    }

    fn with(
        threads: usize,
        queue: usize,
        quota: Option<f64>,
        settings: HasherSettings,
        metrics: HashMetrics,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HasherError> {
        let shared = Arc::new(Shared { queue: Queue::new(queue), metrics, settings, slowest: AtomicU64::new(0) });
        let handle = Arc::new(Handle { shared: Arc::clone(&shared) });
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || run(&shared, Pace::new(quota)))
                .map_err(|_| HasherError::Stopped)?;
        }
        Ok(Self { handle, room: i64::try_from(queue).unwrap_or(i64::MAX), decoys: Arc::new(Decoys::new(rng)) })
    }

    /// Call this before any other work for a request that will hash a password.
    ///
    /// # Errors
    /// If the queue is full.
    pub fn check_room(&self) -> Result<(), HasherError> {
        let metrics = &self.shared().metrics;
        if metrics.waiting.get() < self.room {
            return Ok(());
        }
        metrics.refused.inc();
        Err(HasherError::Busy)
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: SecretString, salt: Salt, standing: Standing) -> Answer<String> {
        let (reply, answer) = oneshot::channel();
        self.submit(Weight::Own, standing, Work::Hash { password, salt, reply })?;
        answer.await.map_err(|_| HasherError::Stopped)?
    }

    /// Compares a password with a stored hash.
    pub async fn verify(&self, password: SecretString, stored: String, standing: Standing) -> Answer<Compared> {
        let (reply, answer) = oneshot::channel();
        let weight = weight(&stored, self.caps());
        self.decoys.notice(&stored, weight);
        self.submit(weight, standing, Work::Verify { password, stored, reply })?;
        answer.await.map_err(|_| HasherError::Stopped)?
    }

    /// Does the work of a comparison for a user name that does not exist; it never matches. `place` depends on nothing
    /// but the name.
    pub async fn verify_unknown(&self, password: SecretString, place: u64, standing: Standing) -> Answer<Compared> {
        let mut compared = self.verify(password, self.decoys.at(place), standing).await?;
        compared.verdict = Verdict { matches: false, may_replace: false };
        Ok(compared)
    }

    pub fn caps(&self) -> Caps {
        self.shared().settings.caps
    }

    /// The time of the slowest imported hash so far.
    pub fn slowest(&self) -> Duration {
        Duration::from_micros(self.shared().slowest.load(Ordering::Relaxed))
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn submit(&self, weight: Weight, standing: Standing, work: Work) -> Result<(), HasherError> {
        let metrics = &self.shared().metrics;
        metrics.waiting.inc();
        self.shared().queue.push(weight, standing, Queued { work, since: Instant::now() }).map_err(|_| {
            metrics.waiting.dec();
            metrics.refused.inc();
            HasherError::Busy
        })
    }
}

/// A hash that cannot be used counts as our own: it is refused before any work.
fn weight(stored: &str, caps: Caps) -> Weight {
    if stored.starts_with(password::OURS) {
        return Weight::Own;
    }
    match Stored::parse(stored) {
        Ok(stored) if stored.check(caps).is_err() => Weight::Own,
        Ok(stored) if stored.work() > COSTLY => Weight::Costly,
        Ok(_) => Weight::Imported,
        Err(_) => Weight::Own,
    }
}

/// max(1, min(quota, cores, 4, number that fits the memory)).
fn threads(wanted: Option<usize>, limits: Limits, cores: usize) -> anyhow::Result<usize> {
    let each = u64::from(password::MEMORY_KIB) << 10;
    let fit = limits
        .memory
        .map_or(usize::MAX, |memory| usize::try_from(memory.saturating_sub(RESERVED) / each).unwrap_or(usize::MAX));
    let memory_mib = limits.memory.unwrap_or(0) >> 20;
    anyhow::ensure!(
        limits.memory.is_none_or(|memory| memory >= RESERVED_MIN + each),
        "the memory limit of {memory_mib} MiB is too small to hash one password; set it to at least {} MiB",
        (RESERVED_MIN + each).div_ceil(1 << 20)
    );
    let fit = fit.max(1);
    if let Some(wanted) = wanted {
        anyhow::ensure!(
            wanted <= fit,
            "SC_AUTH_HASH_THREADS: {wanted} do not fit the memory limit of {memory_mib} MiB, {fit} do"
        );
        return Ok(wanted);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a quota is a small positive number")]
    let quota = limits.cpu.map_or(usize::MAX, |cpu| cpu as usize);
    Ok(quota.min(cores).min(MAX_THREADS).min(fit).max(1))
}

/// The CPU quota, if the process can exhaust it.
fn quota(limits: Limits, cores: usize) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let cores = cores as f64;
    limits.cpu.filter(|cpu| *cpu < cores)
}

fn run(shared: &Shared, mut pace: Pace) {
    pace::lower_priority();
    // Allocated with the first job, so that an idle server stays small.
    let mut memory: Option<Memory> = None;
    loop {
        // Rest before taking a job: another thread may be free to do it now.
        pace.rest();
        let Some((weight, Queued { work, since })) = shared.queue.take() else { return };
        let began = Instant::now();
        shared.metrics.waiting.dec();
        shared.metrics.wait.observe(since.elapsed().as_secs_f64());
        let is_late = since.elapsed() > DEADLINE;
        shared.metrics.refused.inc_by(u64::from(is_late));
        let memory = memory.get_or_insert_with(Memory::allocate);
        // A closed reply, or a send that fails, means that the client has gone.
        pace.work(|| match work {
            Work::Hash { reply, .. } if reply.is_closed() => {}
            Work::Verify { reply, .. } if reply.is_closed() => {}
            Work::Hash { reply, .. } if is_late => {
                let _ = reply.send(Err(HasherError::Busy));
            }
            Work::Verify { reply, .. } if is_late => {
                let _ = reply.send(Err(HasherError::Busy));
            }
            Work::Hash { password, salt, reply } => {
                let hash = password::hash(&password, &salt, shared.settings.form, memory);
                let _ = reply.send(hash.map_err(HasherError::from));
            }
            Work::Verify { password, stored, reply } => {
                let _ = reply.send(verify(shared, &password, &stored, memory));
            }
        });
        shared.queue.done(weight, began.elapsed());
    }
}

fn verify(
    shared: &Shared,
    password: &SecretString,
    stored: &str,
    memory: &mut Memory,
) -> Result<Compared, HasherError> {
    let is_imported = !stored.starts_with(password::OURS);
    let began = Instant::now();
    let verdict = password::verify(password, stored, shared.settings.caps, memory)?;
    if is_imported {
        // This is wall-clock time: on a busy machine it may be much more than the hash needs.
        let took = u64::try_from(began.elapsed().min(SLOWEST).as_micros()).unwrap_or(u64::MAX);
        shared.slowest.fetch_max(took, Ordering::Relaxed);
    }
    Ok(Compared { verdict, began })
}
