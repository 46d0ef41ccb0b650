//! Objects with our children's names that block them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::Refusal;
use crate::shared::ownership::{Ownership, ownership};
use crate::shared::reasons::Reason;

/// # Errors
/// If the object is not ours, or is being deleted; but a pod may keep using a claim that is being deleted.
pub fn check_child(
    kind: &str,
    metadata: &ObjectMeta,
    owner: &OwnerReference,
    is_claim_in_use: bool,
) -> Result<(), Refusal> {
    let is_used_on = is_claim_in_use && kind == "PersistentVolumeClaim";
    let name = metadata.name.as_deref().unwrap_or_default();
    match ownership(metadata, owner) {
        Ownership::Former => Err(collecting(kind, name)),
        Ownership::Foreign => Err(Refusal {
            reason: Reason::NameConflict,
            message: format!("{kind} {name} belongs to somebody else and is not changed: rename or delete it"),
            is_final: false,
        }),
        Ownership::Ours if metadata.deletion_timestamp.is_some() && !is_used_on => Err(Refusal {
            reason: Reason::ChildTerminating,
            message: format!("{kind} {name} is being deleted; it is recreated once deletion has finished"),
            is_final: false,
        }),
        Ownership::Ours => Ok(()),
    }
}

pub fn collecting(kind: &str, name: &str) -> Refusal {
    Refusal {
        reason: Reason::GarbageCollecting,
        message: format!("{kind} {name} belongs to an earlier ScAuth of this name and will be garbage collected"),
        is_final: false,
    }
}
