//! The Services: one for the API, and one, that no ingress ever uses, for health and metrics.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sc_auth_contract::places::{OPS_PORT, PORT};

use super::{Validated, owned, selector};

/// Tells the two apart, for a ServiceMonitor.
const COMPONENT: &str = "app.kubernetes.io/component";

pub fn build(validated: &Validated) -> Service {
    Service {
        metadata: owned(validated, &validated.names.service()),
        spec: Some(spec(validated, "http", PORT)),
        ..Service::default()
    }
}

/// Without an address of its own, so that each pod can be told from the others.
pub fn build_ops(validated: &Validated) -> Service {
    let mut metadata = owned(validated, &validated.names.ops_service());
    metadata.labels.get_or_insert_default().extend(component());
    Service {
        metadata,
        spec: Some(ServiceSpec { cluster_ip: Some("None".to_owned()), ..spec(validated, "ops", OPS_PORT) }),
        ..Service::default()
    }
}

pub fn component() -> BTreeMap<String, String> {
    [(COMPONENT.to_owned(), "ops".to_owned())].into()
}

fn spec(validated: &Validated, name: &str, port: u16) -> ServiceSpec {
    ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        selector: Some(selector(validated)),
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
