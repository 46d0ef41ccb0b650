//! The database's identity is written once; replicas agree on it, and copies keep it.

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Server, run};

crate::on_every_engine!(
    replicas_agree_on_an_identity_that_stays,
    a_database_of_release_0_2_gets_the_expected_identity,
    a_database_of_release_0_2_gets_a_new_identity_without_an_expected_one,
    the_plan_shows_version_and_identity,
);

/// Writes the deployment file, with the ScAuth and the expected database.
pub fn deploy(database: &Database, name: &str, expected: Option<&str>) {
    let mut file = json!({
        "name": name, "uid": format!("uid-of-{name}"), "created": 1_700_000_000, "instance": format!("instance-of-{name}"),
    });
    if let Some(expected) = expected {
        file["database"] = json!(expected);
    }
    std::fs::write(database.folder.path().join("scauth.json"), file.to_string()).unwrap();
}

pub async fn identity_in(database: &Database) -> String {
    database.texts("SELECT identity FROM sc_auth_identity").await.pop().unwrap()
}

/// `schema::VERSION` of the server, a program that has no library to take it from.
pub fn schema_version() -> i32 {
    let source = include_str!("../../src/store/schema.rs");
    let line = source.lines().find_map(|line| line.strip_prefix("pub const VERSION: i32 = "));
    line.and_then(|line| line.strip_suffix(';')).unwrap().parse().unwrap()
}

/// Turns a database into one of release 0.2.
pub async fn as_release_0_2(database: &Database) {
    database.execute("DROP TABLE sc_auth_identity; DROP TABLE sc_auth_heartbeats; DROP TABLE sc_auth_keys").await;
    database.execute("UPDATE sc_auth_schema SET version = 1").await;
}

async fn replicas_agree_on_an_identity_that_stays(engine: Engine) {
    let database = Database::create(engine).await;
    let migrate = || run(&database, &["migrate"], &[]);
    let (first, second) = tokio::join!(migrate(), migrate());
    assert!(first.status.success() && second.status.success());
    let identity = identity_in(&database).await;
    assert_eq!(identity.len(), 36, "{identity}");
    for _ in 0..2 {
        let status = Server::start(&database, &[]).await.status().await;
        assert_eq!(status["database"]["identity"], json!(identity));
        assert_eq!(
            (&status["database"]["reachable"], &status["database"]["schema"]),
            (&json!(true), &json!(schema_version()))
        );
        assert_eq!((&status["database"]["offered"], &status["hold"]), (&Value::Null, &Value::Null));
    }
    assert_eq!(database.texts("SELECT identity FROM sc_auth_identity").await, [identity]);
}

async fn a_database_of_release_0_2_gets_the_expected_identity(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    drop(server);
    as_release_0_2(&database).await;
    deploy(&database, "auth", Some("the-expected-one"));
    let server = Server::start(&database, &[]).await;
    assert_eq!(server.status().await["database"]["identity"], json!("the-expected-one"));
    server.login("root").await;
}

async fn a_database_of_release_0_2_gets_a_new_identity_without_an_expected_one(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    drop(server);
    as_release_0_2(&database).await;
    deploy(&database, "auth", None);
    let server = Server::start(&database, &[]).await;
    let status = server.status().await;
    assert_eq!(status["database"]["identity"], json!(identity_in(&database).await));
    assert_eq!(status["database"]["accepted_as"], Value::Null);
    server.login("root").await;
}

async fn the_plan_shows_version_and_identity(engine: Engine) {
    let (_server, database) = Server::with_admin(engine).await;
    let plan = run(&database, &["migrate", "--plan"], &[]).await;
    let text = String::from_utf8(plan.stdout).unwrap();
    let line = format!("Schema version: {}. Identity: {}.", schema_version(), identity_in(&database).await);
    assert!(text.contains(&line) && text.contains("There is nothing to migrate."), "{text}");
    database.execute("DELETE FROM sc_auth_identity").await;
    let plan = run(&database, &["migrate", "--plan"], &[]).await;
    let text = String::from_utf8(plan.stdout).unwrap();
    assert!(text.contains("Identity: none yet.") && !text.contains("There is nothing to migrate."), "{text}");
}
