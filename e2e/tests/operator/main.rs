//! The operator is restarted and replaced. A separate program, which runs one test after another: all writes meanwhile
//! must be the operator's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

mod fleet;
mod operator;
mod restart;
mod takeover;
