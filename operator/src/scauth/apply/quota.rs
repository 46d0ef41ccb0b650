//! Pods that a quota refuses. Kubernetes tries them again after growing delays of up to a quarter of an hour, also if the
//! quota was raised meanwhile; but at once if their ReplicaSet changes. It gets the annotations of its Deployment.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::json;

use super::context::ApplyContext;
use crate::scauth::child::Child;
use crate::scauth::names::{ANNOTATION_RETRIED, Names, RETRY_MANAGER};
use crate::scauth::rollout::{Cause, Rollout};
use crate::shared::error::{ApplyError, refused};

/// The time between two attempts, less than that between two looks at a Deployment whose pods are refused.
const PAUSE: Duration = Duration::from_secs(15);

/// Has Kubernetes try the pods again, and removes the annotation once they exist.
///
/// # Errors
/// If the API server refuses it.
pub async fn try_again(
    context: &ApplyContext<'_>,
    names: &Names,
    deployment: &DynamicObject,
) -> Result<(), ApplyError> {
    let last = deployment.annotations().get(ANNOTATION_RETRIED);
    let annotation = match (is_refused(deployment), last) {
        (true, Some(last)) if is_recent(last, context.now) => return Ok(()),
        (false, None) => return Ok(()),
        (true, _) => json!({ANNOTATION_RETRIED: context.now.to_string()}),
        (false, Some(_)) => json!({}),
    };
    let (resource, name) = (Child::Deployment.resource(), deployment.name_any());
    let patch = json!({
        "apiVersion": &resource.api_version, "kind": &resource.kind,
        "metadata": {"name": name, "uid": deployment.uid(), "annotations": annotation},
    });
    let params = PatchParams::apply(RETRY_MANAGER).force();
    let api = Child::Deployment.api(context.client, &names.namespace);
    let patched = api.patch(&name, &params, &Patch::Apply(&patch)).await;
    patched.map(|_| ()).map_err(|source| refused(resource.kind, &name, source))
}

fn is_refused(deployment: &DynamicObject) -> bool {
    let trouble = Rollout::of(deployment).trouble;
    trouble.is_some_and(|trouble| trouble.cause == Cause::PodsRefused && trouble.message.contains("exceeded quota"))
}

/// An unreadable time is none.
fn is_recent(last: &str, now: Timestamp) -> bool {
    let last: Option<Timestamp> = last.parse().ok();
    last.is_some_and(|last| Duration::try_from(now.duration_since(last)).is_ok_and(|age| age < PAUSE))
}
