//! `spec.suspend`: hands off, and the status says so.

use sc_auth_e2e::kube::{Cleanup, apply, condition, eventually, get, ready, run, scauth};
use serde_json::json;

#[test]
fn nothing_is_applied_while_it_is_suspended_and_all_of_it_afterwards() {
    let name = "e2e-suspension";
    let _cleanup = Cleanup(name);
    let spec = |suspend: bool, memory: &str| json!({"database": {"embedded": {}}, "suspend": suspend, "resources": {"limits": {"memory": memory}}});
    apply(scauth(name, spec(false, "128Mi"))).unwrap();
    ready(name);
    apply(scauth(name, spec(true, "128Mi"))).unwrap();
    eventually("Ready says that it is suspended", || {
        let ready = condition(name, "Ready");
        (&ready["status"], &ready["reason"]) == (&json!("True"), &json!("Suspended"))
    });
    run(&["delete", "service", &format!("{name}-svc"), "-n", name]);
    apply(scauth(name, spec(true, "160Mi"))).unwrap();
    eventually("what waits is named", || {
        let ready = condition(name, "Ready");
        let message = ready["message"].as_str().unwrap_or_default().to_owned();
        ready["status"] == "False" && message.contains("Service, Deployment")
    });
    assert!(get("service", &format!("{name}-svc"), name).is_null());
    apply(scauth(name, spec(false, "160Mi"))).unwrap();
    ready(name);
    assert!(!get("service", &format!("{name}-svc"), name).is_null());
    let deployment = get("deployment", name, name);
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"], "160Mi");
}
