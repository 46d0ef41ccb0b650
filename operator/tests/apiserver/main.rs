//! The operator in process, against a real API server without a node. Needs `dev/apiserver up` and its environment;
//! `make test` does all of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "a manifest is written once, where it is used")]
#![allow(clippy::print_stderr, reason = "the suite says how many cases it tried")]

mod balancers;
mod blocked;
mod diff_notes;
mod diffs;
mod entry_points;
mod exposure;
mod faults;
mod fields;
mod harness;
mod identity;
mod managers;
mod misuse;
mod misuse_of_children;
mod named;
mod openid;
mod openshift;
mod races;
mod refusals;
mod requests;
mod storage;
mod strangers;
mod termination;
mod troubles;
mod upgrades;
mod volumes;
