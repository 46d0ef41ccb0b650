//! The repository's own manifests.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The objects of a sample.
pub fn sample(file: &str) -> Vec<Value> {
    objects(&std::fs::read_to_string(root().join("config/samples").join(file)).unwrap())
}

/// The objects in a text of YAML documents.
pub fn objects(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    let objects = documents.map(|document| serde::Deserialize::deserialize(document).unwrap());
    objects.filter(|object: &Value| !object.is_null()).collect()
}
