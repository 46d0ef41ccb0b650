//! When nothing changes, nothing is written and next to nothing read: from the API server's audit log.

use std::time::Duration;

use serde_json::json;

use crate::common::audit::requests;
use crate::common::kube::{Cleanup, apply, ready, scauth};

/// The operator's requests that concern this ScAuth, as verbs and paths.
fn requests_for(name: &str) -> Vec<String> {
    let concern = requests(0).0.into_iter().filter(|request| request.uri.contains(name));
    concern.map(|request| format!("{} {}", request.verb, request.uri)).collect()
}

#[test]
fn a_scauth_that_is_well_costs_nothing() {
    let name = "e2e-quiet";
    let _cleanup = Cleanup(name);
    apply(scauth(name, json!({"database": {"embedded": {}}}))).unwrap();
    ready(name);
    // The last events of the start.
    std::thread::sleep(Duration::from_secs(10));
    let before = requests_for(name).len();
    std::thread::sleep(Duration::from_secs(40));
    let after = requests_for(name);
    assert_eq!(after[before..], [""; 0], "in 40 seconds");
    assert!(before > 10, "the log has the operator's requests");
}
