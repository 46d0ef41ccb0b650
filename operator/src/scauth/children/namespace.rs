//! The namespace, if we own it.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::metadata::{annotations, kept, labels_without_instance};
use crate::scauth::resolved::{NamespaceUse, Resolved};

pub fn build(resolved: &Resolved) -> Option<Namespace> {
    let metadata = match resolved.namespace {
        NamespaceUse::Managed => kept(resolved, &resolved.names.namespace),
        NamespaceUse::Users => return None,
        // Applied once more without an owner, so that it is never deleted with the ScAuth.
        NamespaceUse::Returned => ObjectMeta {
            name: Some(resolved.names.namespace.clone()),
            labels: Some(labels_without_instance(resolved)),
            ..ObjectMeta::default()
        },
    };
    let mut metadata =
        ObjectMeta { namespace: None, annotations: annotations(&resolved.namespace_annotations), ..metadata };
    let labels = metadata.labels.get_or_insert_default();
    labels.insert("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned());
    labels.extend(resolved.namespace_labels.clone());
    Some(Namespace { metadata, ..Namespace::default() })
}
