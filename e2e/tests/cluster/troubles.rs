//! Pods that cannot start, each for a reason of its own that the status names.

use sc_auth_e2e::kube::{Cleanup, apply, condition, eventually, ready, scauth};
use serde_json::{Value, json};

fn with(more: Value) -> Value {
    let mut spec = json!({"database": {"embedded": {}}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

#[test]
fn what_keeps_a_pod_from_starting_is_named() {
    let name = "e2e-troubles";
    let _cleanup = Cleanup(name);
    let volume = json!({
        "volumes": [{"name": "more", "configMap": {"name": "no-such-map"}}],
        "volumeMounts": [{"name": "more", "mountPath": "/more"}],
    });
    let env = |variable: Value| with(json!({"podTemplate": {"env": [variable]}}));
    let wrong = json!({"name": "SC_AUTH_AUDIT_RETENTION", "value": "soon"});
    let lost = json!({"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "url"}}});
    for (spec, reason, words) in [
        (with(json!({"image": "registry.example.com/no-such-image:1"})), "ImagePullFailed", "no-such-image"),
        (with(json!({"podTemplate": {"nodeSelector": {"no": "such-node"}}})), "Unschedulable", "node"),
        (with(json!({"podTemplate": volume})), "MountFailed", "no-such-map"),
        (env(wrong), "StartFailed", "SC_AUTH_AUDIT_RETENTION: invalid value 'soon'"),
        (env(lost), "StartFailed", "no-such-secret"),
    ] {
        apply(scauth(name, spec)).unwrap();
        eventually(&format!("{reason} about {words}"), || {
            let ready = condition(name, "Ready");
            ready["reason"] == reason && ready["message"].as_str().unwrap().contains(words)
        });
    }
    apply(scauth(name, with(json!({})))).unwrap();
    ready(name);
}
