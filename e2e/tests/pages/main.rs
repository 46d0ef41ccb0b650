//! What the pages say is pasted into a shell, block after block, as a reader does. Blocks marked `sh` are; those marked
//! `console` or `yaml` are for looking at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "a manifest is written once, where it is used")]

#[path = "../common/mod.rs"]
mod common;

mod clients;
mod links;
mod moving;
mod protecting;
mod pull_request;
mod turns;

use common::kube::run;
use common::shell::{blocks, paste, paste_with, programs};
use turns::{with_its_name_free, with_the_sample};

#[test]
fn the_quick_start() {
    let _turn = with_its_name_free();
    let said = paste(&blocks("docs/quick-start.md", ""));
    assert!(said.contains("\"username\":\"alice\"") && said.contains("refused, as it should be"), "{said}");
}

#[test]
fn the_login_of_the_readmes() {
    let _turn = with_the_sample();
    for (page, heading) in [("README.md", "## Log in"), ("README.id.md", "## Masuk")] {
        let said = paste(&blocks(page, heading)[..1]);
        assert!(said.contains("\"access_token\":"), "{page}: {said}");
    }
}

#[test]
fn day_two() {
    let _turn = with_the_sample();
    let said = paste(&blocks("docs/day-two.md", ""));
    assert!(said.contains("these wait to be changed: Deployment"), "{said}");
}

#[test]
fn what_the_status_says() {
    let _turn = with_the_sample();
    let said = paste(&blocks("docs/conditions.md", ""));
    assert!(said.contains("Ready=True Serving: "), "{said}");
}

/// The first block is for a cluster, the others for a server without one.
#[test]
fn keys() {
    let _turn = with_the_sample();
    let blocks = blocks("docs/keys.md", "");
    let said = paste(&blocks[..1]);
    assert!(said.contains("\"state\":\"current\""), "{said}");
    let begin = format!("cd \"$(mktemp -d)\"\nPATH={}:$PATH", programs());
    let end = "sc-auth-server keys list; rm -r \"$PWD\"".to_owned();
    let said = paste(&[&[begin][..], &blocks[1..], &[end]].concat());
    assert!(said.contains("is published") && said.contains("was dropped"), "{said}");
}

/// To the other name of the same image.
#[test]
fn upgrades() {
    let _turn = with_the_sample();
    let image = run(&["get", "scauth", "sc-auth", "-o", "jsonpath={.status.image}"]);
    let other = image.replace("registry.example.com/", "docker.io/local/");
    assert_ne!(image, other);
    paste_with(&[("NEW", &other)], &blocks("docs/upgrade.md", ""));
    assert_eq!(run(&["get", "scauth", "sc-auth", "-o", "jsonpath={.status.image}"]), image);
}

#[test]
fn passwords_and_guessing() {
    let _turn = with_the_sample();
    let said = paste(&blocks("docs/security.md", ""));
    let codes: Vec<_> = said.lines().filter_map(|line| line.split("\"code\":").nth(1)?.get(..3)).collect();
    let (guesses, then) = codes[1..].split_at(8);
    assert!(guesses.starts_with(&["422"; 5]) && guesses.ends_with(&["429"]), "{said}");
    assert_eq!(then, ["429", "200", "200", "200"], "{said}");
    assert!(said.contains("\"event\":\"login_failures_cleared\""), "{said}");
}

#[test]
fn backup_and_restore() {
    let _turn = with_its_name_free();
    paste(&blocks("docs/backup.md", ""));
}

#[test]
fn git_ops() {
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
    paste(&blocks("docs/monitoring.md", ""));
}
