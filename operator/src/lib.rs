//! sc-auth-operator: keeps one auth API for each ScAuth object. A library only so that its tests can run it in process,
//! against a real API server.
#![allow(missing_docs, clippy::must_use_candidate, reason = "nobody builds on it; what users read is in api/")]

pub mod api;
pub mod child;
pub mod client;
pub mod conditions;
pub mod controller;
pub mod definitions;
pub mod diff;
pub mod freshness;
pub mod health;
pub mod leader;
pub mod metrics;
pub mod names;
pub mod poll;
pub mod probes;
pub mod quantity;
pub mod reasons;
pub mod reconcile;
pub mod release;
pub mod release_args;
pub mod render;
pub mod rollout;
pub mod run;
