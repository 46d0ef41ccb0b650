//! Stopping a server while it migrates the database.

use crate::database::{Database, Engine};
use crate::harness::{Server, until};
use crate::identity::deploy;
use crate::takeover::old_database;

crate::on_every_database_server!(
    a_stop_waits_for_a_migration_after_a_hold,
    a_stop_waits_for_a_migration_during_a_start,
);

/// Stops a server whose migration waits for a reader of the table of users.
async fn a_stop_waits_for_the_migration(mut server: Server, database: &Database, lock: Box<dyn Send>) {
    server.signal("TERM");
    drop(lock);
    assert!(server.ended_well().await, "{}", server.log.text());
    assert_eq!(database.texts("SELECT oldest_server FROM sc_auth_schema").await.len(), 1, "it is complete");
    assert_eq!(database.texts("SELECT username_key FROM users ORDER BY id").await, ["admin", "alice"]);
}

async fn a_stop_waits_for_a_migration_after_a_hold(engine: Engine) {
    let database = old_database(engine).await;
    deploy(&database, "auth", Some("the-one-with-the-data"));
    let server = Server::start_held(&database, &[("SC_AUTH_DRAIN", "1s")]).await;
    let found = server.status().await["hold"]["found"].as_str().unwrap().to_owned();
    let lock = database.lock_users().await;
    deploy(&database, "auth", Some(&found));
    until("it migrates", async || server.log.text().contains("migrating")).await;
    a_stop_waits_for_the_migration(server, &database, lock).await;
}

async fn a_stop_waits_for_a_migration_during_a_start(engine: Engine) {
    let database = old_database(engine).await;
    let lock = database.lock_users().await;
    let server = Server::start_migrating(&database, &[("SC_AUTH_DRAIN", "1s")]).await;
    a_stop_waits_for_the_migration(server, &database, lock).await;
}
