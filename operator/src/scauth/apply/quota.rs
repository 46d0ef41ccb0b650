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
use crate::scauth::rollout::Rollout;
use crate::shared::error::explain;

/// Makes Kubernetes retry the pods, and removes the annotation once they exist. If that fails, the next reconcile repeats
/// it.
pub async fn try_again(context: &ApplyContext<'_>, names: &Names, deployment: &DynamicObject) {
    let last = deployment.annotations().get(ANNOTATION_RETRIED);
    let annotation = match (is_refused(deployment), last) {
        (true, Some(last)) if is_recent(last, context) => return,
        (false, None) => return,
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
    if let Err(error) = patched {
        tracing::warn!(name = names.scauth, error = explain(&error), "retrying pods that a quota refused failed");
    }
}

fn is_refused(deployment: &DynamicObject) -> bool {
    Rollout::of(deployment).trouble.is_some_and(|trouble| trouble.is_quota())
}

/// The annotation's change is watched and causes another reconcile, which must not retry again; the regular one must, and it
/// may come a tenth of the interval early. An invalid time counts as old.
fn is_recent(last: &str, context: &ApplyContext<'_>) -> bool {
    let last: Option<Timestamp> = last.parse().ok();
    let pause = context.interval.mul_f64(0.8);
    last.is_some_and(|last| Duration::try_from(context.now.duration_since(last)).is_ok_and(|age| age < pause))
}
