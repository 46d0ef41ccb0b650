//! The embedded database's volume, when it is about to be lost while the pod still has it. Pure functions.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DeploymentStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::DynamicObject;
use serde_json::Value;

use super::observe::Observed;
use super::rollout::Rollout;
use super::validate::{self, Claim, Refusal};
use crate::kinds::Kind;
use crate::names::Names;
use crate::reasons::Reason;

/// What is about to happen to the users, and how to save them; `None` where nothing threatens, or no pod is left that
/// has them.
pub fn danger(children: &BTreeMap<Kind, DynamicObject>, names: &Names) -> Option<String> {
    let (claim, deployment) = (children.get(&Kind::VolumeClaim)?, children.get(&Kind::Deployment)?);
    if Rollout::of(deployment).available == 0 {
        return None;
    }
    let what = if claim.metadata.deletion_timestamp.is_some() {
        "is being deleted and goes when the pod ends"
    } else if claim.data.pointer("/status/phase").and_then(Value::as_str) == Some("Lost") {
        "has lost its volume"
    } else if is_younger(claim, deployment) {
        "was made anew while the pod still has the one before, which goes when the pod ends"
    } else {
        return None;
    };
    let (claim, namespace, name) = (names.volume_claim(), &names.namespace, &names.scauth);
    Some(format!(
        "volume claim {claim} {what}, and with it all users. The pod still has them; save them now: kubectl -n {namespace} \
         exec deploy/{name} -c server -- /sc-auth-server users export - >users.jsonl"
    ))
}

/// # Errors
/// Where our claim is being deleted while a pod has it: nothing is done until it is gone, but to say how to save the users.
pub fn check(observed: &Observed, names: &Names, owner: &OwnerReference) -> Result<(), Refusal> {
    let claim = observed.children.get(&Kind::VolumeClaim).map(|child| &child.metadata);
    let is_going = claim.is_some_and(|metadata| {
        metadata.deletion_timestamp.is_some() && validate::claim(metadata, owner) == Claim::Ours
    });
    match danger(&observed.children, names).filter(|_| is_going) {
        Some(message) => Err(Refusal { reason: Reason::VolumeAtRisk, message, is_final: false }),
        None => Ok(()),
    }
}

/// Whether the pod was there before the claim.
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
