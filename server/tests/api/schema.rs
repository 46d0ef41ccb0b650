//! Servers and schemas of different versions, and interrupted migrations.

use std::process::Stdio;
use std::time::Duration;

use crate::database::{Database, Engine};
use crate::harness::{Server, command, run};

crate::on_every_engine!(
    a_compatible_newer_schema_is_not_changed,
    a_schema_that_requires_a_newer_server_is_refused,
    a_foreign_database_is_refused_and_not_changed,
    an_interrupted_migration_continues,
    a_migration_can_be_killed_at_any_moment,
    a_plan_changes_nothing,
);

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn a_compatible_newer_schema_is_not_changed(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    database.execute("UPDATE sc_auth_schema SET version = 99").await;
    // A schema as a newer server would create it.
    database.execute("DROP TABLE chores").await;
    assert!(run(&database, &["migrate"], &[]).await.status.success());
    assert_eq!(database.texts("SELECT oldest_server FROM sc_auth_schema WHERE version = 99").await, ["0.1.0"]);
    let server = Server::start(&database, &[]).await;
    server.login("root").await;
}

async fn a_schema_that_requires_a_newer_server_is_refused(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    database.execute("UPDATE sc_auth_schema SET version = 99, oldest_version = 98, oldest_server = '7.0.0'").await;
    for command in ["migrate", "serve"] {
        let output = run(&database, &[command], &[]).await;
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains("requires release 7.0.0 or later"), "{}", text(&output.stderr));
    }
}

async fn a_foreign_database_is_refused_and_not_changed(engine: Engine) {
    let database = Database::create(engine).await;
    database
        .execute("CREATE TABLE users (id INTEGER PRIMARY KEY, login VARCHAR(20)); CREATE TABLE posts (id INTEGER)")
        .await;
    for command in [&["migrate"][..], &["migrate", "--plan"], &["serve"]] {
        let output = run(&database, command, &[]).await;
        assert!(!output.status.success());
        let error = text(&output.stderr);
        assert!(
            error.contains("belongs neither to this service nor to the legacy service")
                && error.contains("posts, users"),
            "{error}"
        );
    }
    database.execute("INSERT INTO users (id, login) VALUES (1, 'x')").await;
    database.execute("DROP TABLE users; DROP TABLE posts").await;
    assert!(run(&database, &["migrate"], &[]).await.status.success(), "nothing else was created");
}

async fn an_interrupted_migration_continues(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    // MySQL cannot roll back a part: some tables and columns exist, but not the version.
    database.execute("DELETE FROM sc_auth_schema; DROP TABLE audit_events; DROP TABLE login_failures").await;
    database.execute("ALTER TABLE sessions DROP COLUMN user_agent").await;
    let output = run(&database, &["migrate"], &[]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    // A build between two releases leaves this version, without a column that was added later.
    database.execute("ALTER TABLE sc_auth_keys DROP COLUMN lost_at").await;
    let server = Server::start(&database, &[]).await;
    server.login("root").await;
    assert_eq!(database.texts("SELECT id FROM sc_auth_keys WHERE lost_at IS NOT NULL").await, Vec::<String>::new());
}

async fn a_migration_can_be_killed_at_any_moment(engine: Engine) {
    let database = Database::create(engine).await;
    for millis in [5, 10, 15, 20, 30, 40, 60] {
        let mut child = command(&database, &["migrate"], &[]).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        child.kill().await.unwrap();
    }
    // None of them has left a lock, or a partial migration that the next one cannot complete.
    let output = run(&database, &["migrate"], &[]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let plan = run(&database, &["migrate", "--plan"], &[]).await;
    assert!(text(&plan.stdout).contains("There is nothing to migrate."), "{}", text(&plan.stdout));
}

async fn a_plan_changes_nothing(engine: Engine) {
    let database = Database::create(engine).await;
    let output = run(&database, &["migrate", "--plan"], &[]).await;
    let plan = text(&output.stdout);
    assert!(output.status.success() && plan.contains("CREATE TABLE users"), "{plan}");
    database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY); DROP TABLE users").await;
    assert!(run(&database, &["migrate"], &[]).await.status.success());
    let output = run(&database, &["migrate", "--plan"], &[]).await;
    assert!(text(&output.stdout).contains("There is nothing to migrate."), "{}", text(&output.stdout));
}
