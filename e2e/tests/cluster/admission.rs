//! A refusal by a quota or a policy is reported in a condition with its message, and ends with its cause.

use sc_auth_e2e::kube::{apply, condition, eventually, kubectl, lend_namespace, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

fn quota(namespace: &str, hard: Value) {
    apply(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota", "namespace": namespace}, "spec": {"hard": hard},
    }))
    .unwrap();
    eventually("the quota is counted", || {
        let quota = sc_auth_e2e::kube::get("resourcequota", "quota", namespace);
        quota["status"]["hard"] == hard
    });
}

/// Waits for a reason, and returns the message.
fn not_ready(name: &str, reason: &str) -> String {
    eventually(reason, || condition(name, "Ready")["reason"] == reason);
    condition(name, "Ready")["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_quota_on_pods_is_named_and_raising_it_is_enough() {
    let name = "e2e-quota-pods";
    let tenant = Tenant::embedded(name);
    lend_namespace(name);
    quota(name, json!({"pods": "0"}));
    tenant.apply();
    let message = not_ready(name, "PodsRefused");
    assert!(message.contains("exceeded quota: quota") && message.contains("limited: pods=0"), "{message}");
    assert_eq!(condition(name, "Stalled")["status"], "False", "it can pass by itself");
    quota(name, json!({"pods": "2"}));
    tenant.ready();
}

#[test]
fn a_quota_on_a_child_is_named_and_raising_it_is_enough() {
    let name = "e2e-quota-services";
    let tenant = Tenant::embedded(name);
    lend_namespace(name);
    quota(name, json!({"services": "0"}));
    tenant.apply();
    let message = not_ready(name, "QuotaExceeded");
    assert!(
        message.contains("Service e2e-quota-services-svc") && message.contains("exceeded quota: quota"),
        "{message}"
    );
    quota(name, json!({"services": "2"}));
    tenant.ready();
}

#[test]
fn the_message_of_a_policy_on_pods_is_reported() {
    let name = "e2e-policy";
    let tenant = Tenant::embedded(name);
    lend_namespace(name);
    let metadata = json!({"name": name});
    apply(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": metadata,
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
            }]},
            "validations": [{
                "expression": format!("object.metadata.namespace != '{name}' || 'team' in object.metadata.labels"),
                "message": "label your pods with a team",
            }],
        },
    }))
    .unwrap();
    apply(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata,
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }))
    .unwrap();
    // The API server applies a policy a moment later: a dry-run pod shows when.
    let probe = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": name, "labels": {"app": "probe"}},
        "spec": {"containers": [{"name": "probe", "image": "docker.io/local/busybox:1"}]}});
    eventually("the policy is in force", || {
        let output = kubectl(&["create", "--dry-run=server", "-f", "-"], &probe.to_string());
        String::from_utf8_lossy(&output.stderr).contains("label your pods with a team")
    });
    tenant.apply();
    let message = not_ready(name, "PodsRefused");
    assert!(message.contains("label your pods with a team"), "{message}");
    tenant.apply_with(json!({"podTemplate": {"labels": {"team": "billing"}}})).ready();
    assert_eq!(tenant.pods()[0]["metadata"]["labels"]["team"], "billing");
    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
        run(&["delete", kind, name]);
    }
}
