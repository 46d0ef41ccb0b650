//! Where somebody else has the last word. An admission policy may change what we apply; applying it again would change
//! nothing, again and again. So what came of an apply is remembered, and the next one waits until either side differs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::reconcile::difference::is_within;

type Digests = ([u8; 32], [u8; 32]);

/// What was applied and what came of it, by the object's uid; only where the two differ.
#[derive(Debug, Default)]
pub struct Settled(Mutex<HashMap<String, Digests>>);

impl Settled {
    /// Whether just this was applied and came out just so.
    pub fn is_known(&self, desired: &Value, live: &Value) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(uid(live)).is_some_and(|known| *known == (digest(desired), outcome(live)))
    }

    pub fn remember(&self, desired: &Value, live: &Value) {
        let mut desired = desired.clone();
        remove(&mut desired, &["uid"]);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_within(&desired, live) {
            known.remove(uid(live));
            return;
        }
        let (kind, name) = (&live["kind"], &live["metadata"]["name"]);
        tracing::warn!(%kind, %name, "another controller or policy modifies this object; keeping its version");
        known.insert(uid(live).to_owned(), (digest(&desired), outcome(live)));
    }
}

fn uid(live: &Value) -> &str {
    live["metadata"]["uid"].as_str().unwrap_or_default()
}

fn digest(value: &Value) -> [u8; 32] {
    Sha256::digest(value.to_string()).into()
}

/// Without what changes by itself.
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
