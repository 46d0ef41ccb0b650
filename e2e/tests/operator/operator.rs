//! The operator's own pods and its Lease.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_auth_e2e::kube::{get, items, run};
use serde_json::Value;

const NAMESPACE: &str = "sc-auth-system";

/// Until it is dropped, no other test of this program runs.
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

/// The name of the pod that leads, empty where none does.
pub fn leader() -> String {
    let holder = identity();
    holder.split('_').next().unwrap().to_owned()
}

/// Who holds the Lease: differs after a restart in the same pod too.
pub fn identity() -> String {
    let lease = get("lease", "sc-auth-operator", NAMESPACE);
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// A release of the operator that brings that image of the server along.
pub fn offer(image: &str) {
    run(&["set", "env", "deployment/sc-auth-operator", "-n", NAMESPACE, &format!("SERVER_IMAGE={image}")]);
    rolled_out();
}

/// As it was installed.
pub fn offer_the_default() {
    offer(concat!("registry.example.com/sc-auth-server:", env!("CARGO_PKG_VERSION")));
}

pub fn delete(pod: &str) {
    run(&["delete", "pod", pod, "-n", NAMESPACE, "--wait=false"]);
}
