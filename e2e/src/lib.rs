//! What the tests of the whole in a real cluster share: kubectl, the API as a client sees it, databases, and the pages'
//! blocks. The tests themselves lie in `tests/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test may end at the first surprise"
)]
#![allow(clippy::needless_pass_by_value, reason = "a manifest is written once, where it is used")]
#![allow(clippy::must_use_candidate, reason = "a test may run a command for its effect alone")]

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
