//! The HorizontalPodAutoscaler, if the spec asks for one. While it exists, nobody else sends `replicas`.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};

use super::metadata::owned;
use crate::scauth::resolved::Resolved;
use crate::scauth::scale::Scale;

pub fn build(resolved: &Resolved) -> Option<HorizontalPodAutoscaler> {
    let Scale::Auto { min, max, cpu } = resolved.scale else { return None };
    Some(HorizontalPodAutoscaler {
        metadata: owned(resolved, &resolved.names.scauth),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: resolved.names.scauth.clone(),
            },
            min_replicas: Some(min),
            max_replicas: max,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(cpu),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            ..HorizontalPodAutoscalerSpec::default()
        }),
        ..HorizontalPodAutoscaler::default()
    })
}
