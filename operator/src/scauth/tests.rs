//! The pure steps, read as a specification. The fixture's name differs from the product's, so that a label that was
//! mixed up fails a test.

#![allow(clippy::needless_pass_by_value, reason = "a spec is written once, where it is used")]

mod children;
mod database;
mod exposure;
mod hosts;
mod identity;
mod pod_ids;
mod release;
mod report;
mod rotation;
mod template;
mod validate;

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::observe::Observed;
use super::resolved::Resolved;
use super::validate::{Environment, validate};
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::names::LABEL_RETAINED;
use crate::scauth::release::{PodIds, ReleaseDefaults, UpgradeTurn};
use crate::shared::refusal::Refusal;

const NAME: &str = "tenant";

fn environment() -> Environment {
    Environment {
        defaults: ReleaseDefaults {
            version: "9.0.0".into(),
            image: "registry.test/server:9".into(),
            ids: PodIds::Fixed,
        },
        namespace: "system".into(),
        allowed_images: Vec::new(),
        publish_keys_for: Duration::from_mins(15),
    }
}

/// A stored ScAuth with that spec.
fn scauth(spec: Value) -> ScAuth {
    serde_json::from_value(json!({
        "apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth",
        "metadata": {"name": NAME, "uid": "our-uid", "generation": 3}, "spec": spec,
    }))
    .unwrap()
}

fn embedded() -> Value {
    json!({"database": {"embedded": {}}})
}

fn external() -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}})
}

fn resolved(spec: Value, observed: &Observed) -> Result<Resolved, Refusal> {
    validate(&scauth(spec), observed, &environment(), &UpgradeTurn::Now)
}

fn owner(name: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "sc-auth.io/v1alpha1".into(),
        kind: "ScAuth".into(),
        name: name.into(),
        uid: uid.into(),
        ..OwnerReference::default()
    }
}

fn owned_by(uid: &str) -> ObjectMeta {
    ObjectMeta { name: Some("child".into()), owner_references: Some(vec![owner(NAME, uid)]), ..ObjectMeta::default() }
}

fn retained_by(name: &str) -> ObjectMeta {
    let labels = [(LABEL_RETAINED.to_owned(), name.to_owned())].into();
    ObjectMeta { name: Some("child".into()), labels: Some(labels), ..ObjectMeta::default() }
}

/// A live object of that kind, with that metadata and content.
fn live(kind: Child, metadata: ObjectMeta, content: Value) -> DynamicObject {
    let mut object = DynamicObject::new("", &kind.resource());
    object.metadata = metadata;
    object.data = content;
    object
}

fn observing(kind: Child, metadata: ObjectMeta) -> Observed {
    Observed { children: [(kind, live(kind, metadata, json!({})))].into(), ..Observed::default() }
}
