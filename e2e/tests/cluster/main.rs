//! End-to-end tests in a real cluster: API server, pods from the real images, an ingress controller, MariaDB and
//! PostgreSQL. Needs `dev/databases up`, `dev/cluster up`, `kubectl apply -k config/overlay` and their environment;
//! `make test` does all of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "manifests are written where they are used")]

mod admission;
mod applying;
mod autoscaling;
mod certificates;
mod changes;
mod deletion;
mod drift;
mod embedded;
mod exposure;
mod hosts;
mod identity;
mod login;
mod mariadb;
mod monitoring;
mod network;
mod openshift;
mod postgresql;
mod quiet;
mod refusals;
mod rotation;
mod samples;
mod secrets;
mod suspension;
mod troubles;
mod upgrades;
