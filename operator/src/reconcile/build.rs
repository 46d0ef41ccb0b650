//! The children as they are to be: a pure function of the validated ScAuth. One file a child.

mod deployment;
mod ingress;
mod namespace;
mod secret;
mod service;
mod service_account;
mod volume_claim;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

pub use secret::{admin_secret, keys_secret};

use super::validate::Validated;
use crate::api::DeletionPolicy;
use crate::names::{FIELD_MANAGER, LABEL_RETAINED, LABEL_SCAUTH, MANAGED_BY};

/// All children but the generated Secrets, which are made once and never applied.
#[derive(Debug, Clone)]
pub struct Children {
    /// `None` where the namespace is the user's.
    pub namespace: Option<Namespace>,
    pub service_account: ServiceAccount,
    pub volume_claim: Option<PersistentVolumeClaim>,
    pub service: Service,
    pub ingress: Option<Ingress>,
    pub deployment: Deployment,
}

pub fn build(validated: &Validated) -> Children {
    Children {
        namespace: namespace::build(validated),
        service_account: service_account::build(validated),
        volume_claim: volume_claim::build(validated),
        service: service::build(validated),
        ingress: ingress::build(validated),
        deployment: deployment::build(validated),
    }
}

/// What tells our pods from all others; it can never change.
fn selector(validated: &Validated) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name".to_owned(), "sc-auth".to_owned()),
        ("app.kubernetes.io/instance".to_owned(), validated.names.scauth.clone()),
    ]
    .into()
}

fn labels(validated: &Validated) -> BTreeMap<String, String> {
    let mut labels = selector(validated);
    labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    labels.insert(LABEL_SCAUTH.to_owned(), validated.names.scauth.clone());
    labels
}

/// Metadata of what goes with the ScAuth.
fn owned(validated: &Validated, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(validated.names.namespace.clone()),
        labels: Some(labels(validated)),
        owner_references: Some(vec![validated.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Metadata of what stays, unless the policy says otherwise.
fn kept(validated: &Validated, name: &str) -> ObjectMeta {
    let mut metadata = owned(validated, name);
    if validated.policy == DeletionPolicy::Retain {
        metadata.owner_references = None;
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(LABEL_RETAINED.to_owned(), validated.names.scauth.clone());
    }
    metadata
}
