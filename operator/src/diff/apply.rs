//! A ScAuth as stored after the manifest is applied in the same way as before.

use anyhow::{Context as _, anyhow};
use kube::api::{Patch, PatchParams, ValidationDirective};
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use crate::api::ScAuth;
use crate::scauth::names::FIELD_MANAGER;
use crate::shared::error::explain;

/// The last object of a client-side `kubectl apply`.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub async fn dry_run(
    api: &Api<ScAuth>,
    live: Option<&ScAuth>,
    manifest: &ScAuth,
    manager: Option<&str>,
) -> anyhow::Result<ScAuth> {
    let mut wanted = serde_json::to_value(manifest)?;
    if let Some(fields) = wanted.as_object_mut() {
        fields.remove("status");
    }
    let strict = |params: PatchParams| PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..params
    };
    let last = live.and_then(|live| live.annotations().get(LAST_APPLIED)).filter(|_| manager.is_none());
    let name = manifest.name_any();
    let stored = if let Some(last) = last {
        let last = serde_json::from_str(last).with_context(|| format!("its annotation {LAST_APPLIED}"))?;
        remove_dropped(&last, &mut wanted);
        api.patch(&name, &strict(PatchParams::default()), &Patch::Merge(&wanted)).await
    } else {
        let manager = manager.or_else(|| live.and_then(last_manager)).unwrap_or("kubectl");
        api.patch(&name, &strict(PatchParams::apply(manager).force()), &Patch::Apply(&wanted)).await
    };
    stored.map_err(|error| anyhow!(explain(&error)))
}

/// The last field manager of a server-side apply.
fn last_manager(live: &ScAuth) -> Option<&str> {
    let applies = live.managed_fields().iter().filter(|entry| {
        entry.operation.as_deref() == Some("Apply")
            && entry.subresource.is_none()
            && entry.manager.as_deref() != Some(FIELD_MANAGER)
    });
    applies.max_by_key(|entry| entry.time.as_ref().map(|time| time.0)).and_then(|entry| entry.manager.as_deref())
}

/// Removes fields that were applied before and are now omitted: null, in a merge patch (RFC 7386).
fn remove_dropped(last: &Value, wanted: &mut Value) {
    let (Some(last), Some(wanted)) = (last.as_object(), wanted.as_object_mut()) else { return };
    for (name, last) in last {
        match wanted.get_mut(name) {
            Some(wanted) => remove_dropped(last, wanted),
            None => {
                wanted.insert(name.clone(), Value::Null);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_applied_before_and_is_left_out_is_removed_at_any_depth_and_nothing_else() {
        let last = json!({"spec": {"replicas": 3, "resources": {"limits": {"cpu": "1"}}, "hosts": ["a"]}});
        let mut wanted = json!({"spec": {"resources": {"limits": {}}, "hosts": ["b"], "namespace": "n"}});
        remove_dropped(&last, &mut wanted);
        assert_eq!(
            wanted,
            json!({"spec": {"replicas": null, "resources": {"limits": {"cpu": null}}, "hosts": ["b"], "namespace": "n"}})
        );
    }
}
