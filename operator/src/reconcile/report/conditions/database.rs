//! DatabaseReady: whether the pods reach their database.

use super::{Finding, finding, trouble};
use crate::reasons::Reason;
use crate::reconcile::report::Facts;
use crate::reconcile::rollout::Cause;

pub fn find(facts: &Facts<'_>) -> Finding {
    let missing = &facts.observed.missing_secrets;
    if !missing.is_empty() {
        let (names, namespace) = (missing.join(", "), &facts.validated.names.namespace);
        let message = format!("Secret {names} is missing in namespace {namespace}; the pods wait for it");
        return finding("DatabaseReady", "False", Reason::SecretNotFound, message);
    }
    match trouble(facts) {
        Some(trouble) if matches!(trouble.cause, Cause::Migration | Cause::Start) => {
            return finding("DatabaseReady", "False", trouble.cause.reason(), trouble.message.clone());
        }
        _ => {}
    }
    let is_reached = facts.observed.health.map(|health| health.database_reachable);
    match (is_reached, facts.rollout.available) {
        (Some(false), 1..) => {
            let message = "the pods do not reach the database; their logs say why, and clients get 503 until they do";
            finding("DatabaseReady", "False", Reason::DatabaseUnreachable, message)
        }
        (_, 1..) => finding(
            "DatabaseReady",
            "True",
            Reason::Migrated,
            "the pods reach it, and its tables are as they are to be",
        ),
        _ => finding("DatabaseReady", "Unknown", Reason::Starting, "no pod has reached it yet"),
    }
}
