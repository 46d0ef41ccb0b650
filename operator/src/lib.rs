//! sc-auth-operator: keeps one auth API for each ScAuth object. It is a library only so that tests can run it in
//! process, against a real API server.
#![allow(missing_docs, clippy::must_use_candidate, reason = "nobody builds on it; what users read is in api/")]

pub mod api;
pub mod diff;
pub mod release_args;
pub mod render;
pub mod run;
pub mod scauth;
pub mod shared;
