//! The children's names, labels and owners.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::DeletionPolicy;
use crate::scauth::names::{FIELD_MANAGER, LABEL_INSTANCE, LABEL_RETAINED, LABEL_SCAUTH, MANAGED_BY};
use crate::scauth::resolved::Resolved;
use crate::scauth::retention::retained_by;

/// Distinguishes our pods from all others; it can never change.
pub fn selector(resolved: &Resolved) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name".to_owned(), "sc-auth".to_owned()),
        (LABEL_INSTANCE.to_owned(), resolved.names.scauth.clone()),
    ]
    .into()
}

pub fn labels(resolved: &Resolved) -> BTreeMap<String, String> {
    let mut labels = selector(resolved);
    labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    labels.insert(LABEL_SCAUTH.to_owned(), resolved.names.scauth.clone());
    labels
}

/// Metadata of objects that are deleted with the ScAuth.
pub fn owned(resolved: &Resolved, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(resolved.names.namespace.clone()),
        labels: Some(labels(resolved)),
        owner_references: Some(vec![resolved.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Metadata of the Ingress or HTTPRoute.
pub fn exposing(resolved: &Resolved, name: &str, wanted: &BTreeMap<String, String>) -> ObjectMeta {
    let mut metadata = ObjectMeta { annotations: annotations(wanted), ..owned(resolved, name) };
    metadata.labels.get_or_insert_default().extend(resolved.exposure_labels.clone());
    metadata
}

/// Annotations from the spec; none is an absent field.
pub fn annotations(wanted: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!wanted.is_empty()).then(|| wanted.clone())
}

/// Labels of objects that may outlive the ScAuth. Argo CD with label tracking takes an object without an owner for a part
/// of the Application that `app.kubernetes.io/instance` names, and prunes it.
pub fn labels_without_instance(resolved: &Resolved) -> BTreeMap<String, String> {
    let mut labels = labels(resolved);
    labels.remove(LABEL_INSTANCE);
    labels
}

/// Metadata of objects that are kept, unless the policy deletes them.
pub fn kept(resolved: &Resolved, name: &str) -> ObjectMeta {
    let mut metadata = owned(resolved, name);
    metadata.labels = Some(labels_without_instance(resolved));
    if resolved.policy == DeletionPolicy::Retain {
        metadata.owner_references = None;
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(LABEL_RETAINED.to_owned(), retained_by(&resolved.owner).to_owned());
    }
    metadata
}
