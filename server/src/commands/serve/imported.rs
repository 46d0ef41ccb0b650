//! Hashes of other services, which take other time than ours: neither the time of a failed login nor its answer may say
//! whose hash it was.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::hasher::{Hasher, Kind, Kinds};
use crate::auth::session::Sessions;
use crate::logging;
use crate::store::{Store, StoreError};

/// How often they are counted: logins replace them, and an import brings more.
const EVERY: Duration = Duration::from_mins(10);
/// Hashes that are read at once.
const PAGE: u64 = 1_000;
/// How many kinds are measured: those that are most work, of which each may take a second.
const MEASURED: usize = 8;

pub async fn watch(sessions: Arc<Sessions>) {
    let mut measured = HashSet::new();
    loop {
        match count(&sessions.store, &sessions.hasher).await {
            Ok(kinds) => {
                let name_and_hash = |kind: &Kind| (kind.name.clone(), kind.hash.clone());
                let most_work: Vec<_> = kinds.imported().iter().take(MEASURED).map(name_and_hash).collect();
                sessions.hasher.imitate(kinds);
                measure(&sessions.hasher, most_work, &mut measured).await;
            }
            Err(error) => tracing::warn!(error = logging::chain(&error), "imported hashes could not be counted"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn count(store: &Store, hasher: &Hasher) -> Result<Kinds, StoreError> {
    let mut kinds = Kinds::new(store.count_own_hashes().await?);
    let mut after = 0;
    loop {
        let page = store.imported_hashes(after, PAGE).await?;
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
        if !measured.contains(&kind) && hasher.verify("nobody's".into(), hash).await.is_ok() {
            measured.insert(kind);
        }
    }
    if measured.len() > before {
        tracing::info!(kinds = ?measured, slowest_ms = hasher.slowest().as_millis(), "imported hashes");
    }
}
