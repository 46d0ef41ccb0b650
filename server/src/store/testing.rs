//! A database for unit tests.

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{Database, NewIdentity, Store};

/// An empty embedded database with all tables: its folder, its address, and a store.
pub async fn migrated() -> (TempDir, String, Store) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("x.db").display());
    let store = Store::connect(&Database::Sqlite(Box::new(url.parse().unwrap())), 4).await.unwrap();
    let identity = NewIdentity { identity: "x".into(), accepted_as: None };
    store.migrate(&identity, &CancellationToken::new()).await.unwrap();
    (folder, url, store)
}
