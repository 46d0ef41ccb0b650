//! What the server has noticed and tells at `/status`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sc_auth_contract::status::{Hold, Offered};

use crate::store::{Contents, Engine};

/// Why it serves nobody, and what is in the database in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub hold: Hold,
    pub engine: Engine,
    pub contents: Contents,
}

/// Shared by those that notice and the one that tells.
#[derive(Debug, Clone, Default)]
pub struct Report(Arc<Noticed>);

#[derive(Debug, Default)]
struct Noticed {
    held: Mutex<Option<Held>>,
    offered: Mutex<Option<Offered>>,
    keys_lost: AtomicBool,
}

impl Report {
    pub fn held(&self) -> Option<Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether it is news.
    pub fn set_held(&self, held: Option<Held>) -> bool {
        replace(&self.0.held, held)
    }

    pub fn offered(&self) -> Option<Offered> {
        self.0.offered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether it is news.
    pub fn set_offered(&self, offered: Option<Offered>) -> bool {
        replace(&self.0.offered, offered)
    }

    pub fn are_keys_lost(&self) -> bool {
        self.0.keys_lost.load(Ordering::Relaxed)
    }

    /// Returns whether it is news.
    pub fn set_keys_lost(&self, are_lost: bool) -> bool {
        self.0.keys_lost.swap(are_lost, Ordering::Relaxed) != are_lost
    }
}

fn replace<T: PartialEq>(place: &Mutex<T>, value: T) -> bool {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    let is_news = *place != value;
    *place = value;
    is_news
}
