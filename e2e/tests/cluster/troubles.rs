//! Pods that cannot start, and the reasons in the status.

use sc_auth_e2e::kube::{condition, eventually};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

#[test]
fn the_reason_why_a_pod_cannot_start_is_named() {
    let name = "e2e-troubles";
    let tenant = Tenant::embedded(name);
    let volume = json!({
        "volumes": [{"name": "more", "configMap": {"name": "no-such-map"}}],
        "volumeMounts": [{"name": "more", "mountPath": "/more"}],
    });
    let env = |variable: Value| json!({"podTemplate": {"env": [variable]}});
    let wrong = json!({"name": "SC_AUTH_AUDIT_RETENTION", "value": "soon"});
    let lost = json!({"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "url"}}});
    for (patch, reason, words) in [
        (json!({"image": "registry.example.com/no-such-image:1"}), "ImagePullFailed", "no-such-image"),
        (json!({"podTemplate": {"nodeSelector": {"no": "such-node"}}}), "Unschedulable", "node"),
        (json!({"podTemplate": volume}), "MountFailed", "no-such-map"),
        (env(wrong), "StartFailed", "SC_AUTH_AUDIT_RETENTION: invalid value 'soon'"),
        (env(lost), "StartFailed", "no-such-secret"),
    ] {
        tenant.apply_with(patch);
        eventually(&format!("{reason} about {words}"), || {
            let ready = condition(name, "Ready");
            ready["reason"] == reason && ready["message"].as_str().unwrap().contains(words)
        });
    }
    tenant.apply().ready();
}
