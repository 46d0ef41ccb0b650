//! The number of users at which the registration ends: strangers must not fill the database.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sc_auth_contract::time::UnixTime;

use crate::store::{Store, StoreError};

/// How long a count is used: strangers cause it, and a database may have many users.
const COUNTED_FOR: Duration = Duration::from_secs(5);

pub struct UserLimit {
    most: u64,
    counted: Mutex<Option<Counted>>,
    /// Held by the one request that counts.
    counting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    at: UnixTime,
    count: u64,
}

impl UserLimit {
    pub fn new(most: u64) -> Self {
        Self { most, counted: Mutex::new(None), counting: tokio::sync::Mutex::new(()) }
    }

    pub async fn is_reached(&self, store: &Store, now: UnixTime) -> Result<bool, StoreError> {
        // Many requests at once cause one count.
        let _counting = self.counting.lock().await;
        let recent = *self.lock();
        let recent = recent.filter(|counted| now >= counted.at && now < counted.at + COUNTED_FOR);
        let count = if let Some(counted) = recent { counted.count } else { store.count_users(self.most).await? };
        if recent.is_none() {
            *self.lock() = Some(Counted { at: now, count });
        }
        Ok(count >= self.most)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Counted>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a user that this server has created.
    pub fn add(&self) {
        if let Some(counted) = self.lock().as_mut() {
            counted.count += 1;
        }
    }
}
