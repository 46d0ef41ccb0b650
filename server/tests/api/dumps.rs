//! Dumps and restores: a restored database has the same identity.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{Server, run};
use crate::identity::{deploy, identity_in};
use crate::takeover::{login, old_database};

crate::on_every_database_server!(
    a_restored_dump_is_the_same_database,
    a_restored_dump_of_a_database_that_was_taken_over_works,
);

/// A program of the newest installed PostgreSQL: an older one cannot dump a newer server.
fn postgres_program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
    let newest = versions.max_by_key(|path| path.file_name().unwrap().to_str().unwrap().parse::<u32>().ok());
    newest.unwrap().join("bin").join(name)
}

/// A client of MariaDB, which also works with MySQL, with the database as its last argument.
fn mariadb_program(name: &str, database: &Database) -> Command {
    let (server, db) = database.url.strip_prefix("mysql://").unwrap().rsplit_once('/').unwrap();
    let (credentials, address) = server.split_once('@').unwrap();
    let (user, password) = credentials.split_once(':').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    let mut command = Command::new(name);
    command.args(["--no-defaults", "--ssl", "--host", host, "--port", port, "--user", user]);
    command.arg(format!("--password={password}")).arg(db);
    command
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Dumps a database, and restores the dump into an empty one.
async fn restored(engine: Engine, database: &Database) -> Database {
    let other = Database::create(engine).await;
    let dump = database.folder.path().join("dump");
    if engine == Engine::Postgres {
        copy_postgres(database, &other);
    } else {
        succeeds(mariadb_program("mariadb-dump", database).stdout(File::create(&dump).unwrap()));
        succeeds(mariadb_program("mariadb", &other).stdin(File::open(&dump).unwrap()));
    }
    // Use the same keys, as after restoring the Secret.
    std::fs::copy(database.folder.path().join("sc-auth-keys.json"), other.folder.path().join("sc-auth-keys.json"))
        .unwrap();
    other
}

/// Copies all tables into an empty database.
pub fn copy_postgres(from: &Database, to: &Database) {
    let dump = from.folder.path().join("dump");
    succeeds(Command::new(postgres_program("pg_dump")).args(["-Fc", "-d", &from.url, "-f"]).arg(&dump));
    succeeds(Command::new(postgres_program("pg_restore")).args(["--no-owner", "-d", &to.url]).arg(&dump));
}

async fn a_restored_dump_is_the_same_database(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let tokens = server.login("alice").await;
    let (identity, other) = (identity_in(&database).await, restored(engine, &database).await);
    drop(server);
    let plan = String::from_utf8(run(&other, &["migrate", "--plan"], &[]).await.stdout).unwrap();
    assert!(plan.contains("There is nothing to migrate."), "{plan}");
    deploy(&other, "auth", Some(&identity));
    let server = Server::start(&other, &[]).await;
    assert_eq!(server.status().await["database"]["identity"], json!(identity));
    assert!(server.is_valid(&tokens.access).await, "sessions continue");
    assert_eq!(server.refresh(&tokens.refresh).await.status, 200);
    server.login("alice").await;
    server.register("bob").await;
    server.login("bob").await;
}

async fn a_restored_dump_of_a_database_that_was_taken_over_works(engine: Engine) {
    let database = old_database(engine).await;
    assert!(run(&database, &["migrate"], &[]).await.status.success());
    let server = Server::start(&database, &[]).await;
    login(&server, "alice").await;
    let (identity, other) = (identity_in(&database).await, restored(engine, &database).await);
    drop(server);
    deploy(&other, "auth", Some(&identity));
    let server = Server::start(&other, &[]).await;
    for name in ["admin", "alice"] {
        login(&server, name).await;
    }
    assert_eq!(server.status().await["database"]["taken_over"], json!(true));
    server.register("bob").await;
    server.login("bob").await;
}
