//! docs/install.md, and the demo in a cluster that is there already.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::common::kube::run;
use crate::common::shell::{blocks, paste};

/// Until it is dropped, nobody else takes the operator out and puts it in again.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `make demo` in a cluster that is there already, with images of another registry.
#[test]
fn the_demo_in_a_cluster_of_one_s_own() {
    let _alone = alone();
    let demo = "CLUSTER=current REGISTRY=docker.io/local make demo".to_owned();
    let said = paste(std::slice::from_ref(&demo));
    assert!(said.contains("\"access_token\":"), "{said}");
    let image = ["get", "deployment", "sc-auth-operator", "-n", "sc-auth-system", "-o", "jsonpath={..image}"];
    assert!(run(&image).starts_with("docker.io/local/sc-auth-operator:"));
    assert!(run(&["get", "scauth", "sc-auth", "-o", "jsonpath={.status.image}"]).starts_with("docker.io/local/"));
    paste(&[demo.replace("make demo", "make demo-down")]);
    run(&["apply", "-k", "../config/overlay"]);
    run(&["rollout", "status", "deployment/sc-auth-operator", "-n", "sc-auth-system", "--timeout=120s"]);
}

#[test]
fn installing() {
    let _alone = alone();
    run(&["delete", "-k", "../config/overlay", "--ignore-not-found", "--timeout=120s"]);
    let said = paste(&blocks("docs/install.md", ""));
    assert!(said.contains("successfully rolled out"), "{said}");
}
