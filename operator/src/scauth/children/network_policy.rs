//! The NetworkPolicy: by default the API is open to all, health and metrics only to the operator. The kubelet's probes
//! come from the node, which no policy blocks.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sc_auth_contract::places::{OPS_PORT, PORT};

use super::metadata::{owned, selector};
use crate::scauth::names::FIELD_MANAGER;
use crate::scauth::resolved::Resolved;

pub fn build(resolved: &Resolved) -> NetworkPolicy {
    let wanted = resolved.network_policy.clone();
    let mut types = vec!["Ingress".to_owned()];
    let mesh = mesh(resolved);
    let mut egress = None;
    if !wanted.egress_to.is_empty() {
        types.push("Egress".to_owned());
        let mut rules = wanted.egress_to;
        rules.iter_mut().flat_map(|rule| &mut rule.ports).flatten().for_each(fill);
        rules.push(NetworkPolicyEgressRule { to: None, ports: Some(vec![port("UDP", 53), port("TCP", 53)]) });
        egress = Some(rules);
    }
    NetworkPolicy {
        metadata: owned(resolved, &resolved.names.scauth),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(matching(selector(resolved))),
            policy_types: Some(types),
            ingress: Some(
                [
                    NetworkPolicyIngressRule {
                        from: (!wanted.ingress_from.is_empty()).then_some(wanted.ingress_from),
                        ports: Some(vec![port("TCP", i32::from(PORT))]),
                    },
                    NetworkPolicyIngressRule {
                        from: Some(watchers(resolved)),
                        ports: Some(vec![port("TCP", i32::from(OPS_PORT))]),
                    },
                ]
                .into_iter()
                .chain(mesh)
                .collect(),
            ),
            egress,
        }),
    }
}

/// The ports of a service mesh carry the traffic of all other ports: those that can reach one of these can reach them.
fn mesh(resolved: &Resolved) -> Option<NetworkPolicyIngressRule> {
    let wanted = &resolved.network_policy;
    let from = || wanted.ingress_from.iter().cloned().chain(watchers(resolved)).collect();
    (!wanted.ingress_ports.is_empty()).then(|| NetworkPolicyIngressRule {
        from: (!wanted.ingress_from.is_empty()).then(from),
        ports: Some(wanted.ingress_ports.iter().map(|number| port("TCP", *number)).collect()),
    })
}

/// Peers that can reach health and metrics.
fn watchers(resolved: &Resolved) -> Vec<NetworkPolicyPeer> {
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(matching(
            [("kubernetes.io/metadata.name".to_owned(), resolved.operator_namespace.clone())].into(),
        )),
        pod_selector: Some(matching([("app.kubernetes.io/name".to_owned(), FIELD_MANAGER.to_owned())].into())),
        ip_block: None,
    };
    let others = resolved.monitoring.iter().flat_map(|monitoring| monitoring.from.iter().cloned());
    std::iter::once(operator).chain(others).collect()
}

fn matching(labels: std::collections::BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}

/// Adds the API server's defaults, so that nothing differs afterwards.
fn fill(port: &mut NetworkPolicyPort) {
    port.protocol.get_or_insert_with(|| "TCP".to_owned());
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort { protocol: Some(protocol.to_owned()), port: Some(IntOrString::Int(number)), end_port: None }
}
