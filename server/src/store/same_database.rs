//! Checks each new connection for the database's identity: a host name may suddenly lead to another server, and a file
//! may be replaced. A connection to another database is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The identity that new connections are compared with.
#[derive(Debug, Clone, Default)]
pub(super) struct SameDatabase {
    /// Set once the database is in use.
    identity: Arc<OnceLock<String>>,
    has_strayed: Arc<AtomicBool>,
}

pub(super) const SELECT: &str = "SELECT identity FROM sc_auth_identity WHERE id = 1";

impl SameDatabase {
    /// From now on, accepts only connections to the database with this identity.
    pub fn set(&self, identity: String) {
        // It never changes.
        let _ = self.identity.set(identity);
    }

    pub fn identity(&self) -> Option<&str> {
        self.identity.get().map(String::as_str)
    }

    /// Whether the last new connection led to another database.
    pub fn has_strayed(&self) -> bool {
        self.has_strayed.load(Ordering::Relaxed)
    }

    /// Records that the settings lead to the database again.
    pub fn is_back(&self) {
        self.has_strayed.store(false, Ordering::Relaxed);
    }

    pub fn check(&self, expected: &str, found: Result<Option<String>, sqlx::Error>) -> Result<(), sqlx::Error> {
        let result = match found {
            Ok(Some(found)) if found == expected => Ok(()),
            Ok(_) => Err(sqlx::Error::Protocol("this connection leads to another database".into())),
            Err(error) => Err(error),
        };
        self.has_strayed.store(result.is_err(), Ordering::Relaxed);
        result
    }
}
