//! Whole operators in process, against a real API server without a node; they reconcile all that they find, so one test
//! runs after the other. Needs `dev/apiserver up` and its environment; `make test` does all of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "a manifest is written once, where it is used")]

#[path = "../apiserver/harness.rs"]
#[expect(dead_code, reason = "each test program uses its part of it")]
mod harness;

mod claim;
mod classes;
mod definitions;
mod echoes;
mod hosts;
mod leader;
mod measures;
mod mounts;
mod operators;
mod pods;
mod rights;
mod watches;
