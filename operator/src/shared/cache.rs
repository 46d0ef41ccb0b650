//! Remembers the outcome of applies that an admission policy changes, so that they are not repeated.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::shared::difference::is_within;

/// Digests of the applied object and of the stored one.
type Digests = ([u8; 32], [u8; 32]);
/// By kind, namespace and name; only those whose digests differ.
type Objects = HashMap<String, Digests>;

/// The applied objects of each owner, by its name.
#[derive(Debug, Default)]
pub struct ApplyCache(Mutex<HashMap<String, Objects>>);

impl ApplyCache {
    /// Whether the same object was applied with the same outcome.
    pub fn is_known(&self, owner: &str, desired: &Value, live: &Value) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(owner).and_then(|objects| objects.get(&key(live)));
        known.is_some_and(|known| *known == (digest(desired), outcome(live)))
    }

    pub fn remember(&self, owner: &str, desired: &Value, live: &Value) {
        let mut desired = desired.clone();
        remove(&mut desired, &["uid"]);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_within(&desired, live) {
            if let Some(objects) = known.get_mut(owner) {
                objects.remove(&key(live));
            }
            return;
        }
        let objects = known.entry(owner.to_owned()).or_default();
        let (kind, name) = (&live["kind"], &live["metadata"]["name"]);
        tracing::warn!(%kind, %name, "another controller or policy modifies this object; keeping its version");
        objects.insert(key(live), (digest(&desired), outcome(live)));
    }

    /// Forgets the objects of deleted owners.
    pub fn keep_only(&self, exists: impl Fn(&str) -> bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|owner, objects| !objects.is_empty() && exists(owner));
    }
}

/// The digest includes the uid: another object of the same name is not the same.
fn key(live: &Value) -> String {
    let metadata = &live["metadata"];
    format!("{}/{}/{}", live["kind"], metadata["namespace"], metadata["name"])
}

fn digest(value: &Value) -> [u8; 32] {
    Sha256::digest(value.to_string()).into()
}

/// The object without the fields that change by themselves.
fn outcome(live: &Value) -> [u8; 32] {
    let mut live = live.clone();
    if let Some(object) = live.as_object_mut() {
        object.remove("status");
    }
    remove(&mut live, &["resourceVersion", "managedFields", "generation"]);
    digest(&live)
}

fn remove(object: &mut Value, fields: &[&str]) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in fields {
            metadata.remove(*field);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(uid: &str, image: &str) -> Value {
        json!({"kind": "Deployment", "metadata": {"namespace": "n", "name": "a", "uid": uid}, "image": image})
    }

    #[test]
    fn an_outcome_counts_for_one_object_until_its_owner_is_gone() {
        let (cache, wanted) = (ApplyCache::default(), json!({"metadata": {"name": "a"}, "image": "ours"}));
        cache.remember("a", &wanted, &object("1", "theirs"));
        assert!(cache.is_known("a", &wanted, &object("1", "theirs")));
        assert!(!cache.is_known("a", &wanted, &object("1", "another")));
        assert!(!cache.is_known("a", &wanted, &object("2", "theirs")), "it was recreated");
        cache.remember("a", &wanted, &object("2", "theirs"));
        assert_eq!(cache.0.lock().unwrap()["a"].len(), 1, "the object before it is forgotten");
        cache.keep_only(|owner| owner == "a");
        assert!(cache.is_known("a", &wanted, &object("2", "theirs")));
        cache.keep_only(|owner| owner == "b");
        assert!(cache.0.lock().unwrap().is_empty());
    }
}
