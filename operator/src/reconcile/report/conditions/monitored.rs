//! Monitored: whether Prometheus can be told of the pods.

use super::{Finding, finding};
use crate::conditions::{ConditionStatus, ConditionType};
use crate::kinds::Kind;
use crate::reasons::Reason;
use crate::reconcile::report::Facts;

pub fn find(facts: &Facts<'_>) -> Option<Finding> {
    facts.validated.spec.monitoring.as_ref()?;
    Some(if facts.unknown_kinds.contains(&Kind::ServiceMonitor) {
        let message = "the cluster does not have the ServiceMonitor API: install the Prometheus operator, or remove spec.monitoring";
        finding(ConditionType::Monitored, ConditionStatus::False, Reason::PrometheusOperatorMissing, message)
    } else {
        finding(
            ConditionType::Monitored,
            ConditionStatus::True,
            Reason::Applied,
            "Prometheus can find the metrics through the ServiceMonitor",
        )
    })
}
