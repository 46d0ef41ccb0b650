//! The identifiers of all keys that servers of this database have used. A token of a key that is no longer in use is
//! answered like a revoked token, so that its client refreshes it or logs in again.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// The keys in the file belong to them too.
#[derive(Default)]
pub struct Remembered(RwLock<HashSet<String>>);

impl Remembered {
    pub fn extend(&self, kids: impl IntoIterator<Item = String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(kids);
    }

    pub fn contains(&self, kid: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(kid)
    }
}
