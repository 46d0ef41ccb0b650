//! What the pages share: the operator that some of them take out and put in again, and the ScAuth of the first sample.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::common::kube::{kubectl, ready, run};
use crate::shell::paste;

static OPERATOR: RwLock<()> = RwLock::new(());
static SAMPLE: Mutex<()> = Mutex::new(());

/// Until it is dropped, no other page is tried.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    let alone = OPERATOR.write().unwrap_or_else(PoisonError::into_inner);
    remove_the_sample();
    alone
}

/// Until it is dropped, the operator stays; others are tried meanwhile. Each test has a thread of its own, so that it may
/// be held while that waits.
pub struct Beside(#[expect(dead_code, reason = "held until it is dropped")] RwLockReadGuard<'static, ()>);

pub fn beside_others() -> Beside {
    Beside(OPERATOR.read().unwrap_or_else(PoisonError::into_inner))
}

/// The name and the namespace of the first sample, with nobody in them.
pub fn with_its_name_free() -> Turn {
    let turn = take_turn();
    remove_the_sample();
    turn
}

/// The ScAuth of the first sample, just as it is written there. It stays for the next page.
pub fn with_the_sample() -> Turn {
    let turn = take_turn();
    let file = "../config/samples/embedded.yaml";
    if !kubectl(&["replace", "-f", file], "").status.success() {
        run(&["create", "-f", file]);
    }
    ready("sc-auth");
    run(&["wait", "--for=condition=Exposed", "scauth/sc-auth", "--timeout=2m"]);
    // The ingress controller lets clients in a moment later.
    let address = std::env::var("SCDEV_INGRESS").unwrap();
    let curl = "curl -sSf -o /dev/null --retry 30 --retry-delay 1 --retry-all-errors --resolve";
    paste(&[format!("{curl} sc-auth.io:80:{address} http://sc-auth.io/")]);
    turn
}

/// Until it is dropped, the ScAuth of the first sample is this page's.
pub struct Turn {
    _operator: Beside,
    _sample: MutexGuard<'static, ()>,
}

fn take_turn() -> Turn {
    let sample = SAMPLE.lock().unwrap_or_else(PoisonError::into_inner);
    Turn { _operator: beside_others(), _sample: sample }
}

fn remove_the_sample() {
    run(&["delete", "scauth", "sc-auth", "--ignore-not-found"]);
    // A namespace takes longer to go while there are pods in it.
    kubectl(&["wait", "--for=delete", "pod", "--all", "-n", "sc-auth", "--timeout=60s"], "");
    run(&["delete", "namespace", "sc-auth", "--ignore-not-found"]);
}
