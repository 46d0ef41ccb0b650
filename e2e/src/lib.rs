//! Helpers of the end-to-end tests in a real cluster: kubectl, a client of the API, databases, and the shell blocks of
//! the pages. The tests themselves are in `tests/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test may end at the first surprise"
)]
#![allow(clippy::needless_pass_by_value, reason = "manifests are written where they are used")]
#![allow(clippy::must_use_candidate, reason = "a test may run a command only for its effect")]

pub mod audit;
pub mod client;
pub mod database;
pub mod kube;
#[cfg(test)]
mod layers;
pub mod manifests;
pub mod shell;
pub mod tenant;
#[cfg(test)]
mod version;
