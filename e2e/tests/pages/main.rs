//! Pastes the pages into a shell, block after block, like a reader: blocks marked `sh`, not those marked `console` or
//! `yaml`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

mod clients;
mod destroying;
mod examples;
mod libraries;
mod links;
mod login;
mod manifests;
mod moving;
mod protecting;
mod pull_request;
mod retrying;
mod services;
mod turns;

use std::time::{Duration, Instant};

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::kube::{condition, eventually, kubectl, run};
use sc_auth_e2e::shell::{blocks, paste, programs, section};
use serde_json::json;
use turns::{SAMPLE, with_its_name_free, with_the_sample};

/// The placeholders of the pages, for the ScAuth of the first sample.
const NAME: (&str, &str) = ("NAME", SAMPLE);

#[test]
fn the_quick_start() {
    let _turn = with_its_name_free();
    let page = "docs/quick-start.md";
    let parts = ["## Register and log in", "## Log out", "## Get the first Admin's password"]
        .map(|part| section(page, part, &[]));
    let begin = section(page, "# Quick start", &[]);
    let said = paste(&[&begin[..], &parts.concat()].concat());
    assert!(said.contains("\"username\":\"alice\"") && said.contains("refused, as expected"), "{said}");

    paste(&section(page, "## Delete the first Admin's Secret", &[NAME]));
    assert!(!kubectl(&["-n", SAMPLE, "get", "secret", "sc-auth-admin"], "").status.success());
    paste(&section(page, "## Delete a ScAuth", &[NAME]));
    run(&["-n", SAMPLE, "get", "secret", "sc-auth-secret"]);
    paste(&section(page, "## Delete the namespace", &[NAME]));
    assert!(!kubectl(&["get", "namespace", SAMPLE], "").status.success());
}

#[test]
fn the_login_of_the_readmes() {
    let _turn = with_the_sample();
    for (page, heading) in [("README.md", "## Log in"), ("README.id.md", "## Masuk")] {
        let said = paste(&section(page, heading, &[]));
        assert!(said.contains("\"access_token\":"), "{page}: {said}");
    }
}

#[test]
fn day_two() {
    let _turn = with_the_sample();
    let suspend = section("docs/day-two.md", "## Suspend a ScAuth", &[NAME]);
    paste(&suspend[..1]);
    // Keep it for now.
    run(&["-n", SAMPLE, "label", "deployment", SAMPLE, "app.kubernetes.io/name-"]);
    eventually("the status names it", || condition(SAMPLE, "Ready")["status"] == "False");
    let said = paste(&suspend[1..]);
    assert!(said.contains("changes to these are pending: Deployment"), "{said}");
    paste(&section("docs/day-two.md", "## Resume a ScAuth", &[NAME]));
}

#[test]
fn conditions() {
    let _turn = with_the_sample();
    let said = paste(&blocks("docs/conditions.md", ""));
    assert!(said.contains("Ready=True Serving: "), "{said}");
}

#[test]
fn keys_in_a_cluster() {
    let _turn = with_the_sample();
    let said = paste(&section("docs/keys.md", "## Rotate keys in a cluster", &[NAME]));
    assert!(said.contains("\"state\":\"current\""), "{said}");
    paste(&section("docs/keys.md", "## Change the algorithm", &[NAME]));
    let keys = || run(&["get", "scauth", SAMPLE, "-o", "jsonpath={.status.keys[*].kid}"]);
    let leaked = keys().split(' ').next().unwrap().to_owned();
    paste(&section("docs/keys.md", "## Revoke a leaked key", &[NAME, ("KID", &leaked)]));
    eventually("it is gone", || !keys().contains(&leaked));
}

/// On a laptop, in a separate folder.
#[test]
fn keys_without_kubernetes() {
    let begin = format!("cd \"$(mktemp -d)\"\nPATH={}:$PATH", programs());
    let leaked =
        "KID=$(sc-auth-server keys list | awk '$2 == \"access\" && $4 == \"current\" { print $1 }')".to_owned();
    let end = "sc-auth-server keys list; rm -r \"$PWD\"".to_owned();
    let rotate = section("docs/keys.md", "## Rotate keys without Kubernetes", &[]);
    let revoke = section("docs/keys.md", "## Revoke a key without Kubernetes", &[("KID", "\"$KID\"")]);
    let said = paste(&[&[begin][..], &rotate, &[leaked], &revoke, &[end]].concat());
    assert!(said.contains("is published") && said.contains("was revoked"), "{said}");
}

/// Upgrades to the other name of the same image, and back.
#[test]
fn upgrades() {
    let _turn = with_the_sample();
    let page = "docs/upgrade.md";
    paste(&section(page, "## Upgrade the servers", &[]));
    let another = section(page, "## Run another image", &[]);
    let image = paste(&another[..1]);
    let other = image.replace("registry.example.com/", "docker.io/local/");
    assert_ne!(image, other);
    for wanted in [&other, &image] {
        paste(&section(page, "## Run another image", &[NAME, ("IMAGE", wanted)])[1..]);
        assert_eq!(run(&["get", "scauth", SAMPLE, "-o", "jsonpath={.status.image}"]), *wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_guessing() {
    let _turn = tokio::task::block_in_place(with_the_sample);
    let client = Client::at(turns::HOST);
    client.register("carol").await;
    let login = async |password: &str| {
        let body = json!({"username": "carol", "password": password});
        client.call("POST", "/api/v1/accounts/login", None, Some(body)).await.0
    };
    // Five failures cause no delay; after eight, the next attempt has to wait for several seconds.
    let started = Instant::now();
    let mut failures = 0;
    while failures < 8 {
        assert!(started.elapsed() < Duration::from_mins(2), "only {failures} guesses were tried");
        failures += usize::from(login("not hers").await == 422);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(login(PASSWORD).await, 429, "the right password has to wait too");
    let page = "docs/security.md";
    let said = tokio::task::block_in_place(|| paste(&section(page, "## Unlock a user", &[("USER", "carol")])));
    assert!(said.contains("\"event\":\"login_failures_cleared\""), "{said}");
    assert_eq!(login(PASSWORD).await, 200);
    tokio::task::block_in_place(|| paste(&section(page, "## Set stricter rules", &[NAME])));
}

#[test]
fn backup_and_restore() {
    let _turn = with_the_sample();
    let page = "docs/backup.md";
    paste(&section(page, "## Back up the keys and the ScAuth", &[]));
    run(&["delete", "scauth", SAMPLE]);
    paste(&section(page, "## Restore a ScAuth that was deleted by mistake", &[]));
    let saved = sc_auth_e2e::manifests::root().join("keys.yaml");
    let kept = std::fs::read_to_string(&saved).unwrap();
    let keys = run(&["-n", SAMPLE, "get", "secret", "sc-auth-secret", "-o", r"jsonpath={.data.keys\.json}"]);
    assert!(!keys.is_empty() && kept.contains(&keys), "the same keys as before");
    std::fs::remove_file(saved).unwrap();
    std::fs::remove_file(sc_auth_e2e::manifests::root().join("scauth.yaml")).unwrap();
}

#[test]
fn git_ops() {
    let said = paste(&blocks("docs/gitops.md", ""));
    assert!(said.contains("nothing differs"), "{said}");
    run(&["delete", "-f", "../config/samples/postgresql.yaml"]);
}

/// On a laptop, without a cluster.
#[test]
fn users_in_files() {
    let admin = "echo 'correct horse battery' | sc-auth-server admin create bob --password-stdin";
    let begin = format!("cd \"$(mktemp -d)\"\nPATH={}:$PATH\n{admin}", programs());
    let end = "DATABASE_URL=sqlite:other.db sc-auth-server users export -; rm -r \"$PWD\"".to_owned();
    let said = paste(&[&[begin][..], &section("docs/users.md", "# Import and export users", &[]), &[end]].concat());
    assert!(said.contains("\"username\":\"bob\""), "{said}");
}

#[test]
fn monitoring() {
    paste(&blocks("docs/monitoring.md", ""));
    run(&["delete", "namespace", "monitoring"]);
}
