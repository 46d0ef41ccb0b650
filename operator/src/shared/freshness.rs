//! The time since the last activity of each watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time of each watch's last request or event, by the resource's plural name.
#[derive(Debug, Clone, Default)]
pub struct Freshness(Arc<Mutex<BTreeMap<String, Instant>>>);

impl Freshness {
    pub fn touch(&self, resource: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert(resource.to_owned(), Instant::now());
    }

    /// The time since the last activity of each watch.
    pub fn ages(&self) -> BTreeMap<String, Duration> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(|(resource, heard)| (resource.clone(), heard.elapsed())).collect()
    }

    /// Removes a kind that is no longer watched.
    pub fn forget(&self, resource: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(resource);
    }
}
