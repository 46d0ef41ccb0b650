//! Builds the desired children from `Resolved`. Pure functions, one file for each child.

mod autoscaler;
mod deployment;
mod disruption_budget;
mod environment;
mod http_route;
mod ingress;
mod metadata;
mod namespace;
mod network_policy;
mod secret;
mod service;
mod service_account;
mod service_monitor;
mod template;
mod volume_claim;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use strum::IntoEnumIterator as _;

use super::resolved::Resolved;
use crate::scauth::child::Child;
pub use metadata::selector;
pub use secret::{admin_secret, keys_secret, record};

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
