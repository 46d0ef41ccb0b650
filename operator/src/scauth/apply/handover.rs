//! Ownership of the number of replicas. A field that its only owner stops sending falls back to its default, which is
//! one pod: so before the autoscaler takes over, a second field manager takes over the live number, and the pods keep
//! running. The way back needs no such step: once the autoscaler is deleted, `replicas` is applied with force. An
//! autoscaler of another owner gets the number in the same way.

use kube::api::Patch;
use kube::core::DynamicObject;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::scauth::child::Child;
use crate::scauth::names::{FIELD_MANAGER, HANDOVER_MANAGER, Names};
use crate::scauth::scale::Scale;
use crate::shared::apply::applying;
use crate::shared::error::{ApplyError, refused};

/// A new Deployment starts with the minimum number of pods instead of one; the next reconcile hands the number over. So
/// does a Deployment that was scaled to zero, where an autoscaler does not act.
pub fn begin(scale: &Scale, desired: &mut Value, live: Option<&DynamicObject>) {
    let fewest = match scale {
        Scale::Auto { min, .. } => *min,
        Scale::Theirs { replicas, .. } => *replicas,
        Scale::Fixed(_) => return,
    };
    let replicas = live.map(|live| live.data.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1));
    if replicas.is_none_or(|replicas| replicas == 0) {
        desired["spec"]["replicas"] = json!(fewest);
    }
}

/// For dry runs: keeps the live replica count, as [`give`] would.
pub fn keep(desired: &mut Value, live: Option<&DynamicObject>) {
    let replicas = live.and_then(|live| live.data.pointer("/spec/replicas"));
    if let (Some(replicas), None) = (replicas, desired.pointer("/spec/replicas")) {
        desired["spec"]["replicas"] = replicas.clone();
    }
}

pub async fn give(
    client: &Client,
    names: &Names,
    desired: &Value,
    live: Option<&DynamicObject>,
) -> Result<(), ApplyError> {
    let Some(live) = live.filter(|live| is_needed(live, desired)) else { return Ok(()) };
    let resource = Child::Deployment.resource();
    let patch = json!({
        "apiVersion": &resource.api_version, "kind": &resource.kind,
        "metadata": {"name": live.name_any(), "uid": live.uid()},
        "spec": {"replicas": live.data.pointer("/spec/replicas")},
    });
    tracing::info!(name = live.name_any(), "handing over the number of replicas");
    let params = applying(HANDOVER_MANAGER).force();
    let api = Child::Deployment.api(client, &names.namespace);
    let patched = api.patch(&live.name_any(), &params, &Patch::Apply(&patch)).await;
    patched.map(|_| ()).map_err(|source| refused(resource.kind, &live.name_any(), source))
}

/// Whether we own a number that we are about to omit.
fn is_needed(live: &DynamicObject, desired: &Value) -> bool {
    let is_ours = live.managed_fields().iter().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
    });
    is_ours && desired.pointer("/spec/replicas").is_none()
}
