//! Imported hashes take more time than ours: neither the time of a failed login nor its answer may reveal which kind of
//! hash a user has.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

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
/// The number of users to read at once.
const SLICE: u64 = 2_000;
/// The number of kinds to measure: those with the most work, each of which may take a second.
const MEASURED: usize = 8;

/// A count that continues where it was interrupted.
#[derive(Default)]
pub struct Count {
    kinds: Kinds,
    /// The last user that it has counted.
    after: i32,
}

impl Count {
    /// Counts to the end. After an error, or if the caller stops waiting, the next call continues.
    async fn finish(&mut self, store: &Store, hasher: &Hasher) -> Result<Kinds, StoreError> {
        while self.step(store, hasher).await? {}
        Ok(std::mem::take(self).kinds)
    }

    /// Counts one slice. Returns whether there was one.
    async fn step(&mut self, store: &Store, hasher: &Hasher) -> Result<bool, StoreError> {
        let slice = store.hash_slice(OURS, self.after, SLICE).await?;
        let Some((last, _)) = slice.last() else { return Ok(false) };
        self.after = *last;
        for (_, imported) in slice {
            match imported {
                Some(hash) => self.kinds.add(hash, hasher.caps()),
                None => self.kinds.add_own(),
            }
        }
        Ok(true)
    }

    /// Returns whether it has counted to the end.
    async fn try_finish(&mut self, sessions: &Sessions) -> bool {
        match self.finish(&sessions.store, &sessions.hasher).await {
            Ok(kinds) => {
                sessions.hasher.decoys.replace(kinds);
                true
            }
            Err(error) => {
                tracing::warn!(
                    error = logging::chain(&error),
                    counted_to = self.after,
                    "could not count the imported hashes; continuing soon"
                );
                false
            }
        }
    }
}

/// Counts imported hashes before the server serves requests. Without a count, unknown names are treated as if all
/// hashes were ours. Returns what is left to [`watch`].
pub async fn count_at_start(sessions: &Sessions, stop: &CancellationToken) -> Count {
    let mut count = Count::default();
    let is_late = tokio::select! {
        result = tokio::time::timeout(AT_START, count.try_finish(sessions)) => result.is_err(),
        () = stop.cancelled() => false,
    };
    if is_late {
        tracing::warn!(counted_to = count.after, "imported hashes are still being counted");
    }
    count
}

pub async fn watch(sessions: Arc<Sessions>, mut count: Count) {
    let decoys = &sessions.hasher.decoys;
    let mut measured = HashSet::new();
    let mut retry = RETRY;
    // The start has counted them, unless it failed or timed out.
    let mut is_counted = decoys.most_work(MEASURED).is_some();
    loop {
        if !is_counted && !count.try_finish(&sessions).await {
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

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

    use super::*;
    use crate::auth::hasher::HasherSettings;
    use crate::auth::password::{Caps, Form};
    use crate::metrics::HashMetrics;
    use crate::store::testing::migrated;

    const IMPORTED: &str = "pbkdf2:sha256:150000$salt$0000000000000000000000000000000000000000000000000000000000000000";

    /// Every second user has an imported hash, and not every id exists.
    async fn fill(url: &str, users: u64) {
        let insert = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {users}) \
             INSERT INTO users (id, uuid, username, password, role_id) \
             SELECT 3 * i, 'u' || i, 'u' || i, CASE WHEN i % 2 = 0 THEN '{IMPORTED}' ELSE '{OURS}x' END, 2 FROM n"
        );
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    #[tokio::test]
    async fn an_interrupted_count_continues() {
        let (_folder, url, store) = migrated().await;
        fill(&url, 2 * SLICE + 2).await;
        let settings = HasherSettings { threads: None, form: Form::Argon2id, caps: Caps { memory_kib: 32 * 1024 } };
        let hasher = Hasher::start(settings, HashMetrics::default(), &mut rand::rng()).unwrap();
        let mut count = Count::default();
        assert!(count.step(&store, &hasher).await.unwrap());
        assert_eq!(u64::try_from(count.after).unwrap(), 3 * SLICE, "one slice");
        let kinds = count.finish(&store, &hasher).await.unwrap();
        assert_eq!(kinds.counts(), (SLICE + 1, SLICE + 1), "no user was counted twice");
        assert_eq!(count.after, 0, "the next count starts again");
        store.close().await;
    }
}
