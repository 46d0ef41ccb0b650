//! Leader election between two operators.

use std::process::Command;

use sc_auth_e2e::kube::{eventually, get, run};
use sc_auth_e2e::tenant::Tenant;

use crate::operator;

/// Kills the program of a pod, as the kernel does when memory runs out.
fn kill(pod: &str) {
    let pods = operator::pods();
    let pod = pods.iter().find(|other| other["metadata"]["name"] == pod).unwrap();
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap().replace("containerd://", "");
    let socket = std::env::var("SCDEV_CONTAINERD").expect("SCDEV_CONTAINERD is not set; run `make test`");
    let kill = ["-a", &socket, "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", &id];
    assert!(Command::new("ctr").args(kill).status().unwrap().success());
}

#[test]
fn after_a_kill_and_after_a_graceful_stop_another_leads() {
    let _alone = operator::alone();
    let name = "e2e-takeover";
    let tenant = Tenant::embedded(name);
    tenant.apply().ready();
    let pods = tenant.pod_uids();
    assert_eq!(operator::pods().len(), 2, "as it is installed");
    let service = format!("{name}-svc");
    let lose_the_service = || run(&["delete", "service", &service, "-n", name]);
    let is_back = || !get("service", &service, name).is_null();

    let (killed, identity) = (operator::leader(), operator::identity());
    kill(&killed);
    lose_the_service();
    // The killed operator may also lead again: it restarts in the same pod under another identity.
    eventually("another leads", || operator::identity() != identity && !operator::identity().is_empty());
    eventually("and works", is_back);
    operator::rolled_out();

    let stopped = operator::leader();
    operator::delete(&stopped);
    lose_the_service();
    eventually("another leads", || !operator::leader().is_empty() && operator::leader() != stopped);
    eventually("and works", is_back);
    assert_eq!(tenant.pod_uids(), pods, "clients of the API have not noticed");
}
