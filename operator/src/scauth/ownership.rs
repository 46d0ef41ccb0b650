//! Which objects with our children's names are relevant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::scale::scale;
use crate::api::ScAuthSpec;
use crate::scauth::child::Child;
use crate::scauth::retention::ownership;
use crate::shared::ownership::Ownership;

/// Whether the spec asks for this child.
pub fn is_wanted(child: Child, spec: &ScAuthSpec) -> bool {
    match child {
        Child::Namespace
        | Child::ServiceAccount
        | Child::NetworkPolicy
        | Child::Service
        | Child::OpsService
        | Child::Deployment => true,
        Child::VolumeClaim => spec.database.embedded.is_some(),
        Child::DisruptionBudget => scale(spec).most() > 1,
        Child::Autoscaler => spec.autoscaling.is_some(),
        Child::Ingress => spec.ingress().is_some(),
        Child::HttpRoute => spec.http_route().is_some(),
        Child::ServiceMonitor => spec.monitoring.is_some(),
    }
}

/// Whether a live object is relevant: the spec asks for that child, or we created it and must delete it.
pub fn counts(child: Child, spec: &ScAuthSpec, live: &ObjectMeta, owner: &OwnerReference) -> bool {
    is_wanted(child, spec) || (ownership(live, owner) == Ownership::Ours && live.deletion_timestamp.is_none())
}
