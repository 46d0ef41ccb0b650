//! A change for a reader: a unified diff of the two objects in YAML, without fields that change by themselves.

use imara_diff::{Algorithm, BasicLineDiffPrinter, Diff, InternedInput, UnifiedDiffConfig};
use serde_json::{Map, Value};

use super::Change;
use super::apply::LAST_APPLIED;
use crate::scauth::names::ANNOTATION_APPLIED;

impl Change {
    /// Empty if nothing differs.
    pub fn to_text(&self) -> serde_yaml::Result<String> {
        let (before, mut after) = (yaml(&self.before)?, self.after.clone());
        if self.before.is_null() {
            remove_finalizers(&mut after);
        }
        let after = yaml(&after)?;
        let lines = InternedInput::new(before.as_str(), after.as_str());
        let mut diff = Diff::compute(Algorithm::Histogram, &lines);
        if diff.count_removals() + diff.count_additions() == 0 {
            return Ok(String::new());
        }
        diff.postprocess_lines(&lines);
        let printer = BasicLineDiffPrinter(&lines.interner);
        let changes = diff.unified_diff(&printer, UnifiedDiffConfig::default(), &lines);
        let name = self.name();
        let header = |place: &str, object: &Value| {
            if object.is_null() { "/dev/null".to_owned() } else { format!("{place}/{name}") }
        };
        Ok(format!("--- {}\n+++ {}\n{changes}", header("live", &self.before), header("applied", &self.after)))
    }

    /// `Kind/namespace/name`.
    fn name(&self) -> String {
        let metadata = if self.after.is_null() { &self.before["metadata"] } else { &self.after["metadata"] };
        let place = ["namespace", "name"].into_iter().filter_map(|field| metadata[field].as_str());
        std::iter::once(self.kind.as_str()).chain(place).collect::<Vec<_>>().join("/")
    }
}

fn yaml(object: &Value) -> serde_yaml::Result<String> {
    let mut object = object.clone();
    let Some(fields) = object.as_object_mut() else { return Ok(String::new()) };
    fields.remove("status");
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        tidy(metadata);
    }
    serde_yaml::to_string(&object)
}

/// The API server adds these to a new object.
fn remove_finalizers(object: &mut Value) {
    for part in ["metadata", "spec"] {
        if let Some(fields) = object.get_mut(part).and_then(Value::as_object_mut) {
            fields.remove("finalizers");
        }
    }
    if object["spec"].as_object().is_some_and(Map::is_empty) && object["kind"] == "Namespace" {
        object.as_object_mut().map(|fields| fields.remove("spec"));
    }
}

fn tidy(metadata: &mut Map<String, Value>) {
    for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(owner) = owner.as_object_mut() {
            owner.remove("uid");
        }
    }
    for field in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"] {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION_APPLIED);
        annotations.remove(LAST_APPLIED);
    }
    metadata.retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
}
