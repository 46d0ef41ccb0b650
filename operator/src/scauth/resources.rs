//! Resource requests and limits of the pods.

use crate::api::{self, Amounts, DEFAULT_LIMITS, DEFAULT_REQUESTS, Resources};
use crate::shared::quantity::Quantity;

/// An amount of each resource.
#[derive(Debug, Clone)]
pub struct Amount {
    pub cpu: String,
    pub memory: String,
    pub ephemeral_storage: Option<String>,
}

#[derive(Debug, Clone)]
pub struct PodResources {
    pub limits: Amount,
    pub requests: Amount,
}

impl PodResources {
    pub fn of(wanted: Option<&Resources>) -> Self {
        let Resources { limits, requests } = wanted.cloned().unwrap_or_default();
        let (cpu, memory, ephemeral_storage) = texts(limits);
        let limits = Amount {
            cpu: cpu.unwrap_or_else(|| DEFAULT_LIMITS.cpu.to_owned()),
            memory: memory.unwrap_or_else(|| DEFAULT_LIMITS.memory.to_owned()),
            ephemeral_storage,
        };
        let (cpu, memory, ephemeral_storage) = texts(requests);
        let requests = Amount {
            cpu: cpu.unwrap_or_else(|| at_most(DEFAULT_REQUESTS.cpu, &limits.cpu)),
            memory: memory.unwrap_or_else(|| at_most(DEFAULT_REQUESTS.memory, &limits.memory)),
            ephemeral_storage,
        };
        Self { limits, requests }
    }
}

fn texts(amounts: Option<Amounts>) -> (Option<String>, Option<String>, Option<String>) {
    let Amounts { cpu, memory, ephemeral_storage } = amounts.unwrap_or_default();
    let text = |amount: Option<api::Amount>| amount.map(|amount| amount.to_string());
    (text(cpu), text(memory), text(ephemeral_storage))
}

/// The default request, unless the limit is less: the API server would refuse the pods.
fn at_most(default: &str, limit: &str) -> String {
    let is_less = Quantity::parse(limit) < Quantity::parse(default);
    if is_less { limit } else { default }.to_owned()
}
