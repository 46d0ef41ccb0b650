//! Pages that use the ScAuth of the first sample take turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_auth_e2e::kube::{kubectl, ready, run};
use sc_auth_e2e::shell::paste;

/// The name of the first sample's ScAuth.
pub const SAMPLE: &str = "sc-auth";
/// Its host name.
pub const HOST: &str = "auth.example.com";

static TURN: Mutex<()> = Mutex::new(());

/// The exclusive use of that ScAuth until it is dropped. Each test has its own thread, which may block while it waits.
pub struct Turn(#[expect(dead_code, reason = "held until it is dropped")] MutexGuard<'static, ()>);

fn take_turn() -> Turn {
    Turn(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A turn in which neither the ScAuth nor its namespace exists.
pub fn with_its_name_free() -> Turn {
    let turn = take_turn();
    run(&["delete", "scauth", SAMPLE, "--ignore-not-found"]);
    // Deleting a namespace takes longer while it has pods.
    kubectl(&["wait", "--for=delete", "pod", "--all", "-n", SAMPLE, "--timeout=240s"], "");
    run(&["delete", "namespace", SAMPLE, "--ignore-not-found"]);
    turn
}

/// A turn with the unchanged sample, which is kept for the next page.
pub fn with_the_sample() -> Turn {
    let turn = take_turn();
    let file = "../config/samples/embedded.yaml";
    if !kubectl(&["replace", "-f", file], "").status.success() {
        run(&["create", "-f", file]);
    }
    ready(SAMPLE);
    run(&["wait", "--for=condition=Exposed", "scauth/sc-auth", "--timeout=4m"]);
    // The ingress controller routes to it a moment later.
    let address = std::env::var("SCDEV_INGRESS").unwrap();
    let curl = "curl -sSf -o /dev/null --retry 30 --retry-delay 1 --retry-all-errors --resolve";
    paste(&[format!("{curl} {HOST}:80:{address} http://{HOST}/")]);
    turn
}
