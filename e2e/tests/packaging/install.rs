//! docs/install.md and docs/uninstall.md, and the demo in a cluster that is there already.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_auth_e2e::kube::{apply, ready, run, scauth};
use sc_auth_e2e::shell::{paste, section};
use serde_json::json;

const DEFINITION: &str = "scauths.sc-auth.io";

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
    let down = [demo.replace("make demo", "make demo-down")];
    // Not while it would take others along.
    apply(scauth("e2e-bystander", json!({"database": {"embedded": {}}}))).unwrap();
    let refusal = std::panic::catch_unwind(|| paste(&down)).unwrap_err();
    assert!(refusal.downcast_ref::<String>().unwrap().contains("e2e-bystander"));
    run(&["get", "scauth", "e2e-bystander", "sc-auth"]);
    run(&["delete", "scauth", "e2e-bystander"]);
    paste(&down);
    run(&["delete", "namespace", "e2e-bystander", "--ignore-not-found", "--wait=false"]);
    run(&["apply", "-k", "../config/overlay"]);
    run(&["rollout", "status", "deployment/sc-auth-operator", "-n", "sc-auth-system", "--timeout=240s"]);
}

#[test]
fn installing() {
    let _alone = alone();
    run(&["delete", "-k", "../config/overlay", "--ignore-not-found", "--timeout=240s"]);
    let page = "docs/install.md";
    let said = paste(&section(page, "## Helm", &[]));
    assert!(said.contains("successfully rolled out"), "{said}");
    let release = [("RELEASE", "sc-auth-operator"), ("NAMESPACE", "sc-auth-system")];
    let uninstall = "docs/uninstall.md";
    apply(scauth("e2e-removed", json!({"database": {"embedded": {}}}))).unwrap();
    ready("e2e-removed");
    paste(&section(uninstall, "## Delete each ScAuth", &[("NAME", "e2e-removed")]));
    let left = section(uninstall, "## Delete what a ScAuth left behind", &[("NAMESPACE", "e2e-removed")]);
    let said = paste(&left);
    assert!(said.contains("e2e-removed"), "the first block lists it: {said}");
    paste(&section(uninstall, "## Uninstall the release", &release));
    run(&["get", "crd", DEFINITION]);
    // Of another program's ScAuth; without an operator nobody would do its last work.
    assert_eq!(run(&["get", "scauth", "-o", "name"]), "");
    paste(&section(uninstall, "## Delete the definition, and every ScAuth with it", &[("DEFINITION", DEFINITION)]));
    let kustomize = section(page, "## kustomize", &[]);
    let said = paste(&kustomize);
    assert!(said.contains("successfully rolled out"), "{said}");
    let names = [("NAME", "sc-auth-operator"), ("NAMESPACE", "sc-auth-system")];
    paste(&section(uninstall, "## Remove a kustomize install", &names));
    run(&["get", "crd", DEFINITION]);
    let said = paste(&kustomize);
    assert!(said.contains("successfully rolled out"), "{said}");
}
