//! Pods that cannot start, and the reasons in the status.

use sc_auth_e2e::kube::{condition, eventually, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

#[test]
fn the_reason_why_a_pod_cannot_start_is_named() {
    let name = "e2e-troubles";
    let tenant = Tenant::embedded(name);
    let volume = |mut source: Value| {
        source["name"] = json!("more");
        json!({"volumes": [source], "volumeMounts": [{"name": "more", "mountPath": "/more"}]})
    };
    let no_map = volume(json!({"configMap": {"name": "no-such-map"}}));
    let items = json!([{"key": "no-such-key", "path": "a"}]);
    let no_key = volume(json!({"secret": {"secretName": format!("{name}-secret"), "items": items}}));
    let env = |variable: Value| json!({"podTemplate": {"env": [variable]}});
    let wrong = json!({"name": "SC_AUTH_AUDIT_RETENTION", "value": "soon"});
    let lost = json!({"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "url"}}});
    for (patch, reason, words) in [
        (json!({"image": "registry.example.com/no-such-image:1"}), "ImagePullFailed", "no-such-image"),
        (json!({"podTemplate": {"nodeSelector": {"no": "such-node"}}}), "Unschedulable", "node"),
        (json!({"podTemplate": no_map}), "ConfigMapNotFound", "no-such-map"),
        (json!({"podTemplate": no_key}), "MountFailed", "no-such-key"),
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

/// No pod is short of memory here: the test writes what a kubelet reports of one that was.
#[test]
fn a_kill_for_lack_of_memory_is_reported_as_such() {
    let name = "e2e-memory";
    let tenant = Tenant::embedded(name);
    tenant.apply_with(json!({"podTemplate": {"nodeSelector": {"no": "such-node"}}}));
    eventually("the pod waits for a node", || condition(name, "Ready")["reason"] == "Unschedulable");
    let pod = tenant.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let log = json!({"level": "INFO", "message": "listening"}).to_string();
    let status = json!({"status": {"containerStatuses": [{
        "name": "server", "image": "", "imageID": "", "ready": false, "restartCount": 1,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": log}},
    }]}});
    run(&["patch", "pod", &pod, "-n", name, "--subresource", "status", "--type", "merge", "-p", &status.to_string()]);
    eventually("it is reported", || condition(name, "Ready")["reason"] == "OutOfMemory");
    let message = condition(name, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("raise spec.resources.limits.memory"), "{message}");
    assert_ne!(condition(name, "DatabaseReady")["status"], "False");
    tenant.apply().ready();
}
