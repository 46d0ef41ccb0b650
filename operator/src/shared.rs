//! Shared by the reconciles of all kinds. Nothing here depends on a kind.

pub mod apply;
pub mod attempts;
pub mod cache;
pub mod claim;
pub mod client;
pub mod conditions;
pub mod definitions;
pub mod difference;
pub mod error;
pub mod events;
pub mod freshness;
pub mod jitter;
pub mod leader;
pub mod locks;
pub mod metrics;
pub mod names;
pub mod ownership;
pub mod probes;
pub mod quantity;
pub mod reasons;
pub mod refusal;
pub mod rules;
pub mod schema;
pub mod secrets;
pub mod status;
pub mod watches;
