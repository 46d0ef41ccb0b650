//! Hashes of other services, which take other time than ours: neither the time of a failed login nor its answer may say
//! whose hash it was.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::hasher::{Hasher, Kinds, Standing};
use crate::auth::password::OURS;
use crate::auth::session::Sessions;
use crate::logging;
use crate::store::{Store, StoreError};

/// How often they are counted: logins replace them, and an import brings more.
const EVERY: Duration = Duration::from_mins(10);
/// How soon again where a login meets a kind that was not there.
const SOON: Duration = Duration::from_secs(5);
/// How soon again after the first failure; each further one doubles it.
const RETRY: Duration = Duration::from_secs(2);
/// How long the first count may put off the start.
const AT_START: Duration = Duration::from_secs(10);
/// Hashes that are read at once.
const PAGE: u64 = 1_000;
/// How many kinds are measured: those that are most work, of which each may take a second.
const MEASURED: usize = 8;

/// Counts them before anybody is served: until then, names that nobody has are treated as if all hashes were ours.
pub async fn count_at_start(sessions: &Sessions) {
    if tokio::time::timeout(AT_START, try_count(sessions)).await.is_err() {
        tracing::warn!("imported hashes are still being counted");
    }
}

pub async fn watch(sessions: Arc<Sessions>) {
    let decoys = &sessions.hasher.decoys;
    let mut measured = HashSet::new();
    let mut retry = RETRY;
    // The start has counted them, unless that failed.
    let mut is_counted = decoys.most_work(MEASURED).is_some();
    loop {
        if !is_counted && !try_count(&sessions).await {
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(EVERY);
            continue;
        }
        (is_counted, retry) = (false, RETRY);
        measure(&sessions.hasher, decoys.most_work(MEASURED).unwrap_or_default(), &mut measured).await;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = decoys.unknown() => tokio::time::sleep(SOON).await,
        }
    }
}

/// Returns whether they were counted.
async fn try_count(sessions: &Sessions) -> bool {
    match count(&sessions.store, &sessions.hasher).await {
        Ok(kinds) => {
            sessions.hasher.decoys.replace(kinds);
            true
        }
        Err(error) => {
            tracing::warn!(error = logging::chain(&error), "imported hashes could not be counted");
            false
        }
    }
}

async fn count(store: &Store, hasher: &Hasher) -> Result<Kinds, StoreError> {
    let mut kinds = Kinds::new(store.count_own_hashes(OURS).await?);
    let mut after = 0;
    loop {
        let page = store.imported_hashes(OURS, after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(kinds) };
        after = *last;
        for (_, hash) in page {
            kinds.add(hash, hasher.caps());
        }
    }
}

/// Failed logins take as long as the slowest kind: one hash of each is compared once.
async fn measure(hasher: &Hasher, kinds: Vec<(String, String)>, measured: &mut HashSet<String>) {
    let before = measured.len();
    for (kind, hash) in kinds {
        // With a full queue the next round tries again.
        if !measured.contains(&kind) && hasher.verify("nobody's".into(), hash, Standing::Stranger).await.is_ok() {
            measured.insert(kind);
        }
    }
    if measured.len() > before {
        tracing::info!(kinds = ?measured, slowest_ms = hasher.slowest().as_millis(), "imported hashes");
    }
}
