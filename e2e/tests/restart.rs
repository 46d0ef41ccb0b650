//! The operator comes and goes, and nothing happens. In a program of its own, which cargo runs after the other: what
//! is written meanwhile must be nobody's but the operator's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "a manifest is written once, where it is used")]

mod common;

use std::time::Duration;

use serde_json::json;

use common::audit::requests;
use common::kube::{Cleanup, apply, eventually, get, ready, run, scauth};

/// What the operator has written since line `from` of the audit log, and where that log ends now.
fn writes(from: usize) -> (Vec<String>, usize) {
    let (requests, end) = requests(from);
    let writes = requests.into_iter().filter(|request| request.is_write() && request.resource != "leases");
    (writes.map(|request| format!("{} {}", request.verb, request.uri)).collect(), end)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_writes_nothing_but_the_lease_and_restarts_no_pod() {
    let name = "e2e-restart";
    let _cleanup = Cleanup(name);
    let spec = json!({"database": {"embedded": {}}, "expose": {"ingress": {"host": "restart.example.com", "className": "traefik"}},
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}});
    apply(scauth(name, spec)).unwrap();
    ready(name);
    eventually("the ingress is admitted", 30, || common::kube::condition(name, "Exposed")["status"] == "True");
    std::thread::sleep(Duration::from_secs(2));
    let pod = common::kube::pods(name, name)[0]["metadata"]["uid"].clone();
    let before = get("scauth", name, name)["metadata"]["resourceVersion"].clone();

    let (_, from) = writes(0);
    run(&["rollout", "restart", "deployment", "sc-auth-operator", "-n", "sc-auth-system"]);
    run(&["rollout", "status", "deployment", "sc-auth-operator", "-n", "sc-auth-system", "--timeout=60s"]);
    let holder = || get("lease", "sc-auth-operator", "sc-auth-system")["spec"]["holderIdentity"].clone();
    let operator = || common::kube::items("pods", "sc-auth-system", "app.kubernetes.io/name=sc-auth-operator");
    eventually("the new one leads", 60, || {
        let pods = operator();
        pods.len() == 1
            && holder().as_str().is_some_and(|holder| holder.starts_with(pods[0]["metadata"]["name"].as_str().unwrap()))
    });
    // Long enough for it to have looked at everything.
    std::thread::sleep(Duration::from_secs(10));
    let (written, _) = writes(from);
    assert_eq!(written, Vec::<String>::new());
    assert_eq!(common::kube::pods(name, name)[0]["metadata"]["uid"], pod);
    assert_eq!(get("scauth", name, name)["metadata"]["resourceVersion"], before);
}
