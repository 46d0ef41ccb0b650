//! Whether a live object contains all desired fields. Additions by others do not count.

use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::shared::quantity::Quantity;

/// Fields that the API server treats as one value: here an addition by others is a difference. `options` is that of
/// `dnsConfig`; no other list or object that the operator applies has this name.
const WHOLE: [&str; 8] = [
    "selector",
    "podSelector",
    "namespaceSelector",
    "labelSelector",
    "nodeSelector",
    "parentRefs",
    "backendRefs",
    "options",
];

/// Fields whose text, or whose fields' text, is a quantity.
const QUANTITIES: [&str; 5] = ["limits", "requests", "capacity", "sizeLimit", "divisor"];

/// Whether a live object has each field of `wanted` with the same value. Nothing that may be large is copied: each
/// reconcile compares all children.
pub fn is_stored(wanted: &Value, live: &DynamicObject) -> bool {
    let metadata = &live.metadata;
    let metadata = json!({
        "name": metadata.name,
        "namespace": metadata.namespace,
        "uid": metadata.uid,
        "labels": metadata.labels,
        "annotations": metadata.annotations,
        "ownerReferences": metadata.owner_references,
    });
    wanted.as_object().into_iter().flatten().all(|(name, wanted)| match name.as_str() {
        "apiVersion" => live.types.as_ref().is_some_and(|types| *wanted == types.api_version),
        "kind" => live.types.as_ref().is_some_and(|types| *wanted == types.kind),
        "metadata" => is_within(wanted, &metadata),
        name => live.data.get(name).is_some_and(|live| is_within(wanted, live)),
    })
}

/// Whether `live` has each field of `wanted` with the same value.
fn is_within(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(name, wanted)| match live.get(name) {
            Some(live) if WHOLE.contains(&name.as_str()) => wanted == live,
            Some(live) if QUANTITIES.contains(&name.as_str()) => are_same_quantities(wanted, live),
            Some(live) => is_within(wanted, live),
            None => false,
        }),
        (Value::Array(wanted), Value::Array(live)) => are_within(wanted, live),
        (wanted, live) => wanted == live,
    }
}

/// The API server normalizes quantities: it returns `1000m` as `1`, and `1024Mi` as `1Gi`.
fn are_same_quantities(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.iter().all(|(name, wanted)| live.get(name).is_some_and(|live| are_same_quantities(wanted, live)))
        }
        (Value::String(wanted), Value::String(live)) => {
            wanted == live || matches!(Quantity::parse(wanted), Some(wanted) if Some(wanted) == Quantity::parse(live))
        }
        (wanted, live) => wanted == live,
    }
}

/// Items with names are compared by name, as in server-side apply, and others may add items. Any other list is one
/// value.
fn are_within(wanted: &[Value], live: &[Value]) -> bool {
    let name = |item: &Value| item.get("name").cloned();
    if wanted.iter().all(|item| name(item).is_some()) {
        return wanted
            .iter()
            .all(|wanted| live.iter().any(|live| name(live) == name(wanted) && is_within(wanted, live)));
    }
    wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| is_within(wanted, live))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_compared_with_its_metadata_and_whatever_else_it_has() {
        let live = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "a", "namespace": "n", "uid": "1", "resourceVersion": "2",
                "labels": {"one": "1", "two": "2"}, "annotations": {"note": "x"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "3"}],
                "managedFields": [{"manager": "m"}],
            },
            "spec": {"type": "ClusterIP", "ports": [{"name": "http", "port": 80}]},
        });
        let stored: DynamicObject = serde_json::from_value(live.clone()).unwrap();
        let mut wanted = live;
        for field in ["resourceVersion", "managedFields"] {
            wanted["metadata"].as_object_mut().unwrap().remove(field);
        }
        assert!(is_stored(&wanted, &stored));
        for (field, value) in [
            ("/apiVersion", json!("v2")),
            ("/kind", json!("Secret")),
            ("/metadata/uid", json!("2")),
            ("/metadata/labels/one", json!("2")),
            ("/metadata/annotations/note", json!("y")),
            ("/metadata/ownerReferences/0/uid", json!("4")),
            ("/spec/ports/0/port", json!(81)),
        ] {
            let mut other = wanted.clone();
            *other.pointer_mut(field).unwrap() = value;
            assert!(!is_stored(&other, &stored), "{field}");
        }
    }

    #[test]
    fn what_others_add_does_not_count_and_what_they_change_does() {
        let wanted = json!({"a": 1, "list": [{"name": "x", "value": "1"}], "empty": {}});
        assert!(is_within(
            &wanted,
            &json!({"a": 1, "b": 2, "list": [{"name": "y"}, {"name": "x", "value": "1", "more": 0}], "empty": {"c": 3}})
        ));
        assert!(!is_within(&wanted, &json!({"a": 2, "list": [{"name": "x", "value": "1"}], "empty": {}})));
        assert!(!is_within(&wanted, &json!({"a": 1, "list": [{"name": "x", "value": "2"}], "empty": {}})));
        assert!(!is_within(&wanted, &json!({"a": 1, "list": [], "empty": {}})));
        assert!(!is_within(&json!({"from": [{"ip": "1"}]}), &json!({"from": [{"ip": "1"}, {"ip": "2"}]})));
        assert!(!is_within(&json!({"podSelector": {}}), &json!({"podSelector": {"matchLabels": {"none": "such"}}})));
    }

    #[test]
    fn quantities_are_compared_by_what_they_mean() {
        let limits = |cpu: &str, memory: &str| json!({"limits": {"cpu": cpu, "memory": memory}});
        assert!(is_within(&limits("1000m", "1024Mi"), &limits("1", "1Gi")));
        assert!(!is_within(&limits("500m", "1Gi"), &limits("5", "1Gi")));
        assert!(!is_within(&limits("1", "1Gi"), &limits("1", "1G")));
        for (wanted, live) in [("1024Ki", "1Mi"), ("0.5Gi", "512Mi"), ("1000M", "1G")] {
            let volume = |size: &str| json!({"volumes": [{"name": "cache", "emptyDir": {"sizeLimit": size}}]});
            assert!(is_within(&volume(wanted), &volume(live)), "{wanted}");
        }
    }

    #[test]
    fn text_that_looks_like_a_quantity_is_compared_as_text() {
        let variable = |value: &str| json!({"env": [{"name": "X", "value": value}]});
        assert!(!is_within(&variable("1000m"), &variable("1")));
    }
}
