//! Objects with our children's names that block them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::scauth::retention::ownership;
use crate::shared::ownership::Ownership;
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

/// # Errors
/// If an object is not ours, or is being deleted; but a pod may keep using a claim that is being deleted.
pub fn check_children(
    objects: &[(String, &ObjectMeta)],
    owner: &OwnerReference,
    is_claim_in_use: bool,
) -> Result<(), Refusal> {
    let foreign = objects.iter().filter(|(_, metadata)| ownership(metadata, owner) == Ownership::Foreign);
    let foreign: Vec<_> = foreign.map(|(kind, metadata)| format!("{kind} {}", name(metadata))).collect();
    if !foreign.is_empty() {
        return Err(conflict(&foreign));
    }
    objects.iter().try_for_each(|(kind, metadata)| check_child(kind, metadata, owner, is_claim_in_use))
}

fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

/// All of them at once, since one alone may look like something left over that nobody uses.
fn conflict(foreign: &[String]) -> Refusal {
    let belong = if foreign.len() == 1 { "belongs to somebody else and is" } else { "belong to somebody else and are" };
    Refusal {
        reason: Reason::NameConflict,
        message: format!(
            "{} {belong} not changed: create the ScAuth under another name or in another namespace, or delete what nobody uses \
             any more",
            foreign.join(", ")
        ),
        is_final: false,
    }
}

fn check_child(
    kind: &str,
    metadata: &ObjectMeta,
    owner: &OwnerReference,
    is_claim_in_use: bool,
) -> Result<(), Refusal> {
    let is_used_on = is_claim_in_use && kind == "PersistentVolumeClaim";
    let name = name(metadata);
    match ownership(metadata, owner) {
        Ownership::Former => Err(collecting(kind, name)),
        Ownership::Foreign => Err(conflict(&[format!("{kind} {name}")])),
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
