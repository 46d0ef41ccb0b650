//! Hashing on threads of its own, with memory that is allocated once, behind a bounded queue.
//!
//! A hash takes 19 MiB and some 30 ms of a core. Tokio's blocking pool would run hundreds at once; here a storm of
//! logins waits in the queue, and what no longer fits is refused before any work is done.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::password_hash::phc::Salt;
use rand::CryptoRng;
use secrecy::SecretString;
use tokio::sync::oneshot;

use super::password::{self, HashError, Memory};
use crate::metrics::HashMetrics;

/// About two seconds of work at half a core: who waits longer is better told to come back.
const QUEUE: usize = 64;
const MAX_THREADS: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// The queue is full.
    #[error("too many logins at once")]
    Busy,
    /// The server is stopping.
    #[error("the hashing threads have stopped")]
    Stopped,
    #[error(transparent)]
    Hash(#[from] HashError),
}

enum Work {
    Hash { password: SecretString, salt: Salt, reply: oneshot::Sender<Result<String, HashError>> },
    Verify { password: SecretString, stored: String, reply: oneshot::Sender<Result<bool, HashError>> },
}

/// A handle to the hashing threads; they end with its last clone.
#[derive(Clone)]
pub struct Hasher {
    queue: SyncSender<Work>,
    metrics: HashMetrics,
    /// What a password is compared with when there is no such user, so that both cases take the same time.
    decoy: Arc<str>,
}

impl Hasher {
    /// Starts as many threads as there are cores within the quota, four at most.
    pub fn start(metrics: HashMetrics, rng: &mut impl CryptoRng) -> Result<Self, HasherError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        Self::with(threads, QUEUE, metrics, rng)
    }

    fn with(threads: usize, queue: usize, metrics: HashMetrics, rng: &mut impl CryptoRng) -> Result<Self, HasherError> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads {
            let (receiver, metrics) = (Arc::clone(&receiver), metrics.clone());
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || run(&receiver, &metrics))
                .map_err(|_| HasherError::Stopped)?;
        }
        tracing::info!(threads, queue, memory_kib_each = password::MEMORY_KIB, "hashing threads started");
        Ok(Self { queue: sender, metrics, decoy: decoy(rng) })
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: SecretString, salt: Salt) -> Result<String, HasherError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Work::Hash { password, salt, reply })?;
        Ok(answer.await.map_err(|_| HasherError::Stopped)??)
    }

    /// Compares a password with a stored hash; with `None`, does the same work and answers no.
    pub async fn verify(&self, password: SecretString, stored: Option<String>) -> Result<bool, HasherError> {
        let is_known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        let (reply, answer) = oneshot::channel();
        self.submit(Work::Verify { password, stored, reply })?;
        let matches = answer.await.map_err(|_| HasherError::Stopped)??;
        Ok(matches && is_known)
    }

    fn submit(&self, work: Work) -> Result<(), HasherError> {
        self.metrics.waiting.inc();
        self.queue.try_send(work).map_err(|error| {
            self.metrics.waiting.dec();
            match error {
                TrySendError::Full(_) => {
                    self.metrics.refused.inc();
                    HasherError::Busy
                }
                TrySendError::Disconnected(_) => HasherError::Stopped,
            }
        })
    }
}

/// A hash that no password has: its value is random.
fn decoy(rng: &mut impl CryptoRng) -> Arc<str> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let (mut salt, mut value) = ([0; 16], [0; 32]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut value);
    format!(
        "$argon2id$v=19$m={},t=2,p=1${}${}",
        password::MEMORY_KIB,
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(value)
    )
    .into()
}

fn run(receiver: &Mutex<Receiver<Work>>, metrics: &HashMetrics) {
    // Only once there is something to hash: an idle server stays small.
    let mut memory: Option<Memory> = None;
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        metrics.waiting.dec();
        let memory = memory.get_or_insert_with(Memory::allocate);
        // Whoever has gone away meanwhile needs no answer; a send that fails means the same.
        match work {
            Work::Hash { reply, .. } if reply.is_closed() => {}
            Work::Verify { reply, .. } if reply.is_closed() => {}
            Work::Hash { password, salt, reply } => drop(reply.send(password::hash(&password, &salt, memory))),
            Work::Verify { password, stored, reply } => drop(reply.send(password::verify(&password, &stored, memory))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salt() -> Salt {
        Salt::from_rng(&mut rand::rng())
    }

    #[tokio::test]
    async fn an_unknown_user_is_compared_with_a_hash_that_nothing_matches() {
        let hasher = Hasher::with(1, 4, HashMetrics::default(), &mut rand::rng()).unwrap();
        assert!(!hasher.verify("anything".into(), None).await.unwrap());
        let hash = hasher.hash("anything".into(), salt()).await.unwrap();
        assert!(hasher.verify("anything".into(), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn what_does_not_fit_into_the_queue_is_refused_at_once() {
        let metrics = HashMetrics::default();
        // No thread takes anything out.
        let (queue, _receiver) = sync_channel(1);
        let hasher = Hasher { queue, metrics: metrics.clone(), decoy: decoy(&mut rand::rng()) };
        let waiting = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash("first".into(), salt()).await }
        });
        while metrics.waiting.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.hash("second".into(), salt()).await, Err(HasherError::Busy)));
        assert_eq!((metrics.waiting.get(), metrics.refused.get()), (1, 1));
        waiting.abort();
    }
}
