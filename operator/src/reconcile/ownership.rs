//! Whose the objects with our children's names are, and which of them matter.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::scale::scale;
use crate::api::ScAuthSpec;
use crate::kinds::Kind;
use crate::names::LABEL_RETAINED;

/// Whose an existing object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Ours,
    /// It belongs to an earlier ScAuth of this name, and will be collected.
    Former,
    Foreign,
}

/// Whose an object is: ours by its owner's uid or by our retention label.
pub fn claim(metadata: &ObjectMeta, owner: &OwnerReference) -> Claim {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    if owners.iter().any(|other| other.uid == owner.uid) {
        return Claim::Ours;
    }
    if owners
        .iter()
        .any(|other| other.kind == owner.kind && other.api_version == owner.api_version && other.name == owner.name)
    {
        return Claim::Former;
    }
    let retained = metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_RETAINED));
    if retained == Some(&owner.name) { Claim::Ours } else { Claim::Foreign }
}

/// Whether the spec asks for a child of that kind.
pub fn is_wanted(kind: Kind, spec: &ScAuthSpec) -> bool {
    match kind {
        Kind::Namespace
        | Kind::ServiceAccount
        | Kind::NetworkPolicy
        | Kind::Service
        | Kind::OpsService
        | Kind::Deployment => true,
        Kind::VolumeClaim => spec.database.embedded.is_some(),
        Kind::DisruptionBudget => scale(spec).most() > 1,
        Kind::Autoscaler => spec.autoscaling.is_some(),
        Kind::Ingress => spec.ingress().is_some(),
        Kind::HttpRoute => spec.http_route().is_some(),
        Kind::ServiceMonitor => spec.monitoring.is_some(),
    }
}

/// Whether a live object with a child's name matters: the spec asks for that child, or it is one that we made and that is
/// to go. Anybody may have another one; and what an earlier ScAuth left is collected without us.
pub fn counts(kind: Kind, spec: &ScAuthSpec, live: &ObjectMeta, owner: &OwnerReference) -> bool {
    is_wanted(kind, spec) || (claim(live, owner) == Claim::Ours && live.deletion_timestamp.is_none())
}
