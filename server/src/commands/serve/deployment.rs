//! The server's tasks for its ScAuth: it writes heartbeats, and checks whether it still has the keys that signed the
//! sessions.

use std::sync::Arc;
use std::time::Duration;

use sc_auth_contract::status::KeyStatus;
use sc_auth_contract::time::UnixTime;

use crate::auth::session::Sessions;
use crate::clock::Clock;
use crate::deployment::DeploymentFile;
use crate::logging;
use crate::report::Report;
use crate::store::StoreError;

/// How often a heartbeat is written.
const BEAT: Duration = Duration::from_mins(1);
/// How often files are checked.
const FILES: Duration = Duration::from_secs(5);
/// After this many checks of an unchanged file, the keys are compared with the database again: another replica with an
/// older file may have recorded a loss by mistake.
const CHECKS: u32 = 12;

/// Writes a heartbeat every minute, once there is a deployment file.
pub async fn beat(sessions: Arc<Sessions>, file: Arc<DeploymentFile>, clock: Clock) {
    loop {
        let Some(deployment) = file.get() else {
            tokio::time::sleep(FILES).await;
            continue;
        };
        if let Err(error) = sessions.store.beat(&deployment, clock()).await {
            tracing::warn!(error = logging::chain(&error), "could not write the heartbeat");
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// Checks for lost keys at the start, when the keys change, and once a minute.
pub async fn watch_keys(sessions: Arc<Sessions>, report: Report, clock: Clock) {
    let mut seen = Vec::new();
    let mut checks = 0;
    loop {
        let keys = sessions.keys.get().status();
        let kids: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
        checks += 1;
        if kids != seen || checks >= CHECKS {
            checks = 0;
            match check(&sessions, &report, &keys, clock()).await {
                Ok(()) => seen = kids,
                Err(error) => {
                    tracing::warn!(error = logging::chain(&error), "could not check for lost keys");
                }
            }
        }
        tokio::time::sleep(FILES).await;
    }
}

async fn check(sessions: &Sessions, report: &Report, keys: &[KeyStatus], now: UnixTime) -> Result<(), StoreError> {
    let are_lost = sessions.store.are_keys_lost(keys, now).await?;
    // Other replicas may have used other keys.
    sessions.keys.get().remembered.extend(sessions.store.remembered_keys().await?);
    if report.set_keys_lost(are_lost) && are_lost {
        tracing::error!(
            "keys that signed sessions in this database are missing: the users of those sessions must log in again"
        );
    }
    Ok(())
}
