//! Remembers the outcome of applies that an admission policy changes, so that they are not repeated.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::ResourceExt as _;
use kube::core::DynamicObject;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::shared::difference::is_stored;

/// Digests of the applied object and of the stored one.
type Digests = ([u8; 32], [u8; 32]);
/// By kind, namespace and name; only those whose digests differ.
type Objects = HashMap<String, Digests>;

/// The applied objects of each owner, by its name.
#[derive(Debug, Default)]
pub struct ApplyCache(Mutex<HashMap<String, Objects>>);

impl ApplyCache {
    /// Whether the same object was applied with the same outcome.
    ///
    /// # Errors
    /// If the live object cannot be serialized as JSON.
    pub fn is_known(&self, owner: &str, desired: &Value, live: &DynamicObject) -> serde_json::Result<bool> {
        let known = self.lock().get(owner).and_then(|objects| objects.get(&key(live)).copied());
        match known {
            Some((applied, stored)) => Ok(applied == digest(desired) && stored == outcome(live)?),
            None => Ok(false),
        }
    }

    /// Remembers the outcome of an apply if the stored object differs from the desired one; otherwise forgets an earlier
    /// outcome.
    ///
    /// # Errors
    /// If the live object cannot be serialized as JSON.
    pub fn remember(&self, owner: &str, mut desired: Value, live: &DynamicObject) -> serde_json::Result<()> {
        if is_stored(&desired, live) {
            if let Some(objects) = self.lock().get_mut(owner) {
                objects.remove(&key(live));
            }
            return Ok(());
        }
        tracing::warn!(
            kind = kind(live),
            name = live.name_any(),
            "another controller or policy modifies this object; keeping its version"
        );
        remove(&mut desired, &["uid"]);
        let digests = (digest(&desired), outcome(live)?);
        self.lock().entry(owner.to_owned()).or_default().insert(key(live), digests);
        Ok(())
    }

    /// Forgets the objects of deleted owners.
    pub fn keep_only(&self, exists: impl Fn(&str) -> bool) {
        self.lock().retain(|owner, objects| !objects.is_empty() && exists(owner));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Objects>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(live: &DynamicObject) -> String {
    format!("{}/{}/{}", kind(live), live.namespace().unwrap_or_default(), live.name_any())
}

fn kind(live: &DynamicObject) -> &str {
    live.types.as_ref().map_or("", |types| &types.kind)
}

fn digest(value: &Value) -> [u8; 32] {
    Sha256::digest(value.to_string()).into()
}

/// A digest of the object without the fields that change by themselves. It includes the uid: another object of the same
/// name is not the same.
fn outcome(live: &DynamicObject) -> serde_json::Result<[u8; 32]> {
    let mut live = serde_json::to_value(live)?;
    if let Some(object) = live.as_object_mut() {
        object.remove("status");
    }
    remove(&mut live, &["resourceVersion", "managedFields", "generation"]);
    Ok(digest(&live))
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

    fn object(uid: &str, image: &str) -> DynamicObject {
        let metadata = json!({"namespace": "n", "name": "a", "uid": uid});
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "image": image});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_outcome_counts_for_one_object_until_its_owner_is_gone() {
        let (cache, wanted) = (ApplyCache::default(), json!({"metadata": {"name": "a"}, "image": "ours"}));
        let is_known = |cache: &ApplyCache, uid, image| cache.is_known("a", &wanted, &object(uid, image)).unwrap();
        cache.remember("a", wanted.clone(), &object("1", "theirs")).unwrap();
        assert!(is_known(&cache, "1", "theirs"));
        assert!(!is_known(&cache, "1", "another"));
        assert!(!is_known(&cache, "2", "theirs"), "it was recreated");
        cache.remember("a", wanted.clone(), &object("2", "theirs")).unwrap();
        assert_eq!(cache.0.lock().unwrap()["a"].len(), 1, "the object before it is forgotten");
        cache.keep_only(|owner| owner == "a");
        assert!(is_known(&cache, "2", "theirs"));
        cache.keep_only(|owner| owner == "b");
        assert!(cache.0.lock().unwrap().is_empty());
    }
}
