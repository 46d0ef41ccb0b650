//! kubectl, the API as a client sees it, and databases: what the tests share.
#![allow(dead_code, reason = "each test program uses its part of it")]

pub mod audit;
pub mod client;
pub mod database;
pub mod kube;
pub mod manifests;
pub mod shell;
