//! Imported hashes take more time than ours: neither the time of a failed login nor its answer may reveal which kind of
//! hash a user has.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::hasher::{Hasher, Kinds, Standing};
use crate::auth::password::OURS;
use crate::auth::session::Sessions;
use crate::logging;
use crate::store::{Store, StoreError};

/// How often imported hashes are counted: logins replace them, and imports add more.
const EVERY: Duration = Duration::from_mins(10);
/// The time until the next count after a login with a new kind.
const SOON: Duration = Duration::from_secs(5);
/// The time until the next count after the first failure; each further failure doubles it.
const RETRY: Duration = Duration::from_secs(2);
/// How long the first count may delay the start.
const AT_START: Duration = Duration::from_secs(10);
/// The number of hashes to read at once.
const PAGE: u64 = 1_000;
/// The number of kinds to measure: those with the most work, each of which may take a second.
const MEASURED: usize = 8;

/// Counts imported hashes before the server serves requests. Without a count, unknown names are treated as if all
/// hashes were ours.
pub async fn count_at_start(sessions: &Sessions) {
    if tokio::time::timeout(AT_START, try_count(sessions)).await.is_err() {
        tracing::warn!("imported hashes are still being counted");
    }
}

pub async fn watch(sessions: Arc<Sessions>) {
    let decoys = &sessions.hasher.decoys;
    let mut measured = HashSet::new();
    let mut retry = RETRY;
    // The start has counted them, unless it failed or timed out.
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

/// Returns whether the count succeeded.
async fn try_count(sessions: &Sessions) -> bool {
    match count(&sessions.store, &sessions.hasher).await {
        Ok(kinds) => {
            sessions.hasher.decoys.replace(kinds);
            true
        }
        Err(error) => {
            tracing::warn!(error = logging::chain(&error), "could not count the imported hashes");
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

/// Compares one hash of each kind once, so that failed logins take as long as the slowest kind.
async fn measure(hasher: &Hasher, kinds: Vec<(String, String)>, measured: &mut HashSet<String>) {
    let before = measured.len();
    for (kind, hash) in kinds {
        // If the queue is full, the next round tries again.
        if !measured.contains(&kind) && hasher.verify("nobody's".into(), hash, Standing::Stranger).await.is_ok() {
            measured.insert(kind);
        }
    }
    if measured.len() > before {
        tracing::info!(kinds = ?measured, slowest_ms = hasher.slowest().as_millis(), "measured the imported hashes");
    }
}
