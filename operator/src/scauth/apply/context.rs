//! The context of an apply.

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use crate::shared::cache::ApplyCache;

pub struct ApplyContext<'a> {
    pub client: &'a Client,
    pub cache: &'a ApplyCache,
    pub now: Timestamp,
}
