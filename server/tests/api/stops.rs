//! Stopping a server while it migrates the database.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::database::{Database, Engine};
use crate::harness::{PATIENCE, Server, command, run, until};
use crate::identity::deploy;
use crate::takeover::old_database;

crate::on_every_engine!(
    a_server_that_waits_for_another_migration_stops_at_once,
    a_command_that_waits_for_another_migration_stops_at_once,
);

mod migrations {
    use super::{a_stop_waits_for_a_migration_after_a_hold, a_stop_waits_for_a_migration_during_a_start};

    crate::on_every_database_server!(
        a_stop_waits_for_a_migration_after_a_hold,
        a_stop_waits_for_a_migration_during_a_start,
    );
}

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

/// A database that has to be migrated, which another process keeps from it.
async fn waiting_database(engine: Engine) -> (Database, Box<dyn Send>) {
    let database = Database::create(engine).await;
    assert!(run(&database, &["migrate"], &[]).await.status.success());
    database.execute("UPDATE sc_auth_schema SET version = 1").await;
    let lock = database.lock_migrations().await;
    (database, lock)
}

async fn a_server_that_waits_for_another_migration_stops_at_once(engine: Engine) {
    let (database, lock) = waiting_database(engine).await;
    let mut server = Server::start_waiting(&database).await;
    server.signal("TERM");
    assert!(server.ended_well().await, "{}", server.log.text());
    drop(lock);
    assert_eq!(database.texts("SELECT oldest_server FROM sc_auth_schema WHERE version = 1").await.len(), 1);
}

async fn a_command_that_waits_for_another_migration_stops_at_once(engine: Engine) {
    let (database, lock) = waiting_database(engine).await;
    let mut migrate = command(&database, &["migrate"], &[]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(migrate.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("waiting until another process") {
            break;
        }
    }
    let id = migrate.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    let status = tokio::time::timeout(PATIENCE, migrate.wait()).await.expect("it stops").unwrap();
    assert_eq!(status.code(), Some(1), "an init container must not look complete");
    drop(lock);
}
