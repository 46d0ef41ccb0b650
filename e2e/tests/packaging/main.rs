//! The chart and the kustomize bases: that they say the same, refuse nonsense, and do in a real cluster what people use
//! them for. In a program of its own, since it takes the operator out and puts it in again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

mod chart;
mod compose;
mod helm;
mod image;
mod install;
mod reference;
mod release;
mod values;
