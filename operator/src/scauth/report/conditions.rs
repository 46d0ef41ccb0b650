//! The conditions, one file each. docs/conditions.md lists each reason and the action for it.

mod admin;
mod database;
mod exposed;
mod keys;
mod monitored;
mod ready;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use sc_auth_contract::places::OPS_PORT;

use super::{ConditionInput, Outcome};
use crate::scauth::mounts;
use crate::scauth::names::ANNOTATION_UPGRADE_TO;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::rollout::Trouble;
use crate::shared::conditions::{ConditionStatus, ConditionType, find};
use crate::shared::reasons::Reason;

/// One condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionUpdate {
    pub kind: ConditionType,
    pub status: ConditionStatus,
    pub reason: Reason,
    pub message: String,
}

fn update(kind: ConditionType, status: ConditionStatus, reason: Reason, message: impl Into<String>) -> ConditionUpdate {
    ConditionUpdate { kind, status, reason, message: message.into() }
}

/// Whether it requires no action.
pub fn is_informational(condition: &Condition) -> bool {
    condition.status == ConditionStatus::True || condition.reason.parse().is_ok_and(Reason::is_informational)
}

pub fn updates(outcome: &Outcome, input: Option<&ConditionInput<'_>>, turn: &UpgradeTurn) -> Vec<ConditionUpdate> {
    let Some(input) = input else {
        return match outcome {
            Outcome::Refused(refusal) => blocked(refusal.reason, &refusal.message, refusal.is_final),
            Outcome::Failed(error) => blocked(error.reason(), &error.to_string(), error.reason() == Reason::Invalid),
            Outcome::Applied { .. } | Outcome::Suspended { .. } => Vec::new(),
        };
    };
    let database = database::find(input);
    let exposed = exposed::find(input);
    let mut updates = match outcome {
        Outcome::Suspended { pending, .. } => ready::suspended(input, &database, &exposed, pending),
        _ => ready::active(input, &database, &exposed, turn),
    };
    if let (Some(note), Some(ready)) = (&input.resolved.unknown_upgrade, updates.first_mut()) {
        ready.message = format!("{}; {note}", ready.message);
    }
    updates.extend([database, exposed]);
    updates.extend([keys::find(input), admin::find(input), monitored::find(input)].into_iter().flatten());
    updates
}

fn blocked(reason: Reason, message: &str, is_final: bool) -> Vec<ConditionUpdate> {
    let (reconciling, stalled) = (ConditionStatus::from(!is_final), ConditionStatus::from(is_final));
    vec![
        update(ConditionType::Ready, ConditionStatus::False, reason, message),
        update(ConditionType::Reconciling, reconciling, reason, message),
        update(ConditionType::Stalled, stalled, reason, message),
    ]
}

/// A condition from the previous status, for pods that were not polled since.
fn before(input: &ConditionInput<'_>, kind: ConditionType) -> Option<ConditionUpdate> {
    let old = find(input.before, kind)?;
    // Remove what `updates` adds again.
    let message = old.message.split(&format!("; annotation {ANNOTATION_UPGRADE_TO} ")).next().unwrap_or_default();
    Some(update(kind, old.status.parse().ok()?, old.reason.parse().ok()?, message))
}

/// The pods' reports once they no longer answer: Unknown, like the conditions of a node whose kubelet is silent.
fn unreachable(earlier: ConditionUpdate, since: Option<Timestamp>) -> ConditionUpdate {
    if earlier.reason == Reason::PodsUnreachable {
        return earlier;
    }
    let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
    let message = format!(
        "no pod has answered the operator on port {OPS_PORT}{since}, so it is unknown whether {} still holds; check that \
         NetworkPolicies allow the connection, and the logs of the pods",
        earlier.reason
    );
    update(earlier.kind, ConditionStatus::Unknown, Reason::PodsUnreachable, message)
}

fn trouble(input: &ConditionInput<'_>) -> Option<Trouble> {
    let first = input.observed.troubles.iter().chain(&input.rollout.trouble).min()?;
    Some(Trouble { cause: first.cause, message: mounts::explain(&input.resolved.secrets, &first.message) })
}
