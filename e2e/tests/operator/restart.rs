//! A restart of the operator: nothing happens.

use std::time::Duration;

use sc_auth_e2e::audit::{requests, wait_for_silence};
use sc_auth_e2e::kube::{Cleanup, apply, condition, eventually, get, pods, ready, run, scauth};
use serde_json::{Value, json};

use crate::operator;

/// What the operator has written since line `from` of the audit log, and where that log ends now.
fn writes(from: usize) -> (Vec<String>, usize) {
    let (requests, end) = requests(from);
    let writes = requests.into_iter().filter(|request| request.is_write() && request.resource != "leases");
    (writes.map(|request| format!("{} {}", request.verb, request.uri)).collect(), end)
}

#[test]
fn a_restart_writes_nothing_but_the_lease_and_restarts_no_pod() {
    let _alone = operator::alone();
    let name = "e2e-restart";
    let _cleanup = Cleanup(name);
    let spec = json!({"database": {"embedded": {}}, "expose": {"ingress": {"host": "restart.example.com", "className": "traefik"}},
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}});
    apply(scauth(name, spec)).unwrap();
    ready(name);
    eventually("the ingress is admitted", || condition(name, "Exposed")["status"] == "True");
    wait_for_silence(name);
    let pod = pods(name, name)[0]["metadata"]["uid"].clone();
    let before = get("scauth", name, name)["metadata"]["resourceVersion"].clone();

    let (_, from) = writes(0);
    let old: Vec<_> = operator::pods().iter().map(|pod| pod["metadata"]["name"].clone()).collect();
    run(&["rollout", "restart", "deployment", "sc-auth-operator", "-n", "sc-auth-system"]);
    operator::rolled_out();
    eventually("a new one leads", || {
        let pods = operator::pods();
        let is_leading = |pod: &Value| pod["metadata"]["name"] == operator::leader();
        !pods.iter().any(|pod| old.contains(&pod["metadata"]["name"])) && pods.iter().any(is_leading)
    });
    // Long enough for it to have looked at everything.
    std::thread::sleep(Duration::from_secs(10));
    let (written, _) = writes(from);
    assert_eq!(written, Vec::<String>::new());
    assert_eq!(pods(name, name)[0]["metadata"]["uid"], pod);
    assert_eq!(get("scauth", name, name)["metadata"]["resourceVersion"], before);
}
