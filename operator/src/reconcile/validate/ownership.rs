//! Whose the objects with our children's names are, and which of them stand in the way.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{Refusal, http_route, ingress, scale};
use crate::api::ScAuthSpec;
use crate::kinds::Kind;
use crate::names::LABEL_RETAINED;
use crate::reasons::Reason;

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
        Kind::Ingress => ingress(spec).is_some(),
        Kind::HttpRoute => http_route(spec).is_some(),
        Kind::ServiceMonitor => spec.monitoring.is_some(),
    }
}

/// Whether a live object with a child's name matters: the spec asks for that child, or it is one that we made and that is
/// to go. Anybody may have another one; and what an earlier ScAuth left is collected without us.
pub fn counts(kind: Kind, spec: &ScAuthSpec, live: &ObjectMeta, owner: &OwnerReference) -> bool {
    is_wanted(kind, spec) || (claim(live, owner) == Claim::Ours && live.deletion_timestamp.is_none())
}

/// # Errors
/// Where the object is not ours, or is being deleted; but a pod may go on using a claim that is.
pub fn check_child(
    kind: &str,
    metadata: &ObjectMeta,
    owner: &OwnerReference,
    is_claim_in_use: bool,
) -> Result<(), Refusal> {
    let is_used_on = is_claim_in_use && kind == "PersistentVolumeClaim";
    let name = metadata.name.as_deref().unwrap_or_default();
    match claim(metadata, owner) {
        Claim::Former => Err(collecting(kind, name)),
        Claim::Foreign => Err(Refusal {
            reason: Reason::NameConflict,
            message: format!("{kind} {name} belongs to somebody else and is not changed: rename or delete it"),
            is_final: false,
        }),
        Claim::Ours if metadata.deletion_timestamp.is_some() && !is_used_on => Err(Refusal {
            reason: Reason::ChildTerminating,
            message: format!("{kind} {name} is being deleted; it is recreated once deletion has finished"),
            is_final: false,
        }),
        Claim::Ours => Ok(()),
    }
}

pub fn collecting(kind: &str, name: &str) -> Refusal {
    Refusal {
        reason: Reason::GarbageCollecting,
        message: format!("{kind} {name} belongs to an earlier ScAuth of this name and will be garbage collected"),
        is_final: false,
    }
}
