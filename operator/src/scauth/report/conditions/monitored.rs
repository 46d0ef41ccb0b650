//! Monitored: whether a ServiceMonitor exists for Prometheus.

use crate::scauth::child::Child;
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

pub fn find(input: &ConditionInput<'_>) -> Option<ConditionUpdate> {
    input.resolved.monitoring.as_ref()?;
    let is_absent = !input.is_applied && !input.children.contains_key(&Child::ServiceMonitor);
    let is_unknown = input.unknown_kinds.contains(&Child::ServiceMonitor);
    if is_absent && !is_unknown {
        return None;
    }
    Some(if is_unknown {
        let message = "the cluster does not have the ServiceMonitor API: install the Prometheus operator, or remove spec.monitoring";
        update(ConditionType::Monitored, ConditionStatus::False, Reason::PrometheusOperatorMissing, message)
    } else {
        update(
            ConditionType::Monitored,
            ConditionStatus::True,
            Reason::Applied,
            "Prometheus can find the metrics through the ServiceMonitor",
        )
    })
}
