//! Which existing objects belong to a ScAuth, also one that was deleted and created again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::shared::names::LABEL_RETAINED;
use crate::shared::ownership::{self, Ownership};

/// The value of the retention label on what a ScAuth leaves behind: its bare name, as releases 0.1 and 0.2 wrote it.
pub fn retained_by(owner: &OwnerReference) -> &str {
    &owner.name
}

/// The owner of an object with the name of a ScAuth's child.
pub fn ownership(metadata: &ObjectMeta, owner: &OwnerReference) -> Ownership {
    ownership::ownership(metadata, owner, retained_by(owner))
}

/// Whether an object belongs to another ScAuth.
pub fn is_of_another(metadata: &ObjectMeta, owner: &OwnerReference) -> bool {
    let mut owners = metadata.owner_references.iter().flatten();
    let retained = metadata.labels.iter().flatten().any(|(name, _)| name == LABEL_RETAINED);
    (retained || owners.any(|other| other.kind == owner.kind && other.api_version == owner.api_version))
        && ownership(metadata, owner) == Ownership::Foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_release_0_2_left_belongs_to_the_scauth() {
        let owner = OwnerReference { kind: "ScAuth".to_owned(), name: "a".to_owned(), ..OwnerReference::default() };
        let labels = [(LABEL_RETAINED.to_owned(), "a".to_owned())].into();
        let left = ObjectMeta { labels: Some(labels), ..ObjectMeta::default() };
        assert_eq!(retained_by(&owner), "a");
        assert_eq!(ownership(&left, &owner), Ownership::Ours);
    }
}
