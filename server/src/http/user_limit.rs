//! The number of users at which the registration ends: strangers must not fill the database.

use std::time::Duration;

use sc_auth_contract::time::UnixTime;
use tokio::sync::Mutex;

use crate::store::{Store, StoreError};

/// How long a count is used: strangers cause it, and a database may have many users.
const COUNTED_FOR: Duration = Duration::from_secs(5);

pub struct UserLimit {
    most: u64,
    counted: Mutex<Option<Counted>>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    at: UnixTime,
    count: u64,
}

impl UserLimit {
    pub fn new(most: u64) -> Self {
        Self { most, counted: Mutex::new(None) }
    }

    pub async fn is_reached(&self, store: &Store, now: UnixTime) -> Result<bool, StoreError> {
        // Held while it counts, so that many requests at once cause one count.
        let mut counted = self.counted.lock().await;
        if counted.is_none_or(|counted| now < counted.at || now >= counted.at + COUNTED_FOR) {
            *counted = Some(Counted { at: now, count: store.count_users(self.most).await? });
        }
        Ok(counted.is_some_and(|counted| counted.count >= self.most))
    }

    /// Adds a user that this server has created.
    pub async fn add(&self) {
        if let Some(counted) = self.counted.lock().await.as_mut() {
            counted.count += 1;
        }
    }
}
