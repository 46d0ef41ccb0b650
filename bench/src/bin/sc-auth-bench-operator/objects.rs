//! ScAuths, and the objects that they become.

use std::path::Path;

use anyhow::Context as _;
use kube::api::ApiResource;
use kube::core::{DynamicObject, GroupVersionKind};
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::operator;

pub const GROUP: &str = "sc-auth.io";
/// The same kind in another group: the bare clients create ScAuths too, which the operator must not see.
pub const COPIED_GROUP: &str = "bench.example.com";
/// The uid of a ScAuth that does not exist yet, as `render` prints it.
pub const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

pub fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    let plural = match kind {
        "NetworkPolicy" => "networkpolicies",
        "Ingress" => "ingresses",
        _ => "",
    };
    let gvk = GroupVersionKind::gvk(group, version, kind);
    if plural.is_empty() { ApiResource::from_gvk(&gvk) } else { ApiResource::from_gvk_with_plural(&gvk, plural) }
}

pub fn scauth(group: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{group}/v1alpha1"), "kind": "ScAuth", "metadata": {"name": name},
        "spec": {
            "database": {"embedded": {}},
            "expose": {"ingress": {"host": format!("{name}.example.com")}},
        },
    })
}

/// The objects of a ScAuth that the operator has reconciled, as templates for those of others: what `render` prints, with
/// the data of the Secrets and the annotations that the operator adds.
pub async fn templates(client: &Client, program: &Path, name: &str) -> anyhow::Result<Vec<(ApiResource, Value)>> {
    let rendered = operator::render(program, &scauth(GROUP, name)).await?;
    // Not our labels: the operator watches objects that have them.
    let rendered = rendered.replace(GROUP, COPIED_GROUP);
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&rendered) {
        let mut object = Value::deserialize(document)?;
        let resource = resource_of(&object)?;
        let live = api(client, &resource, &object).get(object["metadata"]["name"].as_str().unwrap_or_default()).await?;
        if resource.kind == "Secret" {
            object["data"] = live.data["data"].clone();
            object.as_object_mut().context("no object")?.remove("stringData");
        }
        for (key, value) in live.annotations() {
            object["metadata"]["annotations"][key.replace(GROUP, COPIED_GROUP)] = json!(value);
        }
        found.push((resource, object));
    }
    Ok(found)
}

/// The calls for the kind of an object, in its namespace.
pub fn api(client: &Client, resource: &ApiResource, object: &Value) -> Api<DynamicObject> {
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

fn resource_of(object: &Value) -> anyhow::Result<ApiResource> {
    let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let (version, kind) = version.zip(kind).context("no object")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Ok(resource(group, version, kind))
}
