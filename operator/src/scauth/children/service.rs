//! The Services: one for the API, and one for health and metrics, which no ingress uses.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sc_auth_contract::places::{OPS_PORT, PORT};

use super::metadata::{annotations, owned, selector};
use crate::scauth::resolved::Resolved;

/// Distinguishes the two for a ServiceMonitor.
const COMPONENT: &str = "app.kubernetes.io/component";

pub fn build(resolved: &Resolved) -> Service {
    let wanted = &resolved.service;
    let mut spec = spec(resolved, "http", PORT);
    spec.type_ = Some(wanted.kind.unwrap_or_default().to_string());
    spec.load_balancer_class.clone_from(&wanted.load_balancer_class);
    spec.load_balancer_source_ranges =
        (!wanted.load_balancer_source_ranges.is_empty()).then(|| wanted.load_balancer_source_ranges.clone());
    spec.external_traffic_policy = wanted.external_traffic_policy.map(|policy| policy.to_string());
    spec.ports.iter_mut().flatten().for_each(|port| port.node_port = wanted.node_port);
    Service {
        metadata: ObjectMeta {
            annotations: annotations(&wanted.annotations),
            ..owned(resolved, &resolved.names.service())
        },
        spec: Some(spec),
        ..Service::default()
    }
}

/// Headless, so that each pod has its own address.
pub fn build_ops(resolved: &Resolved) -> Service {
    let mut metadata = owned(resolved, &resolved.names.ops_service());
    metadata.labels.get_or_insert_default().extend(component());
    Service {
        metadata,
        spec: Some(ServiceSpec { cluster_ip: Some("None".to_owned()), ..spec(resolved, "ops", OPS_PORT) }),
        ..Service::default()
    }
}

pub fn component() -> BTreeMap<String, String> {
    [(COMPONENT.to_owned(), "ops".to_owned())].into()
}

fn spec(resolved: &Resolved, name: &str, port: u16) -> ServiceSpec {
    ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        selector: Some(selector(resolved)),
        ports: Some(vec![ServicePort {
            name: Some(name.to_owned()),
            port: i32::from(port),
            protocol: Some("TCP".to_owned()),
            target_port: Some(IntOrString::String(name.to_owned())),
            ..ServicePort::default()
        }]),
        ..ServiceSpec::default()
    }
}
