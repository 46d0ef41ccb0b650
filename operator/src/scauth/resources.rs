//! Resource requests and limits of the pods.

use crate::api::{Amounts, Resources};

/// An amount of each resource.
#[derive(Debug, Clone)]
pub struct Amount {
    pub cpu: String,
    pub memory: String,
}

impl Amount {
    fn of(wanted: Option<Amounts>, cpu: &str, memory: &str) -> Self {
        let wanted = wanted.unwrap_or_default();
        Self {
            cpu: wanted.cpu.unwrap_or_else(|| cpu.to_owned()),
            memory: wanted.memory.unwrap_or_else(|| memory.to_owned()),
        }
    }
}

#[derive(Debug, Clone)]
pub struct PodResources {
    pub limits: Amount,
    pub requests: Amount,
}

impl PodResources {
    pub fn of(wanted: Option<&Resources>) -> Self {
        let wanted = wanted.cloned().unwrap_or_default();
        Self {
            limits: Amount::of(wanted.limits, "500m", "128Mi"),
            requests: Amount::of(wanted.requests, "50m", "64Mi"),
        }
    }
}
