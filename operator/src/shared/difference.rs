//! Whether a live object contains all desired fields. Additions by others do not count.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
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
    let types = live.types.as_ref();
    fields(wanted).all(|(name, wanted)| match name.as_str() {
        "apiVersion" => types.is_some_and(|types| *wanted == types.api_version),
        "kind" => types.is_some_and(|types| *wanted == types.kind),
        "metadata" => has_metadata(wanted, &live.metadata),
        name => live.data.get(name).is_some_and(|live| is_within(wanted, live)),
    })
}

/// Of the metadata, only these fields are compared: any other field counts as a difference.
fn has_metadata(wanted: &Value, live: &ObjectMeta) -> bool {
    fields(wanted).all(|(name, wanted)| match name.as_str() {
        "name" => wanted.as_str() == live.name.as_deref(),
        "namespace" => wanted.as_str() == live.namespace.as_deref(),
        "uid" => wanted.as_str() == live.uid.as_deref(),
        "labels" => has_strings(wanted, live.labels.as_ref()),
        "annotations" => has_strings(wanted, live.annotations.as_ref()),
        "ownerReferences" => is_within(wanted, &json!(live.owner_references)),
        _ => false,
    })
}

fn has_strings(wanted: &Value, live: Option<&BTreeMap<String, String>>) -> bool {
    fields(wanted).all(|(name, wanted)| live.and_then(|live| live.get(name)).is_some_and(|live| wanted == live))
}

fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
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

    fn service() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "a", "namespace": "n", "uid": "1", "resourceVersion": "2",
                "labels": {"one": "1", "two": "2"}, "annotations": {"note": "x", "limits": "1"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "3"}],
                "managedFields": [{"manager": "m"}],
            },
            "spec": {"type": "ClusterIP", "ports": [{"name": "http", "port": 80}]},
        })
    }

    fn wanted() -> Value {
        let mut wanted = service();
        let metadata = wanted["metadata"].as_object_mut().unwrap();
        metadata.retain(|field, _| !["resourceVersion", "managedFields"].contains(&field.as_str()));
        wanted
    }

    fn is_like(wanted: &Value, live: Value) -> bool {
        is_stored(wanted, &serde_json::from_value(live).unwrap())
    }

    #[test]
    fn metadata_and_content_are_both_compared() {
        assert!(is_like(&wanted(), service()));
        for (field, value) in [
            ("/apiVersion", json!("v2")),
            ("/kind", json!("Secret")),
            ("/metadata/name", json!("b")),
            ("/metadata/namespace", json!("m")),
            ("/metadata/uid", json!("2")),
            ("/metadata/labels/one", json!("2")),
            ("/metadata/annotations/note", json!("y")),
            ("/metadata/annotations/limits", json!("1000m")),
            ("/metadata/ownerReferences/0/uid", json!("4")),
            ("/spec/ports/0/port", json!(81)),
        ] {
            let mut other = wanted();
            *other.pointer_mut(field).unwrap() = value;
            assert!(!is_like(&other, service()), "{field}");
        }
    }

    #[test]
    fn a_field_that_the_live_object_lacks_is_a_difference_and_one_that_it_has_besides_is_none() {
        for path in [
            "/apiVersion",
            "/kind",
            "/spec",
            "/metadata/namespace",
            "/metadata/labels",
            "/metadata/labels/two",
            "/metadata/annotations",
            "/metadata/ownerReferences",
        ] {
            let (parent, field) = path.rsplit_once('/').unwrap();
            let without = |mut object: Value| {
                let fields = object.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                fields.remove(field).unwrap();
                object
            };
            assert!(!is_like(&wanted(), without(service())), "{path}");
            assert!(is_like(&without(wanted()), service()), "{path}");
        }
        let mut finalized = wanted();
        finalized["metadata"]["finalizers"] = json!(["x"]);
        assert!(!is_like(&finalized, service()), "a field of the metadata that is not compared");
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
