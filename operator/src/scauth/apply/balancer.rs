//! The class of a load balancer cannot change while the Service has the type LoadBalancer. The API server refuses such a
//! change of the spec, but not one in steps that were never applied, as while the ScAuth was suspended.

use kube::ResourceExt as _;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::scauth::names::FIELD_MANAGER;

const TYPE: &str = "type";
const CLASS: &str = "loadBalancerClass";
/// The fields of a Service that only one of another type than ClusterIP can have.
const OUTSIDE: [&str; 3] = [CLASS, "loadBalancerSourceRanges", "externalTrafficPolicy"];

/// The Service without its load balancer, to apply first, if the class changes.
pub fn without_balancer(desired: &Value, live: Option<&DynamicObject>) -> Option<Value> {
    let is_balancer = |spec: &Value| spec[TYPE] == "LoadBalancer";
    let live = live.filter(|live| is_balancer(&live.data["spec"]))?;
    let (wanted, class) = (&desired["spec"][CLASS], &live.data["spec"][CLASS]);
    // A class that the cloud sets by itself stays.
    let is_changed = if wanted.is_null() { is_ours(live) } else { wanted != class };
    if !is_balancer(&desired["spec"]) || !is_changed {
        return None;
    }
    let mut desired = desired.clone();
    let spec = desired["spec"].as_object_mut()?;
    spec.retain(|name, _| !OUTSIDE.contains(&name.as_str()));
    spec.insert(TYPE.to_owned(), json!("ClusterIP"));
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        port.as_object_mut()?.remove("nodePort");
    }
    Some(desired)
}

/// Whether the operator applied the class.
fn is_ours(live: &DynamicObject) -> bool {
    live.managed_fields().iter().any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && fields.is_some_and(|fields| fields.pointer("/f:spec/f:loadBalancerClass").is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(spec: &Value, manager: &str) -> DynamicObject {
        let fields = json!([{"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:loadBalancerClass": {}}}}]);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "managedFields": fields}, "spec": spec});
        serde_json::from_value(service).unwrap()
    }

    #[test]
    fn only_a_change_of_the_class_takes_the_load_balancer_away() {
        let spec = |class: Value| json!({"type": "LoadBalancer", "loadBalancerClass": class, "ports": [{"port": 1, "nodePort": 30_000}]});
        let desired = |class: Value| json!({"spec": spec(class)});
        for (manager, before, after, expected) in [
            (FIELD_MANAGER, json!("a/b"), json!("a/b"), false),
            (FIELD_MANAGER, json!("a/b"), json!("a/c"), true),
            (FIELD_MANAGER, json!("a/b"), Value::Null, true),
            ("cloud", json!("a/b"), Value::Null, false),
            ("cloud", json!("a/b"), json!("a/c"), true),
            ("cloud", Value::Null, json!("a/c"), true),
            ("cloud", Value::Null, Value::Null, false),
        ] {
            let (live, desired) = (live(&spec(before.clone()), manager), desired(after.clone()));
            let found = without_balancer(&desired, Some(&live));
            assert_eq!(found.is_some(), expected, "{manager}: {before} -> {after}");
            if let Some(found) = found {
                assert_eq!(found["spec"], json!({"type": "ClusterIP", "ports": [{"port": 1}]}));
            }
        }
        let live = live(&json!({"type": "NodePort"}), FIELD_MANAGER);
        assert_eq!(without_balancer(&desired(json!("a/b")), Some(&live)), None);
        assert_eq!(without_balancer(&desired(json!("a/b")), None), None);
    }
}
