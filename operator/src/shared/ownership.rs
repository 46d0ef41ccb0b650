//! Whose the objects with our children's names are.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::names::LABEL_RETAINED;

/// Whose an existing object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    Ours,
    /// It belongs to an earlier owner of this name, and will be collected.
    Former,
    Foreign,
}

/// Whose an object is: ours by its owner's uid or by our retention label.
pub fn ownership(metadata: &ObjectMeta, owner: &OwnerReference) -> Ownership {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    if owners.iter().any(|other| other.uid == owner.uid) {
        return Ownership::Ours;
    }
    if owners
        .iter()
        .any(|other| other.kind == owner.kind && other.api_version == owner.api_version && other.name == owner.name)
    {
        return Ownership::Former;
    }
    let retained = metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_RETAINED));
    if retained == Some(&owner.name) { Ownership::Ours } else { Ownership::Foreign }
}
