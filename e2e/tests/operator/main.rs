//! The operator itself comes and goes. In a program of its own, which cargo runs after the other, and one test after the
//! other: what is written meanwhile must be nobody's but the operator's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "a manifest is written once, where it is used")]

#[path = "../common/mod.rs"]
mod common;

mod fleet;
mod operator;
mod restart;
mod takeover;
