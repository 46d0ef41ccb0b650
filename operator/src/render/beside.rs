//! What a manifest creates beside its ScAuths, and which decides how the operator treats them.

mod writers;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::scauth::child::Child;
use crate::scauth::names::Names;
use crate::scauth::observe::Observed;
use crate::scauth::references::Kind;
use writers::Writer;

/// The Namespaces, Secrets and ConfigMaps of a manifest, without their content, and what may create others.
#[derive(Debug, Default)]
pub struct Beside {
    namespaces: BTreeMap<String, ObjectMeta>,
    /// By namespace and name.
    secrets: BTreeMap<(String, String), ObjectMeta>,
    config_maps: BTreeSet<(String, String)>,
    writers: Vec<Writer>,
}

impl Beside {
    /// Remembers an object if it matters.
    pub fn add(&mut self, object: &Value) {
        if object["apiVersion"] != "v1" {
            self.writers.extend(Writer::of(object));
            return;
        }
        let Ok(metadata) = serde_json::from_value::<ObjectMeta>(object["metadata"].clone()) else { return };
        let Some(name) = metadata.name.clone() else { return };
        match object["kind"].as_str() {
            Some("Namespace") => {
                self.namespaces.insert(name, metadata);
            }
            Some("Secret") => {
                let namespace = metadata.namespace.clone().unwrap_or_default();
                self.secrets.insert((namespace, name), metadata);
            }
            Some("ConfigMap") => {
                self.config_maps.insert((metadata.namespace.unwrap_or_default(), name));
            }
            _ => {}
        }
    }

    /// Whether the manifest creates that object.
    pub fn has(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        match kind {
            Kind::Secret => self.secrets.contains_key(&key),
            Kind::ConfigMap => self.config_maps.contains(&key),
        }
    }

    /// An object of the manifest, as kind and name, for which another operator may create that Secret or ConfigMap.
    pub fn writer_of(&self, namespace: &str, name: &str) -> Option<String> {
        let writer = self.writers.iter().max_by_key(|writer| writer.may_write(namespace, name))?;
        writer.may_write(namespace, name)?;
        Some(format!("{} {}", writer.kind, writer.name))
    }

    /// Adds to the objects of a cluster, or to none, those of the manifest that matter for a ScAuth.
    pub fn complete(&self, observed: &mut Observed, names: &Names) {
        if let Some(ours) = self.namespaces.get(&names.namespace) {
            let namespace = observed.children.entry(Child::Namespace);
            let live = namespace.or_insert_with(|| namespace_called(&names.namespace));
            live.metadata.labels.get_or_insert_default().extend(ours.labels.clone().unwrap_or_default());
            live.metadata.annotations.get_or_insert_default().extend(ours.annotations.clone().unwrap_or_default());
        }
        let secret = |name: String| self.secrets.get(&(names.namespace.clone(), name)).cloned();
        if let Some(metadata) = secret(names.secret()).filter(|_| observed.secret.is_none()) {
            observed.secret = Some(Secret { metadata, ..Secret::default() });
        }
        if observed.admin_secret.is_none() {
            observed.admin_secret = secret(names.admin_secret());
        }
    }
}

fn namespace_called(name: &str) -> DynamicObject {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    DynamicObject { types: None, metadata, data: json!({}) }
}
