//! `spec.suspend`: the operator changes nothing, and the status says so.

use sc_auth_e2e::kube::{condition, eventually, get, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

#[test]
fn a_suspended_scauth_is_not_applied_until_it_is_resumed() {
    let name = "e2e-suspension";
    let tenant = Tenant::embedded(name);
    let apply = |suspend: bool, memory: &str| {
        tenant.apply_with(json!({"suspend": suspend, "resources": {"limits": {"memory": memory}}}))
    };
    apply(false, "128Mi").ready();
    apply(true, "128Mi");
    eventually("Ready says that it is suspended", || {
        let ready = condition(name, "Ready");
        (&ready["status"], &ready["reason"]) == (&json!("True"), &json!("Suspended"))
    });
    run(&["delete", "service", &format!("{name}-svc"), "-n", name]);
    apply(true, "160Mi");
    eventually("what waits is named", || {
        let ready = condition(name, "Ready");
        let message = ready["message"].as_str().unwrap_or_default().to_owned();
        ready["status"] == "False" && message.contains("Service, Deployment")
    });
    assert!(get("service", &format!("{name}-svc"), name).is_null());
    apply(false, "160Mi").ready();
    assert!(!get("service", &format!("{name}-svc"), name).is_null());
    let deployment = get("deployment", name, name);
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"], "160Mi");
}
