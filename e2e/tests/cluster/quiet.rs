//! When nothing changes, nothing is written and next to nothing read: from the API server's audit log.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::kube::{Cleanup, apply, ready, scauth};

/// The operator's requests that concern this ScAuth, as verbs and paths.
fn requests(name: &str) -> Vec<String> {
    let path = std::env::var("SCDEV_AUDIT_LOG").unwrap();
    let log = std::fs::read_to_string(path).unwrap();
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = events.filter(|event| {
        event["user"]["username"] == "system:serviceaccount:sc-auth-system:sc-auth-operator"
            && event["requestURI"].as_str().unwrap_or_default().contains(name)
    });
    ours.map(|event| format!("{} {}", event["verb"].as_str().unwrap(), event["requestURI"].as_str().unwrap())).collect()
}

#[test]
fn a_scauth_that_is_well_costs_nothing() {
    let name = "e2e-quiet";
    let _cleanup = Cleanup(name);
    apply(scauth(name, json!({"database": {"embedded": {}}}))).unwrap();
    ready(name);
    // The last events of the start.
    std::thread::sleep(Duration::from_secs(10));
    let before = requests(name).len();
    std::thread::sleep(Duration::from_secs(40));
    let after = requests(name);
    assert_eq!(after[before..], [""; 0], "in 40 seconds");
    assert!(before > 10, "the log has the operator's requests");
}
