//! Builds the desired children from `Resolved`. Pure functions, one file for each child.

mod autoscaler;
mod deployment;
mod disruption_budget;
mod environment;
mod http_route;
mod ingress;
mod namespace;
mod network_policy;
mod secret;
mod service;
mod service_account;
mod service_monitor;
mod template;
mod volume_claim;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::Value;

pub use secret::{admin_secret, deployment, keys_secret};
use strum::IntoEnumIterator as _;

use super::resolved::Resolved;
use crate::api::DeletionPolicy;
use crate::scauth::child::Child;
use crate::scauth::names::{FIELD_MANAGER, LABEL_RETAINED, LABEL_SCAUTH, MANAGED_BY};
use crate::shared::ownership::retained_by;

/// All children except the generated Secrets, which are created once and never applied. A child missing from the map
/// must not exist.
pub type Children = BTreeMap<Child, Value>;

/// # Errors
/// If a child cannot be serialized as JSON.
pub fn build(resolved: &Resolved) -> serde_json::Result<Children> {
    let mut children = Children::new();
    for child in Child::iter() {
        if let Some(desired) = build_child(child, resolved)? {
            children.insert(child, desired);
        }
    }
    Ok(children)
}

fn build_child(child: Child, resolved: &Resolved) -> serde_json::Result<Option<Value>> {
    match child {
        Child::Namespace => json(namespace::build(resolved)),
        Child::ServiceAccount => json(Some(service_account::build(resolved))),
        Child::NetworkPolicy => json(Some(network_policy::build(resolved))),
        Child::VolumeClaim => json(volume_claim::build(resolved)),
        Child::Service => json(Some(service::build(resolved))),
        Child::OpsService => json(Some(service::build_ops(resolved))),
        Child::Deployment => json(Some(deployment::build(resolved))),
        Child::DisruptionBudget => json(disruption_budget::build(resolved)),
        Child::Autoscaler => json(autoscaler::build(resolved)),
        Child::Ingress => json(ingress::build(resolved)),
        Child::HttpRoute => json(http_route::build(resolved)),
        Child::ServiceMonitor => json(service_monitor::build(resolved)),
    }
}

fn json<K: Serialize>(child: Option<K>) -> serde_json::Result<Option<Value>> {
    child.map(serde_json::to_value).transpose()
}

/// Distinguishes our pods from all others; it can never change.
pub fn selector(resolved: &Resolved) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name".to_owned(), "sc-auth".to_owned()),
        ("app.kubernetes.io/instance".to_owned(), resolved.names.scauth.clone()),
    ]
    .into()
}

fn labels(resolved: &Resolved) -> BTreeMap<String, String> {
    let mut labels = selector(resolved);
    labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    labels.insert(LABEL_SCAUTH.to_owned(), resolved.names.scauth.clone());
    labels
}

/// Metadata of objects that are deleted with the ScAuth.
fn owned(resolved: &Resolved, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(resolved.names.namespace.clone()),
        labels: Some(labels(resolved)),
        owner_references: Some(vec![resolved.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Metadata of objects that are kept, unless the policy deletes them.
fn kept(resolved: &Resolved, name: &str) -> ObjectMeta {
    let mut metadata = owned(resolved, name);
    if resolved.policy == DeletionPolicy::Retain {
        metadata.owner_references = None;
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(LABEL_RETAINED.to_owned(), retained_by(&resolved.owner));
    }
    metadata
}
