//! The chart and the kustomize bases: they install the same objects, refuse invalid values, and work in a real cluster.
//! A separate program, because it reinstalls the operator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

mod chart;
mod compose;
mod helm;
mod image;
mod install;
mod reference;
mod release;
mod values;
