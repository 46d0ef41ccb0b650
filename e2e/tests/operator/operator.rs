//! The operator's own pods and its Lease.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_auth_e2e::kube::{get, items, run};
use serde_json::Value;

const NAMESPACE: &str = "sc-auth-system";

/// Excludes the other tests of this program until it is dropped.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn rolled_out() {
    run(&["rollout", "status", "deployment", "sc-auth-operator", "-n", NAMESPACE, "--timeout=240s"]);
}

pub fn pods() -> Vec<Value> {
    items("pods", NAMESPACE, "app.kubernetes.io/name=sc-auth-operator")
}

/// The name of the leader's pod; empty without a leader.
pub fn leader() -> String {
    let holder = identity();
    holder.split('_').next().unwrap().to_owned()
}

/// The holder of the Lease, which also changes with a restart in the same pod.
pub fn identity() -> String {
    let lease = get("lease", "sc-auth-operator", NAMESPACE);
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// Installs a release of the operator with this image of the server.
pub fn offer(image: &str) {
    run(&["set", "env", "deployment/sc-auth-operator", "-n", NAMESPACE, &format!("SERVER_IMAGE={image}")]);
    rolled_out();
}

/// Restores the installed release.
pub fn offer_the_default() {
    offer(concat!("registry.example.com/sc-auth-server:", env!("CARGO_PKG_VERSION")));
}

pub fn delete(pod: &str) {
    run(&["delete", "pod", pod, "-n", NAMESPACE, "--wait=false"]);
}
