//! Secrets that the operator creates once, and then changes by patches.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::error::{self, ApplyError};
use super::names::{FIELD_MANAGER, LABEL_RETAINED};

/// # Errors
/// If the API server refuses it.
pub async fn create(api: &Api<Secret>, secret: &Secret) -> Result<Secret, ApplyError> {
    tracing::info!(kind = "Secret", name = secret.name_any(), "creating");
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    api.create(&params, secret).await.map_err(|source| refused(&secret.name_any(), source))
}

/// # Errors
/// If the API server refuses it.
pub async fn patch(api: &Api<Secret>, name: &str, patch: &Value) -> Result<Secret, ApplyError> {
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(name, &params, &Patch::Merge(patch)).await.map_err(|source| refused(name, source))
}

fn refused(name: &str, source: kube::Error) -> ApplyError {
    error::refused("Secret".to_owned(), name, source)
}

/// Decides whether a Secret outlives its owner: with `retained_by`, the value of its label [`LABEL_RETAINED`], it does.
/// Its content and other owners are not touched. Returns whether a change was needed.
///
/// # Errors
/// If the API server refuses it.
pub async fn keep(
    api: &Api<Secret>,
    live: &ObjectMeta,
    owner: &OwnerReference,
    retained_by: Option<&str>,
) -> Result<bool, ApplyError> {
    let (ours, others): (Vec<_>, Vec<_>) =
        live.owner_references.iter().flatten().cloned().partition(|other| other.uid == owner.uid);
    let is_retained = live.labels.iter().flatten().any(|(name, _)| name == LABEL_RETAINED);
    let is_to_stay = retained_by.is_some();
    if is_to_stay == ours.is_empty() && is_to_stay == is_retained {
        return Ok(false);
    }
    let mut owners = others;
    if !is_to_stay {
        owners.push(owner.clone());
    }
    let metadata = json!({
        "resourceVersion": live.resource_version,
        "ownerReferences": owners,
        "labels": {LABEL_RETAINED: retained_by},
    });
    let name = live.name.clone().unwrap_or_default();
    patch(api, &name, &json!({"metadata": metadata})).await?;
    Ok(true)
}

/// Removes a label that an earlier release set, unless another manager sets it too. Returns whether a change was needed.
///
/// # Errors
/// If the API server refuses it.
pub async fn remove_label(api: &Api<Secret>, live: &ObjectMeta, label: &str) -> Result<bool, ApplyError> {
    let is_set = live.labels.iter().flatten().any(|(name, _)| name == label);
    if !is_set || live.managed_fields.iter().flatten().any(|entry| is_set_by_another(entry, label)) {
        return Ok(false);
    }
    let metadata = json!({"resourceVersion": live.resource_version, "labels": {label: null}});
    patch(api, live.name.as_deref().unwrap_or_default(), &json!({"metadata": metadata})).await?;
    Ok(true)
}

fn is_set_by_another(entry: &ManagedFieldsEntry, label: &str) -> bool {
    let label = format!("f:{label}");
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0["f:metadata"]["f:labels"]);
    entry.manager.as_deref() != Some(FIELD_MANAGER) && fields.is_some_and(|labels| labels.get(&label).is_some())
}
