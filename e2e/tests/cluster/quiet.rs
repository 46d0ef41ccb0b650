//! While nothing changes, the operator writes nothing and reads almost nothing, according to the API server's audit
//! log.

use std::time::Duration;

use sc_auth_e2e::audit::{requests, wait_for_silence};
use sc_auth_e2e::kube::{apply, eventually, get, kubectl, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

/// The operator's requests that concern this ScAuth, as verbs and paths.
fn requests_for(name: &str) -> Vec<String> {
    let concern = requests(0).0.into_iter().filter(|request| request.uri.contains(name));
    concern.map(|request| format!("{} {}", request.verb, request.uri)).collect()
}

/// Fails if the operator sends a request about it within 40 seconds.
fn is_left_in_peace(name: &str) {
    wait_for_silence(name);
    let before = requests_for(name).len();
    assert!(before > 10, "the log has the operator's requests");
    std::thread::sleep(Duration::from_secs(40));
    assert_eq!(requests_for(name)[before..], [""; 0], "in 40 seconds");
}

#[test]
fn a_healthy_scauth_causes_no_requests() {
    let name = "e2e-quiet";
    let tenant = Tenant::embedded(name);
    tenant.apply().ready();
    is_left_in_peace(name);
}

/// Labels each Deployment, Service and pod in that namespace, as a policy engine does.
fn label_everything_in(namespace: &str) {
    let rule = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": resources});
    let expression = "Object{metadata: Object.metadata{labels: {'cost-center': '42'}}}";
    apply(json!({
        "apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {"resourceRules": [rule("apps", &["deployments"]), rule("", &["services", "pods"])]},
            "matchConditions": [{"name": "here", "expression": format!("object.metadata.namespace == '{namespace}'")}],
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        },
    }))
    .unwrap();
    apply(json!({
        "apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": namespace}, "spec": {"policyName": namespace},
    }))
    .unwrap();
    // The API server applies a policy a moment later: a dry-run Service shows when.
    let probe = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "probe", "namespace": namespace},
        "spec": {"ports": [{"port": 1}]}});
    eventually("the policy is in force", || {
        let output = kubectl(&["create", "--dry-run=server", "-f", "-", "-o", "json"], &probe.to_string());
        String::from_utf8_lossy(&output.stdout).contains("cost-center")
    });
}

#[test]
fn an_autoscaler_a_policy_engine_and_a_mesh_cause_no_requests_either() {
    let name = "e2e-company";
    let tenant = Tenant::postgres(name).with(json!({"autoscaling": {"min": 2, "max": 3}}));
    label_everything_in(name);
    tenant.apply().ready();
    // Like a mesh, or `kubectl rollout restart`.
    let annotations = json!({"spec": {"template": {"metadata": {"annotations": {"linkerd.io/inject": "disabled"}}}}});
    run(&["patch", "deployment", name, "-n", name, "--type", "merge", "-p", &annotations.to_string()]);
    eventually("the pods have the mesh's annotation and the policy's label", || {
        let pods = tenant.pods();
        pods.len() == 2
            && pods.iter().all(|pod| {
                let metadata = &pod["metadata"];
                metadata["annotations"]["linkerd.io/inject"] == "disabled" && metadata["labels"]["cost-center"] == "42"
            })
    });
    eventually("the autoscaler measures", || {
        let autoscaler = get("hpa", name, name);
        !autoscaler["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"].is_null()
    });
    tenant.ready();
    is_left_in_peace(name);
    let deployment = get("deployment", name, name);
    assert_eq!(deployment["metadata"]["labels"]["cost-center"], "42");
    assert_eq!(deployment["spec"]["template"]["metadata"]["annotations"]["linkerd.io/inject"], "disabled");
    for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
        run(&["delete", kind, name]);
    }
}
