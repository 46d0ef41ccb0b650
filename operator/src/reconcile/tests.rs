//! The pure steps, read as a specification. The fixture's name differs from the product's, so that a label that was
//! mixed up fails a test.

#![allow(clippy::needless_pass_by_value, reason = "a spec is written once, where it is used")]

mod build;
mod report;
mod validate;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Value, json};

use super::observe::Observed;
use super::validate::{Environment, Refusal, Validated, validate};
use crate::api::ScAuth;
use crate::names::LABEL_RETAINED;

const NAME: &str = "tenant";

fn environment() -> Environment {
    Environment { server_image: "registry.test/server:1".into(), namespace: "system".into() }
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

fn validated(spec: Value, observed: &Observed) -> Result<Validated, Refusal> {
    validate(&scauth(spec), observed, &environment())
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
