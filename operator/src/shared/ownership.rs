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

/// Determines the owner: an object is ours by its owner's uid, or by `retained_by` in its label [`LABEL_RETAINED`]. The
/// objects of two kinds can have the same name: each kind writes values that no other kind writes.
pub fn ownership(metadata: &ObjectMeta, owner: &OwnerReference, retained_by: &str) -> Ownership {
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
    if retained.is_some_and(|value| value == retained_by) { Ownership::Ours } else { Ownership::Foreign }
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
        let (first, second) = (owner("First"), owner("Second"));
        let of = |label: &str| {
            let left = labelled(label);
            (ownership(&left, &first, "a"), ownership(&left, &second, "Second.a"))
        };
        assert_eq!(of("a"), (Ownership::Ours, Ownership::Foreign));
        assert_eq!(of("Second.a"), (Ownership::Foreign, Ownership::Ours));
    }
}
