//! The operator itself comes and goes. In a program of its own, which cargo runs after the other, and one test after the
//! other: what is written meanwhile must be nobody's but the operator's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

mod fleet;
mod operator;
mod restart;
mod takeover;
