//! The HorizontalPodAutoscaler, where the spec asks for one. While there is one, nobody else sends `replicas`.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};

use super::{Validated, owned};
use crate::scauth::scale::Scale;

const DEFAULT_CPU: i32 = 400;

pub fn build(validated: &Validated) -> Option<HorizontalPodAutoscaler> {
    let Scale::Auto(wanted) = &validated.scale else { return None };
    Some(HorizontalPodAutoscaler {
        metadata: owned(validated, &validated.names.scauth),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: validated.names.scauth.clone(),
            },
            min_replicas: Some(wanted.fewest()),
            max_replicas: wanted.max,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(wanted.cpu.unwrap_or(DEFAULT_CPU)),
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
