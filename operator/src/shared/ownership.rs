//! Owners of existing objects that have our children's names.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::names::LABEL_RETAINED;

/// The owner of an existing object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    Ours,
    /// An earlier owner of this name; the garbage collector deletes it.
    Former,
    Foreign,
}

/// Determines the owner: an object is ours by its owner's uid or by our retention label.
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
    if retained == Some(&retained_by(owner)) { Ownership::Ours } else { Ownership::Foreign }
}

/// The kind whose objects have the bare name in their label, as releases 0.1 and 0.2 wrote it.
const FIRST_KIND: &str = "ScAuth";

/// The value of [`LABEL_RETAINED`] on what that owner leaves behind. Other kinds than the first stand before the name: a
/// name has no upper-case letters, so that none of them is taken for another. A label has at most 63 characters.
pub fn retained_by(owner: &OwnerReference) -> String {
    let OwnerReference { kind, name, .. } = owner;
    if kind == FIRST_KIND { name.clone() } else { format!("{kind}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(kind: &str) -> OwnerReference {
        let (kind, name, uid) = (kind.to_owned(), "a".to_owned(), kind.to_owned());
        OwnerReference { api_version: "sc-auth.io/v1alpha1".to_owned(), kind, name, uid, ..OwnerReference::default() }
    }

    fn labelled(value: &str) -> ObjectMeta {
        let labels = [("sc-auth.io/retained-by".to_owned(), value.to_owned())].into();
        ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }
    }

    #[test]
    fn what_a_kind_left_belongs_to_no_other_kind_of_the_same_name() {
        let (first, second) = (owner("ScAuth"), owner("ScAuthClient"));
        let left = labelled(&retained_by(&second));
        assert_eq!((ownership(&left, &first), ownership(&left, &second)), (Ownership::Foreign, Ownership::Ours));
        let left = labelled(&retained_by(&first));
        assert_eq!((ownership(&left, &first), ownership(&left, &second)), (Ownership::Ours, Ownership::Foreign));
    }

    #[test]
    fn what_release_0_2_left_belongs_to_the_scauth() {
        assert_eq!(retained_by(&owner("ScAuth")), "a");
        assert_eq!(ownership(&labelled("a"), &owner("ScAuth")), Ownership::Ours);
    }
}
