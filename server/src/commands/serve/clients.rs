//! Ends what users allowed applications that are no longer declared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sc_auth_contract::declared::{Declared, DeclaredClient};
use sc_auth_contract::time::UnixTime;

use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::declared::DeclaredFile;
use crate::auth::session::Sessions;
use crate::clock::Clock;
use crate::logging;
use crate::store::StoreError;

/// How soon a changed file is recorded.
const LOOK: Duration = Duration::from_secs(5);
/// How often the same file is recorded again, which confirms that a client is still absent.
const CONFIRM: Duration = Duration::from_mins(1);
/// How often one of the servers ends what has to end.
const END_DUE: Duration = Duration::from_secs(30);

/// Records the clients of the file, and ends those that are absent for too long. A missing or broken file changes nothing.
pub async fn watch(sessions: Arc<Sessions>, file: Arc<DeclaredFile>, clock: Clock) {
    let mut noted: Option<(Arc<Declared>, Instant)> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(declared) = file.valid() else { continue };
        let is_noted =
            noted.as_ref().is_some_and(|(noted, at)| Arc::ptr_eq(noted, &declared) && at.elapsed() < CONFIRM);
        if is_noted {
            continue;
        }
        match note(&sessions, &declared, clock()).await {
            Ok(()) => noted = Some((declared, Instant::now())),
            Err(error) => {
                tracing::warn!(error = logging::chain(&error), "could not record the declared clients; retrying");
            }
        }
    }
}

async fn note(sessions: &Sessions, declared: &Declared, now: UnixTime) -> Result<(), StoreError> {
    let store = &sessions.store;
    let present: Vec<_> = declared.clients.iter().map(DeclaredClient::key).collect();
    store.note_clients(&present, |key| declared.has_key(key), now).await?;
    if !store.claim_chore("absent_clients", now, END_DUE).await? {
        return Ok(());
    }
    // Another server may have another file: its word counts too, and is in the database.
    for key in store.gone_clients(now).await?.into_iter().filter(|key| !declared.has_key(key)) {
        let count = store.end_client(&key).await?;
        tracing::info!(client = key, grants = count, "ended what a removed application had");
        if count > 0 {
            let detail = format!("grants of the removed application {}: {count}", DeclaredClient::id_of_key(&key));
            let entry = Entry::new(Event::GrantsEnded, AuditOutcome::Success).detail(detail);
            sessions.record(entry.event(&Client::default(), now)).await?;
        }
    }
    Ok(())
}
