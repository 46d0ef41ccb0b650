//! The conditions that the server reports at `/status`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sc_auth_contract::status::{Hold, Offered};

use crate::store::{Contents, Engine};

/// The reason why the server serves no requests, and the contents of the database that it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub hold: Hold,
    pub engine: Engine,
    pub contents: Contents,
}

/// Shared by the tasks that detect conditions and the endpoint that reports them.
#[derive(Debug, Clone, Default)]
pub struct Report(Arc<Conditions>);

#[derive(Debug, Default)]
struct Conditions {
    held: Mutex<Option<Held>>,
    offered: Mutex<Option<Offered>>,
    keys_lost: AtomicBool,
}

impl Report {
    pub fn held(&self) -> Option<Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether it has changed.
    pub fn set_held(&self, held: Option<Held>) -> bool {
        replace(&self.0.held, held)
    }

    pub fn offered(&self) -> Option<Offered> {
        self.0.offered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether it has changed.
    pub fn set_offered(&self, offered: Option<Offered>) -> bool {
        replace(&self.0.offered, offered)
    }

    pub fn are_keys_lost(&self) -> bool {
        self.0.keys_lost.load(Ordering::Relaxed)
    }

    /// Returns whether it has changed.
    pub fn set_keys_lost(&self, are_lost: bool) -> bool {
        self.0.keys_lost.swap(are_lost, Ordering::Relaxed) != are_lost
    }
}

fn replace<T: PartialEq>(place: &Mutex<T>, value: T) -> bool {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    let has_changed = *place != value;
    *place = value;
    has_changed
}
