//! The conditions that depend on what pods report, when no pod has reported.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use sc_auth_contract::places::OPS_PORT;

use crate::scauth::names::ANNOTATION_UPGRADE_TO;
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, find, update};
use crate::shared::reasons::Reason;

/// How long the last report of pods that no longer answer counts. After that their probes count, as for pods that never
/// answered.
const EXPIRES: Duration = Duration::from_mins(10);

/// The beginnings of what is added to a message. It is found again in each reconcile, and not taken from the previous
/// message.
pub const ALSO: &str = "; also, ";
pub const ON_NETWORK: &str = "; warning: ";

/// A condition from the previous status, for pods that were not polled since.
pub fn before(input: &ConditionInput<'_>, kind: ConditionType) -> Option<ConditionUpdate> {
    let old = find(input.before, kind)?;
    let annotation = format!("; annotation {ANNOTATION_UPGRADE_TO} ");
    let added = [ALSO, ON_NETWORK, &annotation];
    let message =
        added.iter().fold(old.message.as_str(), |message, added| message.split(added).next().unwrap_or_default());
    Some(update(kind, old.status.parse().ok()?, old.reason.parse().ok()?, message))
}

/// Whether the pods have been silent for so long that their last report does not count.
pub fn is_expired(input: &ConditionInput<'_>, kind: ConditionType) -> bool {
    let old = find(input.before, kind).filter(|old| old.status == ConditionStatus::Unknown);
    old.is_some_and(|old| {
        let age = Duration::try_from(input.now.duration_since(old.last_transition_time.0)).unwrap_or_default();
        age >= EXPIRES
    })
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
