//! The PodDisruptionBudget: a drain of nodes evicts one pod at a time, and an unhealthy pod never blocks a drain.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{owned, selector};
use crate::scauth::resolved::Resolved;

pub fn build(resolved: &Resolved) -> Option<PodDisruptionBudget> {
    resolved.has_budget.then(|| PodDisruptionBudget {
        metadata: owned(resolved, &resolved.names.scauth),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector { match_labels: Some(selector(resolved)), ..LabelSelector::default() }),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
