//! The context of an apply.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::Semaphore;

use crate::shared::cache::ApplyCache;

pub struct ApplyContext<'a> {
    pub client: &'a Client,
    pub cache: &'a ApplyCache,
    /// The right to generate keys of OpenID Connect.
    pub oidc_keys: &'a Semaphore,
    pub now: Timestamp,
    /// The time between two reconciles while pods are refused.
    pub interval: Duration,
}
