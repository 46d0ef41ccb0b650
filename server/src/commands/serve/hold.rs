//! While the settings lead to another database, nobody is served and nothing is written. The files are read again and
//! the decision is taken again, so that an acceptance, a corrected Secret or a restored file ends it without a restart.

use std::time::Duration;

use sc_auth_contract::status::Offered;

use super::start::Start;
use crate::commands::open::{Opened, Ready};
use crate::logging;
use crate::report::{Held, Report};
use crate::store::Database;

const EVERY: Duration = Duration::from_secs(5);

/// Waits until the database is the one that is expected.
pub async fn wait(start: &Start<'_>, report: &Report) -> (Ready, Database) {
    loop {
        tokio::time::sleep(EVERY).await;
        start.deployment.reload();
        let _ = start.keys.reload();
        match attempt(start).await {
            Ok((Opened::Ready(ready), database)) => return (ready, database),
            Ok((Opened::Held(held), _)) => {
                report.set_offered(None);
                tell(report, held);
            }
            Err(error) => {
                let error = logging::chain(error.as_ref());
                if report.set_offered(Some(Offered { identity: None, error: Some(error.clone()) })) {
                    tracing::warn!(error, "still holding: the database cannot be looked at");
                }
            }
        }
    }
}

async fn attempt(start: &Start<'_>) -> anyhow::Result<(Opened, Database)> {
    let database = start.database()?;
    Ok((start.open(&database).await?, database))
}

/// Says why, once.
pub fn tell(report: &Report, held: Held) {
    let why = held.hold.clone();
    if report.set_held(Some(held)) {
        tracing::error!(
            reason = ?why.reason,
            expected = why.expected,
            found = why.found,
            "this is not the database that holds the data: every request is answered with 503 until it is restored, or \
             the one that was found is accepted"
        );
    }
}
