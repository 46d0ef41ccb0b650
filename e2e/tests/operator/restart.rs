//! Restarting the operator changes nothing.

use sc_auth_e2e::audit::{Request, requests, wait_for_silence};
use sc_auth_e2e::kube::{eventually, get, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

use crate::operator;

/// The operator's writes since line `from` of the audit log, and the present end of the log.
fn writes(from: usize) -> (Vec<String>, usize) {
    let (requests, end) = requests(from);
    let writes = requests.into_iter().filter(|request| request.is_write() && request.resource != "leases");
    (writes.map(|request| format!("{} {}", request.verb, request.uri)).collect(), end)
}

#[test]
fn a_restart_writes_nothing_but_the_lease_and_restarts_no_pod() {
    let _alone = operator::alone();
    let name = "e2e-restart";
    let resources = json!({"resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}});
    let tenant = Tenant::embedded(name).host("restart.example.com").with(resources);
    tenant.apply().ready();
    eventually("the ingress is admitted", || tenant.condition("Exposed")["status"] == "True");
    wait_for_silence(name);
    let pods = tenant.pod_uids();
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
    let looks = |request: &Request| request.verb == "get" && request.uri.contains(&format!("deployments/{name}"));
    eventually("the new one has looked at it", || requests(from).0.iter().any(looks));
    wait_for_silence(name);
    let (written, _) = writes(from);
    assert_eq!(written, Vec::<String>::new());
    assert_eq!(tenant.pod_uids(), pods);
    assert_eq!(get("scauth", name, name)["metadata"]["resourceVersion"], before);
}
