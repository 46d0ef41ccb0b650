//! A database for unit tests.

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{Database, NewEvent, NewIdentity, Store, Tier};

/// An empty embedded database with all tables: its folder, its address, and a store.
pub async fn migrated() -> (TempDir, String, Store) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("x.db").display());
    let store = Store::connect(&Database::Sqlite(Box::new(url.parse().unwrap())), 4).await.unwrap();
    let identity = NewIdentity { identity: "x".into(), accepted_as: None };
    store.migrate(&identity, &CancellationToken::new()).await.unwrap();
    (folder, url, store)
}

/// The same with these rows in the outbox of logout tokens: id, user, client and `due_at`. All were created in the same second.
pub async fn with_logouts(rows: &[(i64, &str, &str, i64)]) -> (TempDir, SqliteConnection, Store) {
    let (folder, url, store) = migrated().await;
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    for (id, sub, client, due_at) in rows {
        let values = format!("({id}, 's{id}', '{sub}', '{client}', 1000, {due_at})");
        let sql = "INSERT INTO logout_outbox (id, sid, sub, client, created_at, due_at) VALUES ";
        sqlx::raw_sql(AssertSqlSafe(format!("{sql}{values}"))).execute(&mut connection).await.unwrap();
    }
    (folder, connection, store)
}

/// An event that says nothing but its name.
pub fn event(name: &'static str) -> NewEvent {
    NewEvent {
        at: 0.into(),
        event: name,
        outcome: "success",
        actor_uuid: None,
        actor_name: None,
        subject_uuid: None,
        subject_name: None,
        address: None,
        user_agent: None,
        request_id: None,
        detail: None,
        tier: Tier::Own,
        repeat_key: None,
        count: 1,
    }
}
