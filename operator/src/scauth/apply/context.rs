//! The context of an apply.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use crate::shared::cache::ApplyCache;

pub struct ApplyContext<'a> {
    pub client: &'a Client,
    pub cache: &'a ApplyCache,
    pub now: Timestamp,
    /// The time between two reconciles while pods are refused.
    pub interval: Duration,
}
