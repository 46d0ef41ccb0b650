//! What the pages say is pasted into a shell, block after block, as a reader does. Blocks marked `sh` are; those marked
//! `console` or `yaml` are for looking at. One page after the other: they use the names that people use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "a manifest is written once, where it is used")]

#[path = "../common/mod.rs"]
mod common;

mod clients;
mod links;
mod pull_request;
mod shell;

use common::kube::run;
use shell::{alone, blocks, paste, programs};

#[test]
fn the_quick_start() {
    let _alone = alone();
    let said = paste(&blocks("docs/quick-start.md", ""));
    assert!(said.contains("\"username\":\"alice\"") && said.contains("refused, as it should be"), "{said}");
}

/// With the ScAuth of the first sample, until the page is tried.
fn beside_the_sample(try_page: impl FnOnce()) {
    let _alone = alone();
    run(&["apply", "-f", "../config/samples/embedded.yaml"]);
    run(&["wait", "--for=condition=Exposed", "scauth/sc-auth", "--timeout=2m"]);
    // The ingress controller lets clients in a moment later.
    let address = std::env::var("SCDEV_INGRESS").unwrap();
    let curl = "curl -sSf -o /dev/null --retry 30 --retry-delay 1 --retry-all-errors --resolve";
    paste(&[format!("{curl} sc-auth.io:80:{address} http://sc-auth.io/")]);
    try_page();
    run(&["delete", "scauth", "sc-auth"]);
    run(&["delete", "namespace", "sc-auth"]);
}

#[test]
fn the_login_of_the_readmes() {
    beside_the_sample(|| {
        for (page, heading) in [("README.md", "## Log in"), ("README.id.md", "## Masuk")] {
            let said = paste(&blocks(page, heading)[..1]);
            assert!(said.contains("\"access_token\":"), "{page}: {said}");
        }
    });
}

#[test]
fn day_two() {
    beside_the_sample(|| {
        let said = paste(&blocks("docs/day-two.md", ""));
        assert!(said.contains("\"state\":\"current\""), "{said}");
    });
}

#[test]
fn backup_and_restore() {
    let _alone = alone();
    paste(&blocks("docs/backup.md", ""));
}

#[test]
fn git_ops() {
    let _alone = alone();
    let said = paste(&blocks("docs/gitops.md", ""));
    assert!(said.contains("nothing differs"), "{said}");
}

/// On a laptop, without a cluster.
#[test]
fn users_in_files() {
    let admin = "echo 'correct horse battery' | sc-auth-server admin create bob --password-stdin";
    let begin = format!("cd \"$(mktemp -d)\"\nPATH={}:$PATH\n{admin}", programs());
    let end = "DATABASE_URL=sqlite:other.db sc-auth-server users export -; rm -r \"$PWD\"".to_owned();
    let said = paste(&[&[begin][..], &blocks("docs/users.md", ""), &[end]].concat());
    assert!(said.contains("\"username\":\"bob\""), "{said}");
}

#[test]
fn monitoring() {
    let _alone = alone();
    paste(&blocks("docs/monitoring.md", ""));
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
    run(&["apply", "-k", "../config/default"]);
    run(&["rollout", "status", "deployment/sc-auth-operator", "-n", "sc-auth-system", "--timeout=120s"]);
}

#[test]
fn installing() {
    let _alone = alone();
    run(&["delete", "-k", "../config/default", "--ignore-not-found", "--timeout=120s"]);
    let said = paste(&blocks("docs/install.md", ""));
    assert!(said.contains("successfully rolled out"), "{said}");
}
