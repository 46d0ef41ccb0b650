//! The HTTPRoute of Gateway API, if the spec asks for one.

use sc_auth_contract::places::PORT;
use serde_json::{Value, json};

use super::metadata::exposing;
use crate::scauth::child::Child;
use crate::scauth::exposure::Exposure;
use crate::scauth::resolved::Resolved;

/// Sends every field with the API server's defaults, so that nothing differs afterwards.
pub fn build(resolved: &Resolved) -> Option<Value> {
    let Exposure::Route(wanted) = resolved.free() else { return None };
    let resource = Child::HttpRoute.resource();
    let parents: Vec<_> = wanted
        .parent_refs
        .iter()
        .map(|parent| {
            let mut reference = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": parent.name});
            let optional = [
                ("namespace", parent.namespace.clone().map(Value::from)),
                ("sectionName", parent.section_name.clone().map(Value::from)),
                ("port", parent.port.map(Value::from)),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    reference[name] = value;
                }
            }
            reference
        })
        .collect();
    Some(json!({
        "apiVersion": resource.api_version, "kind": resource.kind,
        "metadata": exposing(resolved, &resolved.names.scauth, &wanted.annotations),
        "spec": {
            "parentRefs": parents,
            "hostnames": wanted.hostnames,
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{
                    "group": "", "kind": "Service", "name": resolved.names.service(), "port": PORT, "weight": 1,
                }],
            }],
        },
    }))
}
