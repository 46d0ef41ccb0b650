//! While the settings lead to another database, the server serves no requests and writes nothing. It reads the files
//! and decides again every few seconds, so that it starts without a restart once the database is accepted, its Secret
//! is corrected or its file is restored.

use std::time::Duration;

use sc_auth_contract::status::Offered;

use super::start::Start;
use crate::commands::open::{Opened, Ready};
use crate::logging;
use crate::reloaded::reload;
use crate::report::{Held, Report};
use crate::store::Database;

const EVERY: Duration = Duration::from_secs(5);

/// Waits for the expected database.
pub async fn wait(start: &Start<'_>, report: &Report) -> (Ready, Database) {
    loop {
        tokio::time::sleep(EVERY).await;
        reload(&start.deployment).await;
        let _ = start.keys.reload().await;
        match attempt(start).await {
            Ok((Opened::Ready(ready), database)) => return (ready, database),
            Ok((Opened::Held(held), _)) => {
                report.set_offered(None);
                self::report(report, held);
            }
            Err(error) => {
                let error = logging::chain(error.as_ref());
                if report.set_offered(Some(Offered { identity: None, error: Some(error.clone()) })) {
                    tracing::warn!(error, "cannot inspect the database; still waiting for the expected one");
                }
            }
        }
    }
}

async fn attempt(start: &Start<'_>) -> anyhow::Result<(Opened, Database)> {
    let database = start.database()?;
    Ok((start.open(&database).await?, database))
}

/// Logs and reports the reason, once.
pub fn report(report: &Report, held: Held) {
    let why = held.hold.clone();
    if report.set_held(Some(held)) {
        tracing::error!(
            reason = ?why.reason,
            expected = why.expected,
            found = why.found,
            "this is not the expected database; answering every request with 503 until the expected one is restored or \
             this one is accepted"
        );
    }
}
