//! docs/install.md and docs/uninstall.md, and the demo in an existing cluster.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_auth_e2e::kube::{apply, ready, run, scauth};
use sc_auth_e2e::shell::{paste, section};
use serde_json::json;

const DEFINITION: &str = "scauths.sc-auth.io";

/// Excludes other tests that reinstall the operator until it is dropped.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const DEMO: &str = "CLUSTER=current REGISTRY=docker.io/local make demo 2>&1";
const DOWN: &str = "CLUSTER=current make demo-down 2>&1";

fn demo() -> String {
    let said = paste(&[DEMO.to_owned()]);
    assert!(said.contains("\"access_token\":"), "{said}");
    said
}

fn image_of_the_operator() -> String {
    let output = ["-o", "jsonpath={..image}", "--ignore-not-found"];
    run(&[&["get", "deployment", "sc-auth-operator", "-n", "sc-auth-system"][..], &output].concat())
}

/// `make demo` in an existing cluster.
#[test]
fn the_demo_uses_the_operator_of_the_cluster_and_leaves_it_there() {
    let _alone = alone();
    let before = image_of_the_operator();
    let said = demo();
    assert!(said.contains("with the operator and the images of namespace sc-auth-system"), "{said}");
    assert_eq!(image_of_the_operator(), before);
    paste(&[DOWN.to_owned()]);
    assert_eq!(run(&["get", "scauth", "sc-auth", "--ignore-not-found"]), "");
    assert_eq!(run(&["get", "namespace", "sc-auth", "--ignore-not-found"]), "");
    assert_eq!(image_of_the_operator(), before);
}

#[test]
fn the_demo_deletes_only_what_it_installed() {
    let _alone = alone();
    let names = [("NAME", "sc-auth-operator"), ("NAMESPACE", "sc-auth-system")];
    paste(&section("docs/uninstall.md", "## Remove a kustomize install", &names));
    demo();
    assert!(image_of_the_operator().starts_with("docker.io/local/sc-auth-operator:"));
    assert!(run(&["get", "scauth", "sc-auth", "-o", "jsonpath={.status.image}"]).starts_with("docker.io/local/"));
    apply(scauth("e2e-bystander", json!({"database": {"embedded": {}}}))).unwrap();
    let said = paste(&[DOWN.to_owned()]);
    assert!(said.contains("these ScAuths need them: scauth.sc-auth.io/e2e-bystander"), "{said}");
    assert_ne!(image_of_the_operator(), "");
    run(&["delete", "scauth", "e2e-bystander"]);
    paste(&[DOWN.to_owned()]);
    assert_eq!(image_of_the_operator(), "");
    assert_eq!(run(&["get", "clusterrole", "sc-auth-operator", "--ignore-not-found"]), "");
    // The definition was there before the demo.
    run(&["get", "crd", DEFINITION]);
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
    let names = [("NAME", "e2e-removed"), ("NAMESPACE", "e2e-removed")];
    let own = section(uninstall, "## Delete what a ScAuth left in a namespace of your own", &names);
    let said = paste(&own);
    assert!(said.contains("e2e-removed-secret"), "the first block lists it: {said}");
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
