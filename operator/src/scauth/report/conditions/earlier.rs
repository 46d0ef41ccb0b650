//! The conditions that depend on what pods report, when no pod has reported.

use k8s_openapi::jiff::Timestamp;
use sc_auth_contract::places::OPS_PORT;

use crate::scauth::names::ANNOTATION_UPGRADE_TO;
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, find, update};
use crate::shared::reasons::Reason;

/// A condition from the previous status, for pods that were not polled since.
pub fn before(input: &ConditionInput<'_>, kind: ConditionType) -> Option<ConditionUpdate> {
    let old = find(input.before, kind)?;
    // Remove what `updates` adds again.
    let message = old.message.split(&format!("; annotation {ANNOTATION_UPGRADE_TO} ")).next().unwrap_or_default();
    Some(update(kind, old.status.parse().ok()?, old.reason.parse().ok()?, message))
}

/// The pods' reports once they no longer answer: Unknown, like the conditions of a node whose kubelet is silent.
pub fn unreachable(earlier: ConditionUpdate, since: Option<Timestamp>) -> ConditionUpdate {
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
