//! Jobs, places and decoys of the hasher.

use super::Standing::{Known, Stranger};
use super::*;

const SETTINGS: HasherSettings =
    HasherSettings { threads: None, form: Form::Argon2id, caps: Caps { memory_kib: 32 * 1024 } };
const MIB: u64 = 1 << 20;

fn salt() -> Salt {
    Salt::from_rng(&mut rand::rng())
}

fn hasher(threads: usize, queue: usize, metrics: HashMetrics) -> Hasher {
    Hasher::with(threads, queue, None, SETTINGS, metrics, &mut rand::rng()).unwrap()
}

#[tokio::test]
async fn an_unknown_user_is_compared_with_a_hash_that_nothing_matches() {
    let hasher = hasher(1, 4, HashMetrics::default());
    assert!(!hasher.verify_unknown("anything".into(), 0, Stranger).await.unwrap().verdict.matches);
    let hash = hasher.hash("anything".into(), salt(), Stranger).await.unwrap();
    assert!(hasher.verify("anything".into(), hash, Stranger).await.unwrap().verdict.matches);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let metrics = HashMetrics::default();
    // Without threads, no job is taken out of the queue.
    let hasher = hasher(0, 1, metrics.clone());
    let waiting = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.hash("first".into(), salt(), Stranger).await }
    });
    while metrics.waiting.get() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(hasher.hash("second".into(), salt(), Stranger).await, Err(HasherError::Busy)));
    assert_eq!((metrics.waiting.get(), metrics.refused.get()), (1, 1));
    waiting.abort();
}

#[tokio::test]
async fn costly_hashes_leave_room_in_the_queue() {
    let hasher = hasher(0, QUEUE, HashMetrics::default());
    let costly = format!("pbkdf2:sha256:600001$salt${}", "aa".repeat(32));
    let cheap = costly.replace("600001", "600000");
    let own = decoys::own(&mut rand::rng());
    let weights = [&costly, &cheap, &own].map(|stored| weight(stored, SETTINGS.caps));
    assert_eq!(weights, [Weight::Costly, Weight::Imported, Weight::Own]);
    let refused = async |stored: &str, standing| {
        let mut refused = 0;
        for _ in 0..30 {
            let compared = hasher.verify("x".into(), stored.to_owned(), standing);
            // The first poll submits the job, which then waits.
            refused += usize::from(futures::poll!(std::pin::pin!(compared)).is_ready());
        }
        refused
    };
    assert_eq!((refused(&costly, Stranger).await, refused(&costly, Known).await), (24, 28));
    assert_eq!(refused(&own, Stranger).await, 0);
    assert_eq!(refused(&cheap, Stranger).await, 20, "a quarter of all places is not for strangers");
    assert_eq!(refused(&own, Known).await, 14);
}

#[test]
fn the_number_of_threads_fits_the_limits() {
    let limits = |cpu, mib: u64| Limits { cpu: Some(cpu), memory: Some(mib * MIB) };
    assert_eq!(threads(None, limits(0.5, 128), 8).unwrap(), 1);
    assert_eq!(threads(None, limits(2.0, 1024), 8).unwrap(), 2);
    assert_eq!(threads(None, limits(8.0, 128), 8).unwrap(), 4);
    assert_eq!(threads(None, limits(8.0, 100), 8).unwrap(), 2);
    assert_eq!(threads(None, Limits::default(), 2).unwrap(), 2);
    assert_eq!(threads(Some(3), limits(0.5, 128), 1).unwrap(), 3);
}

#[test]
fn an_error_names_the_limit_that_would_do() {
    let small = |mib: u64| Limits { cpu: None, memory: Some(mib * MIB) };
    assert_eq!(threads(None, small(64), 2).unwrap(), 1);
    let error = threads(None, small(42), 2).unwrap_err().to_string();
    assert_eq!(error, "the memory limit of 42 MiB is too small to hash one password; set it to at least 43 MiB");
    let error = threads(Some(5), Limits { cpu: None, memory: Some(128 * MIB) }, 2).unwrap_err().to_string();
    assert_eq!(error, "SC_AUTH_HASH_THREADS: 5 do not fit the memory limit of 128 MiB, 4 do");
}

#[test]
fn only_a_quota_that_can_be_exhausted_sets_a_pace() {
    let limits = |cpu| Limits { cpu: Some(cpu), memory: None };
    assert_eq!(quota(limits(0.5), 2), Some(0.5));
    assert_eq!(quota(limits(2.0), 2), None);
    assert_eq!(quota(Limits::default(), 2), None);
}
