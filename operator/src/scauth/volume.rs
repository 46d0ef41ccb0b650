//! The embedded database's volume when it is about to be lost while the pod still uses it. Pure functions.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DeploymentStatus;
use kube::core::DynamicObject;
use serde_json::Value;

use crate::scauth::child::Child;
use crate::scauth::names::Names;
use crate::scauth::rollout::Rollout;

/// The risk for the data, and how to save it; `None` if there is no risk, or no pod is left that has the data.
pub fn danger(children: &BTreeMap<Child, DynamicObject>, names: &Names) -> Option<String> {
    let (claim, deployment) = (children.get(&Child::VolumeClaim)?, children.get(&Child::Deployment)?);
    if Rollout::of(deployment).available == 0 {
        return None;
    }
    let (what, until) = if is_going(children) {
        (
            "is being deleted: when the pod ends, the claim is removed",
            " Until then the operator does not change the Deployment.",
        )
    } else if claim.data.pointer("/status/phase").and_then(Value::as_str) == Some("Lost") {
        ("has lost its volume: when the pod ends, the data is lost", "")
    } else if is_younger(claim, deployment) {
        ("is newer than the pod, which still uses the previous volume: when the pod ends, that volume is lost", "")
    } else {
        return None;
    };
    let (claim, namespace, name) = (names.volume_claim(), &names.namespace, &names.scauth);
    Some(format!(
        "PersistentVolumeClaim {claim} {what}, and with it all users.{until} Export the users now: kubectl -n {namespace} \
         exec deploy/{name} -c server -- /sc-auth-server users export - >users.jsonl"
    ))
}

/// What to do about a claim whose StorageClass does not exist.
pub fn without_class(class: &str, names: &Names) -> String {
    let (claim, namespace) = (names.volume_claim(), &names.namespace);
    format!(
        "PersistentVolumeClaim {claim} waits for StorageClass {class}, which does not exist: create it, or set \
         spec.database.embedded.storageClassName to one that exists (kubectl get storageclass) and delete the claim, which \
         has no data: kubectl -n {namespace} delete pvc {claim}"
    )
}

/// Why a claim has no volume, if that is known.
pub fn unbound(claim: &DynamicObject, names: &Names) -> Option<String> {
    let text = |path: &str| claim.data.pointer(path).and_then(Value::as_str);
    if text("/status/phase") != Some("Pending") {
        return None;
    }
    let (claim, namespace) = (names.volume_claim(), &names.namespace);
    Some(match text("/spec/storageClassName") {
        None => format!(
            "PersistentVolumeClaim {claim} has no StorageClass, and the cluster has no default class: mark one as the \
             default, or set spec.database.embedded.storageClassName"
        ),
        Some("") => format!("PersistentVolumeClaim {claim} waits for a PersistentVolume without a class: create one"),
        Some(_) => format!(
            "PersistentVolumeClaim {claim} has no volume yet; its events have the reason: kubectl -n {namespace} describe \
             pvc {claim}"
        ),
    })
}

/// Why a network file system is no place for the database.
pub fn on_network(driver: &str) -> String {
    format!(
        "the volume is on a network file system ({driver}), whose locks and writes SQLite cannot rely on: the database may be \
         damaged; move the users to a volume on a block device, or to an external database (docs/databases.md)"
    )
}

/// Whether the claim is being deleted and only a serving pod keeps it.
pub fn is_going(children: &BTreeMap<Child, DynamicObject>) -> bool {
    let claim = children.get(&Child::VolumeClaim);
    let is_in_use = children.get(&Child::Deployment).is_some_and(|deployment| Rollout::of(deployment).available > 0);
    is_in_use && claim.is_some_and(|claim| claim.metadata.deletion_timestamp.is_some())
}

/// The children that are not changed while the volume would be lost with the pod.
pub fn freezes(child: Child, children: &BTreeMap<Child, DynamicObject>) -> bool {
    matches!(child, Child::VolumeClaim | Child::Deployment) && is_going(children)
}

/// Whether the pod is older than the claim.
fn is_younger(claim: &DynamicObject, deployment: &DynamicObject) -> bool {
    let status = deployment.data.get("status").cloned();
    let status: Option<DeploymentStatus> = status.and_then(|status| serde_json::from_value(status).ok());
    let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
    let available =
        conditions.into_iter().find(|condition| condition.type_ == "Available" && condition.status == "True");
    let since = available.and_then(|available| available.last_transition_time);
    match (since, &claim.metadata.creation_timestamp) {
        (Some(since), Some(created)) => since.0 < created.0,
        _ => false,
    }
}
