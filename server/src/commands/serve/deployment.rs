//! What a server does for the ScAuth that it belongs to: it notes that it is there, and looks whether its keys are
//! those that signed the sessions.

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
/// How often files are looked at.
const FILES: Duration = Duration::from_secs(5);
/// How often a loss of keys is looked for while the file stays the same, every so many looks at the files: another
/// replica with an older file may have noted a loss that is none.
const LOOKS: u32 = 12;

/// Writes a heartbeat a minute, once there is a deployment file.
pub async fn beat(sessions: Arc<Sessions>, file: Arc<DeploymentFile>, clock: Clock) {
    loop {
        let Some(deployment) = file.get() else {
            tokio::time::sleep(FILES).await;
            continue;
        };
        if let Err(error) = sessions.store.beat(&deployment, clock()).await {
            tracing::warn!(error = logging::chain(&error), "the heartbeat could not be written");
        }
        tokio::time::sleep(BEAT).await;
    }
}

pub async fn watch_file(file: Arc<DeploymentFile>) {
    loop {
        tokio::time::sleep(FILES).await;
        file.reload();
    }
}

/// Looks at the start, when the keys change, and once a minute.
pub async fn watch_keys(sessions: Arc<Sessions>, report: Report, clock: Clock) {
    let mut seen = Vec::new();
    let mut looks = 0;
    loop {
        let keys = sessions.keys.get().status();
        let kids: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
        looks += 1;
        if kids != seen || looks >= LOOKS {
            looks = 0;
            match look(&sessions, &report, &keys, clock()).await {
                Ok(()) => seen = kids,
                Err(error) => {
                    tracing::warn!(error = logging::chain(&error), "whether keys were lost could not be looked at");
                }
            }
        }
        tokio::time::sleep(FILES).await;
    }
}

async fn look(sessions: &Sessions, report: &Report, keys: &[KeyStatus], now: UnixTime) -> Result<(), StoreError> {
    let are_lost = sessions.store.are_keys_lost(keys, now).await?;
    if report.set_keys_lost(are_lost) && are_lost {
        tracing::error!(
            "keys that signed sessions in this database are missing: the users of those sessions must log in again"
        );
    }
    Ok(())
}
